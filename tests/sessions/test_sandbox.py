"""Sandbox sessions out of hand-built events: anchors, bounds, ends, launches, certainty, and what is none."""

from __future__ import annotations

import pytest

from forensics.model import SandboxSession, Value
from tests.sessions.factory import DEV, MIRRORFACE, SYSTEM, SYSTEM32, VM, VM2, VM3, Scene, at

LAB = "C:/Users/田中/Documents/lab.wsb"
DEFAULT = "C:/Windows/System32/default.wsb"
SVCHOST = SYSTEM32 + "svchost.exe"
INLINE = (
    "<Configuration><Networking>Disable</Networking><LogonCommand><Command>cmd.exe /c whoami</Command></LogonCommand>"
    "</Configuration>"
)


def only(scene: Scene) -> SandboxSession:
    (session,) = scene.build().sandbox_sessions
    return session


def launched(scene: Scene, seconds: float, wsb: str, **fields: Value) -> None:
    scene.process(seconds, "WindowsSandbox.exe", f'"{SYSTEM32}WindowsSandbox.exe" "{wsb}"', pid="8120", **fields)


class TestFileLaunch22H2:
    @pytest.fixture
    def scene(self) -> Scene:
        scene = Scene()
        scene.file(
            "sandbox.config",
            LAB,
            {"Creation Time": -900, "Content Modification Time": -800},
            wsb_networking=False,
            wsb_memory_mb=4096,
            wsb_mapped_folders=("C:\\Users\\田中\\Documents\\lab -> C:\\Users\\WDAGUtilityAccount\\Desktop\\lab (ro)",),
        )
        launched(scene, 0, "C:\\Users\\田中\\Documents\\lab.wsb")
        scene.process(0.8, "WindowsSandboxClient.exe", pid="8196", parent_pid="8120")
        scene.process(1.5, "cmproxyd.exe", user_sid=SYSTEM, user_name="SYSTEM", parent_executable=SVCHOST)
        scene.vm(2, 1867)
        pf = "C:/Windows/Prefetch/WINDOWSSANDBOX.EXE-1.pf"
        scene.file("prefetch.run", pf, {"Last Time Executed": 0}, "run 1", executable_name="WINDOWSSANDBOX.EXE")
        hive = "C:/Users/田中/NTUSER.DAT"
        scene.file(
            "userassist.run", hive, {"Last Time Executed": 0}, "UserAssist\\x",
            executable="%SystemRoot%\\System32\\WindowsSandbox.exe", profile_user="田中", user_sid=DEV,
        )  # fmt: skip
        scene.file(
            "bam.run", "C:/Windows/System32/config/SYSTEM", {"Last Time Executed": 1868}, "bam\\x",
            executable="\\Device\\HarddiskVolume3\\Windows\\System32\\WindowsSandbox.exe", user_sid=DEV,
        )  # fmt: skip
        return scene

    def test_times(self, scene: Scene) -> None:
        session = only(scene)
        assert session.start == at(2.5)
        assert session.start_earliest == at(0)
        assert session.start_latest == at(2.9)
        assert session.end == at(1867.5)
        assert session.end_kind == "stopped"
        assert session.vm_id == VM

    def test_launch(self, scene: Scene) -> None:
        launch = only(scene).launch
        assert (launch.method, launch.user, launch.user_sid) == ("file", "田中", DEV)
        assert launch.wsb_path == "C:\\Users\\田中\\Documents\\lab.wsb"
        assert launch.parent_process == "C:\\Windows\\explorer.exe"
        assert launch.task_name is None

    def test_judgement(self, scene: Scene) -> None:
        session = only(scene)
        assert session.config is not None
        assert session.config.source == LAB
        assert session.networked is False
        assert session.headless is False
        assert session.certainty == "confirmed"
        assert session.score == 0
        assert session.attack == ("T1564.006",)

    def test_every_row_is_used(self, scene: Scene) -> None:
        assert set(only(scene).events) == {event.id for event in scene.events}

    def test_a_relative_or_missing_configuration_is_said(self) -> None:
        scene = Scene()
        launched(scene, 0, "C:\\gone.wsb")
        scene.vm(2, 100)
        session = only(scene)
        assert session.config is None
        assert any("not in the evidence" in reason for reason in session.reasons)


