"""A Security log alone, whose 4657 are all that is left of some autostarts: entries with time, person and program."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testdata.writers.evtx import LogWriter
from testdata.writers.providers import event
from tests.running import timeline

SID = "S-1-5-21-1111111111-2222222222-3333333333-1001"
WHEN = datetime(2024, 12, 4, 10, 2, 11, 123456, tzinfo=UTC)
MACHINE, USER = "\\REGISTRY\\MACHINE", f"\\REGISTRY\\USER\\{SID}"
RUN = f"{USER}\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run"
CLASS = "CLSID\\{00000001-AAAA-BBBB-CCCC-000000000000}\\InprocServer32"
# Key, value, operation, what it held, what it holds.
CHANGES = (
    (RUN, "Updater", "%%1904", "-", "C:\\Users\\Public\\upd.exe"),
    (f"{USER}_Classes\\{CLASS}", "", "%%1904", "-", "C:\\Users\\Public\\x.dll"),
    (f"{MACHINE}\\SYSTEM\\ControlSet001\\Control\\Session Manager\\AppCertDlls", "x", "%%1904", "-", "evil.dll"),
    (
        f"{MACHINE}\\SYSTEM\\ControlSet001\\Services\\EvilSvc",
        "ImagePath",
        "%%1905",
        "a.exe",
        "C:\\Users\\Public\\s.exe",
    ),
    (RUN, "Gone", "%%1906", "C:\\Users\\Public\\gone.exe", "-"),
    (f"{MACHINE}\\SOFTWARE\\Vendor", "Colour", "%%1905", "red", "blue"),
)


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("audit")
    logs = folder / "C" / "Windows" / "System32" / "winevt" / "Logs"
    logs.mkdir(parents=True)
    with (logs / "Security.evtx").open("wb") as handle, LogWriter(handle, "Security", first_record=1) as writer:
        for number, (key, name, operation, old, new) in enumerate(CHANGES):
            data = {
                "SubjectUserSid": SID, "SubjectUserName": "田中", "SubjectDomainName": "WS-1", "SubjectLogonId": 9,
                "ObjectName": key, "ObjectValueName": name, "OperationType": operation, "OldValueType": "%%1873",
                "OldValue": old, "NewValueType": "%%1873", "NewValue": new, "ProcessId": 0x1A2C,
                "ProcessName": "C:\\Windows\\regedit.exe",
            }  # fmt: skip
            writer.write(event("Security", 4657, WHEN + timedelta(seconds=number), computer="WS-1", data=data))
    run = timeline(folder / "C", Path(tmp_path_factory.mktemp("case")) / "case")
    return {item["command"]: item for item in run.document()["persistence"]}


def test_every_place_gives_its_entry(entries: dict[str, Any]) -> None:
    assert {command: item["mechanism"] for command, item in entries.items()} == {
        "C:\\Users\\Public\\upd.exe": "run_key",
        "C:\\Users\\Public\\x.dll": "com",
        "evil.dll": "app_cert",
        "C:\\Users\\Public\\s.exe": "service",
        "C:\\Users\\Public\\gone.exe": "run_key",
    }


def test_who_when_and_with_what(entries: dict[str, Any]) -> None:
    made = entries["C:\\Users\\Public\\upd.exe"]
    assert made["first_seen_source"] == "Security 4657: the value was set by 田中 with C:\\Windows\\regedit.exe"
    assert (made["first_seen"], made["first_seen_bound"]) == ("2024-12-04T10:02:11.123456+00:00", False)
    assert made["user"] == "田中"


def test_what_was_there_before_is_a_bound(entries: dict[str, Any]) -> None:
    changed = entries["C:\\Users\\Public\\s.exe"]
    assert changed["first_seen_bound"]
    assert "it held a.exe before" in changed["first_seen_source"]


def test_what_was_deleted(entries: dict[str, Any]) -> None:
    gone = entries["C:\\Users\\Public\\gone.exe"]
    assert gone["first_seen_bound"]
    text = "its value was deleted at 2024-12-04 10:02:15.123 UTC by 田中 with C:\\Windows\\regedit.exe"
    assert any(text in reason for reason in gone["reasons"])
