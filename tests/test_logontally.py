"""Logons from elsewhere, counted from notes of records that nobody read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics import logontally
from forensics.deferred import Note, about_of, is_note, kind_of, offset_of, ticks_of
from forensics.logontally import merged, tally
from forensics.model import Fact, Source
from forensics.spool import encode_fact, open_spool

BEGIN = 1_733_274_000_000_000  # 2024-12-04 01:00 UTC
NASTY = '"],"pid":"1"},9]\n\\u202e\x1b[2J]'


def note(second: int, *about: str, kind: str = "logon.succeeded") -> str:
    return Note(BEGIN + second * 1_000_000, kind, "700", about=about).line(0x1000 + second)


def written(path: Path, *lines: str) -> Path:
    with open_spool(path, "w") as handle:
        handle.writelines(line + "\n" for line in lines)
    return path


@pytest.mark.parametrize("text", ["10.0.0.7", NASTY, "[", "]", "},5]", ""])
def test_a_note_keeps_its_parts_whatever_it_is_counted_by(text: str) -> None:
    line = note(3, text, "3", "田中")
    assert "\n" not in line
    assert is_note(line)
    assert (kind_of(line), offset_of(line), ticks_of(line)) == ("logon.succeeded", 0x1003, BEGIN + 3_000_000)
    assert about_of(line) == [text, "3", "田中"]


def test_counts_by_address_manner_and_account(tmp_path: Path) -> None:
    lines = [note(index, "10.0.0.7", "3", "suzuki") for index in range(5)]
    lines += [note(9, "10.0.0.7", "10", "suzuki"), note(10, "10.0.0.8", "", "x", kind="logon.explicit")]
    lines += [note(11, "10.0.0.7", "5", "SYSTEM"), note(12, "-", "3", "x"), note(13), note(14, kind="process.created")]
    found = tally(written(tmp_path / "s", *lines))
    assert [(item.address, item.manner, item.user, item.count) for item in merged([found])] == [
        ("10.0.0.7", "4624 type 10", "suzuki", 1),
        ("10.0.0.7", "4624 type 3", "suzuki", 5),
        ("10.0.0.8", "4648", "x", 1),
    ]
    assert found.offsets() == (0x1000, 0x1004, 0x1009, 0x100A), "the first and last of each source"


def test_facts_that_were_read_at_once_count_alike(tmp_path: Path) -> None:
    source = Source("e", "C:/Security.evtx", None, "record 1")
    moment = datetime(2024, 12, 4, 1, 0, tzinfo=UTC)
    fields = {"source_ip": "10.0.0.7", "logon_type": 10, "target_user_name": "suzuki"}
    fact = Fact("logon.succeeded", source, {"Creation Time": moment}, fields, context=True)
    found = tally(written(tmp_path / "s", encode_fact(fact), encode_fact(fact)))
    (only,) = merged([found])
    assert (only.count, only.first, only.last) == (2, moment, moment)
    assert [item.fields for item in found.facts.values()] == [fields]


def test_parts_of_one_log_are_put_together(tmp_path: Path) -> None:
    parts = [tally(written(tmp_path / str(at), note(at, "10.0.0.7", "3", "suzuki"))) for at in (40, 2)]
    (only,) = merged(parts)
    assert only.count == 2
    assert only.first is not None
    assert only.last is not None
    assert (only.last - only.first).total_seconds() == 38


def test_damaged_lines_cost_themselves_alone(tmp_path: Path) -> None:
    whole = note(1, "10.0.0.7", "3", "suzuki")
    cuts = [whole[:at] for at in range(1, len(whole))]
    found = tally(written(tmp_path / "s", *cuts, whole))
    assert sum(item.count for item in found.sources.values()) >= 1
    assert ("10.0.0.7", "4624 type 3", "suzuki") in found.sources


def test_a_log_full_of_made_up_addresses_costs_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logontally, "_MOST_SOURCES", 10)
    found = tally(written(tmp_path / "s", *(note(index, f"10.0.0.{index}", "3", "x") for index in range(25))))
    assert (len(found.sources), found.left) == (10, 15)
