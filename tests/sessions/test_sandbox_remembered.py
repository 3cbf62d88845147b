"""Sessions from what remembers a run beside the event logs: PCA, a device's use, packaged programs."""

from __future__ import annotations

from forensics.model import Event, SandboxSession
from tests.sessions.factory import DEV, SYSTEM, VM, Scene, at

CLIENT = "C:\\Windows\\System32\\WindowsSandboxClient.exe"
PACKAGE = "MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy"
STORE = "C:\\Program Files\\WindowsApps\\MicrosoftWindows.WindowsSandbox_0.5.3.0_x64__cw5n1h2txyewy\\"
DAY = 86400


def only(scene: Scene) -> SandboxSession:
    (session,) = scene.build().sandbox_sessions
    return session


def told(session: SandboxSession, text: str) -> str:
    return next((reason for reason in session.reasons if text in reason), "")


def used(scene: Scene, start: float, end: float | None, program: str = CLIENT) -> list[Event]:
    """A use of the microphone, as the registry keeps it."""
    times = {"Start Time": start} | ({} if end is None else {"End Time": end})
    return scene.file(
        "capability.used", "C:/Users/田中/NTUSER.DAT", times, f"ConsentStore {program}", capability="microphone",
        executable=program, executable_name=program.rpartition("\\")[2], is_packaged="\\" not in program,
        profile_user="田中", user_sid=DEV,
    )  # fmt: skip


def packaged(scene: Scene, seconds: float, name: str, sid: str = DEV) -> Event:
    """AppModel-Runtime 201."""
    return scene.add(
        "app.process_created", seconds, executable=STORE + name, executable_name=name, package_name=PACKAGE,
        pid="7001", user_sid=sid,
    )  # fmt: skip


class TestCompatibilityAssistant:
    def test_alone_it_is_one_kind(self) -> None:
        scene = Scene()
        mark = scene.remembered("pca.launch", 0, CLIENT)
        session = only(scene)
        assert (session.certainty, session.start, session.end) == ("probable", at(0), None)
        assert session.events == (mark.id,)
        assert "Program Compatibility Assistant" in told(session, "probable")

    def test_with_prefetch_it_is_another_component(self) -> None:
        scene = Scene()
        scene.remembered("pca.launch", 0, "C:\\Windows\\System32\\WindowsSandbox.exe")
        scene.remembered("prefetch.run", 0.4, "WINDOWSSANDBOX.EXE")
        session = only(scene)
        assert session.certainty == "probable"
        assert any("no trace of a virtual machine is recorded" in text for text in session.reasons)

    def test_what_it_noticed_is_no_start(self) -> None:
        scene = Scene()
        scene.file("pca.event", "C:/Windows/appcompat/pca/PcaGeneralDb0.txt", {"Recorded Time": 0}, executable=CLIENT)
        scene.remembered("pca.launch", 0, "C:\\Windows\\System32\\notepad.exe")
        assert scene.build().sandbox_sessions == ()


class TestDeviceUse:
    def test_it_bounds_a_session_of_its_own(self) -> None:
        scene = Scene()
        first, last = used(scene, 0, 3000)
        session = only(scene)
        assert (session.certainty, session.start, session.start_latest) == ("probable", None, at(0))
        assert (session.end, session.end_kind) == (None, "unknown"), "the end of a use is not that of the program"
        assert session.events == (first.id, last.id)
        assert session.launch.user == "田中"
        assert "inference" in told(session, "start unknown: its program held a device")
        assert "inference" in told(session, "used microphone from")
        assert "inference" in told(session, "used microphone until")

    def test_a_package_still_in_use(self) -> None:
        scene = Scene()
        used(scene, 0, None, PACKAGE)
        assert (only(scene).certainty, only(scene).launch.method) == ("probable", "store")

    def test_it_goes_to_the_machine_that_ran(self) -> None:
        scene = Scene()
        scene.vm(0, 9000)
        marks = used(scene, 3000, 8990)
        session = only(scene)
        assert (session.vm_id, session.start, session.end) == (VM, at(0.5), at(9000.5))
        assert {mark.id for mark in marks} <= set(session.events)
        assert "inference" in told(session, "used microphone until")

    def test_hours_later_it_makes_no_run_surer(self) -> None:
        scene = Scene()
        scene.remembered("prefetch.run", 0, "WINDOWSSANDBOX.EXE")
        used(scene, 7200, 9000)
        assert only(scene).certainty == "probable", "perhaps a later run's"
        scene = Scene()
        scene.remembered("prefetch.run", 0, "WINDOWSSANDBOX.EXE")
        used(scene, 20, 9000)
        assert only(scene).certainty == "confirmed"

    def test_other_programs(self) -> None:
        scene = Scene()
        used(scene, 0, 60, "C:\\Program Files\\Zoom\\bin\\Zoom.exe")
        assert scene.build().sandbox_sessions == ()


class TestPackagedPrograms:
    def test_the_server_is_a_start(self) -> None:
        scene = Scene()
        packaged(scene, 0, "WindowsSandboxServer.exe")
        packaged(scene, 20, "WindowsSandboxRemoteSession.exe")
        session = only(scene)
        assert (session.certainty, session.start, session.launch.method) == ("probable", at(0), "store")
        assert session.headless is False
        assert "inference" in told(session, "log of packaged programs")

    def test_its_account_is_nobodys(self) -> None:
        scene = Scene()
        packaged(scene, 0, "WindowsSandboxServer.exe", SYSTEM)
        scene.remembered("bam.run", 900, STORE + "WindowsSandboxServer.exe", user_sid=DEV)
        session = only(scene)
        assert (session.launch.user, session.certainty) == ("田中", "probable")
        scene.remembered("pca.launch", 1, STORE + "WindowsSandboxServer.exe")
        assert only(scene).certainty == "confirmed"

    def test_a_window_opened_later_is_no_second_session(self) -> None:
        scene = Scene()
        scene.vm(0, 9000)
        packaged(scene, 1, "WindowsSandboxServer.exe")
        packaged(scene, 5000, "WindowsSandboxRemoteSession.exe")
        assert only(scene).vm_id == VM
        packaged(scene, DAY, "WindowsSandboxRemoteSession.exe")
        assert [item.start for item in scene.build().sandbox_sessions] == [at(0.5), at(DAY)]

    def test_wsb_alone_says_little(self) -> None:
        scene = Scene()
        packaged(scene, 0, "wsb.exe")
        assert scene.build().sandbox_sessions == ()
        assert [finding.rule for finding in scene.build().findings] == ["sandbox.cli_ran"]
