"""Writes cabinet files as makecab does by default: one folder of 32 KiB blocks, each with the one before as dictionary.

Layout: [MS-CAB] and [MS-MCI].
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

_BLOCK = 32 * 1024
STORED, MSZIP, LZX = 0, 1, 3


def cabinet(files: Mapping[str, bytes], method: int = MSZIP) -> bytes:
    """A cabinet of these files. Other methods than stored and MSZIP only get their number, with stored content."""
    content = b"".join(files.values())
    blocks = list(_blocks(content, method))
    names = [name.encode("ascii") + b"\x00" for name in files]
    first = 36 + 8
    start = first + sum(16 + len(name) for name in names)
    entries, place = b"", 0
    for name, data in zip(names, files.values(), strict=True):
        entries += struct.pack("<IIHHHH", len(data), place, 0, 0x5984, 0x53A0, 0x20) + name
        place += len(data)
    data = b"".join(_checked(packed, size) for packed, size in blocks)
    head = struct.pack("<4sIIIIIBBHHHHH", b"MSCF", 0, start + len(data), 0, first, 0, 3, 1, 1, len(files), 0, 0x1234, 0)
    return head + struct.pack("<IHH", start, len(blocks), method) + entries + data


def _blocks(content: bytes, method: int) -> list[tuple[bytes, int]]:
    found, before = [], b""
    for place in range(0, len(content), _BLOCK):
        part = content[place : place + _BLOCK]
        if method == MSZIP:
            machine = (
                zlib.compressobj(9, zlib.DEFLATED, -15, zdict=before)
                if before
                else zlib.compressobj(9, zlib.DEFLATED, -15)
            )
            found.append((b"CK" + machine.compress(part) + machine.flush(), len(part)))
        else:
            found.append((part, len(part)))
        before = part
    return found


def _checked(packed: bytes, size: int) -> bytes:
    """A data block with its checksum: over the data, then over the two sizes."""
    sizes = struct.pack("<HH", len(packed), size)
    return struct.pack("<I", checksum(sizes, checksum(packed, 0))) + sizes + packed


def checksum(data: bytes, seed: int) -> int:
    """XOR of little-endian double words; the last one to three bytes count as if written high to low."""
    total = seed
    whole = len(data) & ~3
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        total ^= word
    return total ^ int.from_bytes(data[whole:], "big")
