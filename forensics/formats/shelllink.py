r"""Shell links (`*.lnk`, and the streams of jump lists): what was opened, on which volume, made by which machine.

A link holds a copy of its target's times, size and attributes from when it was last saved, so it tells of files that
are long gone. The tracker block names the machine it was made on, and object ids whose version 1 UUIDs hold a clock
and a network card's address. Everything is optional; what is damaged is lost alone and said (`problems`). Of the item
list only names are read. Bytes behind the end are counted: links are used to carry payloads.
Format: Microsoft, [MS-SHLLINK]; distributed link tracking: [MS-DLTW]; shell items: libfwsi documentation; property
stores: [MS-PROPSTORE].
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from forensics.formats import FormatError, linkinfo
from forensics.formats.linkinfo import CodePage, LinkInfo
from forensics.times import Moment, NoTime, checked, from_filetime

CLASS_ID = bytes.fromhex("0114020000000000c000000000000046")
SIGNATURE = struct.pack("<I", 76) + CLASS_ID
_HEADER = 76
_HAS_ITEMS, _HAS_INFO, _UNICODE = 1 << 0, 1 << 1, 1 << 7
_RUN_AS = 1 << 13
# The strings that follow, each there when its flag is set, in this order.
_STRINGS = (
    (1 << 2, "description"),
    (1 << 3, "relative_path"),
    (1 << 4, "working_directory"),
    (1 << 5, "arguments"),
    (1 << 6, "icon"),
)
_ATTRIBUTES = {
    0x1: "read-only",
    0x2: "hidden",
    0x4: "system",
    0x10: "folder",
    0x20: "archive",
    0x80: "normal",
    0x100: "temporary",
    0x200: "sparse",
    0x400: "reparse point",
    0x800: "compressed",
    0x1000: "offline",
    0x2000: "not indexed",
    0x4000: "encrypted",
}
_WINDOWS = {1: "normal", 3: "maximised", 7: "minimised"}
_ENVIRONMENT, _TRACKER, _CONSOLE_PAGE, _PROPERTIES = 0xA0000001, 0xA0000003, 0xA0000004, 0xA0000009
_MOST_INFO = 1024 * 1024  # six texts of at most 64 KiB each
_MAX_ITEMS = 1024
_MAX_BLOCKS = 256
_MAX_PROPERTIES = 512
# Of a shell item: the bits of its type, and the block with the long name (where in it, by its version).
_VOLUME_ITEM, _FILE_ITEM, _WIDE_ITEM = 0x20, 0x30, 0x04
_LONG_NAME = b"\x04\x00\xef\xbe"
_LONG_NAME_AT = {3: 20, 7: 38, 8: 42, 9: 46}
_DRIVE = 3
_TEXT = 0x1F  # VT_LPWSTR
_UUID_EPOCH = datetime.fromisoformat("1582-10-15T00:00:00+00:00")
APP_USER_MODEL_ID = ("{9f4c2855-9f79-4b39-a8d0-e1d42de1d5f3}", 5)
PARSING_PATH = ("{b9b4b3fc-2b51-4a42-b5d8-324146afcf25}", 2)


@dataclass(frozen=True, slots=True)
class Tracker:
    """Where the target was made: `volume` and `file` are NTFS object ids, the births those before a move.

    `machine` is the NetBIOS name, at most 15 characters.
    """

    machine: str
    volume: uuid.UUID
    file: uuid.UUID
    birth_volume: uuid.UUID
    birth_file: uuid.UUID


@dataclass(slots=True)
class Link:
    """One link. `end` is where it ends in the bytes it was read from; times are the target's, as last saved."""

    created: Moment
    accessed: Moment
    modified: Moment
    size: int
    attributes: tuple[str, ...]
    window: str
    run_as_administrator: bool
    end: int = _HEADER
    items: tuple[str, ...] = ()
    info: LinkInfo = field(default_factory=LinkInfo)
    description: str = ""
    relative_path: str = ""
    working_directory: str = ""
    arguments: str = ""
    icon: str = ""
    environment_path: str = ""
    tracker: Tracker | None = None
    properties: dict[tuple[str, int], str] = field(default_factory=dict)
    problems: list[FormatError] = field(default_factory=list)

    @property
    def item_path(self) -> str:
        """The path of the item list: whole when it starts at a drive, else only its last names."""
        names = [name.rstrip("\\") for name in self.items]
        start = next((index for index, name in enumerate(names) if name.endswith(":")), 0)
        return "\\".join(names[start:])

    @property
    def target(self) -> tuple[str, str]:
        """The best path of the target and which part of the link says it; two empty texts when none does."""
        for path, said_by in (
            (self.info.path, "link info"),
            (self.info.network_path, "network share"),
            (self.environment_path, "environment block"),
            (self.item_path, "item list"),
            (self.properties.get(PARSING_PATH), "property store"),
        ):
            if path:
                return path, said_by
        return "", ""


