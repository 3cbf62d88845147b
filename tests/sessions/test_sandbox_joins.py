"""Sandbox sessions where most of the usual traces are gone, and what runs beside them on the same machinery."""

from __future__ import annotations

import pytest

from forensics.model import SandboxSession, Value
from tests.sessions.factory import DEV, SYSTEM, VM, VM2, VM3, Scene, at

OTHER = "S-1-5-21-1-2-3-1002"
STORAGE = "C:\\ProgramData\\Microsoft\\Windows\\Containers\\ContainerStorages"
WORKER_SID = "S-1-5-83-1-1813851914-1278573342-220925086-293228428"  # of VM


def only(scene: Scene) -> SandboxSession:
    (session,) = scene.build().sandbox_sessions
    return session


def told(session: SandboxSession, text: str) -> str:
    return next(reason for reason in session.reasons if text in reason)


class TestTheDiskAlone:
    def test_the_journal_gives_start_and_end(self) -> None:
        scene = Scene()
        scene.disk(0, 1800, "Sandboxes")
        session = only(scene)
        assert (session.start, session.end, session.end_kind) == (at(0), at(1800.1), "stopped")
        assert (session.vm_id, session.certainty) == (VM, "possible")
        assert "inference" in told(session, "start ")
        assert "inference" in told(session, "end ")
        assert "up to 23H2" in told(session, "storage folder")
        assert set(session.events) == {event.id for event in scene.events}

    def test_the_newer_layout_gives_no_machine_id(self) -> None:
        scene = Scene()
        scene.disk(0, 60, "ContainerStorages")
        assert only(scene).vm_id is None

    def test_a_second_source_of_the_same_driver_is_no_second_kind(self) -> None:
        scene = Scene()
        scene.disk(0, 60, "Sandboxes")
        place = f"C:\\ProgramData\\Microsoft\\Windows\\Containers\\Sandboxes\\{VM}\\sandbox.vhdx"
        times = {"Creation Time": 0.0, "Last Access Time": 500.0}
        scene.file("mft.entry", "C:/$MFT", times, "MFT record 7", file_path=place, file_deleted=True)
        session = only(scene)
        assert (session.certainty, session.start_latest, session.end) == ("possible", None, at(60.1))

    def test_the_table_alone_knows_no_end(self) -> None:
        scene = Scene()
        place = f"{STORAGE}\\{VM}\\sandbox.vhdx"
        scene.file("mft.entry", "C:/$MFT", {"Creation Time": 5}, "MFT record 7", file_path=place)
        assert (only(scene).start, only(scene).end) == (at(5), None)

    def test_only_the_deletion_is_left(self) -> None:
        scene = Scene()
        scene.journal("deleted", 90, f"{STORAGE}\\{VM}\\sandbox.vhdx")
        session = only(scene)
        assert (session.start, session.start_latest, session.end) == (None, at(90), at(90))

    def test_a_crash_leaves_the_disk_until_after_the_boot(self) -> None:
        scene = Scene()
        scene.disk(0, None, "Sandboxes")
        scene.boot(5000)
        scene.add("system.crashed", 5001)
        scene.journal(
            "deleted", 5060, f"C:\\ProgramData\\Microsoft\\Windows\\Containers\\Sandboxes\\{VM}\\sandbox.vhdx"
        )
        assert (only(scene).end, only(scene).end_kind) == (at(5000), "crashed")

    def test_three_sessions_of_a_day(self) -> None:
        scene = Scene()
        for start, ident in ((0, VM), (4000, VM2), (9000, VM3)):
            scene.disk(start, start + 600, "ContainerStorages", ident)
        assert [session.start for session in scene.build().sandbox_sessions] == [at(0), at(4000), at(9000)]

    def test_logs_cleared_prefetch_and_registry_are_left(self) -> None:
        scene = Scene()
        scene.disk(3, 1800, "Sandboxes")
        scene.remembered("prefetch.run", 0, "WINDOWSSANDBOX.EXE")
        scene.remembered("bam.run", 1799, user_sid=DEV)
        scene.add("log.cleared", 4000, cleared_channel="Security")
        session = only(scene)
        assert (session.start, session.end, session.launch.user) == (at(3), at(1803 - 2.9), "田中")
        assert session.certainty == "confirmed"

    def test_the_end_of_a_path_with_the_folders_guid_is_enough(self) -> None:
        scene = Scene()
        tail = f"{VM}\\sandbox.vhdx"
        scene.journal("created", 0, "", path_tail=tail, file_name="sandbox.vhdx")
        scene.journal("deleted", 9, "", path_tail=tail, file_name="sandbox.vhdx")
        assert (only(scene).start, only(scene).end) == (at(0), at(9))

    @pytest.mark.parametrize("path", [
        f"C:\\ProgramData\\Docker\\windowsfilter\\{VM}\\sandbox.vhdx",
        "C:\\ProgramData\\Docker\\windowsfilter\\" + "9d0c" * 16 + "\\sandbox.vhdx",
        "C:\\ProgramData\\containerd\\root\\snapshots\\12\\sandbox.vhdx",
    ])  # fmt: skip
    def test_disks_of_containers_are_none(self, path: str) -> None:
        scene = Scene()
        scene.journal("created", 0, path)
        scene.journal("created", 1, "", path_tail=path.rpartition("\\")[2], file_name="sandbox.vhdx")
        assert scene.build().sandbox_sessions == ()

    def test_its_deletion_ends_the_machine_of_the_logs(self) -> None:
        scene = Scene()
        scene.vm(2, None, disk=False)
        scene.disk(1, 700, "Sandboxes")
        session = only(scene)
        assert (session.start, session.start_earliest, session.end) == (at(2.5), at(1), at(700.1))
        assert session.certainty == "possible"


