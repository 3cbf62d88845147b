"""$MFT and change journal asked once more for the folders that a sandbox was given."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from datetime import timedelta

import pytest

from forensics.artifacts import _filesystem, mft_entries, usn_journal
from forensics.artifacts.base import FileInput, OpenFolder
from forensics.formats.mft import Entry, TableReader
from forensics.formats.usn import CLOSE, CREATE, DELETE, NEW_NAME, OLD_NAME
from forensics.model import Fact, Host, Problem
from testdata.writers import usn
from testdata.writers.usn import Change
from tests.artifacts.registry_inputs import sorted_out
from tests.artifacts.test_filesystem import BORN, DESK, journal
from tests.running import LAYOUTS

HOUR = timedelta(hours=1)
OPEN = OpenFolder("\\users\\x", "c:", BORN - HOUR, BORN + HOUR, writable=True)
FILE = usn.reference(50)


def again(artifact, data: bytes, path: str, *folders: OpenFolder) -> tuple[list[Fact], list[Problem]]:
    given = FileInput(
        path, io.BytesIO(data), len(data), "0" * 64, "ev", Host(), None, {}, open_folders=folders or (OPEN,)
    )
    return sorted_out(artifact, list(artifact.parse(given)))


def of_journal(*changes: Change, folder: OpenFolder = OPEN) -> list[tuple[str, str]]:
    facts, problems = again(usn_journal.ARTIFACT, journal(*changes), "C:/$Extend/$J", folder)
    assert problems == []
    assert {(fact.fields["file_rule"], fact.context) for fact in facts} <= {("FS-90", False)}
    return [(fact.kind.removeprefix("usn.file_"), str(fact.fields["file_name"])) for fact in facts]


def test_all_that_happens_to_a_file_of_any_name() -> None:
    assert of_journal(
        Change(BORN, FILE, DESK, "out", CREATE), Change(BORN, FILE, DESK, "out", CREATE | usn.EXTEND | CLOSE),
        Change(BORN, FILE, DESK, "out", OLD_NAME), Change(BORN, FILE, DESK, "a.dat", NEW_NAME | CLOSE),
        Change(BORN, FILE, DESK, "a.dat", usn.OVERWRITE | CLOSE), Change(BORN, FILE, DESK, "a.dat", DELETE | CLOSE),
    ) == [("created", "out"), ("renamed", "a.dat"), ("written", "a.dat"), ("deleted", "a.dat")]  # fmt: skip


def test_what_the_first_reading_tells_is_not_told_twice() -> None:
    assert of_journal(
        Change(BORN, FILE, DESK, "lab.wsb", CREATE | CLOSE), Change(BORN, FILE, DESK, "a.exe", CREATE | CLOSE)
    ) == []  # fmt: skip
    renamed = [Change(BORN, FILE, DESK, "out.rar", OLD_NAME), Change(BORN, FILE, DESK, "a.dat", NEW_NAME | CLOSE)]
    assert of_journal(*renamed) == []


@pytest.mark.parametrize("folder", [
    replace(OPEN, writable=False), replace(OPEN, drive="d:"), replace(OPEN, folder="\\users\\x\\sub"),
    replace(OPEN, folder="\\user"), replace(OPEN, start=BORN + HOUR / 2), replace(OPEN, end=BORN - HOUR / 2),
])  # fmt: skip
def test_not_elsewhere_nor_at_another_time(folder: OpenFolder) -> None:
    assert of_journal(Change(BORN, FILE, DESK, "a.dat", CREATE | CLOSE), folder=folder) == []


def test_a_folder_of_no_known_drive_and_the_root() -> None:
    change = Change(BORN, FILE, DESK, "a.dat", CREATE | CLOSE)
    for folder in (replace(OPEN, drive=""), replace(OPEN, folder=""), replace(OPEN, folder="\\users")):
        assert of_journal(change, folder=folder) == [("created", "a.dat")]


def test_a_file_made_before_its_folder_was_open_is_not_made_then() -> None:
    early = BORN - 2 * HOUR
    changes = [Change(early, FILE, DESK, "a.dat", CREATE), Change(BORN, FILE, DESK, "a.dat", CREATE | usn.EXTEND)]
    assert of_journal(*changes) == []


def test_a_flood_is_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_filesystem, "MOST_SOUGHT", 5)
    changes = [Change(BORN, usn.reference(100 + at), DESK, f"{at}.q", CREATE | CLOSE) for at in range(9)]
    facts, (problem,) = again(usn_journal.ARTIFACT, journal(*changes), "C:/$Extend/$J")
    assert (len(facts), problem.fault) == (5, "budget")


def test_a_cut_or_torn_journal_is_read_as_far_as_it_goes() -> None:
    data = journal(*(Change(BORN, usn.reference(100 + at), DESK, f"{at}.q", CREATE | CLOSE) for at in range(9)))
    for end in range(0, len(data), 7):
        facts, problems = again(usn_journal.ARTIFACT, data[:end], "C:/$Extend/$J")
        assert (len(facts) <= 9, problems) == (True, [])


# -- the table -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table() -> bytes:
    return (LAYOUTS["kape"] / "C/$MFT").read_bytes()


def _in(entry: Entry, folder: int) -> bool:
    return any(name.parent == folder for name in entry.names)


def test_the_quick_look_sees_what_the_slow_one_does(table: bytes) -> None:
    reader = TableReader(io.BytesIO(table))
    folders = {ref for ref, _, _ in reader.folders()}
    for ref in sorted(folders):
        slow = [
            item.number
            for item in reader
            if not isinstance(item, Exception) and any(n.parent == ref for n in item.names)
        ]
        quick = [item.number for item in reader.children({ref}) if any(n.parent == ref for n in item.names)]
        assert quick == slow
        if len(slow) > 30:
            break


def test_damage_anywhere_ends_nothing(table: bytes) -> None:
    whole = replace(OPEN, folder="", start=BORN - 9999 * HOUR, end=BORN + 9999 * HOUR)
    every, _ = again(mft_entries.ARTIFACT, table, "C:/$MFT", whole)
    assert {fact.fields.get("file_rule") for fact in every if fact.kind != "mft.resident_content"} == {"FS-90"}
    rubbish = os.urandom(64)
    for at in range(0, min(len(table), 200_000), 3011):
        hurt = bytearray(table)
        hurt[at : at + 64] = rubbish
        facts, _ = again(mft_entries.ARTIFACT, bytes(hurt[: len(hurt) - at]), "C:/$MFT", whole)
        assert len(facts) <= len(every) + 5


def test_a_named_file_is_read_whatever_its_name(table: bytes) -> None:
    users = replace(OPEN, folder="\\users", start=BORN - 9999 * HOUR, end=BORN + 9999 * HOUR, writable=False)
    usual, _ = again(mft_entries.ARTIFACT, table, "C:/$MFT", users)
    named, _ = again(mft_entries.ARTIFACT, table, "C:/$MFT", replace(users, scripts=("msiexec.txt",)))
    assert {fact.kind for fact in usual} == {"mft.resident_content"}, "it was not writable"
    assert {"collect.ps1", "msiexec.bat"} <= {fact.fields["file_name"] for fact in usual}
    assert [fact.fields["file_name"] for fact in named if fact not in usual] == ["msiexec.txt"]


def test_a_script_in_the_recycle_bin_is_read_for_where_it_was(table: bytes) -> None:
    """The table has it where it is now, the journal saw it leave the folder that was open."""
    entries = [item for item in TableReader(io.BytesIO(table)) if isinstance(item, Entry)]
    (entry,) = [item for item in entries if [name.name for name in item.names] == ["collect.ps1"]]
    far, left = replace(OPEN, scripts=("run.dat",)), Change(BORN, entry.ref, DESK, "run.dat", OLD_NAME)
    given = FileInput("C:/$MFT", io.BytesIO(table), len(table), "0" * 64, "ev", Host(), None, {}, open_folders=(far,))
    beside = replace(given, companions={"$Extend/$J": io.BytesIO(journal(left))})
    facts, problems = sorted_out(mft_entries.ARTIFACT, list(mft_entries.parse(beside)))
    (content,) = [fact for fact in facts if fact.kind == "mft.resident_content"]
    assert problems == []
    assert content.fields["old_path"] == "C:\\Users\\x\\run.dat"
    assert content.fields["file_path"] == "C:\\Users\\Public\\AppData\\collect.ps1"
    without, _ = sorted_out(mft_entries.ARTIFACT, list(mft_entries.parse(given)))
    assert [fact for fact in without if fact.kind == "mft.resident_content"] == []
