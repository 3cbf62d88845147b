from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.print_monitors import ARTIFACT as PRINTING
from forensics.artifacts.update_orchestrator import ARTIFACT as ORCHESTRATOR
from forensics.artifacts.user_environment import ARTIFACT
from forensics.formats import FormatError
from forensics.formats.hive import Hive
from tests.artifacts.autorun_inputs import (
    NTUSER,
    SOFTWARE,
    at,
    entries,
    found,
    key,
    quiet,
    run,
    software,
    survives,
    value,
)

QUEUE = "Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Orchestrator\\UScheduler\\51999"
PRINTER = "Microsoft\\Windows NT\\CurrentVersion\\Print\\Printers\\A\\CopyFiles"


def test_a_users_own_windir() -> None:
    content = {
        "Software": {},
        "Environment": {"": [value("windir", "C:\\Users\\Public\\w"), value("TEMP", "x"), value("Path", "y")]},
        "Volatile Environment": {"": [value("SYSTEMROOT", "C:\\t"), value("USERNAME", "hanako")]},
    }
    rows = found(ARTIFACT, content, NTUSER)
    assert {(entry.location, entry.name, entry.score > 40) for entry in rows.values()} == {
        ("HKCU\\Environment", "windir", True), ("HKCU\\Volatile Environment", "SYSTEMROOT", True),
    }  # fmt: skip
    survives(ARTIFACT, content, NTUSER)


def test_what_only_repeats_the_machines_is_quiet() -> None:
    content = {"Software": {}, "Environment": {"": [value("windir", "C:\\Windows"), value("SystemDrive", "C:")]}}
    quiet(ARTIFACT, content, NTUSER, 2)


def test_the_orchestrators_queue() -> None:
    content = software(
        at(QUEUE, {"cmdLine": "c:\\windows\\system32\\cmd.exe", "startArg": "/c x"}),
        at(QUEUE.replace("51999", "2"), {"cmdLine": "C:\\Windows\\System32\\usoclient.exe", "startArg": "Start"}),
    )
    rows = found(ORCHESTRATOR, content, SOFTWARE)
    assert {(entry.name, entry.score > 40) for entry in rows.values()} == {("51999", True), ("2", False)}
    survives(ORCHESTRATOR, content, SOFTWARE)


def test_a_printers_library() -> None:
    content = software(
        at(f"{PRINTER}\\ICM", {"Module": "mscms.dll"}),
        at(f"{PRINTER}\\Payload", {"Module": "C:\\Windows\\System32\\spool\\drivers\\x64\\4\\t.dll"}),
        key(PRINTER, Module="C:\\t.dll"),
    )
    rows = found(PRINTING, content, SOFTWARE)
    assert {entry.command.rpartition("\\")[2]: entry.score > 40 for entry in rows.values() if entry.command} == {
        "mscms.dll": False, "t.dll": True,
    }  # fmt: skip
    assert [entry.score for entry in rows.values() if entry.command == "mscms.dll"] == [0]


@pytest.mark.samples
def test_real_hives_are_quiet(samples: Path) -> None:
    seen = 0
    for path in sorted((samples / "hives").glob("*")):
        artifact, place = (ARTIFACT, NTUSER) if "NTUSER" in path.name.upper() else (ORCHESTRATOR, SOFTWARE)
        try:
            hive = Hive.open(path.read_bytes())
        except (FormatError, OSError):
            continue  # a transaction log, or no hive
        facts, _ = run(artifact, hive, place)
        assert all(entry.score <= 20 for entry in entries(facts).values()), path.name
        seen += 1
    assert seen >= 5
