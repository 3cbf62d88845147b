"""Persistence entries: merging across artifacts, scores, and what is known as harmless."""

from __future__ import annotations

import pytest

from forensics.model import PersistenceEntry, Value
from tests.sessions.factory import DEV, SYSTEM, Scene, at

RUN = "Software\\Microsoft\\Windows\\CurrentVersion\\Run"
MTIME = "Content Modification Time"
MSBUILD = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\MSBuild.exe C:\\ProgramData\\hello.xml"


def only(scene: Scene) -> PersistenceEntry:
    (entry,) = scene.build().persistence
    return entry


def run_value(scene: Scene, name: str, command: str, *, machine: bool = False, **fields: Value) -> None:
    root = "HKLM\\SOFTWARE" if machine else "HKCU"
    hive = "C:/Windows/System32/config/SOFTWARE" if machine else "C:/Users/田中/NTUSER.DAT"
    person: dict[str, Value] = {} if machine else {"profile_user": "田中", "user_sid": DEV}
    place = RUN.removeprefix("Software\\") if machine else RUN
    scene.file(
        "autorun.configured", hive, {MTIME: 0}, f"{place}\\{name}", mechanism="run_key", location=f"{root}\\{place}",
        entry_name=name, command_line=command, **{**person, **fields},
    )  # fmt: skip


