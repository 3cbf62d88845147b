r"""The logs of the server that a tunnel starts: `remoteagent.log` (and other VS Code logs), and `servers\*\log.txt`.

Sources of the formats: `src/vs/server/node/*.ts` of microsoft/vscode, and public issue threads for the shapes:
`YYYY-MM-DD HH:MM:SS.mmm [level] message` since the end of 2022, before that the same stamp in brackets with
`[remoteagent] [level] message` behind it, and `[HH:MM:SS] message` without any date in `log.txt`. All are local time.
A line of a connection begins with `[address][first 8 characters of its token][kind of connection]`; the address of a
pipe's client is `<unknown>` (from the source code).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, tzinfo
from typing import BinaryIO, NamedTuple

from forensics.formats.messages import UNKNOWN, Meaning, is_banner, meaning
from forensics.formats.textfile import TextLine, lines

_STAMP = r"(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})"
_NEW = re.compile(_STAMP + r" \[(?P<level>[a-z]{1,16})\] ?(?P<text>.*)", re.DOTALL)
_OLD = re.compile(r"\[" + _STAMP + r"\] \[[^\]]{1,64}\] \[(?P<level>[a-z]{1,16})\] ?(?P<text>.*)", re.DOTALL)
_CLOCK = re.compile(r"\[(?P<clock>(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)\] ?(?P<text>.*)", re.DOTALL)
_CONNECTION = re.compile(
    r"\[(?P<address>[^\]]{0,100})\]\[(?P<token>[^\]]{1,64})\]"
    r"\[(?P<kind>ManagementConnection|ExtensionHostConnection)\] ?(?P<text>.*)",
    re.DOTALL,
)
_CONTINUATION_LIMIT = 500
# A clock that goes back by less is disorder or a corrected clock, not a new day.
_SAME_DAY = timedelta(minutes=10)
_NEAR = timedelta(minutes=10)


@dataclass(slots=True)
class Entry:
    """One line. `stamp` (date and milliseconds) or `clock` (HH:MM:SS) or neither; both are local time.

    `connection` is the first 8 characters of the reconnection token, `kind` of which sort the connection is.
    """

    number: int = 0
    offset: int = 0
    stamp: str = ""
    clock: str = ""
    level: str = ""
    address: str = ""
    connection: str = ""
    kind: str = ""
    message: str = ""
    meaning: Meaning = UNKNOWN
    banner: bool = False
    cut: bool = False
    more: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The message with its continuation lines."""
        return "\n".join([self.message, *self.more]).rstrip()


def parse_text(text: str) -> Entry:
    """One line of any of the shapes; a text without stamp gives an entry without one."""
    found = _NEW.fullmatch(text) or _OLD.fullmatch(text)
    clock = None if found else _CLOCK.fullmatch(text)
    entry = Entry(message=found["text"] if found else clock["text"] if clock else text)
    if found:
        entry.stamp, entry.level = found["stamp"], found["level"]
    elif clock:
        entry.clock = clock["clock"]
    connection = _CONNECTION.fullmatch(entry.message)
    if connection:
        entry.address, entry.connection, entry.kind = connection["address"], connection["token"], connection["kind"]
        entry.message = connection["text"]
    entry.meaning = meaning("server", entry.message, entry.kind)
    entry.banner = not found and is_banner(text)
    return entry


def records(source: Iterable[TextLine]) -> Iterator[Entry]:
    """The entries of a log; lines without a stamp that mean nothing by themselves continue the one before them."""
    current: Entry | None = None
    for raw in source:
        entry = parse_text(raw.text)
        entry.number, entry.offset, entry.cut = raw.number, raw.offset, raw.cut
        stamped = bool(entry.stamp or entry.clock)
        own = stamped or entry.meaning.known or entry.banner
        if current is not None and not own and (current.stamp or current.clock or not entry.message.strip()):
            if len(current.more) < _CONTINUATION_LIMIT:
                current.more.append(entry.message)
            else:
                current.cut = True
            continue
        if current is not None:
            yield current
        current = entry
    if current is not None:
        yield current


def read(fh: BinaryIO) -> Iterator[Entry]:
    """The entries of a log file from its start, in bounded memory. Never raises on what the file holds."""
    return records(lines(fh))


def _delta(clock: str) -> timedelta:
    hours, minutes, seconds = clock.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))


class Dates(NamedTuple):
    """The date of the first clock of a `log.txt` (None: not known), and what it rests on."""

    first: date | None
    reason: str


class DayCounter:
    """Counts the days of a log that only has clocks: one more whenever the clock goes back."""

    def __init__(self) -> None:
        self.days = 0
        self._last: timedelta | None = None

    def take(self, clock: str) -> int:
        """The number of days since the first clock, at this clock."""
        now = _delta(clock)
        if self._last is not None and self._last - now > _SAME_DAY:
            self.days += 1
        if self._last is None or now > self._last or self._last - now > _SAME_DAY:
            self._last = now
        return self.days


def find_dates(
    entries: Iterable[Entry], born: datetime | None, modified: datetime | None, zone: tzinfo | None
) -> Dates:
    """The date at which a `log.txt` begins, out of its file's times (UTC) and the clocks in it.

    The modification time is that of the last line; the creation time is the first start of this server build and may
    be older than the run the file tells of (an existing file keeps it, from memory). A silent stretch of whole days
    cannot be seen in the clocks; where both times are known the reason says when they disagree.
    """
    counter = DayCounter()
    first = last = ""
    for entry in entries:
        if entry.clock:
            first, last = first or entry.clock, entry.clock
            counter.take(entry.clock)
    if not last:
        return Dates(None, "no line has a clock")
    if zone is None:
        return Dates(None, "the host's zone is not known")
    if modified is None:
        return _from_birth(born, first, zone)
    end = modified.astimezone(zone).replace(tzinfo=None)
    day = datetime.combine(end.date(), datetime.min.time())
    if day + _delta(last) > end + _NEAR:
        day -= timedelta(days=1)
    try:
        begin = (day - timedelta(days=counter.days)).date()
    except OverflowError:
        return Dates(None, f"its clock goes back {counter.days} times: no calendar holds that")
    gap = end - (day + _delta(last))
    reason = "dates counted back from the file's modification time"
    if gap > _NEAR:
        reason += f", which is {gap} after the last line: the date is not certain"
    if born is not None and born.astimezone(zone).date() > begin:
        reason += "; the file's creation time is later than its first line, so one of them is wrong"
    return Dates(begin, reason)


def _from_birth(born: datetime | None, first: str, zone: tzinfo) -> Dates:
    if born is None:
        return Dates(None, "no date in the log, and the evidence kept no file times")
    start = born.astimezone(zone).replace(tzinfo=None)
    day = datetime.combine(start.date(), datetime.min.time())
    if day + _delta(first) + _NEAR < start:
        day += timedelta(days=1)
    return Dates(day.date(), "dates counted from the file's creation time; a later run would be younger")


def dated(entries: Iterable[Entry], dates: Dates) -> Iterator[Entry]:
    """The entries with `stamp` filled in where a clock and the date of the first one are known."""
    counter = DayCounter()
    for entry in entries:
        if not entry.clock:
            yield entry
            continue
        days = counter.take(entry.clock)
        if dates.first is None:
            yield entry
            continue
        try:
            day = dates.first + timedelta(days=days)
        except OverflowError:
            yield entry
            continue
        yield replace(entry, stamp=f"{day.isoformat()} {entry.clock}")
