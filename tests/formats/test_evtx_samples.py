"""The event-log reader against 281 public logs, damaged ones among them, and against the two decoders alone."""

from __future__ import annotations

import io
import struct
from collections import Counter

import pytest
from evtx import PyEvtxParser
from Evtx.Evtx import FileHeader

from forensics.formats import FormatError, evtx
from forensics.formats.evtx import LogReader, Record, channel_of
from forensics.formats.evtx_checks import ChecksumError
from forensics.formats.evtx_fallback import decode, guarded
from forensics.formats.evtx_record import load, to_record
from forensics.formats.evtx_scan import CHUNK, FILE_HEAD, Window

pytestmark = pytest.mark.samples

# name: (records, reported losses, claimed, chunks, bad chunks). Where the fast decoder alone finds fewer: it gives up
# the rest of a chunk at the first damage (335 and 270 records in the two samples with "zero" and "magic").
DAMAGED = {
    "2-vss_0-Microsoft-Windows-RemoteDesktopServices-RdpCoreTS%4Operational": (1910, 4, 1978, 16, 2),
    "2-vss_0-Microsoft-Windows-TerminalServices-RemoteConnectionManager%4Operational": (1774, 1, 1797, 16, 2),
    "2-vss_7-System": (1160, 1, 1422, 11, 2),
    "Application_no_crc32": (17, 0, 17, 1, 0),
    "Microsoft-Windows-HelloForBusiness%4Operational": (6, 1, 20, 1, 1),
    "Microsoft-Windows-LanguagePackSetup%4Operational": (17, 1, 20, 1, 1),
    "sample-with-zero-data-size-event": (450, 0, 450, 4, 1),
    "sample_with_a_bad_chunk_magic": (301, 5, 1239, 6, 10),
    "security_bad_string_cache": (2261, 0, 2261, 26, 1),
    "sysmon": (358, 8, 366, 17, 8),
}


def read(data, wanted=None):
    reader = LogReader(io.BytesIO(data), wanted)
    items = list(reader)
    return (
        [item for item in items if isinstance(item, Record)],
        [item for item in items if isinstance(item, FormatError) and not isinstance(item, ChecksumError)],
        reader.tally,
    )


def logs(samples):
    return sorted((samples / "evtx").rglob("*.evtx"))


def by_rust(data):
    found = []
    iterator = PyEvtxParser(io.BytesIO(data), number_of_threads=1).records_json()
    while True:
        try:
            found.append(next(iterator))
        except StopIteration:
            return found
        except RuntimeError:
            continue


def comparable(record):
    return (
        record.event_id, record.provider, record.channel, record.computer, record.time, record.user_sid,
        record.process_id, record.data,
    )  # fmt: skip


def test_all_samples_against_the_fast_decoder_alone(samples):
    """Every record that the decoder gives for the untouched file is there, and equal; damaged files give more."""
    total = 0
    for path in logs(samples):
        data = path.read_bytes()
        records, errors, tally = read(data)
        alone = {row["event_record_id"]: to_record(load(row["data"]), 0, 0, 0) for row in by_rust(data)}
        mine = {record.record_id: record for record in records}
        for number, record in alone.items():
            assert record is None or comparable(mine[number]) == comparable(record), (path.name, number)
        damaged = path.stem in DAMAGED and "odd" in path.parts
        facts = (len(records), len(errors), tally.claimed, tally.chunks, tally.bad_chunks)
        if damaged:
            assert facts == DAMAGED[path.stem], path.name
        else:
            assert facts == (len(alone), 0, len(alone), tally.chunks, 0), path.name
        assert tally.claimed - tally.parsed >= 0
        assert tally.parsed == len(records)
        for record in records:
            assert struct.unpack_from("<IIQ", data, record.offset)[::2] == (0x2A2A, record.record_id)
        total += len(records)
    assert total == 27_930


def test_wanted_records_equal_all_records(samples, monkeypatch):
    monkeypatch.setattr(evtx, "SWALLOW_BELOW", 1.1)
    compared = 0
    for path in logs(samples):
        if path.stat().st_size < 1_000_000 and path.parent.name not in ("odd", "task-pair"):
            continue
        data = path.read_bytes()
        full = read(data)[0]
        ids = [number for number, _ in Counter(record.event_id for record in full).most_common()]
        for wanted in (frozenset(ids[:1]), frozenset(ids[-3:]), frozenset(ids[::2]), frozenset({65_535})):
            expected = [record for record in full if record.event_id in wanted]
            found = read(data, wanted)[0]
            key = lambda record: record.offset  # noqa: E731
            assert sorted(found, key=key) == sorted(expected, key=key), (path.name, wanted)
            compared += len(expected)
    assert compared > 20_000


def test_counts_against_the_slow_decoder(samples):
    """python-evtx, told to look at all chunks, sees as many records in every sound log."""
    for path in logs(samples):
        data = path.read_bytes()
        if path.stem in DAMAGED:
            continue
        chunks = FileHeader(data, 0).chunks(include_inactive=True)
        theirs = sum(1 for chunk in chunks if chunk.check_magic() for _ in chunk.records())
        assert theirs == read(data, frozenset())[2].parsed, path.name


def test_records_by_the_slow_decoder_say_the_same(samples):
    """Ids, names, users and fields agree; values may be spelled otherwise (binary data, dates)."""
    compared = unreadable = 0
    for path in logs(samples)[::6]:
        data = path.read_bytes()
        window = Window.of(data[FILE_HEAD:], FILE_HEAD)
        for record in read(data)[0][:4]:
            start = record.offset - FILE_HEAD
            try:
                document = decode(guarded(window.data, start // CHUNK), start)
            except FormatError:
                unreadable += 1
                continue
            other = to_record(document, record.record_id, 0, record.offset)
            assert other is not None
            assert comparable(other)[:5] == comparable(record)[:5]
            assert (other.user_sid, other.process_id) == (record.user_sid, record.process_id)
            assert set(other.data) == set(record.data)
            compared += 1
    assert compared > 80
    assert unreadable < 8


def test_channels(samples):
    folder = samples / "evtx"
    for name, channel in (
        ("task-pair/TaskScheduler.evtx", "Microsoft-Windows-TaskScheduler/Operational"),
        ("task-pair/SecurityTasks.evtx", "Security"),
        ("odd/system.evtx", "System"),
        ("host-server2016/Microsoft-Windows-Sysmon%4Operational.evtx", "Microsoft-Windows-Sysmon/Operational"),
    ):
        with (folder / name).open("rb") as handle:
            assert channel_of(handle) == channel


def test_a_link_that_makes_decoders_hang(samples):
    """One flipped bit makes a name's link point back: the fast decoder alone does not return within minutes."""
    path = samples / "evtx" / "odd" / "Microsoft-Windows-LanguagePackSetup%4Operational.evtx"
    data = bytearray(path.read_bytes())
    data[0x1690] ^= 0x10
    assert len(read(bytes(data))[0]) == 17


@pytest.mark.parametrize("step", [1777])
def test_cut_samples(samples, step):
    path = samples / "evtx" / "task-pair" / "TaskScheduler.evtx"
    data = path.read_bytes()
    before = 0
    for cut in range(0, len(data), step):
        records, errors, _ = read(data[:cut])
        assert len(records) >= before
        assert errors or len(records) == 20
        before = len(records)
    assert before == 20
