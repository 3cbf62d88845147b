"""NTFS change journal (`$Extend\\$UsnJrnl:$J`): one record for every change of every file, in the order of the changes.

A stream of records of 8-byte aligned length, never across a page of 4096 bytes (zeros fill the rest of a page), whose
discarded beginning is a hole: from an image it reads as gigabytes of zeros, a collector often leaves it out. A record's
USN is its offset in the whole stream, so a journal says of itself where a part of it is missing. Versions 2 and 3
differ in the width of the file references, version 4 (range tracking) has extents instead of name and time.
Layout: Microsoft, "USN_RECORD_V2 / V3 / V4 structure" (winioctl.h).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from forensics.formats import FormatError
from forensics.times import Moment, NoTime, from_filetime

PAGE = 4096
_BLOCK = 1024 * 1024
_ZEROS = bytes(_BLOCK)
_SHORTEST, _LONGEST = 64, PAGE
_HEAD = struct.Struct("<IHH")
_V2 = struct.Struct("<8xQQqqIIIIHH")
_V3 = struct.Struct("<8xQQQQqqIIIIHH")
_V4 = struct.Struct("<8xQQQQqIIIHH")
_EXTENT = struct.Struct("<qq")
_NONZERO = re.compile(rb"[^\x00]")
# The upper half of a length, the major version and the minor one: where a record may begin, two bytes before.
_SIGN = re.compile(rb"\x00\x00[\x02-\x04]\x00\x00\x00")

REASONS = {
    0x00000001: "data overwrite",
    0x00000002: "data extend",
    0x00000004: "data truncation",
    0x00000010: "named data overwrite",
    0x00000020: "named data extend",
    0x00000040: "named data truncation",
    0x00000100: "file create",
    0x00000200: "file delete",
    0x00000400: "ea change",
    0x00000800: "security change",
    0x00001000: "rename: old name",
    0x00002000: "rename: new name",
    0x00004000: "indexable change",
    0x00008000: "basic info change",
    0x00010000: "hard link change",
    0x00020000: "compression change",
    0x00040000: "encryption change",
    0x00080000: "object id change",
    0x00100000: "reparse point change",
    0x00200000: "stream change",
    0x00400000: "transacted change",
    0x00800000: "integrity change",
    0x01000000: "desired storage class change",
    0x80000000: "close",
}
CREATE, DELETE, OLD_NAME, NEW_NAME, CLOSE = 0x100, 0x200, 0x1000, 0x2000, 0x80000000
BASIC_INFO = 0x8000  # times or attributes were set
WRITTEN = 0x1 | 0x2 | 0x4
DIRECTORY = 0x10  # FILE_ATTRIBUTE_DIRECTORY


class Record(NamedTuple):
    """One change.

    `offset` is the place in the stream that was read, `usn` the one in the whole journal. `file` and `parent` are
    NTFS file references (48 bits of record number, 16 of sequence; 128 bits on ReFS). `name` is None and `ticks` 0 in
    version 4, which has `extents` (offset, length) instead.
    """

    offset: int
    length: int
    version: int
    usn: int
    file: int
    parent: int
    ticks: int
    reason: int
    source_info: int
    security_id: int
    attributes: int
    name: str | None
    extents: tuple[tuple[int, int], ...] = ()

    @property
    def time(self) -> Moment:
        """When the change was recorded."""
        return from_filetime(self.ticks) if self.version != 4 else NoTime("a version 4 record has no time", "")

    @property
    def is_directory(self) -> bool:
        """Whether the file is a folder."""
        return bool(self.attributes & DIRECTORY)


def reasons(bits: int) -> tuple[str, ...]:
    """The reasons of a record in words, unknown bits in hex."""
    words = [word for bit, word in REASONS.items() if bits & bit]
    unknown = bits & ~sum(REASONS)
    return (*words, f"0x{unknown:08x}") if unknown else tuple(words)


@dataclass(slots=True)
class Tally:
    """What a journal held: complete after the iteration. Bytes: `zeros` + `lost` + those of the records."""

    records: int = 0
    versions: dict[int, int] = field(default_factory=dict)
    zeros: int = 0
    lost: int = 0
    damaged: int = 0
    gaps: int = 0
    first_usn: int | None = None
    next_usn: int | None = None


class JournalReader:
    """Iterates over a journal's records; a FormatError among them is a damaged or missing part, and it goes on."""

    def __init__(self, fh: BinaryIO) -> None:
        self._fh = fh
        self._damage: int | None = None
        self._hurt = False  # since the last record: its USN cannot continue there
        self.tally = Tally()

    def __iter__(self) -> Iterator[Record | FormatError]:
        """Records in stream order, FormatError where something is lost."""
        self._fh.seek(0)
        base, carry = 0, b""
        while True:
            block = self._fh.read(_BLOCK)
            if not carry and block == _ZEROS:
                yield from self._healed(base)
                self.tally.zeros += _BLOCK
                base += _BLOCK
                continue
            data = carry + block
            used = yield from self._records(data, base, final=not block)
            base, carry = base + used, data[used:]
            if not block:
                yield from self._healed(base + len(carry))
                return

    def _records(self, data: bytes, base: int, *, final: bool) -> Generator[Record | FormatError, None, int]:
        """The records of a buffer; returns how far it is done with. What may be incomplete waits for the next one."""
        pos, end = 0, len(data)
        limit = end - 7 if final else end - _LONGEST
        while pos < limit:
            record = decode(data, pos, base + pos)
            if record is not None:
                yield from self._healed(base + pos)
                yield from self._counted(record)
                pos += record.length
                continue
            start = self._after_zeros(data, pos, end)
            if start > pos:
                yield from self._healed(base + pos)
                self.tally.zeros += start - pos
                pos = start
            else:
                self._damage = base + pos if self._damage is None else self._damage
                pos = min(_next_place(data, pos), max(limit, pos + 8))
        if final and pos < end and not data[pos:].strip(b"\x00"):
            yield from self._healed(base + pos)
            self.tally.zeros += end - pos
        elif final and pos < end:
            self._damage = base + pos if self._damage is None else self._damage
        return min(pos, end)

    @staticmethod
    def _after_zeros(data: bytes, pos: int, end: int) -> int:
        """Where zeros that begin at `pos` end, at a multiple of 8; `pos` when there are none."""
        if data[pos : pos + 8] != bytes(8):
            return pos
        found = _NONZERO.search(data, pos)
        return found.start() & ~7 if found else end & ~7

    def _counted(self, record: Record) -> Iterator[Record | FormatError]:
        """The record, after what its USN says to be missing before it."""
        tally = self.tally
        due = tally.next_usn
        if due is not None and not self._hurt and record.usn not in (due, -(-due // PAGE) * PAGE):
            tally.gaps += 1
            what = f"{record.usn - due} bytes" if record.usn > due else "the order"
            yield FormatError(f"{what} of the journal missing: USN {due} is followed by {record.usn}", record.offset)
        self._hurt = False
        tally.first_usn = record.usn if tally.first_usn is None else tally.first_usn
        tally.next_usn = record.usn + record.length
        tally.records += 1
        tally.versions[record.version] = tally.versions.get(record.version, 0) + 1
        yield record

    def _healed(self, until: int) -> Iterator[FormatError]:
        """Report the damaged part that ends at `until`, if there is one."""
        if self._damage is not None:
            start, self._damage, self._hurt = self._damage, None, True
            self.tally.damaged += 1
            self.tally.lost += until - start
            yield FormatError(f"{until - start} bytes hold no record", start)


def _next_place(data: bytes, pos: int) -> int:
    """The next multiple of 8 behind `pos` where a record may begin or zeros do; the end when there is none."""
    found = _SIGN.search(data, pos + 10)
    while found and (found.start() - 2) & 7:
        found = _SIGN.search(data, found.start() + 1)
    places = [found.start() - 2] if found else []
    zeros = data.find(bytes(16), pos + 8, places[0] + 16 if places else len(data))
    places += [(zeros + 7) & ~7] if zeros >= 0 else []
    return min(places, default=len(data) & ~7)


def decode(data: bytes, pos: int, offset: int) -> Record | None:
    """The record at `pos`, None when there is none or it is not whole."""
    if pos + _SHORTEST > len(data):
        return None
    length, major, minor = _HEAD.unpack_from(data, pos)
    if length & 7 or minor or not _SHORTEST <= length <= _LONGEST or pos + length > len(data):
        return None
    if major == 2:
        file, parent, usn, ticks, reason, info, security, attributes, size, start = _V2.unpack_from(data, pos)
        least = 60
    elif major == 3 and length >= 80:
        unpacked = _V3.unpack_from(data, pos)
        file, parent = unpacked[0] | unpacked[1] << 64, unpacked[2] | unpacked[3] << 64
        usn, ticks, reason, info, security, attributes, size, start = unpacked[4:]
        least = 76
    elif major == 4:
        return _ranges(data, pos, offset, length)
    else:
        return None
    if start < least or size & 1 or not size or start + size > length or usn < 0 or usn & 7:
        return None
    name = data[pos + start : pos + start + size].decode("utf-16-le", "surrogatepass")
    return Record(offset, length, major, usn, file, parent, ticks, reason, info, security, attributes, name)


def _ranges(data: bytes, pos: int, offset: int, length: int) -> Record | None:
    """A version 4 record: which ranges of a file were written."""
    low, high, parent_low, parent_high, usn, reason, info, _, count, size = _V4.unpack_from(data, pos)
    if size != _EXTENT.size or 64 + count * size > length or usn < 0 or usn & 7:
        return None
    extents = tuple(_EXTENT.unpack_from(data, pos + 64 + index * size) for index in range(count))
    file, parent = low | high << 64, parent_low | parent_high << 64
    return Record(offset, length, 4, usn, file, parent, 0, reason, info, 0, 0, None, extents)
