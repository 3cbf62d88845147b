"""AD1, the logical image of FTK Imager: a tree of files with their times and hashes, in zlib chunks, in segments.

Triage with FTK Imager ends in such a file ("custom content image": chosen folders of a live system or of a disk).
It is read here and not by dissect.evidence, which follows links of entries without an end, refuses an image of several
sources, takes a set with missing segments, and loses the drive of `C:\\:NONAME [NTFS]`. The hashes that FTK Imager
stored are held against what is read, as a collector's are.

Format: public samples, checked byte by byte; pyad1's documentation and AD1-tools (libad1) for the names of fields.
A segment is a 512-byte header and payload; all offsets count in the joined payload. An entry is (next, child, first
attribute, chunk table, size: u64; type, name length: u32; name; parent: u64); a chunk table is a count and count + 1
offsets; an attribute (next: u64; category, key, length: u32; text). Names of sources as walkthroughs of public images
show them: `C:\\:NONAME [NTFS]`, `disk.E01:Partition 2 [50647MB]:NONAME [NTFS]`, with `[root]` below.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from dissect.util.stream import AlignedStream

from forensics.evidence.base import ACCESSED, BORN, CHANGED, MODIFIED, EvidenceError, Noted, Refusal
from forensics.evidence.regular import head_of, is_regular, open_regular
from forensics.times import checked

MAGIC, LOCKED = b"ADSEGMENTEDFILE\x00", b"ADCRYPT\x00"
MARGIN = 512
_IMAGE = b"ADLOGICALIMAGE\x00\x00"
_HEADER, _ENTRY, _ATTRIBUTE = struct.Struct("<16s3I2QI"), struct.Struct("<5Q2I"), struct.Struct("<Q3I")
_MOST_NAME, _MOST_ATTRIBUTES, _MOST_CHUNK, _MOST_TEXT = 64 * 1024, 400, 64 * 1024 * 1024, 1024 * 1024
_SPARE = 64 * 1024  # a chunk that does not shrink is a little longer than its content
_FOLDER, _DELETED = 5, 2
_CLASS = 2
_TIMES = {7: ACCESSED, 8: BORN, 9: MODIFIED, 0xA002: CHANGED}
_HASHES = {0x5001: ("md5", 32), 0x5002: ("sha1", 40)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the tree: path below the image's top, and where its parts lie."""

    parts: tuple[str, ...]
    offset: int
    following: int
    child: int
    attributes: int
    chunks: int
    size: int
    kind: int

    @property
    def folder(self) -> bool:
        """Whether it is a folder."""
        return self.kind == _FOLDER

    @property
    def deleted(self) -> bool:
        """Whether FTK Imager found it deleted."""
        return self.kind == _DELETED


