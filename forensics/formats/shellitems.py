"""Shell items: how Explorer stores a place (a file, a drive, a folder of the shell) in MRU values, shortcuts and bags.

A list is items behind their 16-bit size and a size of zero. A file's item holds more than its name: size, times and, on
NTFS, the MFT record with its sequence number, as they were when the item was made, so it still describes a file that is
gone. Its times are MS-DOS dates of 2 seconds in UTC. What is not understood is kept whole, with a note.

Read here: root and known folders, volumes, files and folders, network places, control panel, URIs, and delegates (an
item of these wrapped by another shell extension, as below the user's own folder). Sizes are believed only within the
item, items within the list; a list has at most 256.
https://github.com/libyal/libfwsi/blob/main/documentation/Windows%20Shell%20Item%20format.asciidoc
"""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC

from forensics.formats import FormatError
from forensics.formats.hive_values import string
from forensics.times import Moment, from_dos

ROOT, VOLUME, FILE, FOLDER, NETWORK = "root", "volume", "file", "folder", "network"
KNOWN_FOLDER, CONTROL_PANEL, URI, UNKNOWN = "known folder", "control panel", "uri", "unknown"
MAX_ITEMS = 256
_EXTENSION = 0xBEEF0004
_NAME_PLACES = {3: 20, 7: 38, 8: 42, 9: 46}  # where the long name stands in the extension, by its version
_DELEGATE = uuid.UUID("5e591a74-df96-48d3-8d67-1733bcee28ba").bytes_le
_PROPERTY_VIEWS = frozenset({0x23FEBBEE, 0xBEEBEE00, 0x10141981, 0x23A3DFD5, 0x3B93AFBB})
_CATEGORY = 0x39DE2184
_DRIVE = re.compile(r"[A-Za-z]:")
_MAX_DELEGATES = 4
_FIRST_NAME = 14


@dataclass(frozen=True, slots=True)
class ShellItem:
    """One item. `name` is the long name where there is one; `identifier` the `{GUID}` of a folder of the shell.

    `delegate` is the `{GUID}` of the extension that wraps it. `raw` holds the whole item when it is not understood.
    """

    kind: str
    offset: int
    name: str = ""
    short_name: str = ""
    identifier: str = ""
    file_size: int | None = None
    attributes: int | None = None
    modified: Moment | None = None
    created: Moment | None = None
    accessed: Moment | None = None
    mft_record: int | None = None
    mft_sequence: int | None = None
    delegate: str = ""
    note: str = ""
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class ItemList:
    """The items of a list, what is wrong with it, and where it ends."""

    items: tuple[ShellItem, ...]
    faults: tuple[FormatError, ...]
    end: int


def item_list(data: bytes, start: int = 0) -> ItemList:
    """The list at `start`. Never raises: what is damaged is named in `faults`, the items before it stay."""
    items: list[ShellItem] = []
    place = start
    while True:
        size = int.from_bytes(data[place : place + 2], "little")
        fault = _fault(data, place, size, len(items))
        if fault or not size:
            break
        items.append(_item(data[place : place + size], place))
        place += size
        if place > len(data):
            fault = FormatError(f"an item claims {size} bytes, {len(data) - place + size} are left", place - size)
            break
    return ItemList(tuple(items), (fault,) if fault else (), min(place + 2, len(data)))


def _fault(data: bytes, place: int, size: int, count: int) -> FormatError | None:
    if place + 2 > len(data):
        return FormatError("the list of shell items has no end", place)
    if size in (1, 2):
        return FormatError(f"a shell item cannot take {size} bytes", place)
    return FormatError(f"more than {MAX_ITEMS} shell items", place) if size and count >= MAX_ITEMS else None


def _item(raw: bytes, offset: int, depth: int = 0) -> ShellItem:
    try:
        found = _delegated(raw, offset, depth) or _plain(raw, offset)
    except struct.error:
        found = None
    if found is not None:
        return found
    kind = raw[2] if len(raw) > 2 else 0
    return ShellItem(UNKNOWN, offset, note=f"shell item of type 0x{kind:02x}, {len(raw)} bytes", raw=raw)


def _plain(raw: bytes, offset: int) -> ShellItem | None:
    """The item by its class; None when that is not known. Raises struct.error when it is too short."""
    (kind,) = struct.unpack_from("<B", raw, 2)
    if len(raw) >= 14 and struct.unpack_from("<I", raw, 6)[0] in _PROPERTY_VIEWS:
        return _property_view(raw, offset)
    if kind == 0x1F:
        return ShellItem(ROOT, offset, identifier=_guid(raw, 4))
    if kind == 0x71:
        return ShellItem(CONTROL_PANEL, offset, identifier=_guid(raw, 14))
    if kind == 0x61:
        return _uri(raw, offset)
    reader = {0x20: _volume, 0x30: _file, 0x40: _network}.get(kind & 0x70)
    return reader(raw, offset) if reader else _category(raw, offset)


