"""Hyper-V-VMMS-Admin 13002, 18304 and 13003: somebody set up a virtual machine in Hyper-V's manager, or deleted it.

A machine of this log is one that a person or a tool administers, whatever ran on it later: its runs are no runs of
Windows Sandbox. That the Sandbox, whose machines the host compute service makes, leaves no such record is inferred.
A machine that appears shortly before it is used and is deleted afterwards is worth a look of its own.

Ids, provider and fields (UserData, VmlEventLog: VmName, VmId) are those of the event maps published for Eric
Zimmerman's EvtxECmd, two of them with a real record; both 13002 and 18304 are written when a machine is created.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, fact, guid, kind, pick, worker
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_KINDS = {13002: "vm.configured", 13003: "vm.deleted", 18304: "vm.configured"}
_FIELDS = {"vm_id": str, "vm_name": str, "user_sid": str, "pid": str}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One machine set up or deleted. The account is that of the management service, not of who asked it."""
    fields: Made = {
        "vm_id": guid(pick(record, "VmId", "VirtualMachineId")),
        "vm_name": pick(record, "VmName", "VirtualMachineName"),
        **worker(record),
    }
    yield fact(_KINDS[record.event_id], record, source, fields)


ARTIFACT = EventArtifact(
    name="event_vmms",
    wants={"Microsoft-Windows-Hyper-V-VMMS-Admin": frozenset(_KINDS)},
    parse=parse,
    emits={
        "vm.configured": kind("Virtual machine {vm_id} was set up in Hyper-V[ ({vm_name})]", _FIELDS),
        "vm.deleted": kind("Virtual machine {vm_id} was deleted from Hyper-V[ ({vm_name})]", _FIELDS),
    },
    providers=frozenset({"Microsoft-Windows-Hyper-V-VMMS"}),
)
