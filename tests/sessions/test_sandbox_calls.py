"""wsb.exe: calls joined by id, from every place that keeps one; windows; folders that were opened later; writes."""

from __future__ import annotations

import json

import pytest

from forensics.model import SandboxSession, Value
from tests.sessions.factory import DEV, SYSTEM, SYSTEM32, VM, VM2, VM3, Scene, at

STORE = "C:\\Program Files\\WindowsApps\\MicrosoftWindows.WindowsSandbox_0.5.3.0_x64__cw5n1h2txyewy\\"
INLINE = (
    "<Configuration><MappedFolders><MappedFolder><HostFolder>C:\\Users\\田中\\source\\lab</HostFolder></MappedFolder>"
    "</MappedFolders><LogonCommand><Command>cmd.exe /c build.cmd</Command></LogonCommand></Configuration>"
)


def only(scene: Scene) -> SandboxSession:
    (session,) = scene.build().sandbox_sessions
    return session


def told(session: SandboxSession, text: str) -> str:
    return next(reason for reason in session.reasons if text in reason)


def wsb(scene: Scene, seconds: float, call: str, **fields: Value) -> None:
    scene.process(seconds, STORE + "wsb.exe", call, **{"pid": str(int(seconds) + 100), **fields})


def verbs(session: SandboxSession) -> list[str]:
    return [call.verb for call in session.cli_calls]


class TestIds:
    def test_two_at_once_are_told_apart_by_their_ids(self) -> None:
        scene = Scene()
        wsb(scene, 0, f"wsb start --id {VM}")
        wsb(scene, 30, f"wsb start --id {VM2}")
        wsb(scene, 60, f"wsb exec --id {VM} -r System -c one")
        wsb(scene, 70, f"wsb exec --id={VM2.lower()} -r System -c two")
        wsb(scene, 80, f'wsb share --id "{VM}" -f C:\\data')
        wsb(scene, 90, f"wsb stop --id {VM}")
        first, second = scene.build().sandbox_sessions
        assert (verbs(first), verbs(second)) == (["start", "exec", "share", "stop"], ["start", "exec"])
        assert (first.end, second.end) == (at(90), None)

    def test_a_call_for_another_id_is_not_taken(self) -> None:
        scene = Scene()
        wsb(scene, 0, f"wsb start --id {VM}")
        wsb(scene, 60, f"wsb exec --id {VM2} -r System -c two")
        assert verbs(only(scene)) == ["start"]
        (finding,) = scene.build().findings
        assert VM2 in finding.why

    def test_an_id_is_learned_by_time_and_then_kept(self) -> None:
        scene = Scene()
        wsb(scene, 0, "wsb start")
        wsb(scene, 10, f"wsb exec --id {VM3} -r System -c one")
        wsb(scene, 50000, f"wsb stop --id {VM3}")
        session = only(scene)
        assert verbs(session) == ["start", "exec", "stop"]
        assert session.end == at(50000)

    def test_calls_of_one_id_are_told_together_however_far_apart(self) -> None:
        scene = Scene()
        wsb(scene, 0, f"wsb exec --id {VM} -c one")
        wsb(scene, 30000, f"wsb exec --id {VM} -c two")
        wsb(scene, 30001, f"wsb exec --id {VM2} -c three")
        assert scene.build().sandbox_sessions == ()
        assert [len(finding.events) for finding in scene.build().findings] == [2, 1]

    def test_of_two_runs_of_one_id_the_one_that_runs_then(self) -> None:
        scene = Scene()
        scene.vm(0, 600)
        scene.vm(9000, 9600)
        wsb(scene, 9100, f"wsb exec --id {VM} -c x")
        assert [verbs(session) for session in scene.build().sandbox_sessions] == [[], ["exec"]]

    def test_start_and_machine_by_id_though_far_apart(self) -> None:
        scene = Scene()
        wsb(scene, 0, f"wsb start --id {VM}")
        scene.vm(400, 900)
        session = only(scene)
        assert (session.vm_id, session.launch.method) == (VM, "cli")
        assert "the id that wsb start was given" in told(session, "joined by")


