"""In the workers: what the evidence has of the files that autostart entries start.

Where the file itself lies, its hashes and its signature; where it does not, what the $MFT of its volume says of its
name; and the records of other artifacts that hashed it while it was there (Amcache, Sysmon, a small file's content in
the $MFT).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from forensics.artifacts._filesystem import add_table
from forensics.deferred import NOTED, about_of, is_note, kind_of, offset_of
from forensics.evidence.base import DAMAGE, SNAPSHOT, guest_of, reason
from forensics.formats import authenticode
from forensics.formats.authenticode import Signature
from forensics.formats.mft import Entry, TableReader
from forensics.formats.ntfspaths import Folders
from forensics.jobs import opened
from forensics.model import Fact
from forensics.spool import SpoolReader, decode_fact
from forensics.times import EARLIEST, from_filetime

_SEARCHES = frozenset("*?")  # what a search reads as a pattern; no name of a file has them
_CATALOGUES, _MOST_CATALOGUE = "Windows/System32/CatRoot/*/*.cat", 32 * 1024 * 1024
MOST_LISTINGS = 64  # catalogues that are asked for one file
_SHORTENED = "~"
_BELOW = ("/*", "/*/*", "/*/*/*")  # where files of a folder are looked for
# Names that lead elsewhere since Windows Vista: the table has them as folders with nothing in them.
_JUNCTIONS = ("\\documents and settings\\", "\\users\\all users\\", "\\users\\default user\\", "\\application data\\",
              "\\local settings\\", "\\start menu\\")  # fmt: skip
_SYSTEM, _SYSTEM_32_BIT = "\\windows\\system32\\", "\\windows\\syswow64\\"
_MOST_RECORDS, _RECORDS_OF_A_FILE = 2_000, 4
# The field that names the file, and those with a hash of it, by the kind of the row.
RECORDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "amcache.file": ("executable", ("file_sha1",)),
    "process.created": ("executable", ("hashes",)),
    "file.deleted": ("file_path", ("hashes",)),
    "file.stream_created": ("file_path", ("hashes",)),
    "driver.loaded": ("file_path", ("hashes",)),
    "image.loaded": ("file_path", ("hashes",)),
    "file.executable_written": ("file_path", ("hashes",)),
    "mft.resident_content": ("file_path", ("file_sha256",)),
}
_DELETED = "usn.file_deleted"
_MARKS = (
    *(f'"{name}":' for name in sorted({name for _, names in RECORDS.values() for name in names})),
    f'"{_DELETED}"',
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies in the evidence; `why` says why that cannot be told. `catalogues`: there are some to ask."""

    path: str = ""
    size: int = 0
    why: str = ""
    catalogues: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """What the file itself says; `digests` are what a catalogue would know it by, of a program without a signature."""

    sha256: str | None = None
    sha1: str | None = None
    signature: Signature | None = None
    why: str = ""
    digests: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """What a $MFT says of a path: `there`, or its record is free again; None where it does not have the name.

    Only records of files count for a file, only those of folders for a folder.
    """

    there: bool | None
    record: int = 0
    born: datetime | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The paths that were sought in one $MFT; `gaps` says why a name that is missing may still be there."""

    found: dict[str, Listed]
    gaps: str = ""


def locate(order: tuple[tuple[str, bool], ...]) -> dict[str, Place]:
    """The place of each of these paths that lies in the evidence, and of each that cannot be sought.

    Evidence is searched for files: a folder (a path with True) is there where a file lies a few levels below it.
    """
    evidence = opened()
    paths = [path for path, _ in order]
    found: dict[str, Place] = {}
    globs: dict[str, list[str]] = {}
    for path, folder in order:
        rest = _split(path)[1].rstrip("/") if folder else _split(path)[1]
        if _SEARCHES & set(path):
            found[path] = Place(why="signs in its name that no file can have")
        elif folder and not rest:
            found[path] = Place(why="the root of a drive")
        else:
            for glob in [rest + depth for depth in _BELOW] if folder else [rest]:
                globs.setdefault(glob, []).append(path)
    try:
        for item in evidence.find(globs):
            for path in (path for pattern in item.patterns for path in globs.get(pattern, ())):
                if item.path.partition("/")[0].casefold() == _split(path)[0].casefold():
                    found.setdefault(path, Place(item.path, item.size))
    except DAMAGE as error:
        return {path: found.get(path, Place(why=f"the evidence cannot be searched: {reason(error)}")) for path in paths}
    return found


def _split(path: str) -> tuple[str, str]:
    drive, _, rest = path.replace("\\", "/").partition("/")
    return drive, rest


def examine(place: Place) -> Looked:
    """The hashes of one file, and its signature."""
    evidence = opened()
    try:
        with evidence.open(place.path) as handle:
            digests = evidence.digests(handle, ("sha1",))
            looked = Looked(digests.sha256, digests.others["sha1"], authenticode.check(handle, place.size))
            if looked.signature and looked.signature.state == authenticode.NONE and place.catalogues:
                looked = replace(looked, digests=authenticode.digests(handle))
            return looked
    except DAMAGE as error:
        return Looked(why=f"could not be read: {reason(error)}")


def catalogues(_: None) -> list[Place]:
    """The catalogues at hand in which the hashes of Windows' own files are signed."""
    try:
        found = opened().find([_CATALOGUES])
    except DAMAGE:
        return []
    live = [item for item in found if SNAPSHOT not in item.path.partition("/")[0] and not guest_of(item.path)]
    return [Place(item.path, item.size) for item in live if item.size <= _MOST_CATALOGUE]


