"""The NTFS change journal (`$Extend\\$UsnJrnl:$J`): when a file was made, renamed, written, deleted; long gone or not.

It is the witness that a sandbox leaves without any log: `sandbox.vhdx` is made when a session begins and deleted when
its window is closed, a `.wsb` that was removed still has its name here, and `servers\\Stable-...` appears with the
first client of a tunnel. It holds the last days to weeks of changes. Only what rules/filesystem.yml names is told, the
rest is counted in the row about the journal itself. Once the sessions are known it is read again: every change in a
host folder while a sandbox could write to it is told, whatever the file's name.

Records name a file and its folder's reference. Folders are looked up in the `$MFT` of the same drive where that was
collected, and in the journal itself, with the names they had at that USN. All records between the first change and the
close of a file make one row for each thing that happened; the two records of a rename make one row. A process or user
is never recorded. Many deletions at once in a folder of traces (prefetch, logs, recent documents) make a row of their
own; so do files that a wiping tool renamed letter by letter, and programs whose times were set after they were made
(`_usn_patterns.py`). Format: Microsoft, "USN_RECORD_V2"; see `formats/usn.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from forensics.artifacts._bursts import Bursts
from forensics.artifacts._filesystem import (
    JOURNALS,
    PATH_FIELDS,
    TABLE,
    Sought,
    add_journal,
    add_table,
    bounded,
    path_fields,
)
from forensics.artifacts._timestomp import timestomp_note
from forensics.artifacts._usn_patterns import Shredded, Shredder, Stamped, Stamps
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError
from forensics.formats.mft import TableReader
from forensics.formats.ntfspaths import Folders, Place, reference_text
from forensics.formats.usn import (
    CLOSE,
    CREATE,
    DELETE,
    NEW_NAME,
    OLD_NAME,
    WRITTEN,
    JournalReader,
    Record,
    Tally,
    reasons,
)
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules import filesystem
from forensics.rules.filesystem import FileRule, folder_rule, rule_for
from forensics.times import Moment, NoTime, iso

_NAME = "usn_journal"
_MOST_OPEN = 100_000
_HARD_LINK = 0x10000
_NAMING = OLD_NAME | NEW_NAME | DELETE
# What happened -> the reasons that say so, and what the time of their record means.
_ACTIONS = {
    filesystem.CREATED: (CREATE, "Creation Time"),
    filesystem.RENAMED: (NEW_NAME, "Metadata Modification Time"),
    filesystem.LINKED: (_HARD_LINK, "Metadata Modification Time"),
    filesystem.WRITTEN: (WRITTEN, "Content Modification Time"),
    filesystem.DELETED: (DELETE, "Content Deletion Time"),
}


@dataclass(frozen=True, slots=True)
class _Seen:
    """A record with the folder it speaks of and the rule that wants it told."""

    record: Record
    place: Place
    rule: FileRule | None

    @property
    def path(self) -> str:
        return self.place.of(self.record.name or "")


@dataclass(slots=True)
class _Episode:
    """What happened to a file between its first change and its close."""

    reason: int = 0
    records: int = 0
    done: dict[str, tuple[_Seen, _Seen | None]] = field(default_factory=dict)


class _Teller:
    """Puts records together into rows."""

    def __init__(self, given: FileInput, folders: Folders) -> None:
        self._given = given
        self._sought = Sought(given) if given.open_folders else None
        self._folders = folders
        self._open: dict[int, _Episode] = {}
        self._old: dict[int, _Seen] = {}
        self._born: dict[int, str] = {}
        self._bursts = None if given.open_folders else Bursts()
        self._shredder, self._stamps = Shredder(), Stamps()
        self.told = 0
        self.lost_folders = 0

    def take(self, record: Record) -> Iterator[Fact]:
        """The rows that this record completes."""
        if record.name is None:
            return  # version 4 says which ranges were written; a named record of the same change follows
        place = self._folders.place(record.parent, record.usn)
        self.lost_folders += not place.whole
        if self._bursts is not None:
            if record.reason & _NAMING:
                self._shredder.take(record, place)
            if record.reason & DELETE and record.reason & CLOSE:
                self._bursts.take(record, place)
        seen = _Seen(record, place, self._rule(place, record.name))
        if record.reason & OLD_NAME and not record.reason & NEW_NAME:
            self._old[record.file] = seen
            self._bound(self._old)
            return
        old = self._old.pop(record.file, None) if record.reason & NEW_NAME else None
        episode = self._open.get(record.file)
        if episode is None:
            if seen.rule is None and (old is None or old.rule is None):
                return
            episode = self._open[record.file] = _Episode()
        episode.records += 1 + (old is not None)
        self._note(episode, seen, old)
        if record.reason & CLOSE:
            del self._open[record.file]
            if seen.rule is not None and filesystem.CREATED in seen.rule.actions:
                self._stamps.take(record, episode.reason, place)
            yield from self._rows(episode, record)
        elif len(self._open) > _MOST_OPEN:
            yield from self._rows(self._open.pop(next(iter(self._open))), None)

    def _rule(self, place: Place, name: str) -> FileRule | None:
        """The rule for a file; in a second look one for all files of the folders that are sought."""
        if self._sought is None:
            return rule_for(place.path, name)
        sought = self._sought
        wanted = sought.at(place) or sought.may_hold(place, name) or sought.loses(place, name)
        return folder_rule() if wanted else None

    def _is_new(self, action: str, seen: _Seen, old: _Seen | None) -> bool:
        """Whether a second look wants this: at the time of an open folder, and the first one did not tell it."""
        if self._sought is None:
            return True
        first = [replace(item, rule=rule_for(item.place.path, item.record.name or "")) for item in (seen, old) if item]
        if action == filesystem.LINKED or _wanting(action, first[0], first[-1]) is not None:
            return False
        time, gone = seen.record.time, {filesystem.DELETED: seen, filesystem.RENAMED: old}.get(action)
        taken = gone is not None and self._sought.loses(gone.place, gone.record.name or "", time)
        return taken or self._sought.changed(seen.place, [time])

    def patterns(self, table: TableReader | None) -> Iterator[Fact]:
        """The rows about files that were wiped by name or whose times were set; of the latter only with a table."""
        for shredded in self._shredder.all():
            yield self._shredded(shredded)
        for stamped in self._stamps.all(table):
            yield self._stamped(stamped)

    def _shredded(self, told: Shredded) -> Fact:
        record, path = told.last, told.place.of(told.name)
        fields: dict[str, Value | None] = {
            "old_path": self._given.drive + path if told.place.whole else path,
            "old_name": told.name,
            "file_name": record.name,
            "file_reference": reference_text(record.file),
            "rename_count": told.renames,
            "file_deleted": told.deleted,
            "usn": str(record.usn),
        }
        source = self._given.source(f"USN {record.usn}, offset 0x{record.offset:x}")
        return make_fact("usn.file_shredded", source, {"Content Deletion Time": record.time}, fields)

    def _stamped(self, told: Stamped) -> Fact:
        record, place = told.record, told.place
        rule = self._rule(place, record.name or "") or folder_rule()
        fields = path_fields(self._given, place, record.name or "", record.file, record.parent, rule)
        own = next(name.times for name in told.entry.names if name.name == record.name)
        fields |= {"usn": str(record.usn), "timestomp_note": timestomp_note(told.entry.times, own)}
        source = self._given.source(f"USN {record.usn}, offset 0x{record.offset:x}")
        return make_fact("usn.file_times_set", source, {"Metadata Modification Time": record.time}, fields)

    def rest(self) -> Iterator[Fact]:
        """The rows of files that were still open when the journal ends."""
        for episode in self._open.values():
            yield from self._rows(episode, None)
        self._open.clear()
        for burst in self._bursts.all() if self._bursts is not None else ():
            drive = self._given.drive if burst.place.whole else ""
            fields: dict[str, Value | None] = {
                "folder_path": drive + burst.place.path,
                "file_meaning": burst.about.what,
                "deleted_count": burst.count,
                "burst_seconds": burst.seconds,
                "usn": str(burst.first.usn),
            }
            source = self._given.source(f"USN {burst.first.usn} to {burst.last.usn}, offset 0x{burst.first.offset:x}")
            yield make_fact("usn.folder_emptied", source, {"Content Deletion Time": burst.first.time}, fields)

    @staticmethod
    def _bound(table: dict[int, _Seen]) -> None:
        if len(table) > _MOST_OPEN:
            del table[next(iter(table))]

    def _note(self, episode: _Episode, seen: _Seen, old: _Seen | None) -> None:
        new = seen.record.reason & ~episode.reason
        episode.reason |= seen.record.reason
        for action, (bits, _) in _ACTIONS.items():
            if new & bits and _wanting(action, seen, old) is not None:
                episode.done.setdefault(action, (seen, old))

    def _rows(self, episode: _Episode, closed: Record | None) -> Iterator[Fact]:
        if episode.done:
            self.told += episode.records
        if filesystem.CREATED in episode.done:
            episode.done.pop(filesystem.WRITTEN, None)  # a new file is written to: the reasons of its row say so
        for action, (seen, old) in episode.done.items():
            if self._is_new(action, seen, old):
                yield self._row(action, seen, old, episode, closed)

    def _row(self, action: str, seen: _Seen, old: _Seen | None, episode: _Episode, closed: Record | None) -> Fact:
        record, rule = seen.record, _wanting(action, seen, old)
        assert rule is not None  # `_note` asked the same
        if action == filesystem.CREATED and isinstance(record.time, datetime) and len(self._born) < _MOST_OPEN:
            self._born[record.file] = iso(record.time)
        fields = path_fields(self._given, seen.place, record.name or "", record.file, record.parent, rule)
        fields |= {
            "is_folder": record.is_directory,
            "usn": str(record.usn),
            "change_reasons": reasons(episode.reason),
            "closed_at": iso(closed.time) if closed is not None and isinstance(closed.time, datetime) else None,
            "created_at": self._born.get(record.file) if action == filesystem.DELETED else None,
        }
        if action == filesystem.RENAMED and old is not None:
            drive = self._given.drive
            fields |= {"old_path": drive + old.path if old.place.whole else old.path, "old_name": old.record.name}
        source = self._given.source(f"USN {record.usn}, offset 0x{record.offset:x}")
        meaning = _ACTIONS[action][1]
        return make_fact(f"usn.file_{action}", source, {meaning: record.time}, fields, context=rule.context)


def _wanting(action: str, seen: _Seen, old: _Seen | None) -> FileRule | None:
    """The rule that wants this told, of the new name or the old one; one that is no context comes first."""
    rules = [item.rule for item in (seen, old) if item is not None and item.rule is not None]
    return min((rule for rule in rules if action in rule.actions), key=lambda rule: rule.context, default=None)


def parse(given: FileInput) -> Output:
    """Rows about the files that matter, a problem for each damaged part, and a row about the journal itself."""
    folders = Folders()
    table = _table(given, folders)
    add_journal(folders, given.fh)
    reader, teller = JournalReader(given.fh), _Teller(given, folders)
    if given.open_folders:
        yield from bounded(_again(reader, teller), _NAME, given)
        return
    first: Moment | None = None
    last: Moment = NoTime("no record", "")
    for item in reader:
        if isinstance(item, FormatError):
            source = given.source("" if item.offset is None else f"offset 0x{item.offset:x}")
            yield Problem("bad_record", _NAME, source, str(item))
            continue
        if item.version != 4:
            first, last = first or item.time, item.time
        yield from teller.take(item)
    yield from teller.rest()
    yield from teller.patterns(table)
    yield from _about(given, reader.tally, teller, (first, last), with_table=table is not None)


def _table(given: FileInput, folders: Folders) -> TableReader | None:
    """The file table beside the journal, whose folders are noted; None where there is none to be used."""
    stream = given.companions.get(TABLE)
    try:
        table = TableReader(stream) if stream is not None else None
        if table is not None:
            add_table(folders, table)
    except FormatError:
        return None  # the table's own artifact says what is wrong with it
    return table


def _again(reader: JournalReader, teller: _Teller) -> Output:
    """The changes in the folders that sandboxes could write to of which the first reading told nothing."""
    for item in reader:
        if not isinstance(item, FormatError):
            yield from teller.take(item)
    yield from teller.rest()


def _about(
    given: FileInput, tally: Tally, teller: _Teller, span: tuple[Moment | None, Moment], *, with_table: bool
) -> Output:
    if not tally.records:
        yield Problem("unreadable", _NAME, given.source(), f"no record in {given.size} bytes of a change journal")
        return
    if teller.lost_folders:
        why = "the $MFT has not all of its folders" if with_table else "no usable $MFT of the same drive"
        why += (
            f": of {teller.lost_folders} changes ({tally.records} in all) the folder is not wholly known, rules that "
            "go by folder do not find them"
        )
        yield Problem("partial", _NAME, given.source(), why)
    fields: dict[str, Value | None] = {
        "record_count": tally.records,
        "records_told": teller.told,
        "records_without_folder": teller.lost_folders,
        "lost_bytes": tally.lost,
        "missing_parts": tally.gaps + tally.damaged,
        "first_usn": str(tally.first_usn),
        "next_usn": str(tally.next_usn),
        "folders_from_table": with_table,
    }
    yield make_fact("usn.journal", given.source(), {"Start Time": span[0], "End Time": span[1]}, fields)


_FIELDS = {**PATH_FIELDS, "usn": str, "change_reasons": tuple[str, ...], "closed_at": str}
_FILE = "[{file_path}][?\\{path_tail}] ({file_meaning})"
_TYPE = "fs:ntfs:usn_change"

ARTIFACT = FileArtifact(
    name=_NAME,
    paths=JOURNALS,
    parse=parse,
    companions=(TABLE,),
    emits={
        "usn.file_created": Kind(f"Created (change journal): {_FILE}", _FIELDS, data_type=_TYPE),
        "usn.file_deleted": Kind(
            f"Deleted (change journal): {_FILE}[, was created {{created_at}}]",
            {**_FIELDS, "created_at": str},
            data_type=_TYPE,
        ),
        "usn.file_renamed": Kind(
            f"Renamed (change journal): {_FILE}[, was {{old_path}}]",
            {**_FIELDS, "old_path": str, "old_name": str},
            data_type=_TYPE,
        ),
        "usn.file_written": Kind(f"Written (change journal): {_FILE}", _FIELDS, data_type=_TYPE),
        "usn.file_linked": Kind(f"Hard link changed (change journal): {_FILE}", _FIELDS, data_type=_TYPE),
        "usn.folder_emptied": Kind(
            "{deleted_count} files deleted within {burst_seconds} s (change journal) in {folder_path}: {file_meaning}",
            {"folder_path": str, "file_meaning": str, "deleted_count": int, "burst_seconds": int, "usn": str},
            data_type=_TYPE,
        ),
        "usn.file_shredded": Kind(
            "Renamed {rename_count} times letter by letter[ and deleted{file_deleted:flag}] (change journal): "
            "{old_path}",
            {
                "old_path": str,
                "old_name": str,
                "file_name": str,
                "file_reference": str,
                "rename_count": int,
                "file_deleted": bool,
                "usn": str,
            },
            data_type=_TYPE,
        ),
        "usn.file_times_set": Kind(
            f"Times were set (change journal): {_FILE}[; {{timestomp_note}}]",
            {**PATH_FIELDS, "usn": str, "timestomp_note": str},
            data_type=_TYPE,
        ),
        "usn.journal": Kind(
            "Change journal from USN {first_usn} to {next_usn}: {record_count} records, {records_told} told here"
            "[, {missing_parts} damaged or missing parts]",
            {
                "record_count": int,
                "records_told": int,
                "records_without_folder": int,
                "lost_bytes": int,
                "missing_parts": int,
                "first_usn": str,
                "next_usn": str,
                "folders_from_table": bool,
            },
        ),
    },
)
