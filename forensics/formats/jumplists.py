r"""Jump lists: what a user opened with each program, newest first, with counts; and what programs offer as shortcuts.

`*.automaticDestinations-ms` is a compound file: one stream per destination, each a shell link, and `DestList`, which
orders them and holds the time of the last use, how often, whether it is pinned, and machine and object ids.
`*.customDestinations-ms` is written by the program itself: categories of links one behind the other. A file's name
is a hash of the program's application user model id, or of its path with the known folder's id in front (`app_id`).

Format: libyal/dtformats, "Jump lists format" (versions 1 to 4); that the count at 116 is the number of uses is marked
there as a guess, and widely taken so. That a property store may follow a path in newer versions is from memory; it is
recognised by its signature. Hash: Hexacorn, "JumpLists file names and AppID calculator".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from forensics.formats import FormatError, shelllink
from forensics.formats.compound import Compound, Stream
from forensics.formats.shelllink import CLASS_ID, Link, Tracker
from forensics.times import Moment, from_filetime

SIZE_LIMIT = 32 * 1024 * 1024
LIST_NAME = "DestList"
_LIST_HEADER = 32
_OLD_FIXED, _FIXED = 114, 130  # bytes of an entry before its path: version 1, later ones
_PADDING = 4
_MAX_LINKS = 20_000
_MAX_DAMAGED = 100  # each may have been read to the end of the file
_POLYNOMIAL = 0x92C64265D32139A4
_FOOTER = b"\xab\xfb\xbf\xba"
_CUSTOM_HEADER = 12
_KNOWN = {1: "frequent", 2: "recent"}
_TASKS = "tasks"


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a DestList. `number` names its stream in hex; `pin` is its place among the pinned, None if not."""

    number: int
    path: str
    tracker: Tracker
    used: Moment
    pin: int | None
    count: int | None
    order: int
    offset: int


@dataclass(frozen=True, slots=True)
class Destination:
    """One destination of an automatic list: its entry, its link, or both. `where` leads to it in the file."""

    listed: Listed | None
    link: Link | None
    where: str


@dataclass(frozen=True, slots=True)
class Offered:
    """One link of a custom list; `category` is None when damage hides it."""

    link: Link
    category: str | None
    offset: int


@dataclass(slots=True)
class Automatic:
    """An automatic list: `carved` when nothing but links could be found in a damaged file."""

    version: int | None = None
    destinations: list[Destination] = field(default_factory=list)
    carved: bool = False
    problems: list[FormatError] = field(default_factory=list)


@dataclass(slots=True)
class Custom:
    """A custom list and what was lost of it."""

    offered: list[Offered] = field(default_factory=list)
    problems: list[FormatError] = field(default_factory=list)


def app_id(name: str) -> str:
    """The hash that names the jump list files of an application user model id or a path: CRC-64 of it in upper case."""
    value = 0xFFFFFFFFFFFFFFFF
    table = _crc_table()
    for byte in name.upper().encode("utf-16-le"):
        value = value >> 8 ^ table[(value ^ byte) & 0xFF]
    return f"{value:016x}"


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ _POLYNOMIAL if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


# -- automatic --------------------------------------------------------------------------------------------------------


def read_automatic(data: bytes) -> Automatic:
    """Read an automatic list; FormatError when it is none and holds no link either."""
    found = Automatic()
    try:
        container = Compound.open(data)
        streams = list(container.streams())
    except FormatError as error:
        found.problems.append(error)
        streams = []
    else:
        found.problems += container.problems
    if not streams:
        return _carved(data, found)
    listed = _listed(streams, found)
    _join(streams, listed, found)
    return found


def _carved(data: bytes, found: Automatic) -> Automatic:
    """The links that lie in the bytes, when the container cannot be read (or is empty: then there are none)."""
    found.carved = True
    for at, link in carve(data, 0, found.problems):
        found.destinations.append(Destination(None, link, f"offset 0x{at:x}"))
    if not found.destinations and found.problems:
        raise found.problems[0]
    return found


def _listed(streams: list[Stream], found: Automatic) -> list[Listed]:
    for stream in streams:
        if stream.name == LIST_NAME:
            if not stream.size:
                return []
            entries, found.version = read_list(stream.data, found.problems)
            return entries
    found.problems.append(FormatError(f"there is no {LIST_NAME} stream"))
    return []


def _join(streams: list[Stream], listed: list[Listed], found: Automatic) -> None:
    """Entries in their order, each with its link; then links that no entry names."""
    links = {name: link for stream in streams for name, link in _link(stream, found.problems)}
    for entry in listed:
        name = f"{entry.number:x}"
        where = f"{LIST_NAME} 0x{entry.offset:x}, stream {name}"
        found.destinations.append(Destination(entry, links.pop(name, None), where))
    for name, link in links.items():
        found.destinations.append(Destination(None, link, f"stream {name}"))


def _link(stream: Stream, problems: list[FormatError]) -> Iterator[tuple[str, Link]]:
    if stream.name == LIST_NAME or not stream.data:
        return
    try:
        link = shelllink.read(stream.data)
    except FormatError as error:
        problems.append(FormatError(f"stream {stream.name}: {error}"))
        return
    problems.extend(FormatError(f"stream {stream.name}: {problem}") for problem in link.problems)
    yield stream.name.lower(), link


