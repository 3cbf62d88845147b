"""Preflight of E01 segments, before a library sees them.

dissect.evidence opens a set with a missing middle segment and returns wrong bytes without a word; it inflates a header
section without a limit; and a `name.txt` beside `name.e01` confuses its search for segments. So the segments are
listed, ordered and checked here. Format: libewf's "Expert Witness Compression Format" documentation; file header
(signature, u8 1, u16 segment number, u16 0) and 76-byte section descriptors (type, next offset, size, Adler-32).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from forensics.evidence.base import EvidenceError
from forensics.evidence.regular import head_of, is_regular, open_regular

_SIGNATURES = (b"EVF\x09\x0d\x0a\xff\x00", b"LVF\x09\x0d\x0a\xff\x00")
_DESCRIPTOR = 76
_MOST_SECTIONS = 100_000
_HEADER_LIMIT = 1024 * 1024
_SUFFIX = re.compile(r"\.[a-z](?:\d\d|[a-z]{2})$", re.IGNORECASE)


def suffix_number(suffix: str) -> int:
    """The segment number that a suffix means: `.E01` 1 ... `.E99` 99, `.EAA` 100, `.EAB` 101 ... `.FAA` 776."""
    first, second, third = tuple(suffix[1:].upper())
    if second.isdigit():
        return int(second + third)
    steps = (ord(first) - ord("E")) * 26 * 26 + (ord(second) - 65) * 26 + (ord(third) - 65)
    return 100 + steps


def segments_of(first: Path) -> list[Path]:
    """All segments of the image that `first` belongs to, in order; raises EvidenceError when the set is broken."""
    found: dict[int, Path] = {}
    for path in sorted(first.parent.iterdir(), key=_spelling(first)):
        same = path.stem.casefold() == first.stem.casefold() and _SUFFIX.fullmatch(path.suffix)
        if same and is_regular(path) and suffix_number(path.suffix) > 0:
            _check_number(path, found)
    found[_number(first)] = first  # whatever its suffix, and before one whose name differs only in case
    last = max(found)
    missing = [str(number) for number in range(1, last) if number not in found]
    if missing:
        raise EvidenceError(
            f"{first.name}: segment {', '.join(missing)} of {last} is missing; the image would read wrong bytes",
            integrity=True,
        )
    _check_chain(found, last)
    return [found[number] for number in range(1, last + 1)]


def _number(path: Path) -> int:
    """The segment number in a segment's header; 0 for what is none."""
    head = head_of(path, 13)
    return int.from_bytes(head[9:11], "little") if len(head) == 13 and head[:8] in _SIGNATURES else 0


def _check_number(path: Path, found: dict[int, Path]) -> None:
    number = _number(path)
    if not number:
        return  # a stranger with a fitting suffix
    if number != suffix_number(path.suffix):
        raise EvidenceError(
            f"{path.name} says that it is segment {number}: the set is renamed or mixed", integrity=True
        )
    found[number] = path


def _spelling(first: Path) -> Callable[[Path], tuple[bool, str]]:
    """An order in which names that are spelled as the first segment's come last, and so win."""
    return lambda path: (path.stem == first.stem, path.name)


def _check_chain(found: dict[int, Path], last: int) -> None:
    for number, path in sorted(found.items()):
        with open_regular(path) as handle:
            ending = _last_section(handle, path)
        if number == last and ending == b"next":
            hint = (
                "" if path.suffix[1:2] in tuple("EeSs") else "; segments are found by their suffixes (.E01, .E02, ...)"
            )
            what = f"{path.name} is not the last segment: segment {last + 1} is missing{hint}"
            raise EvidenceError(what, integrity=True)
        if ending not in (b"next", b"done"):
            raise EvidenceError(f"{path.name} is cut: it ends in section {ending.decode('latin-1')!r}", integrity=True)


def _last_section(handle: BinaryIO, path: Path) -> bytes:
    """Walk the sections (strictly forward, inside the file) and return the type of the last one."""
    size = handle.seek(0, 2)
    offset, kind = 13, b""
    for _ in range(_MOST_SECTIONS):
        handle.seek(offset)
        descriptor = handle.read(_DESCRIPTOR)
        if len(descriptor) < _DESCRIPTOR:
            raise EvidenceError(
                f"{path.name} is cut at offset 0x{offset:x}, inside the image's structure", integrity=True
            )
        kind = descriptor[:16].rstrip(b"\x00")
        following, length = struct.unpack_from("<QQ", descriptor, 16)
        if kind in (b"header", b"header2"):
            _check_header(handle, min(length, size), path)
        if kind in (b"next", b"done"):
            return kind
        if not offset < following <= size:
            raise EvidenceError(
                f"{path.name}: section at offset 0x{offset:x} points to 0x{following:x}", integrity=True
            )
        offset = following
    raise EvidenceError(f"{path.name} has more than {_MOST_SECTIONS} sections", integrity=True)


def _check_header(handle: BinaryIO, length: int, path: Path) -> None:
    """A header section must inflate to at most 1 MiB: 389 KB can hold 400 MB."""
    packed = handle.read(min(max(length - _DESCRIPTOR, 0), _HEADER_LIMIT))
    try:
        inflater = zlib.decompressobj()
        inflater.decompress(packed, _HEADER_LIMIT)
    except zlib.error:
        return  # a damaged description does not harm the data
    if inflater.unconsumed_tail:
        raise EvidenceError(f"{path.name}: the header section inflates to more than 1 MiB", integrity=True)
