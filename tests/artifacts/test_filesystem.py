"""What $MFT and change journal tell of the files that matter: both together, apart, and in bad shape."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forensics.artifacts import mft_entries, usn_journal
from forensics.artifacts.base import FileInput, profile_in
from forensics.formats.mft import Times
from forensics.formats.ntfspaths import ROOT
from forensics.formats.usn import CLOSE, CREATE, DELETE, NEW_NAME, OLD_NAME
from forensics.model import Fact, Host, Problem
from forensics.rules import filesystem
from forensics.times import to_filetime
from testdata.writers import mft as mft_writer
from testdata.writers import ntfs, usn
from testdata.writers.usn import Change
from tests.artifacts.registry_inputs import sorted_out

BORN = datetime(2024, 12, 3, 5, 10, 24, 123456, tzinfo=UTC)
ROOT_REF = usn.reference(ROOT, 5)
USERS, DESK = usn.reference(40), usn.reference(41)


def run(artifact, data: bytes, path: str, **beside: bytes) -> tuple[list[Fact], list[Problem]]:
    companions = {"$MFT": io.BytesIO(beside["table"])} if "table" in beside else {}
    if "journal" in beside:
        companions = {"$Extend/$J": io.BytesIO(beside["journal"])}
    given = FileInput(path, io.BytesIO(data), len(data), "0" * 64, "ev", Host(), None, {}, companions)
    return sorted_out(artifact, list(artifact.parse(given)))


def journal(*changes: Change) -> bytes:
    folders = (
        Change(BORN - timedelta(days=2), USERS, ROOT_REF, "Users", CREATE | CLOSE, usn.FOLDER),
        Change(BORN - timedelta(days=1), DESK, USERS, "x", CREATE | CLOSE, usn.FOLDER),
    )
    return usn.build([*folders, *changes])


def usn_rows(data: bytes, **beside: bytes) -> tuple[list[Fact], list[Problem]]:
    facts, problems = run(usn_journal.ARTIFACT, data, "C:/$Extend/$J", **beside)
    return [fact for fact in facts if fact.kind != "usn.journal"], problems


def emptied(count: int, seconds: float) -> list[Fact]:
    windows, prefetch = usn.reference(60), usn.reference(61)
    changes = [
        Change(BORN, windows, ROOT_REF, "Windows", CREATE | CLOSE, usn.FOLDER),
        Change(BORN, prefetch, windows, "Prefetch", CREATE | CLOSE, usn.FOLDER),
    ]
    for n in range(count):
        moment = BORN + timedelta(seconds=60 + n * seconds)
        changes.append(Change(moment, usn.reference(100 + n), prefetch, f"P{n}.EXE-0A1B2C3D.pf", DELETE | CLOSE))
    rows, problems = usn_rows(journal(*changes))
    assert problems == []
    return [row for row in rows if row.kind == "usn.folder_emptied"]


def test_a_folder_that_was_emptied() -> None:
    (row,) = emptied(30, 0.1)
    assert row.fields["folder_path"] == "C:\\Windows\\Prefetch"
    assert (row.fields["deleted_count"], row.fields["burst_seconds"]) == (30, 2)
    assert row.times == {"Content Deletion Time": BORN + timedelta(seconds=60)}
    assert not row.context


def test_single_deletions_empty_no_folder() -> None:
    assert emptied(19, 0.1) == []
    assert emptied(60, 30) == []


def test_a_rename_is_one_row_with_both_names() -> None:
    file = usn.reference(50)
    (row,), problems = usn_rows(
        journal(
            Change(BORN, file, DESK, "notes.txt", OLD_NAME),
            Change(BORN, file, USERS, "lab.wsb", NEW_NAME),
            Change(BORN, file, USERS, "lab.wsb", NEW_NAME | CLOSE),
        )
    )
    assert row.kind == "usn.file_renamed"
    assert row.fields["file_path"] == "C:\\Users\\lab.wsb"
    assert row.fields["old_path"] == "C:\\Users\\x\\notes.txt"
    assert row.times == {"Metadata Modification Time": BORN}
    assert problems == []


def test_a_wsb_renamed_to_something_harmless_is_told_too() -> None:
    file = usn.reference(50)
    changes = [Change(BORN, file, DESK, "lab.wsb", OLD_NAME), Change(BORN, file, DESK, "a.txt", NEW_NAME | CLOSE)]
    (row,), _ = usn_rows(journal(*changes))
    assert (row.fields["file_name"], row.fields["old_name"]) == ("a.txt", "lab.wsb")


def test_a_deleted_folder_still_gives_the_path() -> None:
    folder, file = usn.reference(60), usn.reference(61)
    later = BORN + timedelta(minutes=5)
    rows, _ = usn_rows(
        journal(
            Change(BORN, folder, DESK, "tmp", CREATE | CLOSE, usn.FOLDER),
            Change(BORN, file, folder, "s.wsb", CREATE),
            Change(BORN, file, folder, "s.wsb", CREATE | usn.EXTEND | CLOSE),
            Change(later, file, folder, "s.wsb", DELETE | CLOSE),
            Change(later, folder, DESK, "tmp", DELETE | CLOSE, usn.FOLDER),
        )
    )
    assert [row.kind for row in rows] == ["usn.file_created", "usn.file_deleted"]
    assert {row.fields["file_path"] for row in rows} == {"C:\\Users\\x\\tmp\\s.wsb"}
    assert rows[1].fields["created_at"] == "2024-12-03T05:10:24.123456+00:00"
    assert rows[1].times == {"Content Deletion Time": later}
    assert rows[0].fields["change_reasons"] == ("data extend", "file create", "close")


def test_without_a_table_what_is_not_known_is_said() -> None:
    rows, problems = usn_rows(usn.build([Change(BORN, usn.reference(50), usn.reference(99), "a.wsb", CREATE | CLOSE)]))
    assert rows[0].fields["path_tail"] == "a.wsb"
    assert "file_path" not in rows[0].fields
    assert [problem.fault for problem in problems] == ["partial"]


def test_the_public_journal_is_told_without_a_fault(samples: Path) -> None:
    data = (samples / "ntfs/usnjrnl-15236-records.bin").read_bytes()
    facts, problems = run(usn_journal.ARTIFACT, data, "C:/$Extend/$J")
    about = next(fact for fact in facts if fact.kind == "usn.journal")
    assert about.fields["record_count"] == 15236
    assert {problem.fault for problem in problems} == {"partial"}, "no $MFT came with it"


def test_a_journal_of_noise_is_unreadable() -> None:
    facts, problems = run(usn_journal.ARTIFACT, b"\x07" * 5000, "C:/$Extend/$J")
    assert facts == []
    assert {problem.fault for problem in problems} == {"bad_record", "unreadable"}


# -- the table -----------------------------------------------------------------------------------------------------


def mft_facts(testdata: Path) -> list[Fact]:
    data = (testdata / "evidence/ws-tanaka/kape/WS-TANAKA/C/$MFT").read_bytes()
    facts, problems = run(mft_entries.ARTIFACT, data, "C:/$MFT")
    assert problems == []
    return facts


def test_a_deleted_configuration_is_read_out_of_its_record(testdata: Path) -> None:
    facts = [fact for fact in mft_facts(testdata) if fact.fields.get("file_name") == "try.wsb"]
    by_kind = {fact.kind: fact for fact in facts}
    assert set(by_kind) == {"mft.entry", "mft.resident_content", "sandbox.config"}
    assert by_kind["sandbox.config"].fields["wsb_logon_command"] == "cmd.exe /c dir C:\\Users"
    assert all(fact.fields["file_deleted"] is True for fact in facts)
    assert by_kind["mft.entry"].fields["file_path"] == "C:\\Users\\Public\\AppData\\try.wsb"
    assert by_kind["sandbox.config"].fields["profile_user"] == "Public"


def test_what_the_table_recovers_names_the_profile_as_the_file_itself_does(testdata: Path) -> None:
    facts = [fact for fact in mft_facts(testdata) if fact.kind == "sandbox.config"]
    found = {fact.fields["file_name"]: fact.fields.get("profile_user") for fact in facts}
    assert found["lab.wsb"] == "田中"
    assert found["default.wsb"] is None


@pytest.mark.parametrize(
    ("path", "profile"),
    [
        ("C:/$Lost/77/Users/田中/Documents/lab.wsb", "田中"),
        ("Users\\田中\\Documents\\lab.wsb", "田中"),
        ("old\\Users\\田中\\lab.wsb", "田中"),
        ("C:/$Lost/77/田中/Documents/lab.wsb", None),  # its `Users` is lost: a folder of that name may lie anywhere
        ("Users\\lab.wsb", None),
    ],
)
def test_a_path_whose_beginning_is_lost_names_its_profile_when_it_can(path: str, profile: str | None) -> None:
    assert profile_in(path) == profile


@pytest.mark.parametrize("name", ["DFR-16-$MFT", "xw-$MFT"])
def test_public_tables_are_told(samples: Path, name: str) -> None:
    facts, _ = run(mft_entries.ARTIFACT, (samples / "ntfs" / name).read_bytes(), "C:/$MFT")
    about = next(fact for fact in facts if fact.kind == "mft.table")
    assert int(str(about.fields["record_count"])) == (samples / "ntfs" / name).stat().st_size // 1024


def ticks(moment: datetime) -> int:
    return to_filetime(moment)


def test_times_set_by_a_program_are_noted_with_the_harmless_reasons() -> None:
    own = Times(*[ticks(BORN)] * 4)
    early = Times(*[ticks(BORN - timedelta(days=900))] * 4)
    whole = Times(*[ticks(BORN.replace(microsecond=0))] * 4)
    assert mft_entries.timestomp_note(own, own) is None
    assert mft_entries.timestomp_note(None, own) is None
    note = mft_entries.timestomp_note(early, own) or ""
    assert "is before that of its name" in note
    assert "installing" in note
    assert "whole seconds" in (mft_entries.timestomp_note(whole, own) or "")


# -- the rules -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", filesystem.file_rules(), ids=lambda rule: rule.id)
def test_each_rule_holds_its_example_and_not_the_counterexample(rule: filesystem.FileRule) -> None:
    folder, _, name = rule.example.rpartition("\\")
    found = filesystem.rule_for(folder, name)
    assert found is not None
    assert found.id == rule.id
    folder, _, name = rule.counterexample.rpartition("\\")
    other = filesystem.rule_for(folder, name)
    assert other is None or other.id != rule.id


def test_a_name_may_have_any_case() -> None:
    assert filesystem.rule_for("\\USERS\\X", "LAB.WSB") is not None


def shredded(names: list[str], *, deleted: bool = True) -> list[Fact]:
    file = usn.reference(90)
    changes, was = [], "plan.zip"
    for n, name in enumerate(names):
        moment = BORN + timedelta(seconds=n)
        changes += [Change(moment, file, DESK, was, OLD_NAME), Change(moment, file, DESK, name, NEW_NAME),
                    Change(moment, file, DESK, name, NEW_NAME | CLOSE)]  # fmt: skip
        was = name
    if deleted:
        changes.append(Change(BORN + timedelta(minutes=1), file, DESK, was, DELETE | CLOSE))
    rows, problems = usn_rows(journal(*changes))
    assert problems == []
    return [row for row in rows if row.kind == "usn.file_shredded"]


def test_a_file_that_was_renamed_letter_by_letter() -> None:
    letters = [f"{letter * 4}.{letter * 3}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    (row,) = shredded(letters)
    assert row.fields["old_path"] == "C:\\Users\\x\\plan.zip"
    assert (row.fields["rename_count"], row.fields["file_deleted"], row.context) == (26, True, False)
    assert row.times == {"Content Deletion Time": BORN + timedelta(minutes=1)}
    (row,) = shredded(letters[:12], deleted=False)
    assert (row.fields["rename_count"], row.fields["file_deleted"]) == (12, False)


@pytest.mark.parametrize("names", [["AAAA.AAA", "BBBB.BBB", "x"], [f"plan{n}.zip" for n in range(40)]])
def test_other_renames_wipe_nothing(names: list[str]) -> None:
    assert shredded(names) == []


@pytest.mark.parametrize(
    ("name", "reason", "after", "older", "told"),
    [
        ("tool.exe", usn.BASIC_INFO | CLOSE, 600, 900, True),
        ("tool.exe", usn.BASIC_INFO | CLOSE, 600, 0, False),  # attributes, the times are true
        ("tool.exe", usn.BASIC_INFO | CLOSE, 5, 900, False),  # an installer
        ("tool.exe", usn.BASIC_INFO | usn.OVERWRITE | CLOSE, 600, 900, False),  # written to as well
        ("photo.jpg", usn.BASIC_INFO | CLOSE, 600, 900, False),  # not a file that is told of
    ],
)
def test_times_that_were_set_later(name: str, reason: int, after: float, older: float, told: bool) -> None:
    times = ntfs.Times(*[BORN] * 4)
    stamped = ntfs.Times(*[BORN - timedelta(days=older)] * 4, BORN)
    folders = {"Users": times, "Users/x": times, "Users/x/Downloads": times}
    path = f"Users/x/Downloads/{name}"
    table, references = mft_writer.build(ntfs.Description({path: (b"x", stamped)}, folders, times, 1))
    change = Change(BORN + timedelta(seconds=after), references[path], references["Users/x/Downloads"], name, reason)
    rows, problems = usn_rows(usn.build([change]), table=table)
    assert problems == []
    found = [row for row in rows if row.kind == "usn.file_times_set"]
    assert len(found) == int(told)
    for row in found:
        assert row.fields["file_path"] == f"C:\\Users\\x\\Downloads\\{name}"
        assert "is before that of its name" in str(row.fields["timestomp_note"])
        assert row.times == {"Metadata Modification Time": BORN + timedelta(seconds=after)}
    rows, _ = usn_rows(usn.build([change]))
    assert [row for row in rows if row.kind == "usn.file_times_set"] == [], "without a table nothing bears it out"
