"""The paths of a volume's files out of its master file table: what the folders' indexes say is held against it.

A file's record names its folder, so a folder that lost its index or its own record still has its files here. One pass
over the table (Rust, some 4 microseconds a record) gives every name of every file; paths are made only for names that
somebody wants.
"""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mft import PyMftParser

from forensics.evidence.globs import normal

ROOT = 5
_NAME = 0x30
_RESERVED = 24  # the first records are the file system's own, some of them kept free
_SHORT = "DOS"  # the namespace of 8.3 twins
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

    def __init__(self, stream: Any, bitmap: bytes = b"") -> None:  # noqa: ANN401  # dissect's stream
        self._stream = stream
        self._bitmap = bitmap
        self._folders: dict[int, _Folder] = {}
        self._paths: dict[tuple[int, int], str | None] = {}
        self._known: dict[int, str] = {}
        self.faults: list[str] = []

    def links(self, wanted: Callable[[str], object] = bool) -> Iterator[Link]:
        """Every name of every file in use that `wanted` is true of; the folders are known when it has ended."""
        spread: list[tuple[int, list[tuple[str, int, int]]]] = []
        seen = bytearray(len(self._bitmap) * 8)
        self._stream.seek(0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for entry in PyMftParser(self._stream).entries():
                if isinstance(entry, Exception):
                    self.faults.append(f"an MFT record cannot be read: {entry}")
                    continue
                flags, number = repr(entry.flags), int(entry.entry_id)
                if "ALLOCATED" not in flags:
                    continue
                if number < len(seen):
                    seen[number] = 1
                names = _names(entry)
                if entry.base_entry_id:
                    spread.append((int(entry.base_entry_id), names))
                elif "INDEX" in flags:
                    self._folder(number, int(entry.sequence), names)
                else:
                    yield from _wanted(number, names, wanted)
        for number, names in spread:
            if number in self._folders:
                self._folder(number, self._folders[number].sequence, names)
            else:
                yield from _wanted(number, names, wanted)
        if caught:
            self.faults.append(f"{len(caught)} MFT records have damaged sectors, the first: {caught[0].message}")
        self._unread(seen)

    def _folder(self, number: int, sequence: int, names: list[tuple[str, int, int]]) -> None:
        """A folder has one name; one whose name is in an extension record waits for it."""
        if names or number not in self._folders:
            name, parent, parent_sequence = names[0] if names else ("", 0, 0)
            self._folders[number] = _Folder(sequence, parent, parent_sequence, name)

    def _unread(self, seen: bytearray) -> None:
        """Records that the table's bitmap says are in use and that are none (zeroed, overwritten)."""
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

    def tail(self, link: Link) -> tuple[str, int]:
        """What is known of a path whose beginning is lost, and the number of the record that would say more."""
        parts, number = [link.name], link.parent
        for _ in range(_DEEPEST):
            folder = self._folders.get(number)
            if folder is None or not folder.name:
                break
            parts.append(folder.name)
            number = folder.parent
        return "/".join(reversed(parts)), number

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


def _names(entry: Any) -> list[tuple[str, int, int]]:  # noqa: ANN401  # PyMftEntry
    """Name, folder and the folder's sequence number, of each name that is no 8.3 twin of another."""
    found = []
    for attribute in entry.attributes():
        if not isinstance(attribute, Exception) and attribute.type_code == _NAME:
            told = attribute.attribute_content
            if told is not None and str(told.namespace).rpartition(".")[2].upper() != _SHORT:
                found.append((str(told.name), int(told.parent_entry_id), int(told.parent_entry_sequence)))
    return found


def _wanted(number: int, names: list[tuple[str, int, int]], wanted: Callable[[str], object]) -> Iterator[Link]:
    return (Link(number, parent, sequence, name) for name, parent, sequence in names if wanted(name))


__all__ = ["ROOT", "FileTable", "Link", "NameIndex"]
