"""One file system of an image, by dissect's file system layer: found by lookup and by the MFT, opened, timed.

NTFS keeps its change journal in a stream of its own whose discarded beginning is a hole of gigabytes: what is read is
the part from the first cluster that is stored, as collectors take it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO

from dissect.target.exceptions import FileNotFoundError as MissingError
from dissect.target.exceptions import NotADirectoryError as NoFolderError
from dissect.target.filesystems.ntfs import NtfsFilesystemEntry
from dissect.util.stream import RangeStream

from forensics.evidence import ntfsguard
from forensics.evidence.base import ACCESSED, BORN, CHANGED, MODIFIED, Found, Noted, Refusal
from forensics.evidence.freespace import UNALLOCATED, free_space
from forensics.evidence.globs import GlobSet, normal
from forensics.evidence.marks import found_with_marks
from forensics.evidence.ntfsfiles import DAMAGE as DAMAGE
from forensics.evidence.ntfsfiles import NtfsFiles
from forensics.times import UNIX_EPOCH, checked, from_filetime

ntfsguard.install()
_MOST_FOLDERS = 200_000
_DEEPEST = 255  # folders within folders; Windows itself ends at 32,767 characters
_TOO_MANY = f"more than {_MOST_FOLDERS} folders were walked"
JOURNAL = "$Extend/$UsnJrnl:$J"
_SETTINGS = "$Extend/$UsnJrnl:$Max"


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
        self.drive = "C:"
        self.refusals: list[Refusal] = []
        self._ntfs = NtfsFiles(fs, self.refusals) if self._is_ntfs() else None

    def has_windows(self) -> bool:
        """Whether Windows/System32 is there."""
        try:
            return bool(self.fs.get("Windows/System32").is_dir())
        except DAMAGE:
            return self._ntfs is not None and self._ntfs.leads("Windows/System32")

    def find(self, globs: GlobSet) -> Iterator[Found]:
        """Every file that a glob matches; on NTFS with the marks of the web that are sought of them."""
        return self._files(globs) if self._ntfs is None else found_with_marks(globs, self._files, self._stream_size)

    def listed(self, globs: GlobSet) -> list[Found]:
        """What the folders themselves lead to, without the file table, which takes long to read; tells no faults."""
        known = len(self.refusals)
        found = [Found(path, size, globs.matches(path)) for path, size in self._walk((), "", globs.shallow())]
        del self.refusals[known:]  # the search of all files meets them again
        return found

    def _files(self, globs: GlobSet) -> Iterator[Found]:
        """Look up what has no `**` by walking only the named folders; the rest, and what folders lost, by the MFT."""
        seen: set[str] = set()
        if (matched := globs.matches(JOURNAL)) and (size := self._journal_size()) is not None:
            seen.add(normal(JOURNAL))
            yield Found(JOURNAL, size, matched)
        settings = _SETTINGS.partition(":")
        if (matched := globs.matches(_SETTINGS)) and self._is_ntfs():
            size = self._stream_size(settings[0], settings[2])
            if size is not None:
                seen.add(normal(_SETTINGS))
                yield Found(_SETTINGS, size, matched)
        if (matched := globs.matches(UNALLOCATED)) and (size := self._free_size()) is not None:
            yield Found(UNALLOCATED, size, matched)
        for found in self._walk((), "", globs if self._ntfs is None else globs.shallow()):
            if normal(found[0]) not in seen and ":" not in found[0]:  # a lookup drops the name of a stream
                seen.add(normal(found[0]))
                yield Found(found[0], found[1], globs.matches(found[0]))
        if self._ntfs is not None:
            yield from self._ntfs.beside(globs, seen)

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
                self.refusals.append(
                    Refusal(folder, "budget", f"more than {_MOST_FOLDERS} folders were walked", folder=True)
                )
                return
            if self._ntfs is not None:
                self._ntfs.check(folder)
            try:
                names = sorted({entry.name for entry in self.fs.get(folder or "/").scandir()} - {".", ".."})
                names = [name for name in names if folder or not name.startswith("$") or not self._is_ntfs()]
            except DAMAGE as error:
                why = f"the folder cannot be listed: {error or type(error).__name__}"
                self.refusals.append(Refusal(folder, "unreadable", why, folder=True))
                continue
            for name in names:
                path = f"{folder}/{name}".lstrip("/")
                kind, size = self._kind(path)
                if kind == "folder" and path.count("/") >= _DEEPEST:
                    self.refusals.append(Refusal(path[:200], "budget", f"more than {_DEEPEST} folders deep"))
                elif kind == "folder":
                    stack.append(path)
                elif kind == "file":
                    yield path, size
                elif kind == "link":
                    self.refusals.append(Refusal(path, "refused", "a link: not followed"))

    def _stream_size(self, path: str, stream: str) -> int | None:
        """The size of a file's stream, None where it has none."""
        try:
            return int(self._entry(path).entry.size(stream))
        except FileNotFoundError:
            return None
        except DAMAGE as error:
            why = f"the stream cannot be looked up: {error or type(error).__name__}"
            self.refusals.append(Refusal(f"{path}:{stream}", "unreadable", why))
            return None

    def _free_size(self) -> int | None:
        """The size of the volume whose free clusters are looked through, None where its bitmap does not lead there."""
        if not self._is_ntfs():
            return None
        try:
            return int(free_space(self.fs.ntfs).size)
        except DAMAGE as error:
            self.refusals.append(
                Refusal(UNALLOCATED, "unreadable", f"the bitmap of the volume cannot be read: {error}")
            )
            return None

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

    def _entry(self, path: str) -> Any:  # noqa: ANN401  # dissect's file system entry
        """The entry of a path, by its folder, else by the record that the MFT has of it."""
        file = path.partition(":")[0]
        if self._ntfs is not None and self._ntfs.is_stray(file):
            return NtfsFilesystemEntry(self.fs, path, self._ntfs.stray(file))
        try:
            return self.fs.get(path)
        except DAMAGE:
            # Another process made the list; this one has not met the file yet.
            record = None if self._ntfs is None else self._ntfs.stray(file)
            if record is None:
                raise
        return NtfsFilesystemEntry(self.fs, path, record)

    def _walk(self, folder: tuple[str, ...], prefix: str, globs: GlobSet) -> Iterator[tuple[str, int]]:
        stack = [(folder, prefix)]
        visited = 0
        while stack:
            folder, prefix = stack.pop()
            visited += 1
            if visited > _MOST_FOLDERS:
                self.refusals.append(
                    Refusal(prefix, "budget", f"more than {_MOST_FOLDERS} folders were walked", folder=True)
                )
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
        if self._ntfs is not None:
            names = self._ntfs.names(prefix, wanted)
        elif wanted is not None:
            names = [name for name in sorted(wanted) if self._is_there(f"{prefix}/{name}".lstrip("/"))]
        else:
            names = self._listed(prefix)
        return [(name, f"{prefix}/{name}".lstrip("/")) for name in names]

    def _listed(self, prefix: str) -> list[str]:
        try:
            return sorted(entry.name for entry in self.fs.get(prefix or "/").scandir())
        except DAMAGE as error:
            why = f"the folder cannot be listed: {error or type(error).__name__}"
            self.refusals.append(Refusal(prefix, "unreadable", why, folder=True))
            return []

    def _is_there(self, path: str) -> bool:
        try:
            self.fs.get(path)
        except (FileNotFoundError, MissingError, NoFolderError):
            return False
        except DAMAGE as error:
            why = f"it cannot be looked up: {error or type(error).__name__}"
            self.refusals.append(Refusal(path, "unreadable", why, folder=True))
            return False
        return True

    def _kind(self, path: str) -> tuple[str, int]:
        try:
            entry = self.fs.get(path)
            if entry.is_symlink():
                return "link", 0
            if entry.is_dir():
                return "folder", 0
            return "file", int(entry.lstat().st_size)
        except DAMAGE as error:
            if self._ntfs is not None:
                self._ntfs.broken(path, error)
            else:
                why = f"the directory entry leads nowhere: {error or type(error).__name__}"
                self.refusals.append(Refusal(path, "unreadable", why, folder=True))
            return "broken", 0

    def open(self, path: str) -> BinaryIO:
        """A stream over the file's main data (of the journal: over the part that is stored); links are not followed."""
        try:
            if normal(path) == normal(JOURNAL):
                return self._open_journal()
            if path == UNALLOCATED:
                return free_space(self.fs.ntfs)
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
        if path == UNALLOCATED:
            return {}
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
