"""Opened evidence: its trees behind one set of calls, with drive letters in the paths."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import BinaryIO

from forensics.evidence.base import Found, Refusal, Tree
from forensics.evidence.globs import GlobSet

_BLOCK = 1024 * 1024


class OpenedEvidence:
    """What `open_evidence` returns. One per process: dissect objects must not be shared between processes."""

    def __init__(self, name: str, kind: str, trees: Sequence[Tree], hashes: dict[str, str] | None = None) -> None:
        self.name = name
        self.kind = kind
        self.trees = {tree.drive: tree for tree in trees}
        self.hashes = hashes or {}

    @property
    def refusals(self) -> list[tuple[str, Refusal]]:
        """All that was not looked at, with its drive."""
        return [(drive, refusal) for drive, tree in self.trees.items() for refusal in tree.refusals]

    def find(self, patterns: Iterable[str]) -> list[Found]:
        """Every regular file that one of the globs matches, on all drives, in a stable order without doubles."""
        globs = GlobSet(patterns)
        found = {
            f"{drive}/{path}": Found(f"{drive}/{path}", size, matched)
            for drive, tree in self.trees.items()
            for path, size, matched in tree.find(globs)
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

    def sha256(self, handle: BinaryIO) -> str:
        """The hash of a whole stream, read in blocks; leaves the stream at its start."""
        digest = hashlib.sha256()
        handle.seek(0)
        while block := handle.read(_BLOCK):
            digest.update(block)
        handle.seek(0)
        return digest.hexdigest()
