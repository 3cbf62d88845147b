"""Values that ESE stores compressed: seven bits a character, or Microsoft's plain LZ77.

The first byte's upper five bits name the scheme. Seven bits: 1 for bytes, 2 for characters of UTF-16; the lower three
bits of the first byte tell how many bits of the last byte count, less one. LZ77 (3): two bytes with the size follow,
then [MS-XCA] 2.4. Two later schemes (5, 6: Xpress9 and Xpress10, of Exchange and of new Windows versions) are not
read. Source: Microsoft's published source of ESE, `compression.cxx`; [MS-XCA].
"""

from __future__ import annotations

import struct

from forensics.formats import FormatError

_BYTES, _CHARACTERS, _LZ77 = 1, 2, 3


def unpacked(data: bytes) -> bytes:
    """The value; raises FormatError for a scheme that is not known or data that ends early."""
    scheme = data[0] >> 3 if data else 0
    if scheme in (_BYTES, _CHARACTERS):
        return _seven_bits(data, wide=scheme == _CHARACTERS)
    if scheme == _LZ77 and len(data) > 3:
        return lz77(data[3:], struct.unpack_from("<H", data, 1)[0])
    raise FormatError(f"compressed by the unknown scheme {scheme}")


def _seven_bits(data: bytes, *, wide: bool) -> bytes:
    bits = 8 * (len(data) - 2) + (data[0] & 7) + 1
    stream = int.from_bytes(data[1:], "little")
    plain = bytes(stream >> 7 * number & 0x7F for number in range(bits // 7))
    return plain.decode("ascii").encode("utf-16-le") if wide else plain


def lz77(data: bytes, size: int) -> bytes:
    """Plain LZ77 of [MS-XCA] 2.4: 32 flags before each 32 literals or matches; at most `size` bytes come out."""
    out = bytearray()
    place, flags, left, half = 0, 0, 0, 0
    try:
        while len(out) < size and place < len(data):
            if not left:
                (flags,) = struct.unpack_from("<I", data, place)
                place, left = place + 4, 32
                continue
            left -= 1
            if not flags >> left & 1:
                out.append(data[place])
                place += 1
                continue
            (pair,) = struct.unpack_from("<H", data, place)
            length, place, half = _length(data, pair & 7, place + 2, half)
            _repeat(out, (pair >> 3) + 1, min(length, size - len(out)))
    except (struct.error, IndexError) as error:
        raise FormatError(f"compressed data ends after {len(out)} of {size} bytes") from error
    if len(out) < size:
        raise FormatError(f"compressed data gives {len(out)} of {size} bytes")
    return bytes(out)


def _length(data: bytes, length: int, place: int, half: int) -> tuple[int, int, int]:
    """The length of a match: three bits, four more of a byte that two matches share, a byte, a word, a long."""
    if length == 7:
        if half:
            length, half = data[half] >> 4, 0
        else:
            length, half, place = data[place] & 15, place, place + 1
        if length == 15:
            length, place = data[place], place + 1
            if length == 255:
                (length,), place = struct.unpack_from("<H", data, place), place + 2
                if not length:
                    (length,), place = struct.unpack_from("<I", data, place), place + 4
                length -= 15 + 7
            length += 15
        length += 7
    return length + 3, place, half


def _repeat(out: bytearray, distance: int, length: int) -> None:
    if distance > len(out):
        raise FormatError("compressed data points before its start")
    for _ in range(length):
        out.append(out[-distance])