def _category(raw: bytes, offset: int) -> ShellItem | None:
    signature, number = struct.unpack_from("<II", raw, 4)
    return ShellItem(CONTROL_PANEL, offset, name=f"category {number}") if signature == _CATEGORY else None


def _property_view(raw: bytes, offset: int) -> ShellItem | None:
    """A folder of the shell described by properties: a known folder has its identifier behind them, a search none."""
    properties, identifier = struct.unpack_from("<HH", raw, 10)
    return ShellItem(KNOWN_FOLDER, offset, identifier=_guid(raw, 14 + properties)) if identifier >= 16 else None


def _delegated(raw: bytes, offset: int, depth: int) -> ShellItem | None:
    """The item inside a delegate, with the extension blocks that follow it; None when this is none."""
    if len(raw) < 12 or depth >= _MAX_DELEGATES:
        return None
    (size,) = struct.unpack_from("<H", raw, 4)
    end = 6 + size
    if size < 7 or raw[end : end + 16] != _DELEGATE:
        return None
    (inner,) = struct.unpack_from("<H", raw, 10)  # behind the signature of the extension, such as CFSF
    found = _item(raw[10 : min(10 + inner, end)], offset + 10, depth + 1) if inner > 2 else None
    if found is None or found.kind == UNKNOWN:
        return None
    return replace(_extended(found, raw, end + 32), offset=offset, delegate=_guid(raw, end + 16))


def _volume(raw: bytes, offset: int) -> ShellItem | None:
    name = _narrow(raw[3:])
    if raw[2] & 1 or _DRIVE.match(name):
        return ShellItem(VOLUME, offset, name=name) if name else None
    return ShellItem(ROOT, offset, identifier=_guid(raw, 4))


def _file(raw: bytes, offset: int) -> ShellItem:
    size, date, clock, attributes = struct.unpack_from("<IHHH", raw, 4)
    first = next((start for start, _ in _blocks(raw, _FIRST_NAME)), len(raw))
    name = (string if raw[2] & 4 else _narrow)(raw[_FIRST_NAME:first])
    folder = bool(raw[2] & 1) or bool(attributes & 0x10)
    found = ShellItem(
        FOLDER if folder else FILE,
        offset,
        name=name,
        short_name=name,
        file_size=None if folder else size,
        attributes=attributes,
        modified=from_dos(date, clock, UTC),
    )
    return _extended(found, raw, _FIRST_NAME)


def _extended(item: ShellItem, raw: bytes, least: int) -> ShellItem:
    """The item with what its file entry extension adds."""
    block = next((block for _, block in _blocks(raw, least) if _signature(block) == _EXTENSION), b"")
    if len(block) < 18:
        return item
    version, _, created, created_at, accessed, accessed_at = struct.unpack_from("<HIHHHH", block, 2)
    skip = _NAME_PLACES.get(version) or (_NAME_PLACES[9] if version > 9 else 0)
    reference = int.from_bytes(block[20:28], "little") if version >= 7 else 0
    return replace(
        item,
        name=(string(block[skip:-2]) if skip else "") or item.name,
        created=from_dos(created, created_at, UTC),
        accessed=from_dos(accessed, accessed_at, UTC),
        mft_record=reference & 0xFFFFFFFFFFFF or None,
        mft_sequence=reference >> 48 or None,
        note="" if version in _NAME_PLACES else f"file extension of version {version}, which is not known",
    )


def _blocks(raw: bytes, least: int) -> Iterator[tuple[int, bytes]]:
    """The extension blocks: at the place that the item's last two bytes name, else where a signature is found."""
    place = int.from_bytes(raw[-2:], "little")
    if place < least or not _is_block(raw, place):
        found = raw.find(b"\xef\xbe", least + 6)
        place = found - 6 if found >= 0 else len(raw)
    while _is_block(raw, place):
        size = int.from_bytes(raw[place : place + 2], "little")
        yield place, raw[place : place + size]
        place += size


def _is_block(raw: bytes, place: int) -> bool:
    size = int.from_bytes(raw[place : place + 2], "little")
    return 8 <= size <= len(raw) - place and raw[place + 6 : place + 8] == b"\xef\xbe"


def _signature(block: bytes) -> int:
    return int.from_bytes(block[4:8], "little")


def _network(raw: bytes, offset: int) -> ShellItem | None:
    name = _narrow(raw[5:])
    return ShellItem(NETWORK, offset, name=name) if name else None


def _uri(raw: bytes, offset: int) -> ShellItem | None:
    (size,) = struct.unpack_from("<H", raw, 4)
    name = (string if raw[3] & 0x80 else _narrow)(raw[6 + size :])
    return ShellItem(URI, offset, name=name) if name else None


def _narrow(raw: bytes) -> str:
    """Text of one byte a character, up to its NUL, in whatever code page: the long name is the one to trust."""
    return raw.partition(b"\x00")[0].decode("latin-1")


def _guid(raw: bytes, place: int) -> str:
    if place + 16 > len(raw):
        raise struct.error("too short for an identifier")
    return "{" + str(uuid.UUID(bytes_le=raw[place : place + 16])).upper() + "}"
