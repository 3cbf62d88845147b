"""Deletes keys and values from a built hive the way Windows does it: cells marked free and joined, lists shortened.

Nothing is wiped: the later entries of a list move forward and the last one stays behind its end, freed cells that touch
become one and keep the headers inside. So what the carver is shown is what a deletion leaves.
"""

from __future__ import annotations

import struct
from datetime import datetime

from forensics.formats.hive import Hive
from forensics.times import to_filetime

BINS = 0x1000
NOWHERE = 0xFFFFFFFF


class Freed:
    """A hive file in which things are deleted. Offsets are relative to the first bin, as in the hive."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)

    def hive(self) -> Hive:
        """What is there."""
        return Hive.open(bytes(self.data))

    def key_cell(self, path: str) -> int:
        """The cell of a live key."""
        key = self.hive().key(path)
        assert key is not None, path
        return key.cell

    def value_cell(self, path: str, name: str) -> int:
        """The cell of a live value's record."""
        return self._values(self.key_cell(path))[name]

    def delete_value(self, path: str, name: str, when: datetime) -> int:
        """RegDeleteValue; gives the cell that the record stood in."""
        key = self.key_cell(path)
        cell = self.value_cell(path, name)
        count, listing = self.number(key, 0x24), self.number(key, 0x28)
        entries = [self.number(listing, 4 * index) for index in range(count)]
        at = entries.index(cell)
        for index in range(at, count - 1):
            self.put(listing, 4 * index, entries[index + 1])
        self.put(key, 0x24, count - 1)
        if count == 1:
            self.free(listing)
            self.put(key, 0x28, NOWHERE)
        self._free_value(cell)
        self.written(key, when)
        return cell

    def delete_key(self, path: str, when: datetime) -> int:
        """RegDeleteTree: the keys below first; gives the cell that the key stood in."""
        found = self.hive().key(path)
        assert found is not None, path
        for child in [key.path for key in found.subkeys()]:
            self.delete_key(child, when)
        cell = found.cell
        above = self.number(cell, 0x10)
        count, listing = self.number(cell, 0x24), self.number(cell, 0x28)
        for index in range(count):
            self._free_value(self.number(listing, 4 * index))
        if count:
            self.free(listing)
        self._unlist(above, cell)
        self.free(cell)
        self.written(above, when)
        return cell

    def _unlist(self, key: int, child: int) -> None:
        listing, count = self.number(key, 0x1C), self.number(key, 0x14)
        entries = [bytes(self.data[(at := BINS + listing + 8 + 8 * index) : at + 8]) for index in range(count)]
        kept = [entry for entry in entries if struct.unpack_from("<I", entry)[0] != child]
        assert len(kept) == count - 1
        at = BINS + listing + 8
        self.data[at : at + 8 * len(kept)] = b"".join(kept)
        struct.pack_into("<H", self.data, BINS + listing + 6, count - 1)
        self.put(key, 0x14, count - 1)
        if not kept:
            self.free(listing)
            self.put(key, 0x1C, NOWHERE)

    def _free_value(self, cell: int) -> None:
        size, data = self.number(cell, 4), self.number(cell, 8)
        if size and not size & 0x80000000:
            assert size <= 16344, "big data is not deleted here"
            self.free(data)
        self.free(cell)

    def _values(self, key: int) -> dict[str, int]:
        count, listing = self.number(key, 0x24), self.number(key, 0x28)
        cells = [self.number(listing, 4 * index) for index in range(count)]
        return {self._name(cell): cell for cell in cells}

    def _name(self, cell: int) -> str:
        at = BINS + cell + 4
        length, latin = struct.unpack_from("<H", self.data, at + 2)[0], self.data[at + 0x10] & 1
        return bytes(self.data[at + 0x14 : at + 0x14 + length]).decode("latin-1" if latin else "utf-16-le")

    # -- cells ----------------------------------------------------------------------------------------------------

    def number(self, cell: int, place: int) -> int:
        """A 32-bit number of a cell's content."""
        found: int = struct.unpack_from("<I", self.data, BINS + cell + 4 + place)[0]
        return found

    def put(self, cell: int, place: int, number: int) -> None:
        """Set it."""
        struct.pack_into("<I", self.data, BINS + cell + 4 + place, number)

    def written(self, key: int, when: datetime) -> None:
        """Set the last write of a key."""
        struct.pack_into("<Q", self.data, BINS + key + 8, to_filetime(when))

    def free(self, cell: int) -> None:
        """Mark a cell as free and join it with free neighbours."""
        size: int = struct.unpack_from("<i", self.data, BINS + cell)[0]
        assert size < 0, "freed twice"
        struct.pack_into("<i", self.data, BINS + cell, -size)
        start = max(place for place in self.bins() if place <= cell)
        self._join(start + 0x20, start + struct.unpack_from("<I", self.data, BINS + start + 8)[0])

    def reuse(self, cell: int, content: bytes) -> None:
        """Let the beginning of the free room at `cell` be taken by a new cell, the rest stays free."""
        start = max(place for place in self.bins() if place <= cell)
        end = start + struct.unpack_from("<I", self.data, BINS + start + 8)[0]
        at, room = next((place, size) for place, size in self._cells(start + 0x20, end) if place <= cell < place + size)
        need = (len(content) + 11) & ~7
        assert 0 < cell - at + need <= room
        if cell > at:
            struct.pack_into("<i", self.data, BINS + at, cell - at)
        struct.pack_into("<i", self.data, BINS + cell, -need)
        self.data[BINS + cell + 4 : BINS + cell + 4 + len(content)] = content
        if rest := room - (cell - at) - need:
            struct.pack_into("<i", self.data, BINS + cell + need, rest)

    def bins(self) -> list[int]:
        """Where the bins begin."""
        found, at = [], 0
        while at < len(self.data) - BINS:
            found.append(at)
            at += int(struct.unpack_from("<I", self.data, BINS + at + 8)[0])
        return found

    def _cells(self, at: int, end: int) -> list[tuple[int, int]]:
        found = []
        while at < end:
            size = struct.unpack_from("<i", self.data, BINS + at)[0]
            found.append((at, abs(size)))
            at += abs(size)
        return found

    def _join(self, at: int, end: int) -> None:
        first = None
        for place, size in self._cells(at, end):
            free = struct.unpack_from("<i", self.data, BINS + place)[0] > 0
            if free and first is not None:
                joined = struct.unpack_from("<i", self.data, BINS + first)[0] + size
                struct.pack_into("<i", self.data, BINS + first, joined)
            elif free:
                first = place
            else:
                first = None
