"""What the head of a VHDX says without its content: sizes, whether it is differencing and of which parent, its log.

Reads the identifier, the newer of the two headers, a region table and the metadata, a few MiB at most, whatever the
disk's size. A disk whose log is not empty was in use when the host stopped: its last changes are still in the log.
Source: [MS-VHDX] 2.2 (file type identifier, headers, region table) and 2.6 (metadata, parent locator).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO
from uuid import UUID

from forensics.formats import FormatError

_KIB, _MIB = 1024, 1024 * 1024
_HEADERS, _REGIONS = (64 * _KIB, 128 * _KIB), (192 * _KIB, 256 * _KIB)
_MOST_METADATA, _MOST_ITEMS, _MOST_PATH = 2 * _MIB, 2047, 64 * _KIB
_BAT = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
_METADATA = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
_DISK = UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
_SECTOR = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
_LOCATOR = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
_NO_LOG = UUID(int=0)
_POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected


@dataclass(slots=True)
class Head:
    """The facts of a VHDX; None or empty where its head does not say. `faults` are the parts that are damaged.

    `bat` is the place and length of the table of its blocks, `sector_size` the unit of the bitmaps that say which
    sectors of a block are the disk's own.
    """

    creator: str = ""
    virtual_size: int | None = None
    block_size: int | None = None
    differencing: bool | None = None
    sector_size: int | None = None
    bat: tuple[int, int] | None = None
    disk_id: str = ""
    data_write: str = ""
    log_id: str = ""
    parent: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def parents(self) -> tuple[str, ...]:
        """The paths of the parent, as the locator has them."""
        return tuple(text for name, text in sorted(self.parent.items()) if name.endswith("path") and text)


def read(fh: BinaryIO) -> Head:
    """Read the head; FormatError when it is no VHDX. What is damaged is named in `faults`, the rest is read."""
    identifier = _at(fh, 0, 520)
    if identifier[:8] != b"vhdxfile":
        raise FormatError(f"not a VHDX: it begins with {identifier[:8].hex() or 'nothing'}", 0)
    head = Head(creator=identifier[8:].decode("utf-16-le", "replace").partition("\x00")[0].strip())
    _header(fh, head)
    _regions(fh, head)
    return head


def _at(fh: BinaryIO, offset: int, length: int) -> bytes:
    fh.seek(offset)
    return fh.read(length)


def _checksum(data: bytes) -> int:
    """CRC-32C of a structure whose own checksum, at 4, counts as zero."""
    rest, table = 0xFFFFFFFF, _table()
    for byte in data[:4] + bytes(4) + data[8:]:
        rest = rest >> 8 ^ table[(rest ^ byte) & 0xFF]
    return rest ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


def _sound(data: bytes, length: int, magic: bytes) -> bool:
    return len(data) == length and data[:4] == magic and int.from_bytes(data[4:8], "little") == _checksum(data)


def _header(fh: BinaryIO, head: Head) -> None:
    """The newer of the sound headers: GUIDs of the last write and of the log."""
    found = [_at(fh, offset, 4 * _KIB) for offset in _HEADERS]
    sound = [data for data in found if _sound(data, 4 * _KIB, b"head")]
    if len(sound) < 2:
        head.faults.append(f"{2 - len(sound)} of 2 headers damaged")
    if not sound:
        return
    newest = max(sound, key=lambda data: int.from_bytes(data[8:16], "little"))
    head.data_write = str(UUID(bytes_le=newest[32:48]))
    log = UUID(bytes_le=newest[48:64])
    head.log_id = "" if log == _NO_LOG else str(log)


def _regions(fh: BinaryIO, head: Head) -> None:
    """Find the metadata by the first region table that is sound, else by one that can be read."""
    tables = [_at(fh, offset, 64 * _KIB) for offset in _REGIONS]
    sound = next((data for data in tables if _sound(data, 64 * _KIB, b"regi")), None)
    table = sound or next((data for data in tables if data[:4] == b"regi"), b"")
    if sound is None:
        head.faults.append("both region tables damaged" if table else "no region table")
    found: dict[UUID, tuple[int, int]] = {}
    for number in range(min(int.from_bytes(table[8:12], "little"), _MOST_ITEMS)):
        entry = table[16 + 32 * number : 48 + 32 * number]
        if len(entry) == 32 and (place := struct.unpack_from("<QI", entry, 16))[0] < 1 << 62:
            found.setdefault(UUID(bytes_le=entry[:16]), place)
    head.bat = found.get(_BAT)
    if _METADATA not in found:
        head.faults.append("no metadata")
        return
    offset, length = found[_METADATA]
    _metadata(_at(fh, offset, min(length, _MOST_METADATA)), head)


def _metadata(data: bytes, head: Head) -> None:
    if data[:8] != b"metadata":
        head.faults.append("the metadata are damaged")
        return
    for number in range(min(int.from_bytes(data[10:12], "little"), _MOST_ITEMS)):
        entry = data[32 + 32 * number : 64 + 32 * number]
        if len(entry) < 32:
            head.faults.append("the metadata are cut")
            return
        offset, length = struct.unpack_from("<II", entry, 16)
        if offset + length > len(data):
            head.faults.append("an item of the metadata is cut")
        _item(UUID(bytes_le=entry[:16]), data[offset : offset + min(length, _MOST_METADATA)], head)
    if head.virtual_size is None or head.differencing is None:
        head.faults.append("the metadata lack the size or the parameters")
    if head.differencing and not head.parents:
        head.faults.append("a differencing disk that names no parent")


def _item(kind: UUID, body: bytes, head: Head) -> None:
    if kind == _PARAMETERS and len(body) >= 8:
        head.block_size, flags = struct.unpack_from("<II", body)
        head.differencing = bool(flags & 2)
    elif kind == _SIZE and len(body) >= 8:
        head.virtual_size = int.from_bytes(body[:8], "little")
    elif kind == _SECTOR and len(body) >= 4:
        head.sector_size = int.from_bytes(body[:4], "little")
    elif kind == _DISK and len(body) >= 16:
        head.disk_id = str(UUID(bytes_le=body[:16]))
    elif kind == _LOCATOR:
        head.parent = _located(body)


def _located(body: bytes) -> dict[str, str]:
    """Keys and values of a parent locator: from 20 on, 12 bytes each: offsets of both, then lengths of both."""
    found: dict[str, str] = {}
    for number in range(min(int.from_bytes(body[18:20], "little"), 64)):
        row = body[20 + 12 * number : 32 + 12 * number]
        if len(row) < 12:
            break
        key, value, key_length, length = struct.unpack("<IIHH", row)
        name = body[key : key + key_length].decode("utf-16-le", "replace")
        found[name] = body[value : value + min(length, _MOST_PATH)].decode("utf-16-le", "replace")
    return found
