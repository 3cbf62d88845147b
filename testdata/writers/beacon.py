"""The list of settings of a Beacon as `formats/beaconconfig.py` tells it, in a file that is no program."""

from __future__ import annotations

import struct
from collections.abc import Mapping

Settings = Mapping[int, int | str | bytes]
SHORTS = frozenset({1, 2, 5, 6, 31, 35, 38, 39, 50})
SETTINGS: Settings = {
    1: 8, 2: 443, 3: 60000, 4: 1048576, 5: 37, 7: bytes(range(256)), 8: "192.0.2.1,/ca,c2.example,/load",
    9: "Mozilla/5.0 (Windows NT 10.0)", 10: "/submit.php", 15: "\\\\.\\pipe\\msagent_a1",
    29: "%windir%\\syswow64\\rundll32.exe", 37: 305419896,
}  # fmt: skip
_ROOM = {8: 256, 9: 256, 10: 64, 15: 128, 29: 64}


def packed(settings: Settings = SETTINGS, key: int = 0x2E) -> bytes:
    """The list, XORed, filled to its 4096 bytes."""
    out = b""
    for index, value in settings.items():
        if isinstance(value, int):
            kind, raw = (1, struct.pack(">H", value)) if index in SHORTS else (2, struct.pack(">I", value))
        else:
            text = value.encode() if isinstance(value, str) else value
            kind, raw = 3, text.ljust(_ROOM.get(index, len(text)), b"\x00")
        out += struct.pack(">HHH", index, kind, len(raw)) + raw
    return bytes(byte ^ key for byte in out.ljust(4096, b"\x00"))


def in_a_file(settings: Settings = SETTINGS, key: int = 0x2E) -> bytes:
    """The list between other bytes."""
    return b"MZ no program " + bytes(3000) + packed(settings, key) + bytes(range(256)) * 4
