"""The files of an NTFS volume by two ways that are held against each other: folders' indexes, and the file table.

A folder whose index lost a block, or whose own record is lost, still has its files in the table. They are read by their
records, and the folder is named, so that nobody takes what its index lacks for what never was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dissect.ntfs.exceptions import Error as NtfsError
from dissect.target.exceptions import Error as TargetError

from forensics.evidence import ntfsindex
from forensics.evidence.base import DAMAGE as PLAIN_DAMAGE
from forensics.evidence.base import Found, Refusal
from forensics.evidence.filetable import ROOT, FileTable, Link, NameIndex
from forensics.evidence.globs import GlobSet, normal
from forensics.evidence.ntfsindex import Named, said

DAMAGE = (TargetError, NtfsError, *PLAIN_DAMAGE)
LOST = "$Lost"  # the folder of files whose own folder is lost: `$Lost/<record>/<what is known of the path>`
_BITMAP = 0xB0
_NAMED = 5  # names that a problem gives as examples


class NtfsFiles:
    """One volume; what is wrong with it goes to `refusals`."""

    def __init__(self, fs: Any, refusals: list[Refusal]) -> None:  # noqa: ANN401  # dissect carries no types
        self._fs = fs
        self._refusals = refusals
        self._lost_folders: dict[int, str] = {}
        self._checked: dict[str, str] = {}
        self._strays: dict[str, int] = {}
        self._index: NameIndex | None = None
        self._table: FileTable | None = None

    def record(self, number: int) -> Any:  # noqa: ANN401  # MftRecord
        """The MFT record of a number."""
        return self._fs.ntfs.mft.get(number)

    # -- folders ---------------------------------------------------------------------------------------------------

    def names(self, folder: str, wanted: set[str] | None) -> list[str]:
        """The names in a folder as they are spelled there, all or the `wanted` ones (given in lower case)."""
        try:
            record = self._fs.get(folder or "/").entry
            if wanted is not None and not self._fault(folder, record):
                found = [named for name in sorted(wanted) if (named := ntfsindex.lookup(record, name))]
            else:
                self._fault(folder, record)
                found = [named for named in ntfsindex.listed(record) if wanted is None or _fold(named) in wanted]
        except DAMAGE as error:
            self._hurt(folder, f"the folder cannot be listed: {said(error)}")
            return []
        return sorted({named.name for named in found} - {"."})

    def _fault(self, folder: str, record: Any) -> str:  # noqa: ANN401
        """What is wrong with a folder's index; said once."""
        if folder not in self._checked:
            self._checked[folder] = ntfsindex.fault_of(record)
            if self._checked[folder]:
                self._hurt(folder, f"names are missing in the folder: {self._checked[folder]}")
        return self._checked[folder]

    def _hurt(self, folder: str, why: str) -> None:
        self._refusals.append(Refusal(folder, "unreadable", why, folder=True))

    def check(self, folder: str) -> None:
        """Look at a folder's index, for a reader that lists it by other means."""
        try:
            self._fault(folder, self._fs.get(folder or "/").entry)
        except DAMAGE:
            return  # the listing fails and is said

    def broken(self, path: str, error: Exception) -> None:
        """A name that leads to a record that cannot be read: a folder then keeps its files to itself."""
        parent, _, name = path.rpartition("/")
        if self._stale(parent, name):
            return  # a deleted file's name in a block that its folder no longer uses
        named = self._named(parent, name)
        if named is None or not named.folder:
            why = f"the directory entry leads nowhere: {said(error)}"
            self._refusals.append(Refusal(path, "unreadable", why))
            return
        self._lost_folders[named.number] = path
        self._hurt(path, f"the folder's MFT record {named.number} cannot be read: {said(error)}")

    def _stale(self, folder: str, name: str) -> bool:
        try:
            record = self._fs.get(folder or "/").entry
            living = ntfsindex.listed(record)
        except DAMAGE:
            return False
        return not self._fault(folder, record) and all(_fold(named) != name.casefold() for named in living)

    def _named(self, folder: str, name: str) -> Named | None:
        try:
            record = self._fs.get(folder or "/").entry
            return next((named for named in ntfsindex.listed(record) if _fold(named) == name.casefold()), None)
        except DAMAGE:
            return None

    def leads(self, path: str) -> bool:
        """Whether there is a folder of this path, if need be by the table alone."""
        self._learn(path)
        if not self._lost_folders and not any(self._checked.values()):
            return False
        return self._told().has_folder(path)

    def _learn(self, path: str) -> None:
        """Go down a path by the indexes; where a folder's record is lost, note whose it was."""
        here = ""
        for part in path.split("/"):
            self.check(here)
            named = self._named(here, part)
            if named is None or not named.folder:
                return
            here = f"{here}/{named.name}".lstrip("/")
            try:
                self.record(named.number)
            except DAMAGE:
                self._lost_folders[named.number] = here
                return

    # -- the table -------------------------------------------------------------------------------------------------

    def _fresh(self) -> FileTable:
        try:
            bitmap = self.record(0).open("", _BITMAP).read()
        except DAMAGE:
            bitmap = b""
        return FileTable(self._fs.ntfs.mft.fh, self._fs.ntfs._record_size, bitmap)

    def _told(self) -> FileTable:
        """A table that was read to its end, and knows of the folders that were found lost."""
        if self._table is None:
            self._table = self._fresh()
            self._index = NameIndex(self._table)
        for number, path in self._lost_folders.items():
            self._table.know(number, path)
        return self._table

    def beside(self, globs: GlobSet, seen: set[str]) -> Iterator[Found]:
        """Every file in use that a glob matches and that the walk has not `seen`."""
        table = self._fresh()
        links = list(table.links(globs.may_name))
        for number, folder in self._lost_folders.items():
            table.know(number, folder)
        for fault in table.faults:
            self._refusals.append(Refusal("$MFT", "bad_record", fault, folder=True))
        unlisted: dict[str, list[str]] = {}
        for link in links:
            path = table.path(link)
            if path is None:
                yield from self._lost(table, link, globs)
            elif normal(path) not in seen and (matched := globs.matches(path)):
                size = self._size(path, link.number, unlisted)
                if size is not None:
                    seen.add(normal(path))
                    yield Found(path, size, matched)
        for folder, names in unlisted.items():
            self._tell(folder, names)

    def _tell(self, folder: str, names: list[str]) -> None:
        shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        why = f"the folder's index does not lead to {len(names)} of its files, which were read by their MFT records"
        self._refusals.append(Refusal(folder, "partial", f"{why}: {shown}", folder=True))

    def _size(self, path: str, number: int, unlisted: dict[str, list[str]]) -> int | None:
        """The size of a regular file; by its record where its folder does not lead to it. None for a link."""
        try:
            entry = self._fs.get(path)
            return None if entry.is_symlink() or not entry.is_file() else int(entry.lstat().st_size)
        except DAMAGE as error:
            why = said(error)
        try:
            size = self._size_of(number)
        except DAMAGE as error:
            text = f"listed in the MFT but cannot be opened: {why}; its record {number}: {said(error)}"
            self._refusals.append(Refusal(path, "unreadable", text))
            return None
        if size is not None:
            folder, _, name = path.rpartition("/")
            unlisted.setdefault(folder, []).append(f"{name} (record {number})")
            self._strays[normal(path)] = number
        return size

    def _size_of(self, number: int) -> int | None:
        record = self.record(number)
        return None if record.is_symlink() or record.is_mount_point() or record.is_dir() else int(record.size())

    def _lost(self, table: FileTable, link: Link, globs: GlobSet) -> Iterator[Found]:
        """A file whose folder is lost: what is known of its path has to do."""
        tail, missing, looped = table.tail(link)
        matched = globs.matches_tail(tail)
        if not matched:
            return
        path = f"{LOST}/{link.number}/{tail}"
        why = "its folders lead back into themselves" if looped else f"its folder (MFT record {missing}) is lost"
        why += " and with it the path; " if not looped else ", it has no path; "
        try:
            size = self._size_of(link.number)
        except DAMAGE as error:
            self._refusals.append(Refusal(path, "unreadable", f"{why}its record cannot be read: {said(error)}"))
            return
        if size is not None:
            self._refusals.append(Refusal(path, "partial", f"{why}read by its MFT record {link.number}"))
            yield Found(path, size, matched, loose=True)

    def stray(self, path: str) -> Any:  # noqa: ANN401  # MftRecord
        """The record of a file that its folder does not lead to; None when the table has none of that path either."""
        if path.startswith(f"{LOST}/"):
            number = path.split("/")[1]
            return self.record(int(number)) if number.isdecimal() else None
        if normal(path) not in self._strays:
            self._learn(path.rpartition("/")[0])
            self._told()
            found = self._index.find(path) if self._index else None
            if found is None:
                return None
            self._strays[normal(path)] = found
        return self.record(self._strays[normal(path)])

    def is_stray(self, path: str) -> bool:
        """Whether the file is known to be read by its record only."""
        return normal(path) in self._strays or path.startswith(f"{LOST}/")


def _fold(named: Named) -> str:
    return named.name.casefold()


__all__ = ["DAMAGE", "LOST", "ROOT", "NtfsFiles"]
