"""Hyper-V-Worker-Admin and -Operational: a virtual machine started, stopped, was reset, or failed to start.

The machine's worker process says so with the machine's id and name; a reset by the guest (18514) does not end a sandbox
since Windows 11 22H2. What name Windows Sandbox gives its machine has not been seen in a real log.

18500, 18502, 18504, 18508, 18512 and 18514 are those of the event maps published for Eric Zimmerman's EvtxECmd
(UserData, VmlEventLog: VmId, VmName, Reason). That 18596 says restored, 18601 booted and 18609 initialised is from
memory, so they are context: the machine's id at a time. 33101, a protocol error of the virtual PCI bus (0x8007051A),
was reported for a sandbox that did not start on a host with several graphics cards; its layout is not known, all it
says is kept. 1540, 1550, 1560 and 1570 (provider Hyper-V-Chipset, from its manifest) are traces, context likewise.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, everything, fact, guid, kind, pick, worker
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.formats.sandboxids import vm_of_account
from forensics.model import Fact, Source

_ADMIN = {
    18500: "vm.started",
    18502: "vm.turned_off",
    18504: "vm.shut_down",
    18508: "vm.shut_down",
    18512: "vm.reset",
    18514: "vm.reset",
    18596: "vm.restored",
    18601: "vm.booted",
    18609: "vm.initialised",
    33101: "vm.failed",
}
_TRACES = frozenset({1540, 1550, 1560, 1570})
_HOW = {
    18504: "by the shutdown service",
    18508: "by the guest itself",
    18512: "by its manager",
    18514: "by its guest",
}
_CONTEXT = frozenset({"vm.restored", "vm.booted", "vm.initialised", "vm.traced"})
_WHOLE = frozenset({"vm.failed", "vm.traced"})
_FIELDS = {"vm_id": str, "vm_name": str, "reason": str, "user_sid": str, "pid": str}
_SAYING = {**_FIELDS, "event_data": str}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One change of a machine's state. The logging process is the machine's worker, and so is its account."""
    name = "vm.traced" if record.event_id in _TRACES else _ADMIN[record.event_id]
    reason = "; ".join(text for text in (_HOW.get(record.event_id), pick(record, "Reason")) if text)
    fields: Made = {
        "vm_id": guid(pick(record, "VmId", "VirtualMachineId")) or vm_of_account(record.user_sid),
        "vm_name": pick(record, "VmName", "VirtualMachineName"),
        "reason": reason or None,
        "event_data": everything(record) if name in _WHOLE else None,
        **worker(record),
    }
    yield fact(name, record, source, fields, context=name in _CONTEXT)


ARTIFACT = EventArtifact(
    name="event_vm_worker",
    wants={
        "Microsoft-Windows-Hyper-V-Worker-Admin": frozenset(_ADMIN),
        "Microsoft-Windows-Hyper-V-Worker-Operational": _TRACES,
    },
    parse=parse,
    emits={
        "vm.started": kind("Virtual machine {vm_id} started[ ({vm_name})]", _FIELDS),
        "vm.turned_off": kind("Virtual machine {vm_id} turned off[ ({vm_name})]", _FIELDS),
        "vm.shut_down": kind("Virtual machine {vm_id} shut down[ ({vm_name})][, {reason}]", _FIELDS),
        "vm.reset": kind("Virtual machine {vm_id} reset[ ({vm_name})][, {reason}]", _FIELDS),
        "vm.restored": kind("Virtual machine {vm_id} restored[ ({vm_name})]", _FIELDS, context=True),
        "vm.booted": kind("Virtual machine {vm_id} booted its system[ ({vm_name})]", _FIELDS, context=True),
        "vm.initialised": kind("Virtual machine {vm_id} initialised[ ({vm_name})]", _FIELDS, context=True),
        "vm.failed": kind("Virtual machine[ {vm_id}] failed[ ({vm_name})][: {event_data}]", _SAYING),
        "vm.traced": kind("Virtual machine {vm_id} traced[: {event_data}]", _SAYING, context=True),
    },
)
