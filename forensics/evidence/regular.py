"""Opens regular files and nothing else: no link is followed, no pipe is waited for.

A link beside an image would show the examiner's own disk as evidence, a FIFO would hold the run up for ever. So every
file of a collection and every file that an image consists of is opened here, and looked up beside the image alone.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from forensics.evidence.base import EvidenceError

_REPARSE = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT, on Windows hosts
READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
FILE = READ | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a FIFO is not waited for


def kind_of_entry(info: os.stat_result) -> str:
    """`file`, `folder`, or in words what it is instead, by what lstat says."""
    if stat.S_ISLNK(info.st_mode) or getattr(info, "st_file_attributes", 0) & _REPARSE:
        return "a link"
    if stat.S_ISDIR(info.st_mode):
        return "folder"
    return "file" if stat.S_ISREG(info.st_mode) else "a device or pipe"


def is_regular(path: Path) -> bool:
    """Whether it is a regular file, and no link to one."""
    try:
        return kind_of_entry(path.lstat()) == "file"
    except OSError:
        return False


def open_regular(path: Path) -> BinaryIO:
    """This very regular file, read-only; raises OSError for whatever else it is or has been replaced with since."""
    if (kind := kind_of_entry(path.lstat())) != "file":
        raise OSError(f"{path.name} is {kind}, not a regular file")
    return handed(os.open(path, FILE), path.name)


def handed(descriptor: int, name: str) -> BinaryIO:
    """The stream of an open descriptor; raises OSError, and closes it, where it is no regular file's."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{name} is no longer a regular file")
    return os.fdopen(descriptor, "rb")


def head_of(path: Path, length: int) -> bytes:
    """The first bytes of a regular file."""
    with open_regular(path) as handle:
        return handle.read(length)


def beside(image: Path, asked: str, what: str) -> Path:
    """The regular file beside `image` that it calls `asked`: by its bare name, wherever it says that the file lies.

    Raises EvidenceError with what is asked for when there is none; no folder but the image's own is ever looked into.
    """
    name = asked.replace("\\", "/").rpartition("/")[2]
    place = image.parent / name
    if not name or name in (".", "..") or "\x00" in name:
        raise EvidenceError(f"{image} asks for {what} {asked!r}, which names no file")
    try:
        kind = kind_of_entry(place.lstat())
    except (OSError, ValueError):
        raise EvidenceError(
            f"{image} asks for {what} {asked!r}, and no {name!r} lies beside it; only its own folder is looked into"
        ) from None
    if kind != "file":
        raise EvidenceError(f"{image} asks for {what} {asked!r}, and {name!r} beside it is {kind}: it is not opened")
    return place