class TestScripts:
    def block(self, scene: Scene, seconds: float, text: str) -> None:
        scene.add("powershell.script_block", seconds, script_text=text, user_sid=DEV, script_block_id="b")

    def test_a_script_is_the_launch_of_a_machine(self) -> None:
        scene = Scene()
        self.block(
            scene, 0, f"& 'C:\\x\\wsb.exe' start --id {VM} --raw\nStart-Sleep 5\nwsb exec --id {VM} -r System -c x"
        )
        scene.vm(3, 600)
        session = only(scene)
        assert (session.launch.method, session.launch.user, session.vm_id) == ("cli", "田中", VM)
        assert verbs(session) == ["start", "exec"]
        assert "the process itself is not recorded" in told(session, "launched by")

    def test_a_script_alone_is_no_session(self) -> None:
        scene = Scene()
        self.block(scene, 0, "function Start-Lab { wsb start }")
        assert scene.build().sandbox_sessions == ()

    def test_script_and_process_are_one_start(self) -> None:
        scene = Scene()
        self.block(scene, 0, f"wsb start --id {VM}")
        wsb(scene, 1, f'"{STORE}wsb.exe" start --id {VM}')
        session = only(scene)
        assert (verbs(session), len(session.events)) == (["start"], 2)

    def test_typed_history_by_id(self) -> None:
        scene = Scene()
        history = "C:/Users/田中/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/ConsoleHost_history.txt"
        for number, line in enumerate((f"wsb start --id {VM}", f"wsb share --id {VM} -f C:\\Users -w", "wsb list")):
            scene.file("shell.history_line", history, {}, f"line {number}", history_line=line, profile_user="田中")
        scene.vm(0, 600)
        session = only(scene)
        assert sorted(verbs(session)) == ["share", "start"]
        assert {call.time for call in session.cli_calls} == {None}
        assert "C:\\Users" in told(session, "wsb share was called to open")

    def test_the_configuration_in_a_script(self) -> None:
        scene = Scene()
        self.block(scene, 0, f'wsb start --id {VM} --config "{INLINE}"')
        scene.vm(2, 60)
        config = only(scene).config
        assert config is not None
        assert config.logon_command == "cmd.exe /c build.cmd"

    def test_a_configuration_in_a_variable_is_not_the_default(self) -> None:
        scene = Scene()
        wsb(scene, 0, "wsb start --config $xml")
        session = only(scene)
        assert (session.config, session.networked) == (None, None)
        assert told(session, "does not hold")


class TestWindows:
    def server(self, scene: Scene, seconds: float, name: str = "WindowsSandboxServer.exe", **fields: Value) -> None:
        scene.process(seconds, STORE + name, **{"pid": "900", "parent_executable": SYSTEM32 + "sihost.exe", **fields})

    def test_a_server_without_its_window_is_headless(self) -> None:
        scene = Scene()
        self.server(scene, 0)
        scene.vm(2, 60)
        assert only(scene).headless is True
        assert told(only(scene), "without WindowsSandboxRemoteSession.exe")

    def test_with_the_window_it_is_not(self) -> None:
        scene = Scene()
        self.server(scene, 0)
        self.server(scene, 5, "WindowsSandboxRemoteSession.exe", pid="901")
        scene.vm(2, 60)
        assert only(scene).headless is False

    def test_a_server_as_system(self) -> None:
        scene = Scene()
        self.server(scene, 0, user_sid=SYSTEM, user_name="SYSTEM")
        self.server(scene, 5, "WindowsSandboxRemoteSession.exe", user_sid=SYSTEM, user_name="SYSTEM")
        assert only(scene).headless is True

    def test_the_windows_end_is_not_the_end(self) -> None:
        scene = Scene()
        wsb(scene, 0, f"wsb start --id {VM}")
        self.server(scene, 1)
        wsb(scene, 4, f"wsb connect --id {VM}")
        self.server(scene, 5, "WindowsSandboxRemoteSession.exe", pid="901")
        scene.add("process.exited", 60, executable=STORE + "WindowsSandboxRemoteSession.exe", pid="901")
        assert (only(scene).end, only(scene).headless) == (None, False)
        scene.add("process.exited", 90, executable=STORE + "WindowsSandboxServer.exe", pid="900")
        assert only(scene).end == at(90)

    def test_a_logon_command_that_waits_for_a_window(self) -> None:
        scene = Scene()
        wsb(scene, 0, f'wsb start --id {VM} --config "{INLINE}"')
        assert told(only(scene), "only after wsb connect")
        wsb(scene, 20, f"wsb connect --id {VM}")
        assert not any("only after wsb connect" in reason for reason in only(scene).reasons)


