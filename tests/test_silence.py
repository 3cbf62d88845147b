"""Coverage of event logs that say nothing: emptied, cleared and refilled, or never told to record it."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from forensics.intake import Clearing, JobResult
from testdata.writers.evtx import LogWriter
from testdata.writers.providers import event
from tests.evidence.layouts import folder, tree
from tests.running import timeline

LOGS = "Windows/System32/winevt/Logs/"
SECURITY, SYSTEM = f"{LOGS}Security.evtx", f"{LOGS}System.evtx"
SYSMON = f"{LOGS}Microsoft-Windows-Sysmon%4Operational.evtx"
CLEARED = datetime(2024, 12, 4, 11, 0, tzinfo=UTC)
WHO = {"SubjectUserSid": "S-1-5-21-1-2-3-1001", "SubjectUserName": "a", "SubjectDomainName": "W", "SubjectLogonId": 7}


def log(channel: str, events: Iterable[tuple[int, datetime, dict[str, Any]]] = ()) -> bytes:
    """A log of that channel with these events."""
    target = io.BytesIO()
    with LogWriter(target, channel) as writer:
        for number, moment, data in events:
            writer.write(event(channel, number, moment, computer="WS-TANAKA", data=data))
    return target.getvalue()


def coverage(tmp_path: Path, logs: dict[str, bytes]) -> dict[str, Any]:
    """The coverage rows, by artifact, of a host with these logs alone."""
    files = {name: data for name, data in tree().items() if "config/S" in name} | logs
    run = timeline(folder(tmp_path / "WS", files), tmp_path / "case")
    return {row["artifact"]: row for row in run.document()["coverage"]}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    later = CLEARED + timedelta(minutes=5)
    logon = {**WHO, "TargetUserSid": "S-1-5-18", "TargetUserName": "SYSTEM", "TargetDomainName": "NT", "LogonType": 5}
    return coverage(tmp_path_factory.mktemp("silence"), {
        SECURITY: log("Security", [(1102, CLEARED, WHO), (4624, later, logon)]),
        SYSTEM: log("System", [(104, CLEARED, {
            "SubjectUserName": "a", "SubjectDomainName": "W",
            "Channel": "Microsoft-Windows-TaskScheduler/Operational", "BackupPath": "",
        })]),
        SYSMON: log("Microsoft-Windows-Sysmon/Operational"),
        f"{LOGS}Microsoft-Windows-TaskScheduler%4Operational.evtx": log("Microsoft-Windows-TaskScheduler/Operational"),
        f"{LOGS}Setup.evtx": b"",
    })  # fmt: skip


def test_an_empty_log_is_not_one_that_was_searched_in_vain(rows: dict[str, Any]) -> None:
    said = rows["event_sysmon"]["detail"]
    assert said == ("Microsoft-Windows-Sysmon%4Operational.evtx: 0 records: cleared, or nothing was ever written to it")


def test_an_empty_log_that_was_cleared_names_when_and_who_tells_it(rows: dict[str, Any]) -> None:
    said = rows["event_task_scheduler"]["detail"]
    assert "0 records: cleared at 2024-12-04T11:00:00" in said
    assert "(System.evtx, record 1)" in said


def test_a_log_without_the_wanted_ids_says_which_and_why(rows: dict[str, Any]) -> None:
    said = rows["event_process_audit"]["detail"]
    assert said.startswith("Security.evtx: 2 records, none of event 4688, 4689: auditing was off, or it did not happen")
    assert "cleared at 2024-12-04T11:00:00" in said
    assert "looked, found nothing" not in said


def test_a_log_that_speaks_again_still_tells_that_it_was_cleared(rows: dict[str, Any]) -> None:
    row = rows["event_logon"]
    assert row["facts"] == 1
    assert "Security.evtx: cleared at 2024-12-04T11:00:00" in row["detail"]
    assert "what it held before is gone" in row["detail"]


def test_an_empty_file_keeps_its_own_word(rows: dict[str, Any]) -> None:
    said = rows["event_servicing"]["detail"]
    assert "1 of 1 files empty" in said
    assert "records" not in said


def test_what_is_silent_without_a_known_clearing_does_not_say_that_there_was_one(tmp_path: Path) -> None:
    rows = coverage(tmp_path, {SECURITY: log("Security", [(4616, CLEARED, WHO)])})
    said = rows["event_process_audit"]["detail"]
    assert said == (
        "Security.evtx: 1 record, none of event 4688, 4689: auditing was off, or it did not happen, or cleared before"
    )


def test_a_clearing_is_recorded_whatever_is_audited(tmp_path: Path) -> None:
    said = coverage(tmp_path, {SECURITY: log("Security", [(4616, CLEARED, WHO)])})["event_log_cleared"]["detail"]
    assert said.startswith("Security.evtx: 1 record, none of event 1102: these are written whatever is audited")
    assert "auditing was off" not in said


def test_an_archive_from_before_the_clearing_was_not_cleared(tmp_path: Path) -> None:
    before = log("Security", [(4616, CLEARED - timedelta(hours=2), WHO)])
    rows = coverage(tmp_path, {
        SECURITY: log("Security", [(1102, CLEARED, WHO)]),
        f"{LOGS}Archive-Security-2024-12-04-10-59-59-000.evtx": before,
    })  # fmt: skip
    about_archive, about_live = rows["event_process_audit"]["detail"].split("; Security.evtx")
    assert "cleared at" not in about_archive
    assert "cleared at" in about_live


def test_clearings_of_parts_are_counted_once_and_not_without_end() -> None:
    one = Clearing("Security", CLEARED, "Security.evtx, record 1")
    whole = JobResult("a.evtx", clearings=[one])
    whole.add(JobResult("a.evtx", clearings=[one, Clearing("System", CLEARED, "System.evtx, record 2")]))
    assert len(whole.clearings) == 2
    for number in range(1_000):
        whole.note_clearing(Clearing("System", CLEARED + timedelta(seconds=number), "x"))
    assert len(whole.clearings) == 100
