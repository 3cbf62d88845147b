"""Sparse uploads: a file whose holes were left out, and the index that says where its parts belong.

Velociraptor writes `X.idx` beside `X`: `{"ranges": [{"file_offset", "original_offset", "file_length", "length"}]}`,
where `file_length` 0 is a hole (Velociraptor, `uploads/sparse.go`). The hole that a change journal begins with stays
out, as other collectors and our image layer leave it out: gigabytes of zeros tell nothing.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from dissect.util.stream import AlignedStream

if TYPE_CHECKING:
    from forensics.evidence.members import Member

_INDEX_LIMIT = 16 * 1024 * 1024
_MOST = 16 * 1024**4


class Range(NamedTuple):
    """A stretch of the original: its offset there, its length, its offset in what was uploaded (None: a hole)."""

    original: int
    length: int
    stored: int | None


def ranges_of(opener: Callable[[], BinaryIO], size: int) -> list[Range]:
    """The ranges of an index, checked against the size of what was uploaded; raises ValueError when they lie.

    The last range may claim more than was uploaded: the upload was cut, and what is missing reads as zeros.
    """
    with opener() as handle:
        document = json.loads(handle.read(_INDEX_LIMIT))
    found = document.get("ranges") if isinstance(document, dict) else None
    ranges = [_range(item) for item in found] if isinstance(found, list) else []
    at = 0
    for item in ranges:
        if item.original != at or item.length < 0:
            raise ValueError(f"a range at {item.original} does not follow the one before it, which ends at {at}")
        if item.stored is not None and not 0 <= item.stored <= size:
            raise ValueError(f"a range at {item.stored} is not in the {size} bytes uploaded")
        at += item.length
    if not ranges or at > _MOST:
        raise ValueError(f"{len(ranges)} ranges, {at} bytes")
    return ranges


def _range(item: Any) -> Range:  # noqa: ANN401  # JSON
    if not isinstance(item, dict):
        raise ValueError("a range is no object")
    # Members that are 0 are left out.
    offset, original, stored, length = (
        _number(item.get(name, 0)) for name in ("file_offset", "original_offset", "file_length", "length")
    )
    return Range(original, length, offset if stored else None)


def _number(value: Any) -> int:  # noqa: ANN401  # JSON
    if type(value) is not int:
        raise ValueError(f"{str(value)[:40]!r} is no number of bytes")
    return value


def missing(ranges: list[Range], size: int) -> int:
    """How many bytes the ranges claim beyond the `size` bytes that were uploaded."""
    return max(0, max((item.stored + item.length for item in ranges if item.stored is not None), default=0) - size)


def expanded(member: Member, ranges: list[Range]) -> Member:
    """The member with its holes put back, but for those that it begins with."""
    first = next((index for index, item in enumerate(ranges) if item.stored is not None), len(ranges))
    start = sum(item.length for item in ranges[:first])
    kept = [item._replace(original=item.original - start) for item in ranges[first:]]
    size = sum(item.length for item in kept)
    if all(item.stored == item.original for item in kept):
        return member  # what was uploaded is what there is
    return replace(member, size=size, open=lambda: cast("BinaryIO", Sparse(member.open(), kept, size)))


class Sparse(AlignedStream):  # type: ignore[misc]  # dissect carries no types
    """A stream over ranges of another one, zeros between them."""

    def __init__(self, fh: BinaryIO, ranges: list[Range], size: int) -> None:
        super().__init__(size)
        self._fh = fh
        self._ranges = ranges
        self._starts = [item.original for item in ranges]

    def _read(self, offset: int, length: int) -> bytes:
        parts: list[bytes] = []
        end = min(offset + length, self.size)
        while offset < end:
            item = self._ranges[bisect_right(self._starts, offset) - 1]
            skip = offset - item.original
            take = min(item.length - skip, end - offset)
            if take <= 0:
                break
            parts.append(self._stored(item.stored + skip, take) if item.stored is not None else bytes(take))
            offset += take
        return b"".join(parts)

    def _stored(self, offset: int, length: int) -> bytes:
        self._fh.seek(offset)
        data = self._fh.read(length)
        return data.ljust(length, b"\x00")

    def close(self) -> None:
        """Close what it reads from."""
        super().close()
        self._fh.close()