class TestIdentities:
    def test_the_virtual_disk_log_binds_storage_and_machine(self) -> None:
        scene = Scene()
        scene.disk(0, 600, "ContainerStorages", VM2)
        scene.add("vm.disk_opened", 1, vm_id=VM, disk_path=f"{STORAGE}\\{VM2}\\sandbox.vhdx")
        scene.vm(300, None, disk=False)  # far from the disk in time: only the record that names both can join them
        session = only(scene)
        assert (session.vm_id, session.end) == (VM, at(600.1))

    @pytest.mark.parametrize("fields", [
        {"target_user_domain": "NT VIRTUAL MACHINE", "target_user_name": VM},
        {"target_user_sid": WORKER_SID},
    ])  # fmt: skip
    def test_the_workers_logon_is_a_trace_of_the_start(self, fields: dict[str, Value]) -> None:
        scene = Scene()
        scene.add("compute.started", 2, vm_id=VM, vm_name="WindowsSandbox")
        mark = scene.add("logon.succeeded", 1, logon_type=5, **fields)
        session = only(scene)
        assert mark.id in session.events
        assert (session.start, session.start_earliest, session.certainty) == (at(2), at(1), "confirmed")

    def test_a_logon_alone_is_neither_a_session_nor_a_finding(self) -> None:
        scene = Scene()
        scene.add("logon.succeeded", 1, target_user_sid=WORKER_SID)
        verdicts = scene.build()
        assert verdicts.sandbox_sessions == ()
        assert {item.rule for item in verdicts.findings} <= {"machine.other"}

    def test_the_worker_is_known_by_its_sid(self) -> None:
        scene = Scene()
        scene.add("compute.started", 2, vm_id=VM, vm_name="WindowsSandbox")
        worker = scene.process(1, "vmwp.exe", "vmwp.exe", user_sid=WORKER_SID, user_name="")
        assert worker.id in only(scene).events

    def test_the_adapters_name_holds_the_machine(self) -> None:
        scene = Scene()
        scene.add("compute.started", 2, vm_id=VM, vm_name="WindowsSandbox")
        scene.add("vm.nic_connected", 3, nic_name=f"{VM}--{VM2}", switch_name="Default Switch")
        assert only(scene).networked is True

    def test_a_sid_is_never_shown_as_a_name(self) -> None:
        scene = Scene()
        scene.remembered("bam.run", 0, user_sid=DEV, user_name=DEV)
        assert (only(scene).launch.user, only(scene).launch.user_sid) == ("田中", DEV)
        scene = Scene()
        scene.remembered("bam.run", 0, user_sid="S-1-5-21-9-9-9-1001", user_name="S-1-5-21-9-9-9-1001")
        assert (only(scene).launch.user, only(scene).launch.user_sid) == (None, "S-1-5-21-9-9-9-1001")


