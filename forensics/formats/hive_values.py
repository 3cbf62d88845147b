"""Decode the raw bytes of a registry value by its type: strings, lists, numbers, device properties.

The decoders of the registry libraries disagree on real values (device property types masked to the wrong type, short
inline lists lost, strings of another alphabet garbled, strict UTF-16 that aborts on a lone surrogate), so the bytes
are decoded here. Type numbers: [MS-RRP] 3.1.1.5 and winnt.h; device properties: devpropdef.h, stored in a hive as
0xffff0000 plus the property type.
"""

from __future__ import annotations

import struct
import uuid

Decoded = str | int | bytes | tuple[str, ...]

REG_NONE, REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD, REG_DWORD_BE, REG_LINK, REG_MULTI_SZ = range(8)
REG_QWORD = 11
_DEVPROP = 0xFFFF0000
_NAMES = {
    REG_NONE: "REG_NONE",
    REG_SZ: "REG_SZ",
    REG_EXPAND_SZ: "REG_EXPAND_SZ",
    REG_BINARY: "REG_BINARY",
    REG_DWORD: "REG_DWORD",
    REG_DWORD_BE: "REG_DWORD_BIG_ENDIAN",
    REG_LINK: "REG_LINK",
    REG_MULTI_SZ: "REG_MULTI_SZ",
    8: "REG_RESOURCE_LIST",
    9: "REG_FULL_RESOURCE_DESCRIPTOR",
    10: "REG_RESOURCE_REQUIREMENTS_LIST",
    REG_QWORD: "REG_QWORD",
}
# Device property integers: struct format by property type (BOOLEAN is one byte; FILETIME stays in ticks).
_DEVPROP_INTEGERS = {
    0x02: "<b",
    0x03: "<B",
    0x04: "<h",
    0x05: "<H",
    0x06: "<i",
    0x07: "<I",
    0x08: "<q",
    0x09: "<Q",
    0x10: "<Q",
    0x11: "<b",
    0x17: "<I",
    0x18: "<i",
}
_DEVPROP_GUID, _DEVPROP_STRINGS, _DEVPROP_STRING_LIST = 0x0D, frozenset({0x12, 0x14, 0x19}), 0x2012
_ASCII_MINIMUM = 4  # shorter runs of printable bytes may as well be one or two characters of UTF-16


def type_name(kind: int) -> str:
    """The field-standard name of a value type; unknown types keep their full number."""
    return _NAMES.get(kind) or (f"DEVPROP_0x{kind & 0xFFFF:04x}" if kind >= _DEVPROP else f"0x{kind:08x}")


def decode(kind: int, raw: bytes) -> Decoded:
    """The value as text, number, list of texts or, where the type says nothing more, bytes. Never raises.

    A number shorter than its type says is returned as the bytes that are there: a value that was cut is not a number.
    """
    if kind in (REG_SZ, REG_EXPAND_SZ, REG_LINK):
        return string(raw)
    if kind == REG_MULTI_SZ:
        return strings(raw)
    if kind == REG_DWORD:
        return _integer("<I", raw)
    if kind == REG_DWORD_BE:
        return _integer(">I", raw)
    if kind == REG_QWORD:
        return _integer("<Q", raw)
    return _device_property(kind & 0xFFFF, raw) if kind >= _DEVPROP else raw


def string(raw: bytes) -> str:
    """UTF-16LE up to the first NUL (what Windows shows; the raw bytes keep the rest); lone surrogates stay.

    Some programs store ASCII bytes under a string type. Such bytes would read as Chinese characters; they are taken
    as ASCII when there are enough of them, all are printable, and no UTF-16 terminator follows.
    """
    if _looks_ascii(raw):
        return raw.rstrip(b"\x00").decode("ascii")
    return _utf16(raw).partition("\x00")[0]


def strings(raw: bytes) -> tuple[str, ...]:
    """The texts of a list: split at NUL, the empty ones at its end dropped, empty ones inside kept."""
    parts = _utf16(raw).split("\x00")
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


def as_text(value: Decoded) -> str:
    """One text for any decoded value: numbers in decimal, lists one text a line, bytes in hex."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    return "\n".join(value) if isinstance(value, tuple) else str(value)


def _utf16(raw: bytes) -> str:
    return raw[: len(raw) & ~1].decode("utf-16-le", "surrogatepass")


def _looks_ascii(raw: bytes) -> bool:
    text = raw.rstrip(b"\x00")
    if len(text) < _ASCII_MINIMUM or len(raw) - len(text) > 1:
        return False
    return all(0x20 <= byte < 0x7F or byte in b"\t\r\n" for byte in text)


def _integer(layout: str, raw: bytes) -> int | bytes:
    size = struct.calcsize(layout)
    if len(raw) < size:
        return raw
    number: int = struct.unpack_from(layout, raw)[0]
    return number


def _device_property(kind: int, raw: bytes) -> Decoded:
    if kind in _DEVPROP_STRINGS:
        return _utf16(raw).partition("\x00")[0]
    if kind == _DEVPROP_STRING_LIST:
        return strings(raw)
    if kind == _DEVPROP_GUID and len(raw) == 16:
        return "{" + str(uuid.UUID(bytes_le=raw)) + "}"
    layout = _DEVPROP_INTEGERS.get(kind)
    return _integer(layout, raw) if layout else raw
