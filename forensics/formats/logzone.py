"""In which zone a log without zone was written: decided per file, with the evidence stated.

The CLI of VS Code stamps its lines without a zone. The stamps were local time in every public log up to 2025-09-19 and
UTC in every one from 2026-07-01 on; the version that changed it is not established. So the file itself is asked first.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from forensics.times import Moment, NoTime, from_iso

UTC_ZONE, LOCAL_ZONE, UNDECIDED = "utc", "local", "undecided"
# A log's last line and its file's modification time, or two clocks written for the same line, lie this close.
NEAR = timedelta(minutes=5)
_LAST_SEEN_LOCAL = datetime(2025, 9, 20)  # noqa: DTZ001  # compared with stamps that have no zone either
_FIRST_SEEN_UTC = datetime(2026, 7, 1)  # noqa: DTZ001
_DAY = timedelta(days=1)


class LogZone(NamedTuple):
    """The decision: `utc`, `local` or `undecided`, and why."""

    zone: str
    reason: str


class Evidence(NamedTuple):
    """What a log file offers: its first and last stamp, and pairs (stamp, clock of the server in the same line).

    The server's clock is local time; `pairs` hold naive datetimes, the clock as time since midnight.
    """

    first: datetime | None
    last: datetime | None
    pairs: tuple[tuple[datetime, timedelta], ...] = ()


def naive(text: str) -> datetime | None:
    """`2024-12-04 10:02:11` as a datetime without zone, None when it is no calendar time."""
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007  # the zone is what is sought
    except ValueError:
        return None


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.replace(tzinfo=zone).utcoffset() or timedelta(0)


def _by_server_clock(evidence: Evidence, zone: tzinfo | None) -> LogZone | None:
    """The CLI copies its server's lines, whose own clock is local: the same clock means local stamps."""
    differences = []
    for stamp, clock in evidence.pairs:
        here = timedelta(hours=stamp.hour, minutes=stamp.minute, seconds=stamp.second)
        differences.append((clock - here + _DAY / 2) % _DAY - _DAY / 2)
    if not differences:
        return None
    if all(abs(item) <= NEAR for item in differences):
        return LogZone(LOCAL_ZONE, "the server's own clock (local) in the same lines agrees with the stamps")
    wanted = _offset(evidence.pairs[0][0], zone) if zone else None
    same = all(abs(item - differences[0]) <= NEAR for item in differences)
    if same and (wanted is None or abs((differences[0] - wanted + _DAY / 2) % _DAY - _DAY / 2) <= NEAR):
        hours = differences[0] / timedelta(hours=1)
        return LogZone(UTC_ZONE, f"the server's own clock (local) in the same lines is {hours:+.1f} h from the stamps")
    return None


def _by_mtime(evidence: Evidence, modified: datetime | None, zone: tzinfo | None) -> LogZone | None:
    if modified is None or evidence.last is None:
        return None
    if abs(modified - evidence.last.replace(tzinfo=UTC)) <= NEAR:
        return LogZone(UTC_ZONE, "the last line read as UTC agrees with the file's modification time")
    if zone and abs(modified - evidence.last.replace(tzinfo=zone)) <= NEAR:
        return LogZone(LOCAL_ZONE, "the last line read as local time agrees with the file's modification time")
    return None


def decide(evidence: Evidence, modified: datetime | None, zone: tzinfo | None) -> LogZone:
    """The zone of a CLI log's stamps.

    In this order: the host's zone is UTC anyway; the server's clock inside the lines; the last line against the
    file's modification time (UTC); the dates of public logs (an inference); else undecided.
    """
    first, last = evidence.first, evidence.last
    if zone and first and last and not _offset(first, zone) and not _offset(last, zone):
        return LogZone(UTC_ZONE, "the host's zone had no offset from UTC then: both readings are the same")
    found = _by_server_clock(evidence, zone) or _by_mtime(evidence, modified, zone)
    if found:
        return found
    if last and last < _LAST_SEEN_LOCAL:
        return LogZone(LOCAL_ZONE, "inference from its dates: public logs before 2025-09-20 are in local time")
    if first and first >= _FIRST_SEEN_UTC:
        return LogZone(UTC_ZONE, "inference from its dates: public logs since 2026-07-01 are in UTC")
    return LogZone(UNDECIDED, "no file time to compare with, and from the months in which the program changed")


def resolve(text: str, decision: LogZone, zone: tzinfo | None) -> tuple[Moment, str | None]:
    """(time, other reading) of a stamp. The second is ISO text, given only while the zone is undecided.

    Undecided stamps are read as local time, the other reading is UTC.
    """
    if decision.zone == UTC_ZONE:
        return from_iso(text, UTC), None
    other = None
    if decision.zone == UNDECIDED:
        as_utc = from_iso(text, UTC)
        other = as_utc.isoformat() if isinstance(as_utc, datetime) else None
    if zone is None:
        return NoTime("local time, and the host's zone is not known", text), other
    return from_iso(text, zone), other
