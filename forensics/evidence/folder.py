"""Collection folders: only regular files are read; no link, junction, device or FIFO is followed or opened.

A collection is hostile, and may change while it is read: a planted `D -> /` must never show the examiner's disk. The
folder is listed once, and every step on the way to a file is taken from the folder before it and refused when it is a
link by then (POSIX: `openat` with O_NOFOLLOW); elsewhere every step is looked at before and after.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from forensics.evidence.assemble import assembled
from forensics.evidence.base import Opening, Refusal
from forensics.evidence.layout import decoded
from forensics.evidence.members import Member, blocked
from forensics.evidence.opened import OpenedEvidence
from forensics.evidence.regular import FILE, READ, handed, kind_of_entry
from forensics.times import from_unix

_MOST_FILES = 2_000_000
_STEPWISE = os.open in os.supports_dir_fd and os.scandir in os.supports_fd and hasattr(os, "O_NOFOLLOW")
_FOLDER = READ | getattr(os, "O_DIRECTORY", 0)
Names = tuple[str, ...]


class _Entry(NamedTuple):
    name: str
    kind: str
    size: int = 0
    node: tuple[int, int] = (0, 0)
    links: int = 0
    written: float = 0.0


class _Shared:
    """Counts the names that files with several of them have in the folder."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[int, int]] = Counter()
        self._first: dict[tuple[int, int], tuple[Names, int]] = {}

    def add(self, entry: _Entry, parts: Names) -> None:
        """Note a file."""
        if entry.links > 1:
            self._seen[entry.node] += 1
            self._first.setdefault(entry.node, (parts, entry.links))

    def said(self) -> Iterator[Refusal]:
        """One note for all that have a name elsewhere: their content is also that of a file outside the evidence."""
        out = [parts for node, (parts, links) in self._first.items() if self._seen[node] < links]
        if out:
            why = f"{len(out)} files have another name outside the folder (hard links): they are files of this machine"
            yield Refusal("/".join(out[0]), "hard_link", f"{why}, too, and change with those")


def open_folder(path: Path, opening: Opening) -> OpenedEvidence:
    """Open a KAPE target folder, an unpacked collection, any folder that holds a Windows tree, or loose files."""
    from forensics.evidence.containers import open_member

    refusals: list[Refusal] = []
    members = list(_members(path, refusals))
    return assembled(
        str(path),
        "folder",
        members,
        refusals,
        opening,
        partial(open_member, path, depth=1),
    )


def _members(top: Path, refusals: list[Refusal]) -> Iterator[Member]:
    stack: list[tuple[Names, Names]] = [((), ())]
    shared, count = _Shared(), 0
    while stack:
        names, parts = stack.pop()
        for entry in _entries(top, names, parts, refusals):
            own, below = (*names, entry.name), (*parts, spelled(entry.name))
            if entry.kind == "folder":
                stack.append((own, below))
            elif entry.kind == "file":
                count += 1
                if count > _MOST_FILES:
                    refusals.append(Refusal("/".join(below), "budget", f"more than {_MOST_FILES} files"))
                    return
                shared.add(entry, below)
                yield Member(
                    decoded(below),
                    entry.size,
                    opener(top, own),
                    place=top.joinpath(*own),
                    written=_moment(entry.written),
                )
            else:
                why = f"{entry.kind}: not followed and not opened"
                refusals.append(Refusal("/".join(below), "refused", why))
                yield blocked(decoded(below), why)
    refusals += shared.said()


def _moment(seconds: float) -> datetime | None:
    found = from_unix(seconds, "s")
    return found if isinstance(found, datetime) else None


def spelled(name: str) -> str:
    """The name as UTF-8 has it, whatever locale this process runs in; bytes that are none become surrogates."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def _entries(top: Path, names: Names, parts: Names, refusals: list[Refusal]) -> list[_Entry]:
    try:
        return sorted(_listed(top, names))
    except OSError as error:
        why = f"the folder cannot be listed: {error.strerror or error}"
        refusals.append(Refusal("/".join(parts), "unreadable", why, folder=True))
        return []


def _listed(top: Path, names: Names) -> list[_Entry]:
    if not _STEPWISE:
        _check(top, names)
        with os.scandir(top.joinpath(*names)) as entries:
            found = [_entry(entry) for entry in entries]
        _check(top, names)
        return found
    folder = _descended(top, names)
    try:
        with os.scandir(folder) as entries:
            return [_entry(entry) for entry in entries]
    finally:
        os.close(folder)


def _entry(entry: os.DirEntry[str]) -> _Entry:
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError as error:
        return _Entry(entry.name, f"unreadable ({error.strerror})")
    if (kind := kind_of_entry(info)) != "file":
        return _Entry(entry.name, kind)
    return _Entry(entry.name, kind, info.st_size, (info.st_dev, info.st_ino), info.st_nlink, info.st_mtime)


def _descended(top: Path, names: Names) -> int:
    """A descriptor of the folder, reached step by step; the one that the user named may be a link."""
    at = os.open(top, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
    for name in names:
        try:
            below = os.open(name, _FOLDER, dir_fd=at)
        finally:
            os.close(at)
        at = below
    return at


def _check(top: Path, names: Names) -> None:
    """Raises OSError when a step on the way is a link by now."""
    place = top
    for name in names:
        place = place / name
        if kind_of_entry(place.lstat()) == "a link":
            raise OSError(f"{name} is a link by now")


def opener(top: Path, names: Names) -> Callable[[], BinaryIO]:
    """A function that opens this very regular file read-only, whatever it or a folder above it was replaced with."""

    def open_it() -> BinaryIO:
        descriptor = _opened(top, names) if _STEPWISE else _opened_between_checks(top, names)
        return handed(descriptor, names[-1])

    return open_it


def _opened(top: Path, names: Names) -> int:
    folder = _descended(top, names[:-1])
    try:
        return os.open(names[-1], FILE, dir_fd=folder)
    finally:
        os.close(folder)


def _opened_between_checks(top: Path, names: Names) -> int:
    _check(top, names)
    place = top.joinpath(*names)
    descriptor = os.open(place, FILE)
    try:
        _check(top, names)
        same = os.path.samestat(os.fstat(descriptor), place.lstat())
    except OSError:
        os.close(descriptor)
        raise
    if not same:
        os.close(descriptor)
        raise OSError(f"{names[-1]} was replaced while it was opened")
    return descriptor
