"""What sets a task off, out of its binary Triggers value in TaskCache, in the words of the task's XML.

The registry copy is what runs: of a task whose XML file is gone, or was put back after a change, only this says when.
Times that are kept in local time stand without a zone, the others with `Z` [INF: by the flag beside the time, as the
published layout names it]; session changes 5 and 6 are its numbers, 7 and 8 those of the scheduler's interface.
Triggers end at the first that cannot be read; those before it are kept.

Layout: https://cyber.wtf/2022/06/01/windows-registry-analysis-todays-episode-tasks/ and the structures published with
it (github.com/GDATAAdvancedAnalytics/winreg-tasks, Windows 10); versions 0x15 and 0x16 by the same source.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from forensics.formats import FormatError
from forensics.formats.taskcache import Reader, read_head, read_user
from forensics.times import from_filetime

_VERSIONS = frozenset({0x15, 0x16, 0x17})
_MOST = 96  # the scheduler allows 48
_MOST_QUERIES = 64
_LONGEST = 300  # characters of a subscription that are told, as of the XML
_NEVER = 0xFFFFFFFFFFFFFFFF
_UNLIMITED = 0xFFFFFFFF
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_SESSIONS = {
    1: "ConsoleConnect", 2: "ConsoleDisconnect", 3: "RemoteConnect", 4: "RemoteDisconnect", 7: "SessionLock",
    8: "SessionUnlock", 5: "SessionLock", 6: "SessionUnlock",
}  # fmt: skip
_UNITS = ((86_400, "D"), (3600, "H"), (60, "M"), (1, "S"))


@dataclass(frozen=True, slots=True)
class Triggers:
    """One line each; `error` says where reading stopped, None when all was read."""

    lines: tuple[str, ...] = ()
    error: FormatError | None = None


def read_triggers(raw: bytes) -> Triggers:
    """Every trigger up to the first that cannot be read."""
    reader, lines = Reader(raw), list[str]()
    try:
        version = _header(reader)
        while reader.left:
            if len(lines) == _MOST:
                return Triggers(tuple(lines), FormatError(f"more than {_MOST} triggers", reader.offset))
            lines.append(_trigger(reader, version))
    except FormatError as error:
        return Triggers(tuple(lines), error)
    return Triggers(tuple(lines))


def _header(reader: Reader) -> int:
    """The version; what the task is bound to otherwise (idle, limits, priority) is passed over."""
    version = read_head(reader)
    if version not in _VERSIONS:
        raise FormatError(f"unknown version 0x{version:x} of a task's triggers", 0)
    read_user(reader)
    size = reader.aligned_number()
    reader.take(size)
    reader.take(-size % 8)
    return version


def _trigger(reader: Reader, version: int) -> str:
    at = reader.offset
    magic = reader.aligned_number()
    if magic == 0xDDDD:
        return " ".join(_schedule(reader, version))
    if magic not in _KINDS:
        raise FormatError(f"unknown trigger 0x{magic:x}", at)
    name, rest = _KINDS[magic]
    parts = [name, *_general(reader, version)]
    return " ".join([*parts, *(rest(reader) if rest else ())])


def _general(reader: Reader, version: int) -> list[str]:
    """What every trigger but that of a time begins with."""
    bounds = [_time(reader, "StartBoundary"), _time(reader, "EndBoundary")]
    delay, limit, interval, duration, _again = (reader.number(4) for _ in range(5))
    reader.take(4)  # stop at the duration's end, filler
    enabled = reader.aligned_flag()
    reader.take(8)
    _identity(reader, version)
    parts = [*bounds, _period("Interval", interval), _period("Duration", duration), _period("Delay", delay)]
    parts.append(_period("ExecutionTimeLimit", limit))
    return [part for part in [*parts, "" if enabled else "Enabled=false"] if part]


def _schedule(reader: Reader, version: int) -> list[str]:
    """A time, or days of weeks or months."""
    bounds = [_time(reader, "StartBoundary"), _time(reader, "EndBoundary")]
    reader.take(16)
    interval, duration, limit, mode = (reader.number(4) for _ in range(4))
    first, second, third, _filler = (reader.number(2) for _ in range(4))
    reader.take(1)  # stop at the duration's end
    enabled = reader.number(1)
    reader.take(2 + 4)
    delay = reader.number(4)
    reader.take(4)
    _identity(reader, version)
    parts = [*bounds, _period("Interval", interval), _period("Duration", duration), _period("RandomDelay", delay)]
    parts += [_period("ExecutionTimeLimit", limit), "" if enabled else "Enabled=false"]
    parts += _days(mode, first, second, third)
    return ["CalendarTrigger" if mode else "TimeTrigger", *(part for part in parts if part)]


def _days(mode: int, first: int, second: int, third: int) -> list[str]:
    if mode == 1:
        return ["ScheduleByDay", f"DaysInterval={first}"]
    if mode == 2:
        return ["ScheduleByWeek", f"WeeksInterval={first}", *_bits(second, _DAYS)]
    if mode == 3:
        days = [str(day + 1) if day < 31 else "Last" for day in range(32) if (second << 16 | first) >> day & 1]
        return ["ScheduleByMonth", *(f"Day={day}" for day in days), *_bits(third, _MONTHS)]
    if mode == 4:
        weeks = [str(week + 1) for week in range(5) if second >> week & 1]
        named = [*_bits(first, _DAYS), *_bits(third, _MONTHS)]
        return ["ScheduleByMonthDayOfWeek", *(f"Week={week}" for week in weeks), *named]
    return [f"Mode={mode}"] if mode else []


def _bits(value: int, names: tuple[str, ...]) -> list[str]:
    return [name for place, name in enumerate(names) if value >> place & 1]


def _user(reader: Reader) -> list[str]:
    account = read_user(reader)
    return [f"UserId={account}"] if account else []


def _session(reader: Reader) -> list[str]:
    state = reader.aligned_number()
    return [f"StateChange={_SESSIONS.get(state, state)}", *_user(reader)]


def _event(reader: Reader) -> list[str]:
    subscription = " ".join(_counted(reader).split())
    reader.take(8)
    _counted(reader)
    queries = reader.aligned_number()
    if queries > _MOST_QUERIES:
        raise FormatError(f"{queries} values of an event are claimed", reader.offset)
    for _ in range(2 * queries):
        _counted(reader)
    return [f"Subscription={subscription[:_LONGEST]}"] if subscription else []


def _state(reader: Reader) -> list[str]:
    name = reader.take(8).hex().upper()
    reader.take(reader.aligned_number())
    return [f"StateName={name}"]


def _counted(reader: Reader) -> str:
    """A text whose length is in characters, without the NUL that follows them."""
    length = reader.aligned_number()
    if not length:
        return ""
    content = reader.take(2 * length + 2)
    reader.take(-len(content) % 8)
    return content.decode("utf-16-le", "replace").rstrip("\0")


def _identity(reader: Reader, version: int) -> None:
    """The trigger's own name, since version 0x16; anybody's text, of no use here."""
    if version < 0x16:
        return
    size = reader.number(4)
    reader.take(size)
    reader.take(-(size + 4) % 8)


def _time(reader: Reader, name: str) -> str:
    local = reader.aligned_flag()
    ticks = reader.number(8)
    moment = from_filetime(ticks) if 0 < ticks < _NEVER else None
    if not isinstance(moment, datetime):
        return ""
    return f"{name}={moment:%Y-%m-%dT%H:%M:%S}{'' if local else 'Z'}"


def _period(name: str, seconds: int) -> str:
    """A span as the XML writes it; "" for none and for one without limit."""
    if seconds in (0, _UNLIMITED):
        return ""
    days, clock = "", ""
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count and unit == "D":
            days = f"{count}D"
        elif count:
            clock += f"{count}{unit}"
    return f"{name}=P{days}{'T' if clock else ''}{clock}"


_KINDS = {
    0x6666: ("WnfStateChangeTrigger", _state),
    0x7777: ("SessionStateChangeTrigger", _session),
    0x8888: ("RegistrationTrigger", None),
    0xAAAA: ("LogonTrigger", _user),
    0xCCCC: ("EventTrigger", _event),
    0xEEEE: ("IdleTrigger", None),
    0xFFFF: ("BootTrigger", None),
}