class TestNetwork:
    def test_an_adapter_in_the_settings(self) -> None:
        scene = Scene()
        scene.vm(0, 60)
        change = {"ResourcePath": "VirtualMachine/Devices/NetworkAdapters/x", "Settings": {"EndpointId": VM2}}
        scene.add("compute.modified", 1, vm_id=VM, settings_json=json.dumps(change))
        assert only(scene).networked is True
        assert "inference" in told(only(scene), "networked:")

    def test_its_removal_says_nothing(self) -> None:
        scene = Scene()
        scene.vm(0, 60)
        change = {"RequestType": "Remove", "ResourcePath": "VirtualMachine/Devices/NetworkAdapters/x"}
        scene.add("compute.modified", 50, vm_id=VM, settings_json=json.dumps(change))
        assert only(scene).networked is None

    def test_the_default_is_on(self) -> None:
        scene = Scene()
        scene.process(0, "WindowsSandbox.exe")
        assert only(scene).networked is True
        assert "inference" in told(only(scene), "networked: by default")

    def test_an_adapter_outweighs_the_configuration(self) -> None:
        scene = Scene()
        scene.file("sandbox.config", "C:/a.wsb", {"Creation Time": -9}, wsb_networking=False)
        scene.process(0, "WindowsSandbox.exe", "WindowsSandbox.exe C:\\a.wsb")
        scene.vm(2, 60, nic=True)
        assert only(scene).networked is True