class TestTask:
    @pytest.fixture
    def scene(self) -> Scene:
        scene = Scene()
        times = {"Creation Time": -700.0, "Content Modification Time": -700.0}
        scene.file("sandbox.config", DEFAULT, times, **MIRRORFACE)
        line = "c:\\windows\\system32\\windowssandbox.exe c:\\windows\\system32\\default.wsb"
        task: dict[str, Value] = {"task_name": "\\Updater", "command_line": line, "task_run_as": SYSTEM}
        scene.file("task.defined", "C:/Windows/System32/Tasks/Updater", {"Creation Time": -600}, **task)
        scene.add("task.registered", -600, task_content=f"<Exec>{line}</Exec>", user_name="田中", **task)
        exe = "c:\\windows\\system32\\windowssandbox.exe"
        for kind in ("task.process_created", "task.started", "task.action_started"):
            scene.add(kind, 0.1, task_name="\\Updater", executable=exe, pid="7404", user_name="SYSTEM")
        scene.process(
            0, "WindowsSandbox.exe", line, pid="0x1cec", user_sid=SYSTEM, user_name="WS-1$", parent_executable=SVCHOST
        )
        scene.vm(3, 19030, nic=True)
        return scene

    def test_launch(self, scene: Scene) -> None:
        session = only(scene)
        launch = session.launch
        assert (launch.method, launch.task_name) == ("task", "\\Updater")
        assert (launch.user, launch.user_sid) == ("SYSTEM", SYSTEM)
        assert session.headless is True
        assert session.networked is True
        assert session.attack == ("T1053.005", "T1564.006")

    def test_template_is_a_reason(self, scene: Scene) -> None:
        session = only(scene)
        assert session.score == 100
        assert any("matches the published template of MirrorFace" in reason for reason in session.reasons)
        (config,) = scene.build().sandbox_configs
        assert config.score == 100
        assert config.settings.mapped_folders[0].host == "C:\\Users"

    def test_one_persistence_entry(self, scene: Scene) -> None:
        (entry,) = scene.build().persistence
        assert (entry.mechanism, entry.name, entry.user) == ("scheduled_task", "\\Updater", "SYSTEM")
        assert entry.first_seen == at(-600)
        assert entry.score >= 45
        assert len(entry.events) == 2

    def test_without_task_log_the_definition_is_inferred(self, scene: Scene) -> None:
        scene.events = [event for event in scene.events if event.kind not in ("task.started", "task.process_created",
                                                                               "task.action_started")]  # fmt: skip
        session = only(scene)
        assert (session.launch.method, session.launch.task_name) == ("task", "\\Updater")
        assert any("inference" in reason for reason in session.reasons)

    def test_with_the_task_log_alone(self) -> None:
        scene = Scene()
        exe = "c:\\windows\\system32\\windowssandbox.exe"
        scene.add("task.process_created", 0, task_name="\\Updater", executable=exe, pid="7404")
        session = only(scene)
        assert (session.certainty, session.start, session.vm_id) == ("probable", at(0), None)
        assert session.launch.task_name == "\\Updater"


