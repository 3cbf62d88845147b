"""A host that was wiped after a sandbox ran: every planted sign with level and causes, nothing more, one session."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from itertools import pairwise

import pytest

from testdata.expected import differences
from testdata.happenings import all_events
from testdata.host import scenario
from tests.running import tool
from tests.stories import Told, check_coverage, check_sessions_rest_on_rows, teller

NAME = "wiped-host"
FOUND: dict[str, Told] = {}


@pytest.fixture
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The scenario's outcome; it is rendered and run once."""
    if NAME not in FOUND:
        FOUND[NAME] = teller(tmp_path_factory)(NAME)
    return FOUND[NAME]


def test_the_story_comes_out(told: Told) -> None:
    assert differences(told.expected, told.document) == []
    assert (told.run.code, told.document["problems"]) == (0, [])
    check_coverage(told.document)
    check_sessions_rest_on_rows(told, "sandbox_sessions")


def test_every_sign_is_planted_and_has_causes(told: Told) -> None:
    signs = told.document["anti_forensics"]
    assert Counter(sign["kind"] for sign in signs) == Counter(sign["kind"] for sign in told.expected["anti_forensics"])
    known = {row["event_uid"] for name in ("timeline.jsonl", "undated.jsonl") for row in told.run.lines(name)}
    for sign in signs:
        assert sign["innocent_causes"], sign["kind"]
        assert sign["events"], sign["kind"]
        assert set(sign["events"]) <= known, sign["kind"]
    assert told.document["findings"] == []
    assert [entry["name"] for entry in told.document["persistence"] if entry["score"] > 20] == []


def test_the_tool_that_set_the_times_is_named(told: Told) -> None:
    (sign,) = [item for item in told.document["anti_forensics"] if item["kind"] == "times_changed"]
    assert "near that time ran powershell.exe" in sign["detail"]
    rows = {row["event_uid"]: row for row in told.run.lines("timeline.jsonl")}
    assert {rows[uid]["kind"] for uid in sign["events"] if uid in rows} >= {"usn.file_times_set", "process.created"}


def test_the_session_says_what_it_rests_on(told: Told) -> None:
    (session,) = told.document["sandbox_sessions"]
    reasons = "\n".join(session["reasons"])
    assert "content recovered from C:/$MFT" in reasons, "the .wsb is gone, its record is not"
    assert "was deleted at 2025-02-03 07:20:11.118 UTC after it ended" in reasons
    assert "the logs of virtual switches: collected, from 2025-02-03 07:30:02.118 UTC" in reasons


def test_a_cleared_log_begins_with_its_first_record_whatever_the_clock_showed_later(told: Told) -> None:
    """The records stamped 06:40 came after the clearing at 07:30: neither log tells of what was before it."""
    found = {span["path"].rpartition("/")[2]: span for row in told.document["coverage"] for span in row["spans"]}
    security, system = found["Security.evtx"], found["System.evtx"]
    assert (security["first"], security["first_record"]) == ("2025-02-03T07:30:03.204118+00:00", 20311)
    assert (security["last"], security["earliest"]) == (
        "2025-02-03T08:10:00.204118+00:00", "2025-02-03T06:40:00.204118+00:00",
    )  # fmt: skip
    assert system["first"] == "2025-02-03T07:30:02.118204+00:00"
    assert [step["record"] for step in security["steps"]] == [20312]
    rows = {row["artifact"]: row for row in told.document["coverage"]}
    assert "cleared at 2025-02-03T07:30:03.204118+00:00" in rows["event_logon"]["detail"]
    spoken = [text["en"] for answer in told.document["advisory"] for text in answer["why"]]
    assert "Security.evtx: from 2025-02-03 07:30:03.204 UTC to 2025-02-03 08:10:00.204 UTC" in spoken
    assert not any("from 2025-02-03 06:40" in text for text in spoken)
    shown = tool("show", told.run.case, "coverage").stdout
    assert "stamps run back at record 20312" in " ".join(shown.split())


def test_the_clock_that_was_set_back_is_said_wherever_it_matters(told: Told) -> None:
    """06:40 to 07:10 occurred twice: what numbers tell apart is told apart, other times say nothing."""
    signs = told.document["anti_forensics"]
    kinds = [sign["kind"] for sign in signs]
    assert kinds.index("time_changed") > max(place for place, kind in enumerate(kinds) if kind == "log_cleared")
    inside = [sign for sign in signs if "2025-02-03T06:40:00.2" < sign["time"] < "2025-02-03T07:10:00"]
    assert len(inside) == 12
    for sign in signs:
        assert ("twice: " in sign["detail"]) == (sign in inside), sign["detail"]
    for sign in inside:
        numbered = sign["kind"] in ("clearing_command", "times_changed", "journal_recreated", "exclusion_set")
        assert ("this was the first time" in sign["detail"]) == numbered, "Sysmon and the journal go on behind it"
        assert ("this may have been 1 h later" in sign["detail"]) != numbered
    notices = [item["text"] for item in json.loads((told.run.case / "run.json").read_text(encoding="utf-8"))["notices"]]
    assert any("showed 2025-02-03 06:40:00.118 UTC to 2025-02-03 07:10:00.018 UTC twice" in text for text in notices)
    (session,) = told.document["sandbox_sessions"]
    said = [text for text in session["reasons"] if "the clock showed" in text]
    assert len(said) == 1
    assert said[0].startswith("the end 2025-02-03 06:40:05")
    assert "this may have been 1 h later than it says" in said[0]


