"""Writes a small VHDX, as Microsoft's format document (MS-VHDX) has it; without a log.

A sandbox's own disk is a differencing one: what it does not hold is in the disk that its parent locator names.
"""

from __future__ import annotations

import struct
from uuid import UUID

from testdata.writers.vhdx_head import sealed

BLOCK = 1 << 20
_NONE = UUID(int=0)


def build(
    data: bytes, parent: dict[str, str] | None = None, below: bytes | None = None, *, data_write: UUID = _NONE,
    log: UUID = _NONE,
) -> bytes:  # fmt: skip
    """A dynamic VHDX with blocks of 1 MiB; with `parent`, the paths of its locator, a differencing one.

    With `below`, what its parent has, it holds only the sectors that differ, in blocks that are there in part.
    """
    blocks = -(-len(data) // BLOCK)
    out = _head(len(data), parent, data_write, log)
    if below is None:
        struct.pack_into(f"<{blocks}Q", out, 2 * BLOCK, *((3 + number) << 20 | 6 for number in range(blocks)))
        return bytes(out) + data.ljust(blocks * BLOCK, b"\x00")
    return bytes(out + _differing(out, data, below, blocks))


def _differing(out: bytearray, data: bytes, below: bytes, blocks: int) -> bytearray:
    """A bitmap for all blocks (one chunk of 4,096 is enough), then each block of which a sector differs."""
    bitmap, stored = bytearray(BLOCK), bytearray()
    for number in range(blocks):
        if data[number * BLOCK : (number + 1) * BLOCK] == below[number * BLOCK : (number + 1) * BLOCK]:
            continue
        mine = bytearray(BLOCK)
        for at in range(number * BLOCK, min(len(data), (number + 1) * BLOCK), 512):
            sector = data[at : at + 512]
            if sector != below[at : at + 512]:
                mine[at - number * BLOCK : at - number * BLOCK + len(sector)] = sector
                bitmap[at // 4096] |= 1 << at // 512 % 8
        if any(bitmap[number * 256 : (number + 1) * 256]):
            struct.pack_into("<Q", out, 2 * BLOCK + 8 * number, 4 + len(stored) // BLOCK << 20 | 7)
            stored += mine
    struct.pack_into("<Q", out, 2 * BLOCK + 8 * 4096, 3 << 20 | 6)
    return bitmap + stored


def _head(size: int, parent: dict[str, str] | None, data_write: UUID, log: UUID) -> bytearray:
    out = bytearray(3 * BLOCK)
    out[:8] = b"vhdxfile"
    for number, place in enumerate((0x10000, 0x20000)):
        head = struct.pack(
            "<4sIQ16x16s16sHHIQ", b"head", 0, number + 1, data_write.bytes_le, log.bytes_le, 0, 1, 0, 0
        ).ljust(4096, b"\x00")
        out[place : place + len(head)] = sealed(head)
    regions = struct.pack("<4sIII", b"regi", 0, 2, 0)
    regions += UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le + struct.pack("<QII", 2 * BLOCK, BLOCK, 1)
    regions += UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le + struct.pack("<QII", BLOCK, BLOCK, 1)
    regions = sealed(regions.ljust(65536, b"\x00"))
    for place in (0x30000, 0x40000):
        out[place : place + len(regions)] = regions
    items = [
        ("caa16737-fa36-4d43-b3b6-33f0aa44e76b", struct.pack("<II", BLOCK, 2 if parent else 0)),
        ("2fa54224-cd1b-4876-b211-5dbed83bf4b8", struct.pack("<Q", size)),
        ("8141bf1d-a96f-4709-ba47-f233a8faab5f", struct.pack("<I", 512)),
        ("beca12ab-b2e6-4523-93ef-c309e000c746", UUID(int=9).bytes_le),
    ]
    if parent:
        items.append(("a8d35f2d-b30b-454d-abf7-d3d84834ab0c", _locator(parent)))
    table, body = struct.pack("<8sHH20x", b"metadata", 0, len(items)), b""
    for identity, value in items:
        table += UUID(identity).bytes_le + struct.pack("<III4x", 65536 + len(body), len(value), 4)
        body += value
    out[BLOCK : BLOCK + len(table)] = table
    out[BLOCK + 65536 : BLOCK + 65536 + len(body)] = body
    return out


def _locator(paths: dict[str, str]) -> bytes:
    rows, texts = b"", b""
    for name, value in paths.items():
        key, text = name.encode("utf-16-le"), value.encode("utf-16-le")
        at = 20 + 12 * len(paths) + len(texts)
        rows += struct.pack("<IIHH", at, at + len(key), len(key), len(text))
        texts += key + text
    return UUID("b04aefb7-d19e-4a81-b789-25b8e9445913").bytes_le + struct.pack("<HH", 0, len(paths)) + rows + texts