def read_list(data: bytes, problems: list[FormatError]) -> tuple[list[Listed], int | None]:
    """The entries of a DestList stream in their order, and its version; what is lost goes to `problems`."""
    if len(data) < _LIST_HEADER:
        problems.append(FormatError(f"{LIST_NAME} is shorter than its header"))
        return [], None
    version, count = struct.unpack_from("<2I", data)
    found: list[Listed] = []
    at = _LIST_HEADER
    while len(found) < min(count, _MAX_LINKS):
        try:
            entry, at = _entry(data, at, version, len(found) + 1)
        except FormatError as error:
            problems.append(error)
            break
        found.append(entry)
    if len(found) < count:
        problems.append(FormatError(f"{LIST_NAME} says {count} entries, {len(found)} were read"))
    return found, version


def _entry(data: bytes, at: int, version: int, order: int) -> tuple[Listed, int]:
    fixed = _OLD_FIXED if version == 1 else _FIXED
    if at + fixed > len(data):
        raise FormatError(f"{LIST_NAME} ends inside an entry", at)
    ids, machine = data[at + 8 : at + 72], data[at + 72 : at + 88]
    (number,) = struct.unpack_from("<I", data, at + 88)
    used, pin = struct.unpack_from("<Qi", data, at + 100)
    count = None if version == 1 else struct.unpack_from("<I", data, at + 116)[0]
    (length,) = struct.unpack_from("<H", data, at + fixed - 2)
    end = at + fixed + 2 * length
    if end > len(data):
        raise FormatError(f"{LIST_NAME} ends inside a path", at)
    path = data[at + fixed : end].decode("utf-16-le", "surrogatepass")
    tracker = shelllink.tracker(machine + ids)
    entry = Listed(number, path, tracker, from_filetime(used), None if pin < 0 else pin, count, order, at)
    return entry, end if version == 1 else _behind(data, end)


def _behind(data: bytes, at: int) -> int:
    """Where the next entry starts: behind padding, or behind a property store of the stated size."""
    size = int.from_bytes(data[at : at + _PADDING], "little")
    store = data[at + 8 : at + 12] == b"1SPS" and at + _PADDING + size <= len(data)
    return at + _PADDING + (size if store else 0)


# -- custom -----------------------------------------------------------------------------------------------------------


def read_custom(data: bytes) -> Custom:
    """Read a custom list; FormatError when it is none and holds no link either."""
    found = Custom()
    at = 0
    try:
        at = _categories(data, found)
    except _StoppedAt as stopped:
        found.problems.append(FormatError(str(stopped), stopped.at))
        at = stopped.at
    for place, link in carve(data, at, found.problems):
        found.offered.append(Offered(link, None, place))
    if not found.offered and at == 0:
        raise found.problems[0]
    return found


class _StoppedAt(Exception):  # noqa: N818  # not an error of the caller: it says where the reading goes on
    def __init__(self, why: str, at: int) -> None:
        super().__init__(why)
        self.at = at


def _categories(data: bytes, found: Custom) -> int:
    if len(data) < _CUSTOM_HEADER or data[:4] != b"\x02\0\0\0":
        raise _StoppedAt("not a custom jump list of version 2", 0)
    count = int.from_bytes(data[4:8], "little")
    at = _CUSTOM_HEADER
    for _ in range(count):
        at = _category(data, at, found)
        if data[at : at + 4] != _FOOTER:
            raise _StoppedAt("a category has no end", at)
        at += 4
    return at


def _category(data: bytes, at: int, found: Custom) -> int:
    kind = _number(data, at, 4)
    at += 4
    if kind == 1:
        _number(data, at, 4)  # which of the known categories: it holds no links itself
        return at + 4
    name: str | None = _TASKS
    if kind == 0:
        length = _number(data, at, 2)
        end = at + 2 + 2 * length
        if end > len(data):
            raise _StoppedAt("the name of a category is longer than the file", at)
        name = data[at + 2 : end].decode("utf-16-le", "surrogatepass")
        at = end
    elif kind != 2:
        raise _StoppedAt(f"unknown kind of category {kind}", at - 4)
    count = _number(data, at, 4)
    at += 4
    for _ in range(count):
        at = _offer(data, at, name, found)
    return at


def _offer(data: bytes, at: int, category: str | None, found: Custom) -> int:
    if data[at : at + 16] != CLASS_ID or len(found.offered) >= _MAX_LINKS:
        raise _StoppedAt("an entry is not a link", at)
    try:
        link = shelllink.read(data, at + 16)
    except FormatError as error:
        raise _StoppedAt(str(error), at + 16) from error
    found.offered.append(Offered(link, category, at + 16))
    if link.problems:
        found.problems += link.problems
        raise _StoppedAt("behind a damaged link, only links are looked for", link.end)
    return link.end


def _number(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise _StoppedAt("the list ends inside a category", at)
    return int.from_bytes(data[at : at + size], "little")


def carve(data: bytes, start: int, problems: list[FormatError]) -> Iterator[tuple[int, Link]]:
    """Every link that starts anywhere in `data` from `start` on, with its offset; what is lost of it in `problems`."""
    at, damaged, count = data.find(shelllink.SIGNATURE, start), 0, 0
    while at >= 0:
        if count == _MAX_LINKS or damaged == _MAX_DAMAGED:
            problems.append(FormatError(f"after {count} links, {damaged} of them damaged, no more are looked for", at))
            return
        try:
            link = shelllink.read(data, at)
        except FormatError as error:
            problems.append(error)  # the header of the last one is cut off
            return
        problems += link.problems
        yield at, link
        count, damaged = count + 1, damaged + bool(link.problems)
        at = data.find(shelllink.SIGNATURE, at + 76 if link.problems else link.end)