def read(data: bytes, base: int = 0) -> Link:
    """Read the link that starts at `base`; FormatError when there is none, otherwise what is lost is in `problems`."""
    if len(data) < base + _HEADER:
        raise FormatError("shorter than the header of a link", base)
    if data[base : base + 20] != SIGNATURE:
        raise FormatError("not a shell link", base)
    flags, attributes = struct.unpack_from("<2I", data, base + 20)
    created, accessed, modified = struct.unpack_from("<3Q", data, base + 28)
    size, _, window = struct.unpack_from("<3I", data, base + 52)
    link = Link(
        from_filetime(created),
        from_filetime(accessed),
        from_filetime(modified),
        size,
        tuple(name for bit, name in _ATTRIBUTES.items() if attributes & bit),
        _WINDOWS.get(window, str(window)),
        bool(flags & _RUN_AS),
    )
    _Body(data, base + _HEADER, link).read(flags)
    return link


@dataclass(slots=True)
class _Body:
    """What follows the header, read in order; a length that does not fit ends the reading."""

    data: bytes
    at: int
    link: Link

    def read(self, flags: int) -> None:
        info: tuple[int, bytes] | None = None
        narrow: dict[str, bytes] = {}
        page = 0
        try:
            if flags & _HAS_ITEMS:
                self.link.items = self._items()
            if flags & _HAS_INFO:
                info = self.at, self._info()
            for bit, name in _STRINGS:
                if flags & bit:
                    self._string(name, wide=bool(flags & _UNICODE), narrow=narrow)
            page = self._blocks()
        except FormatError as error:
            self.link.problems.append(error.with_traceback(None))  # which would keep all that was read here
        self.link.end = min(self.at, len(self.data))
        self._decode(info, narrow, page)

    def _decode(self, info: tuple[int, bytes] | None, narrow: dict[str, bytes], page: int) -> None:
        link = self.link
        known = (*link.items, link.description, link.relative_path, link.working_directory, link.environment_path)
        pages = CodePage((*known, *link.properties.values()), page)
        for name, raw in narrow.items():
            setattr(link, name, pages.text(raw))
        if info:
            link.info = linkinfo.read(info[1], info[0], pages, link.problems)

    def _take(self, count: int, what: str) -> bytes:
        """The next `count` bytes; FormatError (with nothing taken) when they are not all there."""
        if self.at + count > len(self.data):
            raise FormatError(f"truncated: {what} is longer than the file", self.at)
        self.at += count
        return self.data[self.at - count : self.at]

    def _word(self, what: str) -> int:
        return int.from_bytes(self._take(2, what), "little")

    def _items(self) -> tuple[str, ...]:
        start = self.at + 2
        block = self._take(self._word("the item list"), "the item list")
        return tuple(name for name in _item_names(block, start, self.link.problems) if name)

    def _info(self) -> bytes:
        start = self.at
        size = int.from_bytes(self._take(4, "the link info"), "little")
        self.at = start
        if not 4 <= size <= _MOST_INFO:
            raise FormatError(f"link info of {size} bytes", start)
        return self._take(size, "the link info")

    def _string(self, name: str, *, wide: bool, narrow: dict[str, bytes]) -> None:
        what = f"the {name.replace('_', ' ')}"
        count = self._word(what)
        raw = self._take(count * 2 if wide else count, what)
        if wide:
            setattr(self.link, name, raw.decode("utf-16-le", "surrogatepass").rstrip("\0"))
        else:
            narrow[name] = raw.rstrip(b"\0")

    def _blocks(self) -> int:
        """The extra blocks up to the end mark; the code page that one of them names, or 0."""
        page = 0
        for _ in range(_MAX_BLOCKS):
            start = self.at
            size = int.from_bytes(self._take(4, "the extra data"), "little")
            if size < 4:
                return page
            self.at = start
            block = self._take(size, "an extra block")
            kind = int.from_bytes(block[4:8], "little")
            if kind == _CONSOLE_PAGE and size >= 12:
                page = int.from_bytes(block[8:12], "little")
            else:
                self._block(kind, block, start)
        raise FormatError(f"more than {_MAX_BLOCKS} extra blocks", self.at)

    def _block(self, kind: int, block: bytes, start: int) -> None:
        try:
            if kind == _TRACKER:
                self.link.tracker = tracker(block[16:96], start + 16)
            elif kind == _ENVIRONMENT:
                self.link.environment_path = _environment(block)
            elif kind == _PROPERTIES:
                self.link.properties.update(_properties(block, start))
        except FormatError as error:
            self.link.problems.append(error)


