"""Detections, exclusions and blocked attacks of Windows Defender, on records written for them."""

from __future__ import annotations

import pytest

from tests.artifacts.event_logs import one, own

CHANNEL = "Microsoft-Windows-Windows Defender/Operational"
WORKER = "C:\\Windows\\System32\\vmwp.exe"


@pytest.mark.parametrize(("number", "kind"), [(1116, "antivirus.detected"), (1117, "antivirus.acted")])
def test_a_file_that_a_guest_wrote(number, kind):
    fact = one(CHANNEL, number, data={
        "Threat Name": "Trojan:Win32/X", "Detection ID": "{511224d4-1eb4-47b9-bc4a-37e21f923fed}",
        "Process Name": WORKER, "Detection User": "NT AUTHORITY\\SYSTEM", "Action ID": "2", "Error Code": "0x80508023",
        "Path": "file:_C:\\share\\a.exe; containerfile:_C:\\share\\a.zip;",
    })  # fmt: skip
    assert (fact.kind, fact.context) == (kind, False)
    assert own(fact) == {
        "threat_name": "Trojan:Win32/X", "detection_id": "511224D4-1EB4-47B9-BC4A-37E21F923FED",
        "executable": WORKER, "executable_name": "vmwp.exe", "user_name": "SYSTEM", "user_domain": "NT AUTHORITY",
        "action": "quarantine", "error_code": "0x80508023",
        "detected_path": "C:\\share\\a.exe; containerfile:_C:\\share\\a.zip",
    }  # fmt: skip


def test_an_unknown_process_is_none():
    fact = one(CHANNEL, 1116, data={"Threat Name": "X", "Process Name": "Unknown", "Action ID": "77"})
    assert own(fact) == {"threat_name": "X", "action": "77"}


@pytest.mark.parametrize(
    ("setting", "exclusion", "context"),
    [
        ("HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\Exclusions\\Paths\\C:\\share = 0x0", True, False),
        ("HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\X = C:\\a.wsb", False, False),
        ("HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\IsServiceRunning = 0x1", False, True),
    ],
)
def test_settings(setting, exclusion, context):
    fact = one(CHANNEL, 5007, data={"Old Value": "Default\\x = 0x0", "New Value": setting})
    assert (fact.kind, fact.context) == ("antivirus.setting_changed", context)
    assert own(fact) == {"setting_before": "Default\\x = 0x0", "setting": setting, "is_exclusion": exclusion}


@pytest.mark.parametrize(("number", "kind"), [(1121, "antivirus.attack_blocked"), (1122, "antivirus.attack_audited")])
@pytest.mark.parametrize(("path", "context"), [("C:\\x\\default.wsb", False), ("C:\\x\\a.js", True)])
def test_rules_against_attacks(number, kind, path, context):
    fact = one(CHANNEL, number, data={
        "ID": "D1E49AAC-8F56-4280-B9BA-993A6D77406C", "User": "PC\\a", "Path": path, "Process Name": "C:\\w.exe"
    })  # fmt: skip
    assert (fact.kind, fact.context) == (kind, context)
    assert own(fact) == {
        "rule_id": "D1E49AAC-8F56-4280-B9BA-993A6D77406C", "user_name": "a", "user_domain": "PC", "file_path": path,
        "file_name": path.rpartition("\\")[2], "executable": "C:\\w.exe", "executable_name": "w.exe",
    }  # fmt: skip
