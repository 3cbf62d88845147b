"""Security 4624, 4634, 4647 and 4648: who was logged on, from where, and whose credentials were used.

Tells whose session a sandbox or tunnel ran in, and whether it was the console, remote desktop (type 10) or a service
(type 5). When Hyper-V starts a virtual machine, its worker process logs on as `NT VIRTUAL MACHINE\\<VM id>` (S-1-5-83-1
and the id), a start mark that needs no extra auditing, with the machine's id out of the account: this is from memory
(the account's form is confirmed by published records), and that Windows Sandbox does the same has not been seen by us.
Such logons are kept, all others are context: a host has thousands.

Fields: Microsoft's descriptions of the events 4624, 4634, 4647 and 4648.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import USER, Made, account, decimal, fact, file_name, kind, known, number, target
from forensics.artifacts.base import Deferral, EventArtifact
from forensics.formats.evtx import Record
from forensics.formats.sandboxids import vm_of_account
from forensics.model import Fact, Source

_TARGET = {"target_user_name": str, "target_user_domain": str, "target_user_sid": str, "target_logon_id": str}
_FROM = {"source_ip": str, "source_port": str, "source_host": str}
_PROCESS = {"executable": str, "executable_name": str, "pid": str}
_KINDS = {4624: "logon.succeeded", 4634: "logon.ended", 4647: "logon.ended", 4648: "logon.explicit"}

_COUNTED = ("IpAddress", "LogonType", "TargetUserName")  # what logons from elsewhere are counted by
_THROUGH = (4624, 4648)  # these name the process that asked
_MARK = "a virtual machine's own account: its worker starts (from memory, not seen for Windows Sandbox)"


def is_vm_account(sid: str) -> bool:
    """Whether this is the account of a virtual machine's worker process (its SID is the same in every language)."""
    return vm_of_account(sid) is not None


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One logon, logoff, or use of other credentials."""
    data = record.data
    fields: Made = {**account(record), **target(record), "logon_type": number(data.get("LogonType"))}
    if record.event_id in _THROUGH:
        executable = known(data.get("ProcessName"))
        fields |= {
            "source_ip": known(data.get("IpAddress")),
            "source_port": known(data.get("IpPort")),
            "source_host": known(data.get("WorkstationName")),
            "executable": executable,
            "executable_name": file_name(executable),
            "pid": decimal(data.get("ProcessId")),
        }
    if record.event_id == 4648:
        fields["destination_host"] = known(data.get("TargetServerName"))
    if record.event_id in (4634, 4647):
        # These name only the account that leaves: it is the acting one.
        fields |= account(record, "Target")
    machine = vm_of_account(data.get("TargetUserSid", "")) if record.event_id == 4624 else None
    if machine:
        fields |= {"vm_id": machine, "reason": _MARK}
    yield fact(_KINDS[record.event_id], record, source, fields, context=machine is None)


ARTIFACT = EventArtifact(
    name="event_logon",
    wants={"Security": frozenset(_KINDS)},
    parse=parse,
    emits={
        "logon.succeeded": kind(
            "Logon of {target_user_name}[, type {logon_type}][, from {source_ip}][: {reason}]",
            {**USER, **_TARGET, **_FROM, **_PROCESS, "logon_type": int, "vm_id": str, "reason": str},
            context=True,
        ),
        "logon.ended": kind(
            "Logoff of {target_user_name}[, type {logon_type}]", {**USER, **_TARGET, "logon_type": int}, context=True
        ),
        "logon.explicit": kind(
            "{user_name} used credentials of {target_user_name}[ for {destination_host}][ through {executable}]",
            {**USER, **_TARGET, **_FROM, **_PROCESS, "logon_type": int, "destination_host": str},
            context=True,
        ),
    },
    providers=frozenset({"Microsoft-Windows-Security-Auditing"}),
    defers={
        4624: Deferral(_KINDS[4624], ("TargetUserSid",), "ProcessId", about=_COUNTED, matters=is_vm_account),
        4634: Deferral(_KINDS[4634]),
        4647: Deferral(_KINDS[4647]),
        4648: Deferral(_KINDS[4648], pid="ProcessId", about=_COUNTED),
    },
)
