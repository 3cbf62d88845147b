"""Full paths on an NTFS volume out of file references: who lay in which folder, now and at an earlier USN.

A file reference is a record number (48 bits) with the sequence number that the record had then (16 bits): a record
that was freed and used again has another sequence, so a stale parent is never mistaken for the folder that took its
place. The $MFT says where folders are now (deleted ones too, until their record is reused); the change journal says
what a folder was called before, also when its record is long gone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

ROOT = 5
_ENTRY = 0xFFFFFFFFFFFF
_DEEPEST = 512  # components of 1 character fill a path of 32,767; deeper is a loop or damage
Step = tuple[int, str]  # the parent's reference, the name


class Place(NamedTuple):
    """A folder's path with backslashes, no drive: `\\Users\\x` when `whole`, else what is known of its end (`x`).

    The root is "" and whole. `path + "\\" + name` is a file in it.
    """

    path: str
    whole: bool

    def of(self, name: str) -> str:
        """The path of `name` in this folder."""
        return f"{self.path}\\{name}" if self.path or self.whole else name


_LOST = Place("", whole=False)


def entry_of(reference: int) -> int:
    """The record number of a file reference."""
    return reference & _ENTRY


def sequence_of(reference: int) -> int:
    """The sequence number of a file reference."""
    return reference >> 48 & 0xFFFF


def reference(entry: int, sequence: int) -> int:
    """The file reference of a record with a sequence number."""
    return entry | sequence << 48


def freed(sequence: int) -> int:
    """The sequence number that a freed record had while it was in use: freeing counts on, from 65535 to 1."""
    return sequence - 1 if sequence > 1 else 0xFFFF if sequence else 0


def reference_text(ref: int) -> str:
    """`1234-5`: record number and sequence; the 128-bit references of ReFS in hex."""
    return f"{entry_of(ref)}-{sequence_of(ref)}" if ref >> 64 == 0 else f"0x{ref:032x}"


def resolve(step: Callable[[int], Step | None], ref: int) -> tuple[Place, list[int]]:
    """The place of the folder `ref`, and the references on its way up.

    `step` gives a folder's parent and name (`mapping.get` of a dict will do), None when it is unknown: then the path is
    not whole. A chain that leads back into itself ends there and is not whole.
    """
    names: list[str] = []
    way: list[int] = []
    while entry_of(ref) != ROOT or ref >> 64:
        found = step(ref)
        if found is None or ref in way or len(way) >= _DEEPEST:
            way.append(ref)
            return Place("\\".join(reversed(names)), whole=False) if names else _LOST, way
        way.append(ref)
        ref = found[0]
        names.append(found[1])
    return Place("".join(f"\\{name}" for name in reversed(names)), whole=True), way


def may_lie_in(tail: str, folder: str) -> bool:
    """Whether a folder of which the upper part is not known, folded (`kx\\sub`), ends as one in `folder` would.

    `folder` is a folded path from the root on, without a backslash at its end.
    """
    known, whole = tail.split("\\"), folder.split("\\")[1:]
    most = min(len(known), len(whole))
    return bool(tail) and any(known[:count] == whole[-count:] for count in range(1, most + 1))


class Folders:
    """What is known of the folders of a volume: `now` from its $MFT, `past` from its change journal."""

    def __init__(self) -> None:
        self._now: dict[int, Step] = {}
        self._past: dict[int, tuple[list[int], list[Step]]] = {}
        self._places: dict[int, Place] = {}
        self._moved: set[int] = set()

    def __len__(self) -> int:
        return len(self._now) + len(self._past)

    def add_now(self, ref: int, parent: int, name: str) -> None:
        """A folder as the $MFT has it."""
        self._now[ref] = (parent, name)
        self._places.clear()

    def add_change(self, usn: int, ref: int, parent: int, name: str) -> None:
        """A folder as a record of the journal names it; in the order of the journal."""
        usns, steps = self._past.setdefault(ref, ([], []))
        step = (parent, name)
        if not steps or steps[-1] != step:
            if steps or self._now.get(ref, step) != step:
                self._moved.add(ref)
            usns.append(usn)
            steps.append(step)
            self._places.clear()

    def step(self, ref: int, usn: int | None = None) -> Step | None:
        """Parent and name of a folder at that USN (None: at the end)."""
        past = self._past.get(ref)
        if usn is None or past is None:
            return self._now.get(ref) or (past[1][-1] if past else None)
        return past[1][max(bisect_right(past[0], usn) - 1, 0)]

    def within(self, wanted: Callable[[Place], bool]) -> set[int]:
        """The references of all known folders whose place is wanted, by where they are at the end."""
        root = reference(ROOT, ROOT)
        return {ref for ref in (root, *self._now, *self._past) if wanted(self.place(ref))}

    def place(self, ref: int, usn: int | None = None) -> Place:
        """The path of a folder as it was at that USN (None: at the end)."""
        known = self._places.get(ref)
        if known is not None:
            return known
        found, way = resolve(lambda item: self.step(item, usn), ref)
        if self._moved.isdisjoint(way):
            self._places[ref] = found
        return found
