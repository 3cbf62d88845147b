"""Writes application compatibility caches in the layouts of Windows 7 to 11, as formats/appcompatcache.py reads them.

Layouts: winreg-kb (libyal) and ShimCacheParser (Mandiant); the checksum and the tagged values of Windows 10 follow a
real hive of version 1709.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from forensics.times import to_filetime

_TABLE = 0x80


@dataclass(frozen=True, slots=True)
class Program:
    """What an entry is made of; `package` only in Windows 8.1, `executed` in all."""

    path: str
    modified: datetime | None
    executed: bool = False
    package: str = ""


def windows_7(programs: Sequence[Program], *, wide: bool = True) -> bytes:
    """Header of 128 bytes, the table, then the paths."""
    size = 48 if wide else 32
    start = _TABLE + size * len(programs)
    table, texts = b"", b""
    for program in programs:
        text = program.path.encode("utf-16-le")
        flags = 2 if program.executed else 0
        head = (len(text), len(text) + 2, start + len(texts), _ticks(program), flags, 0, 0, 0)
        table += struct.pack("<HH4xQQIIQQ" if wide else "<HHIQIIII", *head)
        texts += text + b"\x00\x00"
    return struct.pack("<III", 0xBADC0FEE, len(programs), 120).ljust(_TABLE, b"\x00") + table + texts


def windows_8(programs: Sequence[Program], signature: bytes = b"10ts") -> bytes:
    """Header of 128 bytes, then signed entries: `00ts` for Windows 8.0, `10ts` for 8.1."""
    return struct.pack("<I", _TABLE).ljust(_TABLE, b"\x00") + b"".join(
        _signed(signature, _body_8(program)) for program in programs
    )


def _body_8(program: Program) -> bytes:
    behind = struct.pack("<IIQI", 2 if program.executed else 0, 0, _ticks(program), 0)
    return _counted(program.path) + _counted(program.package) + behind


def windows_10(programs: Sequence[Program], header: int = 0x34) -> bytes:
    """Header of 0x30 bytes, 0x34 since 1703, then entries whose data ends with 1 for an executed program."""
    return struct.pack("<I", header).ljust(header, b"\x00") + b"".join(
        _signed(b"10ts", _body_10(program)) for program in programs
    )


def _body_10(program: Program) -> bytes:
    values = struct.pack("<IIIIII", 0x200, 4, 1, 0x20, 4, int(program.executed))
    return _counted(program.path) + struct.pack("<QI", _ticks(program), len(values)) + values


def _signed(signature: bytes, body: bytes) -> bytes:
    return struct.pack("<4sII", signature, zlib.crc32(body), len(body)) + body


def _counted(text: str) -> bytes:
    data = text.encode("utf-16-le")
    return struct.pack("<H", len(data)) + data


def _ticks(program: Program) -> int:
    return to_filetime(program.modified) if program.modified else 0
