"""What an artifact declares, and what its parser is given.

An artifact is one file in this folder with one or more module-level declarations: `FileArtifact` (globs),
`EventArtifact` (channels and event ids) or `RegistryArtifact` (hives). A parser is a generator over what it is given:
it yields `Fact` and `Problem` and never reaches for an image, a path on the examiner's machine or another artifact.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

from forensics.model import Fact, Host, Problem, Source
from forensics.rules.watch import is_watched

if TYPE_CHECKING:
    from forensics.formats.evtx import Record
    from forensics.formats.hive import Hive

Output = Iterator[Fact | Problem]
FieldType = type[str] | type[int] | type[bool] | type[tuple[str, ...]]

WHOLE_USER = "Users/*"  # the profile folders; service profiles are named beside it where they matter


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fact: the sentence shown for it, its fields and their types, and whether it is only context.

    `message` is a `str.format` template over the fields; a part in `[...]` disappears when a field in it is absent.
    `data_type` is the plaso name where the row is that very thing, so that stock Timesketch analyzers see it;
    where a kind has rows of several things, `data_type_where` is the field that tells and its value in such rows.
    """

    message: str
    fields: dict[str, FieldType]
    context: bool = False
    data_type: str = ""
    data_type_where: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class OpenFolder:
    """A host folder that a sandbox was given, for the second look at a file system's own records.

    `folder` is its path folded, without drive and without a backslash at its end ("" is the root), `drive` its drive
    folded ("" where it is not known). Changes between `start` and `end` are wanted when it was `writable`; what scripts
    in it say is wanted in any case, above all of those that the session was told to run (`scripts`, folded names).
    """

    folder: str
    drive: str
    start: datetime
    end: datetime
    writable: bool
    scripts: tuple[str, ...] = ()

    def holds(self, folder: str) -> bool:
        """Whether a folder (folded, from the root on) is this one or lies below it."""
        return folder == self.folder or folder.startswith(self.folder + "\\")


@dataclass(frozen=True, slots=True)
class FileInput:
    """One evidence file handed to a parser.

    `path` is the full path inside the evidence with forward slashes and its drive (`C:/Users/...`), `times` the
    file system's own times by Timesketch meaning (`Creation Time`, `Content Modification Time`, ...), empty when the
    collection did not keep them. `zone` is the host's time zone, None when unknown. `companions` are the files of the
    same drive that the artifact declared as such and that the evidence holds, by the path it declared. `siblings` are
    those that lie beside it under its own name with a suffix, by that suffix. `read_from` is the path with the shadow
    copy that it was read from (`C:@vss1/...`), "" for the live file. With `open_folders` a parser that knows them gives
    only what the first reading left out and these folders want. `copy_written` is the modification time of the copy,
    where the evidence kept none of the file: the original's or that of copying, so it counts only where confirmed.
    """

    path: str
    fh: BinaryIO
    size: int
    sha256: str | None
    evidence: str
    host: Host
    zone: tzinfo | None
    times: dict[str, datetime] = field(default_factory=dict)
    companions: dict[str, BinaryIO] = field(default_factory=dict)
    siblings: dict[str, BinaryIO] = field(default_factory=dict)
    read_from: str = ""
    open_folders: tuple[OpenFolder, ...] = ()
    copy_written: datetime | None = None

    def source(self, locator: str = "") -> Source:
        """The Source of a row at `locator` in this file."""
        return Source(self.evidence, self.read_from or self.path, self.sha256, locator)

    def read(self, limit: int) -> bytes:
        """The whole file from its start, at most `limit` bytes (compare with `size` to report a cut)."""
        self.fh.seek(0)
        return self.fh.read(limit)

    @property
    def drive(self) -> str:
        """The drive that the file lies on (`C:`), whatever view of it was read."""
        return self.path.partition("/")[0]

    @property
    def profile(self) -> str | None:
        """The profile folder's name (`Users/<name>/...`), None for a file outside the profiles."""
        return profile_in(self.path)


def profile_in(path: str) -> str | None:
    """The profile folder that a file's path names wherever its `Users` lies, also below a folder that is lost."""
    parts = path.replace("\\", "/").split("/")
    for index, part in enumerate(parts[:-1]):
        if part.casefold() == "users" and index + 2 < len(parts):
            return parts[index + 1]
    lowered = [part.casefold() for part in parts]
    return "SYSTEM" if "systemprofile" in lowered else None


