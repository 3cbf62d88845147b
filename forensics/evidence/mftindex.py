"""Every name in a volume's master file table, in one pass and with bounds.

The Rust reader that did this before follows the parents of a file by recursion: two folders that are each other's
parent end the process, and with it the whole evidence. Here a chunk of records is taken apart at once with numpy, names
in extension records are put back to their file, and every hard link is a name of its own. `filetable` makes
paths of them. Layout as in `formats/mft.py`, which decodes single records for the timeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

import numpy as np

_RECORDS = 8192  # at once
_SECTOR = 512
_NAME, _END, _IN_USE, _FOLDER, _SHORT = 0x30, 0xFFFFFFFF, 1, 2, 2
_BOTH = _IN_USE | _FOLDER
_MOST_ATTRIBUTES = 64
Array = Any  # of numpy, whose types say nothing of shapes
_ENTRY = (1 << 48) - 1  # of a file reference; the sequence number is above


class Name(NamedTuple):
    """One name: of which record and, of its folder, record number and the number of times that one had been given."""

    number: int
    folder: bool
    sequence: int
    parent: int
    parent_sequence: int
    name: str


@dataclass(slots=True)
class MftIndex:
    """The names of a table. `torn` counts records whose sectors do not belong together, `used` are those in use."""

    torn: int = 0
    used: list[int] = field(default_factory=list)
    _states: dict[int, int] = field(default_factory=dict)  # flags, and the sequence number above 16 bits
    _owners: list[int] = field(default_factory=list)
    _parents: list[int] = field(default_factory=list)
    _names: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, stream: BinaryIO, record_size: int) -> MftIndex:
        """Read a whole table."""
        index, first = cls(), 0
        stream.seek(0)
        while data := stream.read(_RECORDS * record_size):
            count = len(data) // record_size
            index._chunk(np.frombuffer(data[: count * record_size], np.uint8).reshape(count, record_size).copy(), first)
            first += count
        return index

    def named(self) -> Iterator[Name]:
        """Every name of every file and folder in use."""
        for number, parent, name in zip(self._owners, self._parents, self._names, strict=True):
            state = self._states.get(number, 0)
            if state & _IN_USE:
                yield Name(number, bool(state & _FOLDER), state >> 16, parent & _ENTRY, parent >> 48 & 0xFFFF, name)

    def folders(self) -> Iterator[tuple[int, int]]:
        """Number and sequence number of every folder in use, whether its name is known or not."""
        return ((number, state >> 16) for number, state in self._states.items() if state & _BOTH == _BOTH)

    def _chunk(self, table: Array, first: int) -> None:
        rows = np.flatnonzero((table[:, :4] == np.frombuffer(b"FILE", np.uint8)).all(axis=1))
        if not rows.size:
            return
        self.torn += _mended(table, rows)
        bases = _number(table, rows, 32, 6)
        flags, own = _number(table, rows, 22, 2), bases == 0
        states = flags | _number(table, rows, 16, 2) << 16
        self._states.update(zip((rows[own] + first).tolist(), states[own].tolist(), strict=True))
        used = (flags & _IN_USE) != 0
        rows, bases = rows[used], bases[used]
        self.used += (rows + first).tolist()
        owners = np.zeros(len(table), np.int64)
        owners[rows] = np.where(bases == 0, rows + first, bases)
        self._take_names(table, rows, owners)

    def _take_names(self, table: Array, rows: Array, owners: Array) -> None:
        size, flat = table.shape[1], table.tobytes()
        at = _number(table, rows, 20, 2) & ~7
        for _ in range(_MOST_ATTRIBUTES):
            fits = at + 24 <= size
            rows, at = rows[fits], at[fits]
            kinds, lengths = _number(table, rows, at, 4), _number(table, rows, at + 4, 4)
            alive = (kinds != _END) & (lengths >= 24) & (lengths % 8 == 0)
            rows, at, kinds, lengths = rows[alive], at[alive], kinds[alive], lengths[alive]
            if not rows.size:
                return
            named = (kinds == _NAME) & (table[rows, at + 8] == 0)
            self._named(table, flat, rows[named], at[named], owners)
            at = at + lengths

    def _named(self, table: Array, flat: bytes, rows: Array, at: Array, owners: Array) -> None:
        size = table.shape[1]
        content = at + _number(table, rows, at + 20, 2)
        fits = (content + 66 <= size) & (content % 2 == 0)
        rows, content = rows[fits], content[fits]
        lengths, spaces = table[rows, content + 64].astype(np.int64), table[rows, content + 65]
        whole = (content + 66 + 2 * lengths <= size) & (spaces != _SHORT) & (lengths > 0)
        rows, content, lengths = rows[whole], content[whole], lengths[whole]
        self._owners += owners[rows].tolist()
        self._parents += _number(table, rows, content, 8).tolist()
        starts = rows * size + content + 66
        self._names += [
            flat[start:end].decode("utf-16-le", "surrogatepass").replace("/", "\\")
            for start, end in zip(starts.tolist(), (starts + 2 * lengths).tolist(), strict=True)
        ]


def _number(table: Array, rows: Array, at: Array | int, size: int) -> Array:
    """The little-endian number of `size` bytes (an even count) at `at` (an even place) of each row."""
    halves = table.view("<u2")
    found = halves[rows, at >> 1].astype(np.int64)
    for half in range(1, size // 2):
        found |= halves[rows, (at >> 1) + half].astype(np.int64) << (16 * half)
    return found


def _mended(table: Array, rows: Array) -> int:
    """Put the ends of the sectors back that the update sequence keeps; gives how many records were torn."""
    size = table.shape[1]
    offsets, counts = _number(table, rows, 4, 2) & ~1, _number(table, rows, 6, 2)
    torn = np.zeros(len(rows), bool)
    for sector in range(1, size // _SECTOR + 1):
        good = (counts > sector) & (offsets + 2 * sector + 2 <= size)
        which, at, end = rows[good], offsets[good], sector * _SECTOR - 2
        halves = table.view("<u2")
        torn[good] |= halves[which, at >> 1] != halves[which, end >> 1]
        halves[which, end >> 1] = halves[which, (at >> 1) + sector]
    return int(torn.sum())
