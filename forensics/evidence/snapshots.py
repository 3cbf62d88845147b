"""Volume shadow copies of an image's Windows volume: each is the same volume as it was, read as a tree of its own.

libvshadow reads them: of a public image with two snapshots both file systems open and hold the files they should. The
module in dissect.volume calls itself unfinished; it lists the two, but neither opens as a file system (a test holds
both). `vss1` is the oldest.
"""

from __future__ import annotations

from typing import Any

import pyvshadow
from dissect.target import filesystem
from dissect.util.stream import AlignedStream

from forensics.evidence.base import SNAPSHOT, Refusal
from forensics.evidence.imagetree import DAMAGE, ImageTree

_MOST = 512  # Windows itself keeps at most 64, a server 512


class _Snapshot(AlignedStream):  # type: ignore[misc]  # dissect carries no types
    """The volume as one snapshot has it."""

    def __init__(self, store: Any) -> None:  # noqa: ANN401  # libvshadow carries none either
        super().__init__(store.volume_size)
        self._store = store

    def _read(self, offset: int, length: int) -> bytes:
        self._store.seek(offset)
        return bytes(self._store.read(min(length, self.size - offset)))


def snapshot_trees(live: ImageTree, refusals: list[Refusal]) -> list[ImageTree]:
    """The trees of all snapshots of a volume, oldest first; what cannot be read is added to `refusals`."""
    found: list[ImageTree] = []
    for number, (store, moment) in enumerate(_stores(live, refusals), 1):
        name = f"vss{number}"
        try:
            stream = _Snapshot(store)
            tree = ImageTree(filesystem.open(stream), live.number, stream)
        except DAMAGE as error:
            refusals.append(Refusal("", "unreadable", f"shadow copy {name} of {moment} cannot be read: {error}"))
            continue
        tree.drive = f"{live.drive}{SNAPSHOT}{name}"
        tree.made = moment
        found.append(tree)
    return found


def count_of(live: ImageTree) -> int:
    """How many shadow copies the volume has, without reading them."""
    return len(_stores(live, []))


def _stores(live: ImageTree, refusals: list[Refusal]) -> list[tuple[Any, str]]:
    """The stores with the time of their making, in that order; none where the volume has no shadow copies."""
    try:
        if not pyvshadow.check_volume_signature_file_object(live.stream):
            return []
        volume = pyvshadow.volume()
        volume.open_file_object(live.stream)
        live.keep.append(volume)  # the stores read through it
        stores = [volume.get_store(index) for index in range(min(volume.number_of_stores, _MOST))]
        timed = [(store.get_creation_time_as_integer(), store) for store in stores]
        timed.sort(key=lambda item: item[0])
        return [(store, f"{store.creation_time}Z") for _, store in timed]
    except DAMAGE as error:
        refusals.append(Refusal("", "unreadable", f"the volume's shadow copies cannot be listed: {error}"))
        return []
