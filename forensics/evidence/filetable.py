"""The paths of a volume's files out of its master file table: what the folders' indexes say is held against it.

A file's record names its folder, so a folder that lost its index or its own record still has its files here. One pass
over the table (`mftindex`) gives every name of every file; paths are made only for names that somebody wants.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from forensics.evidence.globs import normal
from forensics.evidence.mftindex import MftIndex

ROOT = 5
_RESERVED = 24  # the first records are the file system's own, some of them kept free
_DEEPEST = 512
_MASK = 0xFFFFFFFF


class Link(NamedTuple):
    """One name of a file: its record, its folder's record and the number of times that one had been given, its name."""

    number: int
    parent: int
    sequence: int
    name: str


class _Folder(NamedTuple):
    sequence: int
    parent: int
    parent_sequence: int
    name: str


class FileTable:
    """The folders of one pass over the table; `faults` are records in use that cannot be read, in words."""

    def __init__(self, stream: Any, record_size: int, bitmap: bytes = b"") -> None:  # noqa: ANN401  # dissect's stream
        self._stream = stream
        self._record_size = record_size
        self._bitmap = bitmap
        self._folders: dict[int, _Folder] = {}
        self._paths: dict[tuple[int, int], str | None] = {}
        self._known: dict[int, str] = {}
        self.faults: list[str] = []

    def links(self, wanted: Callable[[str], object] = bool) -> Iterator[Link]:
        """Every name of every file in use that `wanted` is true of; the folders are known when it has ended."""
        index = MftIndex.read(self._stream, self._record_size)
        for number, sequence in index.folders():
            self._folders[number] = _Folder(sequence, 0, 0, "")
        for name in index.named():
            if not name.folder:
                if wanted(name.name):
                    yield Link(name.number, name.parent, name.parent_sequence, name.name)
            elif not self._folders[name.number].name:  # a folder has one name
                self._folders[name.number] = _Folder(name.sequence, name.parent, name.parent_sequence, name.name)
        if index.torn:
            self.faults.append(f"{index.torn} MFT records have damaged sectors")
        self._unread(index.used)

    def _unread(self, used: list[int]) -> None:
        """Records that the table's bitmap says are in use and that are none (zeroed, overwritten)."""
        seen = bytearray(len(self._bitmap) * 8)
        for number in used:
            if number < len(seen):
                seen[number] = 1
        lost = [
            number
            for at, byte in enumerate(self._bitmap)
            if byte
            for bit in range(8)
            if byte >> bit & 1 and not seen[number := at * 8 + bit] and number >= _RESERVED
        ]
        if lost:
            self.faults.append(f"{len(lost)} MFT records that are in use are no records, the first: {lost[0]}")

    def know(self, number: int, path: str) -> None:
        """Tell of a folder's path from elsewhere (its folder's index), for one whose own record is lost."""
        if self._known.get(number) != path:
            self._known[number] = path
            self._paths.clear()

    def has_folder(self, path: str) -> bool:
        """Whether some folder, lost or not, has this path."""
        name, wanted = normal(path).rpartition("/")[2], normal(path)
        known = any(normal(found) == wanted for found in self._known.values())
        return known or any(
            normal(self.folder_path(number, folder.sequence) or "") == wanted
            for number, folder in self._folders.items()
            if folder.name.casefold() == name
        )

    def folder_path(self, number: int, sequence: int) -> str | None:
        """The path of a folder from the root, "" for the root; None when its way there is lost."""
        key = (number, sequence)
        if key not in self._paths:
            self._paths[key] = self._resolved(number, sequence)
        return self._paths[key]

    def _resolved(self, number: int, sequence: int) -> str | None:
        parts: list[str] = []
        for _ in range(_DEEPEST):
            if number == ROOT:
                return "/".join(reversed(parts))
            folder = self._folders.get(number)
            if folder is None or not folder.name or (sequence and folder.sequence != sequence):
                known = self._known.get(number) if folder is None or not folder.name else None
                return None if known is None else "/".join(filter(None, (known, *reversed(parts))))
            parts.append(folder.name)
            number, sequence = folder.parent, folder.parent_sequence
        return None

    def tail(self, link: Link) -> tuple[str, int, bool]:
        """What is known of a path whose beginning is lost.

        Gives it with the number of the record that would say more, and whether its folders lead back into themselves.
        """
        parts, number, met = [link.name], link.parent, set[int]()
        while number not in met:
            met.add(number)
            folder = self._folders.get(number)
            if folder is None or not folder.name or len(met) > _DEEPEST:
                return "/".join(reversed(parts)), number, False
            parts.append(folder.name)
            number = folder.parent
        return "/".join(reversed(parts)), number, True

    def path(self, link: Link) -> str | None:
        """The path of a file by one of its names; None when the way to its folder is lost."""
        folder = self.folder_path(link.parent, link.sequence)
        return None if folder is None else f"{folder}/{link.name}".lstrip("/")


class NameIndex:
    """All names of a table by a hash, for looking up single paths later: 16 bytes a name."""

    def __init__(self, table: FileTable) -> None:
        self._table = table
        self._hashes, self._numbers, self._parents = array("I"), array("I"), array("I")
        self._sequences = array("H")
        for link in table.links():
            self._hashes.append(hash(link.name.casefold()) & _MASK)
            self._numbers.append(link.number & _MASK)
            self._parents.append(link.parent & _MASK)
            self._sequences.append(link.sequence & 0xFFFF)

    def find(self, path: str) -> int | None:
        """The record of a path."""
        folder, _, name = path.rpartition("/")
        wanted, at = hash(name.casefold()) & _MASK, -1
        while True:
            try:
                at = self._hashes.index(wanted, at + 1)
            except ValueError:
                return None
            known = self._table.folder_path(self._parents[at], self._sequences[at])
            if known is not None and normal(known) == normal(folder):
                return self._numbers[at]


__all__ = ["ROOT", "FileTable", "Link", "NameIndex"]
