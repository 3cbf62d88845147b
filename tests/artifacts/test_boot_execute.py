from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.boot_execute import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.autorun_inputs import SYSTEM, found, key, merged, quiet, run, survives, system

MANAGER = "Control\\Session Manager"
STOCK = system(
    key(MANAGER, BootExecute=("autocheck autochk *",), SETUPEXECUTE=(), BootShell="%SystemRoot%\\system32\\bootim.exe"),
    key("Control\\SafeBoot", AlternateShell="cmd.exe"),
)
PLANTED = merged(
    system(
        key(
            MANAGER,
            BootExecute=("autocheck autochk *", "evilnative"),
            Execute=("evil2",),
            PendingFileRenameOperations=(
                "\\??\\C:\\Config.Msi\\1.rbf", "", "\\??\\C:\\a.new", "!\\??\\C:\\Windows\\a.dll", "\\??\\C:\\last",
            ),
        ),
        key("Control\\SafeBoot", AlternateShell="C:\\Users\\Public\\s.exe"),
        key("Control\\BootVerificationProgram", ImagePath="C:\\v.exe"),
    ),
    key("Setup", CmdLine="C:\\Windows\\evilsetup.exe", SetupType=2),
)  # fmt: skip


def test_stock_entries_score_nothing() -> None:
    quiet(ARTIFACT, STOCK, SYSTEM, 3)
    rows = found(ARTIFACT, merged(STOCK, key("Setup", CmdLine="", SetupType=0)), SYSTEM)
    assert len(rows) == 3


def test_planted_entries() -> None:
    rows = found(ARTIFACT, PLANTED, SYSTEM)
    assert {place for place, entry in rows.items() if entry.score > 40} == {
        ("BootExecute", "evilnative"), ("Execute", "evil2"), ("SafeBoot", "AlternateShell"),
        ("BootVerificationProgram", "ImagePath"), ("Setup", "CmdLine"),
    }  # fmt: skip
    assert rows["BootExecute", "autocheck autochk *"].score == 0


def test_what_is_moved_or_deleted_at_the_next_start_is_context() -> None:
    facts, problems = run(ARTIFACT, PLANTED, SYSTEM)
    pending = [fact for fact in facts if fact.kind == "file.pending_rename"]
    assert problems == []
    assert [(fact.fields["file_path"], fact.fields.get("target_path")) for fact in pending] == [
        ("\\??\\C:\\Config.Msi\\1.rbf", None),
        ("\\??\\C:\\a.new", "!\\??\\C:\\Windows\\a.dll"),
        ("\\??\\C:\\last", None),
    ]
    assert [fact.fields["is_deletion"] for fact in pending] == [True, False, True]
    assert all(fact.context for fact in pending)


def test_a_watched_tool_that_is_removed_is_told() -> None:
    content = system(key(MANAGER, PendingFileRenameOperations=("\\??\\C:\\Users\\Public\\default.wsb", "")))
    (fact,), _ = run(ARTIFACT, content, SYSTEM)
    assert not fact.context


def test_broken_hives() -> None:
    survives(ARTIFACT, PLANTED, SYSTEM)


@pytest.mark.samples
def test_a_real_machine(samples: Path) -> None:
    facts, _ = run(ARTIFACT, Hive.open((samples / "hives" / "SYSTEM_B").read_bytes()), SYSTEM)
    names = [fact.fields["entry_name"] for fact in facts if fact.kind == "autorun.configured"]
    assert names == ["autocheck autochk *", "BootShell", "AlternateShell"]
    assert sum(fact.kind == "file.pending_rename" for fact in facts) > 5
