"""JSON with comments and trailing commas, as VS Code's settings are: made plain, then read with the same guards.

The grammar is that of the `jsonc-parser` of microsoft/vscode: `//` and `/* */` outside strings are blanks, and a comma
may stand before a closing bracket. One pass over the text, linear on any input.
"""

from __future__ import annotations

import re
from typing import Any

from forensics.formats import guardedjson
from forensics.formats.textfile import decode

# A string stays as it is; one that is not closed ends at the line's end, so that it cannot swallow the rest.
_PIECE = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"?|//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?')
_STRING_OR_COMMA = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"?|,(?=\s{0,1000}[}\]])')


def _blank(found: re.Match[str]) -> str:
    text = found.group()
    return text if text[0] == '"' else " "


def plain(text: str) -> str:
    """The text without comments and trailing commas."""
    without = _PIECE.sub(_blank, text)
    return _STRING_OR_COMMA.sub(lambda found: "" if found.group() == "," else found.group(), without)


def loads(data: bytes, limit: int = guardedjson.SIZE_LIMIT) -> Any:  # noqa: ANN401  # JSON gives what the file holds
    """The value in a file of JSON with comments; FormatError says what is wrong with it."""
    if len(data) > limit:
        return guardedjson.loads(data, limit)
    return guardedjson.loads(plain(decode(data).text).encode("utf-8", "replace"), 2 * limit)
