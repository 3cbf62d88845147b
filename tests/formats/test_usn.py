"""Change journals: row for row as fsutil lists them, and what damage costs."""

from __future__ import annotations

import io
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.formats import FormatError
from forensics.formats.usn import CLOSE, CREATE, JournalReader, Record, reasons
from testdata.writers import usn

T0 = datetime(2024, 12, 4, 1, 2, 11, 123456, tzinfo=UTC)
ROOT = usn.reference(5, 5)
# How fsutil spells the reasons.
SPELLED = {"rename: old name", "rename: new name"}


def read(data: bytes) -> tuple[list[Record], list[FormatError], JournalReader]:
    reader = JournalReader(io.BytesIO(data))
    items = list(reader)
    records = [item for item in items if not isinstance(item, FormatError)]
    return records, [item for item in items if isinstance(item, FormatError)], reader


def changes(count: int, version: int = 2) -> list[usn.Change]:
    return [
        usn.Change(T0 + timedelta(seconds=index), usn.reference(100 + index), ROOT, f"名{index:04}.wsb", CREATE | CLOSE,
                   version=version)
        for index in range(count)
    ]  # fmt: skip


def listing(path: Path) -> list[dict[str, str]]:
    """The records of an `fsutil usn readjournal` listing."""
    rows: list[dict[str, str]] = []
    for block in re.split(r"\n(?=Usn +:)", path.read_text("utf-8-sig").replace("\r", ""))[1:]:
        pairs = (line.partition(":") for line in block.split("\n") if re.match(r"[A-Z][A-Za-z ]+:", line))
        if row := {name.strip(): value.strip() for name, _, value in pairs}:
            rows.append(row)
    return rows


@pytest.mark.samples
def test_row_for_row_as_fsutil(samples: Path) -> None:
    rows = listing(samples / "ntfs/usnjrnlj.fsutil.txt")
    records, faults, _ = read((samples / "ntfs/usnjrnlj.bin").read_bytes())
    assert not faults
    assert len(rows) == 268
    # fsutil ran three records earlier, in Pacific time, and shows version 2 as version 3.
    for row, record in zip(rows, records, strict=False):
        assert int(row["Usn"]) == record.usn == record.offset
        assert int(row["File ID"], 16) == record.file
        assert int(row["Parent file ID"], 16) == record.parent
        assert int(row["Reason"][:10], 16) == record.reason
        words = [word.casefold() for word in row["Reason"].partition(": ")[2].split(" | ")]
        assert sorted(words) == sorted(reasons(record.reason))
        if row["Major version"] == "4":
            assert (record.version, record.name, record.length) == (4, None, int(row["Record length"]))
            assert record.extents == ((0, 2228224),)
            continue
        assert record.version == 2
        assert row["File name"] == record.name
        assert int(row["File name length"]) == 2 * len(record.name or "")
        assert int(row["File attributes"][:10], 16) == record.attributes
        assert int(row["Security ID"]) == record.security_id
        assert record.source_info == int(row["Source info"][:10], 16)
        shown = datetime.strptime(row["Time stamp"], "%m/%d/%Y %H:%M:%S").replace(tzinfo=UTC)
        assert isinstance(record.time, datetime)
        assert abs(record.time - shown) < timedelta(seconds=1), "the listing shows UTC"


@pytest.mark.samples
def test_a_day_of_changes_in_a_moment(samples: Path) -> None:
    data = (samples / "ntfs/usnjrnl-15236-records.bin").read_bytes()
    began = time.process_time()
    records, faults, reader = read(data)
    assert time.process_time() - began < 1
    assert (len(records), faults) == (15236, [])
    assert reader.tally.versions == {2: 15214, 4: 22}
    assert sum(record.length for record in records) + reader.tally.zeros == len(data)


@pytest.mark.parametrize("version", [2, 3])
def test_both_widths_of_references(version: int) -> None:
    (record,), faults, _ = read(usn.build(changes(1, version)))
    assert not faults
    assert record.version == version
    assert (record.file, record.parent) == (usn.reference(100), ROOT)
    assert (record.name, record.time, record.reason) == ("名0000.wsb", T0, CREATE | CLOSE)


def test_ranges_have_no_name_and_no_time() -> None:
    (record,), faults, _ = read(usn.build(changes(1, 4)))
    assert not faults
    assert record.name is None
    assert not isinstance(record.time, datetime)
    assert record.extents == ((0, 65536),)


def test_a_hole_of_many_mebibytes_is_skipped() -> None:
    hole = 96 * 1024 * 1024
    began = time.process_time()
    records, faults, reader = read(bytes(hole) + usn.build(changes(300), first_usn=hole))
    assert time.process_time() - began < 2
    assert (len(records), faults) == (300, [])
    assert records[0].usn == records[0].offset == hole
    assert reader.tally.zeros >= hole


def test_pages_and_blocks_do_not_matter() -> None:
    made = changes(30_000)
    records, faults, _ = read(usn.build(made))
    assert not faults
    assert [record.name for record in records] == [change.name for change in made]


def test_a_damaged_record_costs_itself() -> None:
    data = bytearray(usn.build(changes(200)))
    before, _, _ = read(bytes(data))
    victim = before[77]
    data[victim.offset : victim.offset + 16] = b"\xff" * 16
    records, faults, reader = read(bytes(data))
    assert records == before[:77] + before[78:]
    assert [fault.offset for fault in faults] == [victim.offset]
    assert (reader.tally.lost, reader.tally.damaged, reader.tally.gaps) == (victim.length, 1, 0)


def test_what_was_zeroed_or_cut_out_is_missed() -> None:
    whole = usn.build(changes(200))
    records, _, _ = read(whole)
    start, end = records[50].offset, records[60].offset
    for data in (whole[:start] + bytes(end - start) + whole[end:], whole[:start] + whole[end:]):
        found, faults, reader = read(data)
        assert len(found) == 190
        assert reader.tally.gaps == 1
        assert f"USN {start} is followed by {end}" in str(faults[0])


def test_noise_ends_in_time() -> None:
    data = b"\x40\x00\x00\x00\x02\x00\x00\x00" * 60_000 + b"\xaa" * 500_000
    began = time.process_time()
    records, faults, reader = read(data)
    assert time.process_time() - began < 5
    assert not records
    assert faults
    assert reader.tally.lost + reader.tally.zeros == len(data)


def test_every_cut_keeps_what_is_whole() -> None:
    data = usn.build(changes(60))
    whole, _, _ = read(data)
    for cut in range(0, len(data), 7):
        records, faults, reader = read(data[:cut])
        assert records == [record for record in whole if record.offset + record.length <= cut]
        rest = data[records[-1].offset + records[-1].length : cut] if records else data[:cut]
        assert bool(faults) == bool(rest.strip(b"\x00")), cut
        assert sum(record.length for record in records) + reader.tally.zeros + reader.tally.lost == cut


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=2000), st.integers(0, 30))
def test_any_bytes(noise: bytes, count: int) -> None:
    data = usn.build(changes(count)) + noise
    records, _, reader = read(data)
    assert len(records) >= count
    assert sum(record.length for record in records) + reader.tally.zeros + reader.tally.lost == len(data)
    places = [record.offset for record in records]
    assert places == sorted(set(places))


def test_unknown_reasons_are_shown() -> None:
    assert reasons(0x40000100) == ("file create", "0x40000000")
