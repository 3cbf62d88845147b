r"""Writes shell links as Explorer of Windows 10 and 11 makes them: items, link info, strings, tracker, properties.

Layout: Microsoft, [MS-SHLLINK] and [MS-PROPSTORE]; the file items (with the long name in a block 0xBEEF0004 of version
9) as in libfwsi's documentation and in real links. A path that fits the code page of the machine is stored in it
alone; only one that does not gets UTF-16 forms, as Windows does.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from forensics.times import to_filetime

CLASS_ID = uuid.UUID("00021401-0000-0000-c000-000000000046").bytes_le
_COMPUTER = uuid.UUID("20d04fe0-3aea-1069-a2d8-08002b30309d").bytes_le
_VOLUME = uuid.UUID("7d3a1c52-90e4-4f0b-8a6e-0d5f3f1b2c44")
_FILE = uuid.UUID("5b0e2f11-b1a3-11ef-9d52-00155d0a1b2c")
APP_ID = (uuid.UUID("9f4c2855-9f79-4b39-a8d0-e1d42de1d5f3"), 5)


@dataclass(frozen=True)
class Target:
    """What a link points to. `path` is a full local path; times are those it had when the link was saved."""

    path: str
    created: datetime | None = None
    modified: datetime | None = None
    accessed: datetime | None = None
    size: int = 0
    attributes: int = 0x20


@dataclass(frozen=True)
class Machine:
    """The machine that makes the link: NetBIOS name, volume, object ids, and its code page."""

    name: str = "ws-tanaka"
    serial: int = 0x5CB0A3E1
    label: str = ""
    volume_id: uuid.UUID = _VOLUME
    file_id: uuid.UUID = _FILE
    code_page: str = "cp932"


@dataclass
class Content:
    """The parts of a link that are there only when something is said in them."""

    description: str = ""
    relative_path: str = ""
    working_directory: str = ""
    arguments: str = ""
    icon: str = ""
    environment_path: str = ""
    share: str = ""
    window: int = 1
    wide: bool = True
    with_items: bool = True
    properties: dict[tuple[uuid.UUID, int], str] = field(default_factory=dict)


def build(target: Target | None, machine: Machine | None = None, content: Content | None = None) -> bytes:
    """The bytes of a link. Without a target it has neither items nor link info, without a machine no tracker block."""
    content = content or Content()
    flags = 0x80 if content.wide else 0
    body = b""
    page = machine.code_page if machine else "cp1252"
    if target and content.with_items:
        flags |= 1
        body += _items(target, page)
    if target:
        flags |= 2
        body += _share_info(target, content.share, page) if content.share else _info(target, machine or Machine(), page)
    texts = (content.description, content.relative_path, content.working_directory, content.arguments, content.icon)
    for bit, text in enumerate(texts, 2):
        if text:
            flags |= 1 << bit
            body += _counted(text, page, wide=content.wide)
    flags |= 0x200 if content.environment_path else 0
    return _header(flags, target, content.window) + body + _extra(machine, content) + bytes(4)


def _header(flags: int, target: Target | None, window: int) -> bytes:
    times = (target.created, target.accessed, target.modified) if target else (None, None, None)
    ticks = [to_filetime(moment) if moment else 0 for moment in times]
    attributes, size = (target.attributes, target.size) if target else (0, 0)
    fixed = struct.pack("<I16s2I3Q3I", 76, CLASS_ID, flags, attributes, *ticks, size, 0, window)
    return fixed + bytes(76 - len(fixed))


def _counted(text: str, page: str, *, wide: bool) -> bytes:
    raw = text.encode("utf-16-le") if wide else text.encode(page)
    return struct.pack("<H", len(raw) // 2 if wide else len(raw)) + raw


# -- items ------------------------------------------------------------------------------------------------------------


def _items(target: Target, page: str) -> bytes:
    drive, *names = target.path.split("\\")
    items = [b"\x1f\x50" + _COMPUTER, b"\x2f" + f"{drive}\\".encode("ascii").ljust(22, b"\0")]
    for index, name in enumerate(names):
        last = index == len(names) - 1
        items.append(_file_item(name, page, folder=not last or bool(target.attributes & 0x10)))
    block = b"".join(struct.pack("<H", len(item) + 2) + item for item in items) + bytes(2)
    return struct.pack("<H", len(block)) + block


def _file_item(name: str, page: str, *, folder: bool) -> bytes:
    """One folder or file: a short name, and the long one in the extension block."""
    short = name.encode(page, "replace")[:12] + b"\0"
    short += bytes(len(short) % 2)
    head = struct.pack("<BBIIH", 0x31 if folder else 0x32, 0, 0, 0x4B2F5984, 0x10 if folder else 0x20) + short
    long = name.encode("utf-16-le") + bytes(2)
    size = 46 + len(long) + 2
    block = struct.pack("<HHIIIHH", size, 9, 0xBEEF0004, 0x4B2F5984, 0x4B2F5984, 0x2E, 0) + bytes(26) + long
    return head + block + struct.pack("<H", len(head) + 2)


# -- link info --------------------------------------------------------------------------------------------------------


def _narrow(text: str, page: str) -> tuple[bytes, bool]:
    """The text in the code page, and whether it fits it."""
    raw = text.encode(page, "replace")
    return raw + b"\0", raw.decode(page) == text


def _info(target: Target, machine: Machine, page: str) -> bytes:
    label = machine.label.encode(page, "replace") + b"\0"
    volume = struct.pack("<4I", 16 + len(label), 3, machine.serial, 16) + label
    local, fits = _narrow(target.path, page)
    header = 0x1C if fits else 0x24
    local_at = header + len(volume)
    suffix_at = local_at + len(local)
    body = volume + local + b"\0"
    offsets = b""
    if not fits:
        wide = target.path.encode("utf-16-le") + bytes(2)
        offsets = struct.pack("<2I", header + len(body), header + len(body) + len(wide))
        body += wide + bytes(2)
    fixed = struct.pack("<7I", header + len(body), header, 1, header, local_at, 0, suffix_at)
    return fixed + offsets + body


def _share_info(target: Target, share: str, page: str) -> bytes:
    """Link info of a target on a share that is mapped to the drive of its path."""
    drive, _, rest = target.path.partition("\\")
    name, device = share.encode(page) + b"\0", drive.encode("ascii") + b"\0"
    net = struct.pack("<5I", 20 + len(name) + len(device), 3, 20, 20 + len(name), 0x20000) + name + device
    suffix = rest.encode(page) + b"\0"
    fixed = struct.pack("<7I", 0x1C + len(net) + len(suffix), 0x1C, 2, 0, 0, 0x1C, 0x1C + len(net))
    return fixed + net + suffix


# -- extra blocks -----------------------------------------------------------------------------------------------------


def _extra(machine: Machine | None, content: Content) -> bytes:
    out = b""
    if content.environment_path:
        narrow = content.environment_path.encode("cp1252", "replace").ljust(260, b"\0")
        wide = content.environment_path.encode("utf-16-le").ljust(520, b"\0")
        out += struct.pack("<2I", 0x314, 0xA0000001) + narrow + wide
    if machine:
        out += struct.pack("<4I", 0x60, 0xA0000003, 0x58, 0) + tracker(machine)
    if content.properties:
        store = property_store(content.properties)
        out += struct.pack("<2I", 8 + len(store), 0xA0000009) + store
    return out


def tracker(machine: Machine) -> bytes:
    """Name and object ids, 80 bytes; the file has not moved since birth."""
    ids = machine.volume_id.bytes_le + machine.file_id.bytes_le
    return machine.name.encode("ascii").ljust(16, b"\0") + ids + ids


def property_store(properties: dict[tuple[uuid.UUID, int], str]) -> bytes:
    """A serialized property store of texts, one storage for each."""
    out = b""
    for (format_id, number), text in properties.items():
        out += _storage(format_id, [(number, text)])
    return out + bytes(4)


def _storage(format_id: uuid.UUID, texts: Sequence[tuple[int, str]]) -> bytes:
    values = b""
    for number, text in texts:
        raw = text.encode("utf-16-le") + bytes(2)
        count, raw = len(raw) // 2, raw + bytes(-len(raw) % 4)
        values += struct.pack("<2IBHHI", 17 + len(raw), number, 0, 0x1F, 0, count) + raw
    body = b"1SPS" + format_id.bytes_le + values + bytes(4)
    return struct.pack("<I", 4 + len(body)) + body
