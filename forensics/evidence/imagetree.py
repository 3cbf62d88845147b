"""One file system of an image, by dissect's file system layer: found by lookup and by the MFT, opened, timed.

NTFS keeps its change journal in a stream of its own whose discarded beginning is a hole of gigabytes: what is read is
the part from the first cluster that is stored, as collectors take it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO

from dissect.target.exceptions import Error as TargetError
from dissect.target.filesystems.ntfs import NtfsFilesystemEntry
from dissect.util.stream import RangeStream

from forensics.evidence.base import ACCESSED, BORN, CHANGED, MODIFIED, Found, Noted, Refusal
from forensics.evidence.base import DAMAGE as PLAIN_DAMAGE
from forensics.evidence.globs import GlobSet, normal
from forensics.times import UNIX_EPOCH, checked, from_filetime

DAMAGE = (TargetError, *PLAIN_DAMAGE)
_MOST_FOLDERS = 200_000
_MOST_SEARCHES = 100
_ABSENT = frozenset({"FileNotFoundError", "NotADirectoryError"})  # of dissect and of Python
JOURNAL = "$Extend/$UsnJrnl:$J"


class ImageTree:
    """One file system of an image."""

    is_file_system = True  # what is missing here was not there, unless the file system is damaged

    def __init__(self, fs: Any, number: int, stream: Any = None) -> None:  # noqa: ANN401
        self.fs = fs
        self.number = number
        self.stream = stream
        self.keep: list[Any] = []
        self.made = ""
        self.lettered = True
        self._strays: dict[str, Any] = {}
        self._searches = 0
        self.drive = "C:"
        self.refusals: list[Refusal] = []

    def has_windows(self) -> bool:
        """Whether Windows/System32 is there."""
        try:
            return bool(self.fs.get("Windows/System32").is_dir())
        except DAMAGE:
            return False

    def find(self, globs: GlobSet) -> Iterator[Found]:
        """Look up what has no `**` by walking only the named folders; the rest from the MFT in one pass."""
        deep = globs.deep()
        seen: set[str] = set()
        if (matched := globs.matches(JOURNAL)) and (size := self._journal_size()) is not None:
            seen.add(normal(JOURNAL))
            yield Found(JOURNAL, size, matched)
        for found in self._walk((), "", globs if not self._is_ntfs() else globs.shallow()):
            if normal(found[0]) not in seen and ":" not in found[0]:  # a lookup drops the name of a stream
                seen.add(normal(found[0]))
                yield Found(found[0], found[1], globs.matches(found[0]))
        if deep.patterns and self._is_ntfs():
            for path, size in self._from_mft(deep):
                if normal(path) not in seen:
                    seen.add(normal(path))
                    yield Found(path, size, globs.matches(path))

    def blocked(self, globs: GlobSet) -> Iterator[Found]:
        """What a glob matches and what is no readable file, as the search met it."""
        for refusal in self.refusals:
            if refusal.path and (matched := globs.matches(refusal.path)):
                yield Found(refusal.path, 0, matched, why=refusal.why)

    def noted(self, path: str) -> Noted:  # noqa: ARG002  # the protocol's
        """An image needs no notes of a collector: its file system has the times."""
        return Noted()

    def is_whole(self, path: str) -> bool:
        """No collector hashed it."""
        return normal(path) != normal(JOURNAL)

    def every_file(self) -> Iterator[tuple[str, int]]:
        """Path and size of every regular file, for an image that holds a collection; links are refused.

        NTFS's own files at the root are left out: they are the container's, not the host's.
        """
        stack, visited = [""], 0
        while stack:
            folder = stack.pop()
            visited += 1
            if visited > _MOST_FOLDERS:
                self.refusals.append(Refusal(folder, "budget", f"more than {_MOST_FOLDERS} folders were walked"))
                return
            try:
                names = sorted({entry.name for entry in self.fs.get(folder or "/").scandir()} - {".", ".."})
                names = [name for name in names if folder or not name.startswith("$") or not self._is_ntfs()]
            except DAMAGE as error:
                self.refusals.append(Refusal(folder, "unreadable", f"the folder cannot be listed: {error}"))
                continue
            for name in names:
                path = f"{folder}/{name}".lstrip("/")
                kind, size = self._kind(path)
                if kind == "folder":
                    stack.append(path)
                elif kind == "file":
                    yield path, size
                elif kind == "link":
                    self.refusals.append(Refusal(path, "refused", "a link: not followed"))

    def _journal_size(self) -> int | None:
        """The stored part of the change journal, None where the volume has none."""
        if not self._is_ntfs():
            return None
        try:
            return self._open_journal().seek(0, 2)
        except FileNotFoundError:
            return None
        except DAMAGE as error:
            self.refusals.append(Refusal(JOURNAL, "unreadable", f"the change journal cannot be opened: {error}"))
            return None

    def _open_journal(self) -> BinaryIO:
        """The change journal without the hole that it begins with."""
        folder, _, stream = JOURNAL.partition(":")
        whole = self.fs.get(folder).entry.open(stream)
        hole = 0
        for start, length in getattr(whole, "runlist", ()):
            if start is not None:
                break
            hole += length * whole.block_size
        size = whole.seek(0, 2)
        whole.seek(0)
        hole = min(hole, size)
        return RangeStream(whole, hole, size - hole) if hole else whole  # type: ignore[no-any-return]

    def _is_ntfs(self) -> bool:
        return bool(getattr(self.fs, "__type__", "") == "ntfs")

    def _from_mft(self, globs: GlobSet) -> Iterator[tuple[str, int]]:
        """Every allocated file whose path matches, with its size."""
        for path, number in self._allocated():
            if globs.matches(path) and (size := self._size(path, number)) is not None:
                yield path, size

    def _allocated(self) -> Iterator[tuple[str, int]]:
        """Path and record number of every allocated file, from one pass over the MFT (Rust, 100,000 in 0.2 s)."""
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
                if path == "[UNKNOWN]":
                    continue  # a record without a name: reserved, or an extension
                yield path, int(entry.entry_id)
        if caught:
            why = f"{len(caught)} MFT records have damaged sectors, the first: {caught[0].message}"
            self.refusals.append(Refusal("$MFT", "bad_record", why))

    def _size(self, path: str, number: int) -> int | None:
        try:
            entry = self.fs.get(path)
            return None if entry.is_symlink() or not entry.is_file() else int(entry.lstat().st_size)
        except DAMAGE as error:
            return self._size_of_record(path, number, error)

    def _size_of_record(self, path: str, number: int, error: Exception) -> int | None:
        """A file that its folder's index does not lead to any more is read by its record."""
        try:
            record = self.fs.ntfs.mft.get(number)
            size = int(record.size())
        except DAMAGE:
            self.refusals.append(Refusal(path, "unreadable", f"listed in the MFT but cannot be opened: {error}"))
            return None
        why = f"its folder does not lead to it ({error}); read by its MFT record {number}"
        self.refusals.append(Refusal(path, "partial", why))
        self._strays[normal(path)] = record
        return size

    def _entry(self, path: str) -> Any:  # noqa: ANN401  # dissect's file system entry
        """The entry of a path, by its folder, else by the record that the MFT search found."""
        record = self._strays.get(normal(path))
        if record is None:
            try:
                return self.fs.get(path)
            except DAMAGE:
                # Another process made the list; this one has not met the file yet.
                record = self._stray(path)
                if record is None:
                    raise
        return NtfsFilesystemEntry(self.fs, path, record)

    def _stray(self, path: str) -> Any:  # noqa: ANN401
        """The record of a file that its folder does not lead to, by a pass over the MFT; None when there is none."""
        if not self._is_ntfs() or self._searches >= _MOST_SEARCHES:
            return None
        self._searches += 1
        for found, number in self._allocated():
            if normal(found) == normal(path):
                self._strays[normal(path)] = self.fs.ntfs.mft.get(number)
                return self._strays[normal(path)]
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
            except DAMAGE as error:
                self._failed(prefix, error)
                continue
            yield self._spelled(entry, name)

    def _failed(self, folder: str, error: Exception) -> None:
        """A lookup that fails on damage is no answer; it is told once a folder."""
        if type(error).__name__ in _ABSENT or any(refusal.path == folder for refusal in self.refusals):
            return
        self.refusals.append(Refusal(folder, "unreadable", f"names in this folder cannot be looked up: {error}"))

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
        """A stream over the file's main data (of the journal: over the part that is stored); links are not followed."""
        try:
            if normal(path) == normal(JOURNAL):
                return self._open_journal()
            entry = self._entry(path)
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
            entry = self._entry(path)
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
