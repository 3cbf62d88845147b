"""The application compatibility cache ("shimcache"), the value AppCompatCache of the SYSTEM hive, Windows 7 to 11.

Four layouts. Windows 7: a table of fixed entries (32 bytes on 32 bit, 48 on 64 bit) that point to their paths. Since
Windows 8 entries stand one after the other, each with a signature, the CRC-32 of its content and its size: `00ts`
(8.0), `10ts` behind a header of 0x80 bytes (8.1), `10ts` behind one of 0x30 and more (10 and 11). The path of an entry
may be missing from 8.x on, a package stands there instead. Of 8.x the sources disagree where the package's length
stands: the place is taken at which the sizes of the entry come out.

In the entry of Windows 10 a list of tagged values follows the time (tag, size, data, each 32 bits and the data padded):
`last_value` is the last 32 bits of it. That 1 there means "was executed" is what others found by trying
(https://nullsec.us/windows-10-11-appcompatcache-deep-dive); the tag in front of it differs between entries.
https://github.com/libyal/winreg-kb/blob/main/docs/sources/system-keys/Application-compatibility-cache.md,
https://github.com/mandiant/ShimCacheParser (insertion flags), CRC-32: seen in a real hive of Windows 10 1709.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from forensics.formats import FormatError

WINDOWS_7_32, WINDOWS_7_64 = "Windows 7 (32 bit)", "Windows 7 (64 bit)"
WINDOWS_8, WINDOWS_81, WINDOWS_10 = "Windows 8", "Windows 8.1", "Windows 10 or 11"
_OLD = {0xDEADBEEF: "Windows XP", 0xBADC0FFE: "Windows 2003, Vista or 2008"}
_SEVEN = 0xBADC0FEE
_TABLE = 0x80  # where the table of Windows 7 and the entries of Windows 8 begin
_EXECUTED = 0x2  # insertion flag: the process was started
_ENTRY_32, _ENTRY_64 = struct.Struct("<HHIQIIII"), struct.Struct("<HH4xQQIIQQ")
_ENTRY = struct.Struct("<4sII")
_SIGNATURES = (b"00ts", b"10ts")
_HEADERS = (0x30, 0x34, _TABLE)
_MOST = 0x10000  # Windows keeps 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `position` counts from 0, the one last inserted; `offset` is its place in the value.

    `ticks` is the FILETIME of the file's last modification as $STANDARD_INFORMATION had it, 0 for a package.
    `executed` is the insertion flag of Windows 7 to 8.1, None where the format has none; `last_value` see above.
    `intact` is False when the content does not have the checksum that the entry names.
    """

    position: int
    offset: int
    path: str
    ticks: int
    executed: bool | None = None
    last_value: int | None = None
    package: str = ""
    intact: bool = True


@dataclass(slots=True)
class Cache:
    """A decoded cache: its layout, the number of entries that its header claims, its entries.

    Only Windows 7 counts its entries: what winreg-kb takes for the count in the header of Windows 10 is another number
    in a real hive (45, of 406 sound entries). `problems` are the entries that could not be read, with their places.
    """

    layout: str
    claimed: int | None
    entries: list[Entry] = field(default_factory=list)
    problems: list[FormatError] = field(default_factory=list)


def read_cache(data: bytes) -> Cache:
    """The cache in a value's data. Raises FormatError when it is of no known layout; keeps what can be read of it."""
    if len(data) < 4:
        raise FormatError(f"a cache has a header, there are {len(data)} bytes")
    magic = struct.unpack_from("<I", data)[0]
    if magic in _OLD:
        raise FormatError(f"a cache of {_OLD[magic]}, whose layout is not read", 0)
    if magic == _SEVEN:
        return _seven(data)
    return _listed(data, magic)


# -- Windows 7 -----------------------------------------------------------------------------------------------------


def _seven(data: bytes) -> Cache:
    if len(data) < _TABLE:
        raise FormatError(f"the header of a cache of Windows 7 takes {_TABLE} bytes, there are {len(data)}", 0)
    claimed: int = struct.unpack_from("<I", data, 4)[0]
    wide = _is_wide(data)
    cache = Cache(WINDOWS_7_64 if wide else WINDOWS_7_32, claimed)
    shape = _ENTRY_64 if wide else _ENTRY_32
    for position in range(min(claimed, _MOST)):
        offset = _TABLE + position * shape.size
        if offset + shape.size > len(data):
            cache.problems.append(FormatError(f"{claimed - position} of {claimed} entries are cut off", offset))
            break
        try:
            cache.entries.append(_fixed(data, shape, position, offset))
        except FormatError as error:
            cache.problems.append(error)
    if claimed > _MOST:
        cache.problems.append(FormatError(f"{claimed} entries are claimed: {_MOST} looked at", 4))
    return cache


