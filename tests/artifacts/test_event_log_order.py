"""A log as a whole: numbers that are missing, silences, times that run back; nothing of it decoded."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest

from forensics.artifacts.base import FileInput
from forensics.artifacts.event_log_order import ARTIFACT
from forensics.formats.evtx import LogReader
from forensics.model import Host
from testdata.writers.evtx import LogWriter
from testdata.writers.providers import event
from tests.artifacts.registry_inputs import sorted_out

START = datetime(2024, 12, 2, 8, 0, tzinfo=UTC)


def log(times: list[datetime], first: int = 1) -> bytes:
    target = io.BytesIO()
    with LogWriter(target, "System", first_record=first) as writer:
        for moment in times:
            writer.write(event("System", 6013, moment, computer="PC"))
    return target.getvalue()


def described(data: bytes, name: str = "System") -> dict:
    path = f"C:/Windows/System32/winevt/Logs/{name}.evtx"
    given = FileInput(path, io.BytesIO(data), len(data), "0" * 64, "ev", Host(), None)
    facts, problems = sorted_out(ARTIFACT, list(ARTIFACT.parse(given)))
    assert problems == []
    return {} if not facts else {**facts[0].fields, "time": facts[0].times["Start Time"]}


def cut_out(data: bytes, number: int) -> bytes:
    """The log with the record's signature gone and its number given to nobody: it became part of the one before it.

    As the tools do that hide a record: the size of the record before grows over it.
    """
    raw = bytearray(data)
    places = {record.record_id: record.offset for record in LogReader(io.BytesIO(data))}
    victim, before = places[number], places[number - 1]
    size = int.from_bytes(raw[victim + 4 : victim + 8], "little")
    grown = victim - before + size
    raw[before + 4 : before + 8] = grown.to_bytes(4, "little")
    raw[victim + size - 4 : victim + size] = grown.to_bytes(4, "little")
    return bytes(raw)


def test_a_whole_log() -> None:
    found = described(log([START + timedelta(minutes=n) for n in range(300)], first=812))
    assert found["time"] == START
    assert (found["first_record_number"], found["last_record_number"]) == ("812", "1111")
    assert (found["record_count"], found["missing_records"], found["damaged_parts"]) == (300, 0, 0)
    assert not {"record_gaps", "silences", "clock_steps"} & found.keys()


def test_a_record_that_was_cut_out() -> None:
    found = described(cut_out(log([START + timedelta(minutes=n) for n in range(50)]), 20))
    assert (found["record_count"], found["missing_records"]) == (49, 1)
    assert found["record_gaps"] == (
        "19-21: 1 missing, 2024-12-02T08:18:00.000000+00:00 to 2024-12-02T08:20:00.000000+00:00",
    )


def test_silences_and_a_clock_that_runs_back() -> None:
    hours = [0, 1, 20, 21, 15, 16]
    found = described(log([START + timedelta(hours=n) for n in hours]))
    assert found["silences"] == ("2024-12-02T09:00:00.000000+00:00/2024-12-03T04:00:00.000000+00:00",)
    assert found["clock_steps"] == ("2024-12-03T05:00:00.000000+00:00/2024-12-02T23:00:00.000000+00:00",)
    assert len(found["clock_step_records"]) == 1
    before, _, after = found["clock_step_records"][0].partition("-")
    assert int(after) == int(before) + 1


def test_a_zeroed_chunk_is_damage() -> None:
    data = bytearray(log([START + timedelta(minutes=n) for n in range(1500)]))
    data[0x1000 + 0x10000 : 0x1000 + 0x20000] = bytes(0x10000)
    found = described(bytes(data))
    assert found["damaged_parts"] == 1
    assert found["missing_records"] > 100


def test_last_records_that_the_header_counts() -> None:
    data = log([START + timedelta(minutes=n) for n in range(1500)])
    found = described(data[:-0x10000] + bytes(0x10000))
    assert found["missing_records"] == 1500 - found["record_count"]


@pytest.mark.parametrize("size", range(0, 140_000, 1717))
def test_truncation(size: int) -> None:
    found = described(log([START + timedelta(minutes=n) for n in range(300)])[:size])
    assert found.get("record_count", 0) <= 300


def test_no_log_at_all() -> None:
    assert described(b"MZ" + bytes(90_000)) == {}
    assert described(b"") == {}
