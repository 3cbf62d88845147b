"""The index of an NTFS folder: is it whole, and where do its entries lead.

A folder's names are a B-tree in blocks of 4 KiB; a bitmap in the folder's record says which blocks are in use. A block
that was lost (zeroed by a bad sector, overwritten) takes its names with it and nothing else shows it: the readers pass
over what does not begin with `INDX`. So every block that is in use is looked at. Structures after the published NTFS
documentation of the linux-ntfs project.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from dissect.ntfs.exceptions import Error as NtfsError
from dissect.ntfs.util import segment_reference
from dissect.target.exceptions import Error as TargetError

from forensics.evidence.base import DAMAGE as PLAIN_DAMAGE

DAMAGE = (TargetError, *PLAIN_DAMAGE)
_NAMES = "$I30"
_BITMAP = 0xB0
_SECTOR = 512
_HEADER = 24  # of a block, before the header of its entries
_END = 2
_MOST_BLOCKS = 262_144  # 1 GiB of names


class Named(NamedTuple):
    """What an index says of one name: the spelling there, the MFT record, whether it is a folder."""

    name: str
    number: int
    folder: bool


def fault_of(record: Any) -> str:  # noqa: ANN401  # dissect's MftRecord
    """What is wrong with the folder's index, in words; "" when every block that is in use is sound."""
    try:
        index = record.index(_NAMES)
        size = int(index.root.bytes_per_index_buffer)
        used = _in_use(record)
    except DAMAGE as error:
        return f"its index cannot be opened: {said(error)}"
    if not 512 <= size <= 65_536:
        return f"its index names blocks of {size} bytes"
    bad: list[str] = []
    for number in used[:_MOST_BLOCKS]:
        try:
            index._index_stream.seek(number * size)
            why = _block_fault(index._index_stream.read(size), size)
        except DAMAGE as error:
            why = f"cannot be read: {said(error)}"
        if why:
            bad.append(f"block {number} {why}")
    return f"{len(bad)} of the {len(used)} blocks of its index are damaged: {bad[0]}" if bad else ""


def said(error: BaseException) -> str:
    """The cause of an error in words, never empty."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__


def _in_use(record: Any) -> list[int]:  # noqa: ANN401
    """The numbers of the index blocks that the bitmap says are in use; a small folder has no blocks."""
    try:
        bits = record.open(_NAMES, _BITMAP).read(_MOST_BLOCKS // 8)
    except DAMAGE as error:
        if "FileNotFound" in type(error).__name__:
            return []
        raise
    return [at * 8 + bit for at, byte in enumerate(bits) if byte for bit in range(8) if byte >> bit & 1]


def _block_fault(block: bytes, size: int) -> str:
    if len(block) < size:
        return "lies beyond the end of the index"
    if block[:4] != b"INDX":
        return "is zeroed" if not block.strip(b"\x00") else f"begins with {block[:4]!r}"
    guard_at, guards = struct.unpack_from("<HH", block, 4)
    if guards != size // _SECTOR + 1 or guard_at + 2 * guards > _SECTOR:
        return f"has an update sequence of {guards} for {size // _SECTOR} sectors"
    mark, whole = block[guard_at : guard_at + 2], bytearray(block)
    for sector in range(1, guards):
        end = sector * _SECTOR
        if block[end - 2 : end] != mark:
            return f"was torn in sector {sector}"
        whole[end - 2 : end] = block[guard_at + 2 * sector : guard_at + 2 * sector + 2]
    return _entries_fault(whole)


def _entries_fault(block: bytearray) -> str:
    """Whether the entries lead one to the next up to the one that ends them."""
    first, total = struct.unpack_from("<II", block, _HEADER)
    at, end = _HEADER + first, _HEADER + total
    if end > len(block):
        return f"has entries of {total} bytes"
    while at + 16 <= end:
        length, _, flags = struct.unpack_from("<HHH", block, at + 8)
        if flags & _END:
            return ""
        if length < 16 or length % 8:
            return f"has an entry of {length} bytes"
        at += length
    return "has no last entry"


def lookup(record: Any, name: str) -> Named | None:  # noqa: ANN401
    """Where the index leads for a name, without case; None when a sound way through it ends without.

    Raises what DAMAGE names when the way is damaged.
    """
    try:
        return _named(record.index(_NAMES).search(name))
    except KeyError:
        return None


def listed(record: Any) -> list[Named]:  # noqa: ANN401
    """Every name that the sound blocks of the index hold, 8.3 twins too.

    Blocks that the bitmap calls free are passed over: Windows leaves the names of deleted files standing in them, and
    the library reads them along.
    """
    index = record.index(_NAMES)
    found = [_named(entry) for entry in index.root.entries() if not entry.is_end and entry.attribute is not None]
    for number in _in_use(record)[:_MOST_BLOCKS]:
        found += _in_block(index, number)
    return found


def _in_block(index: Any, number: int) -> list[Named]:  # noqa: ANN401
    found: list[Named] = []
    try:
        block = index.index_buffer(number * int(index.root.bytes_per_index_buffer) >> index._vcn_size_shift)
        for entry in block.entries():
            if entry.is_end:
                break
            if entry.attribute is not None:
                found.append(_named(entry))
    except (NtfsError, *DAMAGE):
        return found  # `fault_of` says which block and why
    return found


def _named(entry: Any) -> Named:  # noqa: ANN401
    told = entry.attribute
    return Named(str(told.file_name), int(segment_reference(entry.header.FileReference)), bool(told.is_dir()))
