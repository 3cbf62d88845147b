"""Autostart entries that were removed: recovered as such, apart from those that are there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from forensics.artifacts import lsa_packages, print_monitors, winlogon
from forensics.artifacts.base import RegistryArtifact
from forensics.formats.hive_deleted import layers, recover
from forensics.model import Fact
from testdata.writers.hive import REG_DWORD, REG_MULTI_SZ, REG_SZ, HiveWriter
from tests.artifacts.registry_inputs import given
from tests.formats.freed_hives import Freed

MADE = datetime(2024, 12, 1, 8, 0, tzinfo=UTC)
GONE = MADE + timedelta(hours=5)
MONITORS, LSA = "Control\\Print\\Monitors", "Control\\Lsa"
LOGON = "Software\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon"


def system(*sets: str) -> HiveWriter:
    made = HiveWriter("ROOT", MADE)
    made.key("Select", MADE)
    made.value("Select", "Current", REG_DWORD, 1)
    rows: list[tuple[str, str, int, str | int | list[str]]] = [
        (f"{MONITORS}\\Local Port", "Driver", REG_SZ, "localspl.dll"),
        (f"{MONITORS}\\Updater", "Driver", REG_SZ, "evil.dll"),
        (LSA, "LsaPid", REG_DWORD, 732),
        (LSA, "Notification Packages", REG_MULTI_SZ, ["scecli", "evilpw"]),
    ]
    for name in sets:
        for path, value, kind, data in rows:
            made.key(f"{name}\\{path}", MADE)
            made.value(f"{name}\\{path}", value, kind, data)
    return made


def recovered(artifact: RegistryArtifact, freed: Freed) -> list[Fact]:
    hive = freed.hive()
    return [
        row
        for layer in layers(recover(hive, bytes(freed.data)), hive)
        for row in artifact.parse(layer, given("C:/Windows/System32/config/SYSTEM"))
        if isinstance(row, Fact) and layer.find_of(row.source.locator)  # the place leads back to the find
    ]


def test_a_removed_monitor() -> None:
    freed = Freed(system("ControlSet001").build())
    freed.delete_key(f"ControlSet001\\{MONITORS}\\Updater", GONE)
    (fact,) = recovered(print_monitors.ARTIFACT, freed)
    assert (fact.fields["entry_name"], fact.fields["command_line"]) == ("Updater", "evil.dll")
    assert fact.times == {"Content Modification Time": MADE}


def test_what_another_control_set_still_has_is_not_told() -> None:
    freed = Freed(system("ControlSet001", "ControlSet002").build())
    freed.delete_key(f"ControlSet002\\{MONITORS}\\Updater", GONE)
    assert recovered(print_monitors.ARTIFACT, freed) == []


def test_a_removed_list() -> None:
    freed = Freed(system("ControlSet001").build())
    freed.delete_value(f"ControlSet001\\{LSA}", "Notification Packages", GONE)
    assert [fact.fields["entry_name"] for fact in recovered(lsa_packages.ARTIFACT, freed)] == ["scecli", "evilpw"]


def test_a_users_removed_shell() -> None:
    made = HiveWriter("ROOT", MADE)
    for path in ("Environment", LOGON):
        made.key(path, MADE)
    made.value(LOGON, "Kept", REG_SZ, "x")
    made.value(LOGON, "Shell", REG_SZ, "explorer.exe,C:\\evil.exe")
    freed = Freed(made.build())
    freed.delete_value(LOGON, "Shell", GONE)
    facts = recovered(winlogon.ARTIFACT, freed)
    assert [fact.fields["entry_name"] for fact in facts] == ["explorer.exe", "C:\\evil.exe"]
    assert {fact.fields["location"] for fact in facts} == {f"HKCU\\{LOGON}\\Shell"}


def test_a_key_whose_way_up_is_lost_is_known_by_what_is_left_of_it() -> None:
    for path, artifact, told in (
        (f"{MONITORS}\\Updater", print_monitors.ARTIFACT, []),  # its own name alone says nothing
        (MONITORS, print_monitors.ARTIFACT, ["Local Port", "Updater"]),
        (LSA, lsa_packages.ARTIFACT, ["scecli", "evilpw"]),
    ):
        freed = Freed(system("ControlSet001").build())
        cells = [freed.key_cell(f"ControlSet001\\{path}")]
        for below in ("Local Port", "Updater") if path == MONITORS else ():
            freed.delete_key(f"ControlSet001\\{path}\\{below}", GONE)
        freed.delete_key(f"ControlSet001\\{path}", GONE)
        freed.put(cells[0], 0x10, freed.number(0x20, 0x2C))  # its parent's cell holds no key any more
        facts = recovered(artifact, freed)
        assert [fact.fields["entry_name"] for fact in facts] == told
        assert all(str(fact.fields["location"]).startswith("...\\") for fact in facts)