class Image:
    """An opened AD1: `name` is what was imaged, entries are walked from `first`."""

    def __init__(self, first: Path) -> None:
        self.path = first
        self._handles: list[BinaryIO] = []
        self._starts: list[int] = []
        self.size = 0
        self.files = segments_of(first)
        for path in self.files:
            self._handles.append(open_regular(path))
            self._starts.append(self.size)
            self.size += max(path.stat().st_size - MARGIN, 0)
        self.name, self.first, self.chunk_size = self._header()

    def _header(self) -> tuple[str, int, int]:
        data = self.read(0, _HEADER.size)
        magic, version, _, chunk_size, _, first, length = _HEADER.unpack(data)
        if magic != _IMAGE:
            raise EvidenceError(f"{self.path} is an AD1 without the header of its image", integrity=True)
        if version not in (3, 4):
            raise EvidenceError(f"{self.path} is an AD1 of version {version}; versions 3 and 4 are read")
        if not 0 < chunk_size <= _MOST_CHUNK or length > _MOST_NAME:
            raise EvidenceError(f"{self.path}: the header of the AD1 image makes no sense", integrity=True)
        name = self.read(92 if version == 4 else 48, length)
        return name.decode("utf-8", "surrogateescape").rstrip("\x00"), first, chunk_size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes of the joined payload; raises OSError where there are fewer."""
        if offset < 0 or offset + length > self.size:
            raise OSError(f"the AD1 image ends before offset 0x{offset + length:x}")
        parts = []
        index = max(number for number, start in enumerate(self._starts) if start <= offset)
        while length:
            handle, start = self._handles[index], self._starts[index]
            end = self._starts[index + 1] if index + 1 < len(self._starts) else self.size
            handle.seek(MARGIN + offset - start)
            parts.append(handle.read(min(length, end - offset)))
            if not parts[-1]:
                raise OSError(f"the AD1 image cannot be read at offset 0x{offset:x}")
            offset += len(parts[-1])
            length -= len(parts[-1])
            index += offset >= end
        return b"".join(parts)

    def entries(self, refusals: list[Refusal]) -> Iterator[Entry]:
        """Every entry, folders before what is in them; an entry that cannot be read, or is met twice, is said."""
        stack: list[tuple[int, tuple[str, ...]]] = [(self.first, ())]
        seen: set[int] = set()
        while stack:
            offset, above = stack.pop()
            if not offset:
                continue
            if offset in seen:
                why = f"the entry at offset 0x{offset:x} is linked twice: not followed again"
                refusals.append(Refusal("/".join(above), "bad_record", why))
                continue
            seen.add(offset)
            try:
                entry = self._entry(offset, above)
            except OSError as error:
                refusals.append(Refusal("/".join(above), "bad_record", f"what follows in this folder is lost: {error}"))
                continue
            yield entry
            stack.append((entry.following, above))
            stack.append((entry.child, entry.parts))

    def _entry(self, offset: int, above: tuple[str, ...]) -> Entry:
        *links, size, kind, length = _ENTRY.unpack(self.read(offset, _ENTRY.size))
        if length > _MOST_NAME:
            raise OSError(f"the entry at offset 0x{offset:x} has a name of {length} bytes")
        name = self.read(offset + _ENTRY.size, length).decode("utf-8", "surrogateescape").rstrip("\x00")
        following, child, attributes, chunks = links
        return Entry((*above, name), offset, following, child, attributes, chunks, size, kind)

    def attributes(self, entry: Entry) -> Iterator[tuple[int, bytes]]:
        """Key and text of every attribute; ends at what makes no sense."""
        offset, seen = entry.attributes, set[int]()
        while offset and offset not in seen and len(seen) < _MOST_ATTRIBUTES:
            seen.add(offset)
            try:
                following, _, key, length = _ATTRIBUTE.unpack(self.read(offset, _ATTRIBUTE.size))
                yield key, self.read(offset + _ATTRIBUTE.size, min(length, _MOST_TEXT))
            except OSError:
                return
            offset = following

    def class_of(self, entry: Entry) -> str:
        """What FTK Imager calls it: `1` file, `2` placeholder, `3` folder, `6` file slack, `9` and `11` links."""
        first = next(self.attributes(entry), (0, b""))
        return first[1].decode("ascii", "replace") if first[0] == _CLASS else ""

    def noted(self, entry: Entry) -> Noted:
        """The times and hashes that FTK Imager stored."""
        noted = Noted()
        for key, text in self.attributes(entry):
            if key in _TIMES and (moment := _moment(text)):
                noted.times[_TIMES[key]] = moment
            elif key in _HASHES and len(text) == _HASHES[key][1]:
                noted.hashes[_HASHES[key][0]] = text.decode("ascii", "replace").casefold()
        return noted

    def open(self, entry: Entry) -> BinaryIO:
        """The content of an entry."""
        return Content(self, entry)

    def close(self) -> None:
        """Close the segments."""
        for handle in self._handles:
            handle.close()


class Content(AlignedStream):  # type: ignore[misc]  # dissect carries no types
    """The inflated chunks of an entry as one stream."""

    def __init__(self, image: Image, entry: Entry) -> None:
        super().__init__(entry.size, align=image.chunk_size)
        self._image, self._entry = image, entry
        self._offsets: tuple[int, ...] = ()
        if entry.size:
            (count,) = struct.unpack("<Q", image.read(entry.chunks, 8))
            if count != -(-entry.size // image.chunk_size):
                raise OSError(f"an entry of {entry.size} bytes has {count} chunks")
            offsets = struct.unpack(f"<{count}Q", image.read(entry.chunks + 8, 8 * count))
            self._offsets = (*offsets, entry.attributes or image.size)

    def _read(self, offset: int, length: int) -> bytes:
        first, last = offset // self.align, -(-(offset + length) // self.align)
        return b"".join(self._chunk(number) for number in range(first, min(last, len(self._offsets) - 1)))

    def _chunk(self, number: int) -> bytes:
        start, end = self._offsets[number : number + 2]
        if not 0 < end - start <= self.align + _SPARE:
            raise OSError(f"chunk {number} at offset 0x{start:x} has a length that cannot be")
        wanted = min(self.align, self._entry.size - number * self.align)
        try:
            data = zlib.decompressobj().decompress(self._image.read(start, end - start), wanted + 1)
        except zlib.error as error:
            raise OSError(f"chunk {number} at offset 0x{start:x} is damaged: {error}") from error
        if len(data) != wanted:
            raise OSError(f"chunk {number} at offset 0x{start:x} holds {len(data)} bytes, not {wanted}")
        return data


def segments_of(first: Path) -> list[Path]:
    """`x.ad1`, `x.ad2`, ... in order; raises EvidenceError when the set is broken."""
    by_number = {
        int(path.suffix[3:]): path
        for path in sorted(first.parent.iterdir())
        if path.stem == first.stem and path.suffix[:3].casefold() == ".ad" and path.suffix[3:].isdecimal()
        and is_regular(path)
    }  # fmt: skip
    number, count, _ = _margin(first)
    if number != 1:
        raise EvidenceError(f"{first} is segment {number} of an AD1; open its first segment")
    by_number[1] = first
    if missing := [str(number) for number in range(1, count + 1) if number not in by_number][:8]:
        raise EvidenceError(f"{first.name}: segment {', '.join(missing)} of {count} is missing", integrity=True)
    found = [by_number[number] for number in range(1, count + 1)]
    for number, path in enumerate(found, 1):
        _check(path, number, count)
    return found


def _margin(path: Path) -> tuple[int, int, int]:
    """The segment's number, the number of segments, and the length of a full one."""
    head = head_of(path, 40)
    if len(head) < 40 or not head.startswith(MAGIC):
        raise EvidenceError(f"{path} is no segment of an AD1", integrity=True)
    number, count, full = struct.unpack_from("<2IQ", head, 24)
    if not 0 < count <= 100_000:
        raise EvidenceError(f"{path} says that it is one of {count} segments", integrity=True)
    return number, count, full


def _check(path: Path, number: int, count: int) -> None:
    said, of, full = _margin(path)
    if (said, of) != (number, count):
        raise EvidenceError(
            f"{path.name} says that it is segment {said} of {of}: the set is renamed or mixed", integrity=True
        )
    if number < count and (size := path.stat().st_size) not in (full, full + MARGIN):
        raise EvidenceError(f"{path.name} is cut: it has {size} bytes, a full segment {full}", integrity=True)


def _moment(text: bytes) -> datetime | None:
    """`20170331T180231.189682`, taken as UTC (as FTK Imager shows it)."""
    try:
        form = "%Y%m%dT%H%M%S.%f" if b"." in text else "%Y%m%dT%H%M%S"
        moment = checked(datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC), "")
    except ValueError:
        return None
    return moment if isinstance(moment, datetime) else None
