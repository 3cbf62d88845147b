"""Writes an NTFS change journal (`$UsnJrnl:$J`): version 2, padded so that no record crosses a page of 4096 bytes.

Layout: Microsoft, "USN_RECORD_V2 / V3 / V4 structure" (winioctl.h). Versions 3 and 4 are written for tests of readers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from forensics.times import to_filetime

PAGE = 4096
CREATE, DELETE, OLD_NAME, NEW_NAME, CLOSE = 0x100, 0x200, 0x1000, 0x2000, 0x80000000
EXTEND, OVERWRITE, TRUNCATE, BASIC_INFO = 0x2, 0x1, 0x4, 0x8000
ARCHIVE, FOLDER = 0x20, 0x10


class Change(NamedTuple):
    """One record. `file` and `parent` are file references (record number, 16 bits of sequence above bit 48)."""

    time: datetime
    file: int
    parent: int
    name: str
    reason: int
    attributes: int = ARCHIVE
    version: int = 2


def build(changes: Iterable[Change], first_usn: int = 0) -> bytes:
    """The journal from `first_usn` on (a multiple of 8): what a collector takes of the stream without its hole."""
    out = bytearray()
    for change in changes:
        length = len(_packed(change, 0))
        left = -(first_usn + len(out)) % PAGE
        if left < length and left:
            out += bytes(left)
        out += _packed(change, first_usn + len(out))
    return bytes(out)


def reference(number: int, sequence: int = 1) -> int:
    """The file reference of an MFT record."""
    return number | sequence << 48


def _packed(change: Change, usn: int) -> bytes:
    name = change.name.encode("utf-16-le", "surrogatepass")
    ticks = to_filetime(change.time)
    if change.version == 4:
        body = struct.pack("<QQQQqIIIHHqq", change.file, 0, change.parent, 0, usn, change.reason, 0, 0, 1, 16, 0, 65536)
    else:
        wide = change.version == 3
        references = (change.file, 0, change.parent, 0) if wide else (change.file, change.parent)
        tail = (usn, ticks, change.reason, 0, 0, change.attributes, len(name), 76 if wide else 60)
        body = struct.pack("<QQQQqqIIIIHH" if wide else "<QQqqIIIIHH", *references, *tail) + name
    length = -(-(8 + len(body)) // 8) * 8
    return (struct.pack("<IHH", length, change.version, 0) + body).ljust(length, b"\x00")