class TestCli:
    @pytest.fixture
    def scene(self) -> Scene:
        scene = Scene()
        exe = "C:\\Program Files\\WindowsApps\\MicrosoftWindows.WindowsSandbox_0.5.3.0_x64__cw5n1h2txyewy\\wsb.exe"
        ident = VM.lower()
        scene.process(0, exe, f'wsb start --id {ident} --config "{INLINE}"', pid="100")
        scene.process(1, exe.replace("wsb.exe", "WindowsSandboxServer.exe"), pid="101")
        scene.process(60, exe, f'wsb exec --id {ident} -r System -c "cmd /c whoami"', pid="102")
        scene.process(90, exe, f"wsb share --id {ident} -f C:\\Users -s C:\\h --allow-write", pid="103")
        scene.process(600, exe, f"wsb StopSandbox --id {ident}", pid="104")
        scene.vm(1, 601, disk=False)
        return scene

    def test_calls(self, scene: Scene) -> None:
        session = only(scene)
        assert [call.verb for call in session.cli_calls] == ["start", "exec", "share", "stop"]
        assert session.launch.method == "cli"
        assert session.headless is True
        assert session.end == at(601.5)

    def test_inline_configuration(self, scene: Scene) -> None:
        session = only(scene)
        assert session.config is not None
        assert session.config.source.startswith("inline: ")
        assert session.config.logon_command == "cmd.exe /c whoami"
        assert session.networked is False
        assert len(scene.build().sandbox_configs) == 1

    def test_connect_opens_a_window(self, scene: Scene) -> None:
        scene.process(30, "C:\\x\\wsb.exe", f"wsb connect --id {VM}", pid="105")
        assert only(scene).headless is False

    def test_the_same_call_in_two_logs_counts_once(self, scene: Scene) -> None:
        scene.process(60.4, "C:\\x\\wsb.exe", f'wsb exec --id {VM.lower()} -r System -c "cmd /c whoami"', pid="102")
        assert [call.verb for call in only(scene).cli_calls] == ["start", "exec", "share", "stop"]

    @pytest.mark.parametrize("verb", ["exec", "share", "connect", "stop", "ip", "list"])
    def test_calls_without_a_start_are_told_and_are_no_session(self, verb: str) -> None:
        scene = Scene()
        row = scene.process(0, "wsb.exe", f'wsb {verb} --id {VM} -f C:\\Users -w -r System -c "x"', pid="1")
        done = scene.build()
        assert done.sandbox_sessions == ()
        (finding,) = done.findings
        assert (finding.rule, finding.events) == ("sandbox.cli_calls", (row.id,))
        assert finding.level == ("informational" if verb in ("ip", "list") else "medium")
        assert "by 田中" in finding.why
        assert f"wsb {verb}" in finding.why
        assert ("open C:\\Users" in finding.why) == (verb == "share")

    def test_list_alone_is_no_session(self) -> None:
        scene = Scene()
        scene.process(0, "wsb.exe", "wsb list --raw", pid="1")
        assert scene.build().sandbox_sessions == ()


def test_vm_logs_only() -> None:
    scene = Scene()
    scene.vm(0, 600, nic=True)
    session = only(scene)
    assert session.certainty == "possible"
    assert any("possible: Windows Sandbox or Application Guard" in text for text in session.reasons)
    assert session.launch.method == "unknown"
    assert session.launch.user is None
    assert (session.start, session.end, session.networked, session.headless) == (at(0.5), at(600.5), True, None)


@pytest.mark.parametrize("kind", ["prefetch.run", "bam.run", "userassist.run"])
def test_a_remembered_run_of_application_guard_starts_no_sandbox(kind: str) -> None:
    scene = Scene()
    scene.vm(2, 600)
    scene.remembered(kind, 0, "hvsimgr.exe")
    assert scene.build().sandbox_sessions == ()


def test_a_remembered_launch_tells_it_from_application_guard() -> None:
    scene = Scene()
    scene.vm(2, 600)
    scene.remembered("prefetch.run", 0, "WINDOWSSANDBOX.EXE")
    assert only(scene).certainty == "confirmed"


def test_a_launch_that_became_no_machine_ends_with_its_program() -> None:
    scene = Scene()
    scene.process(0, "WindowsSandbox.exe", pid="0x100")
    scene.add("process.exited", 4, pid="0x100", executable="C:\\Windows\\System32\\WindowsSandbox.exe")
    scene.remembered("prefetch.run", 0.2, "WINDOWSSANDBOX.EXE")
    scene.remembered("bam.run", 4, user_sid=DEV)
    session = only(scene)
    assert (session.end, session.certainty) == (at(4), "probable")
    assert any("no trace of a virtual machine is recorded" in text for text in session.reasons)
    assert not any("last active" in text for text in session.reasons)


