"""Which file an entry starts whose command is no path, or why there is none to look for."""

from __future__ import annotations

import re

import pytest

from forensics.locales.japanese import japanese
from forensics.model import Fact, Source
from forensics.rules import load
from forensics.sessions.persistence_files import Classes, file_of
from forensics.sessions.rows import Row, of_fact

HOME = "C:\\Users\\x"
CLASS, OTHER = "{0A1B2C3D-0000-4000-8000-0000000000C1}", "{0A1B2C3D-0000-4000-8000-0000000000C9}"
ENVIRONMENT = "ControlSet001\\Control\\Session Manager\\Environment"
NONE = load("autostart_files")["none"]


def row(**fields: str) -> Row:
    return of_fact(Fact("autorun.configured", Source("case", "C:/x", None, "y"), {}, dict(fields)))


SERVED = row(location=f"HKLM\\SOFTWARE\\Classes\\CLSID\\{CLASS}\\InprocServer32", command_line="%ProgramData%\\c.dll")
PROFILER = row(entry_name="COR_PROFILER", key_path=ENVIRONMENT, command_line=OTHER)
PATH = row(entry_name="COR_PROFILER_PATH", key_path=ENVIRONMENT, command_line="C:\\p.dll")
CLASSES = Classes([SERVED, PROFILER, PATH])


@pytest.mark.parametrize(
    ("mechanism", "command", "wanted"),
    [
        ("lsa", "mimilib", "C:\\Windows\\System32\\mimilib.dll"),
        ("boot_execute", "autocheck evil *", "C:\\Windows\\System32\\evil.exe"),
        ("boot_execute", "kitnative", "C:\\Windows\\System32\\kitnative.exe"),
        ("office_addin", "file:///C:/ProgramData/Kit/a%20b.vsto|vstolocal", "C:\\ProgramData\\Kit\\a b.vsto"),
        ("com", CLASS, "C:\\ProgramData\\c.dll"),
        ("scheduled_task", f"COM handler {CLASS}", "C:\\ProgramData\\c.dll"),
        ("run_key", "powershell -enc AAAA", None),
        ("run_key", "powershell.exe -enc AAAA", "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"),
        ("run_key", "C:\\Windows\\System32\\powershell.exe -enc AAAA", "C:\\Windows\\System32\\powershell.exe"),
        ("service", "%COMSPEC% /c echo x", "C:\\Windows\\System32\\cmd.exe"),
        ("wmi", "C:\\Users\\Public\\a.vbs", "C:\\Users\\Public\\a.vbs"),
    ],
)
def test_files(mechanism: str, command: str, wanted: str | None) -> None:
    target, why = file_of(mechanism, command, "", HOME, [row(reason="ActiveScriptEventConsumer")], CLASSES)
    assert target == wanted
    assert bool(target) != bool(why)


@pytest.mark.parametrize(
    ("mechanism", "command", "why"),
    [
        ("wmi", 'CreateObject("WScript.Shell").Run "calc.exe", 0', "script"),
        ("com", "http://192.0.2.7/k.sct", "address"),
        ("com", OTHER, "class"),
        ("browser_policy", "abcdefghijklmnopabcdefghijklmnop;http://192.0.2.7/update.xml", "extension"),
        ("ifeo", "0x200", "number"),
        ("bits_job", "", "nothing"),
        ("run_key", "%unknown%\\a.exe", "variable"),
    ],
)
def test_why_there_is_none(mechanism: str, command: str, why: str) -> None:
    told = file_of(mechanism, command, "", HOME, [row(reason="ActiveScriptEventConsumer")], CLASSES)
    assert told == (None, NONE[why])


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("\\\\192.0.2.7\\share\\dns.dll", "remote"),
        ("file://192.0.2.7/share/dns.dll", "remote"),
        ("\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy7\\Windows\\Temp\\a.exe", "shadow"),
    ],
)
def test_what_lies_elsewhere_is_named(command: str, why: str) -> None:
    target, note = file_of("server_plugin", command, "", HOME, [], CLASSES)
    assert target is None
    assert note is not None
    assert note.startswith(f"{NONE[why]}: \\\\")


@pytest.mark.parametrize("why", sorted(NONE))
def test_it_is_said_in_japanese(why: str) -> None:
    shown = japanese(f"{NONE[why]}: C:\\a" if why in ("remote", "shadow", "pipe") else NONE[why])
    assert re.search("[ぁ-んァ-ヶ]", shown)


def test_the_path_beside_a_profilers_class_is_taken() -> None:
    assert file_of("cor_profiler", OTHER, "", HOME, [PROFILER], CLASSES) == ("C:\\p.dll", None)
    assert file_of("cor_profiler", OTHER, "", HOME, [row(entry_name="COR_PROFILER")], CLASSES)[0] is None


def test_a_profile_of_powershell_is_its_own_file() -> None:
    own = row(file_path="C:\\Users\\x\\Documents\\WindowsPowerShell\\profile.ps1")
    assert file_of("powershell_profile", "iex x", "", HOME, [own], CLASSES)[0] == own.get("file_path")


def test_a_library_that_an_artifact_resolved_goes_first() -> None:
    assert file_of("com", CLASS, "C:\\b.dll", HOME, [], CLASSES) == ("C:\\b.dll", None)
