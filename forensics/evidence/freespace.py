"""The free clusters of an NTFS volume as a stream with the offsets of the volume: what is in use reads as zeros."""

from __future__ import annotations

from typing import Any

from dissect.util.stream import AlignedStream

UNALLOCATED = "$Unallocated"
_MOST_BITMAP = 512 * 1024 * 1024  # bits for 16 TiB of 4 KiB clusters


class FreeSpace(AlignedStream):  # type: ignore[misc]  # dissect has no types
    """The volume with every cluster zeroed that its bitmap says is in use; clusters beyond the bitmap count as used."""

    def __init__(self, volume: Any, bitmap: bytes, cluster: int) -> None:  # noqa: ANN401
        self._volume, self._bitmap, self._cluster = volume, bitmap, cluster
        super().__init__(len(bitmap) * 8 * cluster, align=max(cluster, 64 * 1024))

    def _read(self, offset: int, length: int) -> bytes:
        first, count = offset // self._cluster, -(-length // self._cluster)
        used = [self._is_used(first + index) for index in range(count)]
        if all(used):
            return bytes(length)
        self._volume.seek(offset)
        data = bytearray(self._volume.read(length).ljust(length, b"\x00"))
        for index, taken in enumerate(used):
            if taken:
                at = index * self._cluster
                end = min(at + self._cluster, length)
                data[at:end] = bytes(end - at)
        return bytes(data)

    def _is_used(self, cluster: int) -> bool:
        byte, bit = divmod(cluster, 8)
        return byte >= len(self._bitmap) or bool(self._bitmap[byte] >> bit & 1)


def free_space(ntfs: Any) -> FreeSpace:  # noqa: ANN401
    """The free clusters of a volume of dissect.ntfs."""
    bitmap = ntfs.mft.get(6).open().read(_MOST_BITMAP)
    return FreeSpace(ntfs.fh, bitmap, ntfs.cluster_size)
