"""Tar archives (acquire, CyLR, UAC, hand-made): members are read in place; a packed tar is unpacked to scratch first.

A packed stream has no random access, so it is unpacked once, within a budget. Links, devices and names that climb out
are refused and said; a hard link to another member of the same archive is that member.
"""

from __future__ import annotations

import bz2
import gzip
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
from forensics.evidence.scratch import unpacked

_MOST_MEMBERS = 2_000_000
_RATIO = 1100
_LEAST = 1024 * 1024 * 1024
_DAMAGE = (tarfile.TarError, OSError, EOFError, ValueError, lzma.LZMAError)
# Opened here, closed by who unpacks.
_OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


def open_tar(path: Path, opening: Opening, depth: int, *, packed: bool) -> OpenedEvidence:
    """Open a tar, or whatever lies in a gzip, bzip2 or xz file."""
    from forensics.evidence.containers import kind_of, open_container, open_member

    if packed:
        limit = max(path.stat().st_size * _RATIO, _LEAST)
        inner = unpacked(lambda: _unpacker(path), f"{path.resolve()}|{path.name}", opening.scratch, limit)
        if kind_of(inner) != "tar":
            return open_container(inner, opening, depth + 1)
    place = inner if packed else path
    refusals: list[Refusal] = []
    try:
        archive = tarfile.open(place, "r:", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115  # read while the evidence is open
        members = list(_members(archive, refusals))
    except _DAMAGE as error:
        raise EvidenceError(f"{path} cannot be read as a tar, it is cut or damaged: {error}", integrity=True) from error
    kind = "packed tar" if packed else "tar"
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


def _members(archive: tarfile.TarFile, refusals: list[Refusal]) -> Iterator[Member]:
    by_name: dict[str, tarfile.TarInfo] = {}
    listed = list(_listed(archive, refusals))
    for info in listed:
        by_name.setdefault(info.name, info)
    for info in listed:
        yield from _member(archive, info, by_name, refusals)


def _listed(archive: tarfile.TarFile, refusals: list[Refusal]) -> Iterator[tarfile.TarInfo]:
    count = 0
    while count <= _MOST_MEMBERS:
        try:
            info = archive.next()
        except (tarfile.TarError, EOFError, ValueError) as error:
            refusals.append(Refusal("", "truncated", f"the archive ends early, what follows is lost: {error}"))
            return
        if info is None:
            return
        if not info.isdir():
            count += 1
            yield info
    refusals.append(Refusal("", "budget", f"more than {_MOST_MEMBERS} members"))


def _member(
    archive: tarfile.TarFile, info: tarfile.TarInfo, by_name: dict[str, tarfile.TarInfo], refusals: list[Refusal]
) -> Iterator[Member]:
    name = _name(info.name)
    parts = tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
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
    target = by_name.get(info.linkname) if info.islnk() else info
    if target is None or not target.isreg():
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


def _opener(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], BinaryIO]:
    def open_it() -> BinaryIO:
        try:
            found = archive.extractfile(info)  # a stream over the archive; a hard link is looked up inside it
        except (KeyError, tarfile.TarError) as error:
            raise OSError(f"{info.name} cannot be read: {error}") from error
        if found is None:
            raise OSError(f"{info.name} is no regular file")
        return cast("BinaryIO", found)

    return open_it
