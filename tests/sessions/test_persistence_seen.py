"""What dates an autostart entry, and whether that is its making or only a bound."""

from __future__ import annotations

import pytest

from forensics.model import PersistenceEntry, Value
from tests.sessions.factory import DEV, Scene, at

MTIME, BIRTH = "Content Modification Time", "Creation Time"
REG = "C:\\Windows\\System32\\reg.exe"
KEY = "Software\\Microsoft\\Windows\\CurrentVersion\\Run"
STARTUP = "C:\\Users\\田中\\AppData\\Roaming\\Microsoft\\Windows\\Start Menu\\Programs\\Startup"
LINK = f"{STARTUP}\\a.bat"
AUDIT: dict[str, Value] = {"event_identifier": 4657, "channel": "Security", "user_name": "田中", "user_sid": DEV}


def only(scene: Scene) -> PersistenceEntry:
    (entry,) = scene.build().persistence
    return entry


def run_value(scene: Scene, seconds: float = 900, **fields: Value) -> None:
    scene.file(
        "autorun.configured", "C:/Users/田中/NTUSER.DAT", {MTIME: seconds}, f"{KEY}\\Updater", mechanism="run_key",
        location=f"HKCU\\{KEY}", key_path=KEY, value_name="Updater", entry_name="Updater",
        command_line="C:\\Users\\Public\\a.exe", profile_user="田中", user_sid=DEV, **fields,
    )  # fmt: skip


def value_set(scene: Scene, seconds: float, **fields: Value) -> None:
    scene.add(
        "registry.value_set", seconds, key_path=f"HKU\\{DEV}\\{KEY}", value_name="Updater", executable=REG,
        value_data="C:\\Users\\Public\\a.exe", **{**AUDIT, **fields},
    )  # fmt: skip


def startup_file(scene: Scene, seconds: float = 100, path: str = LINK) -> None:
    scene.file(
        "autorun.configured", path.replace("\\", "/"), {BIRTH: seconds, MTIME: 950}, mechanism="startup_folder",
        location=STARTUP, entry_name="a.bat", command_line=f'"{path}"', file_path=path, profile_user="田中",
    )  # fmt: skip


