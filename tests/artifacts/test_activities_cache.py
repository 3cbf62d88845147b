"""Windows Timeline: rows of built databases, read a second time by a reader that shares no code with ours."""

from __future__ import annotations

import io
import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from dissect.database.sqlite3 import SQLite3

from forensics.artifacts import activities_cache
from forensics.artifacts.base import FileInput
from forensics.model import Fact, Host, Problem
from testdata.writers.activities import Activity, build
from tests.artifacts.registry_inputs import sorted_out

PATH = "C:/Users/田中/AppData/Local/ConnectedDevicesPlatform/L.tanaka/ActivitiesCache.db"
START = datetime(2024, 12, 4, 1, 2, 11, tzinfo=UTC)
NOTEPAD = {"x_exe_path": "{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\notepad.exe", "packageId": ""}
SANDBOX = {
    "windows_win32": "Microsoft.Windows.WindowsSandbox",
    "x_exe_path": "{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsSandbox.exe",
}
OPENED = Activity(
    START, SANDBOX, display_text="lab.wsb", app="Windows Sandbox",
    uri="file:///C:/Users/%E7%94%B0%E4%B8%AD/My%20Documents/lab.wsb?VolumeId={A}&ObjectId={B}",
)  # fmt: skip
IN_USE = Activity(
    START + timedelta(minutes=1), SANDBOX, kind=6, seconds=754, end=START + timedelta(minutes=14, seconds=34)
)
HARMLESS = Activity(
    START + timedelta(hours=3), NOTEPAD, display_text="memo.txt", app="Notepad", description="C:\\memo.txt"
)
COPIED = Activity(START + timedelta(hours=4), NOTEPAD, kind=10, clipboard="code tunnel --accept-server-license-terms")
REMOVED = Activity(START + timedelta(hours=5), NOTEPAD, display_text="evil.wsb", app="Notepad", operation=3)
GONE = Activity(START - timedelta(days=9), {"x_exe_path": "C:\\Users\\田中\\code-tunnel.exe"})
ALL = (OPENED, IN_USE, HARMLESS, COPIED, REMOVED)


def given(data: bytes, log: bytes | None = None) -> FileInput:
    beside = {} if log is None else {"-wal": io.BytesIO(log)}
    return FileInput(PATH, io.BytesIO(data), len(data), None, "test", Host(), None, siblings=beside)


def run(data: bytes, log: bytes | None = None) -> tuple[list[Fact], list[Problem]]:
    return sorted_out(activities_cache.ARTIFACT, list(activities_cache.parse(given(data, log))))


def test_rows_say_what_was_opened_and_for_how_long() -> None:
    facts, problems = run(*build(ALL, [GONE]))
    assert problems == []
    opened, used, harmless, copied, removed, gone = facts
    assert opened.times == {"Start Time": START, "Content Modification Time": START + timedelta(seconds=2)}
    assert opened.no_times == {"End Time": "zero: never set (0)"}
    assert opened.fields["opened_path"] == "C:\\Users\\田中\\My Documents\\lab.wsb"
    assert opened.fields["executable"] == "%SystemRoot%\\System32\\WindowsSandbox.exe"
    assert opened.fields["executable_name"] == "WindowsSandbox.exe"
    assert (opened.fields["display_text"], opened.fields["profile_user"]) == ("lab.wsb", "田中")
    assert opened.fields["activity_meaning"] == "program, file or page opened"
    assert opened.fields["expires_at"] == "2025-01-03T01:02:11.000000+00:00"
    assert opened.source.locator == "Activity rowid 1"
    assert used.times["End Time"] == IN_USE.end
    assert (used.fields["active_seconds"], used.fields["user_time_zone"]) == (754, "Asia/Tokyo")
    assert copied.fields["clipboard_text"] == "code tunnel --accept-server-license-terms"
    assert removed.source.locator == "ActivityOperation rowid 1"
    assert removed.fields["operation_type"] == 3
    assert [fact.context for fact in facts] == [False, False, True, False, False, False]
    assert harmless.fields["opened_path"] == "C:\\memo.txt"
    assert gone.kind == "activity.remnant"
    assert gone.times == {"Expiration Time": GONE.start + timedelta(days=30)}
    assert gone.fields["executable"] == "C:\\Users\\田中\\code-tunnel.exe"


def test_another_reader_finds_the_same_rows() -> None:
    data, _ = build(ALL, [GONE])
    theirs = list(SQLite3(io.BytesIO(data)).table("Activity").rows())
    ours = [fact for fact in run(data)[0] if fact.source.locator.startswith("Activity rowid")]
    assert len(theirs) == len(ours) == 4
    for row, fact in zip(theirs, ours, strict=True):
        assert row["[Id]"].hex() == fact.fields["activity_id"]
        assert row["[StartTime]"] == int(fact.times["Start Time"].timestamp())
        assert row["[ActivityType]"] == fact.fields["activity_type"]
        assert json.loads(row["[Payload]"]).get("displayText") == fact.fields.get("display_text")
        assert fact.fields["application"] in {item["application"] for item in json.loads(row["[AppId]"])}


def test_what_happened_last_is_in_the_log_alone() -> None:
    data, log = build((HARMLESS, OPENED), in_log=1)
    without, with_log = run(data)[0], run(data, log)[0]
    assert [fact.fields["display_text"] for fact in without] == ["memo.txt"]
    assert without[0].fields["database_state"] == "no write-ahead log was beside it"
    assert [fact.fields["display_text"] for fact in with_log] == ["memo.txt", "lab.wsb"]
    assert "pages of the write-ahead log were applied" in str(with_log[0].fields["database_state"])


def test_a_row_whose_json_is_broken_keeps_the_rest() -> None:
    data, _ = build((OPENED, IN_USE))
    broken = data.replace(b'"displayText"', b'"displayText!')
    facts, (problem,) = run(broken)
    assert len(facts) == 2
    assert "Payload" in problem.detail
    assert problem.source.locator == "Activity rowid 1"
    assert facts[0].fields["executable_name"] == "WindowsSandbox.exe"


@pytest.mark.parametrize("data", [b"", b"SQLite format 3\x00", b"junk" * 100])
def test_what_is_no_database_is_said(data: bytes) -> None:
    facts, problems = run(data)
    assert facts == []
    assert problems


def test_cut_and_changed_files_are_no_crash() -> None:
    many = [Activity(START + timedelta(minutes=number), SANDBOX, display_text=f"{number}.wsb") for number in range(60)]
    data, log = build(many, in_log=5)
    whole = {fact.fields["display_text"] for fact in run(data, log)[0]}
    assert len(whole) == 60
    chance = random.Random(3)
    for _ in range(40):
        cut = chance.randrange(len(data))
        facts, problems = run(data[:cut], log[: chance.randrange(len(log))])
        assert {fact.fields["display_text"] for fact in facts if "display_text" in fact.fields} <= whole
        assert problems, f"cut at {cut}"
    for _ in range(40):
        changed = bytearray(data)
        for _ in range(30):
            changed[chance.randrange(100, len(data))] = chance.randrange(256)
        run(bytes(changed), log)
