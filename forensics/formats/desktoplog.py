r"""`remoteTunnelService.log`: what the desktop VS Code says about its tunnel, and what the CLI that it runs prints.

Outside each line has the desktop's stamp (local time, milliseconds). Inside stands either the desktop's own message
(`remoteTunnelService.ts` and `remoteTunnel.ts` of microsoft/vscode, read in a fork) or text that the CLI printed, with
the CLI's own stamp where it has one; a chunk of several lines has the desktop's stamp on its first only. Both stamps of
one line are a clock against a clock: the CLI's was local time to 2025-09 and is UTC in pastes since 2026-07.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import groupby, islice
from typing import BinaryIO, NamedTuple

from forensics.formats import spdlog, tunnellog
from forensics.formats.logzone import LOCAL_ZONE, NEAR, UNDECIDED, UTC_ZONE, LogZone, naive
from forensics.formats.messages import UNKNOWN, Meaning, meaning
from forensics.formats.textfile import TextLine, lines

_STEP = timedelta(minutes=15)  # every zone's offset is a multiple of it
_FARTHEST = timedelta(hours=14)
_HEAD_LINES = 5_000


@dataclass(slots=True)
class Record:
    """One message: of the desktop (`meaning` known, `line` None) or of the CLI (`line`), under the desktop's stamp."""

    number: int
    offset: int
    stamp: str
    level: str
    text: str
    meaning: Meaning = UNKNOWN
    line: tunnellog.Line | None = None
    cut: bool = False

    @property
    def known(self) -> bool:
        """Whether the catalogue has the message, or it is a line of the banner."""
        line = self.line
        return self.meaning.known if line is None else line.meaning.known or line.banner


class _Tagged(NamedTuple):
    """A line with the number and head of the stamped line that it belongs to."""

    owner: int
    head: spdlog.Head
    line: TextLine


def _tagged(source: Iterable[TextLine]) -> Iterator[_Tagged]:
    owner, head = 0, spdlog.Head("", "", "")
    for raw in source:
        found = spdlog.head_of(raw.text)
        if found:
            owner, head = raw.number, found
        text = found.text if found else raw.text
        if text.strip():  # an empty line follows every text of the CLI
            yield _Tagged(owner, head, raw._replace(text=text))


def records(source: Iterable[TextLine]) -> Iterator[Record]:
    """The records of a log in their order."""
    for _, group in groupby(_tagged(source), key=lambda item: item.owner):
        first = next(group)
        head, raw = first.head, first.line
        found = meaning("desktop", raw.text)
        if found.known:
            yield Record(raw.number, raw.offset, head.stamp, head.level, raw.text, found, cut=raw.cut)
            inside: Iterable[TextLine] = (item.line for item in group)
        else:
            inside = (item.line for item in _chained(first, group))
        for line in tunnellog.records(inside):
            yield Record(
                line.number, line.offset, head.stamp, head.level, line.text, line.meaning, line=line, cut=line.cut
            )


def _chained(first: _Tagged, rest: Iterable[_Tagged]) -> Iterator[_Tagged]:
    yield first
    yield from rest


def read(fh: BinaryIO) -> Iterator[Record]:
    """The records of a log file from its start, in bounded memory. Never raises on what the file holds."""
    return records(lines(fh))


def offset_between(outer: str, inner: str) -> timedelta | None:
    """How far the desktop's stamp is ahead of the CLI's, rounded to what an offset of a zone can be; None: neither."""
    first, second = naive(outer.partition(".")[0]), naive(inner)
    if first is None or second is None:
        return None
    apart = first - second
    offset = round(apart / _STEP) * _STEP
    return offset if abs(apart - offset) <= NEAR and abs(offset) <= _FARTHEST else None


def zone_of(outer: str, inner: str, zone: tzinfo | None) -> LogZone:
    """In which zone the CLI's stamp was written, by the desktop's stamp on the same line; `zone` is the host's."""
    offset, here = offset_between(outer, inner), naive(outer.partition(".")[0])
    if offset is None or here is None:
        return LogZone(UNDECIDED, "the desktop's stamp on the same line is no zone's offset away")
    wanted = here.replace(tzinfo=zone).utcoffset() if zone else None
    if not offset:
        if wanted is not None and not wanted:
            return LogZone(UTC_ZONE, "the host's zone had no offset from UTC then: both readings are the same")
        return LogZone(LOCAL_ZONE, "the desktop's own stamp (local) on the same line agrees")
    reason = f"the desktop's own stamp (local) on the same line is {offset / timedelta(hours=1):+.2f} h from it"
    if wanted is not None and wanted != offset:
        reason += f", not the {wanted / timedelta(hours=1):+.2f} h of the host's zone: another zone was set then"
    return LogZone(UTC_ZONE, reason)


def offset_in(fh: BinaryIO) -> timedelta | None:
    """The offset from UTC that the lines of a log agree on, where the CLI's stamps in it are UTC; None otherwise."""
    found = {
        offset
        for record in islice(read(fh), _HEAD_LINES)
        if record.line and record.line.stamp and (offset := offset_between(record.stamp, record.line.stamp))
    }
    return found.pop() if len(found) == 1 else None


def local(stamp: str) -> datetime | None:
    """The desktop's stamp as a datetime without zone."""
    whole, _, fraction = stamp.partition(".")
    moment = naive(whole)
    return moment and moment.replace(microsecond=int(fraction[:3].ljust(3, "0")) * 1000) if fraction else moment
