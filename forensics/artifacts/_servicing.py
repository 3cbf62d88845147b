"""What the artifacts of Windows' servicing share: which features matter, states of packages, rows out of log lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO

from forensics.artifacts.base import FieldType, FileInput, Kind
from forensics.formats import servicinglog
from forensics.formats.servicinglog import Clock, Line
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules import load
from forensics.times import Moment, NoTime

RECORDED = "Recorded Time"
INSTALLED = "Installation Time"
WRITTEN = "Content Modification Time"
MESSAGE_LIMIT = 2 * 1024
ROW_BUDGET = 5000  # context rows of one log: a servicing session names a feature in some hundred lines
LOG_FIELDS: dict[str, FieldType] = {
    "log_level": str,
    "log_message": str,
    "log_zone": str,
    "log_zone_reason": str,
    "line_number": int,
    "file_offset": int,
}
SERVICING_LOG = Kind(
    "Servicing log of {record_count} lines[ from {first_record_time}][ to {last_record_time}][, member {file_name}]"
    ", {records_told} told here",
    {
        "record_count": int,
        "records_told": int,
        "first_record_time": str,
        "last_record_time": str,
        "file_name": str,
        "log_zone": str,
        "log_zone_reason": str,
    },
    context=True,
)


@cache
def _names(group: str) -> tuple[str, ...]:
    return tuple(name.casefold() for name in load("features")[group])


def is_sandbox(text: str) -> bool:
    """Whether a text names the feature Windows Sandbox."""
    folded = text.casefold()
    return any(name in folded for name in _names("sandbox"))


def is_guard(text: str) -> bool:
    """Whether a text names Application Guard, whose machines look like the Sandbox's."""
    folded = text.casefold()
    return any(name in folded for name in _names("guard"))


def is_feature(folded: str) -> bool:
    """Whether a folded text names a feature that bears on sandboxes, or the installer of their base layer."""
    return any(name in folded for group in ("sandbox", "guard", "related", "installer") for name in _names(group))


def is_installer(text: str) -> bool:
    """Whether a text names the part of servicing that builds the base layer."""
    folded = text.casefold()
    return any(name in folded for name in _names("installer"))


def state_name(code: int) -> str:
    """A package's state in words, an unknown one as its number; a negative one is that state, but broken."""
    states: dict[int, str] = load("features")["states"]
    broken = code >> 31 == 1
    name = states.get((1 << 32) - code if broken else code)
    if name is None:
        return f"0x{code:x}"
    return f"{name}, broken" if broken else name


@dataclass(slots=True)
class LogRows:
    """Walks one servicing log; keeps the clock, counts, and makes rows of lines."""

    artifact: str
    given: FileInput
    member: str = ""
    clock: Clock = field(init=False)
    told: int = 0
    _count: int = 0
    _first: str = ""
    _last: str = ""
    _contexts: int = 0

    def __post_init__(self) -> None:
        self.clock = Clock(self.given.zone)

    def lines(self, fh: BinaryIO) -> Iterator[Line]:
        """Every line of the log, the clock kept."""
        for line in servicinglog.read(fh):
            self._count = line.number
            self.clock.note(line)
            if line.stamp:
                self._first = self._first or line.stamp
                self._last = line.stamp
            yield line

    def row(self, kind: str, line: Line, fields: dict[str, Value | None], *, context: bool) -> Iterator[Fact | Problem]:
        """The row of a line, and a problem when the line was cut; context rows up to a budget."""
        locator = self._locator(f"line {line.number}")
        if line.cut:
            detail = f"line {line.number} at offset 0x{line.offset:x} is longer than 64 KiB and was cut"
            yield Problem("truncated", self.artifact, self.given.source(locator), detail)
        self._contexts += context
        if context and self._contexts > ROW_BUDGET:
            return
        self.told += 1
        zone = self.clock.zone(line.stamp)
        common: dict[str, Value | None] = {
            "log_level": line.level,
            "log_message": line.text[:MESSAGE_LIMIT],
            "log_zone": zone.zone,
            "log_zone_reason": zone.reason,
            "line_number": line.number,
            "file_offset": line.offset,
        }
        moment = self.clock.moment(line.stamp)
        yield make_fact(kind, self.given.source(locator), {RECORDED: moment}, common | fields, context=context)

    def end(self) -> Iterator[Fact | Problem]:
        """The row about the log as a whole: which time it covers; and what was more than the budget."""
        if self._contexts > ROW_BUDGET:
            detail = f"{self._contexts - ROW_BUDGET} more lines name a feature: beyond {ROW_BUDGET} they are not told"
            yield Problem("budget", self.artifact, self.given.source(self._locator("")), detail)
        zone = self.clock.zone(self._last)
        fields: dict[str, Value | None] = {
            "record_count": self._count,
            "records_told": self.told,
            "first_record_time": self._first,
            "last_record_time": self._last,
            "file_name": self.member,
            "log_zone": zone.zone,
            "log_zone_reason": zone.reason,
        }
        none: dict[str, Moment | None] = {RECORDED: NoTime("a log as a whole has no time", "")}
        yield make_fact("servicing.log", self.given.source(self._locator("")), none, fields, context=True)

    def _locator(self, place: str) -> str:
        return f"{self.member} {place}".strip() if self.member else place