class TestMerging:
    def test_a_task_in_four_places_is_one_entry(self) -> None:
        scene = Scene()
        fields: dict[str, Value] = {"command_line": MSBUILD, "task_run_as": "S-1-5-18"}
        scene.file("task.defined", "C:/Windows/System32/Tasks/Hello", {"Creation Time": 2, "Registration Time": -9e6},
                   task_name="\\Hello", task_trigger="LogonTrigger", **fields)  # fmt: skip
        times = {MTIME: 5.0, "Last registered Time": 1.0, "Launch Time": 900.0}
        scene.file(
            "task.cached", "C:/Windows/System32/config/SOFTWARE", times, "TaskCache\\x", task_name="\\Hello", **fields
        )
        scene.add("task.registered", 0, task_name="\\HELLO", user_name="田中", **fields)
        scene.add("task.registered", 0.1, task_name="Hello")
        entry = only(scene)
        assert (entry.mechanism, entry.name, entry.user) == ("scheduled_task", "\\Hello", "SYSTEM")
        assert entry.trigger == "LogonTrigger"
        # The key's own time (5) may be that of a run, which writes its result there.
        assert (entry.first_seen, entry.last_write) == (at(0), at(1))
        assert set(entry.events) == {event.id for event in scene.events}
        assert entry.score >= 70
        assert "T1127.001" in entry.attack
        assert "T1053.005" in entry.attack

    @pytest.mark.parametrize(
        ("cached", "differs"),
        [("LogonTrigger", False), ("LogonTrigger UserId=S-1-5-18", False), ("BootTrigger", True), ("", False),
         ("LogonTrigger; BootTrigger", True)],
    )  # fmt: skip
    def test_triggers_that_differ(self, cached: str, differs: bool) -> None:
        scene = Scene()
        scene.file(
            "task.defined", "C:/Windows/System32/Tasks/T", {MTIME: 2}, task_name="\\T", task_trigger="LogonTrigger"
        )
        fields: dict[str, Value] = {"task_trigger": cached} if cached else {}
        scene.file("task.cached", "C:/Windows/System32/config/SOFTWARE", {MTIME: 5}, "x", task_name="\\T", **fields)
        entry = only(scene)
        assert entry.trigger == "LogonTrigger"
        assert any("its triggers differ" in reason for reason in entry.reasons) is differs

    def test_the_caches_trigger_is_told_without_the_xml(self) -> None:
        scene = Scene()
        scene.file(
            "task.cached", "C:/Windows/System32/config/SOFTWARE", {MTIME: 5}, "x", task_name="\\T",
            task_trigger="BootTrigger",
        )  # fmt: skip
        assert only(scene).trigger == "BootTrigger"

    def test_what_a_wrapper_runs_is_the_command_of_its_service(self) -> None:
        scene = Scene()
        wrapper, hive = "C:\\ProgramData\\Upd\\upd.exe", "C:/Windows/System32/config/SYSTEM"
        command = "C:\\ProgramData\\Upd\\code.exe tunnel --accept-server-license-terms"
        place = "ControlSet001\\Services\\Upd"
        service: dict[str, Value] = {"service_name": "Upd", "service_account": "LocalSystem"}
        scene.file("service.configured", hive, {MTIME: 3}, place, command_line=wrapper, mechanism="service", **service)
        scene.add("service.installed", 2.9, command_line=wrapper, **service)
        config, path = "C:/ProgramData/Upd/upd.xml", "C:\\ProgramData\\Upd\\upd.xml"
        told: dict[str, Value] = {"service_name": "UPD", "command_line": command, "file_path": path}
        scene.file("service.wrapper_config", config, {MTIME: 1}, "file", **told)
        scene.file("service.wrapper_config", "C:/x/other.xml", {MTIME: 1}, "file", service_name="NotInstalled")
        entry = only(scene)
        assert entry.command == command
        assert any("wrapper" in reason for reason in entry.reasons)
        assert not any("command changed" in reason for reason in entry.reasons)
        assert entry.user == "SYSTEM"

    def test_a_service_in_three_places(self) -> None:
        scene = Scene()
        exe = "C:\\ProgramData\\ScnCfg\\ScnCfg32.exe"
        place = "ControlSet001\\Services\\ScnCfgSvc"
        scene.file(
            "service.configured",
            "C:/Windows/System32/config/SYSTEM",
            {MTIME: 3},
            place,
            mechanism="service",
            entry_name="ScnCfgSvc",
            service_name="ScnCfgSvc",
            command_line=exe,
            service_account="LocalSystem",
            location=f"HKLM\\SYSTEM\\{place}",
        )
        for _ in range(2):
            scene.add("service.installed", 0, service_name="ScnCfgSvc", command_line=exe, service_account="LocalSystem")
        entry = only(scene)
        assert (entry.name, entry.command, entry.user) == ("ScnCfgSvc", exe, "SYSTEM")
        assert (entry.first_seen, entry.last_write) == (at(0), at(3))
        assert entry.score >= 40
        assert entry.attack == ("T1543.003",)

    def test_sysmon_dates_a_run_value(self) -> None:
        scene = Scene()
        run_value(scene, "HelloSync", MSBUILD, machine=True)
        made = scene.add("registry.value_set", -50, key_path=f"HKLM\\{RUN}", value_name="HelloSync", value_data=MSBUILD,
                         user_sid=DEV)  # fmt: skip
        entry = only(scene)
        assert entry.first_seen == at(-50)
        assert made.id in entry.events
        assert entry.user is None
        assert entry.score >= 40

    def test_a_value_that_is_gone_since(self) -> None:
        scene = Scene()
        scene.add(
            "registry.value_set",
            -50,
            key_path=f"HKU\\{DEV}\\{RUN}",
            value_name="x",
            value_data="C:\\Users\\Public\\a.exe",
        )
        entry = only(scene)
        assert (entry.mechanism, entry.name, entry.user) == ("run_key", "x", "田中")

    def test_other_registry_values_are_none(self) -> None:
        scene = Scene()
        scene.add("registry.value_set", -50, key_path="HKLM\\Software\\x", value_name="x", value_data="wsb.exe")
        assert scene.build().persistence == ()

    def test_the_same_name_of_two_users(self) -> None:
        scene = Scene()
        run_value(scene, "x", "C:\\a.exe")
        run_value(scene, "x", "C:\\a.exe", profile_user="佐藤", user_sid="S-1-5-21-1-2-3-1002")
        run_value(scene, "x", "C:\\a.exe", machine=True)
        entries = scene.build().persistence
        assert sorted(str(entry.user) for entry in entries) == ["None", "佐藤", "田中"]
        assert len({entry.id for entry in entries}) == 3

    def test_deleted_and_changed_is_said(self) -> None:
        scene = Scene()
        scene.add("task.registered", 0, task_name="\\T", command_line="C:\\a.exe")
        scene.add("task.updated", 5, task_name="\\T", command_line="C:\\b.exe")
        scene.add("task.deleted", 9, task_name="\\T")
        scene.add("task.deleted", 9, task_name="\\Other")
        entry = only(scene)
        assert any("deleted at" in reason for reason in entry.reasons)
        assert any("command changed" in reason for reason in entry.reasons)
        assert (entry.first_seen, entry.last_write) == (at(0), at(5))


