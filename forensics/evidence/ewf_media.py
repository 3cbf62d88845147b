"""The media inside an E01 image: every chunk is checked when it is read, and damage is remembered, not hidden.

dissect.evidence drops the Adler-32 of uncompressed chunks and never looks at the stored hashes: of 20 damaged spots 16
came back as wrong bytes without a word. Here a chunk that fails is noted; its bytes are given as they stand (an
uncompressed chunk) or as zeros (one that does not inflate), so that the rest of a file can still be read, and who reads
it is told. Format: libewf's "Expert Witness Compression Format": section descriptors (type, u64 next, u64 size,
Adler-32), `volume` or `disk` (u32 chunk count at 4, sectors a chunk at 8, bytes a sector at 12, u64 sectors at 16),
`table` (u32 entries, u64 base at 8, entries from 24: bit 31 compressed, else offset), `hash` (MD5), `digest` (MD5,
SHA-1).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from dissect.util.stream import AlignedStream

from forensics.evidence.base import EvidenceError
from forensics.evidence.regular import open_regular

_DESCRIPTOR = 76
_FILE_HEADER = 13
_MOST_SECTIONS = 100_000
_MOST_CHUNK = 64 * 1024 * 1024
_COMPRESSED = 0x80000000
_CACHED = 256  # chunks, 8 MiB with the usual 32 KiB


class Section(NamedTuple):
    """A section of a segment: its type, the offset of its data and their length."""

    kind: str
    start: int
    length: int
    sound: bool


class Geometry(NamedTuple):
    """What one section says of the media; `sound` when its own checksum is right."""

    chunks: int
    sectors: int
    sector_size: int
    total: int
    sound: bool
    where: str

    @property
    def sane(self) -> bool:
        """Whether it can be."""
        chunk = self.sectors * self.sector_size
        return 512 <= chunk <= _MOST_CHUNK and self.total * self.sector_size <= self.chunks * chunk

    @property
    def what(self) -> str:
        """In words."""
        return f"chunks of {self.sectors * self.sector_size} bytes, {self.chunks} of them for {self.total} sectors"


def geometry_of(data: bytes, where: str) -> Geometry:
    """A volume, disk or data section: 1052 bytes, the oldest ones 94; its Adler-32 is the last u32."""
    if len(data) < 94:
        raise EvidenceError(f"{where} is cut", integrity=True)
    count, sectors, sector_size = struct.unpack_from("<III", data, 4)
    total: int = struct.unpack_from("<Q" if len(data) >= 1052 else "<I", data, 16)[0]
    length = 1052 if len(data) >= 1052 else 94
    sound = zlib.adler32(data[: length - 4]) == int.from_bytes(data[length - 4 : length], "little")
    return Geometry(count, sectors, sector_size, total, sound, where)


@dataclass(slots=True)
class Table:
    """Chunks that one table lists: the first one's number, and where each begins (with the compression bit)."""

    segment: int
    first: int
    base: int
    entries: tuple[int, ...]
    end: int


@dataclass(slots=True)
class Stored:
    """The hashes that the acquisition stored, in hex; `conflict` is a second MD5 that is not the first."""

    md5: str | None = None
    sha1: str | None = None
    conflict: str | None = None


@dataclass(slots=True)
class Damage:
    """Chunks that failed their check, by number, with what was wrong; `met` are those read since `take`."""

    chunks: dict[int, str] = field(default_factory=dict)
    met: set[int] = field(default_factory=set)

    def take(self) -> Damage:
        """The damage that was met since the last call."""
        found = Damage({number: self.chunks[number] for number in self.met})
        self.met.clear()
        return found

    def __bool__(self) -> bool:
        return bool(self.chunks)

    def ranges(self, chunk_size: int) -> list[str]:
        """`chunks 12-14 (media offset 0x60000-0x77fff): why`, neighbours together."""
        found: list[list[int]] = []
        for number in sorted(self.chunks):
            if found and number == found[-1][1] + 1 and self.chunks[number] == self.chunks[found[-1][0]]:
                found[-1][1] = number
            else:
                found.append([number, number])
        return [
            f"chunk{'s' if last > first else ''} {first}{f'-{last}' if last > first else ''} (media offset "
            f"0x{first * chunk_size:x}-0x{(last + 1) * chunk_size - 1:x}): {self.chunks[first]}"
            for first, last in found
        ]


