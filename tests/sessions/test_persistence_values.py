"""What a log saw being set belongs to the entry that the hive holds."""

from __future__ import annotations

import pytest

from forensics.rules import load
from forensics.sessions.persistence_values import meaning, place_of
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
    (entry,) = (item for item in scene.build().persistence if item.command == LIBRARY)
    assert entry.first_seen == at(900)


def test_a_consumer_that_was_removed() -> None:
    scene = Scene()
    told = {"mechanism": "wmi", "entry_name": "Upd", "consumer_type": "Command Line", "command_line": "cmd.exe /c x"}
    scene.add("wmi.consumer_changed", 10, action="Created", **told)
    scene.add("wmi.consumer_changed", 20, action="Deleted", **told)
    (entry,) = scene.build().persistence
    assert entry.first_seen == at(10)
    assert any(reason.startswith("deleted at ") for reason in entry.reasons)


FOLDER = "C:\\Users\\田中\\AppData\\Roaming\\Microsoft\\Windows\\Start Menu\\Programs\\Startup"


def test_a_file_written_into_a_startup_folder_and_gone_since() -> None:
    scene = Scene()
    scene.add("file.created", 30, file_path=f"{FOLDER}\\a.vbs", file_name="a.vbs")
    scene.add("file.created", 31, file_path="C:\\Users\\田中\\Documents\\a.vbs", file_name="a.vbs")
    (entry,) = scene.build().persistence
    assert (entry.mechanism, entry.name, entry.first_seen) == ("startup_folder", "a.vbs", at(30))
    assert entry.command == f'"{FOLDER}\\a.vbs"'
    assert entry.score > 40
    assert len(entry.events) == 1


def test_a_file_that_is_there_is_one_entry_with_the_log() -> None:
    scene = Scene()
    scene.file(
        "autorun.configured", "C:/x/a.lnk", {MTIME: 900}, mechanism="startup_folder", location=FOLDER,
        entry_name="a.lnk", command_line="C:\\a.exe", file_path=f"{FOLDER}\\a.lnk", profile_user="田中",
    )  # fmt: skip
    scene.add("file.created", 30, file_path=f"{FOLDER}\\A.lnk", file_name="A.lnk")
    (entry,) = scene.build().persistence
    assert (entry.first_seen, entry.command) == (at(30), "C:\\a.exe")


@pytest.mark.parametrize(
    "item", load("autostart_values")["values"], ids=lambda item: f"{item['mechanism']}-{item['remark'][:12]}"
)
def test_places_known_by_themselves(item: dict[str, list[str]]) -> None:
    found = meaning(*item["example"])
    assert found
    assert (found.mechanism, found.remark) == (item["mechanism"], item["remark"])
    assert meaning(*item["counterexample"]) is None


@pytest.mark.parametrize(
    ("key", "value", "data", "mechanism", "least", "most"),
    [
        (f"HKU\\{DEV}_Classes\\{CLASS}", "(Default)", LIBRARY, "com", 41, 100),
        (f"HKU\\{DEV}_Classes\\{CLASS}", "(Default)", "C:\\Program Files\\V\\x.dll", "com", 0, 0),
        (f"HKU\\{DEV}\\Environment", "UserInitMprLogonScript", "C:\\ProgramData\\a.bat", "logon_script", 41, 100),
        (
            f"HKU\\{DEV}\\Control Panel\\Desktop",
            "SCRNSAVE.EXE",
            "C:\\Windows\\system32\\Bubbles.scr",
            "screen_saver",
            0,
            0,
        ),
    ],
)
def test_a_value_that_only_the_log_tells_of(
    key: str, value: str, data: str, mechanism: str, least: int, most: int
) -> None:
    scene = Scene()
    scene.add("registry.value_set", 50, key_path=key, value_name=value, value_data=data)
    (entry,) = scene.build().persistence
    assert (entry.mechanism, entry.command, entry.first_seen, entry.user) == (mechanism, data, at(50), "田中")
    assert least <= entry.score <= most