LSA = "ControlSet001\\Control\\Lsa"
IFEO = "Microsoft\\Windows NT\\CurrentVersion\\Image File Execution Options\\sethc.exe"


def package(scene: Scene, name: str, value: str = "Notification Packages") -> None:
    scene.file(
        "autorun.configured", "C:/Windows/System32/config/SYSTEM", {MTIME: 0}, f"{LSA}\\{value}", mechanism="lsa",
        location=f"HKLM\\SYSTEM\\{LSA}\\{value}", entry_name=name, command_line=name, key_path=LSA, value_name=value,
    )  # fmt: skip


class TestOtherPlaces:
    def test_a_logged_write_dates_the_items_that_it_names(self) -> None:
        scene = Scene()
        for name in ("scecli", "evilpw"):
            package(scene, name)
        package(scene, "msv1_0", "Authentication Packages")
        logged: dict[str, Value] = {"key_path": "HKLM\\System\\CurrentControlSet\\Control\\Lsa"}
        event = scene.add("registry.value_set", -50, value_name="Notification Packages", value_data="evilpw", **logged)
        entries = {entry.name: entry for entry in scene.build().persistence}
        assert set(entries) == {"scecli", "evilpw", "msv1_0"}
        assert entries["evilpw"].first_seen == at(-50)
        assert event.id in entries["evilpw"].events
        assert event.id not in entries["scecli"].events
        assert (entries["scecli"].score, entries["evilpw"].score > 40) == (0, True)

    def test_a_list_that_the_log_does_not_show_dates_all_its_items(self) -> None:
        scene = Scene()
        package(scene, "evilpw")
        package(scene, "msv1_0", "Authentication Packages")
        path = "HKLM\\System\\CurrentControlSet\\Control\\Lsa"
        scene.add(
            "registry.value_set", -50, key_path=path, value_name="Notification Packages", value_data="Binary Data"
        )
        entries = {entry.name: entry.first_seen for entry in scene.build().persistence}
        assert entries == {"evilpw": at(-50), "msv1_0": at(0)}

    def test_an_entry_that_only_the_log_has(self) -> None:
        scene = Scene()
        scene.add(
            "registry.value_set", 1, key_path=f"HKLM\\SOFTWARE\\{IFEO}", value_name="Debugger", value_data="cmd.exe"
        )
        entry = only(scene)
        assert (entry.mechanism, entry.command, entry.user) == ("ifeo", "cmd.exe", None)
        winlogon = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon"
        for name, data in (("Shell", "explorer.exe"), ("Userinit", "C:\\Windows\\system32\\userinit.exe")):
            scene.add("registry.value_set", 2, key_path=winlogon, value_name=name, value_data=data)
        scene.add("registry.value_set", 3, key_path=winlogon, value_name="Taskman", value_data="(Empty)")
        scores = {entry.name: entry.score for entry in scene.build().persistence}
        assert (scores["Shell"], scores["Userinit"]) == (0, 0)
        assert "Taskman" not in scores

    def test_a_users_value_is_not_the_machines(self) -> None:
        scene = Scene()
        place = "Microsoft\\Command Processor"
        for root, hive, person in (
            ("HKLM\\SOFTWARE", "C:/Windows/System32/config/SOFTWARE", ""),
            ("HKCU\\Software", "C:/Users/田中/NTUSER.DAT", DEV),
        ):
            key = f"Software\\{place}" if person else place
            scene.file("autorun.configured", hive, {MTIME: 0}, key, mechanism="command_processor", entry_name="AutoRun",
                       location=f"{root}\\{place}", command_line="a.bat", key_path=key, value_name="AutoRun",
                       user_sid=person)  # fmt: skip
        event = scene.add("registry.value_set", -9, key_path=f"HKU\\{DEV}\\Software\\{place}", value_name="AutoRun",
                          value_data="a.bat")  # fmt: skip
        owners = {entry.user: event.id in entry.events for entry in scene.build().persistence}
        assert owners == {"田中": True, None: False}


