"""System and VmSwitch-Operational 232, 233 and 234: a machine's network card was connected, disconnected or deleted.

232 proves that a sandbox had a network: its card's name is `<VM id>--<port>`, the switch is normally the "Default
Switch". The format of the name and the switch id of Windows Sandbox come from a bug report of the product. The logging
process is the machine's vmwp.exe (inferred), its id is kept as pid; it runs as the machine's own account.

Fields: event data published in WSL issue reports (NicName, NicFName, PortName, SwitchName, Operation; 234 and the
account in microsoft/WSL 10630). A card without `--` in its name belongs to a machine that the name does not tell. The
operational channel holds traces too (id 0, fields in microsoft/WSL 6915), and public scripts subscribe to 102 and 232
of it; what 102 says is not established. Of these only records that name a card of a machine are taken, as context.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._evtx import Made, everything, fact, guid, kind, pick, worker
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.formats.sandboxids import vm_of_account
from forensics.model import Fact, Source

_KINDS = {232: "vm.nic_connected", 233: "vm.nic_deleted", 234: "vm.nic_disconnected"}
_TRACES = frozenset({0, 102})
_DELETE = frozenset({"8", "0x8", "delete"})
_GUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_NIC = re.compile(rf"({_GUID})--{_GUID}")
_FIELDS = {
    "vm_id": str, "nic_name": str, "nic_friendly_name": str, "port_name": str, "switch_name": str, "switch_id": str,
    "user_sid": str, "pid": str,
}  # fmt: skip


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One connection or deletion; other operations of 233 say nothing about a session."""
    if record.event_id in _TRACES:
        yield from _traced(record, source)
        return
    if record.event_id == 233 and (pick(record, "Operation") or "8").casefold() not in _DELETE:
        return
    nic = pick(record, "NicName") or ""
    machine, dashes, port = nic.partition("--")
    switch = pick(record, "SwitchName")
    fields: Made = {
        "vm_id": (guid(machine) if dashes else None) or vm_of_account(record.user_sid),
        "nic_name": nic,
        "nic_friendly_name": pick(record, "NicFName"),
        "port_name": guid(port) or pick(record, "PortName"),
        "switch_name": pick(record, "SwitchFName") or switch,
        "switch_id": guid(switch),
        **worker(record),
    }
    yield fact(_KINDS[record.event_id], record, source, fields)


def _traced(record: Record, source: Source) -> Iterator[Fact]:
    match = next((found for text in record.data.values() if (found := _NIC.search(text))), None)
    if match:
        fields: Made = {
            "vm_id": guid(match.group(1)),
            "nic_name": match.group(),
            "event_data": everything(record),
            **worker(record),
        }
        yield fact("vm.nic_traced", record, source, fields, context=True)


ARTIFACT = EventArtifact(
    name="event_vmswitch",
    wants={
        "System": frozenset(_KINDS),
        "Microsoft-Windows-Hyper-V-VmSwitch-Operational": frozenset(_KINDS) | _TRACES,
    },
    parse=parse,
    emits={
        "vm.nic_connected": kind("Network card of virtual machine {vm_id} connected[ to {switch_name}]", _FIELDS),
        "vm.nic_deleted": kind("Network card of virtual machine {vm_id} deleted", _FIELDS),
        "vm.nic_disconnected": kind("Network card of virtual machine {vm_id} disconnected", _FIELDS),
        "vm.nic_traced": kind(
            "Network card of virtual machine {vm_id} traced[: {event_data}]",
            {"vm_id": str, "nic_name": str, "event_data": str, "user_sid": str, "pid": str},
            context=True,
        ),
    },
    providers=frozenset({"Microsoft-Windows-Hyper-V-VmSwitch"}),
)
