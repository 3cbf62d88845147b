"""NTFS master file table (`$MFT`): a record for every file, with names, times, and the content of small files.

A deleted file's record stays as it was, but for the flag and the sequence number, until it is used again: name, parent,
both sets of times and, below about 700 bytes, the whole content. Records are 1024 (rarely 4096) bytes whose sector ends
are guarded by an update sequence; a record that was torn while written shows there, and what lies before the torn
sector is still read. Names that did not fit are in extension records, which are put back to their base here.
Layout: the published NTFS documentation of the linux-ntfs project and libyal's libfsntfs.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from forensics.formats import FormatError
from forensics.formats.ntfspaths import freed, reference

_SECTOR = 512
_SIZES = frozenset({512, 1024, 2048, 4096})
_BLOCK = 1024 * 1024
_SEARCHED = 16 * _BLOCK  # of a damaged beginning
_STANDARD, _LIST, _NAME, _DATA = 0x10, 0x20, 0x30, 0x80
_END = 0xFFFFFFFF
_IN_USE, _FOLDER = 1, 2
_HEADER = struct.Struct("<4sHH8xHHHHIIQ")
_ATTRIBUTE = struct.Struct("<IIBBH")
_HEAD = struct.Struct("<II")
_TIMES = struct.Struct("<4Q")
_SHORT_NAME = 2  # the DOS namespace: the 8.3 twin of a long name
_MOST_EXTENSIONS = 200_000


class Times(NamedTuple):
    """FILETIME ticks in the order of the attribute: birth, content change, record change, access."""

    born: int
    modified: int
    changed: int
    accessed: int


class Name(NamedTuple):
    """One $FILE_NAME: the reference of the folder, the name, its own times (set when the name was made or moved)."""

    parent: int
    name: str
    times: Times


@dataclass(slots=True)
class Entry:
    """One file. `ref` is the reference it has, or had while it was in use; `size` None when no content is listed.

    `data` is the content when it is resident, `streams` are the resident named streams (`Zone.Identifier`), `elsewhere`
    the names of those whose content lies in clusters.
    """

    number: int
    offset: int
    ref: int
    in_use: bool
    folder: bool
    times: Times | None = None
    names: list[Name] = field(default_factory=list)
    size: int | None = None
    data: bytes | None = None
    streams: dict[str, bytes] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)
    base: int = 0

    def take(self, other: Entry) -> None:
        """Add what an extension record holds of this file."""
        self.names += other.names
        self.times = self.times or other.times
        self.size = other.size if self.size is None else self.size
        self.data = other.data if self.data is None else self.data
        self.streams.update(other.streams)
        self.elsewhere += other.elsewhere


@dataclass(slots=True)
class Tally:
    """What a table held: records with a file, of them deleted, never used, damaged. Complete after the iteration."""

    records: int = 0
    files: int = 0
    deleted: int = 0
    unused: int = 0
    extensions: int = 0
    damaged: int = 0


class TableReader:
    """Reads a table twice: once for folders and extension records, once for every file. Raises FormatError if none."""

    def __init__(self, fh: BinaryIO) -> None:
        self._fh = fh
        self.tally = Tally()
        self.record_size = self._size()
        self._extensions: dict[int, list[Entry]] = defaultdict(list)

    def _size(self) -> int:
        """What its first whole record says of its size; a damaged beginning costs the records in it and no more."""
        self._fh.seek(0)
        head = self._fh.read(_SEARCHED)
        for at in range(0, len(head) - _HEADER.size + 1, min(_SIZES)):
            if head[at : at + 4] in (b"FILE", b"BAAD"):
                size: int = _HEADER.unpack_from(head, at)[8]
                if size in _SIZES or at == 0:
                    return size if size in _SIZES else 1024
        raise FormatError(f"not a master file table: no record begins in its first {len(head)} bytes", 0)

    def _raw(self) -> Iterator[tuple[int, bytes]]:
        """Each record's offset and bytes; the last one may be short."""
        self._fh.seek(0)
        offset, size = 0, self.record_size
        while block := self._fh.read(_BLOCK):
            for pos in range(0, len(block), size):
                yield offset + pos, block[pos : pos + size]
            offset += len(block)

    def folders(self) -> Iterator[tuple[int, int, str]]:
        """Reference, parent and name of every folder, deleted ones too; extension records are noted on the way."""
        kept = 0
        for offset, raw in self._raw():
            if len(raw) < self.record_size or raw[:4] != b"FILE":
                continue
            is_folder, is_extension = raw[22] & _FOLDER, raw[32:38] != b"\x00\x00\x00\x00\x00\x00"
            if not is_folder and not is_extension:
                continue
            entry, _ = parse_record(raw, offset // self.record_size, offset)
            if entry is None:
                continue
            if entry.base:
                kept += 1
                if kept <= _MOST_EXTENSIONS:
                    self._extensions[entry.base].append(entry)
            for name in entry.names if entry.folder else ():
                yield entry.base or entry.ref, name.parent, name.name

    def __iter__(self) -> Iterator[Entry | FormatError]:
        """Every file, in order of number; FormatError for what is damaged. `folders` should have been read before."""
        for offset, raw in self._raw():
            self.tally.records += 1
            if raw[:4] == b"\x00\x00\x00\x00" and not raw.strip(b"\x00"):
                self.tally.unused += 1
                continue
            entry, fault = parse_record(raw, offset // self.record_size, offset, self.record_size)
            if fault is not None:
                self.tally.damaged += 1
                yield fault
            if entry is not None:
                yield from self._counted(entry)

    def children(self, parents: Container[int], numbers: Container[int] = ()) -> Iterator[Entry]:
        """The files of some folders (references) and some by their `numbers`; `folders` must have been read before.

        Passes over everything else without decoding it, which takes a tenth of the time.
        """
        for offset, raw in self._raw():
            if _may_lie_in(raw, parents) or offset // self.record_size in numbers:
                entry, _ = parse_record(raw, offset // self.record_size, offset, self.record_size)
                if entry is not None:
                    yield from self._counted(entry)

    def _counted(self, entry: Entry) -> Iterator[Entry]:
        if entry.base:
            self.tally.extensions += 1
            return
        for more in self._extensions.get(entry.ref, ()):
            if more.in_use == entry.in_use:
                entry.take(more)
        if not entry.in_use and not entry.names and entry.times is None:
            self.tally.unused += 1  # formatted, never given to a file
            return
        self.tally.files += 1
        self.tally.deleted += not entry.in_use
        yield entry


def _may_lie_in(raw: bytes, parents: Container[int]) -> bool:
    """Whether a record has a name in one of these folders, or may have one that is not seen at once."""
    if raw[:4] != b"FILE" or len(raw) < _SECTOR:
        return False
    at = int.from_bytes(raw[20:22], "little")
    while at + 24 <= _SECTOR - 2:
        kind, length = _HEAD.unpack_from(raw, at)
        if kind == _NAME:
            start = at + int.from_bytes(raw[at + 20 : at + 22], "little")
            if start + 8 > _SECTOR - 2 or int.from_bytes(raw[start : start + 8], "little") in parents:
                return True
        elif kind > _NAME:
            return False
        if kind == _LIST or length < 24:
            return True
        at += length
    return True  # beyond the first sector's end the bytes are not yet those of the record


def parse_record(raw: bytes, number: int, offset: int, size: int = 0) -> tuple[Entry | None, FormatError | None]:
    """One record: what could be read of it, and what could not."""
    if len(raw) < max(size, 64):
        return None, FormatError(f"MFT record {number} is cut after {len(raw)} bytes", offset)
    magic, guard_at, guards, sequence, _, first, flags, _, _, base = _HEADER.unpack_from(raw)
    if magic != b"FILE":
        return None, FormatError(f"MFT record {number} begins with {magic!r}", offset)
    record, end, fault = _unguarded(raw, guard_at, guards)
    in_use = bool(flags & _IN_USE)
    had = sequence if in_use else freed(sequence)
    entry = Entry(number, offset, reference(number, had), in_use, bool(flags & _FOLDER), base=base)
    wrong = _attributes(record, first, end, entry)
    why = fault or wrong
    return entry, FormatError(f"MFT record {number}: {why}", offset) if why else None


def _unguarded(raw: bytes, guard_at: int, guards: int) -> tuple[bytearray, int, str]:
    """The record with its sector ends put back, how far it is sound, and what is wrong."""
    record = bytearray(raw)
    sectors = len(raw) // _SECTOR
    if guards != sectors + 1 or guard_at + 2 * guards > len(raw):
        return record, min(len(raw), _SECTOR - 2), f"an update sequence of {guards} for {sectors} sectors"
    mark = raw[guard_at : guard_at + 2]
    for sector in range(1, guards):
        end = sector * _SECTOR
        if raw[end - 2 : end] != mark:
            return record, end - 2, f"sector {sector} was torn: its end is not what the update sequence says"
        record[end - 2 : end] = raw[guard_at + 2 * sector : guard_at + 2 * sector + 2]
    return record, len(raw), ""


def _attributes(record: bytearray, at: int, end: int, entry: Entry) -> str:
    """Read the attributes into `entry`; says what is wrong, "" when nothing is."""
    while at + 8 <= end:
        kind = int.from_bytes(record[at : at + 4], "little")
        if kind == _END:
            return ""
        if at + 24 > end:
            break
        _, length, apart, name_length, name_at = _ATTRIBUTE.unpack_from(record, at)
        if length < 24 or at + length > end:
            return f"an attribute of {length} bytes at {at} leaves the record"
        if kind in _READERS:
            attribute = record[at : at + length]
            name = attribute[name_at : name_at + 2 * name_length].decode("utf-16-le", "replace") if name_length else ""
            content = b"" if apart else _content(attribute)
            _READERS[kind](entry, name, None if apart else content, attribute)
        at += length
    return "its attributes have no end"


def _content(attribute: bytearray) -> bytes:
    size, start = struct.unpack_from("<IH", attribute, 16)
    return bytes(attribute[start : start + size])


def _standard(entry: Entry, _: str, content: bytes | None, __: bytearray) -> None:
    if content is not None and len(content) >= _TIMES.size:
        entry.times = Times(*_TIMES.unpack_from(content))


def _file_name(entry: Entry, _: str, content: bytes | None, attribute: bytearray) -> None:
    if content is None or len(content) < 66 or content[65] == _SHORT_NAME:
        return
    # By the name's own length, inside the attribute: a content length that is too small cuts no name.
    start = int.from_bytes(attribute[20:22], "little") + 66
    name = bytes(attribute[start : start + 2 * content[64]])
    text = name[: len(name) & ~1].decode("utf-16-le", "surrogatepass")
    if text:
        parent = int.from_bytes(content[:8], "little")
        entry.names.append(Name(parent, text, Times(*_TIMES.unpack_from(content, 8))))


def _data(entry: Entry, name: str, content: bytes | None, attribute: bytearray) -> None:
    if content is not None:
        if name:
            entry.streams[name] = content
        else:
            entry.data, entry.size = content, len(content)
    elif len(attribute) >= 64 and attribute[16:24] == bytes(8):
        if name:
            entry.elsewhere.append(name)
        else:
            entry.size = int.from_bytes(attribute[48:56], "little")


_READERS = {_STANDARD: _standard, _NAME: _file_name, _DATA: _data}
