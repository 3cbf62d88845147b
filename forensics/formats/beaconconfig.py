"""Configurations of Cobalt Strike's Beacon in plain files: whom it calls, over what, and under whose licence.

The settings lie in the library as a list of `index, type, length, value` (16-bit big-endian; type 1 a short, 2 a
number of 32 bits, 3 bytes), ended by index 0 and all of it XORed with a key, mostly of one byte (0x69 in version 3,
0x2e in version 4). Settings are read by dissect.cobaltstrike (Fox-IT), which knows their odd cases; what is sought
here is where a list may lie, since the library's own search takes some 20 seconds for a megabyte of any file:

- the start (setting 1, a short) under any key of one byte, where a list of known settings follows, and
- the start of a public key's description (setting 7; DER, RFC 3279) under any key that repeats within 16 bytes, also
  where the numbers of the types were changed: before it a list must lead from setting 1 to it.

Both are sought in differences of bytes, from which a repeating key falls out, and a second time in the file as the
stager's encoding (each 4 bytes XORed with those before) reads. What is packed, enciphered or guarded by a name of the
victim's shows nothing of it here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_START = bytes.fromhex("000100010002")
_ALGORITHM = bytes.fromhex("300d06092a864886f70d010101050003")  # what keys of every size have
_KEY_1024 = bytes.fromhex("30819f") + _ALGORITHM + bytes.fromhex("818d0030818902818100")
_LONGEST_KEY, _KEY_OF_COMMON = 16, 8  # of 16 known bytes, 8 are left to compare for a key of 8
SIZE = 0x1800  # the list's room in the library since version 4.9, 0x1000 before
_SHORT, _INT, _BYTES = 1, 2, 3
_PROTOCOLS = {0: "http", 1: "dns", 2: "smb", 4: "tcp (reverse)", 8: "https", 16: "tcp (bind)"}
_KNOWN_LEAST = 6  # settings that a list must have: the start alone comes by chance
_BEFORE_KEY = 128  # how far before the public key's setting a list begins
_TRIES, _MOST = 20_000, 16
_LAST_SETTING, _LONGEST_VALUE = 128, 1024

# The list is a stranger's; the library does not wrap what it meets in it.
_RAISED = (ArithmeticError, AttributeError, EOFError, LookupError, OSError, TypeError, ValueError, struct.error)

Settings = dict[int, int | bytes]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list lies: its offset in the file, its key, and its bytes in plain, of which `size` are the file's.

    `encoded`: the file's bytes are each XORed with those 4 places before. `stock` is how the list reads without the
    library, empty where the numbers of its types are not the usual ones.
    """

    offset: int
    key: bytes
    raw: bytes
    size: int
    encoded: bool
    stock: Settings


@dataclass(frozen=True, slots=True)
class Beacon:
    """One configuration, and whether it ends as a list does.

    `fault` says why the library could not read it: the settings are then as they are read here.
    """

    place: Place
    settings: Settings
    complete: bool
    fault: str = ""

    @property
    def protocol(self) -> str:
        """How it talks."""
        number = self.number(1)
        return "" if number is None else _PROTOCOLS.get(number, str(number))

    @property
    def servers(self) -> tuple[str, ...]:
        """Hosts with the path that follows each, as they stand."""
        parts = self.text(8).split(",")
        return tuple(f"{host}{path}" for host, path in zip(parts[::2], [*parts[1::2], ""], strict=False) if host)

    @property
    def public_key(self) -> bytes:
        """The team server's public key in DER, the same in all Beacons that it made."""
        value = self.settings.get(7, b"")
        return value.rstrip(b"\x00") if isinstance(value, bytes) else b""

    def number(self, index: int) -> int | None:
        """A setting's number."""
        value = self.settings.get(index)
        return value if isinstance(value, int) else None

    def text(self, index: int) -> str:
        """A setting's text up to its first NUL."""
        value = self.settings.get(index, b"")
        return value.partition(b"\x00")[0].decode("utf-8", "replace") if isinstance(value, bytes) else ""


def find(data: bytes) -> tuple[list[Place], bool]:
    """The lists in `data` by their offsets, and whether all places that look like one could be looked at."""
    found: dict[int, Place] = {}
    every = True
    for encoded in (False, True):
        stream = _differences(data, 4) if encoded else data
        for tries, (at, key, is_start) in enumerate(_candidates(stream, 1 if encoded else _LONGEST_KEY)):
            if tries == _TRIES or len(found) >= _MOST:
                every = False
                break
            start = at if is_start else _start_before(stream, at, key)
            if start is not None and (place := _place(stream, start, _turned(key, at - start), encoded=encoded)):
                found.setdefault(place.offset, place)
    return [found[offset] for offset in sorted(found)], every


