"""What a file is, by its content, and who opens it: zip, tar (packed or not), or an image; within each other, too.

A container inside another one is unpacked into the run's scratch folder, under a name of our own, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from forensics.evidence.base import EvidenceError, Opening
from forensics.evidence.loose import loose_tree
from forensics.evidence.members import Member
from forensics.evidence.opened import OpenedEvidence
from forensics.evidence.regular import head_of, is_regular, open_regular
from forensics.evidence.scratch import unpacked

_DEEPEST = 4
_BELONGING = (".LOG1", ".LOG2", "-wal")
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
    try:
        head = head_of(path, 512)
    except OSError as error:
        raise EvidenceError(f"{path} cannot be opened: {error}") from error
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


def open_container(path: Path, opening: Opening, depth: int = 0, *, top: bool = False) -> OpenedEvidence:
    """Open a file as what it is; raises EvidenceError with one sentence for a person.

    One that is named itself (`top`) may be a single log, hive or other file of a host, too.
    """
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
    if top and (opened := _loose(path)):
        return opened
    from forensics.evidence.image import open_image

    return open_image(path, opening, depth)


def _loose(path: Path) -> OpenedEvidence | None:
    """A single file of a host, with the logs that belong to it where they lie beside it."""
    names = [path.name, *(path.name + suffix for suffix in _BELONGING)]
    places = [place for name in names if is_regular(place := path.with_name(name))]
    tree = loose_tree(Member((place.name,), place.stat().st_size, partial(open_regular, place)) for place in places)
    if tree is None:
        return None
    opened = OpenedEvidence(path.name, "loose file", [tree])
    opened.files = places
    return opened


def open_member(
    outer: Path, member: Member, opening: Opening, companions: Sequence[Member] = (), *, depth: int
) -> OpenedEvidence:
    """Open a container that lies in another one (or in a folder, where it has a path of its own).

    One that is unpacked lies alone, but for the further segments of its set (`companions`).
    """
    label = "/".join(member.parts)
    identity = f"{outer.resolve()}|{label}"
    if member.place:  # opened by its path: not when that leads through a link by now
        try:
            member.open().close()
        except OSError as error:
            raise EvidenceError(f"{outer}/{label} cannot be opened: {error}") from error
    for item in companions if member.place is None else ():
        unpacked(item.open, identity, opening.scratch, item.size, item.parts[-1])
    place = member.place or unpacked(member.open, identity, opening.scratch, member.size, member.parts[-1])
    try:
        opened = open_container(place, opening, depth)
    except EvidenceError as error:
        raise error.said_of(str(place), f"{outer}|{label}") from error
    opened.name, opened.kind = f"{outer}/{label}", f"{opened.kind} in {label}"
    if member.place is None:
        opened.files.clear()  # they are scratch files: the outer container is what was given
    return opened
