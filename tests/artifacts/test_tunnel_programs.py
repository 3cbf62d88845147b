"""Places that name programs or commands keep those of a tunnel wherever they lie; the desktop's are context."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from forensics.artifacts import amcache, bam, defender_mplog, powershell_history, srum
from forensics.evidence.globs import GlobSet
from forensics.formats.hive import Hive
from forensics.rules.watch import is_watched
from testdata.writers.hive import HiveWriter
from tests.artifacts.file_inputs import run as run_file
from tests.artifacts.registry_inputs import run
from tests.artifacts.test_bam import entry

WHEN = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
BUILD = "Stable-f1a4fb101478ce6ec82fe9627c43efbf9e98c813"
KEPT = [
    "C:\\ProgramData\\code.exe",
    "C:\\Users\\Public\\Libraries\\code.exe",
    "C:\\Users\\h\\AppData\\Local\\Temp\\Temp1_vscode_cli_win32_x64_cli.zip\\code.exe",
    "C:\\Users\\h\\Downloads\\code.exe",
    "C:\\code.exe",
    "C:\\Users\\h\\AppData\\Local\\Programs\\Microsoft VS Code\\bin\\code-tunnel.exe",
    "C:\\x\\devtunnel.exe",
    f"C:\\Users\\h\\.vscode\\cli\\servers\\{BUILD}\\server\\node.exe",
    f"D:\\odd\\servers\\{BUILD.replace('Stable', 'Insiders')}\\server\\node.exe",
]
CONTEXT = [
    "C:\\Users\\h\\AppData\\Local\\Programs\\Microsoft VS Code\\Code.exe",
    "C:\\Program Files\\Microsoft VS Code\\Code.exe",
    "C:\\Program Files\\nodejs\\node.exe",
    "C:\\Users\\h\\Downloads\\xcode.exe",
]


@pytest.mark.parametrize(("path", "kept"), [*((path, True) for path in KEPT), *((path, False) for path in CONTEXT)])
def test_by_their_path(path: str, kept: bool) -> None:
    device = path.replace("C:", "\\Device\\HarddiskVolume3") if not path.startswith("C:\\code") else path
    assert is_watched(path) == kept
    where = "ControlSet001\\Services\\bam\\State\\UserSettings\\S-1-5-21-1-2-3-1001"
    (fact,), problems = run(bam.ARTIFACT, nest(where, [entry(device)]), "C:/Windows/System32/config/SYSTEM")
    assert (problems, fact.context) == ([], not kept)
    assert (srum._weight(device) == "kept") == kept


def nest(where: str, values: list[object]):
    """A tree of keys with values in the last one."""
    tree: object = {"": values}
    for name in reversed(where.split("\\")):
        tree = {name: tree}
    return tree


def _amcache(path: str, **values: str):
    writer = HiveWriter("{11517B7C-E79D-4e20-961B-75A811715ADD}", WHEN, "Amcache.hve")
    key = "Root\\InventoryApplicationFile\\a|1"
    writer.key(key, WHEN)
    for name, text in {"LowerCaseLongPath": path, **values}.items():
        writer.value(key, name, 1, text)
    (fact,), problems = run(amcache.ARTIFACT, Hive.open(writer.build()), "C:/Windows/AppCompat/Programs/Amcache.hve")
    assert problems == []
    return fact


@pytest.mark.parametrize(
    ("path", "values", "kept"),
    [
        ("c:\\programdata\\svchosts.exe", {"Publisher": "microsoft corporation"}, True),
        ("c:\\windows\\temp\\a.exe", {"Publisher": "microsoft corporation"}, True),
        ("c:\\programdata\\a.exe", {"Publisher": "microsoft corporation", "ProductName": "visual studio code"}, False),
        ("c:\\programdata\\a.exe", {"Publisher": "microsoft corporation", "OriginalFileName": "a.exe"}, False),
        ("c:\\programdata\\a.exe", {"Publisher": "contoso"}, False),
        ("c:\\programdata\\a.exe", {}, False),
        ("c:\\windows\\system32\\a.exe", {"Publisher": "microsoft corporation"}, False),
        ("c:\\program files\\x\\a.exe", {"Publisher": "microsoft corporation"}, False),
    ],
)
def test_a_renamed_cli_in_amcache(path: str, values: dict[str, str], kept: bool) -> None:
    fact = _amcache(path, **values)
    assert fact.context != kept
    assert ("inferred" in str(fact.fields.get("reason"))) == kept


@pytest.mark.parametrize("path", KEPT)
def test_defenders_log_tells_them(path: str) -> None:
    line = (
        f"2024-12-04T01:02:11.123Z ProcessImageName: {path.rpartition(chr(92))[2]}, Pid: 4711, TotalTime: 15, "
        f"Count: 3, MaxTime: 15, MaxTimeFile: {path}, EstimatedImpact: 1%\r\n"
        "2024-12-04T01:02:12.123Z ProcessImageName: notepad.exe, Pid: 1, TotalTime: 1, Count: 1, MaxTime: 1\r\n"
    )
    name = "C:/ProgramData/Microsoft/Windows Defender/Support/MPLog-20241204-010203.log"
    (fact,), problems = run_file(defender_mplog.ARTIFACT, name, line.encode("utf-16"))
    assert (problems, fact.kind) == ([], "antivirus.process_seen")
    assert (fact.fields["file_path"], fact.fields["pid"]) == (path, "4711")


COMMANDS = [
    "code tunnel prune",
    ".\\code.exe tunnel unregister",
    "& 'C:\\c\\u.exe' tunnel user logout",
    "code tunnel service uninstall",
    "code-tunnel.exe tunnel kill",
    "Invoke-WebRequest 'https://code.visualstudio.com/sha/download?build=stable&os=cli-win32-x64' -OutFile c.zip",
    "curl.exe -Lk https://update.code.visualstudio.com/latest/cli-win32-x64/stable -o c.zip",
    "rm -r $env:USERPROFILE\\.vscode-cli",
]
HISTORY = "AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine"


@pytest.mark.parametrize("name", ["ConsoleHost_history.txt", "Visual Studio Code Host_history.txt"])
@pytest.mark.parametrize(
    "home",
    ["Users/h", "Windows/System32/config/systemprofile", "Windows/ServiceProfiles/LocalService"],
)
def test_typed_commands(name: str, home: str) -> None:
    path = f"C:/{home}/{HISTORY}/{name}"
    assert GlobSet(powershell_history.ARTIFACT.paths).matches(f"{home}/{HISTORY}/{name}")
    text = "\r\n".join([*COMMANDS, "git push", "npm run tunnel-test", "Get-Process"])
    facts, problems = run_file(powershell_history.ARTIFACT, path, text)
    assert problems == []
    assert [fact.fields["history_line"] for fact in facts if not fact.context] == COMMANDS
    assert {fact.fields["file_name"] for fact in facts} == {name}
