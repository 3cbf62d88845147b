"""The head of a VHDX byte by byte as [MS-VHDX] has it: identifier, two headers, two region tables, metadata, no blocks.

A differencing disk of any size in 4 MiB: enough for whoever only asks a disk what it is. QEMU and dissect read it too.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from uuid import UUID

MIB = 1024 * 1024
_BAT, _METADATA = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08"), UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
_PARAMETERS, _SIZE = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b"), UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
_DISK, _LOCATOR = UUID("beca12ab-b2e6-4523-93ef-c309e000c746"), UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
_SECTOR, _PHYSICAL = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f"), UUID("cda348c7-445d-4471-9cc9-e9885251c556")
_LOCATOR_KIND = UUID("b04aefb7-d19e-4a81-b789-25b8e9445913")
_IS_DISK, _IS_REQUIRED = 2, 4
_WRITE, _NO_LOG, _ANY_DISK = UUID(int=7), UUID(int=0), UUID(int=9)


def crc32c(data: bytes) -> int:
    """CRC-32C, bit by bit."""
    rest = 0xFFFFFFFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ (0x82F63B78 if rest & 1 else 0)
    return rest ^ 0xFFFFFFFF


def sealed(data: bytes) -> bytes:
    """A structure with its CRC-32C, which stands at 4 and counts as zero itself."""
    return data[:4] + struct.pack("<I", crc32c(data)) + data[8:]


def _header(sequence: int, data_write: UUID, log: UUID) -> bytes:
    body = struct.pack("<4sIQ", b"head", 0, sequence) + UUID(int=sequence).bytes_le + data_write.bytes_le + log.bytes_le
    body += struct.pack("<HHIQ", 0, 1, MIB, MIB)
    return sealed(body.ljust(4096, b"\x00"))


def _region() -> bytes:
    body = struct.pack("<4sIII", b"regi", 0, 2, 0)
    body += _BAT.bytes_le + struct.pack("<QII", 3 * MIB, MIB, 1)
    body += _METADATA.bytes_le + struct.pack("<QII", 2 * MIB, MIB, 1)
    return sealed(body.ljust(65536, b"\x00"))


def _locator(parent: Mapping[str, str]) -> bytes:
    rows, texts, at = b"", b"", 20 + 12 * len(parent)
    for key, value in parent.items():
        raw_key, raw = key.encode("utf-16-le"), value.encode("utf-16-le")
        rows += struct.pack("<IIHH", at + len(texts), at + len(texts) + len(raw_key), len(raw_key), len(raw))
        texts += raw_key + raw
    return _LOCATOR_KIND.bytes_le + struct.pack("<HH", 0, len(parent)) + rows + texts


def _metadata(size: int, block: int, disk: UUID, parent: Mapping[str, str]) -> bytes:
    items = [
        (_PARAMETERS, struct.pack("<II", block, 2 if parent else 0), _IS_REQUIRED),
        (_SIZE, struct.pack("<Q", size), _IS_DISK | _IS_REQUIRED),
        (_DISK, disk.bytes_le, _IS_DISK | _IS_REQUIRED),
        (_SECTOR, struct.pack("<I", 512), _IS_DISK | _IS_REQUIRED),
        (_PHYSICAL, struct.pack("<I", 4096), _IS_DISK | _IS_REQUIRED),
    ]
    if parent:
        items.append((_LOCATOR, _locator(parent), _IS_REQUIRED))
    table, body = struct.pack("<8sHH20x", b"metadata", 0, len(items)), b""
    for kind, data, flags in items:
        table += kind.bytes_le + struct.pack("<IIII", 65536 + len(body), len(data), flags, 0)
        body += data.ljust(-(-len(data) // 8) * 8, b"\x00")
    return (table.ljust(65536, b"\x00") + body).ljust(MIB, b"\x00")


def build(
    size: int, *, parent: Mapping[str, str] | None = None, data_write: UUID = _WRITE, log: UUID = _NO_LOG,
    disk: UUID = _ANY_DISK, block: int = 2 * MIB, creator: str = "Microsoft Windows 10.0.22621.1",
) -> bytes:  # fmt: skip
    """A disk of `size` bytes that holds nothing; differencing when a `parent` locator is given."""
    out = bytearray(4 * MIB)
    out[:520] = (b"vhdxfile" + creator.encode("utf-16-le")).ljust(520, b"\x00")
    out[0x10000:0x11000] = _header(5, UUID(int=1), _NO_LOG)
    out[0x20000:0x21000] = _header(6, data_write, log)
    out[0x30000:0x40000] = out[0x40000:0x50000] = _region()
    out[2 * MIB : 3 * MIB] = _metadata(size, block, disk, parent or {})
    return bytes(out)