def _is_wide(data: bytes) -> bool:
    """64 bit: behind the sizes of the first path stands padding, and its offset leads to where paths can be."""
    if len(data) < _TABLE + _ENTRY_64.size:
        return False
    padding: int
    start: int
    padding, start = struct.unpack_from("<IQ", data, _TABLE + 4)
    return padding == 0 and start <= len(data)


def _fixed(data: bytes, shape: struct.Struct, position: int, offset: int) -> Entry:
    size, _, start, ticks, flags, *_ = shape.unpack_from(data, offset)
    if start < _TABLE or start + size > len(data):
        raise FormatError(f"the path of entry {position} leaves the value", offset)
    path = _text(data[start : start + size])
    return Entry(position, offset, path, ticks, executed=bool(flags & _EXECUTED))


# -- Windows 8 to 11 -----------------------------------------------------------------------------------------------


def _listed(data: bytes, header: int) -> Cache:
    first = header if header in _HEADERS else data.find(b"10ts", 0, 0x100)
    signature = data[first : first + 4] if first >= 0 else b""
    if header in _HEADERS and len(data) == header:
        return Cache(WINDOWS_10 if header < _TABLE else WINDOWS_81, None)  # only a header: an empty cache
    if signature not in _SIGNATURES:
        raise FormatError(f"no cache of a known layout (begins with 0x{header:08x}, {len(data)} bytes)", 0)
    layout = WINDOWS_8 if signature == b"00ts" else WINDOWS_81 if first == _TABLE else WINDOWS_10
    cache = Cache(layout, None)
    for position, (offset, body, intact) in enumerate(_bodies(data, first, signature, cache.problems)):
        try:
            cache.entries.append(_decoded(layout, position, offset, body, intact=intact))
        except FormatError as error:
            cache.problems.append(error)
    return cache


def _bodies(
    data: bytes, offset: int, signature: bytes, problems: list[FormatError]
) -> Iterator[tuple[int, bytes, bool]]:
    """Offset, content and soundness of each entry; after a damaged one the next signature is looked for."""
    while offset < len(data):
        start = data.find(signature, offset)
        if start != offset:
            lost = (len(data) if start < 0 else start) - offset
            if any(data[offset : offset + lost]):
                problems.append(FormatError(f"{lost} bytes are no entry", offset))
            if start < 0:
                return
            offset = start
        if offset + _ENTRY.size > len(data):
            problems.append(FormatError("an entry is cut off", offset))
            return
        _, checksum, size = _ENTRY.unpack_from(data, offset)
        body = data[offset + _ENTRY.size : offset + _ENTRY.size + size]
        if len(body) < size:
            problems.append(FormatError(f"an entry of {size} bytes leaves the value", offset))
            offset += _ENTRY.size
            continue
        yield offset, body, zlib.crc32(body) == checksum
        offset += _ENTRY.size + size


def _decoded(layout: str, position: int, offset: int, body: bytes, *, intact: bool) -> Entry:
    if len(body) < 2:
        raise FormatError(f"entry {position} is empty", offset)
    size = struct.unpack_from("<H", body)[0]
    path, rest = _text(body[2 : 2 + size]), body[2 + size :]
    if layout == WINDOWS_10:
        if len(rest) < 12 or struct.unpack_from("<I", rest, 8)[0] != len(rest) - 12:
            raise FormatError(f"the sizes in entry {position} do not fit", offset)
        ticks = struct.unpack_from("<Q", rest)[0]
        last = struct.unpack_from("<I", rest, len(rest) - 4)[0] if len(rest) >= 16 else None
        return Entry(position, offset, path, ticks, last_value=last, intact=intact)
    package, flags, ticks = _eight(rest, position, offset)
    return Entry(position, offset, path, ticks, bool(flags & _EXECUTED), package=package, intact=intact)


def _eight(rest: bytes, position: int, offset: int) -> tuple[str, int, int]:
    """Package, insertion flags and time behind the path of an entry of Windows 8.x, in the order whose sizes fit."""
    if len(rest) >= 22:
        length = struct.unpack_from("<H", rest)[0]
        tail = rest[2 + length :]
        if len(tail) >= 20 and struct.unpack_from("<I", tail, 16)[0] == len(tail) - 20:
            flags, _, ticks = struct.unpack_from("<IIQ", tail)
            return _text(rest[2 : 2 + length]), flags, ticks
    if len(rest) >= 20 and struct.unpack_from("<I", rest, 16)[0] == len(rest) - 20:
        flags, _, ticks = struct.unpack_from("<IIQ", rest)
        return "", flags, ticks
    if len(rest) >= 22 and struct.unpack_from("<I", rest, 18)[0] == len(rest) - 22:
        flags, _, _, ticks = struct.unpack_from("<IIHQ", rest)
        return "", flags, ticks
    raise FormatError(f"the sizes in entry {position} do not fit", offset)


def _text(raw: bytes) -> str:
    return raw[: len(raw) & ~1].decode("utf-16-le", "surrogatepass").rstrip("\x00")
