"""The binary values of a TaskCache entry, built from their parts."""

from __future__ import annotations

import struct
import uuid

FILLER = b"H"


def text(content: str) -> bytes:
    raw = content.encode("utf-16-le")
    return struct.pack("<I", len(raw)) + raw


def execute(program: str, arguments: str = "", folder: str = "", *, version: int = 3) -> bytes:
    flags = b"\0\0" if version == 3 else b""
    return b"\x66\x66" + text("") + text(program) + text(arguments) + text(folder) + flags


def com_handler(clsid: str, data: str = "") -> bytes:
    return b"\x77\x77" + text("") + uuid.UUID(clsid).bytes_le + text(data)


def actions(*parts: bytes, version: int = 3, context: str = "Author") -> bytes:
    return struct.pack("<H", version) + (text(context) if version > 1 else b"") + b"".join(parts)


def dynamic_info(registered: int, started: int, result: int = 0, completed: int | None = None) -> bytes:
    raw = struct.pack("<IQQII", 3, registered, started, 0, result)
    return raw if completed is None else raw + struct.pack("<Q", completed)


def sid(*parts: int) -> bytes:
    return struct.pack("<BB", 1, len(parts)) + (5).to_bytes(6, "big") + struct.pack(f"<{len(parts)}I", *parts)


def _padded(raw: bytes) -> bytes:
    return struct.pack("<I", len(raw)) + FILLER * 4 + raw + FILLER * (-len(raw) % 8)


def triggers(account: bytes, *, version: int = 0x17, skip: bool = False) -> bytes:
    raw = struct.pack("<Q", version) + bytes(32)
    raw += struct.pack("<I", 0x43412138) + FILLER * 4 + struct.pack("<I", 0x14F793DA) + FILLER * 4
    if version >= 0x16:
        raw += _padded("Author".encode("utf-16-le"))
    if version >= 0x17:
        raw += _padded(b"")
    if skip:
        return raw + b"\x01" + FILLER * 7
    user = (b"\0" + FILLER * 7) * 2 + struct.pack("<I", 1) + FILLER * 4 + _padded(account)
    return raw + user + _padded("SYSTEM\0".encode("utf-16-le"))


def boundary(ticks: int, *, local: bool = False) -> bytes:
    """A time of a trigger: whether it is local, filler, FILETIME."""
    return bytes([local]) + bytes(7) + struct.pack("<Q", ticks)


def settings(size: int = 0x2C) -> bytes:
    """What stands between the account and the triggers."""
    return struct.pack("<I", size) + FILLER * 4 + bytes(size) + FILLER * (-size % 8)


def trigger(
    magic: int, rest: bytes = b"", *, start: bytes = boundary(0), delay: int = 0, enabled: bool = True,
    version: int = 0x17, name: str = "",
) -> bytes:  # fmt: skip
    """A trigger other than a time."""
    raw = struct.pack("<Q", magic) + start + boundary(0xFFFFFFFFFFFFFFFF)
    raw += struct.pack("<5I", delay, 0xFFFFFFFF, 0, 0, 0) + bytes(4) + bytes([enabled]) + bytes(7) + bytes(8)
    return raw + (_name(name) if version >= 0x16 else b"") + rest


def _name(name: str) -> bytes:
    raw = text(name)
    return raw + FILLER * (-len(raw) % 8)


def schedule(
    mode: int, data: tuple[int, int, int] = (0, 0, 0), *, start: bytes = boundary(0), interval: int = 0,
    enabled: bool = True, version: int = 0x17,
) -> bytes:  # fmt: skip
    """A trigger of a time or of days."""
    raw = struct.pack("<Q", 0xDDDD) + start + boundary(0) + boundary(0)
    raw += struct.pack("<4I4H", interval, 0, 0xFFFFFFFF, mode, *data, 0) + struct.pack(
        "<BBHIII", 0, enabled, 0, 0, 0, 9
    )
    return raw + (_name("") if version >= 0x16 else b"")


def person(account: bytes) -> bytes:
    """The account that a trigger waits for."""
    return (b"\0" + FILLER * 7) * 2 + struct.pack("<I", 1) + FILLER * 4 + _padded(account) + _padded(b"")


ANYBODY = b"\x01" + FILLER * 7


def expanded(content: str) -> bytes:
    """A text whose length is in characters, with a NUL behind it."""
    if not content:
        return bytes(8)
    raw = (content + "\0").encode("utf-16-le")
    return struct.pack("<Q", len(content)) + raw + FILLER * (-len(raw) % 8)


def subscription(query: str, *values: str) -> bytes:
    """What an event's trigger adds."""
    pairs = b"".join(map(expanded, values))
    return expanded(query) + bytes(8) + expanded("") + struct.pack("<Q", len(values) // 2) + pairs
