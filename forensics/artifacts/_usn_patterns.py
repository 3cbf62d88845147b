"""Patterns of a change journal that no single file's row shows: names that a wiping tool gives, times that were set.

SDelete renames a file again and again before it deletes it, every letter of its name replaced by `A`, then by `B`, and
so on to `Z` (its documentation: https://learn.microsoft.com/sysinternals/downloads/sdelete). Setting a file's times
makes a change of its own, a `basic info change` without any write of data; so does setting its attributes, and only
where the file's record in the `$MFT` has a birth before that of its name is it told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from forensics.artifacts._timestomp import SLACK
from forensics.formats.mft import Entry, TableReader
from forensics.formats.ntfspaths import Place, entry_of
from forensics.formats.usn import BASIC_INFO, CLOSE, DELETE, NEW_NAME, OLD_NAME, Record
from forensics.rules import load
from forensics.times import from_filetime

_MOST = 100_000
_MOST_TOLD = 1_000
_ALONE = BASIC_INFO | CLOSE


@dataclass(slots=True)
class Shredded:
    """A file whose names became rows of one letter: what it was called, and how often it was renamed."""

    name: str
    place: Place
    last: Record
    shown: str = ""
    renames: int = 0
    deleted: bool = False


class Shredder:
    """Takes renames and deletions in the order of the journal and gives the files that were renamed so and so often."""

    def __init__(self) -> None:
        self._files: dict[int, Shredded] = {}
        self._least: int = load("filesystem")["shredded"]["renames"]

    def take(self, record: Record, place: Place) -> None:
        """One record; only renames and deletions are looked at."""
        known = self._files.get(record.file)
        if record.reason & OLD_NAME and not record.reason & NEW_NAME:
            if known is None and record.name:
                self._bound()
                self._files[record.file] = Shredded(record.name, place, record)
        elif known is None:
            return
        elif record.reason & DELETE and known.renames:
            known.deleted, known.last = True, record
        elif record.reason & NEW_NAME and record.name != known.shown:
            self._renamed(known, record)

    def _renamed(self, known: Shredded, record: Record) -> None:
        known.shown = record.name or ""
        if len(set(known.shown.replace(".", ""))) == 1 and known.shown[:1].isalpha():
            known.renames, known.last = known.renames + 1, record
        elif not known.renames:
            del self._files[record.file]  # an ordinary rename; the next one begins anew

    def _bound(self) -> None:
        if len(self._files) >= _MOST:
            del self._files[next(iter(self._files))]

    def all(self) -> Iterator[Shredded]:
        """The files with enough such names."""
        found = [item for item in self._files.values() if item.renames >= self._least]
        yield from found[:_MOST_TOLD]


@dataclass(frozen=True, slots=True)
class Stamped:
    """A file whose times were set some time after it was made, and the record of its file table."""

    record: Record
    place: Place
    entry: Entry


class Stamps:
    """Takes changes of times or attributes alone, gives those of files whose birth lies before that of their name."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[Record, Place]] = {}
        self._late = timedelta(seconds=load("filesystem")["times_set_after_seconds"])

    def take(self, record: Record, reason: int, place: Place) -> None:
        """The last record of what happened to a file until it was closed, and all its reasons."""
        if reason == _ALONE and not record.is_directory and len(self._found) < _MOST:
            self._found.setdefault(record.file, (record, place))

    def all(self, table: TableReader | None) -> Iterator[Stamped]:
        """Those that the table bears out; none without a table."""
        if table is None or not self._found:
            return
        told = 0
        for entry in table.children((), {entry_of(ref) for ref in self._found}):
            record, place = self._found.get(entry.ref, (None, None))
            if record is not None and place is not None and told < _MOST_TOLD and self._bears_out(entry, record):
                told += 1
                yield Stamped(record, place, entry)

    def _bears_out(self, entry: Entry, record: Record) -> bool:
        born, moment = from_filetime(entry.times.born) if entry.times else None, record.time
        if not isinstance(born, datetime) or not isinstance(moment, datetime):
            return False
        named = [from_filetime(name.times.born) for name in entry.names if name.name == record.name]
        dated = [name for name in named if isinstance(name, datetime)]
        return any(name - born > SLACK and moment - name > self._late for name in dated)
