"""Disk images: containers, partitions and file systems by dissect.target's own layers, without its Target.

Opening a Target costs two seconds of plugin registration and succeeds on unusable input; the container, volume and
file system layers below it cost a tenth and raise. A volume counts as Windows when it has Windows/System32.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from dissect.target import container, filesystem, volume
from dissect.target.exceptions import Error as TargetError

from forensics.evidence.base import ACCESSED, BORN, CHANGED, MODIFIED, EvidenceError, Refusal
from forensics.evidence.base import DAMAGE as PLAIN_DAMAGE
from forensics.evidence.ewf import segments_of
from forensics.evidence.globs import GlobSet, normal
from forensics.evidence.opened import OpenedEvidence
from forensics.times import UNIX_EPOCH, checked, from_filetime

DAMAGE = (TargetError, *PLAIN_DAMAGE)
_LOCKED = {b"-FVE-FS-": "BitLocker"}
_MOST_FOLDERS = 200_000


def open_image(path: Path) -> OpenedEvidence:
    """Open a split E01, raw, split raw, VMDK, VHD, VHDX, VDI or QCOW2 image that holds Windows."""
    disk = _container(path)
    trees, notes = [], []
    for number, stream in enumerate(_volumes(disk)):
        tree, note = _tree(stream, number)
        notes.append(note) if note else None
        if tree:
            trees.append(tree)
    windows = [tree for tree in trees if tree.has_windows()]
    if not windows:
        raise EvidenceError(f"{path} holds no Windows installation{_why(notes, trees)}")
    if len(windows) > 1:
        raise EvidenceError(
            f"{path} holds {len(windows)} Windows installations (volumes "
            f"{', '.join(str(tree.number) for tree in windows)}); open one of them as an image of its own"
        )
    _letter(trees, windows[0])
    windows[0].refusals.extend(Refusal("", "unreadable", note) for note in notes)
    return OpenedEvidence(path.name, f"{getattr(disk, '__type__', 'raw')} image", trees)


def _why(notes: list[str], trees: list[ImageTree]) -> str:
    if notes:
        return f" ({'; '.join(notes)})"
    return "" if trees else " (no file system was found in it)"


def _container(path: Path) -> Any:  # noqa: ANN401  # dissect carries no types
    with path.open("rb") as handle:
        magic = handle.read(8)
    if magic[:4] in (b"EVF2", b"LEF2"):
        raise EvidenceError(f"{path} is an Ex01/Lx01 image, which no open library reads; convert it to E01 first")
    try:
        if magic[:3] == b"EVF":
            return container.open([part.open("rb") for part in segments_of(path)])
        return container.open(path)
    except DAMAGE as error:
        cause = error.__cause__ or error
        raise EvidenceError(f"{path} cannot be opened as an image: {cause}", integrity=True) from error


def _volumes(disk: Any) -> list[Any]:  # noqa: ANN401
    try:
        parts = list(volume.open(disk).volumes)
    except DAMAGE:
        parts = []  # no partition table: the image is one volume, as of a logical drive
    return parts or [disk]


def _tree(stream: Any, number: int) -> tuple[ImageTree | None, str]:  # noqa: ANN401
    try:
        stream.seek(0)
        boot = stream.read(512)
        stream.seek(0)
        if boot[3:11] in _LOCKED:
            return None, f"volume {number} is locked by {_LOCKED[boot[3:11]]}"
        if not boot.strip(b"\x00"):
            return None, ""
        return ImageTree(filesystem.open(stream), number), ""
    except DAMAGE as error:
        return None, f"volume {number} has no readable file system: {error}"


def _letter(trees: list[ImageTree], windows: ImageTree) -> None:
    """Name the drives: the Windows volume is C:, the others follow in disk order (an assumption, not a record)."""
    letters = iter("DEFGHIJKLMNOPQRSTUVWXYZ")
    for tree in trees:
        tree.drive = "C:" if tree is windows else f"{next(letters, '#')}:"


class ImageTree:
    """One file system of an image."""

    def __init__(self, fs: Any, number: int) -> None:  # noqa: ANN401
        self.fs = fs
        self.number = number
        self.drive = "C:"
        self.refusals: list[Refusal] = []

    def has_windows(self) -> bool:
        """Whether Windows/System32 is there."""
        try:
            return bool(self.fs.get("Windows/System32").is_dir())
        except DAMAGE:
            return False

    def find(self, globs: GlobSet) -> Iterator[tuple[str, int, tuple[str, ...]]]:
        """Look up what has no `**` by walking only the named folders; the rest from the MFT in one pass."""
        deep = globs.deep()
        seen: set[str] = set()
        for found in self._walk((), "", globs if not self._is_ntfs() else globs.shallow()):
            seen.add(normal(found[0]))
            yield found[0], found[1], globs.matches(found[0])
        if deep.patterns and self._is_ntfs():
            for path, size in self._from_mft(deep):
                if normal(path) not in seen:
                    seen.add(normal(path))
                    yield path, size, globs.matches(path)

    def _is_ntfs(self) -> bool:
        return bool(getattr(self.fs, "__type__", "") == "ntfs")

    def _from_mft(self, globs: GlobSet) -> Iterator[tuple[str, int]]:
        """Every allocated file whose path matches, from one pass over the MFT (Rust, 100,000 entries in 0.2 s)."""
        from mft import PyMftParser

        stream = self.fs.ntfs.mft.fh
        stream.seek(0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for entry in PyMftParser(stream).entries():
                if isinstance(entry, Exception):
                    self.refusals.append(Refusal("$MFT", "bad_record", f"an MFT record cannot be read: {entry}"))
                    continue
                if entry.base_entry_id or "ALLOCATED" not in repr(entry.flags) or "INDEX" in repr(entry.flags):
                    continue
                path = entry.full_path.replace("\\", "/")
                if globs.matches(path) and (size := self._size(path)) is not None:
                    yield path, size
        if caught:
            why = f"{len(caught)} MFT records have damaged sectors, the first: {caught[0].message}"
            self.refusals.append(Refusal("$MFT", "bad_record", why))

    def _size(self, path: str) -> int | None:
        try:
            entry = self.fs.get(path)
            return None if entry.is_symlink() or not entry.is_file() else int(entry.lstat().st_size)
        except DAMAGE as error:
            self.refusals.append(Refusal(path, "unreadable", f"listed in the MFT but cannot be opened: {error}"))
            return None

    def _walk(self, folder: tuple[str, ...], prefix: str, globs: GlobSet) -> Iterator[tuple[str, int]]:
        stack = [(folder, prefix)]
        visited = 0
        while stack:
            folder, prefix = stack.pop()
            visited += 1
            if visited > _MOST_FOLDERS:
                self.refusals.append(Refusal(prefix, "budget", f"more than {_MOST_FOLDERS} folders were walked"))
                return
            below: list[tuple[tuple[str, ...], str]] = []
            for name, path in self._names(folder, prefix, globs):
                step = (*folder, name.casefold())
                leads, matches = globs.may_contain(step), globs.matches(path)
                if not leads and not matches:
                    continue
                kind, size = self._kind(path)
                if kind == "folder" and leads:
                    below.append((step, path))
                elif kind == "file" and matches:
                    yield path, size
            stack.extend(reversed(below))

    def _names(self, folder: tuple[str, ...], prefix: str, globs: GlobSet) -> list[tuple[str, str]]:
        wanted = globs.literal_next(folder)
        if wanted is not None:
            return [(name, f"{prefix}/{name}".lstrip("/")) for name in self._real_names(prefix, sorted(wanted))]
        try:
            names = sorted(entry.name for entry in self.fs.get(prefix or "/").scandir())
        except DAMAGE as error:
            self.refusals.append(Refusal(prefix, "unreadable", f"the folder cannot be listed: {error}"))
            return []
        return [(name, f"{prefix}/{name}".lstrip("/")) for name in names]

    def _real_names(self, prefix: str, wanted: list[str]) -> Iterator[str]:
        """The names as the file system spells them: a lookup answers without case, a report must not."""
        for name in wanted:
            try:
                entry = self.fs.get(f"{prefix}/{name}".lstrip("/"))
            except DAMAGE:
                continue
            yield self._spelled(entry, name)

    def _spelled(self, entry: Any, name: str) -> str:  # noqa: ANN401
        if not self._is_ntfs():
            return name
        return next((text for text in entry.entry.filenames(ignore_dos=True) if text.casefold() == name), name)

    def _kind(self, path: str) -> tuple[str, int]:
        try:
            entry = self.fs.get(path)
            if entry.is_symlink():
                return "link", 0
            if entry.is_dir():
                return "folder", 0
            return "file", int(entry.lstat().st_size)
        except DAMAGE as error:
            self.refusals.append(Refusal(path, "unreadable", f"the directory entry leads nowhere: {error}"))
            return "broken", 0

    def open(self, path: str) -> BinaryIO:
        """A stream over the file's main data; links are not followed."""
        try:
            entry = self.fs.get(path)
            if entry.is_symlink():
                raise OSError(f"{path} is a link, which is not followed")
            return entry.open()  # type: ignore[no-any-return]
        except FileNotFoundError:
            raise
        except DAMAGE as error:
            if "not found" in str(error).casefold() or type(error).__name__ == "FileNotFoundError":
                raise FileNotFoundError(path) from error
            raise OSError(f"{path} cannot be opened: {error}") from error

    def times(self, path: str) -> dict[str, datetime]:
        """The four $STANDARD_INFORMATION times on NTFS, else what the file system keeps."""
        try:
            entry = self.fs.get(path)
            if not self._is_ntfs():
                stamps = {MODIFIED: entry.lstat().st_mtime}
                moments = {name: checked(UNIX_EPOCH.fromtimestamp(value, UNIX_EPOCH.tzinfo), str(value))
                           for name, value in stamps.items()}  # fmt: skip
            else:
                info = entry.entry.attributes.STANDARD_INFORMATION.attr
                moments = {
                    BORN: from_filetime(info.CreationTime),
                    MODIFIED: from_filetime(info.LastModificationTime),
                    CHANGED: from_filetime(info.LastChangeTime),
                    ACCESSED: from_filetime(info.LastAccessTime),
                }
        except DAMAGE:
            return {}
        return {name: value for name, value in moments.items() if isinstance(value, datetime)}
