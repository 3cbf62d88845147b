"""What every kind of evidence offers: trees of files, one per drive, searched by glob and opened read-only."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from forensics.evidence.globs import GlobSet

BORN, MODIFIED = "Creation Time", "Content Modification Time"
CHANGED, ACCESSED = "Metadata Modification Time", "Last Access Time"


# What decoders of containers and file systems raise on damaged input (measured; see the libraries' sources).
DAMAGE = (
    OSError, EOFError, ValueError, KeyError, IndexError, struct.error, zlib.error, zipfile.BadZipFile, AttributeError,
    TypeError, RecursionError, NotImplementedError, OverflowError,
)  # fmt: skip


class EvidenceError(Exception):
    """The evidence cannot be opened; the message is one sentence for a person.

    `integrity`: it is damaged. `password`: `missing` or `wrong` where a password would open it, else "".
    """

    def __init__(self, message: str, *, integrity: bool = False, password: str = "") -> None:
        super().__init__(message)
        self.integrity = integrity
        self.password = password

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel from the worker to the parent with all they say."""
        return _error, (str(self), self.integrity, self.password)


def _error(message: str, integrity: bool, password: str) -> EvidenceError:
    return EvidenceError(message, integrity=integrity, password=password)


@dataclass(frozen=True, slots=True)
class Opening:
    """How evidence is to be opened, as the user said; it travels to every worker.

    `password` of an encrypted collection, `keys` for encrypted volumes (recovery key, passphrase, or path of a BEK
    file), `volume` the number of the Windows volume where an image holds several, `snapshots` whether volume shadow
    copies are read too, `host` the host folder where a collection holds several (its path inside, `/` between).
    """

    password: str = ""
    keys: tuple[str, ...] = ()
    volume: int | None = None
    snapshots: bool = False
    host: str | None = None

    def __repr__(self) -> str:
        """Secrets stay out of messages and logs."""
        return f"Opening(volume={self.volume}, snapshots={self.snapshots}, host={self.host!r})"


@dataclass(frozen=True, slots=True)
class Found:
    """One file that a glob matched. `path` has the drive (`C:/Users/...`), `patterns` are the globs that matched."""

    path: str
    size: int
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of the evidence that was not looked at, and why (a link, a locked volume, a colliding name, ...)."""

    path: str
    fault: str
    why: str


class Tree(Protocol):
    """One drive of the evidence. Paths are relative to its root, with forward slashes, compared without case."""

    drive: str
    refusals: list[Refusal]

    def find(self, globs: GlobSet) -> Iterator[tuple[str, int, tuple[str, ...]]]:
        """Yield (path, size, matching patterns) of every regular file that a glob matches, in a stable order."""

    def open(self, path: str) -> BinaryIO:
        """A read-only stream over the file; raises FileNotFoundError or OSError."""

    def times(self, path: str) -> dict[str, datetime]:
        """The file's own times as far as this evidence kept them."""
