"""Encoders for shell items, the pieces that Explorer's paths are made of in MRU values and shortcuts.

Layouts read off the values of public hives of Windows 10 and 11, which the tests build again byte for byte, and off
libfwsi's description for what those hives do not hold; libfwsi itself reads every item that is built here.
"""

from __future__ import annotations

import struct
from datetime import datetime
from uuid import UUID

THIS_PC = "20d04fe0-3aea-1069-a2d8-08002b30309d"
USER_FILES = "59031a47-3f72-44a7-89c5-5595fe6b30ee"
DESKTOP = "b4bfcc3a-db2c-424c-b029-7fe99a87c641"
_DELEGATE = UUID("5e591a74-df96-48d3-8d67-1733bcee28ba").bytes_le
_FILES_OF_USER = UUID("dffacdc5-679f-4156-8947-c5c76bc0b67f").bytes_le
_ROOT_ORDER = {THIS_PC: 0x50, USER_FILES: 0x44}
_DIRECTORY, _ARCHIVE = 0x10, 0x20


def item_list(*items: bytes) -> bytes:
    """The list of these items with its end."""
    return b"".join(items) + b"\x00\x00"


def root(identifier: str) -> bytes:
    """The first item of most lists: a folder right under the shell's own desktop."""
    return _sized(struct.pack("<BB", 0x1F, _ROOT_ORDER.get(identifier, 0x58)) + UUID(identifier).bytes_le)


def shell_folder(identifier: str) -> bytes:
    """A folder under This PC, such as the user's desktop."""
    return _sized(struct.pack("<BB", 0x2E, 0x80) + UUID(identifier).bytes_le)


def known_folder(identifier: str) -> bytes:
    """A known folder as the view of the user's files has it: by identifier, without other properties."""
    body = struct.pack("<BBHIHH", 0, 0, 0x1A, 0x23FEBBEE, 0, 16) + UUID(identifier).bytes_le
    return _sized(body + b"\x00\x00")


def volume(drive: str) -> bytes:
    """A drive such as `C:\\`, 25 bytes as Windows makes them."""
    return _sized(b"\x2f" + drive.encode("ascii").ljust(22, b"\x00"))


def network(share: str) -> bytes:
    """A share such as `\\\\server\\share`, with the text of its provider."""
    provider = b"Microsoft Network\x00"
    return _sized(struct.pack("<BBB", 0xC3, 0x01, 0xC5) + share.encode("ascii") + b"\x00" + provider + b"\x00\x00")


def file(
    name: str,
    size: int = 0,
    times: tuple[datetime, datetime, datetime] | None = None,
    record: tuple[int, int] = (0, 0),
    *,
    short: str = "",
    folder: bool = False,
    attributes: int | None = None,
) -> bytes:
    """A file or folder. `times`: modified, created, accessed; `record`: its MFT record and sequence number.

    Without a `short` name the long one stands in both places, in UTF-16 when it is not ASCII.
    """
    first = short or name
    wide = not first.isascii()
    modified, created, accessed = times or (None, None, None)
    body = struct.pack("<BBI", (0x31 if folder else 0x32) | (0x04 if wide else 0), 0, size) + _fat(modified)
    body += struct.pack("<H", (_DIRECTORY if folder else _ARCHIVE) if attributes is None else attributes)
    body += _even((first + "\x00").encode("utf-16-le" if wide else "ascii"))
    return _sized(body + _extension(name, (created, accessed), record, 2 + len(body)))


def delegated(name: str, times: tuple[datetime, datetime, datetime], record: tuple[int, int]) -> bytes:
    """A folder below the user's own one: the item of a folder, wrapped by the extension of that view."""
    modified, created, accessed = times
    inner = struct.pack("<BBI", 0x31, 0, 0) + _fat(modified) + struct.pack("<H", _DIRECTORY)
    inner += _even(name.encode("ascii") + b"\x00")
    nested = b"CFSF" + struct.pack("<H", len(inner) + 2) + inner + b"\x00\x00"
    head = struct.pack("<BBH", 0x74, 0, len(nested)) + nested + _DELEGATE + _FILES_OF_USER
    return _sized(head + _extension(name, (created, accessed), record, 2 + len(head)))


def _extension(name: str, times: tuple[datetime | None, datetime | None], record: tuple[int, int], place: int) -> bytes:
    """The extension block of a file entry, version 9 (Windows 8.1 and later)."""
    number, sequence = record
    block = _fat(times[0]) + _fat(times[1]) + struct.pack("<HHQQHII", 0x2E, 0, number | sequence << 48, 0, 0, 0, 0)
    block += (name + "\x00").encode("utf-16-le") + struct.pack("<H", place)
    return struct.pack("<HHI", len(block) + 8, 9, 0xBEEF0004) + block


def _fat(moment: datetime | None) -> bytes:
    """MS-DOS date and time, the UTC clock."""
    if moment is None:
        return bytes(4)
    date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
    return struct.pack("<HH", date, moment.hour << 11 | moment.minute << 5 | moment.second // 2)


def _sized(body: bytes) -> bytes:
    return struct.pack("<H", len(body) + 2) + body


def _even(data: bytes) -> bytes:
    return data + bytes(len(data) % 2)
