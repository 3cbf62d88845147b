"""Disk images: containers, partitions and file systems by dissect.target's own layers, without its Target.

Opening a Target costs two seconds of plugin registration and succeeds on unusable input; the container, volume and
file system layers below it cost a tenth and raise. A volume counts as Windows when it has Windows/System32. An image
that holds a collection instead (KAPE's VHDX, a logical AD1) is read as that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from dissect.hypervisor.exceptions import Error as HypervisorError
from dissect.target import filesystem, volume

from forensics.evidence import ad1, bitlocker
from forensics.evidence.assemble import assembled
from forensics.evidence.base import EvidenceError, Opening, Refusal, SeveralError, reason
from forensics.evidence.disks import open_disk
from forensics.evidence.ewf import segments_of
from forensics.evidence.ewf_media import EwfMedia
from forensics.evidence.imagetree import DAMAGE, ImageTree
from forensics.evidence.layout import decoded
from forensics.evidence.logical import members_of
from forensics.evidence.members import Member
from forensics.evidence.opened import OpenedEvidence
from forensics.evidence.regular import head_of
from forensics.evidence.sizes import completed
from forensics.evidence.snapshots import count_of, snapshot_trees
from forensics.evidence.whose import described

_MOST_FILES = 2_000_000
# Partition types that Windows gives no letter (GPT GUID or MBR number): boot and reserved ones hold none of its files.
_BOOT = frozenset({"c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "e3c9e316-0b5c-4db8-817d-f92df00215ae", "239"})
_RECOVERY = frozenset({"de94bba4-06d1-4d40-a16a-bfd50179d6ac", "39"})
_KINDS = {b"NTFS    ": "NTFS", b"EXFAT   ": "exFAT", b"ReFS\x00\x00\x00\x00": "ReFS"}


@dataclass(slots=True)
class Volumes:
    """What the volumes of an image turned out to be."""

    trees: list[ImageTree] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def notes(self) -> str:
        """Why volumes were not read, as one text."""
        return "; ".join(refusal.why for refusal in self.refusals)

    @property
    def locked(self) -> bool:
        """Whether one of them is locked."""
        return any(refusal.fault == "locked" for refusal in self.refusals)


def open_image(path: Path, opening: Opening, depth: int = 0) -> OpenedEvidence:
    """Open a split E01, raw, split raw, VMDK, VHD, VHDX, VDI, QCOW2 or AD1 image that holds Windows or a collection."""
    disk = media_of(path)
    if isinstance(disk, ad1.Image):
        opened = _logical(path, disk, opening, depth)
        opened.files[:0] = disk.files
        return opened
    disk = completed(disk)
    try:
        opened = _read(path, disk, opening, depth)
    except SeveralError:
        raise
    except EvidenceError as error:
        if not (wrong := _wrong(disk)):
            raise
        raise EvidenceError(f"{error}; {wrong[0]}", integrity=True, password=error.password) from error
    opened.media.append(disk)
    opened.files[:0] = disk.files
    fault = "media_damage" if isinstance(disk, EwfMedia) else "truncated_media"
    opened.own_refusals += [Refusal("", fault, why) for why in disk.faults]
    return opened


def _wrong(disk: Any) -> list[str]:  # noqa: ANN401
    """Why nothing may have been found."""
    try:
        return [*disk.faults, *disk.check(), *disk.touched()]
    except DAMAGE:
        return list(disk.faults)


def _read(path: Path, disk: Any, opening: Opening, depth: int) -> OpenedEvidence:  # noqa: ANN401
    kind = f"{getattr(disk, '__type__', 'raw')} image"
    found = volumes_of(disk, opening)
    windows = [tree for tree in found.trees if tree.has_windows()]
    if not windows:
        return _collection(path, kind, found, opening, depth)
    chosen = _chosen(path, windows, found, opening)
    found.refusals += [_other(tree) for tree in windows if tree is not chosen]
    found.trees = [tree for tree in found.trees if tree is chosen or tree not in windows]
    _letter(found.trees, chosen)
    trees = [*found.trees, *(snapshot_trees(chosen, chosen.refusals) if opening.snapshots else ())]
    opened = OpenedEvidence(path.name, kind, trees, found.refusals)
    opened.whole = True
    if not opening.snapshots and (count := count_of(chosen)):
        copies = f"{count} shadow copies are" if count > 1 else "1 shadow copy is"
        opened.notices.append(f"{copies} there and not read: --vss reads them, too")
    return opened


def media_of(path: Path) -> Any:  # noqa: ANN401  # dissect carries no types
    """The media inside a container, as a stream; an AD1 holds files and no media and is given as it is."""
    try:
        magic = head_of(path, 16)
    except OSError as error:
        raise EvidenceError(f"{path} cannot be opened: {error}") from error
    if magic[:4] in (b"EVF2", b"LEF2"):
        raise EvidenceError(f"{path} is an Ex01/Lx01 image, which no open library reads; convert it to E01 first")
    if magic[:3] == b"LVF":
        raise EvidenceError(f"{path} is an L01 image of single files, which is not read; export them to a folder")
    if magic[:8] == ad1.LOCKED:
        raise EvidenceError(f"{path} is an encrypted AD1, which is not read; decrypt it with FTK Imager first")
    try:
        if magic[:3] == b"EVF":
            return EwfMedia(segments_of(path))
        return ad1.Image(path) if magic == ad1.MAGIC else open_disk(path)
    except (HypervisorError, *DAMAGE) as error:
        raise EvidenceError(f"{path} cannot be opened as an image: {reason(error)}", integrity=True) from error


def volumes_of(disk: Any, opening: Opening) -> Volumes:  # noqa: ANN401
    """The file systems of a disk, and why others could not be read."""
    found = Volumes()
    for number, stream in enumerate(_volumes(disk)):
        read = _tree(stream, number, opening)
        if isinstance(read, ImageTree):
            found.trees.append(read)
        elif read:
            found.refusals.append(read)
    return found


def _volumes(disk: Any) -> list[Any]:  # noqa: ANN401
    try:
        parts = list(volume.open(disk).volumes)
    except DAMAGE:
        parts = []  # no partition table: the image is one volume, as of a logical drive
    return parts or [disk]


def _tree(stream: Any, number: int, opening: Opening) -> ImageTree | Refusal | None:  # noqa: ANN401
    kind, boot = str(getattr(stream, "type", "")), b""
    try:
        stream.seek(0)
        boot = stream.read(512)
        stream.seek(0)
        if bitlocker.is_locked(boot):
            stream, why = bitlocker.unlocked(stream, opening.keys)
            if stream is None:
                return Refusal("", "locked", f"volume {number} is locked by BitLocker: {why}")
        elif not boot.strip(b"\x00") or (kind in _BOOT and _file_system(boot) in ("FAT", "unknown")):
            return None
        tree = ImageTree(filesystem.open(stream), number, stream)
        tree.lettered = kind not in _RECOVERY
    except DAMAGE as error:
        why = f"volume {number} ({_file_system(boot)}) has no readable file system: {reason(error)}"
        return Refusal("", "unreadable", why)
    return tree


def _file_system(boot: bytes) -> str:
    """What a boot sector says that the volume is."""
    if boot[54:57] == b"FAT" or boot[82:85] == b"FAT":
        return "FAT"
    return _KINDS.get(boot[3:11], "unknown")


def _chosen(path: Path, windows: list[ImageTree], found: Volumes, opening: Opening) -> ImageTree:
    if opening.volume is None and len(windows) == 1:
        return windows[0]
    for tree in windows:
        if tree.number == opening.volume:
            return tree
    listed = "; ".join(described(tree) for tree in windows)
    closed = f"; {found.notes}" if found.locked else ""
    if opening.volume is not None:
        raise EvidenceError(
            f"{path} has no Windows on volume {opening.volume} that can be read; it has: {listed}{closed}"
        )
    raise EvidenceError(
        f"{path} holds {len(windows)} Windows installations, choose one with --os-volume: {listed}{closed}"
    )


def _other(tree: ImageTree) -> Refusal:
    """Another installation's logs and profiles are another host's: they must not be read as this one's data drive."""
    why = f"another Windows installation was not read: {described(tree)}; choose it with --os-volume {tree.number}"
    return Refusal("", "not_read", why)