class TestLastActivity:
    def test_alone_it_is_no_start(self) -> None:
        scene = Scene()
        scene.remembered(
            "bam.run", 0, "\\Device\\HarddiskVolume3\\Windows\\System32\\WindowsSandboxClient.exe", user_sid=DEV
        )
        scene.remembered("bam.run", 2, user_sid=DEV)
        session = only(scene)
        assert (session.start, session.start_earliest, session.start_latest) == (None, None, at(0))
        assert "active at" in told(session, "start unknown")
        assert session.certainty == "probable"

    def cached(self, scene: Scene, start: float, end: float | None) -> None:
        line = "c:\\windows\\system32\\windowssandbox.exe c:\\windows\\system32\\default.wsb"
        times = {"Launch Time": start} | ({} if end is None else {"End Time": end})
        scene.file(
            "task.cached", "C:/Windows/System32/config/SOFTWARE", times, "Tasks\\{1}",
            task_name="\\Updater", command_line=line,
        )  # fmt: skip

    @pytest.mark.parametrize("end", [None, 19030.0])
    def test_it_belongs_to_the_tasks_run_of_that_day(self, end: float | None) -> None:
        scene = Scene()
        self.cached(scene, 0, end)
        scene.remembered("bam.run", 19028, user_sid=SYSTEM, user_name=SYSTEM)
        scene.remembered("bam.run", 19028 + 75000, user_sid=DEV, user_name=DEV)
        first, second = scene.build().sandbox_sessions
        assert (first.start, first.launch.method, first.launch.user) == (at(0), "task", "SYSTEM")
        assert (first.end, first.headless) == (None if end is None else at(end), True)
        assert first.certainty == ("probable" if end is None else "confirmed")
        assert (second.start, second.start_latest, second.launch.user) == (None, at(94028), "田中")

    def test_a_handover_is_no_end(self) -> None:
        scene = Scene()
        self.cached(scene, 0, 3)
        assert only(scene).end is None

    def test_not_across_a_boot(self) -> None:
        scene = Scene()
        self.cached(scene, 0, None)
        scene.boot(4000)
        scene.remembered("bam.run", 8000, user_sid=SYSTEM)
        assert [session.start for session in scene.build().sandbox_sessions] == [at(0), None]

    def test_not_to_another_account(self) -> None:
        scene = Scene()
        scene.remembered("userassist.run", 0, user_sid=DEV, profile_user="田中")
        scene.remembered("bam.run", 900, user_sid=OTHER)
        scene.remembered("bam.run", 950, user_sid=DEV)
        first, second = scene.build().sandbox_sessions
        assert (first.start, first.launch.user, second.launch.user) == (at(0), "田中", "佐藤")
        assert "inference" in told(first, "last active")

    def test_it_goes_to_the_machine_that_began_last(self) -> None:
        scene = Scene()
        scene.vm(0, 600)
        scene.vm(7200, None, VM2)
        mark = scene.remembered("bam.run", 9000, user_sid=DEV)
        first, second = scene.build().sandbox_sessions
        assert mark.id not in first.events
        assert mark.id in second.events
        assert second.launch.user == "田中"

    def test_a_prefetch_file_that_was_written_bounds_the_start(self) -> None:
        scene = Scene()
        scene.journal("written", 10, "C:\\Windows\\Prefetch\\WINDOWSSANDBOX.EXE-0A1B2C3D.pf")
        session = only(scene)
        assert (session.start, session.start_latest) == (None, at(10))
        scene.vm(2, 600)
        assert (only(scene).start, only(scene).vm_id) == (at(2.5), VM)

    @pytest.mark.parametrize("name", ["CMPROXYD.EXE-0A1B2C3D.pf", "NOTEPAD.EXE-0A1B2C3D.pf"])
    def test_other_prefetch_files_make_no_session(self, name: str) -> None:
        scene = Scene()
        scene.journal("created", 10, f"C:\\Windows\\Prefetch\\{name}")
        assert scene.build().sandbox_sessions == ()


