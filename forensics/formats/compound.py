"""OLE compound files: the streams in one, each with what of it can still be read.

Own code rather than a library because the input is hostile or cut: sizes in the file are never believed beyond the
file's length, chains that turn back on themselves end, and a damaged sector costs the streams that use it, not the
file. The directory is read as the table that it is, so a broken tree hides nothing; names of storages are not kept,
which is enough for jump lists (all streams lie in the root).
Format: Microsoft, [MS-CFB].
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from forensics.formats import FormatError

SIGNATURE = bytes.fromhex("d0cf11e0a1b11ae1")
_HEADER = 512
_LAST_SECTOR = 0xFFFFFFFA  # larger numbers are marks: end of chain, free, allocation tables
_END = 0xFFFFFFFE
_DIFAT_IN_HEADER = 109
_ENTRY = 128
_STREAM, _ROOT = 2, 5
_TYPES = frozenset({0, 1, _STREAM, _ROOT})  # unused, storage
_MAX_ENTRIES = 100_000
_MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream; `offset` is where its first byte lies in the file, `size` what the directory claims."""

    name: str
    data: bytes
    size: int
    offset: int

    @property
    def whole(self) -> bool:
        """Whether everything that the directory claims is there."""
        return len(self.data) == self.size


@dataclass(slots=True)
class Compound:
    """An open compound file. `problems` grows while streams are read."""

    data: bytes
    problems: list[FormatError] = field(default_factory=list)
    _sector: int = 512
    _mini: int = 64
    _cutoff: int = 4096
    _fat: list[int] = field(default_factory=list)
    _mini_fat: list[int] = field(default_factory=list)
    _mini_chain: list[int] = field(default_factory=list)
    _directory: list[int] = field(default_factory=list)

    @classmethod
    def open(cls, data: bytes) -> Compound:
        """Read header and allocation tables; FormatError when it is no compound file."""
        if len(data) < _HEADER or data[:8] != SIGNATURE:
            raise FormatError("not an OLE compound file", 0)
        shift, mini_shift = struct.unpack_from("<2H", data, 30)
        if shift not in (9, 12) or mini_shift != 6:
            raise FormatError(f"sectors of 2^{shift} and 2^{mini_shift} bytes", 30)
        found = cls(data, _sector=1 << shift)
        found._load()
        return found

    def _load(self) -> None:
        directory, self._cutoff, mini_fat = (struct.unpack_from("<I", self.data, at)[0] for at in (48, 56, 60))
        for sector in self._tables():
            part = self._at(sector)
            if len(part) < self._sector:
                self._lost("an allocation table is cut off", self._place(sector))
            self._fat.extend(_numbers(part))
        self._mini_fat = [number for sector in self._chain(mini_fat, "small table") for number in self._words(sector)]
        self._directory = self._chain(directory, "directory")

    def _tables(self) -> Iterator[int]:
        """The sectors of the allocation table: the first are in the header, more in a chain of their own."""
        count, more = struct.unpack_from("<I", self.data, 44)[0], struct.unpack_from("<I", self.data, 68)[0]
        listed = [number for number in _numbers(self.data[76:_HEADER])[:_DIFAT_IN_HEADER] if number < _LAST_SECTOR]
        seen: set[int] = set()
        while more < _LAST_SECTOR and more not in seen and len(listed) < count:
            seen.add(more)
            *numbers, more = self._words(more) or [_LAST_SECTOR]
            listed.extend(number for number in numbers if number < _LAST_SECTOR)
        yield from dict.fromkeys(number for number in listed[:count] if self._place(number) < len(self.data))
        if len(listed) < count or any(self._place(number) >= len(self.data) for number in listed[:count]):
            self._lost("parts of the allocation table are missing", 44)

    def streams(self) -> Iterator[Stream]:
        """Every stream in directory order. Together they are never larger than the file: what claims more is cut."""
        left = len(self.data)
        raw = b"".join(self._at(sector) for sector in self._directory)
        entries = [raw[at : at + _ENTRY] for at in range(0, min(len(raw), _MAX_ENTRIES * _ENTRY), _ENTRY)]
        root = next((entry for entry in entries if len(entry) == _ENTRY and entry[66] == _ROOT), None)
        if root is None:
            self._lost("the directory has no root", 48)
        else:
            self._mini_chain = self._chain(struct.unpack_from("<I", root, 116)[0], "small streams")
        if len(raw) > _MAX_ENTRIES * _ENTRY:
            self._lost(f"more than {_MAX_ENTRIES} entries in the directory", 48)
        for number, entry in enumerate(entries):
            if len(entry) == _ENTRY and entry[66] not in _TYPES:
                self._lost(f"entry {number} of the directory is of unknown type {entry[66]}", None)
            if len(entry) == _ENTRY and entry[66] == _STREAM:
                stream = self._stream(entry, left)
                left -= len(stream.data)
                yield stream

    def _stream(self, entry: bytes, left: int) -> Stream:
        length, start, size = (
            struct.unpack_from(layout, entry, at)[0] for layout, at in (("<H", 64), ("<I", 116), ("<Q", 120))
        )
        name = entry[: max(0, min(length, 64) - 2) & ~1].decode("utf-16-le", "surrogatepass")
        if self._sector == _HEADER:
            size &= 0xFFFFFFFF  # the upper half is not defined in files of the older version
        wanted = min(size, left)
        small = size < self._cutoff
        unit = self._mini if small else self._sector
        places = self._places(start, small=small, most=-(-wanted // unit), what=f"stream {name}") if wanted else []
        data = b"".join(self.data[place : place + unit] for place in places)[:wanted]
        if len(data) < size:
            self._lost(f"stream {name} has {len(data)} of {size} bytes", places[0] if places else None)
        return Stream(name, data, size, places[0] if places else 0)

    def _places(self, start: int, *, small: bool, most: int, what: str) -> list[int]:
        """Where the pieces of a stream lie in the file."""
        if not small:
            return [self._place(sector) for sector in self._chain(start, what, most)]
        per_sector = self._sector // self._mini
        places = []
        for number in _follow(self._mini_fat, start, most):
            index, rest = divmod(number, per_sector)
            if index >= len(self._mini_chain):
                break
            places.append(self._place(self._mini_chain[index]) + rest * self._mini)
        return places

    def _chain(self, start: int, what: str, most: int | None = None) -> list[int]:
        """The sectors of a chain that lie in the file."""
        limit = len(self._fat) if most is None else most
        chain = list(_follow(self._fat, start, limit))
        kept = [sector for sector in chain if self._place(sector) < len(self.data)]
        if len(kept) < len(chain) or (start < _LAST_SECTOR and not chain):
            self._lost(f"sectors of the {what} are missing", None)
        elif most is None and chain and self._fat[chain[-1]] != _END:
            self._lost(f"the chain of the {what} has no end", None)  # it meets itself, or a sector that is free
        return kept

    def _place(self, sector: int) -> int:
        return (sector + 1) * self._sector

    def _at(self, sector: int) -> bytes:
        place = self._place(sector)
        return self.data[place : place + self._sector]

    def _words(self, sector: int) -> list[int]:
        return _numbers(self._at(sector))

    def _lost(self, what: str, at: int | None) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(FormatError(what, at))


def _numbers(raw: bytes) -> list[int]:
    return list(struct.unpack_from(f"<{len(raw) // 4}I", raw))


def _follow(table: list[int], start: int, most: int) -> Iterator[int]:
    """The numbers of a chain, at most `most`; it ends at a mark, outside the table, or where it meets itself."""
    seen: set[int] = set()
    while start < len(table) and start not in seen and len(seen) < most:
        seen.add(start)
        yield start
        start = table[start]
