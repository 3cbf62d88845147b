"""The event-log reader on logs built here: nothing lost, or said what; wanted records alone equal all records."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
from datetime import datetime

import pytest

from forensics.formats import FormatError, evtx
from forensics.formats.evtx import LogReader, Record, channel_of
from forensics.formats.evtx_checks import ChecksumError
from forensics.times import NoTime
from tests.conftest import ROOT
from tests.formats.crafted_logs import CHUNK, CHUNK_HEAD, FILE_HEAD, chunk_offsets, log, moment, rows, seal
from tests.running import LAYOUTS

COUNT = 700  # some four chunks
FEW = 40  # one chunk, for the decoder that takes milliseconds a record


@pytest.fixture(scope="module")
def plain():
    return bytes(log(COUNT))


def read(data, wanted=None, **options):
    reader = LogReader(io.BytesIO(bytes(data)), wanted, **options)
    items = list(reader)
    records = [item for item in items if isinstance(item, Record)]
    errors = [item for item in items if isinstance(item, FormatError) and not isinstance(item, ChecksumError)]
    assert len(records) + len(errors) + sum(isinstance(item, ChecksumError) for item in items) == len(items)
    return records, errors, reader.tally


def numbers(records):
    return [record.record_id for record in records]


def test_reads_every_record(plain):
    records, errors, tally = read(plain)
    assert errors == []
    assert [(record.offset, record.record_id) for record in records] == [(at, number) for at, _, number in rows(plain)]
    assert (tally.claimed, tally.parsed, tally.first_record, tally.last_record) == (COUNT, COUNT, 1, COUNT)
    assert (tally.bad_chunks, tally.dirty, tally.details, tally.jumps) == (0, False, [], [])
    assert tally.chunks == len(chunk_offsets(plain)) > 3
    start = records[5]
    assert (start.event_id, start.channel, start.computer) == (4688, "Security", "WS-TANAKA")
    assert start.provider == "Microsoft-Windows-Security-Auditing"
    assert start.time == start.written == moment(5)
    assert (start.process_id, start.event_record_id) == (4, 6)
    assert start.data["CommandLine"] == "tool5 --名 5"
    assert start.data["NewProcessId"] == "0x14"


@pytest.mark.parametrize("window", [1, 3, 64])
@pytest.mark.parametrize("wanted", [{4688}, {4634}, {4624}, {4688, 4634}, set()])
def test_wanted_records_equal_all_records(plain, wanted, window, monkeypatch):
    monkeypatch.setattr(evtx, "SWALLOW_BELOW", 1.1)
    full, _, _ = read(plain)
    records, errors, tally = read(plain, frozenset(wanted), window=window)
    assert records == [record for record in full if record.event_id in wanted]
    assert errors == []
    assert (tally.claimed, tally.parsed) == (COUNT, COUNT)


def test_the_slow_decoder_reads_the_same(monkeypatch):
    data = bytes(log(FEW))
    fast, _, _ = read(data)
    monkeypatch.setattr(evtx, "_fast", lambda _log, _expected: iter(()))
    slow, errors, tally = read(data)
    assert errors == []
    assert tally.parsed == len(slow) == len(fast) == FEW
    for one, other in zip(slow, fast, strict=True):
        assert (one.record_id, one.event_id, one.provider, one.channel) == (
            other.record_id, other.event_id, other.provider, other.channel
        )  # fmt: skip
        assert (one.data, one.time, one.written) == (other.data, other.time, other.written)
    assert "slow decoder" in tally.details[0]


def test_the_slow_decoder_has_a_budget(plain, monkeypatch):
    monkeypatch.setattr(evtx, "_fast", lambda _log, _expected: iter(()))
    monkeypatch.setattr(evtx, "FALLBACK_BUDGET", 3)
    records, errors, tally = read(plain)
    assert len(records) == 3
    assert len(errors) == COUNT - 3 == tally.claimed - tally.parsed
    assert "was not tried" in str(errors[0])
    assert errors[0].offset == rows(plain)[3][0]


def test_the_header_is_not_trusted():
    data = log(COUNT, dirty=True, claimed_chunks=1, spare_chunks=2)
    records, errors, tally = read(data)
    assert numbers(records) == list(range(1, COUNT + 1))
    assert errors == []
    assert tally.dirty


def test_records_behind_the_stated_end_of_a_live_log(plain):
    """Windows writes records before it writes the chunk header back."""
    data = bytearray(plain)
    chunk = chunk_offsets(data)[-1]
    inside = [row for row in rows(data) if row[0] > chunk]
    cut = inside[-4]
    struct.pack_into("<Q", data, chunk + 0x20, cut[2] - 1)
    struct.pack_into("<I", data, chunk + 0x30, cut[0] - chunk)
    records, errors, tally = read(seal(data), frozenset({4688, 4634}))
    assert numbers(records) == list(range(1, COUNT + 1))
    assert errors == []
    assert tally.claimed == tally.parsed == COUNT


@pytest.mark.parametrize("counted", [True, False])
def test_the_newest_record_of_a_dirty_log_is_kept(counted):
    """Windows repeats a record's size last: while it writes, zeros stand there, and the chunk may not count it yet."""
    data = log(COUNT, dirty=True)
    at, size, number = rows(data)[-1]
    chunk = chunk_offsets(data)[-1]
    data[at + size - 4 : at + size] = bytes(4)
    if not counted:
        struct.pack_into("<Q", data, chunk + 0x20, number - 1)
        struct.pack_into("<I", data, chunk + 0x30, at - chunk)
    records, errors, tally = read(seal(data))
    assert numbers(records) == list(range(1, COUNT + 1))
    assert records[-1] == read(log(COUNT))[0][-1]
    assert errors == []
    assert (tally.claimed, tally.parsed, tally.dirty) == (COUNT, COUNT, True)
    assert tally.details[-1].startswith(f"record {number} at 0x{at:x}: its two sizes differ")


