"""Runs that are counted and not dated, and how many kinds of evidence a session rests on."""

from __future__ import annotations

import pytest

from forensics.model import SandboxSession
from tests.sessions.factory import DEV, Scene, at

LAUNCHER = "C:\\Windows\\System32\\WindowsSandbox.exe"
HIVE = "C:/Users/田中/NTUSER.DAT"


def only(scene: Scene) -> SandboxSession:
    (session,) = scene.build().sandbox_sessions
    return session


def told(session: SandboxSession, text: str) -> str:
    return next((reason for reason in session.reasons if text in reason), "")


class TestCounts:
    @pytest.mark.parametrize(("count", "said"), [(3, True), (1, False)])
    def test_of_user_assist(self, count: int, said: bool) -> None:
        scene = Scene()
        row = scene.remembered("userassist.run", 0, LAUNCHER, run_count=count, profile_user="田中", user_sid=DEV)
        reason = told(only(scene), "UserAssist counts 3 runs of windowssandbox.exe, of which 1 is dated")
        assert bool(reason) is said
        assert (row.id in reason) is said

    def test_of_prefetch(self) -> None:
        scene = Scene()
        for number in range(8):
            scene.remembered("prefetch.run", number * 3600, "WINDOWSSANDBOX.EXE", run_count=12)
        sessions = scene.build().sandbox_sessions
        assert len(sessions) == 8
        assert all(
            told(item, "prefetch counts 12 runs of windowssandbox.exe, of which 8 are dated") for item in sessions
        )
        assert all(len(item.events) >= 8 for item in sessions), "the reason rests on all of them"

    def test_without_any_time(self) -> None:
        scene = Scene()
        about = {
            "executable": LAUNCHER,
            "executable_name": "WindowsSandbox.exe",
            "profile_user": "田中",
            "user_sid": DEV,
        }
        scene.file("userassist.run", HIVE, {}, "a", run_count=3, **about)  # type: ignore[arg-type]
        scene.file("userassist.run", HIVE, {}, "b", run_count=0, **about)  # type: ignore[arg-type]
        done = scene.build()
        assert done.sandbox_sessions == ()
        (finding,) = done.findings
        assert finding.rule == "sandbox.runs_counted"
        assert "UserAssist counts 3 runs of windowssandbox.exe for 田中, without a time" in finding.why

    def test_of_the_taskbar(self) -> None:
        scene = Scene()
        for action, name in (("AppSwitched", "WindowsSandboxClient.exe"), ("ShowJumpView", "WindowsSandbox.exe"),
                             ("AppSwitched", "notepad.exe")):  # fmt: skip
            scene.file("taskbar.used", HIVE, {}, action + name, taskbar_action=action, use_count=7,
                       executable=f"C:\\x\\{name}", executable_name=name, profile_user="田中")  # fmt: skip
        (finding,) = scene.build().findings
        assert "7 switches to its window of windowssandboxclient.exe for 田中" in finding.why


class TestKinds:
    def test_process_events_alone_are_one_kind(self) -> None:
        scene = Scene()
        scene.process(0, LAUNCHER, pid="7")
        scene.process(0.1, LAUNCHER, pid="7", process_guid="{a}", path="C:/Sysmon.evtx")
        scene.process(1, "WindowsSandboxClient.exe", pid="8", parent_pid="7")
        scene.add("process.exited", 600, executable=LAUNCHER, pid="7")
        scene.add("process.exited", 599, executable="C:\\Windows\\System32\\WindowsSandboxClient.exe", pid="8")
        session = only(scene)
        assert (session.certainty, session.end) == ("probable", at(599))
        assert told(session, "probable: 1 kind of evidence alone (process events)")

    def test_a_prefetch_file_and_its_own_writing_are_one_kind(self) -> None:
        scene = Scene()
        scene.remembered("prefetch.run", 0, "WINDOWSSANDBOXCLIENT.EXE")
        scene.journal("created", 10, "C:\\Windows\\Prefetch\\WINDOWSSANDBOXCLIENT.EXE-12345678.pf")
        assert told(only(scene), "probable: 1 kind of evidence alone (prefetch)")
