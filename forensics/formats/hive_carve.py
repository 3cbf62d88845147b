"""Deleted keys and values out of the free cells of a hive.

Deleting a key or value only marks its cells as free; they stay until something else needs the room. What is found
there is never mixed with live keys. Each find is validated (signature, flags, time, sizes, characters of the name,
offsets) and graded by how far its place in the tree can be shown:

- `reachable_parent`: its parent pointers lead over other deleted keys to a live key, which the tree lists;
- `orphan`: the chain of parents breaks off, the path is known from there on only (it begins with `...`);
- `fragment`: a value that no key lists any more, or a key whose own cell is partly overwritten.

A parent's cell may have been used again by another key. Deleting a subkey changes the last write of its parent, so a
parent that was last written before the deleted key cannot be the one: such a key is an `orphan`.

A value record names no key. The value list of a deleted key gives its values back. When a value of a live key is
removed, Windows moves the later entries of the list forward; what stood last stays behind the shortened list. So a
removed value that stood last is given back to its key, any other is a `fragment`.

The hive may be crafted: everything that is followed is counted against a budget, and `cut` says that one ran out.

Structures: https://github.com/msuhanov/regf/blob/master/Windows%20registry%20file%20format%20specification.md
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from forensics.formats.hive import MAX_DEPTH, Hive, RegValue
from forensics.formats.hive_cells import BINS, Cell, Cells, Reports
from forensics.times import Moment, NoTime, from_filetime

REACHABLE, ORPHAN, FRAGMENT = "reachable_parent", "orphan", "fragment"
UNKNOWN_PATH = "..."
MOST = 50_000  # finds in one hive; beyond, the scan stops and says so

_SIGNATURE = re.compile(rb"[nv]k")
_KEY = struct.Struct("<2sHQIIIIIIII")
_KEY_HEAD, _NAME_LENGTH = 0x4C, 0x48
_VALUE = struct.Struct("<2sHIIIHH")
_VALUE_HEAD = 0x14
_KEY_FLAGS, _VALUE_FLAGS = 0x03FF, 0x0003
_LATIN_KEY, _LATIN_VALUE = 0x20, 0x01
_LONGEST_KEY, _LONGEST_VALUE = 510, 1024  # bytes of a name; Windows allows values more, real ones have less
_MOST_VALUES = 4096  # of one deleted key
_LARGEST_DATA = 16344  # above, data is spread over several cells, of which no order is left
_INLINE = 0x80000000
_MOST_LOOKS = 2_000_000  # entries of value lists that are looked at; SYSTEM hives with thousands of finds take 10,000
_LONGEST_PATH, _MOST_PATHS = 8192, 4_000_000  # characters of one path and of all; beyond, a key keeps its name only
_OFFSETS = struct.Struct("<I")
_TYPES = range(12)
_DEVPROP = 0xFFFF0000
_NO_TIME = NoTime("a value has no time of its own and its key is gone", "")


@dataclass(frozen=True, slots=True)
class DeletedValue:
    """A value record out of free space. `written` is the last write of its key, `offset` the record's in the file."""

    key_path: str
    value: RegValue
    grade: str
    written: Moment
    offset: int
    phase: str = ""


@dataclass(frozen=True, slots=True)
class DeletedKey:
    """A key record out of free space, with those of its values that could be found.

    `parent` is the offset of the deleted key that its path leads over next, 0 when there is none.
    """

    path: str
    name: str
    last_write: Moment
    grade: str
    offset: int
    values: tuple[DeletedValue, ...] = ()
    parent: int = 0
    phase: str = ""


@dataclass(slots=True)
class Carved:
    """What the free space of a hive holds.

    `loose` are the values without a deleted key; `refused` is what began with the signature of a record and was none;
    `cut` says that there was more than is looked at, `broken` how many bins could not be followed to their end.
    """

    keys: list[DeletedKey] = field(default_factory=list)
    loose: list[DeletedValue] = field(default_factory=list)
    refused: int = 0
    cut: bool = False
    broken: int = 0


@dataclass(frozen=True, slots=True)
class _Node:
    """A validated key record: `cell` is its offset relative to the first bin; `whole`: its cell header still fits."""

    cell: int
    name: str
    written: Moment
    parent: int
    values: int
    listing: int
    whole: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    """A validated value record."""

    cell: int
    value: RegValue


