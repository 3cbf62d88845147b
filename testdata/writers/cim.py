"""Writes a WMI repository (INDEX.BTR, OBJECTS.DATA, MAPPING1.MAP) as Windows Vista and later lay it out.

Small on purpose: one index page, objects that each fit a page, identity mappings. What is in it are classes with text
and number-array properties and their instances, by namespace. Layout: the flare-wmi project's documentation.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from forensics.times import to_filetime

PAGE = 0x2000
_STRING, _BOOLEAN = 8, 0x0B
_KEY = 0x80000001


def digest(name: str) -> str:
    """A name as keys and records carry it."""
    return hashlib.sha256(name.upper().encode("utf-16-le")).hexdigest().upper()


@dataclass
class Repository:
    """Classes and instances in the making; `build` gives the three files by name."""

    moment: datetime
    _classes: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    _objects: list[tuple[str, bytes]] = field(default_factory=list)

    def define(self, namespace: str, name: str, properties: Sequence[str], keys: Sequence[str] = ("Name",)) -> None:
        """A class whose properties are texts."""
        self._classes[namespace, name] = tuple(properties)
        path = f"NS_{digest(namespace)}/CD_{digest(name)}"
        self._objects.append((path, _definition(name, properties, keys, self.moment)))

    def add(self, namespace: str, name: str, values: Mapping[str, str], of: str = "") -> bytes:
        """An instance; `of` is the namespace of its class where that is another. Gives the bytes of its record."""
        record = instance(name, self._classes[of or namespace, name], values, self.moment)
        unique = hashlib.sha256(record).hexdigest().upper()
        self._objects.append((f"NS_{digest(namespace)}/CI_{digest(name)}/IL_{unique}", record))
        return record

    def build(self) -> dict[str, bytes]:
        """The files."""
        pages: list[bytes] = []
        keys: list[str] = []
        for number, (path, record) in enumerate(self._objects):
            head = struct.pack("<4I", 7 + number, 32, len(record), 0) + bytes(16)
            pages.append((head + record).ljust(PAGE, b"\x00"))
            keys.append(f"{path}.{number}.{7 + number}.{len(record)}")
        mapping = _mapping(len(pages), 0) + _mapping(2, 1)
        return {
            "OBJECTS.DATA": b"".join(pages),
            "INDEX.BTR": bytes(PAGE) + _index(sorted(keys)),
            "MAPPING1.MAP": mapping,
        }


def instance(name: str, properties: Sequence[str], values: Mapping[str, str], moment: datetime) -> bytes:
    """The record of an instance."""
    data = b"\x00" + name.encode("latin-1") + b"\x00"
    states, toc = 0, b""
    for index, prop in enumerate(properties):
        if prop not in values:
            states |= 1 << 2 * index
        toc += struct.pack("<I", len(data) if prop in values else 0)
        data += _text(values[prop]) if prop in values else b""
    body = states.to_bytes((2 * len(properties) + 7) // 8, "little") + toc
    body += struct.pack("<IB", 4, 1) + struct.pack("<I", len(data) | 0x80000000) + data
    ticks = to_filetime(moment)
    head = digest(name).encode("utf-16-le") + struct.pack("<QQIIB", ticks, ticks, len(body) + 9, 0, 0)
    return head + body


def _text(text: str) -> bytes:
    if all(ord(char) < 256 for char in text):
        return b"\x00" + text.encode("latin-1") + b"\x00"
    return b"\x01" + text.encode("utf-16-le") + b"\x00\x00"


def _definition(name: str, properties: Sequence[str], keys: Sequence[str], moment: datetime) -> bytes:
    data = _text(name)
    references = b""
    for index, prop in enumerate(properties):
        name_at = len(data)
        data += _text(prop)
        references += struct.pack("<II", name_at, len(data))
        qualifiers = struct.pack("<IBBBHH", _KEY, 0, _BOOLEAN, 0, 0, 0xFFFF) if prop in keys else b""
        data += struct.pack("<BBHHII", _STRING, 0, 0, index, 4 * index, 0)
        data += struct.pack("<I", 4 + len(qualifiers)) + qualifiers
    states = bytes((2 * len(properties) + 7) // 8)
    defaults = states + bytes(4 * len(properties))
    no_parent = struct.pack("<I", 4)  # the parent's name would follow, this size counting itself
    head = struct.pack("<IQIBII", 0, to_filetime(moment), 0, 0, 0, len(defaults)) + no_parent
    lists = struct.pack("<I", 4) + struct.pack("<I", len(properties)) + references
    regions = struct.pack("<I", len(data) | 0x80000000) + data + struct.pack("<I", 0x80000000)
    return head + lists + defaults + regions


def _mapping(pages: int, root: int) -> bytes:
    head = struct.pack("<6I", 0xABCD, 3, 2, 1, pages, pages)
    entries = b"".join(struct.pack("<6I", number, 0, 0, root, 0, 0) for number in range(pages))
    return head + entries + struct.pack("<II", 0, 0xDCBA)


def _index(keys: list[str]) -> bytes:
    parts = sorted({part for key in keys for part in key.split("/")})
    definitions: list[int] = []
    places = []
    for key in keys:
        places.append(len(definitions))
        names = key.split("/")
        definitions += [len(names), *(parts.index(name) for name in names)]
    texts, offsets = b"", []
    for part in parts:
        offsets.append(len(texts))
        texts += part.encode() + b"\x00"
    count = len(keys)
    page = struct.pack("<5I", 0xACCC, 1, 0, 1, count) + bytes(4 * count) + bytes(4 * (count + 1))
    page += struct.pack(f"<{count}H", *places) + struct.pack(f"<H{len(definitions)}H", len(definitions), *definitions)
    page += struct.pack(f"<H{len(offsets) + 1}H", len(offsets), *offsets, len(texts)) + texts
    if len(page) > PAGE:
        raise ValueError("more keys than one index page holds")
    return page.ljust(PAGE, b"\x00")
