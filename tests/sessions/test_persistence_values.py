"""What a log saw being set belongs to the entry that the hive holds."""

from __future__ import annotations

import pytest

from forensics.sessions.persistence_values import place_of
from tests.sessions.factory import DEV, Scene, at

MTIME = "Content Modification Time"
CLASS = "CLSID\\{00000001-AAAA-BBBB-CCCC-000000000000}\\InprocServer32"
LIBRARY = "C:\\Users\\田中\\AppData\\Roaming\\x.dll"


@pytest.mark.parametrize(
    ("log", "hive"),
    [
        (f"HKU\\{DEV}_Classes\\{CLASS}", f"HKCU\\Software\\Classes\\{CLASS}"),
        (
            f"HKU\\{DEV}\\Software\\Microsoft\\Office test\\Special\\Perf",
            "HKCU\\Software\\Microsoft\\Office test\\Special\\Perf",
        ),
        (f"HKU\\{DEV}\\Control Panel\\Desktop", "HKCU\\Control Panel\\Desktop"),
        ("HKLM\\SOFTWARE\\Policies\\x", "HKLM\\SOFTWARE\\Policies\\x"),
        ("HKLM\\System\\CurrentControlSet\\Control\\Lsa", "HKLM\\SYSTEM\\ControlSet001\\Control\\Lsa"),
        (f"\\REGISTRY\\USER\\{DEV}\\Environment", "HKCU\\Environment"),
    ],
)
def test_two_names_of_one_place(log: str, hive: str) -> None:
    assert place_of(log, "(Default)") == place_of(hive, "")


def test_a_machines_key_is_not_a_users() -> None:
    assert place_of("HKLM\\SOFTWARE\\x", "y") != place_of("HKCU\\Software\\x", "y")


def hijack(scene: Scene) -> None:
    scene.file(
        "autorun.configured", "C:/Users/田中/AppData/Local/Microsoft/Windows/UsrClass.dat", {MTIME: 900}, CLASS,
        mechanism="com", location=f"HKCU\\Software\\Classes\\{CLASS}", key_path=CLASS, entry_name="{1}",
        command_line=LIBRARY, profile_user="田中", user_sid=DEV, reason="overrides the machine's server x",
    )  # fmt: skip


def test_sysmon_dates_a_class() -> None:
    scene = Scene()
    hijack(scene)
    made = scene.add(
        "registry.value_set", 50, key_path=f"HKU\\{DEV}_Classes\\{CLASS}", value_name="(Default)", value_data=LIBRARY
    )
    (entry,) = scene.build().persistence
    assert entry.first_seen == at(50)
    assert made.id in entry.events


def test_another_users_value_does_not() -> None:
    scene = Scene()
    hijack(scene)
    other = "S-1-5-21-9-9-9-1009"
    scene.add(
        "registry.value_set", 50, key_path=f"HKU\\{other}_Classes\\{CLASS}", value_name="(Default)", value_data="x"
    )
    (entry,) = scene.build().persistence
    assert entry.first_seen == at(900)


def test_a_consumer_that_was_removed() -> None:
    scene = Scene()
    told = {"mechanism": "wmi", "entry_name": "Upd", "consumer_type": "Command Line", "command_line": "cmd.exe /c x"}
    scene.add("wmi.consumer_changed", 10, action="Created", **told)
    scene.add("wmi.consumer_changed", 20, action="Deleted", **told)
    (entry,) = scene.build().persistence
    assert entry.first_seen == at(10)
    assert any(reason.startswith("deleted at ") for reason in entry.reasons)
