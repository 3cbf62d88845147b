"""System 41, 1074, 6005, 6006 and 6008: the host went down and came up.

No sandbox survives a boot, so these close sessions whose end was not recorded, and tell a shutdown (1074, 6006) from a
crash or power loss (41 and 6008, both written at the boot after it). 6008 says in local text when the system was last
known to be alive; its binary data holds the same as two SYSTEMTIMEs, local and UTC, of which the UTC one is used.

Fields: real records of all five (Windows 7 and 10); that the second SYSTEMTIME is UTC was seen by comparing the two.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from forensics.artifacts._evtx import USER, Made, fact, file_name, kind, known, named_account, number, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.times import checked, iso

_SYSTEMTIME = struct.Struct("<8H")  # year, month, day of week, day, hour, minute, second, millisecond


def _alive(text: str | None) -> str | None:
    """The UTC time out of the binary data of 6008."""
    try:
        raw = bytes.fromhex(text or "")
        year, month, _, day, hour, minute, second, milli = _SYSTEMTIME.unpack_from(raw, _SYSTEMTIME.size)
        moment = checked(datetime(year, month, day, hour, minute, second, milli * 1000, tzinfo=UTC), text or "")
    except (ValueError, struct.error):
        return None
    return iso(moment) if isinstance(moment, datetime) else None


def _crash(record: Record) -> Made:
    code = number(pick(record, "BugcheckCode"))
    return {"error_code": hex(code) if code else None}


def _unclean(record: Record) -> Made:
    shown = " ".join(text for text in (pick(record, "Data2"), pick(record, "Data1")) if text)
    return {"last_alive_time": _alive(pick(record, "Binary")), "reason": f"last alive {shown} local" if shown else None}


def _request(record: Record) -> Made:
    given = [pick(record, f"param{position}", f"Data{position}") for position in range(1, 8)]
    program = (given[0] or "").rpartition(" (")
    executable = known(program[0] or program[2])
    return {
        **named_account(given[6]),
        "user_sid": record.user_sid or None,
        "executable": executable,
        "executable_name": file_name(executable),
        "reason": "; ".join(text for text in (given[2], given[5]) if text) or None,
        "error_code": given[3],
        "shutdown_type": given[4],
    }


def _nothing(_record: Record) -> Made:
    return {}


_KINDS: dict[int, tuple[str, Callable[[Record], Made]]] = {
    41: ("system.crashed", _crash),
    6008: ("system.crashed", _unclean),
    1074: ("system.shutdown_requested", _request),
    6005: ("system.log_started", _nothing),
    6006: ("system.log_stopped", _nothing),
}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One boot, shutdown or crash."""
    name, fields = _KINDS[record.event_id]
    yield fact(name, record, source, fields(record))


_REQUEST = {
    **USER, "executable": str, "executable_name": str, "reason": str, "error_code": str, "shutdown_type": str,
}  # fmt: skip

ARTIFACT = EventArtifact(
    name="event_system_power",
    wants={"System": frozenset(_KINDS)},
    parse=parse,
    emits={
        "system.crashed": kind(
            "The shutdown before this start was not clean[: last alive {last_alive_time}][, stop code {error_code}]",
            {"error_code": str, "last_alive_time": str, "reason": str},
        ),
        "system.shutdown_requested": kind(
            "Shutdown asked for[ ({shutdown_type})][ by {executable}][, as {user_name}][: {reason}]", _REQUEST
        ),
        "system.log_started": kind("Event log service started (system start)", {}),
        "system.log_stopped": kind("Event log service stopped (system shutdown)", {}),
    },
    # User32 is written in both spellings.
    providers=frozenset({"Microsoft-Windows-Kernel-Power", "User32", "USER32", "EventLog"}),
)