class TestStrangers:
    def none(self, scene: Scene) -> None:
        verdicts = scene.build()
        assert verdicts.sandbox_sessions == ()
        assert {item.rule for item in verdicts.findings} <= {"machine.other"}

    def test_a_template_by_its_owner(self) -> None:
        scene = Scene()
        scene.add("compute.created", 0, vm_id=VM)
        scene.add("compute.modified", 1, vm_id=VM, settings_json='{"Owner":"CmService"}')
        scene.add("vm.started", 1, vm_id=VM, vm_name="WindowsSandbox")
        self.none(scene)

    def test_a_template_that_a_session_was_restored_from(self) -> None:
        scene = Scene()
        scene.vm(0, 60, VM2)
        restored = f'{{"Owner":"WindowsSandbox","RestoreState":{{"TemplateSystemId":"{VM2.lower()}"}}}}'
        scene.vm(500, 900)
        scene.add("compute.modified", 500, vm_id=VM, settings_json=restored)
        assert only(scene).vm_id == VM

    @pytest.mark.parametrize("disk", [
        "BaseImages\\{0}\\Snapshot\\SnapshotSandbox.vhdx", "BaseImages\\{0}\\Snapshot\\SystemTemplate.vhdx",
        "Snapshots\\{0}\\SnapshotSavedState.vmrs", "BaseImages\\{0}\\SystemTemplateBase.vhdx",
    ])  # fmt: skip
    def test_a_template_by_its_disk(self, disk: str) -> None:
        scene = Scene()
        base = "C:\\ProgramData\\Microsoft\\Windows\\Containers\\" + disk.format(VM2)
        scene.add("vm.disk_opened", 0, vm_id=VM, disk_path=base)
        scene.add("vm.started", 1, vm_id=VM, vm_name="WindowsSandbox")
        self.none(scene)

    def just_booted(self) -> Scene:
        scene = Scene()
        scene.boot(0)
        scene.add("compute.started", 100, vm_id=VM)
        scene.add("vm.started", 100.5, vm_id=VM, vm_name="WindowsSandbox")
        return scene

    def test_a_machine_just_after_a_boot_is_a_finding(self) -> None:
        verdicts = self.just_booted().build()
        assert verdicts.sandbox_sessions == ()
        (finding,) = verdicts.findings
        assert "perhaps a template (inference)" in finding.why

    def test_not_when_it_was_launched(self) -> None:
        scene = self.just_booted()
        scene.process(95, "WindowsSandbox.exe", "WindowsSandbox.exe C:\\a.wsb")
        assert only(scene).vm_id == VM

    def test_not_when_an_artifact_remembers_a_launch(self) -> None:
        scene = self.just_booted()
        scene.remembered("prefetch.run", 96, "WINDOWSSANDBOX.EXE")
        assert only(scene).vm_id == VM

    def test_not_when_a_task_starts_the_sandbox(self) -> None:
        scene = self.just_booted()
        line = "c:\\windows\\system32\\windowssandbox.exe c:\\a.wsb"
        scene.file(
            "task.defined", "C:/Windows/System32/Tasks/U", {"Creation Time": -900}, task_name="\\U", command_line=line
        )
        assert only(scene).vm_id == VM

    def test_not_with_a_disk_or_an_adapter(self) -> None:
        scene = Scene()
        scene.boot(0)
        scene.vm(100, 900)
        assert only(scene).vm_id == VM
        scene = self.just_booted()
        scene.add("vm.nic_connected", 101, vm_id=VM, nic_name=f"{VM}--{VM2}", switch_name="Default Switch")
        assert only(scene).vm_id == VM

    @pytest.mark.parametrize(
        ("ident", "kind", "seconds"),
        [(13002, "vm.configured", -9000), (18304, "vm.configured", -9000), (13003, "vm.deleted", 9000)],
    )
    def test_a_machine_that_was_set_up_in_hyper_v(self, ident: int, kind: str, seconds: float) -> None:
        scene = Scene()
        channel = "Microsoft-Windows-Hyper-V-VMMS-Admin"
        scene.add(kind, seconds, vm_id=VM, event_identifier=ident, channel=channel)
        scene.add("vm.started", 0, vm_id=VM, vm_name="Virtual Machine")
        scene.process(-1, "WindowsSandbox.exe", "WindowsSandbox.exe C:\\a.wsb")
        session = only(scene)
        assert session.vm_id is None, "the launch stands alone, the machine is another"

    @pytest.mark.parametrize("settings", [
        '{"Owner":"WSL"}', '{"Path":"C:\\\\Users\\\\d\\\\AppData\\\\Local\\\\wsl\\\\ext4.vhdx"}',
        '{"Owner":"docker-desktop"}', '{"Path":"C:\\\\ProgramData\\\\DockerDesktop\\\\vm-data\\\\DockerDesktop.vhdx"}',
    ])  # fmt: skip
    def test_wsl_and_docker(self, settings: str) -> None:
        scene = Scene()
        scene.add("compute.created", 0, vm_id=VM, result_code="0xc0370103")
        scene.add("compute.modified", 1, vm_id=VM, settings_json=settings)
        scene.add("compute.started", 2, vm_id=VM)
        scene.process(1, "vmwp.exe", f"vmwp.exe {VM}", user_sid=WORKER_SID)
        scene.add("logon.succeeded", 1, target_user_domain="NT VIRTUAL MACHINE", target_user_name=VM)
        self.none(scene)

    @pytest.mark.parametrize("name", ["hvsimgr.exe", "hvsirdpclient.exe"])
    def test_application_guard(self, name: str) -> None:
        scene = Scene()
        scene.process(1, name)
        scene.vm(3, 600)
        scene.disk(3, 600, "Sandboxes")
        self.none(scene)

    def test_all_of_them_beside_one_session(self) -> None:
        scene = Scene()
        scene.vm(0, 600)
        scene.add("vm.started", 5, vm_id=VM2, vm_name="WSL")
        scene.add("vm.started", 6, vm_id=VM3, vm_name="Win11 test")
        scene.add("compute.created", 7, vm_id="9D0C" * 16)
        session = only(scene)
        assert (session.vm_id, session.start, session.end) == (VM, at(0.5), at(600.5))


