"""Writes registry hives (regf 1.5) and their new-format transaction logs, as Windows 8.1 and later lay them out.

There is no public Windows system image to test against, so the hives of the shipped evidence are made here: header
with checksum and sequence numbers, bins, key nodes, `lh`/`ri` subkey lists with hashes, values inline, in one cell or
as big data, one shared security descriptor. `build_dirty` gives a primary that was never flushed plus the LOG1 that
brings it up to date, so that log replay is exercised.

The cell layouts follow "Windows registry file format specification" (M. Suhanov) and "Windows NT Registry File (REGF)
format" (libregf documentation), and were compared with hives of Windows 7 to 11.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from forensics.times import to_filetime

REG_NONE, REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD, REG_MULTI_SZ, REG_QWORD = 0, 1, 2, 3, 4, 7, 11

NO_CELL = 0xFFFFFFFF
PAGE = 4096
_BIN_HEADER = 32
_INLINE = 0x80000000  # high bit of the data size: the data stands in the offset field
_BIG_DATA_SEGMENT = 16344
_LEAF_ENTRIES = 1012  # the configuration manager splits a leaf into an index root above this
_KEY_COMP_NAME, _KEY_NO_DELETE, _KEY_HIVE_ENTRY = 0x20, 0x08, 0x04
_LOG_ALIGNMENT = 512
_MARVIN_SEED = 0x82EF4D887A4E55C5

Data = bytes | str | int | Iterable[str]


@dataclass
class _Value:
    name: str
    type: int
    data: bytes
    deleted: bool = False


@dataclass
class _Key:
    name: str
    time: datetime
    subkeys: dict[str, _Key] = field(default_factory=dict)
    values: dict[str, _Value] = field(default_factory=dict)


class HiveWriter:
    """A hive in the making: name the keys and values, then `build()`.

    Paths are relative to the root key, with backslashes; lookups ignore case as the registry does. `file_name` is what
    the header carries (Windows keeps the last 31 characters of the path under which the hive was loaded).
    """

    def __init__(self, root_name: str, root_time: datetime, file_name: str = "") -> None:
        self.file_name = file_name
        self._root = _Key(root_name, root_time)

    def key(self, path: str, time: datetime) -> None:
        """Create the key (missing parents get the same time), or set the last-write time of an existing one."""
        node = self._root
        for part in _parts(path):
            if not 0 < len(part.encode("utf-16-le")) // 2 <= 255:
                raise ValueError(f"a key name has 1 to 255 characters: {part!r}")
            node = node.subkeys.setdefault(_fold(part), _Key(part, time))
        node.time = time

    def value(self, path: str, name: str, type: int, data: Data, *, deleted: bool = False) -> None:  # noqa: A002
        """Set a value of an existing key; "" is the default value.

        Text, numbers and lists are encoded as `type` wants them; bytes are stored as they are, so that malformed data
        can be written too. A `deleted` one stands in free cells only, as after its removal from the key.
        """
        self._find(path).values[_fold(name)] = _Value(name, type, encode(type, data), deleted)

    def delete_key(self, path: str) -> None:
        """Forget a key and all below it."""
        *above, last = _parts(path)
        del self._find("\\".join(above)).subkeys[_fold(last)]

    def delete_value(self, path: str, name: str) -> None:
        """Forget one value."""
        del self._find(path).values[_fold(name)]

    def copy(self) -> HiveWriter:
        """An independent copy, the usual start of the `after` of `build_dirty`."""
        return copy.deepcopy(self)

    def build(self, sequence: int = 1) -> bytes:
        """The primary file of a cleanly unloaded hive."""
        bins = _Layout().lay_out(self._root)
        return self.header(sequence, sequence, len(bins)) + bytes(PAGE - 512) + bins

    def header(self, sequence1: int, sequence2: int, bins_size: int, file_type: int = 0) -> bytes:
        """The 512 byte base block (`file_type` 0: primary, 6: transaction log of the new format)."""
        name = self.file_name[-31:].encode("utf-16-le").ljust(64, b"\x00")
        # The last-written time is 0, as current Windows versions leave it; the root is always the first cell.
        base = struct.pack("<4sIIQ4I", b"regf", sequence1, sequence2, 0, 1, 5, file_type, 1)
        base += struct.pack("<III", _BIN_HEADER, bins_size, 1) + name
        base = base.ljust(0xA4, b"\x00") + struct.pack("<4sQ", b"rmtm", to_filetime(self._root.time))
        base = base.ljust(508, b"\x00")
        return base + struct.pack("<I", checksum(base))

    def _find(self, path: str) -> _Key:
        node = self._root
        for part in _parts(path):
            if _fold(part) not in node.subkeys:
                raise KeyError(f"no such key yet: {path}")
            node = node.subkeys[_fold(part)]
        return node


def build_dirty(before: HiveWriter, *later: HiveWriter, sequence: int = 7) -> tuple[bytes, bytes]:
    """A primary that still holds `before`, and the LOG1 that turns it into the last of `later`.

    Each later state becomes one log entry holding the pages that differ, as after one lazy flush each. Replayed, the
    primary equals `later[-1].build(sequence + len(later) - 1)`, but for pages past the end when the hive shrank.
    """
    if not later:
        raise ValueError("a dirty hive needs at least one later state")
    old = before.build()[PAGE:]
    primary = before.header(sequence, sequence - 1, len(old)) + bytes(PAGE - 512) + old
    log = before.header(sequence, sequence, len(old), file_type=6)
    for number, state in enumerate(later, sequence):
        new = state.build()[PAGE:]
        log += log_entry(number, old, new)
        old = new
    return primary, log + bytes(-len(log) % PAGE)


def log_entry(sequence: int, old: bytes, new: bytes) -> bytes:
    """One HvLE block with every page of `new` that differs from `old`."""
    pages = [at for at in range(0, len(new), PAGE) if new[at : at + PAGE] != old[at : at + PAGE]]
    body = b"".join(struct.pack("<II", at, PAGE) for at in pages) + b"".join(new[at : at + PAGE] for at in pages)
    size = 40 + len(body)
    body += bytes(-size % _LOG_ALIGNMENT)
    head = struct.pack("<4s5I", b"HvLE", 40 + len(body), 0, sequence, len(new), len(pages))
    head += struct.pack("<Q", marvin32(body))
    return head + struct.pack("<Q", marvin32(head)) + body


def marvin32(data: bytes, seed: int = _MARVIN_SEED) -> int:
    """The Marvin32 hash of `data`, whose length is a multiple of four (log entries always are)."""
    if len(data) % 4:
        raise ValueError("log entries are hashed in whole double words")
    low, high = seed & 0xFFFFFFFF, seed >> 32
    for word in (*(item[0] for item in struct.iter_unpack("<I", data)), 0x80, 0):
        low = low + word & 0xFFFFFFFF
        high ^= low
        low = _rotate(low, 20) + high & 0xFFFFFFFF
        high = _rotate(high, 9) ^ low
        low = _rotate(low, 27) + high & 0xFFFFFFFF
        high = _rotate(high, 19)
    return high << 32 | low


def _rotate(word: int, count: int) -> int:
    return (word << count | word >> 32 - count) & 0xFFFFFFFF


def checksum(base: bytes) -> int:
    """The base block's checksum: XOR of its first 127 double words, never 0 nor all ones."""
    total = 0
    for (word,) in struct.iter_unpack("<I", base[:508]):
        total ^= word
    return {0: 1, 0xFFFFFFFF: 0xFFFFFFFE}.get(total, total)