@pytest.mark.parametrize(
    ("command", "least", "most"),
    [
        (MSBUILD, 40, 100),
        ("c:\\windows\\system32\\windowssandbox.exe c:\\windows\\system32\\default.wsb", 30, 100),
        ("C:\\Users\\Public\\a.exe", 25, 60),
        ("powershell.exe -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoA", 40, 100),
        ("wscript.exe C:\\Users\\d\\AppData\\Local\\Temp\\a.vbs", 40, 100),
        ("C:\\Users\\d\\AppData\\Local\\Discord\\Update.exe --processStart Discord.exe", 0, 10),
        ('"C:\\Program Files\\Vendor\\Tray.exe" /min', 0, 0),
        ("%windir%\\system32\\ctfmon.exe", 0, 0),
    ],
)
def test_scores(command: str, least: int, most: int) -> None:
    scene = Scene()
    run_value(scene, "x", command)
    assert least <= only(scene).score <= most


class TestKnown:
    ONEDRIVE = '"C:\\Users\\田中\\AppData\\Local\\Microsoft\\OneDrive\\OneDrive.exe" /background'

    def test_known_entries_are_listed_and_score_nothing(self) -> None:
        scene = Scene()
        run_value(scene, "OneDrive", self.ONEDRIVE)
        entry = only(scene)
        assert entry.score == 0
        assert "known autostart" in " ".join(entry.reasons)
        assert entry.events == (scene.events[0].id,)

    def test_the_name_alone_does_not_help(self) -> None:
        scene = Scene()
        run_value(scene, "OneDrive", "C:\\Users\\Public\\OneDrive.exe /background")
        assert only(scene).score >= 25

    def test_nor_does_the_path_with_other_arguments(self) -> None:
        scene = Scene()
        run_value(scene, "OneDrive", self.ONEDRIVE + " & calc.exe")
        assert only(scene).name == "OneDrive"


def test_hidden_entries() -> None:
    scene = Scene()
    run_value(scene, "\\x00\\x00x", "C:\\Program Files\\a.exe")
    hidden = "no SD under TaskCache\\Tree: hidden from schtasks and the Task Scheduler window"
    hive = "C:/Windows/System32/config/SOFTWARE"
    scene.file("task.cached", hive, {MTIME: 0}, "x", task_name="\\T", command_line="a.exe", reason=hidden)
    run_value(scene, "a" * 300, "C:\\Program Files\\b.exe")
    scene.add("registry.value_set", 0, key_path=f"HKLM\\{RUN}", value_name="", value_data="C:\\Program Files\\c.exe")
    said = {entry.command: entry.reasons[0].partition(" [")[0] for entry in scene.build().persistence}
    assert said == {
        "C:\\Program Files\\a.exe": "PER-12 (+35): hidden: its name begins with NUL",
        "C:\\Program Files\\b.exe": "PER-12 (+35): hidden: its name is longer than regedit shows",
        "C:\\Program Files\\c.exe": "PER-12 (+35): hidden: a log could not print its name",
        "a.exe": "PER-12 (+35): hidden: no list of tasks shows it",
    }


def test_a_program_of_net_that_runs_what_it_is_given_is_windows_own() -> None:
    scene = Scene()
    command = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\MSBuild.exe C:\\ProgramData\\a.xml"
    scene.add("task.registered", 0, task_name="\\T", command_line=command, task_run_as=SYSTEM)
    rules = {reason.partition(" ")[0] for reason in only(scene).reasons}
    assert "PER-110" in rules
    assert "PER-10" not in rules


def test_a_system_account_by_any_name() -> None:
    for account in ("LocalSystem", "NT AUTHORITY\\SYSTEM", "SYSTEM", SYSTEM):
        scene = Scene()
        scene.add("task.registered", 0, task_name="\\T", command_line="C:\\Tools\\x.exe", task_run_as=account)
        entry = only(scene)
        assert entry.user == "SYSTEM"
        assert any("PER-10" in reason for reason in entry.reasons), account


