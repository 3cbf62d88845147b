r"""The source text of VBA macros, out of the compound file that holds a project (`vbaProject.bin`, `.otm`, `.dot`).

Each module's stream has a compiled form first and its source behind it, compressed. The source's place stands in
another stream; here it is found by its first words, which every module has (`Attribute VB_Name`). Nothing is run. A
project whose source was wiped and whose compiled form was kept ("stomped") gives no text.
Format: Microsoft, [MS-OVBA] 2.4.1 (compression), 2.3.4.3 (modules).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from forensics.formats import FormatError
from forensics.formats.compound import SIGNATURE, Compound

_FIRST = b"\x00Attribut"  # the flags of eight literals, and those
_CHUNK = 4096
_MOST = 1024 * 1024  # bytes of one module
_MOST_MODULES = 500


def sources(data: bytes) -> Iterator[str]:
    """The text of each module that can be read. Raises FormatError when `data` is no compound file."""
    for number, stream in enumerate(Compound.open(data).streams()):
        if number == _MOST_MODULES:
            return
        at = stream.data.find(_FIRST)
        if at >= 3 and stream.data[at - 3] == 1:
            yield unpacked(stream.data, at - 3).decode("latin-1")


def is_compound(data: bytes) -> bool:
    """Whether these are a compound file's first bytes."""
    return data.startswith(SIGNATURE)


def unpacked(data: bytes, at: int = 0) -> bytes:
    """A compressed container; what is before the first damage, when it is damaged. FormatError when it is none."""
    if data[at : at + 1] != b"\x01":
        raise FormatError("no compressed container", at)
    out = bytearray()
    at += 1
    while at + 2 <= len(data) and len(out) < _MOST:
        (head,) = struct.unpack_from("<H", data, at)
        if head >> 12 & 7 != 3:
            break
        chunk = data[at + 2 : at + (head & 0xFFF) + 3]
        out += _chunk(chunk) if head & 0x8000 else chunk[:_CHUNK]
        at += (head & 0xFFF) + 3
    return bytes(out)


def _chunk(data: bytes) -> bytes:
    """One chunk: a byte of flags before each eight tokens, which are literals or copies of what came before."""
    out = bytearray()
    at = 0
    while at < len(data) and len(out) < _CHUNK:
        flags, at = data[at], at + 1
        for bit in range(8):
            if at >= len(data) or len(out) >= _CHUNK:
                break
            if not flags >> bit & 1:
                out.append(data[at])
                at += 1
            elif not _copy(out, data[at : at + 2]):
                return bytes(out)
            else:
                at += 2
    return bytes(out[:_CHUNK])


def _copy(out: bytearray, token: bytes) -> bool:
    """A copy of bytes that are there; how many bits are its distance depends on how many there are."""
    if len(token) < 2 or not out:
        return False
    value = int.from_bytes(token, "little")
    bits = max((len(out) - 1).bit_length(), 4)
    length, back = (value & 0xFFFF >> bits) + 3, (value >> 16 - bits) + 1
    if back > len(out):
        return False
    for _ in range(min(length, _CHUNK)):
        out.append(out[-back])
    return True
