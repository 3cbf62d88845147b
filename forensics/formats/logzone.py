"""In which zone a log without zone was written: decided per file, with the evidence stated.

The CLI of VS Code stamps its lines without a zone. The stamps were local time in every public log up to 2025-09-19 and
UTC in every one from 2026-07-01 on; the version that changed it is not established. So the file itself is asked first,
and the same lines in another log of the host, whose clock is known to be local. Which server commits belong to which
version is not known here, so a commit decides nothing; a version that the log itself names does, as an inference.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

from forensics.times import Moment, NoTime, from_iso

UTC_ZONE, LOCAL_ZONE, UNDECIDED = "utc", "local", "undecided"
# A log's last line and its file's modification time, or two clocks written for the same line, lie this close.
NEAR = timedelta(minutes=5)
_LAST_SEEN_LOCAL = datetime(2025, 9, 20)  # noqa: DTZ001  # compared with stamps that have no zone either
_FIRST_SEEN_UTC = datetime(2026, 7, 1)  # noqa: DTZ001
_SEEN_UTC_VERSION = (1, 130)  # its public output of 2026-08-18 is in UTC
_DAY = timedelta(days=1)
_STEP = timedelta(minutes=15)  # offsets of zones are multiples of it
_EXACT = timedelta(seconds=5)
_WEST, _EAST = timedelta(hours=-12), timedelta(hours=14)


class LogZone(NamedTuple):
    """The decision: `utc`, `local` or `undecided`, and why.

    `offset`: what the local clock was ahead of UTC by the file itself, when that is not the host's present zone.
    """

    zone: str
    reason: str
    offset: timedelta | None = None


class Evidence(NamedTuple):
    """What a log file offers: its first and last stamp, and pairs (stamp, clock of the server in the same line).

    The server's clock is local time; `pairs` hold naive datetimes, the clock as time since midnight. `outer` are the
    differences between a local stamp of the desktop's log and this log's stamp of the same line, `near` those of other
    lines of a CLI at about the same time. `version` is what the CLI called itself in the log.
    """

    first: datetime | None
    last: datetime | None
    pairs: tuple[tuple[datetime, timedelta], ...] = ()
    outer: tuple[timedelta, ...] = ()
    near: tuple[timedelta, ...] = ()
    version: tuple[int, int] | None = None


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


def is_offset(difference: timedelta, slack: timedelta) -> bool:
    """Whether a difference of clocks can be that of a zone from UTC (and is not none at all)."""
    whole = round(difference / _STEP) * _STEP
    return bool(whole) and _WEST <= whole <= _EAST and abs(difference - whole) <= slack


def _by_outer(differences: tuple[timedelta, ...], what: str) -> LogZone | None:
    """The desktop's log repeats lines of the CLI behind a stamp of its own, which is local."""
    if not differences:
        return None
    if all(abs(item) <= NEAR for item in differences):
        return LogZone(LOCAL_ZONE, f"the local stamp of {what} agrees with this log's")
    if all(is_offset(item, NEAR) for item in differences):  # summer time may make two of them
        hours = differences[0] / timedelta(hours=1)
        return LogZone(UTC_ZONE, f"the local stamp of {what} is {hours:+.2f} h from this log's")
    return None


def _by_mtime(evidence: Evidence, modified: datetime | None, zone: tzinfo | None) -> LogZone | None:
    if modified is None or evidence.last is None:
        return None
    if abs(modified - evidence.last.replace(tzinfo=UTC)) <= NEAR:
        return LogZone(UTC_ZONE, "the last line read as UTC agrees with the file's modification time")
    if zone and abs(modified - evidence.last.replace(tzinfo=zone)) <= NEAR:
        return LogZone(LOCAL_ZONE, "the last line read as local time agrees with the file's modification time")
    return None


def _by_other_zone(evidence: Evidence, modified: datetime | None, zone: tzinfo | None) -> LogZone | None:
    """The host may have had another zone when the log was written, or its zone is not known: seconds tell."""
    if modified is None or evidence.last is None:
        return None
    ahead = evidence.last.replace(tzinfo=UTC) - modified
    if not is_offset(ahead, _EXACT):
        return None
    offset = round(ahead / _STEP) * _STEP
    host = "which is not the host's zone" if zone else "and the host's zone is not known"
    hours = offset / timedelta(hours=1)
    reason = f"inference: the last line is {hours:+.2f} h from the file's modification time, to the second, {host}"
    return LogZone(LOCAL_ZONE, reason, offset)


def offset_by_mtime(stamp: datetime, modified: datetime) -> timedelta | None:
    """What a local clock was ahead of UTC when it wrote a file's last line: to the second, or it is not known."""
    ahead = stamp.replace(tzinfo=UTC) - modified
    offset = round(ahead / _STEP) * _STEP
    return offset if _WEST <= offset <= _EAST and abs(ahead - offset) <= _EXACT else None


