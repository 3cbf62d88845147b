"""CBS.log and dism.log: lines of servicing with a local time, and what tells the zone of that time.

A line is `2017-03-10 10:24:32, Info                  CBS    text`. The stamp has no zone. Lines of the component CSI
often carry a UTC time as well (`00000005@2025/4/2:11:15:55.656`), so a log mostly tells its own offset; else the
host's zone is assumed. Both shapes are in public logs (Microsoft's troubleshooting articles, loghub). That the stamp is
local time follows from those pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import BinaryIO, NamedTuple

from forensics.formats.logzone import LOCAL_ZONE, LogZone, naive
from forensics.formats.textfile import lines
from forensics.times import Moment, NoTime, checked, from_iso

_LINE = re.compile(
    r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d), {1,4}(\w{1,20})\s{0,40}(?:\b([A-Z]{2,8}) {1,8})?(.*)$", re.DOTALL
)
_UTC = re.compile(r"@(\d{4})/(\d{1,2})/(\d{1,2}):(\d{1,2}):(\d{1,2}):(\d{1,2})\.\d{1,3}\b")
_QUARTER = timedelta(minutes=15)
_NEAR = timedelta(seconds=60)  # a line is written when its buffer is, a little after the time in it
_FARTHEST = timedelta(hours=14)


class Line(NamedTuple):
    """One line. `stamp` is "" for a continuation; `level` and `component` are as written."""

    number: int
    offset: int
    stamp: str
    level: str
    component: str
    text: str
    cut: bool


def read(fh: BinaryIO) -> Iterator[Line]:
    """Every line of the log, in bounded memory."""
    for number, offset, text, cut in lines(fh):
        match = _LINE.match(text)
        if match:
            stamp, level, component, rest = match.groups()
            yield Line(number, offset, stamp, level, component or "", rest.strip(), cut)
        else:
            yield Line(number, offset, "", "", "", text.strip(), cut)


def offset_of(line: Line) -> timedelta | None:
    """How far local time was from UTC when this line was written, where the line has both."""
    found = _UTC.search(line.text[:200]) if "@" in line.text[:200] else None
    local = naive(line.stamp) if found else None
    if found is None or local is None:
        return None
    try:
        written = datetime(*map(int, found.groups()))  # type: ignore[arg-type]  # noqa: DTZ001  # compared, both naive
    except ValueError:
        return None
    difference = local - written
    offset = round(difference / _QUARTER) * _QUARTER
    return offset if abs(difference - offset) <= _NEAR and abs(offset) <= _FARTHEST else None


class Clock:
    """Turns the stamps of one log into times, going through its lines in order."""

    def __init__(self, zone: tzinfo | None) -> None:
        self._zone = zone
        self._offset: timedelta | None = None
        self._seen = 0

    def note(self, line: Line) -> None:
        """Take over the offset that a line tells."""
        offset = offset_of(line)
        if offset is not None:
            self._offset, self._seen = offset, line.number

    def moment(self, stamp: str) -> Moment:
        """The time of a stamp."""
        local = naive(stamp)
        if local is None:
            return NoTime("a line without a stamp", stamp)
        if self._offset is not None and not self._agrees(local):
            return checked((local - self._offset).replace(tzinfo=UTC), stamp)
        if self._zone is None:
            return NoTime("local time, and the host's zone is not known", stamp)
        return from_iso(stamp, self._zone)

    def zone(self, stamp: str) -> LogZone:
        """How `stamp` was read, and why."""
        if self._offset is None:
            return LogZone(LOCAL_ZONE, "local time; the host's zone is assumed, no line so far has a UTC time, too")
        hours = f"UTC{self._offset / timedelta(hours=1):+.2f} h, told by the UTC time in line {self._seen}"
        local = naive(stamp)
        if self._zone is None or local is None:
            return LogZone(LOCAL_ZONE, f"local time; {hours}")
        if self._agrees(local):
            return LogZone(LOCAL_ZONE, f"local time of the host's zone, which agrees with {hours}")
        return LogZone(LOCAL_ZONE, f"local time; {hours}, which is not the host's zone now")

    def _agrees(self, local: datetime) -> bool:
        return self._zone is not None and local.replace(tzinfo=self._zone).utcoffset() == self._offset