def carve(hive: Hive) -> Carved:
    """Everything deleted that can be recognised."""
    return _Carver(hive).run()


class _Carver:
    def __init__(self, hive: Hive) -> None:
        self._buf = hive.cells.buf
        self._reports = Reports()  # its own: what free space holds is no damage of the hive
        self._cells = Cells(self._buf, self._reports)
        self._nodes: dict[int, _Node] = {}
        self._entries: dict[int, _Entry] = {}
        self._free = bytearray(len(self._buf) // 8 + 1)  # one flag for 8 bytes: is the place in a free cell
        self._live: dict[int, tuple[str, Moment] | None] = {hive.root.cell: ("", hive.root.last_write)}
        self._lists_read: dict[int, frozenset[int]] = {}
        self._places: dict[int, tuple[str, str]] = {}
        self._taken: set[int] = set()
        self._looks, self._path_room, self._data_room = _MOST_LOOKS, _MOST_PATHS, len(self._buf)
        self._found = Carved()

    def run(self) -> Carved:
        before = len(self._reports.listing())
        free, keys = self._sort_cells()
        self._found.broken = len(self._reports.listing()) - before
        for cell in free:
            self._scan(cell)
        for node in self._nodes.values():
            self._found.keys.append(self._key(node))
        if len(self._taken) < len(self._entries):
            for start in keys:
                self._found.loose.extend(self._leftovers(start))
        for entry in self._entries.values():
            if entry.cell not in self._taken:
                self._found.loose.append(_deleted(entry, UNKNOWN_PATH, FRAGMENT, _NO_TIME))
        return self._found

    def _sort_cells(self) -> tuple[list[Cell], list[int]]:
        """The free cells, and where the keys in use begin."""
        free: list[Cell] = []
        keys: list[int] = []
        for cell, is_free in self._cells.every():
            if is_free:
                begin, length = (cell.start - 4) // 8, (cell.length + 4) // 8
                self._free[begin : begin + length] = b"\x01" * length
                free.append(cell)
            elif self._buf[cell.start : cell.start + 2] == b"nk" and cell.length >= _KEY_HEAD:
                keys.append(cell.start)
        return free, keys

    def _look(self) -> bool:
        """Whether another entry of a list may be looked at: lists that overlap could be read for hours."""
        self._looks -= 1
        self._found.cut = self._found.cut or self._looks < 0
        return self._looks >= 0

    # -- finding records --------------------------------------------------------------------------------------------

    def _scan(self, cell: Cell) -> None:
        end = cell.start + cell.length
        for match in _SIGNATURE.finditer(self._buf, cell.start, end):
            at = match.start()
            if at % 8 != 4:
                continue  # records stand at the beginning of a cell, cells at multiples of 8
            if len(self._nodes) + len(self._entries) >= MOST:
                self._found.cut = True
                return
            if match.group() == b"nk":
                node = self._node(at, end)
                if node:
                    self._nodes[node.cell] = node
            else:
                entry = self._entry(at, end)
                if entry:
                    self._entries[entry.cell] = entry
            self._found.refused += at - 4 - BINS not in self._nodes and at - 4 - BINS not in self._entries

    def _node(self, at: int, end: int) -> _Node | None:
        if at + _KEY_HEAD > end:
            return None
        _, flags, ticks, _, parent, subkeys, _, below, _, values, listing = _KEY.unpack_from(self._buf, at)
        (length,) = struct.unpack_from("<H", self._buf, at + _NAME_LENGTH)
        written = from_filetime(ticks)
        if flags & ~_KEY_FLAGS or not isinstance(written, datetime) or not 0 < length <= _LONGEST_KEY:
            return None
        if not self._offset_fits(parent) or (subkeys and not self._offset_fits(below)):
            return None
        if values and (values > _MOST_VALUES or not self._offset_fits(listing)):
            return None
        name = self._name(at + _KEY_HEAD, length, end, latin=bool(flags & _LATIN_KEY))
        if name is None or "\\" in name:
            return None
        whole = self._covers(at, _KEY_HEAD + length, end)
        return _Node(at - 4 - BINS, name, written, parent, values, listing, whole)

    def _entry(self, at: int, end: int) -> _Entry | None:
        if at + _VALUE_HEAD > end:
            return None
        _, length, size, data, kind, flags, _ = _VALUE.unpack_from(self._buf, at)
        if flags & ~_VALUE_FLAGS or length > _LONGEST_VALUE or not (kind in _TYPES or kind >= _DEVPROP):
            return None
        if size & _INLINE:
            if size ^ _INLINE > 4:
                return None
        elif size and not (size < len(self._buf) and self._offset_fits(data)):
            return None
        name = self._name(at + _VALUE_HEAD, length, end, latin=bool(flags & _LATIN_VALUE)) if length else ""
        if name is None or (not name and not self._covers(at, _VALUE_HEAD, end)):
            return None  # a record without a name has too little that could be checked unless its cell is whole
        raw, lost = self._data(at, size, data)
        return _Entry(at - 4 - BINS, RegValue(name, kind, raw, lost))

    def _covers(self, at: int, length: int, end: int) -> bool:
        """Whether the cell header before a record is still that of a cell which holds the record."""
        size = abs(int.from_bytes(self._buf[at - 4 : at], "little", signed=True))
        return size % 8 == 0 and length + 4 <= size <= end - at + 4

    def _offset_fits(self, relative: int) -> bool:
        return relative % 8 == 0 and self._cells.is_inside(relative, 8)

    def _name(self, start: int, length: int, end: int, *, latin: bool) -> str | None:
        if start + length > end or (not latin and length % 2):
            return None
        raw = self._buf[start : start + length]
        try:
            name = raw.decode("latin-1" if latin else "utf-16-le")
        except UnicodeDecodeError:
            return None
        # A name may begin with NUL (that hides it from regedit); else no character may be control or unassigned.
        odd = any(unicodedata.category(char) in ("Cc", "Cn", "Cs") for char in name.removeprefix("\x00"))
        return None if odd or not name.strip("\x00") else name

    def _data(self, at: int, size: int, data: int) -> tuple[bytes, str]:
        """The bytes of a deleted value, or why there are none."""
        if size & _INLINE:
            return self._buf[at + 8 : at + 8 + (size ^ _INLINE)], ""
        if not size:
            return b"", ""
        if size > _LARGEST_DATA:
            return b"", f"{size} bytes of data were spread over several cells"
        if not self._is_free(data, size + 4):
            return b"", "the room of its data is in use again"
        if size > self._data_room:
            self._found.cut = True
            return b"", "the deleted values claim more data than the hive holds"
        self._data_room -= size
        return self._buf[BINS + data + 4 : BINS + data + 4 + size], ""

    def _is_free(self, relative: int, length: int) -> bool:
        begin, end = (BINS + relative) // 8, (BINS + relative + length + 7) // 8
        return end <= len(self._free) and self._free.find(0, begin, end) < 0

    # -- placing them -----------------------------------------------------------------------------------------------

    def _key(self, node: _Node) -> DeletedKey:
        path, grade = self._place(node)
        if not node.whole:
            grade = FRAGMENT
        mine = []
        for entry in self._listed(node):
            if entry.cell not in self._taken:
                self._taken.add(entry.cell)
                mine.append(_deleted(entry, path, grade, node.written))
        above = self._above(node)
        parent = BINS + above.cell + 4 if above else 0
        return DeletedKey(path, node.name, node.written, grade, BINS + node.cell + 4, tuple(mine), parent)

    def _listed(self, node: _Node) -> Iterator[_Entry]:
        """The deleted values that a deleted key's list names, when the list was not overwritten."""
        if not node.values or not self._is_free(node.listing, 4 + 4 * node.values):
            return
        for (cell,) in _OFFSETS.iter_unpack(self._buf[(at := BINS + node.listing + 4) : at + 4 * node.values]):
            if not self._look():
                return
            if cell in self._entries:
                yield self._entries[cell]

    def _above(self, node: _Node) -> _Node | None:
        """The deleted key that is the parent of this one."""
        above = self._nodes.get(node.parent)
        return above if above and _is_older(node.written, above.written) else None

    def _place(self, node: _Node) -> tuple[str, str]:
        """The path of a deleted key as far as its parents tell it, and what that is worth."""
        chain, seen = [node], {node.cell}
        while (base := self._base(chain[-1], seen)) is None:
            above = self._nodes[chain[-1].parent]
            seen.add(above.cell)
            chain.append(above)
        for item in reversed(chain):
            base = self._places[item.cell] = self._joined(*base, item.name)
        return base

    def _base(self, top: _Node, seen: set[int]) -> tuple[str, str] | None:
        """What stands above the highest known key of a chain; None when that is another deleted key."""
        above = self._above(top)
        if above is None:
            live = None if top.parent in self._nodes else self._live_key(top.parent)
            return (live[0], REACHABLE) if live and _is_older(top.written, live[1]) else (UNKNOWN_PATH, ORPHAN)
        if above.cell in seen or len(seen) >= MAX_DEPTH:
            return UNKNOWN_PATH, ORPHAN
        return self._places.get(above.cell)

    def _joined(self, path: str, grade: str, name: str) -> tuple[str, str]:
        length = len(path) + 1 + len(name)
        if length > min(_LONGEST_PATH, self._path_room):
            self._found.cut = True
            return f"{UNKNOWN_PATH}\\{name}", ORPHAN
        self._path_room -= length
        return f"{path}\\{name}" if path else name, grade

    def _live_key(self, cell: int) -> tuple[str, Moment] | None:
        """Path and last write of the live key in this cell, None when the tree has no such key."""
        chain: dict[int, _Node] = {}
        at = cell
        while at not in self._live:
            node = self._allocated(at) if len(chain) < MAX_DEPTH and at not in chain else None
            if node is None or not self._lists(node.parent, at):
                self._live[at] = None
                break
            chain[at] = node
            at = node.parent
        above = self._live[at]
        for place, node in reversed(chain.items()):
            above = ("\\".join(filter(None, (above[0], node.name))), node.written) if above else None
            self._live[place] = above
        return above

    def _allocated(self, cell: int) -> _Node | None:
        at = BINS + cell + 4
        if not self._offset_fits(cell) or self._buf[at : at + 2] != b"nk":
            return None
        size: int = struct.unpack_from("<i", self._buf, at - 4)[0]
        return self._node(at, min(at - 4 - size, len(self._buf))) if size < 0 else None

    def _lists(self, parent: int, child: int) -> bool:
        """Whether a key in use names `child` among its subkeys."""
        at = BINS + parent + 4
        if not self._offset_fits(parent) or self._buf[at : at + 2] != b"nk" or at + _KEY_HEAD > len(self._buf):
            return False
        count, listing = struct.unpack_from("<I4xI", self._buf, at + 0x14)
        return child in self._children(listing, count)

    def _children(self, listing: int, count: int) -> frozenset[int]:
        if listing not in self._lists_read:
            self._lists_read[listing] = frozenset(self._cells.children(listing, count))
        return self._lists_read[listing]

    def _leftovers(self, start: int) -> Iterator[DeletedValue]:
        """Removed values of the key in use at `start`: what its value list still names behind its end."""
        count, listing = struct.unpack_from("<II", self._buf, start + 0x24)
        at = BINS + listing
        if not count or not self._offset_fits(listing):
            return
        size = -int(struct.unpack_from("<i", self._buf, at)[0])
        if size <= 4 + 4 * count or size % 8 or not self._cells.is_inside(listing, size):
            return
        for (cell,) in _OFFSETS.iter_unpack(self._buf[at + 4 + 4 * count : at + size]):
            if not self._look():
                return
            entry = self._entries.get(cell)
            key = self._live_key(start - 4 - BINS) if entry and cell not in self._taken else None
            if entry and key:
                self._taken.add(cell)
                yield _deleted(entry, key[0], REACHABLE, key[1])


def _deleted(entry: _Entry, path: str, grade: str, written: Moment) -> DeletedValue:
    return DeletedValue(path, entry.value, grade, written, BINS + entry.cell + 4)


def _is_older(deleted: Moment, parent: Moment) -> bool:
    """Whether a deleted key was last written no later than its parent, as it must be."""
    return isinstance(deleted, datetime) and isinstance(parent, datetime) and deleted <= parent
