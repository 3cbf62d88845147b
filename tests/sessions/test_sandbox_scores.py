"""What a session scores: the published templates high, the same shape in a developer's hands low."""

from __future__ import annotations

import json

import pytest

from forensics.model import SandboxSession, Value
from tests.sessions.factory import MIRRORFACE, SYSTEM32, VM, Scene
from tests.sessions.test_sandbox_calls import INLINE, only, told, wsb


def test_an_agent_tool_in_a_developers_folder() -> None:
    scene = Scene()
    wsb(
        scene,
        0,
        f'wsb start --id {VM} --config "{INLINE}"',
        parent_executable="C:\\Program Files\\nodejs\\node.exe",
    )
    wsb(
        scene,
        30,
        f'wsb exec --id {VM} -r System -c "cmd /c npm test" -d C:\\Users\\WDAGUtilityAccount\\Desktop\\lab',
    )
    wsb(scene, 60, f"wsb share --id {VM} -f C:\\Users\\田中\\source\\lab\\out -w")
    wsb(scene, 600, f"wsb stop --id {VM}")
    scene.vm(2, 600, nic=True)
    session = only(scene)
    assert (session.headless, 0 < session.score < 40) == (True, True), session.score


def configured(path: str, **fields: Value) -> SandboxSession:
    scene = Scene()
    scene.file("sandbox.config", path.replace("\\", "/"), {"Creation Time": -900}, **fields)
    scene.process(
        0, "WindowsSandbox.exe", f'WindowsSandbox.exe "{path}"',
        parent_executable=SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe",
    )  # fmt: skip
    scene.vm(2, 600, nic=fields.get("wsb_networking") is not False)
    return only(scene)


def test_the_winget_script() -> None:
    folder = "C:\\Users\\田中\\AppData\\Local\\Temp\\SandboxTest"
    session = configured(
        f"{folder}\\SandboxTest.wsb",
        wsb_networking=True,
        wsb_mapped_folders=(
            f"{folder} -> C:\\Users\\WDAGUtilityAccount\\Desktop\\SandboxTest (ro)",
            "C:\\Users\\田中\\source\\winget-pkgs -> C:\\Users\\WDAGUtilityAccount\\Desktop\\winget-pkgs (rw)",
        ),
        wsb_logon_command="PowerShell Start-Process PowerShell -WindowStyle Maximized "
        "-WorkingDirectory 'C:\\Users\\WDAGUtilityAccount\\Desktop\\SandboxTest' "
        "-ArgumentList '-NoExit -File C:\\Users\\WDAGUtilityAccount\\Desktop\\SandboxTest\\BoundParameters.ps1'",
    )
    assert 0 < session.score < 40, session.reasons


def test_dfirws() -> None:
    guest = "C:\\Users\\WDAGUtilityAccount\\Desktop"
    session = configured(
        "C:\\dfirws\\dfirws.wsb",
        wsb_networking=False,
        wsb_memory_mb=8192,
        wsb_mapped_folders=(
            f"C:\\dfirws\\mount -> {guest}\\dfirws (ro)", f"C:\\dfirws\\readonly -> {guest}\\readonly (ro)",
            f"C:\\dfirws\\readwrite -> {guest}\\readwrite (rw)",
        ),
        wsb_logon_command=f"powershell.exe -ExecutionPolicy Bypass -File {guest}\\dfirws\\start_sandbox.ps1",
    )  # fmt: skip
    assert 0 < session.score < 40, session.reasons


def test_the_first_template_in_a_folder_of_no_note() -> None:
    session = configured(
        "C:\\Users\\田中\\a.wsb",
        wsb_networking=True,
        wsb_memory_mb=1024,
        wsb_mapped_folders=("C:\\Users\\田中\\tmp1 -> C:\\guest (rw)",),
        wsb_logon_command="C:\\guest\\x8f2.bat",
    )
    assert session.score >= 40
    assert told(session, "first case")


def test_the_second_template() -> None:
    session = configured("C:\\Windows\\System32\\default.wsb", **MIRRORFACE)
    assert session.score == 100
    assert told(session, "second case")


@pytest.mark.parametrize(("folder", "wide"), [("C:\\Users", True), ("C:\\Users\\田中\\source\\lab", False)])
def test_a_wide_folder_shared_later(folder: str, wide: bool) -> None:
    scene = Scene()
    wsb(scene, 0, f"wsb start --id {VM}")
    wsb(scene, 60, f"wsb share --id {VM} -f {folder} -w")
    session = only(scene)
    assert any("WSB-13-ROOT" in reason for reason in session.reasons) == wide
    assert (session.score >= 40) == wide or session.score < 40


def test_a_folder_of_the_configuration_counts_once() -> None:
    scene = Scene()
    scene.file("sandbox.config", "C:/Windows/System32/default.wsb", {"Creation Time": -9}, **MIRRORFACE)
    scene.process(0, "WindowsSandbox.exe", "WindowsSandbox.exe C:\\Windows\\System32\\default.wsb")
    scene.vm(2, 600)
    shares = {"VirtualSmb": {"Shares": [{"Name": "h", "Path": "C:\\Users"}]}}
    scene.add("compute.modified", 3, vm_id=VM, settings_json=json.dumps(shares))
    assert not any("WSB-13-ROOT" in reason for reason in only(scene).reasons)


@pytest.mark.parametrize(
    ("folder", "root"),
    [
        ("C:\\ProgramData", True),
        ("C:\\Users\\Public\\", True),
        ("%ProgramData%", True),
        ("C:\\Windows\\Temp", True),
        ("C:\\ProgramData\\chocolatey\\lib", False),
        ("C:\\Users\\Public\\Documents\\shared", False),
        ("%USERPROFILE%\\source", False),
    ],
)
def test_below_a_root_is_no_root(folder: str, root: bool) -> None:
    session = configured("C:\\lab\\a.wsb", wsb_mapped_folders=(f"{folder} -> C:\\x (rw)",))
    assert any("WSB-01-ROOT" in text for text in session.reasons) is root


def test_a_parent_alone_is_hardly_a_task() -> None:
    scene = Scene()
    scene.process(0, "WindowsSandbox.exe", "WindowsSandbox.exe", parent_executable=SYSTEM32 + "svchost.exe")
    scene.vm(2, 600)
    session = only(scene)
    assert (session.launch.method, session.score) == ("task", 5)
    assert any(text.startswith("WSB-11-PARENT (+5)") and "inference" in text for text in session.reasons)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (f'wsb start --id {VM} --config "{INLINE}"', "opened to it beside its configuration is"),
        (f"wsb start --id {VM}", "opened to it beside the defaults is"),
        (f"wsb start --id {VM} --config $xml", "opened to it (its configuration is not known) is"),
    ],
)
def test_a_wide_folder_is_told_by_what_is_known_of_the_configuration(start: str, said: str) -> None:
    scene = Scene()
    wsb(scene, 0, start)
    wsb(scene, 60, f"wsb share --id {VM} -f C:\\ -w")
    assert said in told(only(scene), "WSB-13-ROOT")
