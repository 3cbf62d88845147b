"""Writes jump lists: a compound file with a DestList and one link for each destination, and custom lists.

Layout: Microsoft, [MS-CFB]; libyal/dtformats, "Jump lists format". Streams are in the order Windows has them in real
files (links first, DestList among them does not matter to a reader), small ones in the mini stream.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from forensics.times import to_filetime
from testdata.writers.shelllink import CLASS_ID, Machine, tracker

_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_FOOTER = b"\xab\xfb\xbf\xba"


@dataclass(frozen=True)
class Used:
    """One destination: its path, its link (None: the stream is gone), last use, how often, place among the pinned."""

    path: str
    link: bytes | None
    when: datetime
    count: int = 1
    pin: int = -1
    machine: Machine = field(default_factory=Machine)


def automatic(entries: Sequence[Used], version: int = 4, unlisted: Sequence[bytes] = ()) -> bytes:
    """An `.automaticDestinations-ms`; `entries` newest first, `unlisted` are links that no entry names."""
    total = len(entries)
    streams = {f"{total - index:x}": entry.link for index, entry in enumerate(entries) if entry.link is not None}
    streams |= {f"{total + 1 + index:x}": link for index, link in enumerate(unlisted)}
    pinned = sum(entry.pin >= 0 for entry in entries)
    head = struct.pack("<3If2Q", version, total, pinned, float(total), total, total)
    body = b"".join(_entry(entry, total - index, version) for index, entry in enumerate(entries))
    return compound({**streams, "DestList": head + body})


def _entry(entry: Used, number: int, version: int) -> bytes:
    machine = tracker(entry.machine)
    fixed = bytes(8) + machine[16:] + machine[:16]
    fixed += struct.pack("<2IfQi", number, 0, float(entry.count), to_filetime(entry.when), entry.pin)
    if version > 1:
        fixed += struct.pack("<iIQ", -1, entry.count, 0)
    path = entry.path.encode("utf-16-le")
    return fixed + struct.pack("<H", len(path) // 2) + path + (bytes(4) if version > 1 else b"")


def custom(categories: Sequence[tuple[str | None, Sequence[bytes]]]) -> bytes:
    """A `.customDestinations-ms`: each category a name (None: the program's tasks) and its links."""
    out = struct.pack("<3I", 2, len(categories), 0)
    for name, links in categories:
        if name is None:
            out += struct.pack("<I", 2)
        else:
            out += struct.pack("<IH", 0, len(name)) + name.encode("utf-16-le")
        out += struct.pack("<I", len(links)) + b"".join(CLASS_ID + link for link in links) + _FOOTER
    return out


# -- compound file ----------------------------------------------------------------------------------------------------


def compound(streams: dict[str, bytes]) -> bytes:
    """A compound file of version 3 with these streams in its root."""
    file = _Compound()
    starts = {name: file.add(data) for name, data in streams.items()}
    return file.finish([(name, starts[name], len(data)) for name, data in streams.items()])


class _Compound:
    def __init__(self) -> None:
        self.sectors: list[bytes] = []
        self.table: list[int] = []
        self.mini = b""
        self.mini_table: list[int] = []

    def add(self, data: bytes) -> int:
        """Store a stream; its first sector."""
        if not data:
            return _END
        if len(data) >= _CUTOFF:
            return self.chain(data)
        start, count = len(self.mini_table), -(-len(data) // _MINI)
        self.mini += data.ljust(count * _MINI, b"\0")
        self.mini_table += [*range(start + 1, start + count), _END]
        return start

    def chain(self, data: bytes) -> int:
        """Store whole sectors one behind the other; the first of them."""
        start, count = len(self.sectors), -(-len(data) // _SECTOR)
        padded = data.ljust(count * _SECTOR, b"\0")
        self.sectors += [padded[at : at + _SECTOR] for at in range(0, len(padded), _SECTOR)]
        self.table += [*range(start + 1, start + count), _END]
        return start

    def finish(self, listed: list[tuple[str, int, int]]) -> bytes:
        mini_start = self.chain(self.mini) if self.mini else _END
        root = _directory_entry("Root Entry", 5, mini_start, len(self.mini), child=1 if listed else _FREE)
        entries = [root]
        for index, (name, start, size) in enumerate(listed, 1):
            right = index + 1 if index < len(listed) else _FREE
            entries.append(_directory_entry(name, 2, start, size, right=right))
        directory = self.chain(b"".join(entries))
        mini_table = self.chain(_padded(_numbers(self.mini_table))) if self.mini_table else _END
        mini_sectors = -(-len(self.mini_table) * 4 // _SECTOR)
        count = 1
        while count * _SECTOR // 4 < len(self.table) + count:
            count += 1
        fat = [len(self.table) + index for index in range(count)]
        raw = _numbers([*self.table, *[_FAT] * count])
        body = b"".join(self.sectors) + _padded(raw)
        fixed = struct.pack("<8s16s5H6x", bytes.fromhex("d0cf11e0a1b11ae1"), bytes(16), 0x3E, 3, 0xFFFE, 9, 6)
        fixed += struct.pack("<9I", 0, count, directory, 0, _CUTOFF, mini_table, mini_sectors, _END, 0)
        return fixed + _numbers(fat).ljust(109 * 4, b"\xff") + body


def _numbers(values: list[int]) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def _padded(table: bytes) -> bytes:
    """A table up to the end of its last sector: what is behind it is free."""
    return table.ljust(-(-len(table) // _SECTOR) * _SECTOR, b"\xff")


def _directory_entry(name: str, kind: int, start: int, size: int, *, child: int = _FREE, right: int = _FREE) -> bytes:
    raw = name.encode("utf-16-le")
    head = raw.ljust(64, b"\0") + struct.pack("<HBB3I", len(raw) + 2, kind, 1, _FREE, right, child)
    return head + bytes(36) + struct.pack("<IQ", start, size)
