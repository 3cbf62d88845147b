"""Opened evidence: its trees behind one set of calls, with drive letters in the paths."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from forensics.evidence.base import Found, Noted, Refusal, Tree
from forensics.evidence.globs import GlobSet
from forensics.evidence.members import MemberTree

_BLOCK = 1024 * 1024
_LOSSES = frozenset({"truncated_media", "truncated", "media_damage", "bad_record"})  # of the evidence as a whole
_BROKEN = frozenset({"unreadable", "bad_record"})  # of a file system
_DATA_DRIVE = re.compile(r"[A-BD-Z]:")  # Windows itself is C: in everything that is opened


@dataclass(frozen=True, slots=True)
class Digests:
    """The hashes of a stream: SHA-256 always, others where the collector noted one to be checked."""

    sha256: str
    others: dict[str, str]


class OpenedEvidence:
    """What `open_evidence` returns. One per process: dissect objects must not be shared between processes.

    `refusals` are about the evidence as a whole or about places outside its drives; paths as the container has them.
    `media` are the images that it is read from, `files` what they consist of. `notices` are to be told and are no
    fault. `whole` says that it is all of a file system, so that what is not there never was, or is gone: see `hurt`.
    `unlisted` is the number of files that no list of the collector names, None where there is no list.
    """

    def __init__(self, name: str, kind: str, trees: Sequence[Tree], refusals: Iterable[Refusal] = ()) -> None:
        self.name = name
        self.kind = kind
        self.trees = {tree.drive: tree for tree in trees}
        self.own_refusals = list(refusals)
        self.media: list[Any] = []
        self.files: list[Path] = []
        self.notices: list[str] = []
        self.whole = False
        self.unlisted: int | None = None

    @property
    def refusals(self) -> list[Refusal]:
        """All that was not looked at, with its full path."""
        inside = [
            replace(refusal, path=f"{drive}/{refusal.path}")
            for drive, tree in self.trees.items()
            for refusal in tree.refusals
        ]
        return [*self.own_refusals, *inside]

    def find(self, patterns: Iterable[str]) -> list[Found]:
        """Every regular file that one of the globs matches, on all drives, in a stable order without doubles."""
        return self._collect((drive, tree.find(globs)) for drive, tree, globs in self._each(patterns))

    def blocked(self, patterns: Iterable[str]) -> list[Found]:
        """What one of the globs matches and what cannot be opened."""
        return self._collect((drive, tree.blocked(globs)) for drive, tree, globs in self._each(patterns))

    def _each(self, patterns: Iterable[str]) -> Iterator[tuple[str, Tree, GlobSet]]:
        """Every drive with the globs as they are meant there."""
        wanted = tuple(patterns)
        for drive, tree in self.trees.items():
            yield drive, tree, GlobSet(wanted, anywhere=bool(_DATA_DRIVE.match(drive)))

    @staticmethod
    def _collect(trees: Iterable[tuple[str, Iterable[Found]]]) -> list[Found]:
        found = {
            path: replace(item, path=path)
            for drive, items in trees
            for item in items
            if (path := f"{drive}/{item.path}")
        }
        return [found[path] for path in sorted(found)]

    def _split(self, path: str) -> tuple[Tree, str]:
        drive, _, rest = path.partition("/")
        if drive not in self.trees:
            raise FileNotFoundError(path)
        return self.trees[drive], rest

    def open(self, path: str) -> BinaryIO:
        """A read-only stream over `C:/...`; raises FileNotFoundError or OSError."""
        tree, rest = self._split(path)
        return tree.open(rest)

    def times(self, path: str) -> dict[str, datetime]:
        """The file system's times of `C:/...` as far as the evidence kept them."""
        tree, rest = self._split(path)
        return tree.times(rest)

    def written(self, path: str) -> datetime | None:
        """The modification time of the copy in a folder: the original's, or that of copying; None elsewhere."""
        tree, rest = self._split(path)
        return tree.written(rest) if isinstance(tree, MemberTree) else None

    def noted(self, path: str) -> Noted:
        """What the collector wrote down about `C:/...`."""
        tree, rest = self._split(path)
        return tree.noted(rest)

    def is_whole(self, path: str) -> bool:
        """Whether what is read of `C:/...` is the file as the collector hashed it (a sparse upload is not)."""
        tree, rest = self._split(path)
        return tree.is_whole(rest)

    def touched(self) -> list[str]:
        """The damaged or missing parts of the media that were read since the last call."""
        return [why for media in self.media for why in media.touched()]

    def hurt(self, read: Iterable[str] = ()) -> str:
        """Why a file that is not found may have been there all the same; "" where nothing speaks for it.

        `read` are damaged parts of the media that the file system was read from.
        """
        own = (refusal.why for refusal in self.own_refusals if refusal.fault in _LOSSES)
        inside = (
            f"{refusal.path or drive}: {refusal.why}"
            for drive, tree in self.trees.items()
            if getattr(tree, "is_file_system", False)
            for refusal in tree.refusals
            if refusal.fault in _BROKEN and not refusal.folder  # of a folder, coverage asks what may lie below it
        )
        return next((why for why in (*own, *read, *inside) if why), "")

    def stored(self) -> dict[str, str]:
        """The hashes of the whole media that the acquisition stored."""
        found = (getattr(media, "stored_hashes", {}) for media in self.media)
        return {name: text for hashes in found for name, text in hashes.items()}

    def digests(self, handle: BinaryIO, others: Iterable[str] = ()) -> Digests:
        """The hashes of a whole stream, read in blocks; leaves the stream at its start."""
        digest = hashlib.sha256()
        more = {name: hashlib.new(name, usedforsecurity=False) for name in others}
        handle.seek(0)
        while block := handle.read(_BLOCK):
            digest.update(block)
            for item in more.values():
                item.update(block)
        handle.seek(0)
        return Digests(digest.hexdigest(), {name: item.hexdigest() for name, item in more.items()})