@pytest.mark.parametrize("change", [(4, 0xFFF8), (8, 5), (16, 1)])
def test_what_follows_is_no_unwritten_record_unless_it_goes_on(change):
    """Another size, id or time than that of the next record."""
    data = log(COUNT, dirty=True)
    at, size, number = rows(data)[-1]
    chunk = chunk_offsets(data)[-1]
    data[at + size - 4 : at + size] = bytes(4)
    struct.pack_into("<Q", data, chunk + 0x20, number - 1)
    struct.pack_into("<I", data, chunk + 0x30, at - chunk)
    struct.pack_into("<I" if change[0] == 4 else "<Q", data, at + change[0], change[1])
    assert numbers(read(seal(data))[0]) == list(range(1, COUNT))


def test_a_header_that_counts_too_many_chunks(plain):
    data = bytearray(plain)
    struct.pack_into("<H", data, 0x2A, 0xFFFF)
    records, errors, tally = read(seal(data))
    there = len(chunk_offsets(data))
    assert numbers(records) == list(range(1, COUNT + 1))
    (error,) = errors
    assert str(error).startswith(f"file is cut: its header counts 65535 chunks, {there} are there")
    assert (tally.claimed, tally.parsed) == (COUNT + 65_535 - there, COUNT)
    data[0x7C] ^= 1
    _, errors, tally = read(data)
    assert errors == [], "a header whose checksum does not hold claims nothing"
    assert (tally.claimed, tally.details) == (COUNT, ["the file header's checksum does not hold"])


@pytest.mark.parametrize("size", [0, 1, 127, FILE_HEAD - 1])
def test_less_than_a_header(plain, size):
    records, errors, tally = read(plain[:size])
    (error,) = errors
    assert (records, error.offset, tally.claimed) == ([], 0, 0)
    assert str(error).startswith("cut inside the file header" if size else "empty file")


def test_an_older_record_behind_the_end_is_no_record(plain):
    data = bytearray(plain)
    first, last = chunk_offsets(data)[0], chunk_offsets(data)[-1]
    end = last + struct.unpack_from("<I", data, last + 0x30)[0]
    at, size, _ = next(row for row in rows(data) if row[0] > first)
    data[end : end + size] = data[at : at + size]
    records, errors, tally = read(seal(data))
    assert (len(records), errors, tally.claimed) == (COUNT, [], COUNT)


def test_a_zeroed_chunk_is_a_loss(plain):
    data = bytearray(plain)
    chunk = chunk_offsets(data)[1]
    lost = [number for at, _, number in rows(data) if chunk < at < chunk + CHUNK]
    data[chunk : chunk + CHUNK] = bytes(CHUNK)
    records, errors, tally = read(data)
    assert set(numbers(records)) == set(range(1, COUNT + 1)) - set(lost)
    assert [error.offset for error in errors] == [chunk]
    assert f"record ids {lost[0]} to {lost[-1]} are missing" in str(errors[0])
    assert (tally.claimed - tally.parsed, tally.bad_chunks) == (len(lost), 1)


