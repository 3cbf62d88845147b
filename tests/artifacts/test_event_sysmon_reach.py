from __future__ import annotations

import pytest

from tests.artifacts.event_logs import one, own
from tests.sessions.factory import SYSTEM32, Scene

SYSMON = "Microsoft-Windows-Sysmon/Operational"
LSASS = f"{SYSTEM32}lsass.exe"
GUID = "365ABB72-A512-5CC4-0000-0010C05E1B00"
POWERSHELL = f"{SYSTEM32}WindowsPowerShell\\v1.0\\powershell.exe"


@pytest.mark.parametrize(
    ("image", "target", "kept"),
    [
        ("C:\\Users\\a\\m.exe", "C:\\Windows\\explorer.exe", True),
        ("\\\\srv\\tools\\m.exe", "C:\\Windows\\explorer.exe", True),
        (POWERSHELL, f"{SYSTEM32}notepad.exe", True),
        ("C:\\Users\\a\\m.exe", "C:\\Users\\b\\M.EXE", False),
        (f"{SYSTEM32}csrss.exe", "C:\\Windows\\explorer.exe", False),
        ("C:\\Program Files\\V\\scan.exe", "C:\\Windows\\explorer.exe", False),
        ("C:\\Users\\a\\AppData\\Local\\Programs\\Microsoft VS Code\\Code.exe", "C:\\x.exe", False),
        ("System", "C:\\Windows\\explorer.exe", False),
        ("", "C:\\Windows\\explorer.exe", False),
    ],
)
def test_a_thread_elsewhere(image: str, target: str, kept: bool) -> None:
    data = {"SourceImage": image, "TargetImage": target, "SourceProcessGuid": f"{{{GUID}}}", "SourceProcessId": 5}
    assert one(SYSMON, 8, data=data).context is not kept


@pytest.mark.parametrize(
    ("image", "target", "mask", "kept"),
    [
        ("C:\\Users\\a\\p.exe", LSASS, 0x1010, True),
        (POWERSHELL, LSASS, 0x1FFFFF, True),
        ("C:\\Users\\a\\p.exe", LSASS, 0x1400, False),
        ("C:\\Users\\a\\p.exe", f"{SYSTEM32}winlogon.exe", 0x1FFFFF, False),
        (f"{SYSTEM32}svchost.exe", LSASS, 0x1410, False),
        ("C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4\\MsMpEng.exe", LSASS, 0x1410, False),
    ],
)
def test_the_memory_of_lsass(image: str, target: str, mask: int, kept: bool) -> None:
    data = {"SourceImage": image, "TargetImage": target, "SourceProcessGUID": f"{{{GUID}}}", "GrantedAccess": mask}
    fact = one(SYSMON, 10, data=data)
    assert fact.context is not kept
    assert own(fact)["process_guid"] == GUID


def test_what_is_told_of_them() -> None:
    scene = Scene()
    scene.add("process.opened", 1, executable="C:\\t\\p.exe", target_executable=LSASS, access_mask="0x1010")
    scene.add("thread.started_elsewhere", 2, executable="C:\\t\\m.exe", target_executable="C:\\Windows\\explorer.exe")
    found = {item.rule: item.why for item in scene.build().findings}
    assert set(found) == {"credentials.lsass_read", "process.thread_elsewhere"}
    assert "C:\\t\\p.exe opened" in found["credentials.lsass_read"]
    assert "in C:\\Windows\\explorer.exe" in found["process.thread_elsewhere"]
