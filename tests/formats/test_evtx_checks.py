"""The checksums of event logs: what was changed in place is said and marked, what is merely unfinished is not."""

from __future__ import annotations

import io
import json
import shutil
import struct
import zlib
from pathlib import Path

import pytest

from forensics.formats.evtx import LogReader, Record
from forensics.formats.evtx_checks import ChecksumError, seal_of
from tests.formats.crafted_logs import CHUNK, CHUNK_HEAD, FILE_HEAD, chunk_offsets, log, rows, seal
from tests.running import KAPE_FOLDER, timeline

COUNT = 700
SECURITY = "C/Windows/System32/winevt/Logs/Security.evtx"


@pytest.fixture(scope="module")
def plain() -> bytes:
    return bytes(log(COUNT))


def read(data: bytes | bytearray, wanted: frozenset[int] | None = None, **options: object):  # type: ignore[no-untyped-def]
    reader = LogReader(io.BytesIO(bytes(data)), wanted, **options)  # type: ignore[arg-type]
    items = list(reader)
    return (
        [item for item in items if isinstance(item, Record)],
        [item for item in items if isinstance(item, ChecksumError)],
        reader.tally,
    )


def _changed(plain: bytes, chunk: int) -> bytearray:
    """One letter of a command line in this chunk is another one now."""
    data = bytearray(plain)
    start = chunk_offsets(data)[chunk]
    at = data.find("tool".encode("utf-16-le"), start, start + CHUNK)
    data[at] = ord("T")
    return data


@pytest.mark.parametrize("chunk", [0, 2, 3])
def test_a_changed_byte_is_said_and_its_chunk_marked(plain: bytes, chunk: int) -> None:
    data = _changed(plain, chunk)
    records, errors, tally = read(data)
    start = chunk_offsets(data)[chunk]
    here = [number for at, _, number in rows(data) if start < at < start + CHUNK]
    assert [error.offset for error in errors] == [start]
    assert "checksum of records does not hold" in str(errors[0])
    assert f"{len(here)} records in it, {here[0]} to {here[-1]}" in str(errors[0])
    assert len(records) == COUNT
    assert [record.record_id for record in records if record.checksum_failed] == here
    assert tally.bad_chunks == 1


def test_a_changed_header_is_said(plain: bytes) -> None:
    data = bytearray(plain)
    data[chunk_offsets(data)[1] + 0x80] ^= 1
    _, errors, _ = read(data)
    assert ["checksum of header" in str(error) for error in errors] == [True]


def test_records_that_nobody_asks_for_are_counted(plain: bytes) -> None:
    data = _changed(plain, 0)
    events = {record.event_id for record in read(plain)[0]}
    _, errors, _ = read(data, frozenset({max(events)}))
    start = chunk_offsets(data)[0]
    first = [record for record in read(plain)[0] if start < record.offset < start + CHUNK]
    other = sum(record.event_id != max(events) for record in first)
    assert f"of them {other} with event ids that nothing asks for" in str(errors[0])


def test_a_record_of_a_bad_chunk_is_not_put_off(plain: bytes) -> None:
    offered: list[int] = []

    def defer(_: int, __: str, offset: int) -> bool:
        offered.append(offset)
        return True

    data = _changed(plain, 1)
    start = chunk_offsets(data)[1]
    records, _, _ = read(data, defer=defer)
    assert records
    assert all(start < record.offset < start + CHUNK for record in records)
    assert not any(start < offset < start + CHUNK for offset in offered)


def _in_use(plain: bytes) -> tuple[bytearray, int]:
    """A log as copied in use: dirty, the last chunk's checksum as it was before its last three records."""
    data = seal(bytearray(plain))
    chunk = chunk_offsets(data)[-1]
    inside = [at for at, _, _ in rows(data) if at > chunk]
    old = zlib.crc32(data[chunk + CHUNK_HEAD : inside[-3]])
    struct.pack_into("<I", data, chunk + 0x34, old)
    head = bytes(data[chunk : chunk + 0x78]) + bytes(data[chunk + 0x80 : chunk + CHUNK_HEAD])
    struct.pack_into("<I", data, chunk + 0x7C, zlib.crc32(head))
    struct.pack_into("<I", data, 0x78, 1)
    return data, chunk


def test_an_old_checksum_of_a_log_in_use_is_innocent(plain: bytes) -> None:
    data, _ = _in_use(plain)
    records, errors, tally = read(data)
    assert (len(records), errors, tally.old) == (COUNT, [], 1)
    assert not any(record.checksum_failed for record in records)


