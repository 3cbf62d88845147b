"""What a person at the terminal sees and presses: zones, pipes, Ctrl-C, words, counts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest

from forensics.artifacts.base import all_artifacts
from forensics.case import Case
from forensics.collect import coverage
from forensics.deferred import computer_of
from forensics.evidence.base import Found
from forensics.formats.evtx import LogReader, Record
from forensics.intake import Count, JobResult
from forensics.jobs import Job
from forensics.model import Host, LogSpan, Problem, Source
from forensics.rules.collection import hint
from forensics.show.terminal import in_zone, moment
from forensics.times import iso
from tests.conftest import ROOT
from tests.evidence.layouts import folder, tree
from tests.running import KAPE_FOLDER, Run, timeline, tool

TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return timeline(KAPE_FOLDER, tmp_path_factory.mktemp("terminal") / "case", "--display-tz", "Asia/Tokyo")


def test_times_in_reasons_follow_the_shown_zone(run: Run) -> None:
    shown = tool("show", run.case, "sandbox", "--display-tz", "Asia/Tokyo")
    for out in (run.out, shown.stdout):
        assert "start 2024-12-03 14:10:25.100+09:00: the virtual machine's start" in out
        assert " UTC" not in out
    assert "2024-12-03 05:10:25.100 UTC" in (run.case / "sessions.json").read_text(encoding="utf-8")
    assert in_zone("at 2024-12-03 05:10:25.100 UTC", UTC) == "at 2024-12-03 05:10:25.100 UTC"
    assert in_zone("from 2024-12-03T05:10:25.100000+00:00", TOKYO) == "from 2024-12-03 14:10:25.100+09:00"
    assert in_zone("at 2024-99-03 05:10:25.100 UTC", TOKYO) == "at 2024-99-03 05:10:25.100 UTC"
    assert moment("2024-12-03T05:10:25.100000+00:00", UTC) == "2024-12-03 05:10:25Z"


def test_a_key_is_said_to_be_written_and_not_its_entry(run: Run) -> None:
    (line,) = [line for line in run.out.splitlines() if "HelloSync" in line]
    assert "key last written 2024-12-03 10:52:07+09:00" in line
    rows = [row for row in run.lines("timeline.jsonl") if row.get("mechanism") == "run_key" and "per_name" in row]
    seen = [row["message"] for row in rows if row["event_uid"].endswith("-seen")]
    by_log = [text for text in seen if "first seen, by Sysmon 13: the value was set by 田中" in text]
    assert len(by_log) == 1
    assert len(seen) > 1
    by_command = [text for text in seen if "Security 4688: a command that makes it was run by 田中" in text]
    assert len(by_command) == 1
    others = [text for text in seen if text not in (*by_log, *by_command)]
    assert all("its key was last written (a bound" in text for text in others)


def test_rows_are_counted_as_the_files_have_them(run: Run, tmp_path: Path) -> None:
    cut = timeline(KAPE_FOLDER, tmp_path / "cut", "--start", "2024-12-04", "--end", "2024-12-04T12:00")
    for item in (run, cut):
        rows = item.lines("timeline.jsonl")
        counts = json.loads((item.case / "run.json").read_text(encoding="utf-8"))["counts"]
        sessions = sum(row["kind"] in ("session", "persistence", "anti_forensics", "finding") for row in rows)
        assert (counts["timeline_rows"], counts["session_rows"]) == (len(rows), sessions)
        assert counts["events"] == len(rows) - sessions
        assert f"{len(rows)} timeline rows ({counts['events']} events, {sessions} rows of sessions" in item.out
    assert all("2024-12-04T00:00" <= row["datetime"] <= "2024-12-04T12:00:01" for row in cut.lines("timeline.jsonl"))
    left = counts["session_rows_outside"]
    assert left > 0
    assert f"{left} more lie outside --start and --end" in cut.out
    Case.load(cut.case).save(tmp_path / "again")
    assert (tmp_path / "again/timeline.jsonl").read_bytes() == (cut.case / "timeline.jsonl").read_bytes()


def test_every_row_names_its_place_or_what_it_rests_on(run: Run) -> None:
    known = {row["event_uid"] for name in ("timeline.jsonl", "undated.jsonl") for row in run.lines(name)}
    for row in [*run.lines("timeline.jsonl"), *run.lines("undated.jsonl")]:
        if row["kind"] in ("session", "persistence", "anti_forensics", "finding"):
            assert set(row["session_events"]) <= known
            assert row["session_event_count"] >= len(row["session_events"]) > 0
        else:
            assert row["source_path"]
            assert row["source_locator"]
    (lock,) = {row["source_locator"] for row in run.lines("timeline.jsonl") if row["kind"] == "tunnel.identity"}
    assert lock == "file"
    assert "()" not in "".join(str(row["no_times"]) for row in run.lines("undated.jsonl"))


# -- pipes, keys, files --------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("arguments", [("show", "{case}", "sandbox"), ("show", "{case}", "--json")])
def test_a_reader_that_goes_away_is_no_error(run: Run, arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "forensics", *(item.format(case=run.case) for item in arguments)]
    reader, writer = os.pipe()
    os.close(reader)  # nobody listens from the start: every write fails
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, cwd=ROOT, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks")
def test_ctrl_c_prints_no_traceback(tmp_path: Path) -> None:
    """A terminal sends it to every process of the group, also to those that are still importing."""
    command = [sys.executable, "-m", "forensics", "timeline", str(KAPE_FOLDER), "-o", str(tmp_path / "case")]
    for delay in (0.0, 0.1, 0.2):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, start_new_session=True
        ) as process:
            while process.poll() is None and not _workers(process.pid):
                time.sleep(0.005)
            time.sleep(delay)
            os.killpg(process.pid, signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert b"Traceback" not in err, err
        assert b"Aborted" in err
        assert not (tmp_path / "case").exists()


def _workers(pid: int) -> bool:
    try:
        lines = [" ".join(child.cmdline()) for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:  # one that has just ended
        return False
    return any("spawn_main" in line or "forkserver" in line for line in lines)


def test_exported_content_is_not_overwritten(tmp_path: Path) -> None:
    assert tool("content", "export", tmp_path / "new").returncode == 0
    mine = next((tmp_path / "new").iterdir())
    mine.write_text("mine")
    refused = tool("content", "export", tmp_path / "new")
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert mine.read_text() == "mine"
    assert tool("content", "export", tmp_path / "new", "--force").returncode == 0
    assert mine.read_text() != "mine"


def test_verify_says_when_there_is_nothing_to_verify_with(tmp_path: Path) -> None:
    (tmp_path / "disk.raw").write_bytes(bytes(1 << 20))
    done = tool("verify", tmp_path / "disk.raw")
    assert done.returncode == 3
    assert "NOT VERIFIED" in done.stdout
    noted = tool("verify", KAPE_FOLDER)
    assert noted.returncode == 0
    assert "the collector noted a hash of" in noted.stdout


# -- coverage ------------------------------------------------------------------------------------------------------


def test_coverage_knows_the_period_of_each_log(run: Run) -> None:
    rows = {row["artifact"]: row for row in run.document()["coverage"]}
    (span,) = rows["event_logon"]["spans"]
    log = KAPE_FOLDER / "C/Windows/System32/winevt/Logs/Security.evtx"
    with log.open("rb") as handle:
        records = [item for item in LogReader(handle) if isinstance(item, Record)]
    written = sorted(iso(item.written) for item in records if isinstance(item.written, datetime))
    assert span["path"] == "C:/Windows/System32/winevt/Logs/Security.evtx"
    assert (span["first"], span["last"]) == (written[0], written[-1])
    assert (span["first_record"], span["last_record"]) == (records[0].record_id, records[-1].record_id)
    assert rows["prefetch"]["spans"] == []
    assert len(rows["event_log_cleared"]["spans"]) == 2
    shown = tool("show", run.case, "coverage").stdout
    assert "2024-12-02 03:20:45Z" in shown
    assert f"{span['first_record']} to {span['last_record']}" in shown


def test_the_parts_of_a_log_have_one_period() -> None:
    late, early = datetime(2024, 12, 5, tzinfo=UTC), datetime(2024, 12, 1, tzinfo=UTC)
    whole = JobResult("a.evtx", computers={"A": 1}, span=LogSpan("a.evtx", late, late, 90, 99))
    whole.add(JobResult("a.evtx", computers={"A": 2, "B": 1}, span=LogSpan("a.evtx", early, late, 1, 89)))
    whole.add(JobResult("a.evtx", span=LogSpan("a.evtx")))
    whole.add(JobResult("a.evtx"))
    assert whole.span == LogSpan("a.evtx", early, late, 1, 99)
    assert whole.computers == {"A": 3, "B": 1}


def test_a_file_read_in_spite_of_a_refusal_counts_once() -> None:
    artifact = next(item for item in all_artifacts() if item.name == "tunnel_log")
    path, pattern = "C:/Users/a/.vscode/cli/tunnel-service.log", "Users/*/.vscode/cli/tunnel-service.log"
    other = path.replace("Users/a", "Users/b")
    job = Job(path, 10, (artifact.name,), "spool", Host())
    results = {path: JobResult(path, counts={artifact.name: Count(1, 1, 3, 0)})}
    refused = [Found(place, 0, (pattern,), why="its folder does not lead to it") for place in (path, other)]
    said = [Problem("partial", "evidence", Source("e", place, None, ""), "said") for place in (path, other)]
    (row,) = coverage((artifact,), [job], results, said, blocked=refused, whole=True)
    assert (row.found, row.state) == (2, "partial")
    assert row.detail.startswith("2 of 2 files with problems")


def test_an_emptied_log_is_said(tmp_path: Path) -> None:
    place = tmp_path / "WS-TANAKA"
    files = {name: b"" if name.endswith("tunnel-service.log") else data for name, data in tree().items()}
    run = timeline(folder(place, files), tmp_path / "case")
    document = run.document()
    (row,) = [item for item in document["coverage"] if item["artifact"] == "tunnel_log"]
    assert "1 of 1 files empty: C:/Users/田中/.vscode/cli/tunnel-service.log" in row["detail"]
    (sign,) = [item for item in document["anti_forensics"] if item["kind"] == "log_emptied"]
    assert "tunnel-service.log is empty, though" in sign["detail"]
    assert sign["innocent_causes"]
    assert "log_emptied" in run.out


def test_what_was_not_collected_is_said_shortly(tmp_path: Path) -> None:
    assert hint(("Windows/Prefetch/*.pf",)) == "KAPE target Prefetch takes it; CyLR too"
    few = {name: data for name, data in tree().items() if "config/S" in name}
    run = timeline(folder(tmp_path / "WS", few), tmp_path / "case")
    shown = tool("show", run.case, "coverage").stdout
    assert shown.count("not collected is not clean") == 1
    assert "finding nothing there proves nothing" in run.out


def test_a_record_that_is_put_off_still_names_its_computer() -> None:
    text = '{"Event":{"System":{"Computer":"WS-\\"1","Channel":"Security"},"EventData":{"Computer":"x"}}}'
    assert computer_of(text) == 'WS-"1'
    assert computer_of("{}") == ""
