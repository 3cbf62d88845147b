"""Which of an entry's commands counts: all that any source tells are judged, whatever their order."""

from __future__ import annotations

import random
import time

import pytest

from forensics.model import PersistenceEntry, Value
from forensics.rules.autoruns import stock
from forensics.sessions.persistence import persistence
from forensics.sessions.persistence_scored import known_entry
from forensics.sessions.rows import Rows
from tests.sessions.factory import HOST, SYSTEM, Scene
from tests.sessions.test_persistence import only, run_value

EVIL, FINE = "C:\\Users\\Public\\evil.exe", "C:\\Program Files\\V\\v.exe"
HIVES = "C:/Windows/System32/config/"
RUN = "HKU\\S-1-5-21-1-2-3-1001\\Software\\Microsoft\\Windows\\CurrentVersion\\Run"
IFEO = "Microsoft\\Windows NT\\CurrentVersion\\Image File Execution Options\\a.exe"
ONEDRIVE = "%localappdata%\\Microsoft\\OneDrive\\OneDriveStandaloneUpdater.exe /reporting"
MTIME = "Content Modification Time"


def xml(scene: Scene, name: str, *commands: str, seconds: float = 0, run_as: str = SYSTEM) -> None:
    """A task's file, with one row for each action."""
    for number, command in enumerate(commands, 1):
        scene.file("task.defined", f"C:/Windows/System32/Tasks/{name}", {"Creation Time": seconds}, f"action {number}",
                   task_name=f"\\{name}", command_line=command, task_run_as=run_as)  # fmt: skip


def cached(scene: Scene, name: str, *commands: str, seconds: float = 0) -> None:
    """A task in the cache."""
    for number, command in enumerate(commands, 1):
        scene.file("task.cached", f"{HIVES}SOFTWARE", {MTIME: seconds}, f"{name} (action {number})",
                   task_name=f"\\{name}", command_line=command)  # fmt: skip


def service(scene: Scene, command: str, seconds: float = 500, **more: Value) -> None:
    """A service in the hive."""
    scene.file("service.configured", f"{HIVES}SYSTEM", {MTIME: seconds}, "x", service_name="u", entry_name="u",
               command_line=command, mechanism="service", location="x", **more)  # fmt: skip


def shuffled(scene: Scene) -> PersistenceEntry:
    """The only entry, which no order of the rows changes."""
    first = only(scene)
    for seed in range(4):
        events = list(scene.events)
        random.Random(seed).shuffle(events)
        assert persistence(Rows(events, scene.undated), HOST, "case") == persistence(
            Rows(scene.events, scene.undated), HOST, "case"
        )
    return first


