"""Disk images: containers, partitions and file systems by dissect.target's own layers, without its Target.

Opening a Target costs two seconds of plugin registration and succeeds on unusable input; the container, volume and
file system layers below it cost a tenth and raise. A volume counts as Windows when it has Windows/System32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dissect.target import container, filesystem, volume

from forensics.evidence.base import EvidenceError, Opening, Refusal
from forensics.evidence.ewf import segments_of
from forensics.evidence.imagetree import DAMAGE, ImageTree
from forensics.evidence.opened import OpenedEvidence

_LOCKED = {b"-FVE-FS-": "BitLocker"}


def open_image(path: Path, opening: Opening) -> OpenedEvidence:
    """Open a split E01, raw, split raw, VMDK, VHD, VHDX, VDI or QCOW2 image that holds Windows."""
    disk = _container(path)
    trees, notes = [], []
    for number, stream in enumerate(_volumes(disk)):
        tree, note = _tree(stream, number)
        notes.append(note) if note else None
        if tree:
            trees.append(tree)
    windows = [tree for tree in trees if tree.has_windows()]
    if not windows:
        raise EvidenceError(f"{path} holds no Windows installation{_why(notes, trees)}")
    if len(windows) > 1:
        raise EvidenceError(
            f"{path} holds {len(windows)} Windows installations (volumes "
            f"{', '.join(str(tree.number) for tree in windows)}); open one of them as an image of its own"
        )
    _letter(trees, windows[0])
    windows[0].refusals.extend(Refusal("", "unreadable", note) for note in notes)
    return OpenedEvidence(path.name, f"{getattr(disk, '__type__', 'raw')} image", trees)


def _why(notes: list[str], trees: list[ImageTree]) -> str:
    if notes:
        return f" ({'; '.join(notes)})"
    return "" if trees else " (no file system was found in it)"


def _container(path: Path) -> Any:  # noqa: ANN401  # dissect carries no types
    with path.open("rb") as handle:
        magic = handle.read(8)
    if magic[:4] in (b"EVF2", b"LEF2"):
        raise EvidenceError(f"{path} is an Ex01/Lx01 image, which no open library reads; convert it to E01 first")
    try:
        if magic[:3] == b"EVF":
            return container.open([part.open("rb") for part in segments_of(path)])
        return container.open(path)
    except DAMAGE as error:
        cause = error.__cause__ or error
        raise EvidenceError(f"{path} cannot be opened as an image: {cause}", integrity=True) from error


def _volumes(disk: Any) -> list[Any]:  # noqa: ANN401
    try:
        parts = list(volume.open(disk).volumes)
    except DAMAGE:
        parts = []  # no partition table: the image is one volume, as of a logical drive
    return parts or [disk]


def _tree(stream: Any, number: int) -> tuple[ImageTree | None, str]:  # noqa: ANN401
    try:
        stream.seek(0)
        boot = stream.read(512)
        stream.seek(0)
        if boot[3:11] in _LOCKED:
            return None, f"volume {number} is locked by {_LOCKED[boot[3:11]]}"
        if not boot.strip(b"\x00"):
            return None, ""
        return ImageTree(filesystem.open(stream), number), ""
    except DAMAGE as error:
        return None, f"volume {number} has no readable file system: {error}"


def _letter(trees: list[ImageTree], windows: ImageTree) -> None:
    """Name the drives: the Windows volume is C:, the others follow in disk order (an assumption, not a record)."""
    letters = iter("DEFGHIJKLMNOPQRSTUVWXYZ")
    for tree in trees:
        tree.drive = "C:" if tree is windows else f"{next(letters, '#')}:"