def test_a_zeroed_last_chunk_is_a_loss(plain):
    data = bytearray(plain)
    chunk = chunk_offsets(data)[-1]
    lost = [number for at, _, number in rows(data) if chunk < at]
    data[chunk : chunk + CHUNK] = bytes(CHUNK)
    _, errors, tally = read(data)
    assert [error.offset for error in errors] == [chunk]
    assert tally.claimed - tally.parsed == len(lost)


def test_a_chunk_without_its_magic_is_still_read(plain):
    data = bytearray(plain)
    chunk = chunk_offsets(data)[2]
    data[chunk : chunk + 8] = b"\xff" * 8
    records, errors, tally = read(data)
    assert numbers(records) == list(range(1, COUNT + 1))
    assert [error.offset for error in errors] == [chunk]
    assert (tally.bad_chunks, tally.claimed, tally.parsed) == (1, COUNT, COUNT)


def test_a_chunk_of_rubbish_is_reported(plain):
    data = bytearray(plain)
    chunk = chunk_offsets(data)[2]
    data[chunk : chunk + CHUNK] = b"\x5a" * CHUNK
    records, errors, tally = read(data)
    assert len(records) < COUNT
    assert [error.offset for error in errors] == [chunk]
    assert tally.bad_chunks == 1
    assert tally.claimed > tally.parsed


@pytest.mark.parametrize("damage", ["size zero", "size huge", "magic", "all"])
@pytest.mark.parametrize("index", [0, 60, 699])
def test_one_damaged_record_takes_no_other_with_it(plain, index, damage):
    data = bytearray(plain)
    at, size, number = rows(data)[index]
    changes = {
        "size zero": (4, b"\x00" * 4),
        "size huge": (4, b"\xff" * 4),
        "magic": (0, b"\x00" * 4),
        "all": (0, b"\xcc" * size),
    }
    where, content = changes[damage]
    data[at + where : at + where + len(content)] = content
    records, errors, tally = read(data)
    missing = set(range(1, COUNT + 1)) - set(numbers(records))
    assert tally.claimed == COUNT
    assert tally.claimed - tally.parsed == len(missing) == len(errors)
    if (index, damage) == (0, "all"):
        # The first record of a chunk holds the templates that the others need: they are lost too, each with a report.
        assert missing <= {number for at, _, number in rows(plain) if at < FILE_HEAD + CHUNK}
        return
    assert missing <= {number}
    assert all(error.offset is not None and at <= error.offset <= at + size for error in errors)
    if "size" in damage:
        assert not missing, "its beginning is whole: it is read, with a remark"
        assert any(f"record {number} " in detail for detail in tally.details)


def test_nonsense_times_lose_nothing(plain):
    data = bytearray(plain)
    for at, _, _ in rows(data)[::3]:
        struct.pack_into("<Q", data, at + 16, 0xFFFFFFFFFFFFFFFE)
    records, errors, _ = read(seal(data))
    assert (len(records), errors) == (COUNT, [])
    assert isinstance(records[0].written, NoTime)
    assert isinstance(records[0].time, datetime)


def test_loops_in_the_tables_of_a_chunk_do_not_matter(plain):
    """Every name's link to the next one points at itself: decoders that read ahead never come back."""
    data = bytearray(plain)
    for chunk in chunk_offsets(data):
        for slot in range(96):
            (link,) = struct.unpack_from("<I", data, chunk + 0x80 + 4 * slot)
            if link:
                struct.pack_into("<I", data, chunk + link, link)
    records, errors, _ = read(seal(data))
    assert (len(records), errors) == (COUNT, [])


def test_the_slow_decoder_survives_loops(monkeypatch):
    monkeypatch.setattr(evtx, "_fast", lambda _log, _expected: iter(()))
    data = log(FEW)
    for slot in range(96):
        (link,) = struct.unpack_from("<I", data, FILE_HEAD + 0x80 + 4 * slot)
        if link:
            struct.pack_into("<I", data, FILE_HEAD + link, link)
    records, _, tally = read(data)
    assert len(records) == tally.parsed == tally.claimed == FEW


