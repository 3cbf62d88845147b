"""Writes partitioned disks: GPT as Windows Setup makes it, MBR with primary partitions, and a small FAT16 volume.

GPT: UEFI specification 2.10, chapter 5 (protective MBR, header and entries with their CRC-32, a second copy of both at
the disk's end). FAT16: Microsoft's "FAT: General Overview of On-Disk Format".
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

SECTOR, ALIGN = 512, 1 << 20
_ENTRIES, _ENTRY = 128, 128
_TABLE_SECTORS = _ENTRIES * _ENTRY // SECTOR
_TYPES = {
    "EFI system partition": "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    "Microsoft reserved partition": "e3c9e316-0b5c-4db8-817d-f92df00215ae",
    "Basic data partition": "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
    "Recovery": "de94bba4-06d1-4d40-a16a-bfd50179d6ac",
}
_MBR_TYPES = {"Basic data partition": 7, "Recovery": 0x27, "EFI system partition": 0xEF, "FAT": 6}


class Part(NamedTuple):
    """A partition: its type by the name that Windows gives it, and its content (a file, bytes, or so many zeros)."""

    name: str
    content: Path | bytes | int

    @property
    def size(self) -> int:
        """Its size in bytes."""
        if isinstance(self.content, Path):
            return self.content.stat().st_size
        return self.content if isinstance(self.content, int) else len(self.content)


def gpt(target: Path, parts: Sequence[Part]) -> Path:
    """A disk with a GUID partition table."""
    places, end = _places(parts)
    sectors = end // SECTOR + _TABLE_SECTORS + 1
    table = b"".join(_gpt_entry(number, part, at) for number, (part, at) in enumerate(zip(parts, places, strict=True)))
    table = table.ljust(_ENTRIES * _ENTRY, b"\x00")
    with target.open("wb") as disk:
        whole = struct.pack("<B3sB3sII", 0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1, min(sectors - 1, 0xFFFFFFFF))
        disk.write(bytes(446) + whole + bytes(48) + b"\x55\xaa" + _gpt_header(1, sectors, 2, table) + table)
        _fill(disk, parts, places)
        disk.seek((sectors - 1 - _TABLE_SECTORS) * SECTOR)
        disk.write(table + _gpt_header(sectors - 1, sectors, sectors - 1 - _TABLE_SECTORS, table))
    return target


def mbr(target: Path, parts: Sequence[Part]) -> Path:
    """A disk with at most four primary partitions; the first is active."""
    places, end = _places(parts)
    entries = b"".join(
        struct.pack("<B3sB3sII", 0x80 if not number else 0, b"\xfe\xff\xff", _MBR_TYPES[part.name], b"\xfe\xff\xff",
                    at // SECTOR, part.size // SECTOR)
        for number, (part, at) in enumerate(zip(parts, places, strict=True))
    )  # fmt: skip
    with target.open("wb") as disk:
        disk.write(bytes(440) + struct.pack("<I2x", 0x5F3A9C22) + entries.ljust(64, b"\x00") + b"\x55\xaa")
        _fill(disk, parts, places)
        disk.truncate(end)
    return target


def _places(parts: Sequence[Part]) -> tuple[list[int], int]:
    """Where each partition begins, and where the last one ends."""
    at, places = ALIGN, []
    for part in parts:
        places.append(at)
        at += -(-part.size // ALIGN) * ALIGN
    return places, at


def _fill(disk: BinaryIO, parts: Sequence[Part], places: Sequence[int]) -> None:
    for part, at in zip(parts, places, strict=True):
        disk.seek(at)
        if isinstance(part.content, bytes):
            disk.write(part.content)
        elif isinstance(part.content, Path):
            with part.content.open("rb") as source:
                while block := source.read(1 << 20):
                    disk.seek(len(block), 1) if block.count(0) == len(block) else disk.write(block)


def _gpt_entry(number: int, part: Part, at: int) -> bytes:
    kind = uuid.UUID(_TYPES[part.name]).bytes_le
    own = uuid.uuid5(uuid.NAMESPACE_URL, f"mirrortrace partition {number}").bytes_le
    last = (at + part.size) // SECTOR - 1
    return kind + own + struct.pack("<3Q", at // SECTOR, last, 0) + part.name.encode("utf-16-le").ljust(72, b"\x00")


def _gpt_header(here: int, sectors: int, table_at: int, table: bytes) -> bytes:
    other = sectors - 1 if here == 1 else 1
    disk = uuid.uuid5(uuid.NAMESPACE_URL, "mirrortrace disk").bytes_le

    def packed(crc: int) -> bytes:
        usable = (2 + _TABLE_SECTORS, sectors - 2 - _TABLE_SECTORS)
        return struct.pack(
            "<8s4I4Q16sQ3I", b"EFI PART", 0x10000, 92, crc, 0, here, other, *usable, disk, table_at, _ENTRIES, _ENTRY,
            zlib.crc32(table),
        )  # fmt: skip

    return packed(zlib.crc32(packed(0))).ljust(SECTOR, b"\x00")


def fat16(files: dict[str, bytes], size: int = 8 << 20) -> bytes:
    """A FAT16 volume with files of 8.3 names in its root folder, each of at most one cluster of 1 KiB."""
    per_cluster, reserved, root_entries = 2, 1, 512
    sectors = size // SECTOR
    fat_sectors = -(-(sectors // per_cluster + 2) * 2 // SECTOR)
    small, large = (sectors, 0) if sectors < 65536 else (0, sectors)
    boot = struct.pack(
        "<3s8sHBHBHHBHHHIIBBBI11s8s", b"\xeb\x3c\x90", b"MSDOS5.0", SECTOR, per_cluster, reserved, 2, root_entries,
        small, 0xF8, fat_sectors, 63, 255, 2048, large, 0x80, 0, 0x29, 0x1A2B3C4D, b"SYSTEM     ", b"FAT16   ",
    )  # fmt: skip
    chain = struct.pack("<2H", 0xFFF8, 0xFFFF) + struct.pack("<H", 0xFFFF) * len(files)
    fat = chain.ljust(fat_sectors * SECTOR, b"\x00")
    root, content = b"", b""
    for cluster, (name, data) in enumerate(files.items(), 2):
        stem, _, suffix = name.upper().partition(".")
        label = stem.ljust(8).encode() + suffix.ljust(3).encode()
        root += label + struct.pack("<BBBHHHHHHHI", 0x20, 0, 0, 0, 0x5981, 0x5981, 0, 0, 0x5981, cluster, len(data))
        content += data.ljust(per_cluster * SECTOR, b"\x00")
    volume = boot.ljust(510, b"\x00") + b"\x55\xaa" + fat * 2 + root.ljust(root_entries * 32, b"\x00") + content
    return volume.ljust(size, b"\x00")
