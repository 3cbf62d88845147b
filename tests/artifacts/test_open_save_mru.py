from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.open_save_mru import ARTIFACT
from forensics.formats.hive import Hive
from testdata.writers import registry_blobs as blobs
from testdata.writers import shell_items as items
from testdata.writers.hive import REG_BINARY
from tests.artifacts.mru_inputs import EXPLORER, WHEN, cuts, survives_cuts, written
from tests.artifacts.registry_inputs import NTUSER, run

DIALOGS = f"{EXPLORER}\\ComDlg32"
MODIFIED = datetime(2024, 12, 3, 23, 0, 58, tzinfo=UTC)
CREATED = datetime(2024, 12, 3, 22, 0, 0, tzinfo=UTC)
ACCESSED = datetime(2024, 12, 3, 23, 1, 0, tzinfo=UTC)
TIMES = (MODIFIED, CREATED, ACCESSED)
ON_DRIVE = items.item_list(
    items.root(items.THIS_PC),
    items.volume("C:\\"),
    items.file("ProgramData", 0, TIMES, (321, 1), folder=True),
    items.file("default configuration.wsb", 412, TIMES, (98765, 7), short="DEFAUL~1.WSB"),
)
ON_DESKTOP = items.item_list(
    items.root(items.THIS_PC), items.shell_folder(items.DESKTOP), items.file("new.wsb"),
)  # fmt: skip
FOLDER = items.item_list(items.root(items.USER_FILES), items.delegated("source", TIMES, (77, 3)))
HIVE = written(
    {
        f"{DIALOGS}\\OpenSavePidlMRU\\wsb": blobs.open_save([ON_DRIVE, ON_DESKTOP]),
        f"{DIALOGS}\\OpenSavePidlMRU\\*": blobs.open_save([items.item_list(items.file("notes.txt"))]),
        f"{DIALOGS}\\LastVisitedPidlMRU": blobs.last_visited([("NOTEPAD.EXE", FOLDER), ("WindowsSandbox.exe", b"")]),
        f"{DIALOGS}\\CIDSizeMRU": blobs.dialog_sizes(["notepad.exe"]),
    }
)


def test_a_configuration_that_was_saved() -> None:
    facts, problems = run(ARTIFACT, Hive.open(HIVE), NTUSER)
    assert problems == []
    chosen = [fact for fact in facts if fact.kind == "dialog.file_chosen"]
    assert [(fact.fields["file_path"], fact.fields["order"], fact.context) for fact in chosen] == [
        ("Desktop\\notes.txt", 1, True),
        ("%USERPROFILE%\\Desktop\\new.wsb", 2, False),
        ("C:\\ProgramData\\default configuration.wsb", 1, False),
    ]
    newest = chosen[-1]
    assert newest.times == {"Content Modification Time": WHEN}
    assert newest.fields["short_name"] == "DEFAUL~1.WSB"
    assert newest.fields["file_size"] == 412
    assert newest.fields["file_reference"] == "98765-7"
    assert newest.fields["item_creation_time"] == "2024-12-03T22:00:00.000000+00:00"
    assert newest.source.locator == f"{DIALOGS}\\OpenSavePidlMRU\\wsb\\1"
    assert chosen[1].no_times


def test_a_watched_file_gives_its_own_times() -> None:
    facts, _ = run(ARTIFACT, Hive.open(HIVE), NTUSER)
    (seen,) = [fact for fact in facts if fact.kind == "dialog.file_seen"]  # the other one did not exist yet
    assert seen.times == {
        "Content Modification Time": MODIFIED,
        "Creation Time": CREATED,
        "Last Access Time": ACCESSED,
    }
    assert not seen.context


def test_programs_and_folders() -> None:
    facts, _ = run(ARTIFACT, Hive.open(HIVE), NTUSER)
    used = [fact for fact in facts if fact.kind in ("dialog.folder_used", "dialog.program")]
    assert [(fact.fields["executable"], fact.fields.get("folder_path"), fact.context) for fact in used] == [
        ("WindowsSandbox.exe", None, False),
        ("NOTEPAD.EXE", "%USERPROFILE%\\source", True),
        ("notepad.exe", None, True),
    ]


def test_damaged_entries_cost_themselves_only() -> None:
    odd = struct.pack("<HB", 9, 0x01) + b"abcdef"
    values: blobs.Values = [
        ("0", REG_BINARY, ON_DRIVE[:-30]),
        ("1", REG_BINARY, b"\x01\x00"),
        ("2", REG_BINARY, items.item_list(odd, items.file("x.wsb"))),
        ("3", REG_BINARY, b""),
        ("4", REG_BINARY, b"\0\0"),
        ("name", REG_BINARY, b"\0\0"),
        ("MRUListEx", REG_BINARY, b"\xff"),
    ]
    facts, problems = run(ARTIFACT, Hive.open(written({f"{DIALOGS}\\OpenSavePidlMRU\\wsb": values})), NTUSER)
    chosen = [fact for fact in facts if fact.kind == "dialog.file_chosen"]
    assert [fact.fields["file_path"] for fact in chosen] == [
        "C:\\ProgramData\\DEFAUL~1.WSB",  # the long name was cut off, the file is still told
        "<unknown item>\\x.wsb",
    ]
    assert chosen[1].fields["item_notes"] == ("shell item of type 0x01, 9 bytes",)
    assert chosen[1].fields["item_hex"] == odd.hex()
    assert [problem.source.locator.rpartition("\\")[2] for problem in problems] == ["0", "1", "3"]


def test_a_cut_hive() -> None:
    survives_cuts(ARTIFACT, HIVE, NTUSER, cuts(HIVE))


@pytest.mark.samples
def test_a_real_user_who_chose_no_configuration(samples: Path) -> None:
    opened = Hive.open((samples / "hives" / "NTUSER_with_winscp.DAT").read_bytes())
    facts, problems = run(ARTIFACT, opened, "C:/Users/tony/NTUSER.DAT")
    assert problems == []
    assert all(fact.context for fact in facts)
    assert len(facts) == 81
    paths = {fact.fields.get("file_path") for fact in facts}
    assert "%USERPROFILE%\\Desktop\\O365baseline\\EngagementBaseline.ps1" in paths
    assert "D:\\CODA\\CODA.001" in paths
    folders = {(fact.fields.get("executable"), fact.fields.get("folder_path")) for fact in facts}
    assert ("notepad.exe", "%USERPROFILE%\\Desktop\\Guides") in folders
