"""Cards, ports and switches of the virtual switch, in a hive and in its free cells."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

from forensics.artifacts.vm_switch_nics import ARTIFACT
from forensics.formats.hive_deleted import layers, recover
from forensics.model import Fact
from testdata.writers.hive import REG_DWORD, REG_SZ, HiveWriter
from tests.artifacts.registry_inputs import given, merged, nested, run
from tests.formats.crafted_hives import Tree, utf16
from tests.formats.freed_hives import Freed

SYSTEM = "C:/Windows/System32/config/SYSTEM"
LISTS = "ControlSet001\\Services\\vmsmp\\parameters"
VM, PORT = "6B3C1A52-7F04-4D2E-9C11-0A5D3E8F7B21", "0E9B7C44-1D2F-4A63-8B57-C2D1E0F9A8B7"
SWITCH, OTHER = "C08CB7B8-9B3C-408E-8E30-5E16A3AEB444", "790E58B4-7939-4434-9358-89AE7DDBE87F"


def entry(listing: str, name: str, **values: str) -> Tree:
    return nested(f"{LISTS}\\{listing}\\{name}", {"": [(key, 1, utf16(text)) for key, text in values.items()]})


def system(*entries: Tree) -> Tree:
    return merged({"Select": {"": [("Current", 4, struct.pack("<I", 1))]}}, *entries)


def test_a_card_of_a_sandbox() -> None:
    tree = system(
        entry("NicList", f"{VM.lower()}--{PORT}", SwitchName=SWITCH, FriendlyName="Ethernet"),
        entry("NicList", "/Device/{790E58B4-7939-4434-9358-89AE7DDBE87F}", SwitchName=OTHER),
        entry("PortList", PORT, SwitchName=SWITCH),
        entry("SwitchList", OTHER, FriendlyName="WSL"),
    )
    facts, problems = run(ARTIFACT, tree, SYSTEM)
    assert problems == []
    found = {(fact.kind, str(fact.fields.get("switch_name"))): fact for fact in facts}
    card = found["vm.nic_registered", "Default Switch"]
    assert card.fields == {
        "vm_id": VM, "nic_name": f"{VM.lower()}--{PORT}", "nic_friendly_name": "Ethernet", "port_name": PORT,
        "switch_id": SWITCH, "switch_name": "Default Switch", "control_set": "ControlSet001",
        "key_path": f"{LISTS}\\NicList\\{VM.lower()}--{PORT}",
    }  # fmt: skip
    assert (card.context, bool(card.times)) == (False, True)
    host = found["vm.nic_registered", "WSL"]
    assert (host.context, "vm_id" in host.fields) == (True, False)
    assert found["vm.port_registered", "Default Switch"].context
    assert found["vm.switch_registered", "WSL"].fields["switch_id"] == OTHER


def test_a_card_without_values_and_a_host_without_switches() -> None:
    (fact,), _ = run(ARTIFACT, system(entry("NicList", f"{{{VM}}}--{{{PORT}}}")), SYSTEM)
    assert (fact.fields["vm_id"], fact.fields["port_name"], "switch_id" in fact.fields) == (VM, PORT, False)
    assert run(ARTIFACT, system(nested("ControlSet001\\Services\\vmsmp", {})), SYSTEM) == ([], [])


def test_a_card_that_was_disconnected() -> None:
    """The key of a cleanly ended session is freed; another one stays, so only the removed one is recovered."""
    when = datetime(2024, 12, 1, 8, 0, tzinfo=UTC)
    made = HiveWriter("x", when)
    made.key("Select", when)
    made.value("Select", "Current", REG_DWORD, 1)
    gone, stays = f"{LISTS}\\NicList\\{VM}--{PORT}", f"{LISTS}\\NicList\\{OTHER}--{PORT}"
    for path in (gone, stays):
        made.key(path, when)
        made.value(path, "SwitchName", REG_SZ, SWITCH)
    freed = Freed(made.build())
    freed.delete_key(gone, when + timedelta(hours=1))
    hive = freed.hive()
    rows = [
        row
        for layer in layers(recover(hive, bytes(freed.data)), hive)
        for row in ARTIFACT.parse(layer, given(SYSTEM))
        if isinstance(row, Fact)
    ]
    assert [(row.kind, row.fields["vm_id"]) for row in rows] == [("vm.nic_registered", VM)]
