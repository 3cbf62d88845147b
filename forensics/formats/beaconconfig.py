"""Configurations of Cobalt Strike's Beacon in plain files: whom it calls, over what, and under whose licence.

The settings lie in the library as a list of `index, type, length, value` (16-bit big-endian; type 1 a short, 2 a
number of 32 bits, 3 bytes), ended by index 0 and all of it XORed with one byte (0x69 in version 3, 0x2e in version 4).
The list begins with setting 1, a short: six known bytes, which is how it is found. Published by several parsers of
such configurations; the numbers of the settings are from memory. A packed or staged Beacon shows nothing of it here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

KEYS = (0x2E, 0x69, 0x00)
_START = bytes.fromhex("000100010002")
_SIZE = 4096  # the list's room in the library
_SHORT, _INT, _BYTES = 1, 2, 3
_PROTOCOLS = {0: "http", 1: "dns", 2: "smb", 4: "tcp (reverse)", 8: "https", 16: "tcp (bind)"}
_KNOWN_LEAST = 6  # settings that a list must have: the start alone comes by chance
_TRIES = 64


@dataclass(frozen=True, slots=True)
class Beacon:
    """One configuration: where it starts, its XOR byte, settings by number, and whether the list ends."""

    offset: int
    key: int
    settings: dict[int, int | bytes]
    complete: bool

    @property
    def protocol(self) -> str:
        """How it talks."""
        number = self._number(1)
        return "" if number is None else _PROTOCOLS.get(number, str(number))

    @property
    def port(self) -> int | None:
        """The port it calls."""
        return self._number(2)

    @property
    def servers(self) -> tuple[str, ...]:
        """Hosts with the path that follows each, as they stand."""
        parts = self.text(8).split(",")
        return tuple(f"{host}{path}" for host, path in zip(parts[::2], [*parts[1::2], ""], strict=False) if host)

    @property
    def watermark(self) -> int | None:
        """The number of the licence; leaked ones are shared by many."""
        return self._number(37)

    def _number(self, index: int) -> int | None:
        value = self.settings.get(index)
        return value if isinstance(value, int) else None

    def text(self, index: int) -> str:
        """A setting's text up to its first NUL."""
        value = self.settings.get(index, b"")
        return value.partition(b"\x00")[0].decode("utf-8", "replace") if isinstance(value, bytes) else ""


def find(data: bytes) -> Iterator[Beacon]:
    """Every configuration in `data`."""
    for key in KEYS:
        mark = bytes(byte ^ key for byte in _START)
        at, tries = data.find(mark), 0
        while at >= 0 and tries < _TRIES:
            settings, complete = _settings(bytes(byte ^ key for byte in data[at : at + _SIZE]))
            if len(settings) >= _KNOWN_LEAST and {1, 2, 3} <= settings.keys():
                yield Beacon(at, key, settings, complete)
            at, tries = data.find(mark, at + 1), tries + 1


def _settings(data: bytes) -> tuple[dict[int, int | bytes], bool]:
    """The list up to where it ends or breaks its own rules, and which of both it does."""
    found: dict[int, int | bytes] = {}
    at = 0
    while at + 6 <= len(data):
        index, kind, length = struct.unpack_from(">HHH", data, at)
        if index == 0:
            return found, True
        raw = data[at + 6 : at + 6 + length]
        if index > 128 or index in found or len(raw) < length:
            break
        if (kind, length) in ((_SHORT, 2), (_INT, 4)):
            found[index] = int.from_bytes(raw, "big")
        elif kind == _BYTES:
            found[index] = raw
        else:
            break
        at += 6 + length
    return found, False
