"""A wiped host, whose recorders were blinded, and hosts in ordinary use, through the whole tool."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from forensics.formats.usn import CLOSE, CREATE, DELETE
from forensics.times import to_filetime
from testdata.writers import usn
from testdata.writers.evtx import LogWriter
from testdata.writers.providers import event
from testdata.writers.usn import Change
from tests.artifacts.registry_inputs import merged, nested
from tests.formats.crafted_hives import Tree, Value, hive, utf16
from tests.running import timeline

LOGS = "Windows/System32/winevt/Logs"
INSTALLED = datetime(2024, 11, 1, 3, 0, tzinfo=UTC)
START = INSTALLED + timedelta(hours=1)
BAD = datetime(2024, 12, 2, 3, 0, tzinfo=UTC)
PC = "PC-1"
SUBJECT = {"SubjectUserSid": "S-1-5-21-1-2-3-1001", "SubjectUserName": "x", "SubjectDomainName": PC}
HISTORY = "ConsoleHost_history.txt"
WINDOWS = {
    "Windows 10": ("Windows 10 Pro", "19045"),
    "Windows 11": ("Windows 10 Pro", "26100"),
    "Windows Server": ("Windows Server 2022 Standard", "20348"),
}
Happening = tuple[datetime, str, int, dict[str, Any]]


def dword(name: str, number: int) -> Value:
    return (name, 4, struct.pack("<I", number))


def text(name: str, value: str) -> Value:
    return (name, 1, utf16(value))


def ordinary() -> list[Happening]:
    """Forty days: up from nine to six, a shutdown in the evening, small corrections of the clock."""
    found: list[Happening] = []
    for day in range(40):
        up = START + timedelta(days=day)
        found += [(up, "System", 12, {}), (up + timedelta(seconds=2), "System", 6005, {})]
        for hour in range(9):
            moment = up + timedelta(hours=hour, minutes=10)
            found.append((moment, "Security", 4634, {"TargetUserName": "x"}))
            found.append((moment, "System", 6013, {}))
            found.append((moment, "System", 1, {"OldTime": moment, "NewTime": moment + timedelta(milliseconds=20)}))
        down = up + timedelta(hours=9, minutes=20)
        found.append((down - timedelta(seconds=20), "System", 1074, {"param1": "C:\\Windows\\explorer.exe"}))
        found += [(down, "System", 6006, {}), (down, "Security", 1100, {})]
        found.append((down + timedelta(seconds=2), "System", 13, {}))
    return found


def wiped() -> list[Happening]:
    """What an attacker did on one morning."""
    minute = timedelta(minutes=1)
    commands = [
        "auditpol /set /category:* /success:disable",
        "vssadmin delete shadows /all /quiet",
        "powershell Add-MpPreference -ExclusionPath C:\\ProgramData",
    ]
    found: list[Happening] = [
        (
            BAD + minute * n,
            "Security",
            4688,
            {**SUBJECT, "NewProcessName": "C:\\Windows\\x.exe", "CommandLine": command},
        )
        for n, command in enumerate(commands)
    ]
    found.append(
        (BAD + minute * 4, "Security", 4719,
         {**SUBJECT, "SubcategoryGuid": "{0cce922b-69ae-11d9-bed3-505054503030}", "AuditPolicyChanges": "%%8448"})
    )  # fmt: skip
    back = {"OldTime": BAD + minute * 5, "NewTime": BAD - timedelta(days=9), "Reason": 1}
    found.append((BAD + minute * 5, "System", 1, back))
    switched = {"param1": "Windows Event Log", "param2": "auto start", "param3": "disabled", "param4": "EventLog"}
    found.append((BAD + minute * 6, "System", 7040, switched))
    found += [(BAD + minute * 7, "System", 6006, {}), (BAD + minute * 7, "Security", 1100, {})]
    found.append((BAD + minute * 30, "System", 6005, {}))
    defender = "Microsoft-Windows-Windows Defender/Operational"
    found.append((BAD + minute * 8, defender, 5001, {}))
    found.append((BAD + minute * 40, "Security", 1102, SUBJECT))
    found.append((BAD + minute * 41, "System", 104, {"SubjectUserName": "x", "Channel": "System"}))
    return found


def write_logs(top: Path, happenings: list[Happening], first: int) -> None:
    channels = sorted({channel for _, channel, _, _ in happenings})
    for channel in channels:
        path = top / LOGS / f"{channel.replace('/', '%4')}.evtx"
        path.parent.mkdir(parents=True, exist_ok=True)
        with LogWriter(path, channel, first_record=first) as writer:
            for moment, own, number, data in sorted(happenings, key=lambda item: item[0]):
                if own == channel:
                    writer.write(event(channel, number, moment, computer=PC, data=data))


def system(bad: bool) -> Tree:
    control = "ControlSet001\\Control\\"
    logs = [dword("MaxSize", 20971520), dword("Retention", 0)]
    tree = merged(
        {"Select": {"": [dword("Current", 1)]}},
        nested(control + "ComputerName\\ComputerName", {"": [text("ComputerName", PC)]}),
        nested(control + "TimeZoneInformation", {"": [text("TimeZoneKeyName", "Tokyo Standard Time")]}),
        *(nested(f"ControlSet001\\Services\\EventLog\\{name}", {"": logs}) for name in ("Security", "System")),
    )
    image = ("ImagePath", 2, utf16("%SystemRoot%\\System32\\svchost.exe -k netsvcs -p"))
    for name in ("EventLog", "SysMain", "WinDefend"):
        start = 4 if bad and name == "SysMain" else 2
        tree = merged(tree, nested(f"ControlSet001\\Services\\{name}", {"": [image, dword("Start", start)]}))
    parameters = control + "Session Manager\\Memory Management\\PrefetchParameters"
    return merged(tree, nested(parameters, {"": [dword("EnablePrefetcher", 0 if bad else 3)]}))


def software(product: str, build: str, bad: bool) -> Tree:
    installed = ("InstallTime", 11, struct.pack("<Q", to_filetime(INSTALLED)))
    channel = "Microsoft\\Windows\\CurrentVersion\\WINEVT\\Channels\\Microsoft-Windows-PowerShell/Operational"
    defender = "Microsoft\\Windows Defender\\Exclusions\\Paths"
    tree = merged(
        nested("Microsoft\\Windows NT\\CurrentVersion",
               {"": [text("ProductName", product), text("CurrentBuild", build), installed]}),
        nested(channel, {"": [dword("Enabled", 0 if bad else 1), dword("MaxSize", 15728640)]}),
    )  # fmt: skip
    return merged(tree, nested(defender, {"": [dword("C:\\ProgramData", 0)]})) if bad else tree


def journal(bad: bool) -> bytes:
    names = ["Users", "x", "AppData", "Roaming", "Microsoft", "Windows", "PowerShell", "PSReadLine"]
    changes, above = [], usn.reference(5, 5)
    for number, name in enumerate(names):
        here = usn.reference(40 + number)
        changes.append(Change(INSTALLED, here, above, name, CREATE | CLOSE, usn.FOLDER))
        above = here
    windows, prefetch = usn.reference(60), usn.reference(61)
    changes.append(Change(INSTALLED, windows, usn.reference(5, 5), "Windows", CREATE | CLOSE, usn.FOLDER))
    changes.append(Change(INSTALLED, prefetch, windows, "Prefetch", CREATE | CLOSE, usn.FOLDER))
    for number in range(40):
        pause = timedelta(seconds=0.1) if bad else timedelta(hours=5)
        moment = BAD + number * pause
        name = f"P{number}.EXE-0A1B2C3D.pf"
        changes.append(Change(moment, usn.reference(100 + number), prefetch, name, DELETE | CLOSE))
    if bad:
        changes.append(Change(BAD + timedelta(hours=1), usn.reference(99), above, HISTORY, DELETE | CLOSE))
    return usn.build(changes)


def host(top: Path, windows: str, *, bad: bool) -> Path:
    write_logs(top / "C", ordinary() + (wiped() if bad else []), 1)
    config = top / "C/Windows/System32/config"
    config.mkdir(parents=True)
    product, build = WINDOWS[windows]
    (config / "SYSTEM").write_bytes(hive(system(bad)))
    (config / "SOFTWARE").write_bytes(hive(software(product, build, bad)))
    extend = top / "C/$Extend"
    extend.mkdir()
    (extend / "$J").write_bytes(journal(bad))
    made = BAD + timedelta(hours=2) if bad else INSTALLED
    (extend / "$Max").write_bytes(struct.pack("<QQQq", 32 << 20, 8 << 20, to_filetime(made), 0))
    return top


@pytest.mark.parametrize("windows", WINDOWS)
def test_a_host_in_ordinary_use_is_quiet(tmp_path: Path, windows: str) -> None:
    run = timeline(host(tmp_path / "host", windows, bad=False), tmp_path / "case")
    document = run.document()
    assert [sign["detail"] for sign in document["anti_forensics"]] == []
    logs = [row for row in document["coverage"] if row["artifact"] == "event_log_order"]
    assert [(row["state"], row["facts"]) for row in logs] == [("complete", 2)], "it was looked at all the same"


def test_a_wiped_host(tmp_path: Path) -> None:
    document = timeline(host(tmp_path / "host", "Windows 10", bad=True), tmp_path / "case").document()
    signs = document["anti_forensics"]
    assert sorted(sign["kind"] for sign in signs) == sorted(
        [
            *["clearing_command"] * 3, "audit_reduced", "time_changed", "service_switched_off", "service_switched_off",
            "log_service_stopped", "protection_off", "exclusion_set", "log_switched_off", "prefetch_off",
            "folder_emptied", "file_removed", "journal_recreated", "log_cleared", "log_cleared",
        ]
    )  # fmt: skip
    assert all(sign["events"] and sign["innocent_causes"] for sign in signs)
    told = {sign["kind"]: sign["detail"] for sign in signs}
    assert "Process Creation: success removed" in told["audit_reduced"]
    assert told["folder_emptied"].startswith("40 files of C:\\Windows\\Prefetch")
    assert HISTORY in told["file_removed"]
    assert "2024-12-02 05:00:00" in told["journal_recreated"]


def test_logs_that_were_taken_away(tmp_path: Path) -> None:
    """The files were deleted with the service stopped: new ones begin with record 1, long after the installation."""
    top = tmp_path / "host"
    host(top, "Windows 11", bad=False)
    for path in (top / "C" / LOGS).iterdir():
        path.unlink()
    late = [item for item in ordinary() if item[0] > BAD]
    write_logs(top / "C", late, 1)
    found = timeline(top, tmp_path / "case").document()["anti_forensics"]
    assert [sign["kind"] for sign in found] == ["log_young", "log_young"]
    for path in (top / "C" / LOGS).iterdir():
        path.unlink()
    write_logs(top / "C", late, 4711)
    found = timeline(top, tmp_path / "again").document()["anti_forensics"]
    assert [sign["kind"] for sign in found] == ["log_young", "log_young"]
    assert "the oldest records are overwritten from 20971520 bytes on" in found[0]["detail"]
