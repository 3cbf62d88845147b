"""Hyper-V-Compute-Admin 1000 to 1006: the host compute service came up, or refused what was asked of it.

The service (vmcompute) starts on demand, so its start (1001 of Hyper-V-Compute) marks the first sandbox, WSL or
container use after a boot. A sandbox that could not be created, started or stopped leaves 1000, 1001 or 1002 of
Hyper-V-ComputeLib, with the compute system's id and the reason: an attempt that no other log shows.

Sources: the start's record is published in microsoft/WSL issue 6915; ids, texts and fields (Id, ErrorMessage,
ErrorCode) of the failures are those of the provider's manifest. Neither has been seen by us for Windows Sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, fact, guid, kind, nonzero, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_LIBRARY = "Microsoft-Windows-Hyper-V-ComputeLib"
_SERVICE = "Microsoft-Windows-Hyper-V-Compute"
_STARTED = 1001  # of the service; the library's 1001 is a failed start of a compute system
_ACTIONS = {
    1000: "create",
    1001: "start",
    1002: "terminate",
    1003: "execute a command in",
    1004: "create a process in",
    1005: "resize the console of",
    1006: "modify a resource of",
}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One start of the service, or one failure."""
    if record.provider == _LIBRARY:
        fields: Made = {
            "vm_id": guid(pick(record, "Id", "SystemId")),
            "action": _ACTIONS[record.event_id],
            "reason": (pick(record, "ErrorMessage") or "").strip() or None,
            "error_code": nonzero(pick(record, "ErrorCode")),
        }
        yield fact("compute.failed", record, source, fields)
    elif record.event_id == _STARTED:
        yield fact("compute.service_started", record, source, {"user_sid": record.user_sid or None})


ARTIFACT = EventArtifact(
    name="event_compute_admin",
    wants={"Microsoft-Windows-Hyper-V-Compute-Admin": frozenset(_ACTIONS)},
    parse=parse,
    emits={
        "compute.service_started": kind("Host compute service started", {"user_sid": str}),
        "compute.failed": kind(
            "Could not {action} compute system {vm_id}[: {reason}][ ({error_code})]",
            {"vm_id": str, "action": str, "reason": str, "error_code": str},
        ),
    },
    providers=frozenset({_SERVICE, _LIBRARY}),
)