def offset_by_clock(clock: timedelta, modified: datetime) -> timedelta | None:
    """The same by a last line that has a clock and no date; None, too, where two zones a day apart may be meant."""
    utc = timedelta(hours=modified.hour, minutes=modified.minute, seconds=modified.second)
    ahead = (clock - utc + _DAY / 2) % _DAY - _DAY / 2
    offset = round(ahead / _STEP) * _STEP
    return offset if _EAST - _DAY < offset < -_WEST and abs(ahead - offset) <= _EXACT else None


_LAST_LINE = "its last line is {hours} h from the file's modification time, to the second"
OF_COPY = "its last line is {hours} h from the modification time of the copy in the evidence, to the second"


def inferred(offset: timedelta, why: str = _LAST_LINE) -> LogZone:
    """The decision for a log in local time of a host whose zone nothing else tells."""
    said = why.format(hours=f"{offset / timedelta(hours=1):+.2f}")
    return LogZone(LOCAL_ZONE, f"inference for this file alone: {said}, and the host's zone is not known", offset)


def _by_history(evidence: Evidence) -> LogZone | None:
    """What public logs of a version or time were in."""
    first, last = evidence.first, evidence.last
    if evidence.version and evidence.version >= _SEEN_UTC_VERSION:
        number = ".".join(str(part) for part in evidence.version)
        return LogZone(UTC_ZONE, f"inference from the version that the log names ({number}): public logs are in UTC")
    if last and last < _LAST_SEEN_LOCAL:
        return LogZone(LOCAL_ZONE, "inference from its dates: public logs before 2025-09-20 are in local time")
    if first and first >= _FIRST_SEEN_UTC:
        return LogZone(UTC_ZONE, "inference from its dates: public logs since 2026-07-01 are in UTC")
    return None


def decide(evidence: Evidence, modified: datetime | None, zone: tzinfo | None) -> LogZone:
    """The zone of a CLI log's stamps.

    In this order: the host's zone is UTC anyway; the same lines in the desktop's log; the server's clock inside the
    lines; the last line against the file's modification time (UTC); other lines in the desktop's log of that time; the
    version or the dates (inferences from public logs); else undecided.
    """
    first, last = evidence.first, evidence.last
    if zone and first and last and not _offset(first, zone) and not _offset(last, zone):
        return LogZone(UTC_ZONE, "the host's zone had no offset from UTC then: both readings are the same")
    return (
        _by_outer(evidence.outer, "the same lines in remoteTunnelService.log")
        or _by_server_clock(evidence, zone)
        or _by_mtime(evidence, modified, zone)
        or _by_other_zone(evidence, modified, zone)
        or _by_outer(evidence.near, "a CLI's lines of that time in remoteTunnelService.log")
        or _by_history(evidence)
        or LogZone(UNDECIDED, "no file time to compare with, and from the months in which the program changed")
    )


def by_copy(decision: LogZone, evidence: Evidence, written: datetime | None) -> LogZone:
    """What the copy's modification time adds, where the host's zone is not known and nothing of the file itself told.

    A collector that keeps times leaves the original's; that of copying agrees with the last line to the second only by
    accident (about one time in a hundred) and only within half a day of it.
    """
    decided = decision.zone == UTC_ZONE or decision.offset is not None
    offset = offset_by_mtime(evidence.last, written) if written and evidence.last and not decided else None
    if offset is None:
        return decision
    found = inferred(offset, OF_COPY)
    return found if offset else LogZone(UTC_ZONE, found.reason)


def resolve(
    text: str, decision: LogZone, zone: tzinfo | None, after: datetime | None = None
) -> tuple[Moment, str | None]:  # fmt: skip
    """(time, other reading) of a stamp. The second is ISO text, given only while the zone is undecided.

    Undecided stamps are read as local time, the other reading is UTC. `after` is the time of the line before: a stamp
    of the hour that a clock shows twice is its second when its first would go back.
    """
    if decision.zone == UTC_ZONE:
        return from_iso(text, UTC), None
    zone = timezone(decision.offset) if decision.offset is not None else zone
    other = None
    if decision.zone == UNDECIDED:
        as_utc = from_iso(text, UTC)
        other = as_utc.isoformat() if isinstance(as_utc, datetime) else None
    if zone is None:
        return NoTime("local time, and the host's zone is not known", text), other
    moment = from_iso(text, zone)
    stamp = naive(text)
    if after and stamp and isinstance(moment, datetime) and moment < after:
        # What the clock showed only once is the same by either fold, or (in the hour it leaps) earlier by the second.
        moment = max(moment, stamp.replace(tzinfo=zone, fold=1).astimezone(UTC))
    return moment, other
