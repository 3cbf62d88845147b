"""Collection zips (KAPE, Velociraptor, CyLR): members are read one by one, nothing is unpacked to its own name.

A member is streamed into memory (or an anonymous temporary file when it is large) on first use: deflate has no random
access. Refused and said: links, names that climb out, members that inflate far beyond their worth. An encrypted
collection needs its password; Velociraptor packs such a one as `metadata.json` beside an encrypted `data.zip`.
"""

from __future__ import annotations

import io
import json
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from forensics.evidence.assemble import assembled
from forensics.evidence.base import DAMAGE, EvidenceError, Opening, Refusal
from forensics.evidence.layout import decoded
from forensics.evidence.members import Member, blocked
from forensics.evidence.opened import OpenedEvidence
from forensics.evidence.regular import open_regular
from forensics.evidence.streams import part

_MEMORY = 64 * 1024 * 1024
_MOST_MEMBERS = 2_000_000
_MEMBER_LIMIT = 64 * 1024 * 1024 * 1024
_RATIO = 1100  # deflate cannot exceed 1032:1: beyond it the directory lies
_BLOCK = 1024 * 1024
_METADATA_LIMIT = 1024 * 1024
_END, _END_SIZE, _END_MOST = b"PK\x05\x06", 22, 22 + 0xFFFF
_ZEROS_MOST = 4 * 1024**3


def open_archive(path: Path, opening: Opening, depth: int = 0) -> OpenedEvidence:
    """Open a collection zip that holds a Windows tree, another container, or loose files."""
    from forensics.evidence.containers import open_member

    refusals: list[Refusal] = []
    members = list(_members(_opened(path, opening), refusals))
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
        archive = zipfile.ZipFile(whole := _without_zeros(path))
    except DAMAGE as error:
        raise EvidenceError(f"{path} cannot be read as a zip, it is cut or damaged: {error}", integrity=True) from error
    locked = [info for info in archive.infolist() if info.flag_bits & 1 and not info.is_dir()]
    if not locked:
        return archive
    if not opening.password:
        raise EvidenceError(
            f"{path} is encrypted{_wrapped(archive)}: give its password with --password", password="missing"
        )
    import pyzipper

    smallest = min(locked, key=lambda info: (info.file_size, info.filename))
    try:
        unlocked = pyzipper.AESZipFile(whole)
        unlocked.setpassword(opening.password.encode())
        with unlocked.open(smallest.filename) as handle:
            while handle.read(_BLOCK):
                pass
    except (*DAMAGE, pyzipper.BadZipFile) as error:
        raise EvidenceError(
            f"{path} is encrypted and the password does not open it{_wrapped(archive)}", password="wrong"
        ) from error
    return cast("zipfile.ZipFile", unlocked)


def _without_zeros(path: Path) -> BinaryIO:
    """The file without the zeros that a copy to a device or a download left behind it.

    The library looks for the record that ends a zip in the last 64 KiB only.
    """
    handle = open_regular(path)  # read while the evidence is open
    size = handle.seek(0, io.SEEK_END)
    end = _last_byte(handle, size)
    if size - end < _END_MOST - _END_SIZE:  # found by itself; zeros may be the end of the record
        return handle
    start = max(0, end - _END_MOST)
    handle.seek(start)
    tail = handle.read(end - start)
    at = tail.rfind(_END)
    if at < 0:
        return handle
    comment = int.from_bytes(tail[at + 20 : at + 22], "little")
    return part(handle, 0, start + at + _END_SIZE + comment)


def _last_byte(handle: BinaryIO, size: int) -> int:
    """The end of the last byte that is not zero, as far back as is looked."""
    end = size
    while end > max(0, size - _ZEROS_MOST):
        start = max(0, end - _BLOCK)
        handle.seek(start)
        if kept := handle.read(end - start).rstrip(b"\x00"):
            return start + len(kept)
        end = start
    return end


def _wrapped(archive: zipfile.ZipFile) -> str:
    """Whether the password itself is encrypted for a server's key (Velociraptor, schemes X509 and PGP)."""
    try:
        with archive.open("metadata.json") as handle:
            found: Any = json.loads(handle.read(_METADATA_LIMIT))
        entries = found if isinstance(found, list) else [found]
        scheme = next(str(item["Scheme"]) for item in entries if isinstance(item, dict) and item.get("Scheme"))
    except (StopIteration, *DAMAGE):
        return ""
    if scheme.casefold() == "password":
        return ""
    return f" (its password is itself encrypted for a {scheme[:20]} key: the server that has the key can tell it)"


def _damage(archive: object) -> tuple[type[Exception], ...]:
    """What this archive's library raises; the one for encrypted zips has errors of its own."""
    if isinstance(archive, zipfile.ZipFile):
        return DAMAGE
    import pyzipper

    return (*DAMAGE, pyzipper.BadZipFile)


def _members(archive: zipfile.ZipFile, refusals: list[Refusal]) -> Iterator[Member]:
    entries, damage = archive.infolist(), _damage(archive)
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
            yield Member(decoded(parts), info.file_size, _opener(archive, info, damage))


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


def _opener(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, damage: tuple[type[Exception], ...]
) -> Callable[[], BinaryIO]:
    def open_it() -> BinaryIO:
        target = tempfile.SpooledTemporaryFile(max_size=_MEMORY)  # noqa: SIM115  # the caller closes it
        try:
            with archive.open(info) as source:
                while block := source.read(_BLOCK):
                    if target.tell() + len(block) > info.file_size:
                        raise EOFError(f"more than the {info.file_size} bytes that it claims")
                    target.write(block)
        except damage as error:
            target.close()
            raise OSError(f"{info.filename} cannot be unpacked: {error}") from error
        target.seek(0)
        return cast("BinaryIO", target)

    return open_it
