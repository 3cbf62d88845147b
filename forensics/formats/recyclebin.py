"""`$I` files of the recycle bin: where a deleted file lay, its size, and when it was deleted.

Source of the format: the documentation of libyal ("Windows Recycle.Bin file formats"): version 1 (Vista to 8.1) has a
fixed path of 260 characters, version 2 (10 and later) a counted one.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from forensics.formats import FormatError
from forensics.times import Moment, from_filetime

SIZE_LIMIT = 128 * 1024
_PATH_LIMIT = 32 * 1024


class Recycled(NamedTuple):
    """One entry: the original path, the size in bytes, the time of deletion."""

    path: str
    size: int
    deleted: Moment


def read(data: bytes) -> Recycled:
    """Read a `$I` file; FormatError for an unknown version or a path that is not there."""
    if len(data) < 28:
        raise FormatError("shorter than a header", len(data))
    version, size, ticks = struct.unpack_from("<QQQ", data)
    if version == 1:
        raw = data[24 : 24 + 520]
    elif version == 2:
        (length,) = struct.unpack_from("<I", data, 24)
        if length > _PATH_LIMIT or 28 + 2 * length > len(data):
            raise FormatError("the path is longer than the file", 24)
        raw = data[28 : 28 + 2 * length]
    else:
        raise FormatError(f"unknown version {version}", 0)
    path = raw[: len(raw) & ~1].decode("utf-16-le", "replace").partition("\x00")[0]
    if not path:
        raise FormatError("no path", 24)
    return Recycled(path, size, from_filetime(ticks))
