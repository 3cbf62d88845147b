"""How long the media should be: what its partition table and its file systems say, against what the image has.

A copy that was cut short opens without a word, and what lay behind the cut looks as if it had never been. The partition
table says where the last partition ends (GPT: UEFI specification 5.3, a header whose CRC-32 is right is believed;
MBR: four entries from 446, u32 first sector at 8, u32 sectors at 12), a file system's boot sector how many sectors it
has (NTFS u64 at 40, exFAT u64 at 72, FAT u16 at 19 or u32 at 32; bytes a sector u16 at 11, exFAT a power of 2 at 108).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from forensics.evidence.extents import Disk

_SECTOR_SIZES = (512, 4096)
_MOST_ENTRIES = 1024
_MOST = 1 << 56


class Claim(NamedTuple):
    """Something of the media ends there."""

    end: int
    what: str


def completed(media: Any) -> Any:  # noqa: ANN401  # any media
    """The media, or the media with zeros up to where it should end; what is missing is among the `faults`."""
    size = int(media.size)
    claim = max(claims(media), default=Claim(0, ""))
    if claim.end <= size:
        return media
    why = (
        f"the image ends at byte {size:,} of its media, but {claim.what} goes on to byte {claim.end:,}: the last "
        f"{claim.end - size:,} bytes are missing, it was cut or not copied to its end"
    )
    return Disk(media.__type__, media, faults=[why], below=media, whole=claim.end)


def claims(media: Any) -> Iterator[Claim]:  # noqa: ANN401
    """Where the partitions and file systems of the media end."""
    first = _at(media, 0, 512)
    if own := volume_length(first):
        yield Claim(own, "its file system")
        return
    for number, (start, end) in enumerate([*_gpt(media)] or [*_mbr(first)], 1):
        yield Claim(end, f"partition {number}")
        if start < media.size and (length := volume_length(_at(media, start, 512))):
            yield Claim(start + length, f"the file system of partition {number}")


def volume_length(boot: bytes) -> int:
    """The bytes that a file system says it has; 0 for what is none that says so."""
    if len(boot) < 512 or boot[510:] != b"\x55\xaa":
        return 0
    bytes_a_sector = int.from_bytes(boot[11:13], "little")
    if boot[3:11] == b"EXFAT   ":
        shift = boot[108]
        return _sane(int.from_bytes(boot[72:80], "little") << shift) if 9 <= shift <= 12 else 0
    if bytes_a_sector not in (512, 1024, 2048, 4096):
        return 0
    if boot[3:11] == b"NTFS    ":
        return _sane(int.from_bytes(boot[40:48], "little") * bytes_a_sector)
    if boot[54:57] == b"FAT" or boot[82:85] == b"FAT":
        few, many = int.from_bytes(boot[19:21], "little"), int.from_bytes(boot[32:36], "little")
        return (few or many) * bytes_a_sector
    return 0


def _sane(length: int) -> int:
    return length if length < _MOST else 0


def _at(media: Any, offset: int, length: int) -> bytes:  # noqa: ANN401
    media.seek(offset)
    return bytes(media.read(length))


def _gpt(media: Any) -> Iterator[tuple[int, int]]:  # noqa: ANN401
    """First byte and end of every GPT partition."""
    for sector in _SECTOR_SIZES:
        head = _at(media, sector, 512)
        if head[:8] != b"EFI PART" or len(head) < 92:
            continue
        length, stated = struct.unpack_from("<II", head, 12)
        if not 92 <= length <= 512 or zlib.crc32(head[:16] + bytes(4) + head[20:length]) != stated:
            continue
        place, count, size = struct.unpack_from("<QII", head, 72)
        if not 128 <= size <= 4096 or place * sector >= media.size:
            continue
        table = _at(media, place * sector, min(count, _MOST_ENTRIES) * size)
        for entry in (table[at : at + size] for at in range(0, len(table) - size + 1, size)):
            first, last = struct.unpack_from("<QQ", entry, 32)
            if any(entry[:16]) and first <= last < _MOST // sector:
                yield first * sector, (last + 1) * sector
        return


def _mbr(first: bytes) -> Iterator[tuple[int, int]]:
    """First byte and end of every primary or extended partition of an MBR; a GPT's protective one says nothing."""
    if first[510:] != b"\x55\xaa" or any(first[446 + 16 * number] not in (0, 0x80) for number in range(4)):
        return
    for number in range(4):
        kind = first[446 + 16 * number + 4]
        start, count = struct.unpack_from("<II", first, 446 + 16 * number + 8)
        if kind not in (0, 0xEE) and start and count:
            yield start * 512, (start + count) * 512