def test_levels_are_shown_and_exported(told: Told) -> None:
    shown = tool("show", told.run.case, "summary").stdout
    assert "clearing_command (strong)" in " ".join(shown.split())
    rows = [row for row in told.run.lines("timeline.jsonl") if row["kind"] == "anti_forensics"]
    levels = Counter(sign["level"] for sign in told.expected["anti_forensics"])
    assert Counter(row["af_level"] for row in rows) == levels


def test_rows_whose_stamp_occurred_twice_are_tagged(told: Told) -> None:
    rows = told.run.lines("timeline.jsonl")
    inside = {
        row["event_uid"] for row in rows if "2025-02-03T06:40:00.118" <= row["datetime"] < "2025-02-03T07:10:00.019"
    }
    tagged = {row["event_uid"]: row["tag"] for row in rows if "clock_ambiguous" in row["tag"]}
    assert set(tagged) == inside
    assert len(inside) > 40, "context too, not only signs"
    assert all(len(tags) > 1 for tags in tagged.values()), "what the row is about stands before it"


def test_rows_of_signs_name_who_and_by_which_technique(told: Told) -> None:
    rows = [row for row in told.run.lines("timeline.jsonl") if row["kind"] == "anti_forensics"]
    acted = {row["af_kind"] for row in rows if row.get("username") == "鈴木"}
    assert acted >= {"recorder_stopped", "service_switched_off", "clearing_command", "log_cleared", "exclusion_set"}
    assert all(row["session_attack"] and f"attack.{row['session_attack'][0].lower()}" in row["tag"] for row in rows)
    assert all(row["af_sources"] for row in rows)
    assert len({row["event_uid"] for row in rows}) == len(rows)
    assert not any("-24-" in row["event_uid"] or "log_cleared" in row["event_uid"] for row in rows), "no ordinals"


def test_signs_of_one_strength_stand_in_the_order_of_records(told: Told) -> None:
    lines = tool("show", told.run.case, "wiping").stdout.splitlines()
    heads = [line.split()[3] for line in lines if line.startswith("  medium")]
    assert heads.index("time_changed") > heads.index("journal_recreated"), "though its stamp is before"
    assert heads.index("time_changed") > heads.index("service_switched_off")


def test_the_clock_is_said_once_below_the_signs(told: Told) -> None:
    shown = tool("show", told.run.case, "wiping").stdout
    sentence = "the clock showed 2025-02-03 06:40:00.118 UTC to 2025-02-03 07:10:00.018 UTC twice"
    whole = [sign for sign in told.document["anti_forensics"] if f"{sentence}: " in sign["detail"]]
    assert len(whole) == 12, "the file keeps it whole"
    assert shown.count(f"  *1 {sentence}\n") == 1
    assert shown.count("(*1 ") == len(whole)
    assert f"{sentence}: " not in shown


def test_japanese_of_signs_and_notices(told: Told) -> None:
    shown = tool("show", told.run.case, "wiping", "--lang", "ja").stdout
    assert "「ファイル名を指定して実行」のコマンドの一覧(鈴木)が空である" in shown
    assert "消去・妨害のコマンド [clearing_command]" in shown
    assert "(プリフェッチ ファイル)" in shown
    assert "強い兆候" not in shown
    assert "1 h" not in shown
    assert "1 時間後" in shown
    summary = tool("show", told.run.case, "--lang", "ja", "--display-tz", "Asia/Tokyo").stdout
    notes = [line for line in summary.splitlines() if line.startswith("注意: ")]
    assert any("2025-02-03 15:40:00.118+09:00" in line for line in notes), "in the zone that is shown"
    assert "Note: " not in summary


def test_lists_in_a_pipe_end_with_their_last_word(told: Told) -> None:
    lines = tool("show", told.run.case, "coverage", "--display-tz", "Asia/Tokyo").stdout.splitlines()
    assert len(lines) > 100
    assert not [line for line in lines if line.endswith(" ")]
    assert not [line for line in lines if "+00:00" in line], "no raw UTC"


def test_the_checklist_answers_that_logs_were_erased(told: Told) -> None:
    answers = {row["id"]: row["answer"] for row in told.document["advisory"]}
    assert answers["logs.erased"] == answers["antivirus.weakened"] == "yes"


def test_the_clock_that_was_off_runs_through_the_records() -> None:
    """Written in their true order, with the times that the clock showed."""
    events = [event for event in all_events(scenario(NAME)) if event.channel == "Security"]
    times = [event.time for event in events]
    back = [(one, two) for one, two in pairwise(times) if two < one]
    assert len(back) == 1
    assert back[0][1] == datetime.fromisoformat("2025-02-03T06:40:00.204118+00:00")
    assert json.dumps([event.id for event in events if event.id == 4616]) == "[4616, 4616]"