class TestTheWorstCounts:
    def test_a_service_installed_anew_with_another_program(self) -> None:
        scene = Scene()
        scene.add("service.installed", 10, service_name="u", command_line=FINE)
        scene.add("service.installed", 20, service_name="u", command_line=EVIL)
        entry = shuffled(scene)
        assert (entry.command, entry.score >= 45) == (EVIL, True)
        assert any(f"tells another command: {FINE}" in reason for reason in entry.reasons)

    def test_a_service_put_right_again(self) -> None:
        scene = Scene()
        scene.add("service.installed", 20, service_name="u", command_line=EVIL)
        service(scene, FINE)
        entry = shuffled(scene)
        assert (entry.command, entry.score >= 45) == (FINE, True)
        assert any("not of the one in effect" in reason and EVIL in reason for reason in entry.reasons)

    def test_a_task_changed_twice(self) -> None:
        scene = Scene()
        scene.add("task.registered", 10, task_name="\\t", command_line=FINE)
        scene.add("task.updated", 20, task_name="\\t", command_line=f"{FINE} a")
        scene.add("task.updated", 30, task_name="\\t", command_line=EVIL)
        entry = shuffled(scene)
        assert (entry.command, entry.score >= 45) == (EVIL, True)

    def test_a_run_value_set_twice(self) -> None:
        scene = Scene()
        for seconds, command in ((10, FINE), (20, EVIL)):
            scene.add("registry.value_set", seconds, key_path=RUN, value_name="u", value_data=command)
        entry = shuffled(scene)
        assert (entry.command, entry.score >= 45) == (EVIL, True)

    def test_what_a_value_was_before(self) -> None:
        scene = Scene()
        scene.add("registry.value_set", 20, key_path=RUN, value_name="u", value_data=FINE, old_value_data=EVIL)
        assert only(scene).score >= 45

    def test_the_task_cache_is_what_runs(self) -> None:
        scene = Scene()
        xml(scene, "t", FINE, seconds=50)
        cached(scene, "t", EVIL)
        entry = shuffled(scene)
        assert (entry.command, entry.score >= 45) == (EVIL, True)
        assert any("the task's XML tells another command" in reason for reason in entry.reasons)

    @pytest.mark.parametrize("commands", [(FINE, EVIL), (EVIL, FINE)])
    def test_each_action_of_a_task(self, commands: tuple[str, str]) -> None:
        scene = Scene()
        xml(scene, "t", *commands)
        cached(scene, "t", *commands)
        entry = shuffled(scene)
        assert (entry.command, entry.score >= 45) == (commands[0], True)

    def test_another_debugger_that_a_log_saw(self) -> None:
        scene = Scene()
        scene.file("autorun.configured", f"{HIVES}SOFTWARE", {MTIME: 9}, "x", mechanism="ifeo", entry_name="a.exe",
                   location=f"HKLM\\SOFTWARE\\{IFEO}\\Debugger", key_path=IFEO, value_name="Debugger",
                   command_line="vsjitdebugger.exe")  # fmt: skip
        scene.add("registry.value_set", 1, key_path=f"HKLM\\SOFTWARE\\{IFEO}", value_name="Debugger", value_data=EVIL)
        entry = only(scene)
        assert (entry.command, entry.score >= 70) == ("vsjitdebugger.exe", True)

    def test_an_item_that_a_list_no_longer_has(self) -> None:
        key = "Microsoft\\Windows NT\\CurrentVersion\\Winlogon"
        for data, least in ((f"explorer.exe, {EVIL}", 45), ("explorer.exe", 0)):
            scene = Scene()
            scene.file("autorun.configured", f"{HIVES}SOFTWARE", {MTIME: 9}, "x", mechanism="winlogon", key_path=key,
                       entry_name="explorer.exe", location=f"HKLM\\SOFTWARE\\{key}\\Shell", value_name="Shell",
                       command_line="explorer.exe")  # fmt: skip
            scene.add("registry.value_set", 1, key_path=f"HKLM\\SOFTWARE\\{key}", value_name="Shell", value_data=data)
            score = only(scene).score
            assert score >= least
            assert bool(score) == bool(least)