def test_a_single_kind_of_vm_log_is_probable() -> None:
    scene = Scene()
    folder = f"C:\\ProgramData\\Microsoft\\Windows\\Containers\\ContainerStorages\\{VM2}"
    scene.add("vm.disk_opened", 0, vm_id=VM, disk_path=f"{folder}\\sandbox.vhdx")
    session = only(scene)
    assert session.certainty == "probable"
    assert session.vm_id == VM


def test_a_disk_without_vm_id_joins_the_vm_of_its_time() -> None:
    scene = Scene()
    folder = f"C:\\ProgramData\\Microsoft\\Windows\\Containers\\ContainerStorages\\{VM2}"
    scene.add("file.created", 0, file_path=f"{folder}\\sandbox.vhdx", executable=SYSTEM32 + "svchost.exe")
    scene.vm(3, 100, disk=False)
    session = only(scene)
    assert session.vm_id == VM
    assert any("joined by their time" in reason for reason in session.reasons)


class TestExecutionAlone:
    def run(self, scene: Scene, seconds: float, number: int, name: str = "WINDOWSSANDBOX.EXE") -> None:
        path = f"C:/Windows/Prefetch/{name}-1.pf"
        scene.file("prefetch.run", path, {"Last Time Executed": seconds}, f"run {number}", executable_name=name)

    def test_artifacts_of_one_run_are_one_session(self) -> None:
        scene = Scene()
        self.run(scene, 0, 1)
        self.run(scene, 1, 1, "WINDOWSSANDBOXCLIENT.EXE")
        scene.file(
            "userassist.run", "C:/Users/田中/NTUSER.DAT", {"Last Time Executed": 0.4}, "x",
            executable="C:\\Windows\\System32\\WindowsSandbox.exe", profile_user="田中",
        )  # fmt: skip
        session = only(scene)
        assert session.certainty == "confirmed"
        assert (session.start_earliest, session.start, session.start_latest) == (at(0), at(0), at(1))
        assert session.launch.user == "田中"
        assert session.headless is False
        assert session.end is None
        assert session.end_kind == "unknown"

    def test_one_kind_is_probable_and_each_run_a_session(self) -> None:
        scene = Scene()
        for number, moment in enumerate((7200, 3600, 0), 1):
            self.run(scene, moment, number)
        sessions = scene.build().sandbox_sessions
        assert [session.start for session in sessions] == [at(0), at(3600), at(7200)]
        assert {session.certainty for session in sessions} == {"probable"}

    def test_runs_of_wsb_alone_are_no_session(self) -> None:
        scene = Scene()
        for number, moment in enumerate((200, 100, 0), 1):
            self.run(scene, moment, number, "WSB.EXE")
        done = scene.build()
        assert done.sandbox_sessions == ()
        (finding,) = done.findings
        assert (finding.rule, len(finding.events)) == ("sandbox.cli_ran", 3)
        assert "with what verb is not recorded" in finding.why

    def test_cmproxyd_alone_is_none(self) -> None:
        scene = Scene()
        self.run(scene, 0, 1, "CMPROXYD.EXE")
        assert scene.build().sandbox_sessions == ()

    def test_a_run_without_vm_beside_a_session_is_its_own(self) -> None:
        scene = Scene()
        scene.vm(0, 600)
        self.run(scene, 0, 2)
        self.run(scene, 86400, 1)
        first, second = scene.build().sandbox_sessions
        assert (first.vm_id, second.vm_id) == (VM, None)

    def test_the_boot_bounds_the_end(self) -> None:
        scene = Scene()
        self.run(scene, 0, 1)
        boot = scene.boot(4000)
        session = only(scene)
        assert (session.end, session.end_kind) == (None, "unknown")
        assert boot.id in session.events

    @pytest.mark.parametrize(("runs", "named"), [(1, True), (2, False)])
    def test_prefetch_names_the_configuration_of_its_only_run(self, runs: int, named: bool) -> None:
        scene = Scene()
        scene.file("sandbox.config", LAB, {"Creation Time": -90000}, wsb_networking=True)
        pf = "C:/Windows/Prefetch/WINDOWSSANDBOX.EXE-1.pf"
        scene.file(
            "prefetch.run", pf, {"Last Time Executed": 0}, "run 1",
            executable_name="WINDOWSSANDBOX.EXE", file_names=("\\VOLUME{01d}\\USERS\\田中\\DOCUMENTS\\LAB.WSB",),
            run_count=runs,
        )  # fmt: skip
        session = only(scene)
        assert (session.config is not None) == named
        assert session.launch.wsb_path == (LAB if named else None)
        assert session.networked is (True if named else None)


