from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.jump_lists import ARTIFACT
from testdata.writers.jumplists import Used, automatic, custom
from testdata.writers.shelllink import Content, Machine, Target, build
from tests.artifacts.file_inputs import BORN, MODIFIED, run, survives_truncation

FIRST = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
LAST = datetime(2024, 12, 4, 1, 2, 3, 456789, tzinfo=UTC)
FOLDER = "C:/Users/hanako/AppData/Roaming/Microsoft/Windows/Recent"
QUICK = f"{FOLDER}/AutomaticDestinations/5f7b5f1e01b83767.automaticDestinations-ms"
SANDBOX = f"{FOLDER}/AutomaticDestinations/023ea204f9bde81f.automaticDestinations-ms"
CODE = f"{FOLDER}/CustomDestinations/1ced32d74a95c7bc.customDestinations-ms"
LAB, MEMO = "C:\\Users\\hanako\\Documents\\検証.wsb", "C:\\Users\\hanako\\memo.txt"
TIMES = {BORN: FIRST, MODIFIED: LAST}


def link(path: str, machine: Machine | None = None, arguments: str = "") -> bytes:
    return build(Target(path, FIRST, FIRST, FIRST, 315), machine or Machine(), Content(arguments=arguments))


def test_what_a_user_opened_with_last_use_and_count() -> None:
    data = automatic([Used(LAB, link(LAB), LAST, count=3), Used(MEMO, link(MEMO), FIRST, pin=0)])
    facts, problems = run(ARTIFACT, QUICK, data, TIMES)
    assert problems == []
    assert [(fact.kind, fact.context) for fact in facts] == [
        ("jumplist.entry", False),
        ("link.target", False),
        ("jumplist.entry", True),
        ("link.target", True),
    ]
    lab, target, memo, _ = facts
    assert lab.times == {"Last Used Time": LAST}
    assert lab.source.locator == "DestList 0x20, stream 2"
    shown = lab.fields
    assert (shown["target_path"], shown["access_count"], shown["order"], shown["pinned"]) == (LAB, 3, 1, False)
    assert (shown["application"], shown["application_id"]) == ("Quick access", "5f7b5f1e01b83767")
    assert (shown["tracker_machine"], shown["profile_user"]) == ("ws-tanaka", "hanako")
    assert not {"listed_path", "list_note", "guest_made"} & set(shown)
    assert target.times[BORN] == FIRST
    assert (memo.fields["pinned"], memo.fields["order"]) == (True, 2)


def test_the_list_of_the_sandbox_is_kept_whatever_it_names() -> None:
    (fact, _), _ = run(ARTIFACT, SANDBOX, automatic([Used(MEMO, link(MEMO), LAST)]))
    assert (fact.context, fact.fields["application"]) == (False, "Windows Sandbox")


def test_an_entry_without_a_link_still_tells() -> None:
    (fact,), problems = run(ARTIFACT, QUICK, automatic([Used(LAB, None, LAST)]))
    assert problems == []
    assert (fact.times, fact.context) == ({"Last Used Time": LAST}, False)
    assert (fact.fields["target_path"], fact.fields["list_note"]) == (LAB, "its link is gone")
    assert fact.fields["tracker_machine"] == "ws-tanaka"


def test_a_link_without_an_entry_is_undated_itself() -> None:
    facts, problems = run(ARTIFACT, QUICK, automatic([], unlisted=[link(LAB)]))
    assert problems == []
    assert (facts[0].times, facts[0].no_times) == ({}, {"Last Used Time": "the list does not name it"})
    assert facts[0].fields["list_note"] == "not named by the list"
    assert facts[1].kind == "link.target"


def test_a_list_that_names_another_file_than_its_link() -> None:
    (fact, _), _ = run(ARTIFACT, QUICK, automatic([Used(LAB, link(MEMO), LAST)]))
    assert (fact.fields["target_path"], fact.fields["listed_path"], fact.context) == (MEMO, LAB, False)


def test_a_destination_made_inside_a_sandbox_is_marked() -> None:
    guest = Machine(name="a8dc5139-5e6d-4")
    facts, _ = run(ARTIFACT, QUICK, automatic([Used(MEMO, link(MEMO, guest), LAST, machine=guest)]))
    assert [(fact.tags, fact.context) for fact in facts] == [(("sandbox_guest",), False)] * 2


def test_what_visual_studio_code_offers() -> None:
    remote = link("C:\\VS\\Code.exe", arguments='--folder-uri "vscode-remote://tunnel%2Bdesk/c%3A/x"')
    data = custom([("Recent Folders", [remote, link("C:\\VS\\Code.exe", arguments='--folder-uri "file:///c%3A/src"')])])
    facts, problems = run(ARTIFACT, CODE, data, TIMES)
    assert problems == []
    first, _, second, _ = facts
    assert (first.kind, first.times, first.context, second.context) == ("jumplist.offered", TIMES, False, True)
    assert (first.fields["application"], first.fields["list_category"]) == ("Visual Studio Code", "Recent Folders")
    assert (first.fields["remote_authority"], first.source.locator) == ("tunnel+desk", "offset 0x42")


@pytest.mark.parametrize(
    ("path", "data"),
    [
        (QUICK, automatic([Used(LAB, link(LAB), LAST)])),
        (CODE, custom([(None, [link(LAB)]), ("x", [link(MEMO)])])),
    ],
)
def test_truncation_is_said(path: str, data: bytes) -> None:
    survives_truncation(ARTIFACT, path, data)


def test_a_damaged_container_gives_its_links() -> None:
    facts, problems = run(ARTIFACT, QUICK, automatic([Used(LAB, link(LAB), LAST)])[:2048])
    assert problems
    assert facts[0].fields["target_path"] == LAB
    assert facts[0].fields["list_note"] == "found by its signature in a damaged file"
    assert facts[0].source.locator == "offset 0x200"


@pytest.mark.samples
@pytest.mark.parametrize(
    ("name", "kind", "rows"),
    [
        ("3d2110c4a0cb6d15.automaticDestinations-ms", "jumplist.entry", 41),
        ("1b4dd67f29cb1962.automaticDestinations-ms", "jumplist.entry", 4),
        ("1ced32d74a95c7bc.customDestinations-ms", "jumplist.offered", 8),
    ],
)
def test_real_lists(samples: Path, name: str, kind: str, rows: int) -> None:
    facts, problems = run(ARTIFACT, f"{FOLDER}/X/{name}", (samples / "jumplists" / name).read_bytes(), TIMES)
    assert problems == []
    found = [fact for fact in facts if fact.kind == kind]
    assert len(found) == rows
    assert all(fact.times and fact.fields["target_path"] for fact in found)