def _letter(trees: list[ImageTree], windows: ImageTree) -> None:
    """Name the drives: the Windows volume is C:, the others follow in disk order, those last that Windows hides.

    The letters are an assumption, not a record.
    """
    letters = iter("DEFGHIJKLMNOPQRSTUVWXYZ")
    for tree in sorted(trees, key=lambda tree: (not tree.lettered, tree.number)):
        tree.drive = "C:" if tree is windows else f"{next(letters, '#')}:"


# -- an image of collected files -----------------------------------------------------------------------------------


def _logical(path: Path, image: ad1.Image, opening: Opening, depth: int) -> OpenedEvidence:
    """The files of an AD1."""
    refusals: list[Refusal] = []
    return _assembled(path, "AD1 container", members_of(image, refusals), refusals, opening, depth)


def _collection(path: Path, kind: str, found: Volumes, opening: Opening, depth: int) -> OpenedEvidence:
    """A KAPE container or a logical image: its files are a collection's members."""
    refusals = found.refusals
    if found.locked:
        raise EvidenceError(f"{path} holds no Windows installation that can be read ({found.notes})")
    members = [member for tree in found.trees for member in _members(tree, refusals)]
    if not members:
        why = f" ({found.notes})" if found.notes else ""
        why = why or ("" if found.trees else " (no file system was found in it)")
        raise EvidenceError(f"{path} holds no Windows installation{why}")
    # What is not in a container was not collected.
    return _assembled(path, kind.replace(" image", " container"), members, refusals, opening, depth)


def _assembled(
    path: Path, kind: str, members: list[Member], refusals: list[Refusal], opening: Opening, depth: int
) -> OpenedEvidence:
    from forensics.evidence.containers import open_member

    return assembled(
        str(path),
        kind,
        members,
        refusals,
        opening,
        partial(open_member, path, depth=depth + 1),
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
