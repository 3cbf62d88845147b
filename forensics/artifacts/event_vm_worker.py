"""Hyper-V-Worker-Admin 18500, 18502, 18504, 18508 and 18514: a virtual machine started, stopped or was reset.

The machine's worker process says so with the machine's id and name; a reset by the guest (18514) does not end a
sandbox since Windows 11 22H2. What name Windows Sandbox gives its machine has not been seen in a real log.

Fields (UserData, VmlEventLog: VmId, VmName, Reason): the event maps published for Eric Zimmerman's EvtxECmd.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, fact, guid, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_KINDS = {
    18500: "vm.started",
    18502: "vm.turned_off",
    18504: "vm.shut_down",
    18508: "vm.shut_down",
    18514: "vm.reset",
}
_HOW = {18504: "by the shutdown service", 18508: "by the guest itself"}
_FIELDS = {"vm_id": str, "vm_name": str, "reason": str, "user_sid": str, "pid": str}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One change of a machine's state. The logging process is the machine's worker."""
    reason = "; ".join(text for text in (_HOW.get(record.event_id), pick(record, "Reason")) if text)
    fields: Made = {
        "vm_id": guid(pick(record, "VmId", "VirtualMachineId")),
        "vm_name": pick(record, "VmName", "VirtualMachineName"),
        "reason": reason or None,
        "user_sid": record.user_sid or None,
        "pid": str(record.process_id) if record.process_id is not None else None,
    }
    yield fact(_KINDS[record.event_id], record, source, fields)


ARTIFACT = EventArtifact(
    name="event_vm_worker",
    wants={"Microsoft-Windows-Hyper-V-Worker-Admin": frozenset(_KINDS)},
    parse=parse,
    emits={
        "vm.started": kind("Virtual machine {vm_id} started[ ({vm_name})]", _FIELDS),
        "vm.turned_off": kind("Virtual machine {vm_id} turned off[ ({vm_name})]", _FIELDS),
        "vm.shut_down": kind("Virtual machine {vm_id} shut down[ ({vm_name})][, {reason}]", _FIELDS),
        "vm.reset": kind("Virtual machine {vm_id} reset by its guest[ ({vm_name})]", _FIELDS),
    },
)
