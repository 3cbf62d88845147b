from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest

from forensics.artifacts.office_trust_records import ARTIFACT
from tests.artifacts.registry_inputs import NTUSER, SID, merged, nested, run
from tests.formats.crafted_hives import Value

WORD = "Software\\Microsoft\\Office\\16.0\\Word\\Security\\Trusted Documents\\TrustRecords"
EXCEL = WORD.replace("Word", "Excel")
# A value that somebody published in a question about its time: content enabled, four hours behind UTC.
PUBLISHED = bytes.fromhex("36D0562E1452D5010060EE78DEFFFFFFC4008E01FFFFFF7F")


def record(flags: int) -> bytes:
    return PUBLISHED[:-4] + struct.pack("<I", flags)


def binary(name: str, data: bytes) -> Value:
    return (name, 3, data)


def test_a_published_value() -> None:
    tree = nested(WORD, {"": [binary("%USERPROFILE%/Downloads/%E6%8F%90%E6%A1%88.docm", PUBLISHED)]})
    (fact,), problems = run(ARTIFACT, tree, NTUSER)
    assert problems == []
    assert fact.times["Creation Time"] == datetime(2019, 8, 13, 20, 17, 50, 756255, tzinfo=UTC)
    said = {name: fact.fields[name] for name in ("file_path", "macros_enabled", "application", "trust_origin")}
    assert said == {
        "file_path": "%USERPROFILE%\\Downloads\\提案.docm",
        "macros_enabled": True,
        "application": "Word",
        "trust_origin": "download folder",
    }
    assert (fact.fields["profile_user"], fact.fields["user_sid"]) == ("田中", SID)
    assert fact.fields["value_data"] == PUBLISHED.hex()
    assert "Content Modification Time" in fact.times, "the only value of its key"


@pytest.mark.parametrize(
    ("flags", "meaning", "enabled"),
    [
        (0x7FFFFFFF, "content enabled", True),
        (1, "editing enabled", False),
        (0, "nothing enabled", False),
        (7, "flags 0x00000007", False),
    ],
)
def test_flags(flags: int, meaning: str, enabled: bool) -> None:
    (fact,), _ = run(ARTIFACT, nested(WORD, {"": [binary("C:/a.docm", record(flags))]}), NTUSER)
    assert (fact.fields["trust_meaning"], fact.fields["macros_enabled"]) == (meaning, enabled)


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("%LOCALAPPDATA%/Microsoft/Windows/INetCache/Content.Outlook/AB12/取材のお願い.docm", "attachment of a mail"),
        ("C:/Users/x/Downloads/a.xlsm", "download folder"),
        ("C:/Users/x/AppData/Local/Temp/Temp1_a.zip/a.docm", "archive opened in place"),
        ("https://example.sharepoint.com/a.docm", "address on a network"),
        ("file:///C:/Users/x/Documents/a.docm", None),
        ("C:/work/a.docm", None),
    ],
)
def test_where_a_document_came_from(name: str, origin: str | None) -> None:
    (fact,), _ = run(ARTIFACT, nested(WORD, {"": [binary(name, record(1))]}), NTUSER)
    assert fact.fields.get("trust_origin") == origin


def test_several_programs_and_values_share_the_time_of_their_key_with_nobody() -> None:
    tree = merged(
        nested(WORD, {"": [binary("C:/a.docm", record(1)), binary("C:/b.docm", PUBLISHED)]}),
        nested(EXCEL, {"": [binary("C:/c.xlsm", PUBLISHED)]}),
    )
    facts, _ = run(ARTIFACT, tree, NTUSER)
    clicked = {fact.fields["file_name"]: "Content Modification Time" in fact.times for fact in facts}
    assert clicked == {"a.docm": False, "b.docm": False, "c.xlsm": True}


@pytest.mark.parametrize("size", range(12))
def test_a_value_too_short_is_a_problem_and_the_next_is_told(size: int) -> None:
    tree = nested(WORD, {"": [binary("C:/short.docm", PUBLISHED[:size]), binary("C:/b.docm", PUBLISHED)]})
    facts, problems = run(ARTIFACT, tree, NTUSER)
    assert [fact.fields["file_name"] for fact in facts] == ["b.docm"]
    assert [problem.source.locator for problem in problems] == [f"{WORD}\\C:/short.docm"]