def test_three_sessions_of_a_day_one_networked() -> None:
    scene = Scene()
    for number, (start, vm_id) in enumerate(((0, VM), (4000, VM2), (9000, VM3))):
        launched(scene, start - 2, f"C:\\t\\{number}.wsb")
        scene.vm(start, start + 1000, vm_id, nic=number == 1)
    sessions = scene.build().sandbox_sessions
    assert [session.vm_id for session in sessions] == [VM, VM2, VM3]
    assert [session.networked for session in sessions] == [None, True, None]
    assert [session.launch.wsb_path for session in sessions] == [f"C:\\t\\{number}.wsb" for number in range(3)]
    assert len({session.id for session in sessions}) == 3
    assert len([ident for session in sessions for ident in session.events]) == len(scene.events)


class TestEnds:
    def test_a_crash_closes(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        boot = scene.boot(5000)
        crash = scene.add("system.crashed", 5001)
        session = only(scene)
        assert (session.end, session.end_kind) == (at(5000), "crashed")
        assert {boot.id, crash.id} <= set(session.events)

    def test_the_last_sign_of_life_is_the_end(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        scene.boot(5000)
        scene.add("system.crashed", 5001, last_alive_time=at(3000).isoformat())
        session = only(scene)
        assert (session.end, session.end_kind) == (at(3000), "crashed")

    def test_a_shutdown_closes(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        scene.add("system.shutdown_requested", 900)
        scene.add("system.log_stopped", 910)
        scene.boot(5000)
        assert (only(scene).end, only(scene).end_kind) == (at(910), "host_shutdown")

    def test_a_shutdown_of_which_only_the_stop_is_left(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        scene.add("system.log_stopped", 910)
        assert (only(scene).end, only(scene).end_kind) == (at(910), "host_shutdown")

    def test_a_stop_while_the_host_goes_down(self) -> None:
        scene = Scene()
        scene.vm(0, 905)
        scene.add("system.shutdown_requested", 900)
        scene.add("system.log_stopped", 910)
        assert (only(scene).end, only(scene).end_kind) == (at(905.5), "host_shutdown")

    def test_a_crash_of_a_later_boot_is_not_ours(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        scene.boot(5000)
        scene.boot(5400)
        scene.add("system.crashed", 5401)
        assert only(scene).end_kind == "unknown"

    def test_nothing_known(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        assert (only(scene).end, only(scene).end_kind) == (None, "unknown")

    def test_a_stop_after_the_boot_is_no_end(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        scene.boot(5000)
        scene.add("vm.nic_deleted", 5010, vm_id=VM, nic_name=f"{VM}--{VM3}")
        assert only(scene).end == at(5000)

    def test_process_ends_are_stops(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        scene.add("process.exited", 700, executable=SYSTEM32 + "vmwp.exe", pid="3000")
        assert (only(scene).end, only(scene).end_kind) == (at(700), "stopped")


class TestIds:
    def test_a_restart_stays_one_session(self) -> None:
        scene = Scene()
        scene.vm(0, 600)
        scene.vm(640, 1200)
        assert (only(scene).start, only(scene).end) == (at(0.5), at(1200.5))

    def test_an_id_used_again_is_another_session(self) -> None:
        scene = Scene()
        scene.vm(0, 600)
        scene.vm(3000, 3600)
        first, second = scene.build().sandbox_sessions
        assert first.vm_id == second.vm_id
        assert first.id != second.id

    def test_a_start_after_a_boot_is_another_session(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        scene.boot(500)
        scene.vm(560, 700)
        assert [session.end for session in scene.build().sandbox_sessions] == [at(500), at(700.5)]

    def test_what_says_that_it_is_a_sandbox_counts_for_all_runs_of_the_id(self) -> None:
        scene = Scene()
        scene.vm(0, 600)
        scene.vm(3000, 3600, disk=False)
        (disk,) = (event for event in scene.events if event.kind == "vm.disk_opened")
        first, second = scene.build().sandbox_sessions
        assert disk.id in first.events
        assert disk.id in second.events
        assert second.start == at(3000.5)

    def test_a_failed_start_is_none(self) -> None:
        scene = Scene()
        scene.add("compute.created", 0, vm_id=VM, result_code="0x80070005")
        assert scene.build().sandbox_sessions == ()


class TestNotASandbox:
    def none(self, scene: Scene) -> None:
        verdicts = scene.build()
        assert verdicts.sandbox_sessions == ()
        assert {item.rule for item in verdicts.findings} <= {"machine.other"}

    def test_wsl(self) -> None:
        scene = Scene()
        scene.add("compute.created", 0, vm_id=VM)
        scene.add("compute.started", 1, vm_id=VM)
        scene.add("vm.started", 1, vm_id=VM, vm_name="WSL")
        scene.add("vm.nic_connected", 1, vm_id=VM, nic_name=f"{VM}--{VM2}", switch_name="WSL")
        self.none(scene)

    def test_wsl_by_its_disk_and_by_its_owner(self) -> None:
        scene = Scene()
        scene.add("vm.disk_opened", 0, vm_id=VM, disk_path="C:\\Users\\d\\wsl\\ext4.vhdx")
        scene.add("compute.started", 1, vm_id=VM)
        scene.add("compute.created", 0, vm_id=VM2)
        scene.add("compute.modified", 1, vm_id=VM2, settings_json='{"Owner":"WSL"}')
        scene.add("compute.started", 1, vm_id=VM3)
        scene.add("compute.modified", 2, vm_id=VM3, settings_json='{"Path":"C:\\\\w\\\\ext4.vhdx"}')
        self.none(scene)

    def test_docker_and_containers(self) -> None:
        scene = Scene()
        scene.add("compute.created", 0, vm_id="9D0C" * 16)
        scene.add(
            "vm.disk_opened", 0, vm_id=VM, disk_path="C:\\ProgramData\\DockerDesktop\\vm-data\\DockerDesktop.vhdx"
        )
        scene.add("vm.started", 1, vm_id=VM, vm_name="DockerDesktopVM")
        self.none(scene)

    def test_hyper_v(self) -> None:
        scene = Scene()
        scene.add("vm.started", 1, vm_id=VM, vm_name="Win11 test")
        scene.add("vm.disk_opened", 1, vm_id=VM2, disk_path="D:\\vms\\a.vhdx")
        scene.add("vm.started", 1, vm_id=VM2)
        self.none(scene)

    def test_template(self) -> None:
        scene = Scene()
        base = "C:\\ProgramData\\Microsoft\\Windows\\Containers\\BaseImages\\1\\Snapshot\\SystemTemplate.vhdx"
        scene.add("vm.disk_opened", 0, vm_id=VM, disk_path=base)
        scene.add("vm.started", 1, vm_id=VM)
        self.none(scene)

    def test_foreign_machines_beside_a_launch(self) -> None:
        scene = Scene()
        launched(scene, 0, "C:\\a.wsb")
        scene.vm(3, 600)
        scene.add("vm.started", 1, vm_id=VM2, vm_name="WSL")
        scene.add("vm.started", 2, vm_id=VM3, vm_name="Win11 test")
        assert only(scene).vm_id == VM

    def test_application_guard(self) -> None:
        scene = Scene()
        scene.process(0, "hvsimgr.exe")
        scene.vm(3, 600)
        self.none(scene)

    def test_the_hosts_own_adapter(self) -> None:
        scene = Scene()
        scene.add("vm.nic_connected", 1, vm_id=VM, nic_name=VM, switch_name="Default Switch")
        self.none(scene)

    def test_defining_is_not_starting(self) -> None:
        scene = Scene()
        line = (
            'schtasks /create /tn demo /tr "C:\\Windows\\System32\\WindowsSandbox.exe C:\\a.wsb" /sc onstart /ru SYSTEM'
        )
        scene.process(0, "schtasks.exe", line)
        scene.process(5, "notepad.exe", "notepad.exe C:\\a.wsb")
        scene.file("sandbox.config", "C:/a.wsb", {"Creation Time": 0}, wsb_networking=True)
        self.none(scene)

    def test_what_nothing_attributes_is_said(self) -> None:
        scene = Scene()
        scene.vm(0, 600, disk=False)
        verdicts = scene.build()
        assert verdicts.sandbox_sessions == ()
        (finding,) = verdicts.findings
        assert finding.rule == "sandbox.unattributed_vm"
        assert len(finding.events) == len(scene.events)


class TestLaunches:
    def test_a_second_launch_while_it_runs_is_part_of_it(self) -> None:
        scene = Scene()
        launched(scene, 0, "C:\\a.wsb")
        scene.vm(2, 900)
        scene.process(300, "WindowsSandbox.exe", 'WindowsSandbox.exe "C:\\b.wsb"', pid="9")
        assert only(scene).launch.wsb_path == "C:\\a.wsb"

    def test_a_launch_without_vm_after_an_open_end_is_its_own(self) -> None:
        scene = Scene()
        scene.vm(2, None)
        launched(scene, 7200, "C:\\a.wsb")
        assert len(scene.build().sandbox_sessions) == 2

    def test_two_logs_of_one_start(self) -> None:
        scene = Scene()
        launched(scene, 0, "C:\\a.wsb")
        launched(scene, 0.3, "C:\\a.wsb", process_guid="{1}")
        session = only(scene)
        assert len(session.events) == 2
        assert session.certainty == "probable"

    def test_a_launch_too_early_is_not_joined(self) -> None:
        scene = Scene()
        launched(scene, 0, "C:\\a.wsb")
        scene.vm(120, 600)
        launch, machine = scene.build().sandbox_sessions
        assert (launch.vm_id, machine.vm_id) == (None, VM)

    def test_another_account_as_target(self) -> None:
        scene = Scene()
        launched(
            scene, 0, "C:\\a.wsb", user_sid=SYSTEM, user_name="WS-1$", target_user_sid=DEV, target_user_name="田中"
        )
        assert only(scene).launch.user_sid == DEV

    def test_the_store_app(self) -> None:
        scene = Scene()
        scene.file(
            "userassist.run", "C:/Users/田中/NTUSER.DAT", {"Last Time Executed": 0}, "x",
            executable="MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy!App", profile_user="田中",
        )  # fmt: skip
        assert only(scene).launch.method == "store"

    def test_files_that_the_guest_wrote(self) -> None:
        scene = Scene()
        scene.file("sandbox.config", DEFAULT, {"Creation Time": -700}, **MIRRORFACE)
        launched(scene, 0, "C:\\Windows\\System32\\default.wsb")
        scene.vm(2, 900)
        mine = scene.add("file.created", 300, file_path="C:\\Users\\Public\\a.dat", executable=SYSTEM32 + "vmwp.exe")
        scene.add("file.created", 301, file_path="C:\\Users\\Public\\b.dat", executable=SYSTEM32 + "notepad.exe")
        scene.add("file.created", 302, file_path="D:\\c.dat", executable=SYSTEM32 + "vmwp.exe")
        session = only(scene)
        assert [(write.path, write.action) for write in session.host_writes] == [
            ("C:\\Users\\Public\\a.dat", "created")
        ]
        assert mine.id in session.events

    def test_a_cleared_log_is_said(self) -> None:
        scene = Scene()
        scene.vm(2, 900)
        scene.events = [event for event in scene.events if event.kind != "process.created"]
        scene.add("log.cleared", 2000, cleared_channel="Security")
        assert any("Security log was cleared" in reason for reason in only(scene).reasons)


class TestConfigurations:
    def scored(self, path: str = "C:/Users/dev/proj/dev.wsb", **fields: Value) -> int:
        scene = Scene()
        scene.file("sandbox.config", path, {"Creation Time": 0}, **fields)
        (config,) = scene.build().sandbox_configs
        return config.score

    def test_a_developers_sandbox(self) -> None:
        score = self.scored(
            wsb_networking=True,
            wsb_mapped_folders=("C:\\Users\\dev\\proj -> C:\\Users\\WDAGUtilityAccount\\Desktop\\proj (rw)",),
            wsb_logon_command="powershell.exe -File C:\\Users\\WDAGUtilityAccount\\Desktop\\proj\\setup.ps1",
            wsb_defaults=("Networking",),
        )
        assert 0 < score < 40

    def test_a_package_test_in_temp(self) -> None:
        folder = "C:\\Users\\dev\\AppData\\Local\\Temp\\SandboxTest"
        score = self.scored(
            path=folder.replace("\\", "/") + "/SandboxTest.wsb",
            wsb_networking=True,
            wsb_mapped_folders=(f"{folder} -> C:\\Users\\WDAGUtilityAccount\\Desktop\\SandboxTest (rw)",),
            wsb_logon_command="cmd /c start powershell C:\\Users\\WDAGUtilityAccount\\Desktop\\SandboxTest\\a.ps1",
            wsb_defaults=("Networking",),
        )
        assert score < 40

    def test_the_first_template(self) -> None:
        score = self.scored(
            wsb_networking=True,
            wsb_memory_mb=1024,
            wsb_mapped_folders=("C:\\Users\\dev\\tmp1 -> C:\\guest (rw)",),
            wsb_logon_command="C:\\guest\\x.bat",
            wsb_defaults=("vGPU",),
        )
        assert score >= 40

    def test_nothing(self) -> None:
        assert self.scored(wsb_networking=True, wsb_defaults=("Networking",)) == 0

    def test_two_drives_are_two_files(self) -> None:
        scene = Scene()
        for drive in "CD":
            scene.file("sandbox.config", f"{drive}:/a.wsb", {"Creation Time": 0}, wsb_networking=drive == "C")
        launched(scene, 0, "D:\\a.wsb")
        assert len(scene.build().sandbox_configs) == 2
        session = only(scene)
        assert session.config is not None
        assert session.config.source == "D:/a.wsb"

    def test_an_undated_file_is_listed(self) -> None:
        scene = Scene()
        scene.file("sandbox.config", "C:/$Recycle.Bin/S-1/$RA.wsb", {}, wsb_networking=True)
        (config,) = scene.build().sandbox_configs
        assert config.deleted
        assert len(config.events) == 1


class TestCapability:
    def test_enabled(self) -> None:
        scene = Scene()
        for kind, moment in (("feature.change_started", 0), ("feature.reboot_required", 30), ("feature.enabled", 300)):
            scene.add(kind, moment, update_name="Containers-DisposableClientVM", client_id="DISM")
        found = scene.build().sandbox_capability
        assert (found.enabled, found.enabled_at) == (True, at(300))
        assert len(found.evidence) == 3

    def test_waiting_for_the_restart(self) -> None:
        scene = Scene()
        scene.add("feature.reboot_required", 30, update_name="Containers-DisposableClientVM")
        found = scene.build().sandbox_capability
        assert (found.enabled, len(found.events)) == (None, 1)

    def test_other_features_say_nothing(self) -> None:
        scene = Scene()
        scene.add("feature.enabled", 30, update_name="Containers")
        assert scene.build().sandbox_capability.enabled is None

    def test_a_session_says_it_too(self) -> None:
        scene = Scene()
        scene.vm(0, 600)
        scene.process(-1, "WindowsSandbox.exe")
        found = scene.build().sandbox_capability
        assert (found.enabled, found.enabled_at) == (True, None)
