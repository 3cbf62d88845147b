"""Hives and transaction logs built cell by cell, so that any offset, count or size in them can lie.

Only what the tests need: no security cells, one bin (grown in pages), subkey lists of every kind.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from Registry.RegistryParse import HvLEBlock

from forensics.formats.hive import Hive

NOWHERE = 0xFFFFFFFF
TICKS = 133_777_404_610_000_000  # 2024-12-03T23:01:01Z
Value = tuple[str, int, bytes]
Tree = dict[str, Any]  # subkey name -> Tree; "" -> list of Values


def utf16(text: str) -> bytes:
    """A NUL-terminated string as Windows stores it."""
    return text.encode("utf-16-le", "surrogatepass") + b"\x00\x00"


def checksum(header: bytes) -> int:
    """The header checksum: XOR of the first 127 numbers, 0 and -1 avoided."""
    total = 0
    for number in struct.unpack_from("<127I", header):
        total ^= number
    return {0: 1, 0xFFFFFFFF: 0xFFFFFFFE}.get(total, total)


class Builder:
    """Collects cells; offsets are relative to the first bin, as in the hive."""

    def __init__(self) -> None:
        self.body = bytearray(0x20)

    def cell(self, content: bytes, size: int | None = None) -> int:
        """Append a cell; `size` overrides what its header claims."""
        offset = len(self.body)
        length = (len(content) + 4 + 7) & ~7
        self.body += struct.pack("<i", -length if size is None else size) + content
        self.body += bytes(offset + length - len(self.body))
        return offset

    def nk(self, name: bytes, *, parent: int = 0, flags: int = 0x20, ticks: int = TICKS) -> int:
        """A key without subkeys and values; link them with `link`."""
        fields = struct.pack("<2sHQII", b"nk", flags, ticks, 0, parent)
        fields += struct.pack("<IIIIIIIIIIIII", 0, 0, NOWHERE, NOWHERE, 0, NOWHERE, NOWHERE, NOWHERE, 0, 0, 0, 0, 0)
        return self.cell(fields + struct.pack("<HH", len(name), 0) + name)

    def link(self, key: int, *, children: tuple[int, int] | None = None, values: tuple[int, int] | None = None) -> None:
        """Set (count, list offset) of a key's subkeys or values."""
        if children:
            self.patch(key, 0x14, children[0])
            self.patch(key, 0x1C, children[1])
        if values:
            self.patch(key, 0x24, values[0])
            self.patch(key, 0x28, values[1])

    def vk(self, name: bytes, kind: int, size: int, data: int, flags: int = 1) -> int:
        """A value record with any claimed size and data offset."""
        return self.cell(struct.pack("<2sHIIIHH", b"vk", len(name), size, data, kind, flags, 0) + name)

    def value(self, name: str, kind: int, raw: bytes) -> int:
        """A sound value: short data inside its record, long data in a cell (no big data)."""
        latin = all(ord(char) < 256 for char in name)
        encoded = name.encode("latin-1" if latin else "utf-16-le")
        if len(raw) <= 4:
            inline = int.from_bytes(raw.ljust(4, b"\x00"), "little")
            return self.vk(encoded, kind, 0x80000000 | len(raw), inline, int(latin))
        return self.vk(encoded, kind, len(raw), self.cell(raw), int(latin))

    def leaf(self, offsets: Sequence[int], signature: bytes = b"lh", count: int | None = None) -> int:
        """A list of keys: `lf`, `lh` (with room for the hash), `li` or, of lists, `ri`."""
        step = "<II" if signature in (b"lf", b"lh") else "<I"
        entries = b"".join(struct.pack(step, *((offset, 0) if step == "<II" else (offset,))) for offset in offsets)
        return self.cell(signature + struct.pack("<H", len(offsets) if count is None else count) + entries)

    def offsets(self, numbers: Sequence[int]) -> int:
        """A bare list of offsets, as values and big data use it."""
        return self.cell(struct.pack(f"<{len(numbers)}I", *numbers))

    def patch(self, cell: int, place: int, number: int) -> None:
        """Overwrite a 32-bit number in a cell's content."""
        struct.pack_into("<I", self.body, cell + 4 + place, number)

    def tree(self, name: str, content: Tree, parent: int = 0) -> int:
        """A key with all its values and subkeys, sound in every respect."""
        latin = all(ord(char) < 256 for char in name)
        flags = (0x20 if latin else 0) | (0x4 if not parent else 0)
        key = self.nk(name.encode("latin-1" if latin else "utf-16-le"), parent=parent, flags=flags)
        values = [self.value(*entry) for entry in content.get("", ())]
        if values:
            self.link(key, values=(len(values), self.offsets(values)))
        children = [self.tree(child, inner, key) for child, inner in content.items() if child]
        if children:
            self.link(key, children=(len(children), self.leaf(children)))
        return key

    def build(self, root: int, *, sequences: tuple[int, int] = (1, 1), name: str = "crafted") -> bytes:
        """The file: header, one bin over all cells, the rest of its last page as a free cell."""
        body = bytearray(self.body)
        size = (len(body) + 0x1000) & ~0xFFF
        if len(body) < size:
            struct.pack_into("<i", body := body + bytes(size - len(body)), len(self.body), size - len(self.body))
        struct.pack_into("<4sII", body, 0, b"hbin", 0, size)
        return header(root, size, sequences, name) + bytes(body)


