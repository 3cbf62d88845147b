"""Collection zips (KAPE, Velociraptor, CyLR): members are read one by one, nothing is unpacked to its own name.

A member is streamed into memory (or an anonymous temporary file when it is large) on first use: deflate has no random
access. Refused and said: links, names that climb out, members that inflate far beyond their worth. An encrypted
collection needs its password; Velociraptor packs such a one as `metadata.json` beside an encrypted `data.zip`.
"""

from __future__ import annotations

import json
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from forensics.evidence.assemble import assembled
from forensics.evidence.base import EvidenceError, Opening, Refusal
from forensics.evidence.layout import decoded
from forensics.evidence.members import Member, blocked
from forensics.evidence.opened import OpenedEvidence

_MEMORY = 64 * 1024 * 1024
_MOST_MEMBERS = 2_000_000
_MEMBER_LIMIT = 64 * 1024 * 1024 * 1024
_RATIO = 1100  # deflate cannot exceed 1032:1: beyond it the directory lies
_BLOCK = 1024 * 1024
_METADATA_LIMIT = 1024 * 1024
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)


def open_archive(path: Path, opening: Opening, depth: int = 0) -> OpenedEvidence:
    """Open a collection zip that holds a Windows tree, another container, or loose files."""
    from forensics.evidence.containers import open_member

    refusals: list[Refusal] = []
    archive = _opened(path, opening)
    members = list(_members(archive, refusals))
    return assembled(
        str(path),
        "zip",
        members,
        refusals,
        opening,
        partial(open_member, path, depth=depth + 1),
    )


def _opened(path: Path, opening: Opening) -> zipfile.ZipFile:
    """The archive, with the password tried on a member when some are encrypted."""
    try:
        archive = zipfile.ZipFile(path)
    except (*_DAMAGE, OSError) as error:
        raise EvidenceError(f"{path} cannot be read as a zip, it is cut or damaged: {error}", integrity=True) from error
    locked = [info for info in archive.infolist() if info.flag_bits & 1 and not info.is_dir()]
    if not locked:
        return archive
    if not opening.password:
        raise EvidenceError(
            f"{path} is encrypted{_wrapped(archive)}: give its password with --password", password="missing"
        )
    import pyzipper

    unlocked = pyzipper.AESZipFile(path)
    unlocked.setpassword(opening.password.encode())
    smallest = min(locked, key=lambda info: (info.file_size, info.filename))
    try:
        with unlocked.open(smallest.filename) as handle:
            while handle.read(_BLOCK):
                pass
    except (*_DAMAGE, pyzipper.BadZipFile, OSError) as error:
        raise EvidenceError(
            f"{path} is encrypted and the password does not open it{_wrapped(archive)}", password="wrong"
        ) from error
    return cast("zipfile.ZipFile", unlocked)


def _wrapped(archive: zipfile.ZipFile) -> str:
    """Whether the password itself is encrypted for a server's key (Velociraptor, schemes X509 and PGP)."""
    try:
        with archive.open("metadata.json") as handle:
            found: Any = json.loads(handle.read(_METADATA_LIMIT))
        entries = found if isinstance(found, list) else [found]
        scheme = next(str(item["Scheme"]) for item in entries if isinstance(item, dict) and item.get("Scheme"))
    except (KeyError, StopIteration, OSError, RecursionError, *_DAMAGE):
        return ""
    if scheme.casefold() == "password":
        return ""
    return f" (its password is itself encrypted for a {scheme[:20]} key: the server that has the key can tell it)"


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
            if parts and ".." not in parts:
                yield blocked(decoded(parts), why)
        else:
            yield Member(decoded(parts), info.file_size, _opener(archive, info))


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
                    if target.tell() + len(block) > info.file_size:
                        raise EOFError(f"more than the {info.file_size} bytes that it claims")
                    target.write(block)
        except _DAMAGE as error:
            target.close()
            raise OSError(f"{info.filename} cannot be unpacked: {error}") from error
        target.seek(0)
        return cast("BinaryIO", target)

    return open_it
