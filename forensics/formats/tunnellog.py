r"""The log of the VS Code CLI (`tunnel-service.log`, or its output kept elsewhere): grammar and meaning of its lines.

Source of the format: `cli/src/log.rs` of microsoft/vscode: `[YYYY-MM-DD HH:MM:SS] <level> <prefix><message>`, prefix =
`[tunnel.N] `, `[rpc.N] ` and `[codeserver.N] ` with N from one counter per process. Lines of libraries begin with their
Rust module in brackets; `[codeserver.N]` lines are copies of what the server prints. What has no stamp continues the
line before it, or is the banner. The file is truncated at each start, so it tells of the last run only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import BinaryIO

from forensics.formats import logzone
from forensics.formats.messages import UNKNOWN, Meaning, is_banner, meaning
from forensics.formats.serverlog import Entry, parse_text
from forensics.formats.textfile import TextLine, lines, tail

_LINE = re.compile(
    r"\[(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\] (?P<level>trace|debug|info|warn|error|critical) "
    r"(?P<prefix>(?:\[(?:tunnel|rpc|codeserver)\.\d{1,10}\] ?){0,8})(?P<text>.*)",
    re.DOTALL,
)
_PREFIX = re.compile(r"\[(tunnel|rpc|codeserver)\.(\d{1,10})\]")
_MODULE = re.compile(r"\[(?P<module>[a-z_][a-z0-9_]{0,63}(?:::[a-z0-9_]{1,64}){0,8})\] (?P<text>.*)", re.DOTALL)
_ANSI = re.compile(r"\x1b\[[0-9;?]{0,32}[A-Za-z]")
_HEAD_LINES = 2000
_CONTINUATION_LIMIT = 500


@dataclass(slots=True)
class Line:
    """One record: its place, stamp (text, no zone), level, ids, message and what it means.

    `server` is the server's own line inside a `[codeserver.N]` record; `meaning` is then that line's. `more` holds
    continuation lines. A record without `stamp` is text before the first stamped line (`banner` or stray), or a result
    that the CLI prints without one; `after` is then the stamp that was seen last.
    """

    number: int
    offset: int
    stamp: str = ""
    level: str = ""
    rpc: str = ""
    tunnel: str = ""
    codeserver: str = ""
    module: str = ""
    message: str = ""
    meaning: Meaning = UNKNOWN
    server: Entry | None = None
    banner: bool = False
    cut: bool = False
    after: str = ""
    more: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The message with its continuation lines."""
        return "\n".join([self.message, *self.more]).rstrip()


def parse_line(text: str, number: int = 0, offset: int = 0) -> Line | None:
    """One stamped line as a record, None for a text that has no stamp of the CLI."""
    found = _LINE.fullmatch(_ANSI.sub("", text))
    if not found:
        return None
    ids = dict(_PREFIX.findall(found["prefix"]))
    line = Line(number, offset, found["stamp"], found["level"], ids.get("rpc", ""), ids.get("tunnel", ""))
    line.codeserver, line.message = ids.get("codeserver", ""), found["text"]
    if line.codeserver:
        line.server = parse_text(line.message)
        line.meaning = line.server.meaning
        return line
    module = _MODULE.fullmatch(line.message)
    if module:
        line.module, line.message = module["module"], module["text"]
    line.meaning = meaning("cli", line.message, line.module)
    return line


def records(source: Iterable[TextLine]) -> Iterator[Line]:
    """The records of a log, continuation lines joined to the record they follow."""
    current: Line | None = None
    last = ""
    for raw in source:
        line = parse_line(raw.text, raw.number, raw.offset) or _own(raw, current, last)
        if line:
            line.cut = raw.cut
            last = line.stamp or last
            if current:
                yield current
            current = line
        elif current and len(current.more) < _CONTINUATION_LIMIT:
            current.more.append(_ANSI.sub("", raw.text))
    if current:
        yield current


def _own(raw: TextLine, current: Line | None, last: str) -> Line | None:
    """A line without a stamp as a record of its own: a known result, a banner, or what nothing stamped precedes."""
    text = _ANSI.sub("", raw.text)
    found, banner = meaning("cli", text), is_banner(text)
    if not found.bare:
        if current and (current.stamp or not text.strip()) and not banner:
            return None
        found = UNKNOWN
    return Line(raw.number, raw.offset, message=text, meaning=found, banner=banner, after=last)


def read(fh: BinaryIO) -> Iterator[Line]:
    """The records of a log file from its start, in bounded memory. Never raises on what the file holds."""
    return records(lines(fh))


def _pair(line: Line) -> tuple[datetime, timedelta] | None:
    stamp = logzone.naive(line.stamp)
    if stamp is None or line.server is None or not line.server.clock:
        return None
    hours, minutes, seconds = (int(part) for part in line.server.clock.split(":"))
    return stamp, timedelta(hours=hours, minutes=minutes, seconds=seconds)


def evidence(fh: BinaryIO, size: int) -> logzone.Evidence:
    """What the first lines and the end of a log say about its zone."""
    head = [line for _, line in zip(range(_HEAD_LINES), (parse_line(raw.text) for raw in lines(fh)), strict=False)]
    end = [parse_line(text) for text in tail(fh, size)]
    stamps = [stamp for line in (*head, *end) if line and (stamp := logzone.naive(line.stamp))]
    pairs = [pair for line in (*head, *end) if line and (pair := _pair(line))]
    return logzone.Evidence(stamps[0] if stamps else None, stamps[-1] if stamps else None, tuple(pairs[:50]))