class EwfMedia(AlignedStream):  # type: ignore[misc]  # dissect carries no types
    """The raw media as a stream. `damage` grows while it is read; `stored` is what the acquisition noted."""

    __type__ = "ewf"

    def __init__(self, segments: Sequence[Path]) -> None:
        self.files = list(segments)
        self._handles = [open_regular(path) for path in segments]  # read while the evidence is open
        self._tables: list[Table] = []
        self.stored = Stored()
        self.damage = Damage()
        self.faults: list[str] = []
        told: list[Geometry] = []
        for number, handle in enumerate(self._handles):
            told += self._read_segment(number, handle, segments[number].name)
        self._firsts = [table.first for table in self._tables]
        self.listed = sum(len(table.entries) for table in self._tables)
        size = self._settle(told, segments[0].name)
        self._chunk = lru_cache(maxsize=_CACHED)(self._load)
        super().__init__(size, align=512)

    # -- structure -------------------------------------------------------------------------------------------------

    def _read_segment(self, number: int, handle: BinaryIO, name: str) -> list[Geometry]:
        """Take in the sections of a segment; gives what they say of the media's size."""
        told: list[Geometry] = []
        sectors_end = 0
        for section in sections(handle):
            if not section.sound:
                self.faults.append(f"{name}: the checksum of the {section.kind!r} section's descriptor is wrong")
            handle.seek(section.start)
            if section.kind in ("volume", "disk", "data"):
                told.append(
                    geometry_of(handle.read(min(section.length, 1052)), f"the {section.kind} section of {name}")
                )
            elif section.kind == "sectors":
                sectors_end = section.start + section.length
            elif section.kind == "table":
                self._add_table(number, handle, section, sectors_end, name)
            elif section.kind in ("hash", "digest"):
                self._hashes(section.kind, handle.read(36))
        return told

    def _settle(self, told: list[Geometry], name: str) -> int:
        """Choose among what the segments say of the media, which should be the same; gives the media's size."""
        if not told:
            raise EvidenceError(f"{name} has no volume section: it is not a disk image", integrity=True)
        chosen = next((item for item in told if item.sound and item.sane), told[0])
        if not chosen.sane:
            raise EvidenceError(f"{name}: the volume section makes no sense ({chosen.what})", integrity=True)
        self.faults += [f"{item.where} fails its checksum" for item in told if not item.sound]
        self.faults += [f"{item.where} says {item.what}, {chosen.where} says {chosen.what}"
                        for item in told if item[:4] != chosen[:4]]  # fmt: skip
        self.chunk_size, self.chunk_count = chosen.sectors * chosen.sector_size, chosen.chunks
        if self.listed < self.chunk_count:
            why = f"{name} lists {self.listed} of {self.chunk_count} chunks: the image is cut or damaged"
            raise EvidenceError(why, integrity=True)
        needed = -(-chosen.total // chosen.sectors)
        if self.listed > needed:
            self.faults.append(f"{name} lists {self.listed} chunks, the media is said to have {needed}")
        return chosen.total * chosen.sector_size

    def _add_table(self, number: int, handle: BinaryIO, section: Section, sectors_end: int, name: str) -> None:
        head = handle.read(24)
        if len(head) < 24:
            raise EvidenceError(f"{name}: a table of chunks is cut", integrity=True)
        count, base = struct.unpack("<I4xQ", head[:16])
        if zlib.adler32(head[:20]) != struct.unpack_from("<I", head, 20)[0] or 24 + 4 * count > section.length:
            raise EvidenceError(f"{name}: the table at offset 0x{section.start:x} is damaged", integrity=True)
        packed = handle.read(4 * count)
        entries = struct.unpack(f"<{count}I", packed)
        first = sum(len(table.entries) for table in self._tables)
        trailer = handle.read(4)
        sealed = len(trailer) == 4 and section.length >= 28 + 4 * count
        if sealed and zlib.adler32(packed) != int.from_bytes(trailer, "little"):
            what = f"{name}: the entries of the table at offset 0x{section.start:x} are damaged"
            raise EvidenceError(what, integrity=True)
        # Without a sectors section before it (the oldest form), the chunks follow the table in its own section.
        end = sectors_end or section.start + section.length
        self._tables.append(Table(number, first, base, entries, end))

    def _hashes(self, kind: str, data: bytes) -> None:
        if len(data) >= 16 and any(data[:16]):
            self.stored.md5 = self.stored.md5 or data[:16].hex()
            if data[:16].hex() != self.stored.md5:
                self.stored.conflict = data[:16].hex()
        if kind == "digest" and len(data) >= 36 and any(data[16:36]):
            self.stored.sha1 = data[16:36].hex()

    # -- data ------------------------------------------------------------------------------------------------------

    def _read(self, offset: int, length: int) -> bytes:
        parts: list[bytes] = []
        end = min(offset + length, self.size)
        while offset < end:
            number, skip = divmod(offset, self.chunk_size)
            part = self._chunk(number)[skip : skip + end - offset]
            if number in self.damage.chunks:
                self.damage.met.add(number)
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def _load(self, number: int) -> bytes:
        """A chunk, whole; what is wrong with it is noted."""
        table = self._tables[bisect_right(self._firsts, number) - 1]
        wanted = min(self.chunk_size, self.size - number * self.chunk_size)
        data, why = self._checked(table, number - table.first, wanted)
        if why or len(data) != wanted:
            self.damage.chunks[number] = why or f"{len(data)} bytes instead of {wanted}"
        return data[:wanted].ljust(wanted, b"\x00")

    def _checked(self, table: Table, index: int, wanted: int) -> tuple[bytes, str]:
        entry = table.entries[index]
        start = table.base + (entry & ~_COMPRESSED)
        following = table.entries[index + 1] & ~_COMPRESSED if index + 1 < len(table.entries) else None
        end = table.base + following if following is not None else table.end
        handle = self._handles[table.segment]
        if not start < end or end - start > 2 * _MOST_CHUNK:
            return b"", "its place in the table makes no sense"
        handle.seek(start)
        raw = handle.read(end - start)
        if entry & _COMPRESSED:
            return _inflated(raw, wanted, self.chunk_size)
        # The last chunk is stored whole by some tools and cut at the media's end by others.
        for size in dict.fromkeys((wanted, min(len(raw) - 4, self.chunk_size))):
            stated = raw[size : size + 4]
            if len(stated) == 4 and zlib.adler32(raw[:size]) == int.from_bytes(stated, "little"):
                return raw[:wanted], ""
        return raw[:wanted], "its checksum (Adler-32) is wrong"

    @property
    def stored_hashes(self) -> dict[str, str]:
        """The hashes of the media that the acquisition stored, by name."""
        return {name: text for name, text in (("md5", self.stored.md5), ("sha1", self.stored.sha1)) if text}

    def check(self) -> list[str]:
        """What is listed and not there: of an E01 that is known from the start, or when a chunk is read."""
        return []

    def touched(self) -> list[str]:
        """The damaged chunks that were read since the last call."""
        return self.damage.take().ranges(self.chunk_size)

    def close(self) -> None:
        """Close the segments."""
        super().close()
        for handle in self._handles:
            handle.close()

    def digest(self, tell: Callable[[int], None] | None = None) -> Stored:
        """MD5 and SHA-1 of the whole media; every chunk is checked on the way."""
        md5, sha1 = hashlib.md5(usedforsecurity=False), hashlib.sha1(usedforsecurity=False)
        for number in range(-(-self.size // self.chunk_size)):
            data = self._load(number)
            md5.update(data)
            sha1.update(data)
            if tell:
                tell(len(data))
        return Stored(md5.hexdigest(), sha1.hexdigest())


def _inflated(raw: bytes, wanted: int, most: int) -> tuple[bytes, str]:
    """A compressed chunk, never more than it may hold; zlib checks its own Adler-32."""
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(raw, most + 1)
    except zlib.error as error:
        return b"", f"it does not inflate ({error}); read as zeros"
    if len(data) == most and inflater.eof:
        return data[:wanted], ""
    if len(data) != wanted or not inflater.eof:
        return data[:wanted], "it inflates to another length"
    return data, ""


def sections(handle: BinaryIO) -> Iterator[Section]:
    """The sections of a segment that the preflight has checked (see `ewf`)."""
    offset = _FILE_HEADER
    for _ in range(_MOST_SECTIONS):
        handle.seek(offset)
        descriptor = handle.read(_DESCRIPTOR)
        if len(descriptor) < _DESCRIPTOR:
            return
        kind = descriptor[:16].rstrip(b"\x00").decode("latin-1")
        following, length = struct.unpack_from("<QQ", descriptor, 16)
        sound = zlib.adler32(descriptor[:72]) == int.from_bytes(descriptor[72:], "little")
        yield Section(kind, offset + _DESCRIPTOR, max(length - _DESCRIPTOR, 0), sound)
        if kind in ("next", "done") or following <= offset:
            return
        offset = following
