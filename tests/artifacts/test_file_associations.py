from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.file_associations import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.autorun_inputs import SOFTWARE, at, found, key, merged, quiet, run, software, survives
from tests.artifacts.registry_inputs import SID
from tests.artifacts.test_com_hijacks import USRCLASS
from tests.formats.crafted_hives import Tree

MMC = '%SystemRoot%\\system32\\mmc.exe "%1" %*'
STOCK = {
    "exefile\\shell\\open": '"%1" %*', "exefile\\shell\\runas": '"%1" %*', "batfile\\shell\\open": '"%1" %*',
    "cmdfile\\shell\\runas": '%SystemRoot%\\System32\\cmd.exe /C "%1" %*', "scrfile\\shell\\open": '"%1" /S',
    "mscfile\\shell\\open": MMC, "txtfile\\shell\\open": "%SystemRoot%\\system32\\NOTEPAD.EXE %1",
    "txtfile\\shell\\printto": '%SystemRoot%\\system32\\notepad.exe /pt "%1" "%2" "%3" "%4"',
    "regfile\\shell\\open": 'regedit.exe "%1"', "Folder\\shell\\open": "%SystemRoot%\\Explorer.exe",
    "VBSFile\\shell\\open": '"%SystemRoot%\\System32\\WScript.exe" "%1" %*',
    "scrfile\\shell\\install": "%SystemRoot%\\System32\\rundll32.exe desk.cpl,InstallScreenSaver %l",
    "htafile\\shell\\open": 'C:\\Windows\\SysWOW64\\mshta.exe "%1" {1E460BD7-F1C3-4B2E-88BF-4E770A288AF5}'
                            "%U{1E460BD7-F1C3-4B2E-88BF-4E770A288AF5} %*",
}  # fmt: skip


def classes(verbs: dict[str, str], prefix: str = "") -> Tree:
    return merged(*(key(f"{prefix}{verb}\\command", Default=command) for verb, command in verbs.items()))


MACHINE = software(classes(STOCK, "Classes\\"), *(at(f"Classes\\.{end}", {"": f"{end}file"}) for end in ("exe", "bat")))
USER = merged(
    {"Local Settings": {}},
    classes({
        "mscfile\\shell\\open": "C:\\Windows\\System32\\cmd.exe /c C:\\Users\\Public\\a.bat",
        "ms-settings\\Shell\\Open": "C:\\Windows\\System32\\cmd.exe",
        "txtfile\\shell\\open": "C:\\Users\\Public\\e.exe %1",
        "exefile\\shell\\open": '"%1" %*', "regfile\\shell\\open": '"C:\\Tools\\ed.exe" "%1"',
        "evilfile\\shell\\open": 'C:\\ProgramData\\e.exe "%1"', "other\\shell\\open": "C:\\o.exe",
    }),
    at(".exe", {"": "evilfile"}),
)  # fmt: skip


def test_what_windows_has_scores_nothing() -> None:
    quiet(ARTIFACT, MACHINE, SOFTWARE, len(STOCK))


def test_planted_entries() -> None:
    rows = {name: entry for (_, name), entry in found(ARTIFACT, USER, USRCLASS).items()}
    assert {name for name, entry in rows.items() if entry.score > 40} == {
        "mscfile open", "ms-settings Open", "txtfile open", ".exe",
    }  # fmt: skip
    assert {name: entry.score for name, entry in rows.items() if entry.score <= 40} == {
        "exefile open": 0, "regfile open": 20,
    }  # fmt: skip
    assert rows[".exe"].command == 'C:\\ProgramData\\e.exe "%1"'
    assert "T1546.001" in rows["txtfile open"].attack
    survives(ARTIFACT, USER, USRCLASS)


def test_the_place_is_exact() -> None:
    facts, problems = run(ARTIFACT, USER, USRCLASS)
    assert problems == []
    fact = next(fact for fact in facts if fact.fields["entry_name"] == "mscfile open")
    assert fact.fields["location"] == "HKCU\\Software\\Classes\\mscfile\\shell\\open\\command"
    assert fact.fields["user_sid"] == SID
    assert fact.source.locator == "mscfile\\shell\\open\\command\\(Default)"
    sent = next(fact for fact in facts if fact.fields["entry_name"] == ".exe")
    assert sent.fields["reason"] == "files of this name belong to the class evilfile"


@pytest.mark.samples
def test_a_real_user_has_none(samples: Path) -> None:
    assert run(ARTIFACT, Hive.open((samples / "hives" / "UsrClass.dat").read_bytes()), USRCLASS) == ([], [])
