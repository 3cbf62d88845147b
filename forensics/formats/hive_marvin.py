"""Marvin32, the checksum of registry transaction logs, fast enough for logs of several megabytes.

Each entry of a log carries this hash over its pages; an entry whose hash does not hold was not written to its end and
must not be applied. python-registry computes it with `ctypes` numbers, which takes most of the time of a replay. Here
the same arithmetic runs over plain integers. Seed and layout:
https://github.com/msuhanov/regf/blob/master/Windows%20registry%20file%20format%20specification.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain

_LOW, _HIGH = 0x7A4E55C5, 0x82EF4D88  # the two halves of the seed that Windows uses for logs
_MASK = 0xFFFFFFFF
_TWICE = 0x100000001  # a word times this stands twice in a row: shifted right, that is a rotation
_BLOCK = 1 << 18  # bytes turned into numbers at a time: a log may be large


def marvin32(data: bytes) -> int:
    """The 64-bit hash of `data` under the seed of transaction logs."""
    low, high = _LOW, _HIGH
    mask, twice = _MASK, _TWICE
    for word in chain(_words(data), (_padding(data), 0)):
        low = low + word & mask
        high ^= low
        low = (low * twice >> 12) + high & mask  # rotated left by 20
        high = (high * twice >> 23 & mask) ^ low  # by 9
        low = (low * twice >> 5) + high  # by 27; masked by the next word's first step
        high = high * twice >> 13 & mask  # by 19
    return high << 32 | low & mask


def _words(data: bytes) -> Iterator[int]:
    whole = len(data) & ~3
    return chain.from_iterable(
        struct.unpack_from(f"<{min(_BLOCK, whole - at) // 4}I", data, at) for at in range(0, whole, _BLOCK)
    )


def _padding(data: bytes) -> int:
    """The last word: the bytes that fill no word, then 0x80. Of several such bytes the last one counts.

    That is python-registry's reading; entries are multiples of 512 bytes long, so it never matters in a log.
    """
    return 0x8000 | data[-1] if len(data) % 4 else 0x80