class TestKnown:
    def test_only_when_every_command_is(self) -> None:
        scene = Scene()
        xml(scene, "OneDrive Reporting Task-S-1-5-21-1-2-3-1001", ONEDRIVE)
        cached(scene, "OneDrive Reporting Task-S-1-5-21-1-2-3-1001", f"{EVIL} -x")
        entry = shuffled(scene)
        assert entry.score >= 45
        assert not any("known autostart" in reason for reason in entry.reasons)

    def test_in_whatever_form_they_are_told(self) -> None:
        scene = Scene()
        xml(scene, "OneDrive Reporting Task-S-1-5-21-1-2-3-1001", ONEDRIVE, run_as="S-1-5-21-1-2-3-1001")
        cached(scene, "OneDrive Reporting Task-S-1-5-21-1-2-3-1001", ONEDRIVE.replace("%localappdata%",
               "C:\\Users\\田中\\AppData\\Local"))  # fmt: skip
        entry = shuffled(scene)
        assert entry.score == 0
        assert "known autostart" in entry.reasons[0]

    def test_nothing_of_a_profile_that_runs_as_system(self) -> None:
        for place in ("%localappdata%", "C:\\Users\\bob\\AppData\\Local", "C:\\Users\\Public\\AppData\\Local"):
            scene = Scene()
            xml(scene, "OneDrive Reporting Task-S-1-5-21-1-2-3-1001", ONEDRIVE.replace("%localappdata%", place))
            entry = only(scene)
            assert entry.score >= 20
            assert not any("known autostart" in reason for reason in entry.reasons)

    @pytest.mark.parametrize(
        "folder", ["Public", "Public.", "PUBLIC ", "Default", "Default User", "All Users", "DEFAUL~1"]
    )
    def test_nothing_below_what_is_nobodys_profile(self, folder: str) -> None:
        program = f"C:\\Users\\{folder}\\AppData\\Local\\Microsoft\\"
        own = program.replace(folder, "bob")
        for mechanism, name, command in (
            ("run_key", "OneDrive", "OneDrive\\OneDrive.exe /background"),
            ("run_key", "Teams", "WindowsApps\\ms-teams.exe"),
            ("scheduled_task", "\\OneDrive Standalone Update Task", "OneDrive\\OneDriveStandaloneUpdater.exe"),
            ("com", "x", "OneDrive\\FileSyncShell64.dll"),
            ("shell_extension", "x", "OneDrive\\FileSyncShell64.dll"),
        ):
            facts = {"mechanism": mechanism, "name": name}
            assert known_entry(facts | {"command": own + command})
            assert known_entry(facts | {"command": program + command}) is None

    def test_not_with_a_second_program(self) -> None:
        scene = Scene()
        run_value(
            scene, "OneDrive", f'"C:\\Users\\x\\AppData\\Local\\Microsoft\\OneDrive\\OneDrive.exe" /background & {EVIL}'
        )
        entry = only(scene)
        assert entry.score >= 45
        assert not any("known autostart" in reason for reason in entry.reasons)

    def test_not_with_a_library_beside_it(self) -> None:
        """Neither a service's own, nor what .NET's library carries for a class."""
        defender = '"C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.24090.11-0\\MsMpEng.exe"'
        for library, known in (("", True), ("C:\\Users\\Public\\evil.dll", False)):
            scene = Scene()
            more: dict[str, Value] = {"target_path": library} if library else {}
            scene.file("service.configured", f"{HIVES}SYSTEM", {MTIME: 1}, "x", service_name="WinDefend",
                       command_line=defender, mechanism="service", location="x", **more)  # fmt: skip
            assert any("known autostart" in reason for reason in only(scene).reasons) is known
        handler = ("protocol_handler", "x\\PROTOCOLS\\Handler\\a", "a", "C:\\Windows\\System32\\mscoree.dll")
        assert stock(*handler)
        assert stock(*handler, "file:///C:/Users/bob/e.dll") is None


def test_a_long_command_says_that_it_was_cut() -> None:
    scene = Scene()
    run_value(scene, "x", "powershell -c " + "#" * 20000 + f" {EVIL}")
    entry = only(scene)
    assert any("a command of 20" in reason and "its first and last part" in reason for reason in entry.reasons)
    assert any(reason.startswith("PER-04") for reason in entry.reasons)


@pytest.mark.parametrize(
    "place", [RUN, "HKLM\\SYSTEM\\CurrentControlSet\\Services\\u{}", f"HKLM\\SOFTWARE\\{IFEO}{{}}"]
)
def test_many_logged_writes_take_no_time(place: str) -> None:
    """Each of them asked every entry: some thousand took a minute."""
    scene = Scene()
    name = "ImagePath" if "Services" in place else "Debugger"
    for number in range(4000):
        scene.add("registry.value_set", number, key_path=place.format(number), value_data="C:\\a\\b.exe",
                  value_name=f"v{number}" if place == RUN else name)  # fmt: skip
    begin = time.perf_counter()
    found = persistence(Rows(scene.events), HOST, "case")
    assert len(found) == 4000
    assert time.perf_counter() - begin < 20
