"""Binary XML as Windows writes it into event logs: templates, names shared by a chunk, and typed values.

A record does not hold its XML. It names a template (a tree of tokens with numbered holes) and brings the values for
the holes. A template stands in full where a chunk uses it first and is referred to by its offset from then on; the
same holds for element and attribute names. All offsets are relative to the chunk. Layout: the public description of
the format by libyal (libevtx) and [MS-EVEN6], checked against real logs; bucket of a name = its 16-bit hash modulo 64,
bucket of a template = the same hash over its GUID's eight 16-bit words modulo 32 (so it is for 405 of 443 templates in
real logs, and for all in those that were copied rather than exported; readers do not depend on it).
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

NULL, STRING, BINARY, GUID, SIZE_T, FILETIME, SID, FRAGMENT, STRING_ARRAY = 0, 1, 14, 15, 16, 17, 19, 0x21, 0x81
FRAGMENT_HEADER = b"\x0f\x01\x01\x00"
NO_DEPENDENCY = 0xFFFF
NAME_BUCKETS, TEMPLATE_BUCKETS = 64, 32
_OPEN, _CLOSE_START, _CLOSE_EMPTY, _END, _TEXT, _ATTRIBUTE, _MORE = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x40
_NORMAL, _OPTIONAL, _INSTANCE = 0x0D, 0x0E, 0x0C
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)

Value = str | int | bool | bytes | datetime | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Hole:
    """A place in a template for value `index` of `type`. An optional one leaves its element out when it is NULL."""

    index: int
    type: int
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Element:
    """An XML element of a template; `dependency` is the value without which Windows leaves it out."""

    name: str
    children: tuple[Element | Hole | str, ...] = ()
    attributes: tuple[tuple[str, Hole | str], ...] = ()
    dependency: int = NO_DEPENDENCY


def name_hash(units: Iterable[int]) -> int:
    """The 16 bits that the log keeps of its string hash (hash = hash * 65599 + unit)."""
    value = 0
    for unit in units:
        value = (value * 65599 + unit) & 0xFFFFFFFF
    return value & 0xFFFF


@lru_cache(maxsize=4096)
def _stored_name(name: str) -> tuple[int, bytes]:
    raw = name.encode("utf-16-le")
    count = len(raw) // 2
    hashed = name_hash(struct.unpack(f"<{count}H", raw))
    return hashed, struct.pack("<HH", hashed, count) + raw + b"\0\0"


class Template:
    """A template and what is the same in each chunk: GUID, id, bucket and the largest size its definition can take."""

    __slots__ = ("bucket", "guid", "id", "root", "worst")

    def __init__(self, root: Element) -> None:
        self.root = root
        self.guid = hashlib.md5(repr(root).encode(), usedforsecurity=False).digest()
        self.id = self.guid[:4]
        self.bucket = name_hash(struct.unpack("<8H", self.guid)) % TEMPLATE_BUCKETS
        # With no name known yet every name stands inline once: no later definition of it is longer.
        self.worst = len(ChunkTables()._definition(self, 0))


class ChunkTables:
    """The names and templates that one chunk has defined so far, with the heads of both hash tables."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.templates: dict[Template, int] = {}
        self.name_heads = [0] * NAME_BUCKETS
        self.template_heads = [0] * TEMPLATE_BUCKETS

    def heads(self) -> bytes:
        """Both tables as they follow the chunk header (64 and 32 offsets)."""
        return struct.pack("<96I", *self.name_heads, *self.template_heads)

    def instance(self, template: Template, base: int) -> bytes:
        """A template instance token at chunk offset `base`, with the definition if this chunk has none yet."""
        known = self.templates.get(template)
        if known is not None:
            return b"\x0c\x01" + template.id + struct.pack("<I", known)
        offset = base + 10
        definition = self._definition(template, offset)
        self.templates[template] = self.template_heads[template.bucket] = offset
        return b"\x0c\x01" + template.id + struct.pack("<I", offset) + definition

    def _definition(self, template: Template, offset: int) -> bytes:
        out = bytearray(24)
        out += FRAGMENT_HEADER
        self._element(template.root, out, offset)
        out.append(0)
        struct.pack_into("<I16sI", out, 0, self.template_heads[template.bucket], template.guid, len(out) - 24)
        return bytes(out)

    def _element(self, element: Element, out: bytearray, base: int) -> None:
        start = len(out)
        out += struct.pack("<BHI", _OPEN | (_MORE if element.attributes else 0), element.dependency, 0)
        self._name(element.name, out, base)
        if element.attributes:
            self._attributes(element.attributes, out, base)
        if element.children:
            out.append(_CLOSE_START)
            for child in element.children:
                self._child(child, out, base)
            out.append(_END)
        else:
            out.append(_CLOSE_EMPTY)
        struct.pack_into("<I", out, start + 3, len(out) - start - 7)

    def _attributes(self, attributes: tuple[tuple[str, Hole | str], ...], out: bytearray, base: int) -> None:
        start = len(out)
        out += b"\0\0\0\0"
        for position, (name, value) in enumerate(attributes, 1):
            out.append(_ATTRIBUTE | (_MORE if position < len(attributes) else 0))
            self._name(name, out, base)
            self._child(value, out, base)
        struct.pack_into("<I", out, start, len(out) - start - 4)

    def _child(self, child: Element | Hole | str, out: bytearray, base: int) -> None:
        if isinstance(child, Element):
            self._element(child, out, base)
        elif isinstance(child, Hole):
            out += struct.pack("<BHB", _OPTIONAL if child.optional else _NORMAL, child.index, child.type)
        else:
            raw = child.encode("utf-16-le")
            out += struct.pack("<BBH", _TEXT, STRING, len(raw) // 2) + raw

    def _name(self, name: str, out: bytearray, base: int) -> None:
        known = self.names.get(name)
        if known is not None:
            out += struct.pack("<I", known)
            return
        offset = base + len(out) + 4
        hashed, stored = _stored_name(name)
        bucket = hashed % NAME_BUCKETS
        out += struct.pack("<II", offset, self.name_heads[bucket]) + stored
        self.names[name] = self.name_heads[bucket] = offset


def filetime(moment: datetime) -> int:
    """100 ns steps since 1601, exact."""
    delta = moment - _FILETIME_EPOCH
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * 10


@lru_cache(maxsize=1024)
def sid_bytes(text: str) -> bytes:
    """`S-1-5-18` in binary. Raises ValueError for anything else."""
    parts = text.split("-")
    if parts[0] != "S" or len(parts) < 3:
        raise ValueError(f"not a SID: {text!r}")
    revision, authority, *subs = (int(part, 0) for part in parts[1:])
    return bytes((revision, len(subs))) + authority.to_bytes(6, "big") + struct.pack(f"<{len(subs)}I", *subs)


@lru_cache(maxsize=4096)
def guid_bytes(text: str) -> bytes:
    """A GUID with or without braces, in the mixed order Windows stores."""
    return uuid.UUID(text).bytes_le


def _number(value: Value) -> int:
    if isinstance(value, str):
        return int(value, 0)
    if isinstance(value, int):
        return value
    raise TypeError(f"not a number: {value!r}")


def _packed(code: int, form: str) -> Callable[[Value], tuple[int, bytes]]:
    pack = struct.Struct("<" + form).pack
    return lambda value: (code, pack(value if type(value) is int else _number(value)))


def _truth(value: Value) -> tuple[int, bytes]:
    if isinstance(value, str):
        value = {"true": True, "false": False}[value.casefold()]
    return 13, struct.pack("<I", bool(value))


def _text(value: Value) -> tuple[int, bytes]:
    return STRING, (value if type(value) is str else str(value)).encode("utf-16-le", "surrogatepass")


def _text_nul(value: Value) -> tuple[int, bytes]:
    return STRING, (value if type(value) is str else str(value)).encode("utf-16-le", "surrogatepass") + b"\0\0"


def _texts(value: Value) -> tuple[int, bytes]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"not a list of texts: {value!r}")
    if not value:
        return NULL, b""
    return STRING_ARRAY, b"".join(str(item).encode("utf-16-le", "surrogatepass") + b"\0\0" for item in value)


