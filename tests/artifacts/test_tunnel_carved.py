from __future__ import annotations

import zipfile
from pathlib import Path

from forensics.artifacts import tunnel_carved
from forensics.artifacts.base import asked_for
from tests.artifacts.file_inputs import BORN, TUNNEL_LOG, run, utc
from tests.running import LAYOUTS, timeline

NOISE = b"\x00\x17page" * 900


def test_rows_of_a_page_file() -> None:
    facts, problems = run(tunnel_carved.ARTIFACT, "C:/pagefile.sys", NOISE + TUNNEL_LOG.encode() + NOISE)
    assert problems == []
    assert {fact.kind for fact in facts} == {"tunnel.log_carved"}
    assert [fact.fields["log_event"] for fact in facts if not fact.context][:2] == ["host_started", "singleton_started"]
    first = facts[0]
    assert first.source.locator == f"offset 0x{len(NOISE):x}"
    assert first.times == {BORN: utc(2024, 12, 4, 1, 2, 11)}
    assert first.fields["log_event"] == "host_started"
    assert "inference" in first.fields["log_zone_reason"]


def test_between_the_changes_both_readings_are_kept() -> None:
    (fact,), _ = run(tunnel_carved.ARTIFACT, "C:/pagefile.sys", b"[2026-02-01 10:00:00] info Server started\n")
    assert fact.fields["log_zone"] == "undecided"
    assert fact.fields["log_time_if_utc"] == "2026-02-01T10:00:00+00:00"


def test_it_is_only_done_on_request(tmp_path: Path) -> None:
    assert tunnel_carved.ARTIFACT not in asked_for(carve=False)
    assert tunnel_carved.ARTIFACT in asked_for(carve=True)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as target:
        target.writestr("C/pagefile.sys", NOISE + TUNNEL_LOG.encode())
        target.writestr("C/Windows/System32/config/SYSTEM", "")
    for options, count in ((), 0), (("--carve",), 19):
        made = timeline(tmp_path / "c.zip", tmp_path / f"case{count}", "-q", "--all-events", *options)
        rows = [*made.lines("timeline.jsonl"), *made.lines("undated.jsonl")]
        assert sum("log_carved" in str(row) for row in rows) == count


def test_the_free_space_of_an_image_is_read_to_its_end(tmp_path: Path) -> None:
    made = timeline(LAYOUTS["e01"], tmp_path / "case", "-q", "--carve")
    (row,) = (row for row in made.document()["coverage"] if row["artifact"] == "tunnel_carved")
    assert (row["found"], row["state"]) in ((1, "complete"), (1, "nothing_found"))
    assert not [problem for problem in made.lines("problems.jsonl") if problem["artifact"] == "tunnel_carved"]