def header(root: int, size: int, sequences: tuple[int, int], name: str, kind: int = 0, length: int = 0x1000) -> bytes:
    """A base block; `kind` 0 is a hive, 6 a transaction log."""
    block = bytearray(length)
    struct.pack_into("<4sIIQ", block, 0, b"regf", *sequences, TICKS)
    struct.pack_into("<IIIIIII", block, 0x14, 1, 5, kind, 1, root, size, 1)
    block[0x30 : 0x30 + 2 * len(name)] = name.encode("utf-16-le")
    struct.pack_into("<I", block, 0x1FC, checksum(bytes(block[:512])))
    return bytes(block)


def hive(content: Tree, *, root_name: str = "ROOT", **how: Any) -> bytes:
    """A sound hive out of nested dicts."""
    builder = Builder()
    return builder.build(builder.tree(root_name, content), **how)


def log(pages: Sequence[tuple[int, bytes]], *, sequence: int, size: int, name: str = "crafted") -> bytes:
    """A transaction log of the Windows 8.1 format with one entry that holds `pages` (offset, bytes)."""
    content = b"".join(struct.pack("<II", offset, len(data)) for offset, data in pages)
    content += b"".join(data for _, data in pages)
    length = (40 + len(content) + 511) & ~511
    entry = bytearray(
        struct.pack("<4sIIIII", b"HvLE", length, 0, sequence, size, len(pages)).ljust(40, b"\x00") + content
    )
    entry += bytes(length - len(entry))
    # python-registry's own hash (its result matches real logs); only its method is used, over a dummy entry.
    marvin = HvLEBlock(bytes(entry), 0, None).marvin32_hash
    struct.pack_into("<Q", entry, 24, marvin(bytes(entry[40:])))
    struct.pack_into("<Q", entry, 32, marvin(bytes(entry[:32])))
    return header(0x20, size, (sequence, sequence), name, kind=6, length=512) + bytes(entry)


SYSTEM: Tree = {
    "Select": {"": [("Current", 4, b"\x02\x00\x00\x00")]},
    "ControlSet001": {"Services": {"Old": {}}},
    "ControlSet002": {
        "Services": {
            "code_tunnel": {"": [("ImagePath", 2, utf16("C:\\t\\code.exe tunnel")), ("Start", 4, b"\x02\x00\x00\x00")]},
            "Ünïcode": {},
            "日本": {"": [("値", 1, utf16("データ"))]},
        }
    },
}


def texts(found: Hive) -> list[str]:
    return [str(problem) for problem in found.problems]


def read_all(found: Hive) -> tuple[int, int]:
    """Touch everything that the hive offers."""
    keys = values = 0
    for key in found.walk():
        keys += 1
        assert key.last_write
        for value in key.values():
            values += 1
            assert isinstance(value.text(), str)
            assert value.type_name
    return keys, values
