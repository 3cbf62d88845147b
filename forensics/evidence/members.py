"""A drive out of a collection: members found by name in a dictionary, whatever container they lie in.

Folders and zips are listed once (regular files only); a glob is matched against the list and a lookup is a dictionary
access. Two members with the same name but for case are both kept: the second under a marked name, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from forensics.evidence.base import EvidenceError, Refusal
from forensics.evidence.globs import GlobSet, normal
from forensics.evidence.layout import Prefix, find_prefixes, other_drives
from forensics.evidence.originals import Times


@dataclass(frozen=True, slots=True)
class Member:
    """One regular file of a collection: decoded path components, size, times, and how to open it."""

    parts: tuple[str, ...]
    size: int
    open: Callable[[], BinaryIO]
    times: dict[str, datetime]


class MemberTree:
    """The members below one drive prefix (or several of the same drive)."""

    def __init__(self, drive: str) -> None:
        self.drive = drive
        self.refusals: list[Refusal] = []
        self._members: dict[str, tuple[str, Member]] = {}

    def add(self, path: str, member: Member) -> None:
        """Take a member in; a second one of the same name (but for case) is kept beside it and said."""
        key, spelled, count = normal(path), path, 1
        while key in self._members:
            count += 1
            spelled = f"{path} (collision {count})"
            key = normal(spelled)
        if count > 1:
            why = "two files of this name (letter case aside) are in the collection; both are kept"
            self.refusals.append(Refusal(path, "name_collision", why))
        self._members[key] = (spelled, member)

    def retime(self, known: Times) -> None:
        """Fill in the original times that the collector noted, by source path (`c:/users/...`)."""
        for key, (spelled, member) in self._members.items():
            if times := known.get(f"{self.drive.casefold()}/{key}"):
                self._members[key] = (spelled, replace(member, times=times))

    def __len__(self) -> int:
        return len(self._members)

    def find(self, globs: GlobSet) -> Iterator[tuple[str, int, tuple[str, ...]]]:
        """Every member that a glob matches, in path order."""
        for key in sorted(self._members):
            spelled, member = self._members[key]
            matched = globs.matches(key.partition(" (collision ")[0])
            if matched:
                yield spelled, member.size, matched

    def _get(self, path: str) -> Member:
        try:
            return self._members[normal(path)][1]
        except KeyError:
            raise FileNotFoundError(path) from None

    def open(self, path: str) -> BinaryIO:
        """A stream over the member."""
        return self._get(path).open()

    def times(self, path: str) -> dict[str, datetime]:
        """The original times of the member, as the collector noted them."""
        return self._get(path).times


def drives_of(name: str, members: list[Member]) -> list[MemberTree]:
    """The drives of one host's collection; raises EvidenceError when there is none, or more than one host."""
    paths = [member.parts for member in members]
    prefixes = find_prefixes(paths)
    if not any(not prefix.shadow for prefix in prefixes):
        what = "only shadow copies" if prefixes else "no Windows installation"
        raise EvidenceError(f"{name} holds {what}")
    groups = sorted({prefix.group for prefix in prefixes if not prefix.shadow})
    if len(groups) > 1:
        names = ", ".join("/".join(group) or "." for group in groups)
        raise EvidenceError(f"{name} holds {len(groups)} hosts or collections ({names}); name them one by one")
    prefixes += other_drives(paths, prefixes)
    return _fill(prefixes, members)


def _fill(prefixes: list[Prefix], members: list[Member]) -> list[MemberTree]:
    trees: dict[str, MemberTree] = {}
    depths = sorted({len(prefix.parts) for prefix in prefixes}, reverse=True)
    by_parts = {prefix.parts: prefix for prefix in prefixes}
    shadows: dict[tuple[str, ...], int] = {}
    for member in sorted(members, key=lambda item: item.parts):
        prefix = next((by_parts[head] for depth in depths if (head := member.parts[:depth]) in by_parts), None)
        if prefix is None:
            continue
        if prefix.shadow:
            shadows[prefix.parts] = shadows.get(prefix.parts, 0) + 1
            continue
        tree = trees.setdefault(prefix.drive, MemberTree(prefix.drive))
        tree.add("/".join(member.parts[len(prefix.parts) :]), member)
    ordered = [trees[drive] for drive in sorted(trees)]
    for parts, count in shadows.items():
        why = f"{count} files of a volume shadow copy are in the collection and were not read"
        ordered[0].refusals.append(Refusal("/".join(parts), "not_read", why))
    return ordered
