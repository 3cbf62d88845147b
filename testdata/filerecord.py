"""A described file, and the name a file had before: two sections of a scenario."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """A file as such. `text`, `base64` or `size` (that many patterned bytes) is its content; times as NTFS keeps them.

    `mtime` defaults to `birth`, `mft` and `atime` to `mtime`. `encoding` is a codec name; `local` texts hold the
    marker `@<ISO time>@`, which the renderer replaces by the host's local time in `stamp` form. A file with `deleted`
    is made and removed again: its record in the master file table and the change journal tell of it; `with_folder`:
    so is its folder, which was made for it. With `overwritten` its record has been given away since, so that only the
    journal tells. `mark` is the text of its stream Zone.Identifier. `child_of` makes it a differencing VHDX of the disk
    of that path. `vscdb` makes it a part of VS Code's state database (`part`: main or wal; `settled` and `later` as
    `writers.vscdb` has them). `build` is a form of `testdata.contents`: `{build: link, target: ..., arguments: ...}`,
    `{build: archive, parts: {name: text}}`, `{build: program, version: {CompanyName: ...}}`, `{build: copy, of: path}`.
    """

    path: str
    birth: datetime
    mtime: datetime | None = None
    mft: datetime | None = None
    atime: datetime | None = None
    text: str | None = None
    base64: str | None = None
    size: int | None = None
    encoding: str = "utf-8"
    stamp: str = "%Y-%m-%d %H:%M:%S"
    newline: str = "\n"
    deleted: datetime | None = None
    with_folder: bool = False
    overwritten: bool = False
    mark: str | None = None
    child_of: str | None = None
    vscdb: dict[str, Any] | None = None
    build: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Rename:
    """A file or folder that got the name it has in `path` at a moment; `was` is its name before, in the same folder.

    Only the change journal tells of it.
    """

    path: str
    was: str
    at: datetime
