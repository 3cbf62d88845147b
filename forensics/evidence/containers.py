"""What a file is, by its content, and who opens it: zip, tar (packed or not), or an image; within each other, too.

A container inside another one is unpacked into the run's scratch folder, under a name of our own, once.
"""

from __future__ import annotations

from pathlib import Path

from forensics.evidence.base import EvidenceError, Opening
from forensics.evidence.members import Member
from forensics.evidence.opened import OpenedEvidence
from forensics.evidence.scratch import unpacked

_DEEPEST = 4
_MAGIC = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"PK\x07\x08": "zip",
    b"\x1f\x8b": "packed",
    b"BZh": "packed",
    b"\xfd7zXZ\x00": "packed",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
}


def kind_of(path: Path) -> str:
    """`zip`, `packed` (gzip, bzip2, xz), `tar`, `7z`, `rar`, or `image` for all else; the suffix does not matter."""
    with path.open("rb") as handle:
        head = handle.read(512)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    return "tar" if _is_tar(head) or path.suffix.casefold() == ".tar" else "image"


def _is_tar(head: bytes) -> bool:
    """A tar header: its own sum of bytes, with the sum's field as spaces (POSIX ustar; older ones have no magic)."""
    if len(head) < 512 or not head[0]:
        return False
    try:
        stated = int(head[148:156].strip(b"\x00 ") or b"x", 8)
    except ValueError:
        return False
    return stated == sum(head[:148]) + 8 * 32 + sum(head[156:])


def open_container(path: Path, opening: Opening, depth: int = 0) -> OpenedEvidence:
    """Open a file as what it is; raises EvidenceError with one sentence for a person."""
    if depth > _DEEPEST:
        raise EvidenceError(f"{path}: containers within containers, more than {_DEEPEST} deep")
    kind = kind_of(path)
    if kind in ("7z", "rar"):
        raise EvidenceError(f"{path} is a {kind} archive, which is not read; unpack it and open the folder")
    if kind == "zip":
        from forensics.evidence.archive import open_archive

        return open_archive(path, opening, depth)
    if kind in ("packed", "tar"):
        from forensics.evidence.tarball import open_tar

        return open_tar(path, opening, depth, packed=kind == "packed")
    from forensics.evidence.image import open_image

    return open_image(path, opening, depth)


def open_member(outer: Path, member: Member, opening: Opening, depth: int) -> OpenedEvidence:
    """Open a container that lies in another one (or in a folder, where it has a path of its own)."""
    label = "/".join(member.parts)
    if member.place:  # opened by its path: not when that leads through a link by now
        try:
            member.open().close()
        except OSError as error:
            raise EvidenceError(f"{outer}/{label} cannot be opened: {error}") from error
    place = member.place or unpacked(member.open, f"{outer.resolve()}|{label}", opening.scratch, member.size)
    try:
        opened = open_container(place, opening, depth)
    except EvidenceError as error:
        raise error.said_of(str(place), f"{outer}|{label}") from error
    opened.name, opened.kind = f"{outer}/{label}", f"{opened.kind} in {label}"
    return opened
