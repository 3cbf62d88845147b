"""The zone that an examiner states: used where no SYSTEM hive tells one, said where one contradicts it."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from forensics import Case, analyse
from forensics.formats.hostinfo import STATED, with_stated_zone, zone_is_stated
from forensics.model import Host
from forensics.pipeline import Options
from forensics.times import named_zone, same_zone
from tests.evidence.layouts import folder, tree
from tests.running import timeline

NAME = "tunnel-service.log"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tunnel's log alone, as somebody mails it."""
    data = next(data for name, data in tree().items() if name.endswith(NAME))
    return folder(tmp_path_factory.mktemp("tz") / "in", {NAME: data})


def test_the_stated_zone_dates_a_log_and_says_so(log: Path, tmp_path: Path) -> None:
    bare = timeline(log, tmp_path / "bare", "--all-events")
    assert not [row for row in bare.lines("timeline.jsonl") if row.get("log_zone")], "nothing dates it"
    assert bare.lines("undated.jsonl")
    done = timeline(log, tmp_path / "case", "--all-events", "--evidence-tz", "Tokyo Standard Time")
    rows = [row for row in done.lines("timeline.jsonl") if row.get("log_zone") == "local"]
    assert rows
    assert all("Tokyo Standard Time, is stated by the examiner" in row["log_zone_reason"] for row in rows)
    assert rows[0]["datetime"].startswith("2024-12-0")
    run = Case.load(done.case).run
    assert run["options"]["evidence_tz"] == "Tokyo Standard Time"
    host = done.document()["evidence"][0]["host"]
    assert host["timezone"] == "Tokyo Standard Time"
    assert host["unknown"]["timezone"].startswith(STATED)
    assert "stated by the examiner" in done.out


def test_a_library_user_may_state_it(log: Path) -> None:
    one = analyse(log, options=Options(all_events=True, evidence_tz="Asia/Tokyo"))
    two = analyse(log, options=Options(all_events=True, evidence_tz="America/New_York"))
    times = [[event.time for event in case.events if event.fields.get("log_zone")] for case in (one, two)]
    assert len(times[0]) == len(times[1]) > 0
    assert {later - sooner for sooner, later in zip(*times, strict=True)}.pop().total_seconds() == 14 * 3600
    with pytest.raises(ValueError, match="no time zone"):
        Options(evidence_tz="Nope/X")


def test_a_hive_keeps_the_last_word(tmp_path: Path) -> None:
    files = {name: data for name, data in tree().items() if name.endswith(("config/SYSTEM", NAME))}
    top = folder(tmp_path / "in/C", files).parent
    wrong = timeline(top, tmp_path / "wrong", "--evidence-tz", "Europe/Berlin")
    (problem,) = [item for item in wrong.lines("problems.jsonl") if item["fault"] == "zone_conflict"]
    assert "Europe/Berlin" in problem["detail"]
    assert "Tokyo Standard Time" in problem["detail"]
    assert wrong.code == 3
    right = timeline(top, tmp_path / "right", "--evidence-tz", "Asia/Tokyo")
    assert not [item for item in right.lines("problems.jsonl") if item["fault"] == "zone_conflict"]
    assert wrong.document()["evidence"][0]["host"]["timezone"] == "Tokyo Standard Time"
    assert "stated by the examiner" not in (wrong.case / "timeline.jsonl").read_text(encoding="utf-8")


def test_what_a_zone_is_called() -> None:
    assert same_zone(named_zone("Tokyo Standard Time"), named_zone("Japan"))
    assert not same_zone(named_zone("Europe/Berlin"), named_zone("Europe/London"))
    assert named_zone("utc") is UTC
    for name in ("", "../etc/passwd", "America", "x" * 5000, "a\x00b"):
        with pytest.raises(ValueError, match="no time zone"):
            named_zone(name)
    host, conflict = with_stated_zone(Host(unknown={"timezone": "no hive"}), "UTC")
    assert (host.timezone, conflict) == ("UTC", "")
    assert zone_is_stated(host)
    assert "no hive" in host.unknown["timezone"]
    fixed = Host(bias_minutes=-540)
    assert with_stated_zone(fixed, "Asia/Tokyo") == (fixed, "")
    assert "fixed offset" in with_stated_zone(fixed, "UTC")[1]


def test_nonsense_is_a_usage_error(log: Path, tmp_path: Path) -> None:
    done = timeline(log, tmp_path / "case", "--evidence-tz", "Nope/X")
    assert done.code == 2
    assert not done.case.exists()