def test_an_old_checksum_of_a_log_that_was_closed_is_not(plain: bytes) -> None:
    data, chunk = _in_use(plain)
    struct.pack_into("<I", data, 0x78, 0)
    _, errors, tally = read(data)
    assert ([error.offset for error in errors], tally.old) == ([chunk], 0)


def test_a_change_in_a_log_in_use_is_not_innocent(plain: bytes) -> None:
    """To call a log dirty hides nothing: what the old checksum covers is still held against it."""
    data, chunk = _in_use(plain)
    data[data.find("tool".encode("utf-16-le"), chunk)] = ord("T")
    _, errors, _ = read(data)
    assert [error.offset for error in errors] == [chunk]


def test_a_chunk_that_keeps_no_checksums(plain: bytes) -> None:
    data = bytearray(plain)
    for chunk in chunk_offsets(data):
        struct.pack_into("<II", data, chunk + 0x78, 4, 0)
        struct.pack_into("<I", data, chunk + 0x34, 0)
    _, errors, tally = read(data)
    assert (errors, tally.unkept) == ([], len(chunk_offsets(data)))


def test_the_flag_alone_switches_no_check_off(plain: bytes) -> None:
    data = _changed(plain, 0)
    struct.pack_into("<I", data, FILE_HEAD + 0x78, 4)
    assert len(read(data)[1]) == 1


@pytest.mark.parametrize("end", [0, 511, 65537, 0xFFFFFFFF])
def test_an_end_that_lies_is_a_fault_of_the_header(plain: bytes, end: int) -> None:
    data = bytearray(plain[FILE_HEAD : FILE_HEAD + CHUNK])
    struct.pack_into("<I", data, 0x30, end)
    assert seal_of(data, 0, in_use=True).faults == ("header",)


def test_real_logs_with_a_checksum_that_fails(samples: Path) -> None:
    found = {}
    for path in sorted((samples / "evtx").rglob("*.evtx")):
        data = path.read_bytes()
        starts = range(FILE_HEAD, len(data) - CHUNK + 1, CHUNK)
        chunks = [data[at : at + CHUNK] for at in starts if data.startswith(b"ElfChnk\0", at)]
        seals = [seal_of(chunk, 0, in_use=True) for chunk in chunks]
        if any(one != ((), False, False) for one in seals):
            found[path.name] = (sum(bool(one.faults) for one in seals), any(one.unkept for one in seals))
            assert not any(one.old for one in seals)
    assert found.pop("Application_no_crc32.evtx") == (0, True)
    assert found == {
        "2-vss_0-Microsoft-Windows-RemoteDesktopServices-RdpCoreTS%4Operational.evtx": (2, False),
        "2-vss_0-Microsoft-Windows-TerminalServices-RemoteConnectionManager%4Operational.evtx": (2, False),
        "Microsoft-Windows-HelloForBusiness%4Operational.evtx": (1, False),
        "Microsoft-Windows-LanguagePackSetup%4Operational.evtx": (1, False),
        "sample-with-zero-data-size-event.evtx": (1, False),
        "sample_with_a_bad_chunk_magic.evtx": (3, False),
        "security_bad_string_cache.evtx": (1, False),
    }


def test_an_event_that_was_hidden_by_another_id(tmp_path: Path) -> None:
    """From one changed id to the case: a problem, no "complete", and every row of the chunk marked."""
    folder = shutil.copytree(KAPE_FOLDER, tmp_path / "kape")
    for log_of_hashes in folder.glob("*copylog.csv"):
        log_of_hashes.unlink()
    path = folder / SECURITY
    data = bytearray(path.read_bytes())
    (at,) = [at for at, size, _ in rows(data) if struct.pack("<H", 4698) in data[at : at + size]][:1]
    place = data.index(struct.pack("<H", 4698), at)
    struct.pack_into("<H", data, place, 4689)
    path.write_bytes(data)
    run = timeline(folder, tmp_path / "case", "-q", "--all-events")
    assert run.code == 3
    (problem,) = run.lines("problems.jsonl")
    chunk = FILE_HEAD + (place - FILE_HEAD) // CHUNK * CHUNK
    assert (problem["fault"], problem["source"]["locator"]) == ("checksum", f"offset 0x{chunk:x}")
    states = {row["artifact"]: row["state"] for row in run.document()["coverage"]}
    assert states["event_process_audit"] == "partial"
    ids = {number for start, _, number in rows(data) if chunk < start < chunk + CHUNK}
    marked = {row["source_locator"] for row in run.lines("timeline.jsonl") if "checksum_failed" in row["tag"]}
    assert marked
    assert marked <= {f"record {number}" for number in ids}
    assert json.dumps(problem)
