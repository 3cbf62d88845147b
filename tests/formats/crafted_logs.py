"""Event logs for the reader's tests: built record by record, then damaged at known places."""

from __future__ import annotations

import io
import struct
import zlib
from datetime import UTC, datetime, timedelta
from functools import cache

from testdata.writers.evtx import LogWriter
from testdata.writers.providers import event

FILE_HEAD, CHUNK, CHUNK_HEAD = 0x1000, 0x10000, 0x200
START = datetime(2024, 12, 4, 10, 0, 0, 123456, tzinfo=UTC)
HOST = "WS-TANAKA"


def moment(number):
    return START + timedelta(seconds=7 * number)


@cache
def spec(number):
    """Record `number` of a Security log: every fifth a process start, the others logoffs."""
    if number % 5 == 0:
        return event(
            "Security", 4688, moment(number), computer=HOST, pid=4, NewProcessId=4 * number,
            NewProcessName=f"C:\\Windows\\System32\\tool{number}.exe", CommandLine=f"tool{number} --名 {number}",
        )  # fmt: skip
    return event("Security", 4634, moment(number), computer=HOST, pid=668, TargetUserName=f"user{number}", LogonType=3)


def log(records, *, last=None, **options):
    """A Security log of so many records; `last` is one more record behind them."""
    target = io.BytesIO()
    writer = LogWriter(target, "Security", **options)
    for number in range(records):
        writer.write(spec(number))
    if last is not None:
        writer.write(last)
    writer.close()
    return bytearray(target.getvalue())


def chunk_offsets(data):
    return [at for at in range(FILE_HEAD, len(data), CHUNK) if data[at : at + 8] == b"ElfChnk\x00"]


def rows(data):
    """(offset, size, record id) of every record, by the chain that the headers name."""
    found = []
    for chunk in chunk_offsets(data):
        at, end = chunk + CHUNK_HEAD, chunk + struct.unpack_from("<I", data, chunk + 0x30)[0]
        while at < end:
            _, size, record_id = struct.unpack_from("<IIQ", data, at)
            found.append((at, size, record_id))
            at += size
    return found


def overlaid(new, old):
    """The log `new` written over `old`, as Windows does it: behind the used bytes of each chunk lie the old ones."""
    data = bytearray(new)
    for chunk in chunk_offsets(data):
        end = chunk + struct.unpack_from("<I", data, chunk + 0x30)[0]
        data[end : chunk + CHUNK] = old[end : chunk + CHUNK].ljust(chunk + CHUNK - end, b"\0")
    return data


def behind(data):
    """(offset, size, record id) of every whole record behind the used bytes of its chunk, found byte by byte."""
    found = []
    for chunk in chunk_offsets(data):
        at = chunk + struct.unpack_from("<I", data, chunk + 0x30)[0]
        while (at := data.find(b"**\0\0", at, chunk + CHUNK)) >= 0:
            size, number = struct.unpack_from("<IQ", data, at + 4)
            if size >= 28 and at + size <= chunk + CHUNK and data[at + 4 : at + 8] == data[at + size - 4 : at + size]:
                found.append((at, size, number))
                at += size
            else:
                at += 4
    return found


def seal(data):
    """Make every checksum right again, as somebody who changes a log on purpose would."""
    struct.pack_into("<I", data, 0x7C, zlib.crc32(data[:0x78]))
    for chunk in chunk_offsets(data):
        end = struct.unpack_from("<I", data, chunk + 0x30)[0]
        struct.pack_into("<I", data, chunk + 0x34, zlib.crc32(data[chunk + CHUNK_HEAD : chunk + end]))
        head = bytes(data[chunk : chunk + 0x78]) + bytes(data[chunk + 0x80 : chunk + CHUNK_HEAD])
        struct.pack_into("<I", data, chunk + 0x7C, zlib.crc32(head))
    return data


def forgotten(data, record_id):
    """The log whose chunk ends before this record: it is wiped itself, those behind it stay in slack."""
    data = bytearray(data)
    at = next(at for at, _, number in rows(data) if number == record_id)
    chunk = at - (at - FILE_HEAD) % CHUNK
    struct.pack_into("<Q", data, chunk + 0x20, record_id - 1)
    struct.pack_into("<I", data, chunk + 0x30, at - chunk)
    data[at : at + 4] = bytes(4)
    return seal(data)
