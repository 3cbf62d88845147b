"""Collection zips (KAPE, Velociraptor, CyLR): members are read one by one, nothing is unpacked to its own name.

A member is streamed into memory (or an anonymous temporary file when it is large) on first use: deflate has no random
access. Refused and said: encrypted members, links, names that climb out, members that inflate far beyond their worth.
"""

from __future__ import annotations

import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from forensics.evidence.base import EvidenceError, Opening, Refusal
from forensics.evidence.folder import apply_originals
from forensics.evidence.layout import decoded
from forensics.evidence.members import Member, drives_of
from forensics.evidence.opened import OpenedEvidence

_MEMORY = 64 * 1024 * 1024
_MOST_MEMBERS = 2_000_000
_MEMBER_LIMIT = 64 * 1024 * 1024 * 1024
_RATIO = 1100  # deflate cannot exceed 1032:1: beyond it the directory lies
_BLOCK = 1024 * 1024


def is_zip(path: Path) -> bool:
    """Whether the file is a zip archive by its content; the suffix does not matter."""
    with path.open("rb") as handle:
        magic = handle.read(4)
    return magic in (b"PK\x03\x04", b"PK\x05\x06")


def open_archive(path: Path, opening: Opening) -> OpenedEvidence:
    """Open a collection zip that holds a Windows tree."""
    refusals: list[Refusal] = []
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, struct.error) as error:
        raise EvidenceError(f"{path} cannot be read as a zip, it is cut or damaged: {error}", integrity=True) from error
    members = list(_members(archive, refusals))
    if not members:
        why = next((refusal.why for refusal in refusals), "it is empty")
        raise EvidenceError(f"{path} holds no readable file: {why}")
    if {member.parts[-1].casefold() for member in members} <= {"metadata.json", "data.zip"}:
        raise EvidenceError(f"{path} is an encrypted or nested Velociraptor collection; unpack its data.zip first")
    trees = drives_of(str(path), members)
    apply_originals(trees, members)
    trees[0].refusals.extend(refusals)
    return OpenedEvidence(path.name, "zip", trees)


def _members(archive: zipfile.ZipFile, refusals: list[Refusal]) -> Iterator[Member]:
    entries = archive.infolist()
    if len(entries) > _MOST_MEMBERS:
        raise EvidenceError(f"the zip lists {len(entries)} members: more than {_MOST_MEMBERS}")
    for info in sorted(entries, key=lambda item: (item.filename, item.header_offset)):
        if info.is_dir():
            continue
        name = _name(info)
        parts = tuple(part for part in name.replace("\\", "/").split("/") if part)
        why = _refused(info, parts)
        if why:
            refusals.append(Refusal(name, "refused", why))
        else:
            yield Member(decoded(parts), info.file_size, _opener(archive, info), {})


def _name(info: zipfile.ZipInfo) -> str:
    """The member's name; without the UTF-8 flag Python shows cp437, where Japanese tools wrote cp932 or UTF-8."""
    if info.flag_bits & 0x800:
        return info.orig_filename.partition("\x00")[0]
    raw = info.orig_filename.partition("\x00")[0]
    try:
        data = raw.encode("cp437")
    except UnicodeEncodeError:
        return raw
    for encoding in ("utf-8", "cp932"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw


def _refused(info: zipfile.ZipInfo, parts: tuple[str, ...]) -> str:
    if info.flag_bits & 1:
        return "encrypted: give the password to the tool that made it and unpack first"
    if not parts or ".." in parts:
        return "its name climbs out of the archive"
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "a link: not followed"
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "not a regular file"
    if info.file_size > _MEMBER_LIMIT or info.file_size > max(info.compress_size, 1) * _RATIO + _BLOCK:
        return f"claims {info.file_size} bytes out of {info.compress_size}: a bomb or damage"
    return ""


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def open_it() -> BinaryIO:
        target = tempfile.SpooledTemporaryFile(max_size=_MEMORY)  # noqa: SIM115  # the caller closes it
        try:
            with archive.open(info) as source:
                while block := source.read(_BLOCK):
                    target.write(block)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            target.close()
            raise OSError(f"{info.filename} cannot be unpacked: {error}") from error
        target.seek(0)
        return cast("BinaryIO", target)

    return open_it