def name_hash(name: str) -> int:
    """The hash that an `lh` entry carries: 37-based over the upper-case UTF-16 code units."""
    total = 0
    for unit in _units(name):
        total = (total * 37 + _upper(unit)) & 0xFFFFFFFF
    return total


def encode(type: int, data: Data) -> bytes:  # noqa: A002  # the registry's own word
    """`data` as the registry stores a value of `type`; bytes pass through."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, int):
        if type not in (REG_DWORD, REG_QWORD):
            raise ValueError(f"a number cannot be a value of type {type}")
        return data.to_bytes(8 if type == REG_QWORD else 4, "little")
    if isinstance(data, str):
        if type not in (REG_SZ, REG_EXPAND_SZ):
            raise ValueError(f"a text cannot be a value of type {type}")
        return _utf16(data + "\x00")
    if type != REG_MULTI_SZ:
        raise ValueError(f"a list cannot be a value of type {type}")
    return _utf16("".join(item + "\x00" for item in data) + "\x00")


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _parts(path: str) -> list[str]:
    return path.strip("\\").split("\\") if path.strip("\\") else []


def _units(name: str) -> Iterator[int]:
    return (unit for (unit,) in struct.iter_unpack("<H", _utf16(name)))


def _upper(unit: int) -> int:
    """Upper case of one UTF-16 unit as the kernel's table has it: single characters that map back, nothing else.

    Python also maps sharp s, dotless i, long s and the micro sign, which the table of Windows leaves alone.
    """
    if 0xD800 <= unit <= 0xDFFF:
        return unit
    upper = chr(unit).upper()
    return ord(upper) if len(upper) == 1 and ord(upper) < 0x10000 and upper.lower() == chr(unit) else unit


def _fold(name: str) -> str:
    return "".join(chr(_upper(unit)) for unit in _units(name))


def _stored_name(name: str) -> tuple[bytes, bool]:
    """The bytes of a name and whether they are "compressed" (one byte each, possible up to U+00FF)."""
    if name and max(name) <= "\xff":
        return name.encode("latin-1"), True
    return _utf16(name), False


def security_descriptor() -> bytes:
    """A self-relative descriptor as most keys of HKLM have it: Administrators and SYSTEM full, Users read."""
    administrators, system, users = _sid(32, 544), _sid(18), _sid(32, 545)
    entries = b""
    for mask, sid in ((0xF003F, administrators), (0xF003F, system), (0x20019, users)):
        entries += struct.pack("<BBHI", 0, 2, 8 + len(sid), mask) + sid  # access allowed, inherited by subkeys
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(entries), 3, 0) + entries
    owner = 20 + len(acl)
    head = struct.pack("<BBHIIII", 1, 0, 0x8004, owner, owner + len(administrators), 0, 20)
    return head + acl + administrators + system


def _sid(*authorities: int) -> bytes:
    count = len(authorities)
    return struct.pack(f"<BB6s{count}I", 1, count, b"\0\0\0\0\0\5", *authorities)


class _Bins:
    """Allocates cells in bins of whole pages; a cell never crosses a bin."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._open: list[list[int]] = []  # [next free byte, end] of the bins that still have room

    def allocate(self, content_size: int) -> int:
        """The offset (relative to the first bin) of a new cell with room for `content_size` bytes."""
        size = 4 + content_size + 7 & ~7
        place = next((place for place in self._open if place[1] - place[0] >= size), None) or self._new_bin(size)
        offset = place[0]
        place[0] += size
        struct.pack_into("<i", self._data, offset, -size)
        self._open = [place for place in self._open if place[1] - place[0] >= 24]
        if place[0] < place[1]:  # what is left over is one free cell
            struct.pack_into("<i", self._data, place[0], place[1] - place[0])
        return offset

    def put(self, offset: int, content: bytes) -> None:
        """Fill the cell at `offset`."""
        room = -struct.unpack_from("<i", self._data, offset)[0] - 4
        if len(content) > room:
            raise ValueError("content is larger than its cell")
        self._data[offset + 4 : offset + 4 + len(content)] = content

    def add(self, content: bytes) -> int:
        """Allocate and fill in one step."""
        offset = self.allocate(len(content))
        self.put(offset, content)
        return offset

    def word(self, offset: int, at: int) -> int:
        """The 32-bit number `at` bytes into a cell."""
        return int.from_bytes(self._data[offset + 4 + at : offset + 8 + at], "little")

    def free(self, offset: int) -> None:
        """Give the cell back; what it holds stays until the room is used again."""
        struct.pack_into("<i", self._data, offset, -struct.unpack_from("<i", self._data, offset)[0])

    def content(self) -> bytes:
        """All bins."""
        return bytes(self._data)

    def _new_bin(self, cell_size: int) -> list[int]:
        start, size = len(self._data), -(-(_BIN_HEADER + cell_size) // PAGE) * PAGE
        self._data += struct.pack("<4sII8xQI", b"hbin", start, size, 0, 0).ljust(size, b"\x00")
        place = [start + _BIN_HEADER, start + size]
        self._open.append(place)
        return place


class _Layout:
    """Turns a tree of keys into bins: the root node first, then the security cell, then keys in order."""

    def __init__(self) -> None:
        self._bins = _Bins()
        self._security = 0
        self._keys = 0

    def lay_out(self, root: _Key) -> bytes:
        """The bins of the whole tree."""
        root_cell = self._allocate_key(root)
        descriptor = security_descriptor()
        self._security = self._bins.allocate(20 + len(descriptor))
        self._fill_key(root, root_cell, NO_CELL)
        # One descriptor for all keys: the circular list of security cells links to itself.
        links = struct.pack("<2sHIIII", b"sk", 0, self._security, self._security, self._keys, len(descriptor))
        self._bins.put(self._security, links + descriptor)
        return self._bins.content()

    def _allocate_key(self, key: _Key) -> int:
        self._keys += 1
        return self._bins.allocate(76 + len(_stored_name(key.name)[0]))

    def _fill_key(self, key: _Key, cell: int, parent: int) -> None:
        children = [key.subkeys[folded] for folded in sorted(key.subkeys, key=lambda text: list(_units(text)))]
        values = self._value_list(list(key.values.values()))
        cells = [self._allocate_key(child) for child in children]
        subkeys = self._subkey_list(children, cells)
        for child, child_cell in zip(children, cells, strict=True):
            self._fill_key(child, child_cell, cell)
        name, compressed = _stored_name(key.name)
        flags = (_KEY_COMP_NAME if compressed else 0) | (_KEY_HIVE_ENTRY | _KEY_NO_DELETE if parent == NO_CELL else 0)
        node = struct.pack("<2sHQII", b"nk", flags, to_filetime(key.time), 0, parent)
        node += struct.pack("<IIII", len(children), 0, subkeys, NO_CELL)
        living = sum(not value.deleted for value in key.values.values())
        node += struct.pack("<IIII", living, values, self._security, NO_CELL)
        node += struct.pack("<5I", *_widest(children), *_widest_values(key), 0)
        self._bins.put(cell, node + struct.pack("<HH", len(name), 0) + name)

    def _subkey_list(self, children: list[_Key], cells: list[int]) -> int:
        if not children:
            return NO_CELL
        entries = [struct.pack("<II", cell, name_hash(key.name)) for key, cell in zip(children, cells, strict=True)]
        leaves = [
            self._bins.add(struct.pack("<2sH", b"lh", len(part)) + b"".join(part))
            for part in (entries[at : at + _LEAF_ENTRIES] for at in range(0, len(entries), _LEAF_ENTRIES))
        ]
        if len(leaves) == 1:
            return leaves[0]
        return self._bins.add(struct.pack(f"<2sH{len(leaves)}I", b"ri", len(leaves), *leaves))

    def _value_list(self, values: list[_Value]) -> int:
        living = [self._value(value) for value in values if not value.deleted]
        # Taking the last entry off a list counts it down; the entry stays in the cell.
        removed = [self._removed_value(value) for value in values if value.deleted]
        if not living:
            return NO_CELL
        cells = living + removed
        return self._bins.add(struct.pack(f"<{len(cells)}I", *cells))

    def _value(self, value: _Value) -> int:
        name, compressed = _stored_name(value.name)
        size = len(value.data)
        if size <= 4:
            size, data = size | _INLINE, int.from_bytes(value.data, "little")
        else:
            data = self._big_data(value.data) if size > _BIG_DATA_SEGMENT else self._bins.add(value.data)
        head = struct.pack("<2sHIIIHH", b"vk", len(name), size, data, value.type, int(compressed), 0)
        return self._bins.add(head + name)

    def _removed_value(self, value: _Value) -> int:
        cell = self._value(value)
        if 4 < len(value.data) <= _BIG_DATA_SEGMENT:
            self._bins.free(self._bins.word(cell, 8))
        self._bins.free(cell)
        return cell

    def _big_data(self, data: bytes) -> int:
        parts = [data[at : at + _BIG_DATA_SEGMENT] for at in range(0, len(data), _BIG_DATA_SEGMENT)]
        # Windows gives every segment, the last too, its full size.
        segments = [self._bins.add(part.ljust(_BIG_DATA_SEGMENT, b"\x00")) for part in parts]
        listed = self._bins.add(struct.pack(f"<{len(segments)}I", *segments))
        return self._bins.add(struct.pack("<2sHII", b"db", len(segments), listed, 0))


def _widest(children: list[_Key]) -> tuple[int, int]:
    """Longest subkey name in bytes of UTF-16, and longest class name (there is none)."""
    return max((2 * len(list(_units(child.name))) for child in children), default=0), 0


def _widest_values(key: _Key) -> tuple[int, int]:
    """Longest value name in bytes of UTF-16, and longest value data."""
    names = (2 * len(list(_units(value.name))) for value in key.values.values())
    return max(names, default=0), max((len(value.data) for value in key.values.values()), default=0)