@pytest.mark.parametrize("ended", [1, 5])
def test_a_launcher_that_was_over_is_not_the_machines(ended: int) -> None:
    scene = Scene()
    scene.process(0, "WindowsSandbox.exe", "WindowsSandbox.exe C:\\a.wsb", pid="0x100")
    scene.process(
        -5, "WindowsSandbox.exe", "WindowsSandbox.exe C:\\b.wsb", pid="0x200", user_sid=SYSTEM, user_name=SYSTEM
    )
    scene.add("process.exited", ended, pid="0x100", executable="C:\\Windows\\System32\\WindowsSandbox.exe")
    scene.vm(2, 600)
    machine = next(session for session in scene.build().sandbox_sessions if session.vm_id)
    assert (machine.launch.wsb_path, machine.start_earliest) == ("C:\\b.wsb", at(-5))


def test_a_launcher_that_was_over_is_taken_when_there_is_no_other() -> None:
    scene = Scene()
    scene.process(0, "WindowsSandbox.exe", "WindowsSandbox.exe C:\\a.wsb", pid="0x100")
    scene.add("process.exited", 1, pid="0x100", executable="C:\\Windows\\System32\\WindowsSandbox.exe")
    scene.vm(2, 600)
    assert only(scene).launch.wsb_path == "C:\\a.wsb"


def test_a_disk_alone_is_no_start_of_the_machine() -> None:
    scene = Scene()
    folder = f"C:\\ProgramData\\Microsoft\\Windows\\Containers\\ContainerStorages\\{VM2}"
    scene.add("vm.disk_opened", 0, vm_id=VM, disk_path=f"{folder}\\sandbox.vhdx")
    session = only(scene)
    assert (session.start, session.start_latest) == (at(0), None)
    assert "the first trace of the machine (its disk was opened)" in session.reasons[0]


def test_the_machines_proxy_is_no_trace_of_a_launch_that_failed() -> None:
    scene = Scene()
    scene.process(-2, "WindowsSandbox.exe", "WindowsSandbox.exe C:\\b.wsb", pid="0x200")
    scene.process(-1, "WindowsSandboxClient.exe", pid="0x300", parent_pid="0x200")
    scene.process(
        0, "WindowsSandbox.exe", "WindowsSandbox.exe C:\\a.wsb", pid="0x100", user_sid=SYSTEM, user_name=SYSTEM
    )
    scene.process(0.1, "cmproxyd.exe", user_sid=SYSTEM, user_name=SYSTEM)
    scene.add("process.exited", 4, pid="0x100", executable="C:\\Windows\\System32\\WindowsSandbox.exe")
    scene.vm(2, 600)
    machine, failed = scene.build().sandbox_sessions
    assert (machine.vm_id, machine.launch.wsb_path) == (VM, "C:\\b.wsb")
    assert (failed.vm_id, failed.end, failed.certainty) == (None, at(4), "probable")
