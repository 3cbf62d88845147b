r"""The logs of VS Code's desktop program and server: local time with milliseconds, a level, a message.

`YYYY-MM-DD HH:MM:SS.mmm [level] message` since the end of 2022; before that the stamp stood in brackets with the name
of the log behind it. Lines without a stamp continue the one before them. The shapes are those of public issue threads
(microsoft/vscode #322248, #225032; vscode-remote-release #6964, #4397); a file that grows is rotated to `name.1.log`
(from memory).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from forensics.formats.textfile import TextLine, lines

_STAMP = r"(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})"
_NEW = re.compile(_STAMP + r" \[(?P<level>[a-z]{1,16})\] ?(?P<text>.*)", re.DOTALL)
_OLD = re.compile(r"\[" + _STAMP + r"\] \[[^\]]{1,64}\] \[(?P<level>[a-z]{1,16})\] ?(?P<text>.*)", re.DOTALL)
CONTINUATION_LIMIT = 500


class Head(NamedTuple):
    """What a stamped line begins with, and its message."""

    stamp: str
    level: str
    text: str


def head_of(text: str) -> Head | None:
    """A line taken apart, None when it has no stamp."""
    found = _NEW.fullmatch(text) or _OLD.fullmatch(text)
    return Head(found["stamp"], found["level"], found["text"]) if found else None


@dataclass(slots=True)
class Entry:
    """One message with its continuation lines; one without `stamp` is what stands before the first stamped line.

    `lost` counts the continuation lines beyond those that are kept.
    """

    number: int
    offset: int
    stamp: str
    level: str
    message: str
    cut: bool = False
    lost: int = 0
    more: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The message with its continuation lines."""
        return "\n".join([self.message, *self.more]).rstrip()


def entries(source: Iterable[TextLine]) -> Iterator[Entry]:
    """The entries of a log."""
    current: Entry | None = None
    for raw in source:
        head = head_of(raw.text)
        if head or current is None:
            if current:
                yield current
            stamp, level, text = head or Head("", "", raw.text)
            current = Entry(raw.number, raw.offset, stamp, level, text, raw.cut)
        elif len(current.more) < CONTINUATION_LIMIT:
            current.more.append(raw.text)
            current.cut = current.cut or raw.cut
        else:
            current.lost += 1
    if current:
        yield current


def read(fh: BinaryIO) -> Iterator[Entry]:
    """The entries of a log file from its start, in bounded memory. Never raises on what the file holds."""
    return entries(lines(fh))