@dataclass(frozen=True, slots=True)
class FileArtifact:
    """Files by glob. Globs are case-insensitive, relative to the Windows volume's root, `**` crosses folders.

    `companions` are paths (relative to the root of the file's drive) of other files without which a file is
    understood less well: they are opened beside it where the evidence has them, and parsed by their own artifacts. One
    with `*` is a glob over the same drive; what it matches is given by its own path.
    `siblings` are the suffixes of files that belong to one file, beside it under its name (`-wal` of a database): they
    are collected with it and opened with it, from the same shadow copy, and are never parsed alone. `head_only`: the
    parser looks at a few places of what may be a disk of 100 GB, so the file is not hashed (its rows have no hash).
    `on_request`: only looked for when the user asked for carving, as it reads whole volumes.
    """

    name: str
    paths: tuple[str, ...]
    parse: Callable[[FileInput], Output]
    emits: dict[str, Kind]
    companions: tuple[str, ...] = ()
    siblings: tuple[str, ...] = ()
    head_only: bool = False
    on_request: bool = False


@dataclass(frozen=True, slots=True)
class Deferral:
    """Says of an event id that its records give one context fact of `kind`, unless one of their texts matters.

    Such records are the bulk of every log. They are noted by their place and read only when a session or a finding is
    near. `watched` are the data elements whose texts decide, and `matters` says whether they do (given in that order),
    just as the parser does; `pid` and `parent_pid` are those that become the fields of that name, by which descendants
    of watched processes are found. By `about` the records are
    counted, where the first of these says something. A record without one of the watched elements is not put off.
    """

    kind: str
    watched: tuple[str, ...] = ()
    pid: str = ""
    parent_pid: str = ""
    about: tuple[str, ...] = ()
    matters: Callable[..., bool] = is_watched


@dataclass(frozen=True, slots=True)
class EventArtifact:
    """Event log records: `wants` maps a channel's full name to the event ids taken from it.

    `providers` narrows to these provider names when several share a channel and an id (empty: any).
    `parse` is given one decoded record at a time; one pass over a log serves all artifacts that want something.
    `defers` are the ids whose records need not be read before their time is wanted. `sifts` is of an artifact that
    takes a few records out of many: it tells whether it takes this one, and then nobody defers it. `on_request`: what
    it wants is the user's to say (see `asked_for`).
    """

    name: str
    wants: dict[str, frozenset[int]]
    parse: Callable[[Record, Source], Output]
    emits: dict[str, Kind]
    providers: frozenset[str] = frozenset()
    defers: dict[int, Deferral] = field(default_factory=dict)
    sifts: Callable[[Record], bool] | None = None
    on_request: bool = False


@dataclass(frozen=True, slots=True)
class RegistryArtifact:
    """Keys of one kind of hive: `hives` out of SYSTEM, SOFTWARE, NTUSER, USRCLASS, AMCACHE. One opening serves all.

    `deleted` says that the parser is given recovered keys as well, as a hive of their own (`hive.deleted` is true,
    `hive.live` is the hive as it is). It then names its rows' places with `_registry.place`, concludes nothing from a
    key that is not there, and may look through `hive.unplaced()` for keys that it knows by their content.
    `companions` are other files of the same drive by their path, as of a `FileArtifact` (no globs): the machine's hive
    beside a user's. They are opened as they are, without their logs.
    """

    name: str
    hives: frozenset[str]
    parse: Callable[[Hive, FileInput], Output]
    emits: dict[str, Kind]
    deleted: bool = False
    companions: tuple[str, ...] = ()


Artifact = FileArtifact | EventArtifact | RegistryArtifact


@cache
def all_artifacts() -> tuple[Artifact, ...]:
    """Every artifact of this folder, by walking it; sorted by name, names unique."""
    package = importlib.import_module("forensics.artifacts")
    found: dict[str, Artifact] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if info.name == "base" or info.name.startswith("_"):
            continue
        module = importlib.import_module(f"forensics.artifacts.{info.name}")
        for value in vars(module).values():
            if isinstance(value, FileArtifact | EventArtifact | RegistryArtifact):
                if found.get(value.name, value) is not value:
                    raise ValueError(f"two artifacts are named {value.name}")
                found[value.name] = value
    return tuple(found[name] for name in sorted(found))


def asked_for(*, carve: bool, events: Mapping[str, frozenset[int]] | None = None) -> tuple[Artifact, ...]:
    """The artifacts of a run: those that carve only on request, one for the user's rules with the `events` they want.

    `events` are event ids by channel, as `EventArtifact.wants`.
    """
    found: list[Artifact] = []
    for item in all_artifacts():
        if isinstance(item, EventArtifact) and item.on_request:
            found.extend([replace(item, wants=dict(events))] if events else [])
        elif carve or not (isinstance(item, FileArtifact) and item.on_request):
            found.append(item)
    return tuple(found)


@cache
def all_kinds() -> dict[str, Kind]:
    """Every declared kind by name; the same kind from two artifacts must be declared equal (contract test)."""
    return {name: kind for artifact in all_artifacts() for name, kind in artifact.emits.items()}
