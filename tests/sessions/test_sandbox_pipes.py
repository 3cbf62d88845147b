"""Whose sandbox it was, by the name of the sandbox service's pipe."""

from __future__ import annotations

from forensics.formats.sandboxids import pipe_guid
from forensics.model import Event, SandboxSession
from tests.sessions.factory import DEV, SYSTEM, VM, VM2, Scene

OTHER = "S-1-5-21-1-2-3-1002"


def only(scene: Scene) -> SandboxSession:
    (session,) = scene.build().sandbox_sessions
    return session


def pipe(scene: Scene, seconds: float, guid: str, kind: str = "pipe.created") -> Event:
    """Sysmon 17 or 18, by the account that the service runs as."""
    return scene.add(
        kind, seconds, pipe_name=f"\\wsandbox\\{guid.lower()}", pipe_role="sandbox service", pipe_guid=guid,
        executable="C:\\x\\WindowsSandboxServer.exe",
    )  # fmt: skip


def test_a_machine_without_a_launch_gets_its_user() -> None:
    scene = Scene()
    scene.vm(0, 600)
    mark = pipe(scene, -3, pipe_guid(DEV))
    session = only(scene)
    assert (session.vm_id, session.launch.user, session.launch.user_sid) == (VM, "田中", DEV)
    assert mark.id in session.events
    assert any("pipe bears this account's hash" in text and "inference" in text for text in session.reasons)


def test_of_system_nobody_sees_a_window() -> None:
    scene = Scene()
    scene.vm(0, 600)
    pipe(scene, 300, pipe_guid(SYSTEM), "pipe.opened")
    assert (only(scene).launch.user, only(scene).headless) == ("SYSTEM", True)


def test_a_recorded_launch_is_not_overruled() -> None:
    scene = Scene()
    scene.process(0, "WindowsSandbox.exe")
    scene.vm(2, 600)
    pipe(scene, 3, pipe_guid(OTHER))
    assert only(scene).launch.user == "田中"


def test_a_stranger_two_users_and_another_time_name_nobody() -> None:
    for marks in (
        [(3, pipe_guid("S-1-5-21-9-9-9-1001"))],
        [(3, pipe_guid(DEV)), (4, pipe_guid(OTHER))],
        [(700, pipe_guid(DEV)), (-60, pipe_guid(DEV))],
    ):
        scene = Scene()
        scene.vm(0, 600)
        for seconds, guid in marks:
            pipe(scene, seconds, guid)
        assert only(scene).launch.user_sid is None


def test_each_session_has_the_pipe_of_its_time() -> None:
    scene = Scene()
    scene.vm(0, 600)
    scene.vm(7200, 7800, VM2)
    pipe(scene, 1, pipe_guid(DEV))
    pipe(scene, 7201, pipe_guid(OTHER))
    assert [item.launch.user for item in scene.build().sandbox_sessions] == ["田中", "佐藤"]
