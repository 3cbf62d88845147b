r"""Network cards of virtual machines that the virtual switch keeps in SYSTEM, and the switches that it knows.

Each card has a key below `Services\vmsmp\Parameters\NicList`. That of a sandbox is called `<VM id>--<port>`, as in a
bug report of the product, so a card that was left behind (a crash, an unclean end) is a networked session with the
machine's id, when no log tells of it; the value SwitchName says to which switch it was connected. Cards of the host
itself (`/Device/{...}`), and switches, are context. A card that is cleanly disconnected is expected to go with its key:
a removed one is recovered from free cells. The last write of the key is the latest time at which the card was made.

Places and the values SwitchName and FriendlyName: Microsoft's scripts that set up and clean container hosts. That the
Sandbox's cards are entered like those of other machines, and PortList, are from memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._registry import place, tells
from forensics.artifacts.base import FieldType, FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.formats.hostinfo import text_of
from forensics.formats.sandboxids import DEFAULT_SWITCH
from forensics.model import Fact, Value, make_fact

_LISTS = "Services\\vmsmp\\Parameters\\"
_GUID = r"\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?"
_NIC = re.compile(rf"{_GUID}--{_GUID}")
_ID = re.compile(_GUID)
_WRITTEN = "Content Modification Time"
_DEFAULT_NAME = "Default Switch"


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every card, port and switch of the control sets; then cards recovered of unknown place."""
    seen: set[tuple[str, str]] = set()
    for control_set in hive.control_sets():
        switches = dict(_switches(hive.key(f"{control_set}\\{_LISTS}SwitchList")))
        for name, tell in (("NicList", _nic), ("PortList", _port), ("SwitchList", _switch)):
            listing = hive.key(f"{control_set}\\{_LISTS}{name}")
            for key in listing.subkeys() if listing else ():
                if (name, key.name) not in seen and tells(hive, key):
                    seen.add((name, key.name))
                    yield tell(given, key, switches, control_set)
    for key in hive.unplaced():
        if _NIC.fullmatch(key.name):
            yield _nic(given, key, {}, None)


def _switches(listing: Key | None) -> Iterator[tuple[str, str]]:
    for key in listing.subkeys() if listing else ():
        yield _id(key.name) or key.name, text_of(key, "FriendlyName") or ""


def _id(text: str | None) -> str | None:
    match = _ID.search(text or "")
    return match.group(1).upper() if match else None


def _row(given: FileInput, key: Key, kind: str, fields: dict[str, Value | None], *, context: bool) -> Fact:
    fields["key_path"] = key.path
    return make_fact(kind, place(given, key), {_WRITTEN: key.last_write}, fields, context=context)


def _nic(given: FileInput, key: Key, switches: dict[str, str], control_set: str | None) -> Fact:
    match = _NIC.fullmatch(key.name)
    switch = text_of(key, "SwitchName")
    identifier = _id(switch) or switch
    fields: dict[str, Value | None] = {
        "vm_id": match.group(1).upper() if match else None,
        "nic_name": key.name,
        "nic_friendly_name": text_of(key, "FriendlyName"),
        "port_name": match.group(2).upper() if match else text_of(key, "PortName"),
        "switch_id": identifier,
        "switch_name": _named(identifier, switches),
        "control_set": control_set,
    }
    return _row(given, key, "vm.nic_registered", fields, context=match is None)


def _named(identifier: str | None, switches: dict[str, str]) -> str | None:
    if identifier is None:
        return None
    return switches.get(identifier) or (_DEFAULT_NAME if identifier == DEFAULT_SWITCH else None)


def _port(given: FileInput, key: Key, switches: dict[str, str], control_set: str | None) -> Fact:
    switch = text_of(key, "SwitchName")
    identifier = _id(switch) or switch
    fields: dict[str, Value | None] = {
        "port_name": key.name,
        "port_friendly_name": text_of(key, "FriendlyName"),
        "switch_id": identifier,
        "switch_name": _named(identifier, switches),
        "control_set": control_set,
    }
    return _row(given, key, "vm.port_registered", fields, context=True)


def _switch(given: FileInput, key: Key, switches: dict[str, str], control_set: str | None) -> Fact:
    identifier = _id(key.name) or key.name
    fields: dict[str, Value | None] = {
        "switch_id": identifier,
        "switch_name": _named(identifier, switches),
        "control_set": control_set,
    }
    return _row(given, key, "vm.switch_registered", fields, context=True)


_PLACE: dict[str, FieldType] = {"switch_id": str, "switch_name": str, "control_set": str, "key_path": str}

ARTIFACT = RegistryArtifact(
    name="vm_switch_nics",
    hives=frozenset({"SYSTEM"}),
    parse=parse,
    emits={
        "vm.nic_registered": Kind(
            "Network card {nic_name} is registered[ for virtual machine {vm_id}][, on {switch_name}]",
            {"vm_id": str, "nic_name": str, "nic_friendly_name": str, "port_name": str, **_PLACE},
        ),
        "vm.port_registered": Kind(
            "Port {port_name} of a virtual switch is registered[, on {switch_name}]",
            {"port_name": str, "port_friendly_name": str, **_PLACE},
            context=True,
        ),
        "vm.switch_registered": Kind("Virtual switch {switch_id} is registered[: {switch_name}]", _PLACE, context=True),
    },
    deleted=True,
)