class TestHostWrites:
    FOLDER = "C:\\Users\\田中\\source\\lab"

    def scene(self, folder: str = FOLDER, mode: str = "rw") -> Scene:
        scene = Scene()
        scene.file(
            "sandbox.config", "C:/a.wsb", {"Creation Time": -900}, wsb_mapped_folders=(f"{folder} -> C:\\h ({mode})",)
        )
        scene.process(0, "WindowsSandbox.exe", "WindowsSandbox.exe C:\\a.wsb")
        scene.vm(2, 600)
        return scene

    def writes(self, scene: Scene) -> list[tuple[float, str, str]]:
        found = only(scene).host_writes
        return [((w.time - at(0)).total_seconds(), w.path.rpartition("\\")[2], w.action) for w in found]

    def test_the_journal(self) -> None:
        scene = self.scene()
        for action, moment in (("created", 100), ("written", 200), ("renamed", 300), ("deleted", 400)):
            scene.journal(action, moment, f"{self.FOLDER}\\sub\\{action}.exe")
        found = self.writes(scene)
        assert found == [
            (100, "created.exe", "created"), (200, "written.exe", "written"), (300, "renamed.exe", "renamed"),
            (400, "deleted.exe", "deleted"),
        ]  # fmt: skip
        assert "change journal: 4" in told(only(scene), "changes of files")
        assert "inference" in told(only(scene), "changes of files")

    def test_programs_scripts_and_archives_come_first(self) -> None:
        scene = self.scene()
        for moment, name in ((100, "notes.txt"), (200, "run.ps1"), (300, "all.rar"), (400, "hello.xml")):
            scene.journal("created", moment, f"{self.FOLDER}\\{name}")
        assert [name for _, name, _ in self.writes(scene)] == ["run.ps1", "all.rar", "hello.xml", "notes.txt"]

    @pytest.mark.parametrize("moment", [-200.0, 700.0])
    def test_not_outside_its_time(self, moment: float) -> None:
        scene = self.scene()
        scene.journal("created", moment, f"{self.FOLDER}\\a.exe")
        assert self.writes(scene) == []

    def test_a_minute_after_the_end(self) -> None:
        scene = self.scene()
        scene.journal("created", 655, f"{self.FOLDER}\\a.exe")
        assert self.writes(scene) == [(655, "a.exe", "created")]

    def test_not_elsewhere_nor_on_another_drive_nor_read_only(self) -> None:
        for scene in (self.scene(), self.scene("D:\\Users\\田中\\source\\lab"), self.scene(mode="ro")):
            scene.journal("created", 100, "C:\\Users\\田中\\source\\laboratory\\a.exe")
            assert self.writes(scene) == []
        scene = self.scene("D:\\Users\\田中\\source\\lab")
        scene.journal("created", 100, f"{self.FOLDER}\\a.exe")
        assert self.writes(scene) == []

    def test_the_births_in_the_table_and_not_its_other_times(self) -> None:
        scene = self.scene()
        scene.file(
            "mft.entry", "C:/$MFT", {"Creation Time": 100, "Last Access Time": 300}, "MFT record 9",
            file_path=f"{self.FOLDER}\\a.exe",
        )  # fmt: skip
        assert self.writes(scene) == [(100, "a.exe", "created")]
        assert "$MFT: 1" in told(only(scene), "1 change of files")

    def test_several_sources_of_one_write(self) -> None:
        scene = self.scene()
        path = f"{self.FOLDER}\\a.exe"
        scene.add("file.created", 100, file_path=path, executable=SYSTEM32 + "vmwp.exe")
        scene.journal("created", 100.1, path)
        scene.file("mft.entry", "C:/$MFT", {"Creation Time": 100.1}, "MFT record 9", file_path=path)
        assert self.writes(scene) == [(100, "a.exe", "created")]
        assert "$MFT: 1, Sysmon 11: 1, change journal: 1" in told(only(scene), "1 change of files")

    def test_what_another_program_made_is_its(self) -> None:
        scene = self.scene()
        path = f"{self.FOLDER}\\a.exe"
        scene.add("file.created", 100, file_path=path, executable="C:\\Program Files\\Git\\git.exe")
        scene.journal("created", 100.1, path)
        assert self.writes(scene) == []

    def test_folders_are_no_writes(self) -> None:
        scene = self.scene()
        scene.journal("created", 100, f"{self.FOLDER}\\bin.exe", is_folder=True)
        assert self.writes(scene) == []

    def test_a_folder_that_was_shared_later(self) -> None:
        scene = Scene()
        wsb(scene, 0, f"wsb start --id {VM}")
        wsb(scene, 100, f"wsb share --id {VM} -f 'C:\\work dir' -s C:\\g --allow-write")
        wsb(scene, 100, f"wsb share --id {VM} --host-path C:\\readonly")
        scene.vm(2, 600)
        for moment, name in ((50, "early"), (150, "late")):
            scene.journal("created", moment, f"C:\\work dir\\{name}.exe")
            scene.journal("created", moment, f"C:\\readonly\\{name}.exe")
        assert self.writes(scene) == [(150, "late.exe", "created")]
        assert "writable" in told(only(scene), "wsb share was called to open C:\\work dir as C:\\g")
        assert "read-only" in told(only(scene), "wsb share was called to open C:\\readonly")

    @pytest.mark.parametrize("settings", [
        {"ResourcePath": "VirtualMachine/Devices/VirtualSmb/Shares", "RequestType": "Add",
         "Settings": {"Name": "w", "Path": "C:\\work", "Options": {"ReadOnly": False}}},
        {"VirtualMachine": {"Devices": {"VirtualSmb": {"Shares": [{"Name": "w", "Path": "C:\\work"}]}}}},
    ])  # fmt: skip
    def test_a_folder_that_only_the_machines_settings_have(self, settings: dict[str, object]) -> None:
        scene = Scene()
        scene.vm(0, 600)
        scene.add("compute.modified", 1, vm_id=VM, settings_json=json.dumps(settings))
        scene.journal("created", 100, "C:\\work\\a.exe")
        assert self.writes(scene) == [(100, "a.exe", "created")]
        assert "inference" in told(only(scene), "settings share C:\\work")

    @pytest.mark.parametrize("settings", [
        '{"ResourcePath":"VirtualMachine/Devices/VirtualSmb/Shares","Settings":{"Path":"C:\\\\work","Options":{"ReadOnly":true}}}',
        '{"ResourcePath":"VirtualMachine/Devices/VirtualSmb/Shares","RequestType":"Remove","Settings":{"Path":"C:\\\\work"}}',
        '{"Devices":{"Scsi":{"0":{"Path":"C:\\\\work"}}}}',
        '{"VirtualSmb":{"Shares":[{"Path":"C:\\\\ProgramData\\\\Microsoft\\\\Windows\\\\Containers\\\\BaseImages\\\\x\\\\Files"}]}}',
        '{"VirtualSmb":', '[' * 5000, '"x"',
    ])  # fmt: skip
    def test_settings_that_open_nothing(self, settings: str) -> None:
        scene = Scene()
        scene.vm(0, 600)
        scene.add("compute.modified", 1, vm_id=VM, settings_json=settings)
        scene.journal("created", 100, "C:\\work\\a.exe")
        assert self.writes(scene) == []

    def test_nothing_seen_is_said_with_its_reach(self) -> None:
        scene = self.scene()
        assert told(only(scene), "nor a record of Sysmon 11 that fits")
        scene.file("mft.table", "C:/$MFT", {}, record_count=5)
        assert "last state" in told(only(scene), "has a birth or a last change while it ran in the $MFT")
        scene.file("usn.journal", "C:/$Extend/$J", {"Start Time": -500}, record_count=5)
        assert "of any file" in told(only(scene), "as far as the change journal and the $MFT tell")

    def test_a_journal_that_begins_too_late_or_knows_no_folders(self) -> None:
        late, lost = self.scene(), self.scene()
        late.file("usn.journal", "C:/$Extend/$J", {"Start Time": 300}, record_count=5)
        assert "begins only at 2024-12-02 03:35:00" in told(only(late), "no change in")
        about: dict[str, Value] = {"folders_from_table": False, "records_without_folder": 3, "record_count": 5}
        lost.file("usn.journal", "C:/$Extend/$J", {"Start Time": -500}, **about)
        assert "what was written" in told(
            only(lost), "3 of 5 changes in the change journal the folder is not wholly known"
        )

    def test_changes_without_a_folder_leave_it_open(self) -> None:
        scene = self.scene()
        scene.file("usn.journal", "C:/$Extend/$J", {"Start Time": -500}, records_without_folder=3, record_count=5)
        scene.file("mft.table", "C:/$MFT", {}, record_count=5, missing_parts=2)
        for seconds, tail in ((100, "lab\\out.rar"), (110, "Temp\\b.exe"), (120, "c.txt"), (9000, "late.exe")):
            name = tail.rpartition("\\")[2]
            scene.file("usn.file_created", "C:/$J", {"Creation Time": seconds}, tail, path_tail=tail, file_name=name)
        session = only(scene)
        assert self.writes(scene) == [(100, "out.rar", "created")], "the end of its path is that of the folder"
        told(session, "of some only the end of the path is known")
        reason = told(session, "whether that is all that was written into")
        assert "3 of 5 changes" in reason
        assert "damaged records of the $MFT: 2" in reason
        perhaps = told(session, "hence perhaps there")
        assert "Temp\\b.exe" in perhaps
        assert not {"c.txt", "late.exe"} & set(perhaps.replace(",", " ").split())

    def test_a_damaged_table_beside_a_whole_journal_hides_nothing(self) -> None:
        scene = self.scene()
        scene.file("mft.table", "C:/$MFT", {}, record_count=5, missing_parts=2)
        told(only(scene), "damaged records of the $MFT: 2")
        scene.file("usn.journal", "C:/$Extend/$J", {"Start Time": -500}, record_count=5)
        told(only(scene), "of any file, as far as the change journal")

    def test_a_damaged_journal_is_no_witness_of_nothing(self) -> None:
        scene = self.scene()
        scene.file("usn.journal", "C:/$Extend/$J", {"Start Time": -500}, record_count=5, lost_bytes=1712)
        session = only(scene)
        assert "1712 bytes of the change journal are damaged" in told(session, "what was written into")
        assert not any("no change in" in reason for reason in session.reasons)

    def test_a_file_that_was_there_and_last_changed_then(self) -> None:
        scene = self.scene()
        for path, born in (("old.dat", -9000), ("new.dat", 100)):
            scene.file(
                "mft.entry", "C:/$MFT", {"Creation Time": born, "Content Modification Time": 100}, f"MFT record {born}",
                file_path=f"{self.FOLDER}\\{path}",
            )  # fmt: skip
        assert sorted(self.writes(scene)) == [(100, "new.dat", "created"), (100, "old.dat", "written")]

    def test_a_flood_is_cut_and_said(self) -> None:
        scene = self.scene()
        for number in range(520):
            scene.journal("created", 10 + number / 2, f"{self.FOLDER}\\{number:04d}.txt")
        scene.journal("created", 500, f"{self.FOLDER}\\last.exe")
        session = only(scene)
        assert (len(session.host_writes), session.host_writes[0].path.endswith("last.exe")) == (500, True)
        assert told(session, "of 521 changes")


