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
from itertools import islice
from typing import BinaryIO, NamedTuple

from forensics.formats import logzone
from forensics.formats.messages import UNKNOWN, Meaning, bare_meaning, is_banner, meaning
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
_VERSION = re.compile(r"\bTunnel v(\d{1,3})\.(\d{1,4})")
_A_DAY = timedelta(days=1)
_OUTER_LINES = 50_000
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
        elif current:
            current.cut = True
    if current:
        yield current


def _own(raw: TextLine, current: Line | None, last: str) -> Line | None:
    """A line without a stamp as a record of its own: a known result, a banner, or what nothing stamped precedes."""
    text = _ANSI.sub("", raw.text)
    found, banner = bare_meaning("cli", text), is_banner(text)
    if not found.bare and current and (current.stamp or not text.strip()) and not banner:
        return None
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


def _version(texts: list[str]) -> tuple[int, int] | None:
    """What the CLI calls itself in the first lines, as far as dates of public logs are known by it."""
    for text in texts:
        if found := _VERSION.search(text):
            return int(found[1]), int(found[2])
    return None


class Outer(NamedTuple):
    """A line of the CLI in the desktop's log: the local stamp it was given there, its own, and its text."""

    local: datetime
    inner: datetime
    key: str


def _key(line: Line) -> str:
    return f"{line.stamp} {line.rpc} {line.message[:300]}"


def outer_lines(fh: BinaryIO) -> Iterator[Outer]:
    """The CLI's lines in a `remoteTunnelService.log`, whose own stamps are local (budgeted)."""
    for raw in islice(lines(fh), _OUTER_LINES):
        entry = parse_text(raw.text)
        local = logzone.naive(entry.stamp[:19]) if entry.stamp else None
        line = parse_line(entry.message) if local else None
        inner = logzone.naive(line.stamp) if line else None
        if local and line and inner:
            yield Outer(local, inner, _key(line))


def evidence(fh: BinaryIO, size: int, outer: Iterable[Outer] = ()) -> logzone.Evidence:
    """What the first lines and the end of a log say about its zone, held against the desktop's log."""
    texts = [raw.text for raw in islice(lines(fh), _HEAD_LINES)]
    found = [line for text in (*texts, *tail(fh, size)) if (line := parse_line(text))]
    stamps = [stamp for line in found if (stamp := logzone.naive(line.stamp))]
    pairs = [pair for line in found if (pair := _pair(line))]
    first, last = (stamps[0], stamps[-1]) if stamps else (None, None)
    same, near = _differences({_key(line) for line in found}, outer, first, last)
    return logzone.Evidence(first, last, tuple(pairs[:50]), same, near, _version(texts))


def _differences(
    keys: set[str], outer: Iterable[Outer], first: datetime | None, last: datetime | None
) -> tuple[tuple[timedelta, ...], tuple[timedelta, ...]]:
    """How far the desktop's stamps are from the CLI's: of the same lines, and of others within a day of the log."""
    same: list[timedelta] = []
    near: list[timedelta] = []
    for item in outer:
        if item.key in keys:
            same.append(item.local - item.inner)
        elif first and last and first - _A_DAY <= item.inner <= last + _A_DAY:
            near.append(item.local - item.inner)
    return tuple(same[:50]), tuple(near[:50])
