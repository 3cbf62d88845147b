"""System 232 and 233 of Hyper-V-VmSwitch: a virtual machine's network card was connected or deleted.

232 proves that a sandbox had a network: its card's name is `<VM id>--<port>`, the switch is normally the "Default
Switch". The format of the name and the switch id of Windows Sandbox come from a bug report of the product. The logging
process is the machine's vmwp.exe (inferred), its id is kept as pid.

Fields: event data published in two WSL issue reports (NicName, NicFName, PortName, SwitchName, Operation).
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, fact, guid, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_DELETE = frozenset({"8", "0x8", "delete"})
_FIELDS = {
    "vm_id": str, "nic_name": str, "nic_friendly_name": str, "port_name": str, "switch_name": str, "switch_id": str,
    "user_sid": str, "pid": str,
}  # fmt: skip


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One connection or deletion; other operations of 233 say nothing about a session."""
    if record.event_id == 233 and (pick(record, "Operation") or "8").casefold() not in _DELETE:
        return
    nic = pick(record, "NicName") or ""
    machine, _, port = nic.partition("--")
    switch = pick(record, "SwitchName")
    fields: Made = {
        "vm_id": guid(machine),
        "nic_name": nic,
        "nic_friendly_name": pick(record, "NicFName"),
        "port_name": guid(port) or pick(record, "PortName"),
        "switch_name": pick(record, "SwitchFName") or switch,
        "switch_id": guid(switch),
        "user_sid": record.user_sid or None,
        "pid": str(record.process_id) if record.process_id is not None else None,
    }
    yield fact("vm.nic_connected" if record.event_id == 232 else "vm.nic_deleted", record, source, fields)


ARTIFACT = EventArtifact(
    name="event_vmswitch",
    wants={"System": frozenset({232, 233})},
    parse=parse,
    emits={
        "vm.nic_connected": kind("Network card of virtual machine {vm_id} connected[ to {switch_name}]", _FIELDS),
        "vm.nic_deleted": kind("Network card of virtual machine {vm_id} deleted", _FIELDS),
    },
    providers=frozenset({"Microsoft-Windows-Hyper-V-VmSwitch"}),
)
