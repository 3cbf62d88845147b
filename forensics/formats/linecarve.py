"""Lines of the tunnel CLI's log out of any bytes: a page file, the free clusters of a volume.

The log is truncated at each start, so its older runs are only there. A line begins with a stamp that is rare elsewhere;
only lines whose message the catalogue knows count. A line that another cluster cut off is kept as far as it goes when
that still has a meaning, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from forensics.formats import FormatError
from forensics.formats.tunnellog import Line, parse_line

_BLOCK = 1024 * 1024
_LONGEST = 8 * 1024
_LONG = 1024
_START = re.compile(rb"\[20\d\d-[01]\d-[0-3]\d [0-2]\d:[0-5]\d:[0-5]\d\] (?:trace|debug|info|warn|error|critical) ")
_END = re.compile(rb"[\x00-\x08\x0a-\x1a\x1c-\x1f]")  # tab and the escape of colours may stand in a line


class Carved(NamedTuple):
    """A line, the byte offset where it begins, and whether it ends with a line end (else it was cut off)."""

    offset: int
    line: Line
    whole: bool


def _line(data: bytes, offset: int) -> Carved | None:
    end = _END.search(data)
    if end is None or end.start() > _LONG:  # another line may have been laid over its rest
        other = _START.search(data, 1, end.start() if end else len(data))
        end, data = (None, data[: other.start()]) if other else (end, data)
    raw = data[: end.start()] if end else data
    line = parse_line(raw.decode("utf-8", "replace"))
    if line is None or not line.meaning.known:
        return None
    return Carved(offset, line, end is not None and end.group() in (b"\n", b"\r"))


def carve(fh: BinaryIO) -> Iterator[Carved | FormatError]:
    """Every known line of a stream in bounded memory; a block that cannot be read is said and passed over."""
    size, base, kept = fh.seek(0, 2), 0, b""
    while base < size:
        try:
            fh.seek(base)
            block = fh.read(_BLOCK)
        except (OSError, EOFError, ValueError) as error:
            yield FormatError(f"{_BLOCK} bytes cannot be read: {error}", base)
            base, kept = base + _BLOCK, b""
            continue
        if not block:
            return
        data, start = kept + block, base - len(kept)
        base += len(block)
        # A line that may go on in the next block waits for it.
        limit = len(data) if base >= size else len(data) - _LONGEST
        last = 0
        for found in _START.finditer(data):
            if found.start() >= limit:
                break
            last = found.end()
            if carved := _line(data[found.start() : found.start() + _LONGEST], start + found.start()):
                yield carved
        kept = data[max(limit, last, 0) :]