class TestRegistry:
    def test_a_keys_last_write_is_a_bound(self) -> None:
        scene = Scene()
        run_value(scene)
        entry = only(scene)
        assert (entry.first_seen, entry.first_seen_bound) == (at(900), True)
        assert entry.first_seen_source is not None
        assert entry.first_seen_source.startswith("the registry: its key was last written (a bound")

    def test_the_audit_dates_it_and_says_who(self) -> None:
        scene = Scene()
        run_value(scene)
        value_set(scene, 50)
        entry = only(scene)
        assert (entry.first_seen, entry.first_seen_bound, entry.last_write) == (at(50), False, at(900))
        assert entry.first_seen_source == f"Security 4657: the value was set by 田中 with {REG}"

    def test_a_value_that_held_something_before_is_older(self) -> None:
        scene = Scene()
        run_value(scene)
        value_set(scene, 50, old_value_data="b.exe")
        entry = only(scene)
        assert (entry.first_seen, entry.first_seen_bound) == (at(50), True)
        assert entry.first_seen_source is not None
        assert "the value was changed by 田中" in entry.first_seen_source
        assert "it held b.exe before" in entry.first_seen_source

    def test_an_entry_that_only_the_audit_knows(self) -> None:
        scene = Scene()
        value_set(scene, 50)
        entry = only(scene)
        assert (entry.mechanism, entry.name, entry.command) == ("run_key", "Updater", "C:\\Users\\Public\\a.exe")
        assert (entry.first_seen, entry.user) == (at(50), "田中")

    @pytest.mark.parametrize(
        ("key", "value", "mechanism"),
        [
            ("HKLM\\SYSTEM\\ControlSet001\\Control\\Session Manager\\AppCertDlls", "x", "app_cert"),
            ("HKLM\\SYSTEM\\ControlSet001\\Services\\Evil", "ImagePath", "service"),
            (
                f"HKU\\{DEV}_Classes\\CLSID\\{{00000001-AAAA-BBBB-CCCC-000000000000}}\\InprocServer32",
                "(Default)",
                "com",
            ),
            (f"HKU\\{DEV}\\Environment", "UserInitMprLogonScript", "logon_script"),
        ],
    )
    def test_spellings_of_the_audit(self, key: str, value: str, mechanism: str) -> None:
        scene = Scene()
        scene.add(
            "registry.value_set", 50, key_path=key, value_name=value, value_data="C:\\Users\\Public\\a.dll", **AUDIT
        )
        assert [entry.mechanism for entry in scene.build().persistence] == [mechanism]

    def test_a_deleted_value_keeps_what_it_held(self) -> None:
        scene = Scene()
        scene.add(
            "registry.key_changed", 70, key_path=f"HKU\\{DEV}\\{KEY}\\Updater", action="DeleteValue", executable=REG,
            old_value_data="C:\\Users\\Public\\a.exe", **AUDIT,
        )  # fmt: skip
        entry = only(scene)
        assert (entry.name, entry.command) == ("Updater", "C:\\Users\\Public\\a.exe")
        assert any(f"its value was deleted at {at(70):%F %T}" in reason for reason in entry.reasons)
        assert (entry.first_seen, entry.first_seen_bound) == (at(70), True)
        assert entry.first_seen_source is not None
        assert "known only from that" in entry.first_seen_source

    def test_a_deletion_that_does_not_say_what_it_held_makes_no_entry(self) -> None:
        scene = Scene()
        scene.add("registry.key_changed", 70, key_path=f"HKU\\{DEV}\\{KEY}\\Updater", action="DeleteValue")
        assert scene.build().persistence == ()

    def test_it_belongs_to_the_recovered_value(self) -> None:
        scene = Scene()
        run_value(scene, deleted_grade="whole")
        scene.add("registry.key_changed", 70, key_path=f"HKU\\{DEV}\\{KEY}\\Updater", action="DeleteValue", **AUDIT)
        entry = only(scene)
        assert entry.deleted
        assert any("its value was deleted at" in reason and "by 田中" in reason for reason in entry.reasons)

    def test_a_value_with_several_entries(self) -> None:
        scene = Scene()
        lsa, value = "ControlSet001\\Control\\Lsa", "Notification Packages"
        scene.file(
            "autorun.configured", "C:/Windows/System32/config/SYSTEM", {MTIME: 900}, "x", mechanism="lsa",
            location=f"HKLM\\SYSTEM\\{lsa}\\{value}", key_path=lsa, value_name=value, entry_name="evilpw",
            command_line="evilpw", deleted_grade="whole",
        )  # fmt: skip
        path = f"HKLM\\System\\CurrentControlSet\\Control\\Lsa\\{value}"
        scene.add("registry.key_changed", 70, key_path=path, action="DeleteValue", **AUDIT)
        assert any("its value was deleted at" in reason for reason in only(scene).reasons)


