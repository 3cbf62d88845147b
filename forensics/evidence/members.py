"""A drive out of a collection: members found by name in a dictionary, whatever container they lie in.

Folders and archives are listed once (regular files only); a glob is matched against the list and a lookup is a
dictionary access. Two members with the same name but for case are both kept: the second under a marked name, and said.
What is there under a wanted name and cannot be opened is kept as well, with the reason: it is not "not collected".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from forensics.evidence.base import DAMAGE, Found, Noted, Refusal
from forensics.evidence.globs import GlobSet, normal
from forensics.evidence.sparse import expanded, missing, ranges_of

_COLLISION = " (collision "


@dataclass(frozen=True, slots=True)
class Member:
    """One regular file of a collection: decoded path components, size, and how to open it.

    `why` is set for what is no regular file or cannot be opened. `place` is its path on this machine, where it has one.
    `noted` gives what the container itself keeps of the file (times, hashes). `written` is the modification time of the
    copy: the original's where the collector kept it, else that of copying, so by itself it says nothing.
    """

    parts: tuple[str, ...]
    size: int
    open: Callable[[], BinaryIO]
    why: str = ""
    place: Path | None = None
    noted: Callable[[], Noted] | None = None
    written: datetime | None = None


def blocked(parts: tuple[str, ...], why: str) -> Member:
    """A member that is there but cannot be opened."""

    def refuse() -> BinaryIO:
        raise OSError(f"{parts[-1]}: {why}")

    return Member(parts, 0, refuse, why)


@dataclass(slots=True)
class _Held:
    spelled: str
    member: Member
    listed: Noted = field(default_factory=Noted)

    def noted(self) -> Noted:
        """What the collector's lists say, else what the container keeps."""
        return self.listed if self.listed != Noted() or self.member.noted is None else self.member.noted()


class MemberTree:
    """The members below one drive prefix (or several of the same drive)."""

    def __init__(self, drive: str) -> None:
        self.drive = drive
        self.refusals: list[Refusal] = []
        self._held: dict[str, _Held] = {}
        self._counts: dict[str, int] = {}

    def add(self, path: str, member: Member) -> None:
        """Take a member in; a second one of the same name (but for case) is kept beside it and said."""
        key, spelled = normal(path), path
        count = self._counts[key] = self._counts.get(key, 0) + 1
        if count > 1:
            spelled = f"{path}{_COLLISION}{count})"
            key = normal(spelled)
            why = "two files of this name (letter case aside) are in the collection; both are kept"
            self.refusals.append(Refusal(path, "name_collision", why))
        self._held[key] = _Held(spelled, member)

    def alias(self, path: str, other: MemberTree, name: str) -> bool:
        """Say that `path` has the content of `name` of another tree; False where that is not known, or not needed.

        Content may be the same under another name: then the times are the other's own and are left out.
        """
        held = other._held.get(normal(name))  # of its own kind
        if held is None or normal(path) in self._held:
            return False
        if normal(held.spelled) == normal(path):
            self._held[normal(path)] = _Held(held.spelled, held.member, held.listed)
        else:
            self._held[normal(path)] = _Held(path, held.member, Noted({}, held.noted().hashes))
        return True

    def note(self, known: dict[str, Noted], prefix: str) -> None:
        """Fill in what the collector noted, by source path (`c:/users/...`, `vss1/users/...`)."""
        for key, held in self._held.items():
            held.listed = known.get(f"{prefix}/{key}", held.listed)

    def expand(self) -> None:
        """Put back the holes of sparse uploads: `X` has `X.idx` beside it, which says where its parts belong."""
        for key in [key for key in self._held if f"{key}.idx" in self._held]:
            held, index = self._held[key], self._held[f"{key}.idx"]
            try:
                ranges = ranges_of(index.member.open, held.member.size)
            except (*DAMAGE, MemoryError) as error:
                why = f"its index of ranges cannot be used, offsets in it are wrong: {error}"
                self.refusals.append(Refusal(held.spelled, "bad_record", why))
                continue
            if lost := missing(ranges, held.member.size):
                why = f"the upload was cut: {lost} bytes that its index names are not in it"
                self.refusals.append(Refusal(held.spelled, "truncated", why))
            held.member = expanded(held.member, ranges)

    def held(self) -> Iterator[tuple[str, Member]]:
        """Every member by the comparison form of its path."""
        return ((key, held.member) for key, held in self._held.items())

    def __len__(self) -> int:
        return len(self._held)

    def find(self, globs: GlobSet) -> Iterator[Found]:
        """Every member that a glob matches, in path order."""
        for key in sorted(self._held):
            held = self._held[key]
            if not held.member.why and (matched := globs.matches(key.partition(_COLLISION)[0])):
                yield Found(held.spelled, held.member.size, matched)

    def blocked(self, globs: GlobSet) -> Iterator[Found]:
        """What a glob matches and what is no readable file, folders of such a name among them."""
        for key in sorted(self._held):
            held = self._held[key]
            if held.member.why and (matched := globs.matches(key)):
                yield Found(held.spelled, 0, matched, why=held.member.why)
        named = globs.named()
        for folder in sorted({folder for held in self._held.values() for folder in _folders(held.spelled)}):
            if matched := named.matches(folder):
                yield Found(folder, 0, matched, why="a folder of this name, not a file")

    def is_whole(self, path: str) -> bool:
        """Whether the member is the whole file: one with an index of ranges was collected without its holes."""
        return f"{normal(path)}.idx" not in self._held

    def _get(self, path: str) -> _Held:
        try:
            return self._held[normal(path)]
        except KeyError:
            raise FileNotFoundError(path) from None

    def open(self, path: str) -> BinaryIO:
        """A stream over the member."""
        return self._get(path).member.open()

    def size(self, path: str) -> int:
        """The size of the member, as its container tells it."""
        return self._get(path).member.size

    def times(self, path: str) -> dict[str, datetime]:
        """The original times of the member, as the collector noted them."""
        return self._get(path).noted().times

    def written(self, path: str) -> datetime | None:
        """The modification time of the copy, None where it has none."""
        return self._get(path).member.written

    def noted(self, path: str) -> Noted:
        """What the collector noted about the member."""
        return self._get(path).noted()


def _folders(path: str) -> Iterator[str]:
    """Every folder on the way to a file."""
    at = path.find("/")
    while at > 0:
        yield path[:at]
        at = path.find("/", at + 1)
