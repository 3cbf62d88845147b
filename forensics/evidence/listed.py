"""What the collector wrote down as collected, held against what is there now.

A file that a collector's list names and that is missing was lost or taken out after the collection: it was collected.
A copy keeps names but for what its tools do to them (`LongFileNames`, letters that a zip tool could not write), so a
file counts as missing only when nothing that could be it is there under any of its names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from forensics.evidence.base import SNAPSHOT, Refusal
from forensics.evidence.globs import normal
from forensics.evidence.members import Member, MemberTree, blocked
from forensics.evidence.originals import Taken, tree_path

WHY = "listed by the collector, missing now"
FAULT = "listed_missing"
_NAMED, _MOST = 50, 100_000
_LONG = 240  # KAPE puts what would have a longer path into a folder of its own, under a short name
_UNSAFE = re.compile(r"(?:[^\x21-\x7e]|[<>:\"|?*%_]|\ufffd)+")


@dataclass
class _There:
    """The names of all that is there: as paths in the collection, and as the drives have them."""

    places: set[str]
    keys: set[str]
    long_names: bool
    closed: tuple[str, ...] = ()  # folders that could not be listed: nobody knows what is in them

    @cached_property
    def loosely(self) -> set[str]:
        """Both, as far as every tool can write them; seldom needed."""
        return {_loose(item) for item in (*self.places, *self.keys)}

    def has(self, taken: Taken) -> bool:
        if _same_stream(taken.key) in self.keys or any(place in self.places for place in self.where(taken)):
            return True
        if self.long_names and len(taken.place) >= _LONG:
            return True
        if self.closed and any(place.startswith(self.closed) for place in self.where(taken)):
            return True
        return any(_loose(place) in self.loosely for place in (*self.where(taken), taken.key))

    def where(self, taken: Taken) -> Iterator[str]:
        """Where in the collection it may be: below the list's folder, by however much of its path was kept."""
        steps = normal(taken.place).split("/") if taken.place else []
        head = normal("/".join(taken.folder))
        if taken.inside:
            yield "/".join(filter(None, (head, normal(taken.place))))
            return
        for depth in range(max(0, len(steps) - 1)):
            yield "/".join(filter(None, (head, *steps[depth:])))


def missing(
    taken: list[Taken], members: list[Member], trees: list[MemberTree], closed: Iterable[str] = ()
) -> tuple[list[Refusal], int | None]:
    """What is said of missing files, which are put into the trees as such; and how many files no list names.

    The number is None where there is no list. `closed` are folders that could not be listed.
    """
    if not taken:
        return [], None
    there = _there(members, trees)
    there.closed = tuple(f"{normal(folder)}/" for folder in closed)
    lost: dict[str, Taken] = {}
    for item in taken:
        if item.key not in lost and len(lost) < _MOST and not there.has(item):
            lost[item.key] = item
    by_label = {_label(tree): tree for tree in trees}
    said, gone = [], Counter[str]()
    for key, item in lost.items():
        label, _, rest = key.partition("/")
        if not rest or (tree := by_label.get(label)) is None:
            gone[label] += 1
            continue
        path = tree_path(item.source, rest.count("/") + 1)
        tree.add(path, blocked(tuple(path.split("/")), WHY))
        said.append(Refusal(f"{tree.drive}/{path}", FAULT, WHY))
    said[_NAMED:] = [Refusal("", FAULT, f"{len(said) - _NAMED} more files are {WHY}")] if len(said) > _NAMED else []
    whole = "nothing of it is in the collection"
    said += [Refusal(name, FAULT, f"{count} files of it are {WHY}: {whole}") for name, count in sorted(gone.items())]
    return said, _unlisted(taken, there, trees)


def _there(members: list[Member], trees: list[MemberTree]) -> _There:
    places = {normal("/".join(member.parts)) for member in members}
    keys = {_same_stream(f"{_label(tree)}/{key}") for tree in trees for key, _ in tree.held()}
    return _There(places, keys, any("longfilenames" in place.split("/") for place in places))


def _unlisted(taken: list[Taken], there: _There, trees: list[MemberTree]) -> int:
    keys = {_same_stream(item.key) for item in taken}
    others = [item for item in taken if _same_stream(item.key) not in there.keys]
    places = {place for item in others for place in there.where(item)}
    count = 0
    for tree in trees:
        for key, member in tree.held():
            own, place = _same_stream(f"{_label(tree)}/{key}"), normal("/".join(member.parts))
            names = {own, own.removesuffix(".idx")}  # an index belongs to its upload
            count += not (member.why or names & keys or place in places or place.removesuffix(".idx") in places)
    return count


def _label(tree: MemberTree) -> str:
    """How lists name the drive: `c:`, `vss1`."""
    drive, _, shadow = tree.drive.partition(SNAPSHOT)
    return shadow or drive.casefold()


def _same_stream(key: str) -> str:
    """The journal's own name is that of a stream; KAPE and others save it under the stream's."""
    return key.replace("$usnjrnl:$", "$")


def _loose(path: str) -> str:
    """A path with all that tools may not be able to write taken for the same."""
    return _UNSAFE.sub("_", path)
