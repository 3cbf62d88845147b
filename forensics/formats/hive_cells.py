"""The cells of a hive behind bounds: bins, cell sizes, subkey lists, value data.

Every offset in a hive may lie. A crafted hive makes the registry libraries loop for ever (a subkey list that names
itself, a bin of size 0) or fill the memory (a value of 2 GiB out of one repeated segment). Here an offset is followed
only into a bin, a list only twice deep and never twice, a value only up to its cap. What is cut or skipped is
reported, once for each place.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from forensics.formats import FormatError

BINS = 0x1000
_BIN_HEADER = 0x20
MAX_VALUE = 16 * 1024 * 1024
_MAX_LIST_DEPTH = 2  # Windows builds an index of leaves, never an index of indexes of indexes
_MAX_OF_A_KIND = 100
_MAX_PLACES = 200_000  # remembered so that no place is told twice
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
_MAX_REFERENCES = 5_000_000  # references followed in one hive; a whole walk of a large SYSTEM hive takes 120,000
_SEGMENT = 16344  # bytes of data in one cell of a big value
_LEAF_ENTRY = {b"lf": 8, b"lh": 8, b"li": 4}
_NOWHERE = 0xFFFFFFFF


class Cell(NamedTuple):
    """Where the content of a cell stands in the file, and how long it is at most."""

    start: int
    length: int


class Reports:
    """What was wrong, once for each place; of one kind only as many are kept as a person reads, the rest is counted."""

    def __init__(self) -> None:
        self._kept: list[FormatError] = []
        self._places: set[tuple[str, int | None]] = set()
        self._counts: Counter[str] = Counter()

    def add(self, message: str, offset: int | None = None) -> None:
        """Keep a report unless the same was made before."""
        place = (message, offset)
        if place in self._places:
            return
        if len(self._places) < _MAX_PLACES:
            self._places.add(place)
        kind = _NUMBER.sub("#", message)
        self._counts[kind] += 1
        if self._counts[kind] <= _MAX_OF_A_KIND:
            self._kept.append(FormatError(message, offset))

    def listing(self) -> list[FormatError]:
        """All that is kept, and for each kind with more the number of the others."""
        counts = {kind: count - _MAX_OF_A_KIND for kind, count in self._counts.items() if count > _MAX_OF_A_KIND}
        return [*self._kept, *(FormatError(f"{count} more of this kind: {kind}") for kind, count in counts.items())]


class Cells:
    """Bounded access to the cells of one hive."""

    def __init__(self, buf: bytes, reports: Reports) -> None:
        self.buf = buf
        self.reports = reports
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._left = _MAX_REFERENCES + len(buf) // 8
        self._find_bins()

    # -- bins -------------------------------------------------------------------------------------------------------

    def _find_bins(self) -> None:
        """Walk the bins; a stretch with a broken header counts as one bin, so that its cells are not lost."""
        declared = BINS + int(struct.unpack_from("<I", self.buf, 0x28)[0])
        if declared > len(self.buf):
            held = max(len(self.buf) - BINS, 0)
            self.reports.add(f"truncated: the header claims {declared - BINS} bytes of bins, the file holds {held}")
        offset, end = BINS, len(self.buf)
        while offset + _BIN_HEADER < end:
            size = self._bin_size(offset)
            if size is None and offset >= declared:
                return
            if size is None:
                self.reports.add("bad bin header", offset)
                size = self._next_bin(offset) - offset
            if offset + size > end:
                self.reports.add("the last bin is cut off", offset)
            self._starts.append(offset)
            self._ends.append(min(offset + size, end))
            offset += size

    def _bin_size(self, offset: int) -> int | None:
        """The size of the bin whose header stands here, None when it is not a sound header."""
        signature, place, size = struct.unpack_from("<4sII", self.buf, offset)
        if signature != b"hbin" or place != offset - BINS or size < 0x1000 or size % 0x1000:
            return None
        return int(size)

    def _next_bin(self, offset: int) -> int:
        for candidate in range(offset + 0x1000, len(self.buf) - _BIN_HEADER, 0x1000):
            if self._bin_size(candidate) is not None:
                return candidate
        return len(self.buf)

    # -- cells ------------------------------------------------------------------------------------------------------

    def cell(self, relative: int) -> Cell:
        """The cell at an offset relative to the first bin. Raises FormatError when no cell can stand there."""
        offset = BINS + relative
        index = bisect_right(self._starts, offset) - 1
        if index < 0 or relative % 8 or not self._starts[index] + _BIN_HEADER <= offset <= self._ends[index] - 8:
            raise FormatError("a reference leads outside the bins", offset)
        size: int = struct.unpack_from("<i", self.buf, offset)[0]
        if size > 0:
            self.reports.add("a cell in use is marked free", offset)
        length = abs(size)
        if length < 8:
            raise FormatError("cell of impossible size", offset)
        room = self._ends[index] - offset
        if length > room:
            self.reports.add(f"cell size {length} leaves its bin: cut to {room}", offset)
        return Cell(offset + 4, min(length, room) - 4)

    def dword(self, place: int) -> int:
        """The 32-bit number at a place that the caller has checked."""
        number: int = struct.unpack_from("<I", self.buf, place)[0]
        return number

    def offsets(self, cell: Cell, skip: int, count: int, stride: int) -> list[int]:
        """`count` offsets out of a list cell, `stride` bytes apart, as many as the cell can hold."""
        held = max(cell.length - skip, 0) // stride
        if count > held:
            self.reports.add(f"a list claims {count} entries and has room for {held}", cell.start)
        place = cell.start + skip
        return [self.dword(place + number * stride) for number in range(min(count, held))]

    def spend(self) -> bool:
        """Whether another reference may be followed: lists that overlap could be read for days."""
        self._left -= 1
        if self._left < 0:
            self.reports.add("too many references: the rest of the hive is not read")
        return self._left >= 0

    def is_inside(self, relative: int, length: int) -> bool:
        """Whether `length` bytes from this offset on (relative to the first bin) lie in one bin."""
        offset = BINS + relative
        index = bisect_right(self._starts, offset) - 1
        return index >= 0 and self._starts[index] + _BIN_HEADER <= offset and offset + length <= self._ends[index]

    def every(self) -> Iterator[tuple[Cell, bool]]:
        """All cells in order, and whether each is free: what was deleted stands there until it is overwritten.

        A bin whose chain of cells breaks off is left there; the chain is not trusted to begin again.
        """
        sizes = struct.Struct("<i").unpack_from
        for start, end in zip(self._starts, self._ends, strict=True):
            at = start + _BIN_HEADER
            while at + 8 <= end:
                size: int = sizes(self.buf, at)[0]
                length = abs(size)
                if length < 8 or length % 8 or at + length > end:
                    self.reports.add("the chain of cells breaks off", at)
                    break
                yield Cell(at + 4, length - 4), size > 0
                at += length

    # -- subkeys ----------------------------------------------------------------------------------------------------

    def children(self, relative: int, declared: int) -> Iterator[int]:
        """The offsets of the subkeys named by the list at `relative`, each once; `declared` is the key's own count."""
        if not declared:
            return
        seen: set[int] = set()
        for child in self._listed(relative, 1, set()):
            if not self.spend():
                return
            if child in seen:
                self.reports.add("a subkey is listed twice", BINS + child)
                continue
            seen.add(child)
            yield child
        if len(seen) != declared:
            self.reports.add(f"a key claims {declared} subkeys and lists {len(seen)}", BINS + relative)

    def _listed(self, relative: int, depth: int, lists: set[int]) -> Iterator[int]:
        if relative in lists:
            self.reports.add("subkey list is used again (cycle)", BINS + relative)
            return
        lists.add(relative)
        try:
            cell = self.cell(relative)
        except FormatError as error:
            self.reports.add(f"subkey list lost: {error}")
            return
        signature = self.buf[cell.start : cell.start + 2]
        count = int.from_bytes(self.buf[cell.start + 2 : cell.start + 4], "little")
        if signature in _LEAF_ENTRY:
            yield from self.offsets(cell, 4, count, _LEAF_ENTRY[signature])
        elif signature != b"ri":
            self.reports.add(f"subkey list lost: unknown signature {signature!r}", cell.start)
        elif depth > _MAX_LIST_DEPTH:
            self.reports.add(f"subkey list is nested deeper than {_MAX_LIST_DEPTH}: not followed", cell.start)
        else:
            for inner in self.offsets(cell, 4, count, 4):
                yield from self._listed(inner, depth + 1, lists)

    # -- value data -------------------------------------------------------------------------------------------------

    def value_data(self, length: int, relative: int, budget: int) -> bytes:
        """`length` bytes of value data, at most `budget`. Raises FormatError when its cell is lost."""
        if length > min(MAX_VALUE, budget):
            self.reports.add(f"value of {length} bytes is cut to {min(MAX_VALUE, budget)}", BINS + relative)
            length = min(MAX_VALUE, budget)
        if not length:
            return b""
        cell = self.cell(relative)
        if length > _SEGMENT and self.buf[cell.start : cell.start + 2] == b"db":
            return self._big_data(cell, length)
        if length > cell.length:
            self.reports.add(f"value claims {length} bytes, its cell holds {cell.length}", cell.start)
        return self.buf[cell.start : cell.start + min(length, cell.length)]

    def _big_data(self, cell: Cell, length: int) -> bytes:
        """The data of a value that is spread over several cells (hive version 1.4 and later)."""
        if cell.length < 8:
            raise FormatError("big data header is cut off", cell.start)
        count = int.from_bytes(self.buf[cell.start + 2 : cell.start + 4], "little")
        parts: list[bytes] = []
        seen: set[int] = set()
        left = length
        for segment in self.offsets(self.cell(self.dword(cell.start + 4)), 0, count, 4):
            if segment in seen:
                self.reports.add("big data names a segment twice: the rest is not read", BINS + segment)
                break
            seen.add(segment)
            place = self.cell(segment)
            part = self.buf[place.start : place.start + min(left, _SEGMENT, place.length)]
            parts.append(part)
            left -= len(part)
            if left <= 0:
                break
        if left > 0:
            self.reports.add(f"big data lacks {left} of {length} bytes", cell.start)
        return b"".join(parts)
