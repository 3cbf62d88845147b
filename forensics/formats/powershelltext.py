r"""The code of a PowerShell script line by line: without its comments, and plain where it is written to hide.

What is taken away are comments, as PowerShell's own scanner finds them: `#` at the start of a word, `<# ... #>` across
lines, neither inside quoted texts or here-strings; typographic quotes are quotes as well. A comment that is not closed
is no comment, and PowerShell runs nothing of such a file: it stays. `plain` undoes what changes nothing in a line's
meaning: backticks inside words, texts put together from pieces, blanks beyond one.
https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_comments
https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_quoting_rules
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_SINGLE, _DOUBLE = "'\u2018\u2019\u201a\u201b", '"\u201c\u201d\u201e'
# Each alternative takes what it began in one go, to the end of the text at most: no place is read twice.
_TOKEN = re.compile(
    rf"@[{_SINGLE}][ \t]*[\r\n].*?(?:[\r\n][{_SINGLE}]@|\Z)"
    rf"|@[{_DOUBLE}][ \t]*[\r\n].*?(?:[\r\n][{_DOUBLE}]@|\Z)"
    rf"|[{_SINGLE}][^{_SINGLE}]*(?:[{_SINGLE}]|\Z)"
    rf"|[{_DOUBLE}](?:[^`{_DOUBLE}]|`.)*+(?:[{_DOUBLE}]|`?\Z)"
    r"|<#.*?(?:#>|\Z)"
    r"|`."
    r"|(?<![^\s;(){}|,&=])#[^\r\n]*",
    re.DOTALL,
)
_LINES = re.compile(r"\r\n|\r|\n")
_BLANKS = re.compile(r"[\s\xa0]+")
_JOINED = re.compile(rf"([{_SINGLE}{_DOUBLE}]) ?\+ ?[{_SINGLE}{_DOUBLE}]")
_LOOK = 4096


def code(text: str) -> Iterator[tuple[int, str]]:
    """The lines that hold code, each with the number of the line it begins on; continued ones are one line."""
    kept: list[str] = []
    begun = 0
    for number, line in enumerate(_LINES.split(_TOKEN.sub(_uncommented, text)), 1):
        begun = begun if kept else number
        held = line.rstrip()
        continued = held.endswith("`") and not held.endswith("``")
        kept.append(held[:-1] if continued else held)
        if not continued:
            yield from _joined(begun, kept)
            kept = []
    yield from _joined(begun, kept)


def _joined(begun: int, parts: list[str]) -> Iterator[tuple[int, str]]:
    if joined := " ".join(parts).strip():
        yield begun, joined


def _uncommented(match: re.Match[str]) -> str:
    """A comment's line ends in its place, any other token as it is."""
    token = match.group()
    if token.startswith("#"):
        return token if _within(match.string, match.start()) else ""
    if token.startswith("<#") and token.endswith("#>") and len(token) > len("<#>"):
        return " " + "".join(_LINES.findall(token))
    return token


def _within(text: str, at: int) -> bool:
    """Whether a `#` may stand in a text inside `"$(...)"`, whose quotes the scanner above does not pair."""
    before = text[max(0, at - _LOOK) : at]
    line = before[max(before.rfind("\n"), before.rfind("\r")) + 1 :]
    return len(line) == _LOOK or ("$(" in line and any(quote in line for quote in _DOUBLE))


def plain(line: str) -> str:
    """A line of code as one would write it who hides nothing."""
    return _JOINED.sub("", _BLANKS.sub(" ", line.replace("`", "")))