class TestDeleted:
    """Rows that were recovered from free cells of a hive."""

    GONE = "deleted: recovered from free cells (reachable_parent), no longer in effect"

    def test_a_deleted_run_value_is_told_as_such(self) -> None:
        scene = Scene()
        run_value(scene, "HelloSync", MSBUILD, deleted_grade="reachable_parent")
        entry = only(scene)
        assert entry.deleted
        assert entry.score > 0
        assert any(reason.startswith(self.GONE) for reason in entry.reasons)
        assert (entry.first_seen, entry.last_write) == (None, at(0)), "its key was written when it went"

    def test_a_live_entry_keeps_its_identity_beside_a_deleted_one(self) -> None:
        alone = Scene()
        run_value(alone, "HelloSync", "C:\\Program Files\\a.exe")
        scene = Scene()
        run_value(scene, "HelloSync", "C:\\Program Files\\a.exe")
        run_value(scene, "HelloSync", MSBUILD, deleted_grade="reachable_parent")
        entries = {entry.deleted: entry for entry in scene.build().persistence}
        assert set(entries) == {True, False}
        assert entries[False] == only(alone)
        assert entries[True].command == MSBUILD
        assert entries[True].id != entries[False].id

    def test_a_deleted_service_belongs_to_its_installation(self) -> None:
        scene = Scene()
        exe = "C:\\ProgramData\\ScnCfg\\ScnCfg32.exe"
        scene.add("service.installed", 0, service_name="ScnCfgSvc", command_line=exe, service_account="LocalSystem")
        scene.file(
            "service.configured", "C:/Windows/System32/config/SYSTEM", {MTIME: 3}, "x (deleted)", mechanism="service",
            service_name="ScnCfgSvc", entry_name="ScnCfgSvc", command_line=exe, deleted_grade="reachable_parent",
        )  # fmt: skip
        entry = only(scene)
        assert entry.deleted
        assert (entry.first_seen, entry.last_write) == (at(0), at(3))
        assert len(entry.events) == 2

    def test_a_deleted_task_joins_the_log_and_not_the_file_that_is_there(self) -> None:
        scene = Scene()
        scene.add("task.registered", 0, task_name="\\Hello", command_line=MSBUILD)
        scene.add("task.deleted", 50, task_name="\\Hello")
        fields: dict[str, Value] = {"task_name": "\\Hello", "command_line": MSBUILD, "deleted_grade": "orphan"}
        hive = "C:/Windows/System32/config/SOFTWARE"
        scene.file("task.cached", hive, {MTIME: 5, "Last registered Time": 1}, "x", **fields)
        entry = only(scene)
        assert entry.deleted
        assert any("deleted at" in reason for reason in entry.reasons)
        assert any("free cells (orphan)" in reason for reason in entry.reasons)
        scene.file("task.defined", "C:/Windows/System32/Tasks/Hello", {"Creation Time": 60}, task_name="\\Hello")
        assert sorted(entry.deleted for entry in scene.build().persistence) == [False, True]

    def test_sysmon_tells_when_a_deleted_value_was_made(self) -> None:
        scene = Scene()
        run_value(scene, "HelloSync", MSBUILD, machine=True, deleted_grade="reachable_parent")
        scene.add("registry.value_set", -50, key_path=f"HKLM\\{RUN}", value_name="HelloSync", value_data=MSBUILD,
                  user_sid=DEV)  # fmt: skip
        entry = only(scene)
        assert entry.deleted
        assert entry.first_seen == at(-50)

    def test_only_live_entries_let_a_tunnel_come_back(self) -> None:
        command = "C:\\t\\code-tunnel.exe --cli-data-dir C:\\Users\\田中\\.vscode\\cli tunnel service internal-run"
        texts = []
        for grade in ("", "reachable_parent"):
            scene = Scene()
            scene.process(0, "C:\\t\\code-tunnel.exe", "C:\\t\\code-tunnel.exe tunnel --name x")
            extra: dict[str, Value] = {"deleted_grade": grade} if grade else {}
            run_value(scene, "Visual Studio Code Tunnel", command, **extra)
            (session,) = scene.build().tunnel_sessions
            assert session.persistence, "the entry is named in either case"
            texts.append(session.score)
        assert texts[0] > texts[1]
