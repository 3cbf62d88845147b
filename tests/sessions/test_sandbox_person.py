"""Who stands behind a launch: the registration of its task, what started its command, the owner of a loose hive."""

from __future__ import annotations

from forensics.model import SandboxSession
from tests.sessions.factory import DEV, SYSTEM, SYSTEM32, Scene, at

_CREATE = 'schtasks  /create /tn Graphics /tr "C:\\Windows\\System32\\WindowsSandbox.exe C:\\lab.wsb" /ru SYSTEM /f'
_SHELL = SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe"


def _told(session: SandboxSession, start: str) -> str:
    (found,) = [text for text in session.reasons if text.startswith(start)]
    return found


def _task(scene: Scene) -> None:
    """A sandbox that a task starts as SYSTEM."""
    svchost = SYSTEM32 + "svchost.exe"
    scene.process(
        0, "WindowsSandbox.exe", "WindowsSandbox.exe C:\\lab.wsb", user_sid=SYSTEM, user_name="SYSTEM",
        parent_executable=svchost, pid="900", parent_pid="4",
    )  # fmt: skip
    scene.add("task.process_created", 0.1, task_name="\\Graphics", pid="900", executable="WindowsSandbox.exe")
    scene.vm(2, 600)


def test_the_account_that_registered_the_task_is_told() -> None:
    scene = Scene()
    _task(scene)
    shell = scene.process(-301, _SHELL, "powershell.exe -w hidden -f a.ps1", pid="70", parent_pid="2")
    made = scene.process(-300, "schtasks.exe", _CREATE, pid="80", parent_pid="70", parent_executable=_SHELL)
    noted = scene.add("task.registered", -299, task_name="\\Graphics", user_name="田中")
    scene.process(-200, "schtasks.exe", _CREATE.replace("Graphics", "Other"), pid="81", user_name="佐藤")
    (session,) = scene.build().sandbox_sessions
    launch = session.launch
    assert (launch.user, launch.registered_by, launch.registered_by_sid) == ("SYSTEM", "田中", DEV)
    assert {made.id, noted.id, shell.id} <= set(session.events)
    told = _told(session, "the task \\Graphics was registered by 田中 at")
    assert "schtasks  /create /tn Graphics" in told.replace("schtasks /create", "schtasks  /create")
    assert "-w hidden" in _told(session, "what started that command")


def test_without_any_record_of_the_registration_nobody_is_named() -> None:
    scene = Scene()
    _task(scene)
    (session,) = scene.build().sandbox_sessions
    assert (session.launch.registered_by, session.launch.registered_by_sid) == (None, None)


def test_what_started_wsb_is_the_sessions_own() -> None:
    scene = Scene()
    shell = scene.process(-5, _SHELL, "powershell.exe -nop -w hidden -f go.ps1", pid="70", parent_pid="2")
    scene.process(0, "wsb.exe", "wsb.exe start", pid="71", parent_pid="70", parent_executable=_SHELL)
    scene.vm(2, 600)
    (session,) = scene.build().sandbox_sessions
    assert shell.id in session.events
    assert "powershell.exe -nop -w hidden -f go.ps1" in _told(session, "what started it")
    assert "T1564.003" in session.attack
    assert _told(session, "WSB-15 ")


def test_a_parent_of_another_name_or_before_a_boot_is_none() -> None:
    """Process ids are used again."""
    for name, boot in (("notepad.exe", False), ("powershell.exe", True)):
        scene = Scene()
        scene.process(-50, SYSTEM32 + name, f"{name} -w hidden -f go.ps1", pid="70", parent_pid="2")
        if boot:
            scene.add("system.log_started", -20)
        scene.process(
            0, "wsb.exe", "wsb.exe start", pid="71", parent_pid="70", parent_executable=SYSTEM32 + "powershell.exe"
        )
        scene.vm(2, 600)
        (session,) = scene.build().sandbox_sessions
        assert not any(text.startswith(("what started it", "WSB-15")) for text in session.reasons)


def test_an_ordinary_shell_is_no_window_less_one() -> None:
    scene = Scene()
    scene.process(-5, _SHELL, "powershell.exe -File C:\\src\\hidden.ps1", pid="70", parent_pid="2")
    scene.process(0, "wsb.exe", "wsb.exe start", pid="71", parent_pid="70", parent_executable=_SHELL)
    (session,) = scene.build().sandbox_sessions
    assert not any(text.startswith("WSB-15") for text in session.reasons)


def test_the_owner_of_a_loose_hive_is_inferred_from_its_other_paths() -> None:
    scene = Scene()
    hive = "NTUSER_with_winscp.DAT"
    scene.file("userassist.run", hive, {"Last Time Executed": 0.0}, "value 1", executable_name="WindowsSandbox.exe")
    for number in range(4):
        scene.file("autorun.configured", hive, {}, f"value {number + 2}", command_line=f"C:\\Users\\tony\\{number}.exe")
    scene.file("autorun.configured", hive, {}, "value 9", command_line="C:\\Users\\Public\\a.exe")
    (session,) = scene.build().sandbox_sessions
    assert (session.launch.user, session.launch.candidate_user, session.start) == (None, "tony", at(0))
    assert "4 entries of the same hive name C:\\Users\\tony (inference)" in _told(session, "it may be tony's")


def test_a_start_from_the_desktop_is_not_said_to_be_unknown() -> None:
    scene = Scene()
    scene.remembered("userassist.run", 0)
    (session,) = scene.build().sandbox_sessions
    assert any("started from the user's desktop" in text for text in session.reasons)
    assert not any(text.startswith("how it was started is not known") for text in session.reasons)
    assert any(text.startswith("with what it was started is not known") for text in session.reasons)