def tracker(block: bytes, at: int = 0) -> Tracker:
    """Machine and object ids out of 80 bytes: the name in 16, then volume and file, then both as they were at birth."""
    if len(block) < 80:
        raise FormatError("tracker data are shorter than 80 bytes", at)
    machine = block[:16].partition(b"\0")[0].decode("ascii", "backslashreplace")
    ids = [uuid.UUID(bytes_le=block[start : start + 16]) for start in range(16, 80, 16)]
    return Tracker(machine, *ids)


def uuid_clock(identifier: uuid.UUID) -> Moment:
    """The clock in a version 1 UUID; why there is none for others."""
    if identifier.version != 1:
        return NoTime("not a time-based UUID", str(identifier))
    return checked(_UUID_EPOCH + timedelta(microseconds=identifier.time // 10), str(identifier))


def uuid_card(identifier: uuid.UUID) -> str | None:
    """The network card's address in a version 1 UUID; None for others, and for a random node (its group bit is set)."""
    if identifier.version != 1 or identifier.node >> 40 & 1:
        return None
    return ":".join(f"{byte:02x}" for byte in identifier.node.to_bytes(6, "big"))


def _environment(block: bytes) -> str:
    """The path with variables: 260 bytes in 8 bit, then 260 characters in UTF-16, which counts."""
    wide = block[268:788]
    text = wide[: len(wide) & ~1].decode("utf-16-le", "replace").partition("\0")[0]
    return text or block[8:268].partition(b"\0")[0].decode("cp1252", "replace")


# -- item list: names only --------------------------------------------------------------------------------------------


def _item_names(block: bytes, base: int, problems: list[FormatError]) -> Iterator[str]:
    at = 0
    for _ in range(_MAX_ITEMS):
        size = int.from_bytes(block[at : at + 2], "little")
        if at + 2 <= len(block) and size == 0:
            return
        if size < 3 or at + size > len(block):
            problems.append(FormatError("the item list has no end", base + at))
            return
        yield _item_name(block[at : at + size])
        at += size
    problems.append(FormatError(f"more than {_MAX_ITEMS} items", base + at))


def _item_name(item: bytes) -> str:
    """The name of a volume or file item, "" for others."""
    kind = item[2] & 0x70
    if kind == _VOLUME_ITEM:
        drive = item[_DRIVE:].partition(b"\0")[0]
        return drive.decode("ascii", "replace") if drive[1:2] == b":" else ""
    if kind != _FILE_ITEM or len(item) < 16:
        return ""
    return _long_name(item) or _short_name(item)


def _long_name(item: bytes) -> str:
    place = item.find(_LONG_NAME, 18)
    if place < 0:
        return ""
    size, version = struct.unpack_from("<HH", item, place - 4)
    skip = _LONG_NAME_AT.get(version, _LONG_NAME_AT[9] if version > 9 else 0)
    block = item[place - 4 : place - 4 + size]
    raw = block[skip:] if skip else b""
    return raw[: len(raw) & ~1].decode("utf-16-le", "replace").partition("\0")[0]


def _short_name(item: bytes) -> str:
    raw = item[14:]
    if item[2] & _WIDE_ITEM:
        return raw[: len(raw) & ~1].decode("utf-16-le", "replace").partition("\0")[0]
    return raw.partition(b"\0")[0].decode("ascii", "replace")


# -- property store: texts only ---------------------------------------------------------------------------------------


def _properties(block: bytes, base: int) -> dict[tuple[str, int], str]:
    """The texts of a property store, by format id and number; named properties and other types are left out."""
    found: dict[tuple[str, int], str] = {}
    at, left = 8, _MAX_PROPERTIES
    while at + 4 <= len(block) and left:
        size = int.from_bytes(block[at : at + 4], "little")
        if size == 0:
            return found
        if size < 24 or at + size > len(block):
            break
        storage = block[at : at + size]
        if storage[4:8] == b"1SPS":
            name = f"{{{uuid.UUID(bytes_le=storage[8:24])}}}"
            for number, text in _texts(storage):
                found[name, number] = text
        at, left = at + size, left - 1
    raise FormatError("the property store has no end", base + at)


def _texts(storage: bytes) -> Iterator[tuple[int, str]]:
    at, left = 24, _MAX_PROPERTIES
    while at + 17 <= len(storage) and left:
        size, number = struct.unpack_from("<2I", storage, at)
        if size < 17 or at + size > len(storage):
            return
        kind, _, count = struct.unpack_from("<HHI", storage, at + 9)
        if kind == _TEXT and 17 + 2 * count <= size:
            raw = storage[at + 17 : at + 17 + 2 * count]
            yield number, raw.decode("utf-16-le", "replace").partition("\0")[0]
        at, left = at + size, left - 1
