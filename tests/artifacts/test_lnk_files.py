from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.lnk_files import ARTIFACT
from forensics.model import Fact
from testdata.writers.shelllink import APP_ID, Content, Machine, Target, build
from tests.artifacts.file_inputs import BORN, MODIFIED, run, survives_truncation

FIRST = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
LAST = datetime(2024, 12, 4, 1, 0, 0, tzinfo=UTC)
MADE = datetime(2024, 12, 2, 3, 4, 5, tzinfo=UTC)
RECENT = "C:/Users/hanako/AppData/Roaming/Microsoft/Windows/Recent"
MENU = "AppData/Roaming/Microsoft/Windows/Start Menu/Programs"
LAB = "C:\\Users\\hanako\\Documents\\検証.wsb"
TIMES = {BORN: FIRST, MODIFIED: LAST}


def link(path: str, machine: Machine | None = None, **content: object) -> bytes:
    target = Target(path, MADE, FIRST, LAST, 315)
    return build(target, machine or Machine(), Content(**content))  # type: ignore[arg-type]


def one(path: str, data: bytes) -> Fact:
    facts, problems = run(ARTIFACT, path, data, TIMES)
    assert problems == []
    return facts[0]


def test_an_opened_sandbox_file_is_two_rows() -> None:
    facts, problems = run(ARTIFACT, f"{RECENT}/検証.wsb.lnk", link(LAB), TIMES)
    assert problems == []
    opened, target = facts
    assert (opened.kind, opened.times, opened.context) == ("link.opened", TIMES, False)
    shown = opened.fields
    assert (shown["target_path"], shown["target_named_by"], shown["target_size"]) == (LAB, "link info", 315)
    assert (shown["link_place"], shown["profile_user"], shown["volume_serial"]) == ("recent", "hanako", "5CB0-A3E1")
    assert (shown["tracker_machine"], shown["tracker_mac"]) == ("ws-tanaka", "00:15:5d:0a:1b:2c")
    assert shown["tracker_id_time"] == "2024-12-03T18:21:03.721652+00:00"
    assert not {"guest_made", "trailing_bytes", "link_item_path", "code_page_guessed"} & set(shown)
    assert (target.kind, target.source.locator, target.context) == ("link.target", "header", False)
    assert target.times == {BORN: MADE, MODIFIED: FIRST, "Last Access Time": LAST}


def test_other_links_are_context() -> None:
    facts, _ = run(ARTIFACT, f"{RECENT}/memo.lnk", link("C:\\Users\\hanako\\memo.txt"), TIMES)
    assert [(fact.kind, fact.context) for fact in facts] == [("link.opened", True), ("link.target", True)]
    assert one("C:/Users/hanako/Desktop/x.lnk", link("C:\\tools\\x.exe")).kind == "link.file"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (f"C:/Users/a/{MENU}/Startup/x.lnk", "startup"),
        ("C:/ProgramData/Microsoft/Windows/Start Menu/Programs/StartUp/x.lnk", "startup"),
        ("C:/ProgramData/Microsoft/Windows/Start Menu/Programs/x.lnk", "start menu"),
        ("C:/Users/a/AppData/Roaming/Microsoft/Office/Recent/x.lnk", "office recent"),
        ("C:/Users/a/AppData/Roaming/Microsoft/Internet Explorer/Quick Launch/User Pinned/TaskBar/x.lnk", "taskbar"),
        ("C:/Users/a/Desktop/x.lnk", "desktop"),
        ("C:/$Recycle.Bin/S-1-5-21-1-2-3-1001/$RABC.lnk", "recycle bin"),
        ("C:/Users/a/x.lnk", None),
    ],
)
def test_places(path: str, place: str | None) -> None:
    fact = one(path, link("C:\\tools\\x.exe"))
    assert fact.fields.get("link_place") == place
    assert fact.context == (place != "startup"), "what starts at logon is kept whatever it is"


@pytest.mark.parametrize(
    ("target", "content"),
    [
        ("C:\\Windows\\System32\\WindowsSandbox.exe", {}),
        ("C:\\Windows\\System32\\cmd.exe", {"arguments": "/c start C:\\x\\a.wsb"}),
        ("C:\\tools\\code.exe", {"arguments": "tunnel --accept-server-license-terms"}),
        ("C:\\Code.exe", {"arguments": '--folder-uri "vscode-remote://tunnel%2Bdesk/c%3A/x"'}),
        ("C:\\x.exe", {"properties": {APP_ID: "MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy!App"}}),
        ("C:\\x.exe", {"environment_path": "%TEMP%\\a.wsb", "working_directory": "C:\\Users\\WDAGUtilityAccount\\x"}),
    ],
)
def test_what_is_kept(target: str, content: dict[str, object]) -> None:
    assert not one("C:/Users/a/Desktop/x.lnk", link(target, **content)).context


