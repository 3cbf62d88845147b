"""What every kind of evidence offers: trees of files, one per drive, searched by glob and opened read-only."""

from __future__ import annotations

import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import BinaryIO, Protocol

from forensics.evidence.globs import GlobSet
from forensics.model import GUEST_DRIVE

BORN, MODIFIED = "Creation Time", "Content Modification Time"
SNAPSHOT = "@"  # between the drive and the name of a snapshot: `C:@vss1`
CHANGED, ACCESSED = "Metadata Modification Time", "Last Access Time"


# What decoders of containers and file systems raise on damaged input (measured; see the libraries' sources).
DAMAGE = (
    OSError, EOFError, ValueError, KeyError, IndexError, struct.error, zlib.error, zipfile.BadZipFile, AttributeError,
    TypeError, RecursionError, NotImplementedError, ArithmeticError, AssertionError, lzma.LZMAError, tarfile.TarError,
    RuntimeError,
)  # fmt: skip
UNPACKED = ".unpacked"  # how a file in the scratch folder is called: a name that tells a person nothing


def reason(error: BaseException) -> str:
    """What went wrong, in words for a person: the libraries' own errors carry objects and paths of this machine."""
    cause = error.__cause__ or error
    text = re.sub(r"<[^<>]*>|(?:Posix|Windows)Path\([^()]*\)|\[[^\[\]]*Path\(.*", "", str(cause))
    text = " ".join(text.split()).strip(" :")
    if not text or text.startswith("Failed to "):
        return "what is there is of no known kind" if text else f"it is damaged ({type(cause).__name__})"
    return f"{text} ({type(cause).__name__})"


class EvidenceError(Exception):
    """The evidence cannot be opened; the message is one sentence for a person.

    `integrity`: it is damaged. `password`: `missing` or `wrong` where a password would open it, else "".
    """

    def __init__(self, message: str, *, integrity: bool = False, password: str = "") -> None:
        super().__init__(message)
        self.integrity = integrity
        self.password = password

    def said_of(self, place: str, name: str) -> EvidenceError:
        """The same, with `name` for what it calls `place` (a scratch file)."""
        return EvidenceError(_renamed(str(self), place, name), integrity=self.integrity, password=self.password)

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel from the worker to the parent with all they say."""
        return _error, (str(self), self.integrity, self.password)


def _renamed(text: str, place: str, name: str) -> str:
    shown, own = name.replace("|", "/"), PurePath(place).name
    text = text.replace(place, shown)
    return text.replace(own, PurePath(shown).name) if own.endswith(UNPACKED) else text


def _error(message: str, integrity: bool, password: str) -> EvidenceError:
    return EvidenceError(message, integrity=integrity, password=password)


class SeveralError(EvidenceError):
    """The evidence holds several hosts or collections; `hosts` are their names, to be opened one by one."""

    def __init__(self, message: str, hosts: tuple[str, ...]) -> None:
        super().__init__(message)
        self.hosts = hosts

    def said_of(self, place: str, name: str) -> EvidenceError:
        """As its parent; the hosts inside get the container's name in front, to be asked for by it."""
        inner = name.partition("|")[2]
        return SeveralError(
            _renamed(str(self), place, name), tuple(f"{inner}/{host}" if inner else host for host in self.hosts)
        )

    def __reduce__(self) -> tuple[object, ...]:
        """As its parent."""
        return SeveralError, (str(self), self.hosts)


@dataclass(frozen=True, slots=True)
class Opening:
    """How evidence is to be opened, as the user said; it travels to every worker.

    `password` of an encrypted collection, `keys` for encrypted volumes (recovery key, passphrase, or path of a BEK
    file), `volume` the number of the Windows volume where an image holds several, `snapshots` whether volume shadow
    copies are read too, `host` the host folder where a collection holds several (its path inside, `/` between).
    `scratch` is a folder that this run may unpack nested containers into; without it each process makes its own.
    `carve`: free space and page files are looked through, too.
    """

    password: str = ""
    keys: tuple[str, ...] = ()
    volume: int | None = None
    snapshots: bool = False
    host: str | None = None
    scratch: str = ""
    carve: bool = False

    def __repr__(self) -> str:
        """Secrets stay out of messages and logs."""
        return f"Opening(volume={self.volume}, snapshots={self.snapshots}, host={self.host!r})"


def live_path(path: str) -> str:
    """The path of a file on the live volume (`C:@vss1/x` is `C:/x`)."""
    drive, slash, rest = path.partition("/")
    return f"{drive.partition(SNAPSHOT)[0]}{slash}{rest}"


def guest_of(path: str) -> str:
    """The drive of a guest (`guest-<GUID>:`) that a path of the evidence lies on, "" for the host's own."""
    drive = path.partition("/")[0]
    return drive if drive.startswith(GUEST_DRIVE) else ""


@dataclass(frozen=True, slots=True)
class Found:
    """One file that a glob matched. `path` has the drive (`C:/Users/...`), `patterns` are the globs that matched.

    `C:@vss1/Users/...` is a file as a volume shadow copy has it. `loose`: it was identified by its content, not by its
    place. `why`: it is there and cannot be opened (a link, a pipe, a folder of that name, an encrypted member).
    """

    path: str
    size: int
    patterns: tuple[str, ...]
    loose: bool = False
    why: str = ""

    @property
    def view(self) -> str:
        """`live`, or the name of the snapshot."""
        return self.path.partition("/")[0].partition(SNAPSHOT)[2] or "live"

    @property
    def live_path(self) -> str:
        """The same file's path on the live volume."""
        return live_path(self.path)

    @property
    def same_as(self) -> str:
        """What all views of the file have in common: its path, in the spelling of none of them."""
        return self.live_path.casefold()


@dataclass(frozen=True, slots=True)
class Noted:
    """What the collector wrote down about a file: its hash (`md5`, `sha1`, `sha256`) and the original times."""

    times: dict[str, datetime] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of the evidence that was not looked at, and why (a link, a locked volume, a colliding name, ...).

    `folder`: what lies below the path may be missing with it; below `$MFT`, what no folder's index was asked for.
    """

    path: str
    fault: str
    why: str
    folder: bool = False


class Tree(Protocol):
    """One drive of the evidence. Paths are relative to its root, with forward slashes, compared without case."""

    drive: str
    refusals: list[Refusal]

    def find(self, globs: GlobSet) -> Iterator[Found]:
        """Every regular file that a glob matches, in a stable order; paths without the drive."""

    def blocked(self, globs: GlobSet) -> Iterator[Found]:
        """What a glob matches and what cannot be opened, with the reason in `why`."""

    def noted(self, path: str) -> Noted:
        """What the collector wrote down about the file."""

    def is_whole(self, path: str) -> bool:
        """Whether the file is read as the collector hashed it."""

    def open(self, path: str) -> BinaryIO:
        """A read-only stream over the file; raises FileNotFoundError or OSError."""

    def times(self, path: str) -> dict[str, datetime]:
        """The file's own times as far as this evidence kept them."""
