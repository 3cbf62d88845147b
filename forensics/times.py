"""Every clock value of the evidence becomes an aware UTC datetime, or `NoTime` with the reason.

Never 1601, 1970 or 9999 as a time: "not set", "never" and "nonsense" are told apart and said. All functions are pure.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OLE_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
# Windows NT did not exist before, and no evidence is from after: outside, a value is damage or a sentinel.
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_EVENT_LENGTH = 27
_ISO = re.compile(r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*(Z|UTC|[+-]\d\d:?\d\d)?$")


class NoTime(NamedTuple):
    """Why a clock value gives no time, with the value as it stood in the evidence."""

    reason: str
    raw: str


Moment = datetime | NoTime
FIRST_TICKS, LAST_TICKS = (  # the same bounds as FILETIMEs
    (moment - FILETIME_EPOCH) // timedelta(microseconds=1) * 10 for moment in (EARLIEST, LATEST)
)


def checked(moment: datetime, raw: str) -> Moment:
    """`moment` when it lies between 1990 and 2100, else why not."""
    if moment < EARLIEST:
        return NoTime("before 1990: not a time of this system", raw)
    if moment >= LATEST:
        return NoTime("after 2100: not a time of this system", raw)
    return moment


def from_filetime(ticks: int) -> Moment:
    """A FILETIME (100 ns since 1601-01-01 UTC, unsigned 64 bit) as a time; sub-microseconds are cut."""
    if FIRST_TICKS <= ticks < LAST_TICKS:  # nearly always: nothing to be said about it
        return FILETIME_EPOCH + timedelta(microseconds=ticks // 10)
    raw = f"0x{ticks & 0xFFFFFFFFFFFFFFFF:016x}"
    if ticks == 0:
        return NoTime("zero: never set", raw)
    if ticks in (0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFFF, -1):
        return NoTime("maximal: never", raw)
    try:
        moment = FILETIME_EPOCH + timedelta(microseconds=ticks // 10)
    except OverflowError:
        return NoTime("out of range", raw)
    return checked(moment, raw)


def to_filetime(moment: datetime) -> int:
    """The FILETIME of an aware datetime (exact to the microsecond)."""
    delta = moment - FILETIME_EPOCH
    return (delta.days * 86_400 + delta.seconds) * 10_000_000 + delta.microseconds * 10


def from_unix(value: float, unit: str = "s") -> Moment:
    """Seconds (`s`), milliseconds (`ms`), microseconds (`us`) or nanoseconds (`ns`) since 1970 UTC as a time."""
    raw = str(value)
    if value == 0:
        return NoTime("zero: never set", raw)
    factor = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0.001}[unit]
    try:
        moment = UNIX_EPOCH + timedelta(microseconds=int(value * factor))
    except (OverflowError, ValueError):
        return NoTime("out of range", raw)
    return checked(moment, raw)


def from_iso(text: str, zone: tzinfo | None = UTC) -> Moment:
    """`2024-12-04T10:02:11.123456789Z` and its relatives; a text without offset is in `zone` (None: refused).

    Digits beyond microseconds are cut. `zone` is the assumption of the caller, who has to name it in the fact.
    """
    if len(text) == _EVENT_LENGTH and text[-1] == "Z":  # every event log record: `2024-12-04T01:02:11.123456Z`
        try:
            return checked(datetime.fromisoformat(text), text)
        except ValueError:
            pass  # judged by the rules below
    match = _ISO.match(text.strip())
    if not match:
        return NoTime("not an ISO time", text)
    day, clock, fraction, offset = match.groups()
    try:
        naive = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '').ljust(6, '0')[:6]}")
    except ValueError:
        return NoTime("not a calendar time", text)
    if offset and offset not in ("Z", "UTC"):
        sign = -1 if offset[0] == "-" else 1
        hours, minutes = int(offset[1:3]), int(offset[-2:])
        if hours > 23 or minutes > 59:
            return NoTime("not an offset", text)
        zone = timezone(sign * timedelta(hours=hours, minutes=minutes))
    elif offset:
        zone = UTC
    if zone is None:
        return NoTime("no zone known", text)
    try:
        return checked(naive.replace(tzinfo=zone).astimezone(UTC), text)
    except OverflowError:
        return NoTime("out of range", text)


def from_ole(days: float) -> Moment:
    """An OLE automation date (days since 1899-12-30 UTC) as a time, to the millisecond: its fraction is no finer."""
    raw = repr(days)
    if days == 0:
        return NoTime("zero: never set", raw)
    try:
        return checked(OLE_EPOCH + timedelta(milliseconds=round(days * 86_400_000)), raw)
    except (OverflowError, ValueError):
        return NoTime("out of range", raw)


def from_dos(date: int, clock: int, zone: tzinfo | None) -> Moment:
    """An MS-DOS date and time word pair (2 s precision, local) in `zone`."""
    raw = f"0x{date:04x}{clock:04x}"
    if date == 0:
        return NoTime("zero: never set", raw)
    try:
        naive = datetime(  # noqa: DTZ001  # the zone follows in the next step
            1980 + (date >> 9), date >> 5 & 15, date & 31, clock >> 11, clock >> 5 & 63, (clock & 31) * 2
        )
    except ValueError:
        return NoTime("not a calendar time", raw)
    if zone is None:
        return NoTime("no zone known", raw)
    return checked(naive.replace(tzinfo=zone).astimezone(UTC), raw)


def iso(moment: datetime) -> str:
    """The house form: `2024-12-04T01:02:11.123456+00:00`, always six digits, always UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970 UTC, exact (no float in between)."""
    delta = moment - UNIX_EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def windows_zone(name: str, bias_minutes: int | None = None) -> tuple[tzinfo | None, str]:
    """The zone that a Windows name such as `Tokyo Standard Time` means, and how it was found.

    Without a bias (an examiner's word, not a registry's) it may be a name of the zone database, too. Falls back to
    the fixed offset of `bias_minutes` (UTC = local + bias, as the registry stores it) when the name is unknown; then
    daylight saving is not followed, and the second value says so.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # not needed by --help

    from tzlocal.windows_tz import win_tz

    name = name.strip("\x00").strip()
    iana = win_tz.get(name) or (name if bias_minutes is None else None)
    if iana:
        try:
            return ZoneInfo(iana), f"{name} ({iana})" if iana != name else name
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    if bias_minutes is None or abs(bias_minutes) > 16 * 60:
        return None, "unknown zone"
    return timezone(timedelta(minutes=-bias_minutes)), f"fixed offset of {-bias_minutes} min, daylight saving unknown"


def named_zone(name: str) -> tzinfo:
    """The zone that a person means by its name in the zone database or the one that Windows has for it.

    Raises:
        ValueError: neither knows the name.
    """
    if name.strip().upper() == "UTC":
        return UTC
    zone, _ = windows_zone(name)
    if zone is None:
        raise ValueError(f"{name!r} is no time zone name such as Asia/Tokyo or 'Tokyo Standard Time'")
    return zone


def same_zone(one: tzinfo, two: tzinfo) -> bool:
    """Whether two zones had the same offset from UTC at the start of every month since 2015."""
    months = (datetime(year, month, 1, tzinfo=UTC) for year in range(2015, 2028) for month in range(1, 13))
    return all(moment.astimezone(one).utcoffset() == moment.astimezone(two).utcoffset() for moment in months)