def _raw(value: Value) -> tuple[int, bytes]:
    data = bytes.fromhex(value) if isinstance(value, str) else value
    if not isinstance(data, bytes):
        raise TypeError(f"not bytes: {value!r}")
    return (BINARY, data) if data else (NULL, b"")


def _moment(value: Value) -> tuple[int, bytes]:
    number = filetime(value) if isinstance(value, datetime) else _number(value)
    return FILETIME, struct.pack("<Q", number)


# name in providers.yml -> (type in the template, encoder giving the type and bytes of the value)
TYPES: dict[str, tuple[int, Callable[[Value], tuple[int, bytes]]]] = {
    "string": (STRING, _text),
    "string_nul": (STRING, _text_nul),
    "i8": (3, _packed(3, "b")),
    "u8": (4, _packed(4, "B")),
    "i16": (5, _packed(5, "h")),
    "u16": (6, _packed(6, "H")),
    "i32": (7, _packed(7, "i")),
    "u32": (8, _packed(8, "I")),
    "i64": (9, _packed(9, "q")),
    "u64": (10, _packed(10, "Q")),
    "hex32": (20, _packed(20, "I")),
    "hex64": (21, _packed(21, "Q")),
    # A pointer-sized hole is filled with a hexadecimal number, as real Security records show.
    "pointer": (SIZE_T, _packed(21, "Q")),
    "bool": (13, _truth),
    "binary": (BINARY, _raw),
    "guid": (GUID, lambda value: (GUID, guid_bytes(str(value)))),
    "filetime": (FILETIME, _moment),
    "sid": (SID, lambda value: (SID, sid_bytes(str(value)))),
    "strings": (STRING_ARRAY, _texts),
}
