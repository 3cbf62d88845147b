"""Writes the version resource of a program (VS_VERSIONINFO with one table of texts, English in UTF-16).

Layout: https://learn.microsoft.com/windows/win32/menurc/vs-versioninfo
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

_FIXED = struct.pack("<13I", 0xFEEF04BD, 0x10000, 0xA0000, 0, 0xA0000, 0, 0x3F, 0, 0x40004, 1, 0, 0, 0)
_LANGUAGE = "040904B0"  # US English, UTF-16


def build(texts: Mapping[str, str]) -> bytes:
    """The resource with these texts (`CompanyName`, `OriginalFilename`, ...)."""
    table = _block(_LANGUAGE, b"", 0, 1, *(_text(name, value) for name, value in texts.items()))
    strings = _block("StringFileInfo", b"", 0, 1, table)
    return _block("VS_VERSION_INFO", _FIXED, len(_FIXED), 0, strings)


def _text(name: str, value: str) -> bytes:
    data = f"{value}\0".encode("utf-16-le")
    return _block(name, data, len(data) // 2, 1)


def _block(name: str, value: bytes, length: int, kind: int, *children: bytes) -> bytes:
    head = _padded(bytes(6) + f"{name}\0".encode("utf-16-le"))
    body = head + value
    for child in children:
        body = _padded(body) + child
    return struct.pack("<HHH", len(body), length, kind) + body[6:]


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