class TestWhoStartedTheStoreVersion:
    """The server runs for its app and for wsb.exe alike; whose it was is said only where something tells."""

    def server(self, scene: Scene, seconds: float) -> None:
        scene.remembered("prefetch.run", seconds, "WINDOWSSANDBOXSERVER.EXE")

    def cli(self, scene: Scene, seconds: float) -> None:
        scene.remembered("prefetch.run", seconds, "WSB.EXE")

    def test_wsb_just_before(self) -> None:
        scene = Scene()
        self.server(scene, 60)
        self.cli(scene, 2)
        session = only(scene)
        assert (session.launch.method, session.start_earliest, session.start) == ("cli", at(2), at(60))
        assert "inference" in told(session, "wsb.exe ran just before")
        assert scene.build().findings == ()

    def test_its_stop_is_part_of_it(self) -> None:
        scene = Scene()
        self.server(scene, 2)
        for moment in (0, 300, 1400):
            self.cli(scene, moment)
        session = only(scene)
        assert (session.launch.method, session.start_latest) == ("cli", at(2))
        assert "1 kind" in told(session, "probable")

    def test_nothing_tells(self) -> None:
        scene = Scene()
        self.server(scene, 0)
        assert only(scene).launch.method == "unknown"
        self.cli(scene, 300)
        assert only(scene).launch.method == "unknown"
        assert told(only(scene), "it or the app may have started")

    def test_its_window_is_the_apps(self) -> None:
        scene = Scene()
        self.server(scene, 0)
        scene.remembered("prefetch.run", 1, "WINDOWSSANDBOXREMOTESESSION.E")
        assert only(scene).launch.method == "store"

    def test_a_start_without_a_command_line(self) -> None:
        scene = Scene()
        scene.process(0, STORE + "wsb.exe", " ", pid="1")
        scene.process(2, STORE + "WindowsSandboxServer.exe", pid="2", parent_executable=SYSTEM32 + "svchost.exe",
                      parent_command_line="svchost.exe -k DcomLaunch")  # fmt: skip
        assert (only(scene).launch.method, only(scene).start_earliest) == ("cli", at(0))

    def test_that_alone_is_no_session(self) -> None:
        scene = Scene()
        scene.process(0, STORE + "wsb.exe", STORE + "wsb.exe", pid="1")
        assert scene.build().sandbox_sessions == ()
        assert [finding.rule for finding in scene.build().findings] == ["sandbox.cli_ran"]

    def test_a_child_of_wsb(self) -> None:
        scene = Scene()
        scene.process(2, STORE + "WindowsSandboxServer.exe", pid="2", parent_executable=STORE + "wsb.exe")
        assert only(scene).launch.method == "cli"
