"""WMI-Activity 5858: an operation of WMI failed; of use where it names the event logs or shadow copies.

`Win32_NTEventlogFile` clears a log without `wevtutil`, `Win32_ShadowCopy` deletes shadow copies without `vssadmin`.
What succeeds leaves nothing here; what was refused or broken off does, with account, process and the whole call. It
proves that somebody tried. Records that name nothing watched are not told: every host has hundreds of them.

Fields: a real record of a refused `ClearEventLog` (UserData, Operation_ClientFailure).
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import USER, decimal, fact, kind, known, named_account, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_SHOWN = 4 * 1024


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One failed operation that matters."""
    operation = (pick(record, "Operation") or "")[:_SHOWN]
    if is_watched(operation):
        fields = {
            **named_account(known(pick(record, "User"))),
            "wmi_operation": operation,
            "result_code": pick(record, "ResultCode"),
            "pid": decimal(pick(record, "ClientProcessId")),
        }
        yield fact("wmi.operation_failed", record, source, fields)


ARTIFACT = EventArtifact(
    name="event_wmi_operations",
    wants={"Microsoft-Windows-WMI-Activity/Operational": frozenset({5858})},
    parse=parse,
    emits={
        "wmi.operation_failed": kind(
            "WMI operation failed[ with {result_code}]: {wmi_operation}[, by {user_name}]",
            {**USER, "wmi_operation": str, "result_code": str, "pid": str},
        )
    },
    providers=frozenset({"Microsoft-Windows-WMI-Activity"}),
)