def listing(order: tuple[tuple[str, ...], frozenset[bytes]]) -> tuple[dict[bytes, list[str]], int]:
    """Which of these catalogues have which digest in them, by their bytes alone; and how many could not be read.

    Of each digest the first few, one more than is asked: bytes in a file are no proof that it lists them.
    """
    paths, wanted = order
    evidence, found, unread = opened(), dict[bytes, list[str]](), 0
    for path in paths:
        try:
            with evidence.open(path) as handle:
                data = handle.read(_MOST_CATALOGUE)
        except DAMAGE:
            unread += 1
            continue
        for digest in wanted:
            if len(found.get(digest, ())) <= MOST_LISTINGS and digest in data:
                found.setdefault(digest, []).append(path)
    return found, unread


def catalogued(order: tuple[Place, str]) -> Signature:
    """What the signature of the catalogue at a place of the evidence is worth for a file."""
    place, path = order
    evidence = opened()
    try:
        with evidence.open(path) as held, evidence.open(place.path) as handle:
            return authenticode.by_catalogue(handle, held.read(_MOST_CATALOGUE))
    except DAMAGE as error:
        return Signature(authenticode.NOT_CHECKED, f"the catalogue cannot be read: {reason(error)}")


def listed(order: tuple[str, tuple[str, ...]]) -> Table:
    """What the $MFT at a place of the evidence says of these paths.

    They are folded and without their drive (`\\users\\...`); one of a folder ends in a backslash.
    """
    path, wanted = order
    try:
        with opened().open(path) as handle:
            table, folders = TableReader(handle), Folders()
            add_table(folders, table)
            size = handle.seek(0, 2)
            return _sought(table, folders, frozenset(wanted), size)
    except DAMAGE as error:
        return Table({}, f"the $MFT cannot be read: {reason(error)}")


def _sought(table: TableReader, folders: Folders, wanted: frozenset[str], size: int) -> Table:
    tops = {path.rstrip("\\").rpartition("\\")[0] for path in wanted}
    parents = folders.within(lambda place: place.whole and place.path.casefold() in tops)
    found: dict[str, Listed] = {}
    gaps = "the first record of the $MFT, which tells its size, is not readable"
    for entry in table.children(parents, {0}):
        if entry.number == 0 and entry.size:
            gaps = f"the $MFT is cut: {size} of {entry.size} bytes" if entry.size > size else ""
        for name in _paths(entry, folders, parents):
            path = f"{name}\\" if entry.folder else name
            told = Listed(entry.in_use, entry.number, _born(entry))
            if path in wanted and (path not in found or _rank(told) > _rank(found[path])):
                found[path] = told
    return Table(found, gaps)


def _paths(entry: Entry, folders: Folders, parents: set[int]) -> Iterator[str]:
    for name in entry.names:
        if name.parent in parents:
            yield folders.place(name.parent).of(name.name).casefold()


def _born(entry: Entry) -> datetime | None:
    moment = from_filetime(entry.times.born) if entry.times else None
    return moment if isinstance(moment, datetime) else None


def _rank(told: Listed) -> tuple[bool, datetime]:
    """What is there goes before what was deleted, then the youngest."""
    return told.there is True, told.born or EARLIEST


def may_be_missed(path: str) -> str:
    """Why a path that a $MFT has no name for may lead to something all the same; "" where it cannot."""
    if _SHORTENED in path:
        return "its path has a short name, which may stand for a longer one"
    if any(name in path.casefold() for name in _JUNCTIONS):
        return "its path leads over a junction"
    if not path.endswith("\\") and "." not in path.rpartition("\\")[2]:
        return "its name has no extension, where Windows tries .exe"
    return ""


@dataclass(slots=True)
class Mentions:
    """The rows of a spool that have a hash of a path, each with it, and the places of records that may have one."""

    facts: list[tuple[str, Fact]] = field(default_factory=list)
    places: dict[str, list[int]] = field(default_factory=dict)

    def offsets(self) -> tuple[int, ...]:
        """Where the last few records of each path lie."""
        return tuple(sorted({place for places in self.places.values() for place in places[-_RECORDS_OF_A_FILE:]}))


def twin(path: str) -> str:
    """Where a 32-bit program is sent to that asks for this path (folded); "" where it is the same."""
    return _SYSTEM_32_BIT + path.removeprefix(_SYSTEM) if path.startswith(_SYSTEM) else ""


def mentioned(order: tuple[Path, frozenset[str]]) -> Mentions:
    """What a spool has of hashes of these paths (folded)."""
    spool, wanted = order
    by_beginning = {path[:NOTED]: path for path in wanted}
    found = Mentions()
    for line in SpoolReader(spool).lines():
        try:
            if is_note(line):
                _note(line, by_beginning, found)
            elif any(mark in line for mark in _MARKS) and len(found.facts) < _MOST_RECORDS:
                found.facts += hashed([decode_fact(line)], wanted)
        except ValueError:
            continue  # a damaged line, named by whoever reads the spool whole
    return found


def _note(line: str, wanted: dict[str, str], found: Mentions) -> None:
    """The place of a record that was put off, when the path it is noted by is wanted."""
    if kind_of(line) in RECORDS and (about := about_of(line)):
        path = wanted.get(about[0].casefold())
        if path:
            found.places.setdefault(path, []).append(offset_of(line))


def hashed(facts: Iterable[Fact], wanted: Container[str]) -> list[tuple[str, Fact]]:
    """Those of the rows that have a hash of one of these paths (folded), or its deletion, each with its path."""
    found = []
    for fact in facts:
        where, hashes = RECORDS.get(fact.kind, ("file_path", ()))
        path = str(fact.fields.get(where, "")).casefold()
        if path in wanted and (fact.kind == _DELETED or any(fact.fields.get(name) for name in hashes)):
            found.append((path, fact))
    return found
