"""Collection folders: only regular files are read; no link, junction, device or FIFO is followed or opened.

A collection is hostile: a planted `D -> /` must never show the examiner's disk. The folder is listed once with lstat,
and every file is opened with O_NOFOLLOW and checked again on the open handle.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from forensics.evidence.assemble import assembled
from forensics.evidence.base import Opening, Refusal
from forensics.evidence.layout import decoded
from forensics.evidence.members import Member, blocked
from forensics.evidence.opened import OpenedEvidence
from forensics.evidence.regular import kind_of_entry, open_regular

_MOST_FILES = 2_000_000


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
    stack: list[tuple[Path, tuple[str, ...]]] = [(top, ())]
    count = 0
    while stack:
        folder, parts = stack.pop()
        for entry in _entries(folder, parts, refusals):
            below = (*parts, spelled(entry.name))
            kind, size = _kind(entry)
            if kind == "folder":
                stack.append((folder / entry.name, below))
            elif kind == "file":
                count += 1
                if count > _MOST_FILES:
                    refusals.append(Refusal("/".join(below), "budget", f"more than {_MOST_FILES} files"))
                    return
                yield Member(decoded(below), size, opener(folder / entry.name), place=folder / entry.name)
            else:
                why = f"{kind}: not followed and not opened"
                refusals.append(Refusal("/".join(below), "refused", why))
                yield blocked(decoded(below), why)


def spelled(name: str) -> str:
    """The name as UTF-8 has it, whatever locale this process runs in; bytes that are none become surrogates."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def _entries(folder: Path, parts: tuple[str, ...], refusals: list[Refusal]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        why = f"the folder cannot be listed: {error.strerror}"
        refusals.append(Refusal("/".join(parts), "unreadable", why, folder=True))
        return []


def _kind(entry: os.DirEntry[str]) -> tuple[str, int]:
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError as error:
        return f"unreadable ({error.strerror})", 0
    kind = kind_of_entry(info)
    return kind, info.st_size if kind == "file" else 0


def opener(path: Path) -> Callable[[], BinaryIO]:
    """A function that opens this very regular file read-only, whatever it has been replaced with since."""
    return lambda: open_regular(path)