@pytest.mark.parametrize(
    ("machine", "target", "guest"),
    [
        ("a8dc5139-5e6d-4", "C:\\x.txt", True),
        ("A8DC5139-5E6D-4", "C:\\x.txt", True),
        ("26l2233a4-13", "C:\\x.txt", False),  # a machine of a public sample, no GUID
        ("a8dc5139-5e6d", "C:\\x.txt", False),
        ("ws-tanaka", "C:\\Users\\WDAGUtilityAccount\\Desktop\\x.txt", True),
        ("ws-tanaka", "C:\\Users\\WDAGUtilityAccount2\\x.txt", False),
    ],
)
def test_a_link_made_inside_a_sandbox_is_marked(machine: str, target: str, guest: bool) -> None:
    facts, _ = run(ARTIFACT, "C:/Users/a/shared/x.lnk", link(target, Machine(name=machine)), TIMES)
    for fact in facts:
        assert fact.tags == (("sandbox_guest",) if guest else ())
        assert fact.fields.get("guest_made", False) is guest
    if guest:
        assert not any(fact.context for fact in facts)
        assert "inferred" in str(facts[0].fields["guest_reason"]) or "WDAG" in str(facts[0].fields["guest_reason"])


def test_a_remote_folder_names_its_authority() -> None:
    fact = one("C:/x.lnk", link("C:\\Code.exe", arguments='--folder-uri "vscode-remote://tunnel%2Bdesk/c%3A/x"'))
    assert fact.fields["remote_authority"] == "tunnel+desk"


def test_items_that_name_another_file_are_shown() -> None:
    """Explorer follows the items: a link whose parts disagree was not made by it."""
    data = link("C:\\good\\report.docx")
    place = data.index("report.docx".encode("utf-16-le"))
    changed = data[:place] + "attack.exe\0".encode("utf-16-le") + data[place + 22 :]
    assert one("C:/x.lnk", changed).fields["link_item_path"] == "C:\\good\\attack.exe"


def test_bytes_behind_the_end_are_counted() -> None:
    assert one("C:/x.lnk", link(LAB) + b"MZ" * 500).fields["trailing_bytes"] == 1000


def test_without_file_times_the_row_is_undated() -> None:
    facts, _ = run(ARTIFACT, f"{RECENT}/検証.wsb.lnk", link(LAB))
    assert facts[0].times == {}
    assert facts[0].no_times == {MODIFIED: "the evidence kept no times of the file"}
    assert facts[1].times[BORN] == MADE


def test_a_target_without_times_is_one_row() -> None:
    facts, _ = run(ARTIFACT, "C:/x.lnk", build(Target(LAB), Machine()), TIMES)
    assert [fact.kind for fact in facts] == ["link.file"]


def test_truncation_is_said_and_keeps_the_target() -> None:
    data = link(LAB, arguments="x" * 20)
    survives_truncation(ARTIFACT, f"{RECENT}/x.lnk", data)
    facts, problems = run(ARTIFACT, f"{RECENT}/x.lnk", data[:-3], TIMES)
    assert facts[0].fields["target_path"] == LAB
    assert "trailing_bytes" not in facts[0].fields
    assert [problem.fault for problem in problems] == ["bad_record"]


def test_no_link_is_a_problem() -> None:
    for data in (b"", b"[InternetShortcut]\r\nURL=https://example.org/\r\n" * 4):
        facts, (problem,) = run(ARTIFACT, "C:/x.lnk", data)
        assert (facts, problem.fault) == ([], "bad_record")


@pytest.mark.samples
def test_real_links(samples: Path) -> None:
    kinds, timed = [], 0
    for path in sorted((samples / "lnk").glob("*.lnk")):
        data = path.read_bytes()
        facts, problems = run(ARTIFACT, f"{RECENT}/{path.name}", data, TIMES)
        assert problems == []
        timed += any(data[28:52])  # the three times of the header
        kinds += [fact.kind for fact in facts]
        assert not any(fact.tags for fact in facts)
    assert (kinds.count("link.opened"), kinds.count("link.target")) == (37, timed)