def test_a_record_hidden_in_another_is_seen_by_its_id(plain):
    """The published trick: a record's size is made to cover the next one, and all checksums are set right."""
    data = bytearray(plain)
    (at, size, number), (_, hidden, _) = rows(data)[10:12]
    struct.pack_into("<I", data, at + 4, size + hidden)
    struct.pack_into("<I", data, at + size + hidden - 4, size + hidden)
    records, _, tally = read(seal(data))
    assert number + 1 not in numbers(records)
    assert tally.jumps == [(number, number + 2)]
    assert tally.claimed - tally.parsed == 1


def test_cut_anywhere(plain):
    """Whatever the cut, the whole records before it are read and the cut is told."""
    places = rows(plain)
    cuts = [*range(0, FILE_HEAD, 509), *range(FILE_HEAD, len(plain), 12269), *chunk_offsets(plain), len(plain) - 1]
    for cut in cuts:
        records, errors, tally = read(plain[:cut], frozenset({4688}))
        whole = [number for at, size, number in places if at + size <= cut]
        if cut >= FILE_HEAD:
            assert [number for number in whole if (number - 1) % 5 == 0] == numbers(records)[: -(-len(whole) // 5)], cut
            assert tally.parsed - len(whole) in (0, 1), cut  # the record that the cut went through may be whole enough
        used = max(at + size for at, size, _ in places)
        assert errors or cut >= used, cut
        assert errors == [] or tally.parsed < tally.claimed or cut < FILE_HEAD or records, cut


def test_what_is_no_log():
    assert [str(error) for error in read(b"")[1]] == ["empty file at offset 0x0"]
    assert len(read(b"MZ" * 40_000)[1]) == 2
    assert len(read(bytes(200_000))[1]) == 1
    assert channel_of(io.BytesIO(bytes(200_000))) is None


def test_a_log_without_records():
    records, errors, tally = read(log(0))
    assert (records, errors, tally.claimed, tally.parsed) == ([], [], 0, 0)


def test_channel_of(plain):
    assert channel_of(io.BytesIO(plain)) == "Security"


def test_memory_does_not_grow_with_the_log():
    peaks = []
    for records in (2_000, 8_000):
        data = bytes(log(records))
        tracemalloc.start()
        reader = LogReader(io.BytesIO(data), frozenset({4688}), window=2)
        assert sum(isinstance(item, Record) for item in reader) == records // 5
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.3


_FLIPS = """
import io, random, sys
sys.path.insert(0, {root!r})
from forensics.formats import FormatError
from forensics.formats.evtx import LogReader, Record
from tests.running import LAYOUTS
from tests.formats.crafted_logs import log
plain = log(90)
source = random.Random({seed})
for _ in range({rounds}):
    data = bytearray(plain)
    for _ in range(source.choice((1, 1, 1, 4, 40))):
        at = source.randrange({start}, len(data))
        data[at] ^= 1 << source.randrange(8)
    reader = LogReader(io.BytesIO(data), source.choice((None, frozenset({{4688}}))))
    for item in reader:
        assert isinstance(item, (Record, FormatError))
    assert reader.tally.parsed <= reader.tally.claimed + 1, (reader.tally, at)
print("done")
"""


@pytest.mark.parametrize("seed", range(2))
def test_flipped_bits(seed):
    """Random damage: no exception leaves the reader. In a process of its own, because a decoder may hang."""
    script = _FLIPS.format(root=str(ROOT), seed=seed, rounds=40, start=0 if seed % 2 else FILE_HEAD + CHUNK_HEAD)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-2000:]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_parts_of_a_log_are_the_whole(count: int) -> None:
    data = (LAYOUTS["kape"] / "C/Windows/System32/winevt/Logs/Security.evtx").read_bytes()
    whole = list(LogReader(io.BytesIO(data), frozenset({4688, 1102})))
    parts = [LogReader(io.BytesIO(data), frozenset({4688, 1102}), part=(index, count)) for index in range(count)]
    assert [item for part in parts for item in part] == whole
    one = LogReader(io.BytesIO(data), frozenset({4688, 1102}))
    list(one)
    assert sum(part.tally.parsed for part in parts) == one.tally.parsed
    assert sum(part.tally.claimed for part in parts) == one.tally.claimed
