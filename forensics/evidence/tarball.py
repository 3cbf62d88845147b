"""Tar archives (acquire, CyLR, UAC, hand-made): members are read in place; a packed tar is unpacked to scratch first.

A packed stream has no random access, so it is unpacked once, within a budget; of one that is cut or damaged, what
unpacks is kept. Links, devices and names that climb out are refused and said; a hard link to another member of the same
archive is that member.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from forensics.evidence.assemble import assembled
from forensics.evidence.base import EvidenceError, Opening, Refusal
from forensics.evidence.layout import decoded
from forensics.evidence.members import Member, blocked
from forensics.evidence.opened import OpenedEvidence
from forensics.evidence.regular import open_regular
from forensics.evidence.scratch import damage_of, unpacked
from forensics.evidence.streams import guarded, part
from forensics.evidence.tarwalk import BLOCK, Piece, Walk

_MOST_MEMBERS = 2_000_000
_RATIO = 1100
_LEAST = 1024 * 1024 * 1024
_PACKED_TARS = (".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
# Opened here, closed by who unpacks.
_OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


def open_tar(path: Path, opening: Opening, depth: int, *, packed: bool) -> OpenedEvidence:
    """Open a tar, or whatever lies in a gzip, bzip2 or xz file."""
    from forensics.evidence.containers import open_member

    refusals: list[Refusal] = []
    place, kind = path, "tar"
    if packed:
        limit = max(path.stat().st_size * _RATIO, _LEAST)
        identity = f"{path.resolve()}|{path.name}"
        place, kind = unpacked(lambda: _unpacker(path), identity, opening.scratch, limit, keep=True), "packed tar"
        refusals += _damage(place)
        if not _holds_tar(place, path):
            return _other(path, place, opening, depth, refusals)
    members = list(_members(_archive(place), refusals))
    return assembled(
        str(path),
        kind,
        members,
        refusals,
        opening,
        partial(open_member, path, depth=depth + 1),
    )


def _unpacker(path: Path) -> BinaryIO:
    with path.open("rb") as handle:
        magic = handle.read(6)
    return cast("BinaryIO", next(opener for head, opener in _OPENERS.items() if magic.startswith(head))(path, "rb"))


def _damage(place: Path) -> list[Refusal]:
    """What is to be said of a packed stream that did not unpack to a good end."""
    if not (why := damage_of(place)):
        return []
    size = place.stat().st_size
    text = f"the packed file is cut or damaged: {size} bytes of it unpack, which may not all be what was packed: {why}"
    return [Refusal("", "truncated", text)]


def _holds_tar(place: Path, path: Path) -> bool:
    """A tar whose first header is damaged is known by the name of what it was packed in."""
    from forensics.evidence.containers import kind_of

    kind = kind_of(place)
    return kind == "tar" or (kind == "image" and path.name.casefold().endswith(_PACKED_TARS))


def _other(path: Path, place: Path, opening: Opening, depth: int, refusals: list[Refusal]) -> OpenedEvidence:
    """What is packed and no tar."""
    from forensics.evidence.containers import open_container

    try:
        opened = open_container(place, opening, depth + 1)
    except EvidenceError as error:
        said = error.said_of(str(place), str(path))
        if refusals:
            raise EvidenceError(f"{said}; {refusals[0].why}", integrity=True) from error
        raise said from error
    opened.name = str(path)
    opened.own_refusals[:0] = refusals
    return opened


def _archive(place: Path) -> tarfile.TarFile:
    """The archive before any of its headers was looked at: the library would read the first one at once."""
    archive = tarfile.TarFile(fileobj=io.BytesIO(bytes(2 * BLOCK)), encoding="utf-8", errors="surrogateescape")
    archive.fileobj = open_regular(place)  # read while the evidence is open
    return archive


def _members(archive: tarfile.TarFile, refusals: list[Refusal]) -> Iterator[Member]:
    by_name: dict[str, Piece] = {}
    listed: list[Piece] = []
    for piece in Walk(archive, refusals):
        if piece.info.isdir():
            continue
        if len(listed) >= _MOST_MEMBERS:
            refusals.append(Refusal("", "budget", f"more than {_MOST_MEMBERS} members"))
            break
        listed.append(piece)
        by_name.setdefault(piece.info.name, piece)
    for piece in listed:
        yield from _member(archive, piece, by_name, refusals)


def _member(
    archive: tarfile.TarFile, piece: Piece, by_name: dict[str, Piece], refusals: list[Refusal]
) -> Iterator[Member]:
    info, name = piece.info, _name(piece.info.name)
    parts = tuple(step for step in name.replace("\\", "/").split("/") if step not in ("", "."))
    why = ""
    if not parts or ".." in parts:
        why = "its name climbs out of the archive"
    elif not (info.isreg() or info.islnk()):
        why = "a link: not followed" if info.issym() else "not a regular file"
    if why:
        refusals.append(Refusal(name, "refused", why))
        if parts and ".." not in parts:
            yield blocked(decoded(parts), why)
        return
    target = by_name.get(info.linkname) if info.islnk() else piece
    if target is None or not target.info.isreg():
        why = "a link to a file that is not in the archive"
        refusals.append(Refusal(name, "refused", why))
        yield blocked(decoded(parts), why)
        return
    yield Member(decoded(parts), target.size, _opener(archive, target))


def _name(name: str) -> str:
    """Names are UTF-8, or what Japanese tools write."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeDecodeError:
        raw = name.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("cp932")
    except UnicodeDecodeError:
        return name


def _opener(archive: tarfile.TarFile, piece: Piece) -> Callable[[], BinaryIO]:
    """A stream over the archive; of a sparse file the library puts the holes back."""
    if piece.info.sparse is None:
        return partial(part, cast("BinaryIO", archive.fileobj), piece.info.offset_data, piece.size)
    return guarded(lambda: cast("BinaryIO", archive.extractfile(piece.info)), piece.info.name)