def read(place: Place) -> Beacon:
    """The settings as dissect.cobaltstrike reads them; it is loaded here, where there is something to read."""
    from dissect.cobaltstrike.beacon import BeaconConfig, BeaconConfigBlock
    from dissect.cobaltstrike.normalize import normalize_config_block

    settings: Settings = {}
    end, sound = 0, True
    try:
        block, _ = normalize_config_block(BeaconConfigBlock(place.raw, place.key))
        for setting in BeaconConfig(block.data).settings_tuple:
            index, kind, value = int(setting.index), int(setting.type), bytes(setting.value)
            end += 6 + len(value)
            sound = sound and index <= _LAST_SETTING and kind in (_SHORT, _INT, _BYTES)
            if sound:  # behind a break the library goes on into what is no list
                settings.setdefault(index, value if kind == _BYTES else int.from_bytes(value, "big"))
    except _RAISED as error:
        return Beacon(place, place.stock or settings, False, f"{type(error).__name__}: {error}"[:200])
    return Beacon(place, settings, sound and end + 2 <= place.size)


def _differences(data: bytes, lag: int) -> bytes:
    """Each byte XORed with the one `lag` before it: a key that repeats after `lag` bytes is gone."""
    signs = np.frombuffer(data, np.uint8)
    return (signs[lag:] ^ signs[:-lag]).tobytes() if len(signs) > lag else b""


def _candidates(data: bytes, longest: int) -> Iterator[tuple[int, bytes, bool]]:
    """Where a list (True) or its public key (False) may lie, with the key that would have to be its own there."""
    changes = _differences(data, 1)
    for at in _all(changes, _differences(_START, 1)):
        yield at, data[at : at + 1], True
    for length in range(1, longest + 1):
        known = _ALGORITHM if length <= _KEY_OF_COMMON else _KEY_1024
        changes = changes if length == 1 else _differences(data, length)
        for at in _all(changes, _differences(known, length)):
            key = bytes(one ^ two for one, two in zip(data[at : at + length], known, strict=False))
            if length == 1 or len(set(key)) > 1:  # a key of one byte was met as such
                yield at, key, False


def _all(data: bytes, sought: bytes) -> Iterator[int]:
    at = data.find(sought)
    while at >= 0:
        yield at
        at = data.find(sought, at + 1)


def _turned(key: bytes, back: int) -> bytes:
    """The key as it begins `back` bytes earlier."""
    turn = -back % len(key)
    return key[turn:] + key[:turn]


def _plain(data: bytes, key: bytes) -> bytes:
    return bytes(sign ^ key[at % len(key)] for at, sign in enumerate(data))


def _start_before(data: bytes, at: int, key: bytes) -> int | None:
    """The start from which a list leads to the public key around `at`, whatever its types are called."""
    first = max(0, at - _BEFORE_KEY)
    raw = _plain(data[first : at + 4], _turned(key, at - first))
    for start in range(len(raw) - 6):
        begins = raw[start : start + 2] == b"\x00\x01" and raw[start + 4 : start + 6] == b"\x00\x02"
        if begins and _leads(raw[start:]):
            return first + start
    return None


def _leads(raw: bytes) -> bool:
    """Whether the list's whole settings lead to the head of setting 7."""
    at = 0
    for _, _, end in _walk(raw):
        at = end
    return raw[at : at + 2] == b"\x00\x07" and len(raw) - at <= 16  # its head and how the key begins


def _walk(raw: bytes) -> Iterator[tuple[int, int, int]]:
    """Index, type and end of each whole setting."""
    at = 0
    while at + 6 <= len(raw):
        index, kind, length = struct.unpack_from(">HHH", raw, at)
        if not 0 < index <= _LAST_SETTING or length > _LONGEST_VALUE or at + 6 + length > len(raw):
            return
        at += 6 + length
        yield index, kind, at


def _place(data: bytes, at: int, key: bytes, *, encoded: bool) -> Place | None:
    """The list that begins here, if one does."""
    raw = _plain(data[at : at + 64], key)
    if len(list(_walk(raw))) < 3:  # protocol, port and sleep are 26 bytes
        return None
    raw = _plain(data[at : at + SIZE], key)
    stock, end = _stock(raw)
    known = set(stock)
    if len(known) < _KNOWN_LEAST:  # perhaps other numbers of types
        walked = list(_walk(raw))
        known, stock, end = {index for index, _, _ in walked}, {}, walked[-1][2] if walked else 0
    if len(known) < _KNOWN_LEAST or not {1, 2, 3} <= known:
        return None
    if len(raw) < SIZE and raw[end : end + 2] != b"\x00\x00":  # the file ends in the list
        raw = raw[:end]
    # NULs behind it: the library reads a text that is longer than its room up to the next one, and for ever without.
    return Place(at + 4 * encoded, key, raw + bytes(SIZE), len(raw), encoded, stock)


def _stock(data: bytes) -> tuple[Settings, int]:
    """The list up to where it ends or breaks its own rules, and where that is."""
    found: Settings = {}
    at = 0
    for index, kind, end in _walk(data):
        raw = data[at + 6 : end]
        if index in found or (kind, len(raw)) not in ((_SHORT, 2), (_INT, 4), (_BYTES, len(raw))):
            break
        found[index] = raw if kind == _BYTES else int.from_bytes(raw, "big")
        at = end
    return found, at
