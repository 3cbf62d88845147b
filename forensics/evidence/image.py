"""Disk images: containers, partitions and file systems by dissect.target's own layers, without its Target.

Opening a Target costs two seconds of plugin registration and succeeds on unusable input; the container, volume and
file system layers below it cost a tenth and raise. A volume counts as Windows when it has Windows/System32. An image
that holds a collection instead (KAPE's VHDX, a logical AD1) is read as that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from dissect.target import container, filesystem, volume

from forensics.evidence import ad1, bitlocker
from forensics.evidence.assemble import assembled
from forensics.evidence.base import EvidenceError, Opening, Refusal
from forensics.evidence.ewf import segments_of
from forensics.evidence.ewf_media import EwfMedia
from forensics.evidence.imagetree import DAMAGE, ImageTree
from forensics.evidence.layout import decoded
from forensics.evidence.logical import members_of
from forensics.evidence.members import Member
from forensics.evidence.opened import OpenedEvidence
from forensics.evidence.snapshots import snapshot_trees

_MOST_FILES = 2_000_000


@dataclass(slots=True)
class Volumes:
    """What the volumes of an image turned out to be."""

    trees: list[ImageTree] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    locked: bool = False


def open_image(path: Path, opening: Opening, depth: int = 0) -> OpenedEvidence:
    """Open a split E01, raw, split raw, VMDK, VHD, VHDX, VDI, QCOW2 or AD1 image that holds Windows or a collection."""
    disk = media_of(path)
    if isinstance(disk, ad1.Image):
        return _logical(path, disk, opening, depth)
    kind = f"{getattr(disk, '__type__', 'raw')} image"
    found = _volumes_of(disk, opening)
    windows = [tree for tree in found.trees if tree.has_windows()]
    if not windows:
        return _collection(path, kind, found, opening, depth)
    chosen = _chosen(path, windows, opening)
    _letter(found.trees, chosen)
    trees = [*found.trees, *(snapshot_trees(chosen, chosen.refusals) if opening.snapshots else ())]
    opened = OpenedEvidence(path.name, kind, trees, [Refusal("", "unreadable", note) for note in found.notes])
    opened.damage = getattr(disk, "damage", None)
    opened.chunk_size = getattr(disk, "chunk_size", 0)
    return opened


def media_of(path: Path) -> Any:  # noqa: ANN401  # dissect carries no types
    """The media inside a container, as a stream; an AD1 holds files and no media and is given as it is."""
    with path.open("rb") as handle:
        magic = handle.read(16)
    if magic[:4] in (b"EVF2", b"LEF2"):
        raise EvidenceError(f"{path} is an Ex01/Lx01 image, which no open library reads; convert it to E01 first")
    if magic[:3] == b"LVF":
        raise EvidenceError(f"{path} is an L01 image of single files, which is not read; export them to a folder")
    if magic[:8] == ad1.LOCKED:
        raise EvidenceError(f"{path} is an encrypted AD1, which is not read; decrypt it with FTK Imager first")
    try:
        if magic[:3] == b"EVF":
            return EwfMedia(segments_of(path))
        if magic == ad1.MAGIC:
            return ad1.Image(path)
        return container.open(path)
    except DAMAGE as error:
        cause = error.__cause__ or error
        raise EvidenceError(f"{path} cannot be opened as an image: {cause}", integrity=True) from error


def _volumes_of(disk: Any, opening: Opening) -> Volumes:  # noqa: ANN401
    found = Volumes()
    for number, stream in enumerate(_volumes(disk)):
        tree, note = _tree(stream, number, opening, found)
        if note:
            found.notes.append(note)
        if tree:
            found.trees.append(tree)
    return found


def _volumes(disk: Any) -> list[Any]:  # noqa: ANN401
    try:
        parts = list(volume.open(disk).volumes)
    except DAMAGE:
        parts = []  # no partition table: the image is one volume, as of a logical drive
    return parts or [disk]


def _tree(stream: Any, number: int, opening: Opening, found: Volumes) -> tuple[ImageTree | None, str]:  # noqa: ANN401
    try:
        stream.seek(0)
        boot = stream.read(512)
        stream.seek(0)
        if bitlocker.is_locked(boot):
            stream, why = bitlocker.unlocked(stream, opening.keys)
            if stream is None:
                found.locked = True
                return None, f"volume {number} is locked by BitLocker: {why}"
        elif not boot.strip(b"\x00"):
            return None, ""
        return ImageTree(filesystem.open(stream), number, stream), ""
    except DAMAGE as error:
        return None, f"volume {number} has no readable file system: {error}"


def _chosen(path: Path, windows: list[ImageTree], opening: Opening) -> ImageTree:
    numbers = ", ".join(str(tree.number) for tree in windows)
    if opening.volume is not None:
        for tree in windows:
            if tree.number == opening.volume:
                return tree
        raise EvidenceError(f"{path} has no Windows on volume {opening.volume}; it has on {numbers}")
    if len(windows) > 1:
        raise EvidenceError(
            f"{path} holds {len(windows)} Windows installations (volumes {numbers}); choose one with --os-volume"
        )
    return windows[0]


def _letter(trees: list[ImageTree], windows: ImageTree) -> None:
    """Name the drives: the Windows volume is C:, the others follow in disk order (an assumption, not a record)."""
    letters = iter("DEFGHIJKLMNOPQRSTUVWXYZ")
    for tree in trees:
        tree.drive = "C:" if tree is windows else f"{next(letters, '#')}:"


# -- an image of collected files -----------------------------------------------------------------------------------


def _logical(path: Path, image: ad1.Image, opening: Opening, depth: int) -> OpenedEvidence:
    """The files of an AD1."""
    refusals: list[Refusal] = []
    return _assembled(path, "AD1 container", members_of(image, refusals), refusals, opening, depth)


def _collection(path: Path, kind: str, found: Volumes, opening: Opening, depth: int) -> OpenedEvidence:
    """A KAPE container or a logical image: its files are a collection's members."""
    refusals = [Refusal("", "unreadable", note) for note in found.notes]
    if found.locked:
        raise EvidenceError(f"{path} holds no Windows installation that can be read ({'; '.join(found.notes)})")
    members = [member for tree in found.trees for member in _members(tree, refusals)]
    if not members:
        why = f" ({'; '.join(found.notes)})" if found.notes else ""
        why = why or ("" if found.trees else " (no file system was found in it)")
        raise EvidenceError(f"{path} holds no Windows installation{why}")
    # What is not in a container was not collected.
    return _assembled(path, kind.replace(" image", " container"), members, refusals, opening, depth)


def _assembled(
    path: Path, kind: str, members: list[Member], refusals: list[Refusal], opening: Opening, depth: int
) -> OpenedEvidence:
    from forensics.evidence.containers import open_member

    return assembled(
        str(path), kind, members, refusals, opening, lambda member, how: open_member(path, member, how, depth + 1)
    )


def _members(tree: ImageTree, refusals: list[Refusal]) -> Iterator[Member]:
    for count, (name, size) in enumerate(tree.every_file()):
        if count >= _MOST_FILES:
            refusals.append(Refusal("", "budget", f"more than {_MOST_FILES} files"))
            return
        parts = tuple(part for part in name.split("/") if part)
        yield Member(decoded(parts), size, _opener(tree, name))
    refusals.extend(tree.refusals)


def _opener(tree: ImageTree, name: str) -> Callable[[], BinaryIO]:
    return lambda: tree.open(name)