class TestFiles:
    @pytest.mark.parametrize(("times", "seen"), [({BIRTH: 5.0, MTIME: 900.0}, (900, True)), ({BIRTH: 5.0}, (5, False))])
    def test_a_line_in_a_file(self, times: dict[str, float], seen: tuple[float, bool]) -> None:
        scene = Scene()
        path = "C:\\Windows\\System32\\GroupPolicy\\Machine\\Scripts\\scripts.ini"
        scene.file(
            "autorun.configured", path.replace("\\", "/"), times, "line 3", mechanism="logon_script", location=path,
            file_path=path, entry_name="Startup 0", command_line="C:\\a.bat",
        )  # fmt: skip
        entry = only(scene)
        assert (entry.first_seen, entry.first_seen_bound) == (at(seen[0]), seen[1])
        assert entry.first_seen_source is not None
        assert entry.first_seen_source.startswith(
            "last change of its file" if seen[1] else "birth of the file that lists"
        )

    def test_the_files_own_birth(self) -> None:
        scene = Scene()
        startup_file(scene)
        entry = only(scene)
        assert (entry.first_seen, entry.first_seen_bound) == (at(100), False)
        assert entry.first_seen_source == "birth of its file (programs can set it)"

    def test_the_journal_is_believed_before_an_older_birth(self) -> None:
        scene = Scene()
        startup_file(scene, -9e6)
        made = scene.journal("created", 120, LINK)
        entry = only(scene)
        assert entry.first_seen == at(120)
        assert entry.first_seen_source == "change journal: the file was made"
        assert any("the file appeared in the change journal at" in reason for reason in entry.reasons)
        assert any("the file's own birth" in reason and "is set aside" in reason for reason in entry.reasons)
        assert made.id in entry.events

    def test_a_file_that_was_there_before_the_journal_tells(self) -> None:
        scene = Scene()
        startup_file(scene, -9e6)
        scene.journal("deleted", 110, LINK)
        scene.journal("created", 120, LINK)
        assert only(scene).first_seen == at(-9e6)

    @pytest.mark.parametrize(("old", "seen"), [("C:\\x\\a.bat", 120), (f"{STARTUP}\\a.tmp", -9e6)])
    def test_moved_there_or_saved(self, old: str, seen: float) -> None:
        scene = Scene()
        startup_file(scene, -9e6)
        scene.journal("renamed", 120, LINK, old_path=old)
        entry = only(scene)
        assert (entry.first_seen, entry.first_seen_bound) == (at(seen), False)

    def test_the_name_is_younger_than_the_file(self) -> None:
        scene = Scene()
        startup_file(scene, -9e6)
        scene.file("mft.name_created", "C:/$MFT", {BIRTH: 300}, "MFT record 9", file_path=LINK)
        entry = only(scene)
        assert (entry.first_seen, entry.first_seen_source) == (at(300), "$MFT: birth of the file's name ($FN)")

    def test_a_tasks_file(self) -> None:
        scene = Scene()
        scene.add("task.updated", 500, task_name="\\Hello", command_line="C:\\a.exe", channel="Security")
        scene.journal("created", 120, "C:\\Windows\\System32\\Tasks\\Hello")
        entry = only(scene)
        assert (entry.first_seen, entry.first_seen_source) == (at(120), "change journal: the file was made")

    def test_the_target(self) -> None:
        scene = Scene()
        run_value(scene)
        made = scene.journal("created", 42, "C:\\Users\\Public\\a.exe")
        entry = only(scene)
        (reason,) = (reason for reason in entry.reasons if reason.startswith("target first seen"))
        assert "by the change journal: C:\\Users\\Public\\a.exe (inferred: joined by the file's path)" in reason
        assert made.id in reason
        assert entry.first_seen == at(900), "the target is not the entry"


class TestLogs:
    def test_a_service(self) -> None:
        scene = Scene()
        scene.add(
            "service.installed",
            9,
            service_name="Upd",
            command_line="C:\\a.exe",
            event_identifier=7045,
            channel="System",
        )
        entry = only(scene)
        assert (entry.first_seen_source, entry.first_seen_bound) == ("System 7045: the service was installed", False)

    def test_the_date_in_a_definition(self) -> None:
        scene = Scene()
        scene.file(
            "task.defined",
            "C:/Windows/System32/Tasks/T",
            {"Registration Time": 5},
            task_name="\\T",
            command_line="a.exe",
        )
        assert only(scene).first_seen_source == "date in the task's definition, which its author may have chosen"

    def test_nothing_dates_it(self) -> None:
        scene = Scene()
        scene.file("task.defined", "C:/Windows/System32/Tasks/T", {}, task_name="\\T", command_line="a.exe")
        entry = only(scene)
        assert (entry.first_seen, entry.first_seen_source, entry.first_seen_bound) == (None, None, False)


def test_system_from_where_everybody_writes_stands_out() -> None:
    scene = Scene()
    scene.file(
        "service.configured", "C:/Windows/System32/config/SYSTEM", {MTIME: 3}, "x", mechanism="service",
        service_name="Upd", service_account="LocalSystem", command_line="C:\\ProgramData\\Upd\\upd.exe",
    )  # fmt: skip
    assert only(scene).score > 40
