"""The list of settings of a Beacon as `formats/beaconconfig.py` tells it, in a file that is no program.

It is held against dissect.cobaltstrike's own search and reading (tests/artifacts/test_beacon_files.py).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

PUBLIC_KEY = (
    bytes.fromhex("30819f300d06092a864886f70d010101050003818d0030818902818100")
    + bytes(range(0x80, 0x100))
    + bytes.fromhex("0203010001")
)  # a key in form, of no use: its modulus is a row of numbers
Settings = Mapping[int, int | str | bytes]
SHORTS = frozenset({1, 2, 5, 6, 31, 35, 38, 39, 50})
SETTINGS: Settings = {
    1: 8, 2: 443, 3: 60000, 4: 1048576, 5: 37, 7: PUBLIC_KEY, 8: "192.0.2.1,/ca,c2.example,/load",
    9: "Mozilla/5.0 (Windows NT 10.0)", 10: "/submit.php", 15: "\\\\.\\pipe\\msagent_a1",
    29: "%windir%\\syswow64\\rundll32.exe", 30: "%windir%\\sysnative\\dllhost.exe", 37: 305419896,
}  # fmt: skip
_ROOM = {7: 256, 8: 256, 9: 256, 10: 64, 15: 128, 29: 64, 30: 64}
USUAL_TYPES = (1, 2, 3)


def packed(settings: Settings = SETTINGS, key: int | bytes = 0x2E, types: tuple[int, int, int] = USUAL_TYPES) -> bytes:
    """The list, XORed, filled to its 4096 bytes. `types`: the numbers of short, int and bytes."""
    short, number, several = types
    out = b""
    for index, value in settings.items():
        if isinstance(value, int):
            kind, raw = (short, struct.pack(">H", value)) if index in SHORTS else (number, struct.pack(">I", value))
        else:
            text = value.encode() if isinstance(value, str) else value
            kind, raw = several, text.ljust(_ROOM.get(index, len(text)), b"\x00")
        out += struct.pack(">HHH", index, kind, len(raw)) + raw
    return masked(out.ljust(4096, b"\x00"), bytes([key]) if isinstance(key, int) else key)


def masked(data: bytes, key: bytes) -> bytes:
    """The bytes XORed with a key that repeats."""
    return bytes(byte ^ key[at % len(key)] for at, byte in enumerate(data))


def in_a_file(
    settings: Settings = SETTINGS, key: int | bytes = 0x2E, types: tuple[int, int, int] = USUAL_TYPES
) -> bytes:
    """The list between other bytes."""
    return b"MZ no program " + bytes(3000) + packed(settings, key, types) + bytes(range(256)) * 4


def encoded(payload: bytes, nonce: bytes = b"\x13\x37\xc0\xde") -> bytes:
    """The payload as a stager has it: nonce, size, and each 4 bytes XORed with the 4 that were written before."""
    out = bytearray(nonce)
    for at in range(0, len(payload), 4):
        out += masked(payload[at : at + 4], bytes(out[-4:]))
    return b"\xfc\xe8" + nonce + masked(struct.pack("<I", len(payload)), nonce) + bytes(out[4:])
