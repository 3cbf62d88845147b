"""When an autostart entry was first there, and what says so: a log's record, a file's birth, or a key's last write.

These weigh differently. A record of the making (4698, 7045, 4657 with a new value) is the moment. A key's last write is
a bound: the entry was there by then and may be years older. A birth of a file can be set by any program; the birth
of its name in the $MFT ($FN) and the change journal cannot, so an older birth of the file is set aside where they tell
of a later one. Files are joined by their path: that the file which the journal saw is the one that is there now is an
inference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from forensics.sessions.persistence_commands import COMMANDED
from forensics.sessions.persistence_makers import tells_of_actor
from forensics.sessions.rows import People, Row, Rows, because, stamp

# What a time says: these are of the entry's making, the others are later changes or runs.
_BIRTH = frozenset({"Creation Time", "Last registered Time"})
_CHANGE = frozenset({"Content Modification Time", "Metadata Modification Time", "Last registered Time"})
_KEY_WRITTEN = "Content Modification Time"
_MADE = {
    "task.registered": "the task was registered", "service.installed": "the service was installed",
    "registry.value_set": "the value was set", "wmi.consumer_changed": "the consumer was registered or changed",
    "wmi.subscribed": "the subscription was made", "file.created": "the file was made",
    "winsock.provider_added": "the provider was added", "bits.job": "the job was made",
    "bits.transfer": "the job transferred",
}  # fmt: skip
_CHANGED = {"task.updated": "the task was changed", "registry.value_set": "the value was changed"}
_GONE = {"registry.key_changed": "the value was deleted"}
_JOURNAL = ("usn.file_created", "usn.file_renamed", "usn.file_written", "usn.file_deleted", "usn.file_linked")
_TABLE = ("mft.entry", "mft.name_created")
_KINDS = ("log", "wmi", "registry", "file")  # of one moment the last is told
_SLACK = timedelta(seconds=2)
_SAME_MOMENT = timedelta(seconds=5)
_INFERRED = "inferred: joined by the file's path"
_TASKS = "C:\\Windows\\System32\\Tasks"


@dataclass(frozen=True, slots=True)
class Seen:
    """When an entry was first there, in whose words, whether that is only a bound, and what else tells of its files."""

    time: datetime | None = None
    source: str | None = None
    bound: bool = False
    rows: tuple[Row, ...] = ()
    remarks: tuple[str, ...] = ()


class Files:
    """What the change journal, the $MFT and the logs tell of files, by path."""

    def __init__(self, rows: Rows) -> None:
        self._paths: dict[str, list[Row]] = {}
        for row in rows.of("file.created", *_JOURNAL, *_TABLE):
            if path := row.get("file_path"):
                self._paths.setdefault(path.casefold(), []).append(row)
            if row.kind == "usn.file_renamed" and (old := row.get("old_path")):
                self._paths.setdefault(old.casefold(), []).append(row)

    def of(self, path: str, *kinds: str) -> list[Row]:
        """The dated rows of a file, in order."""
        found = self._paths.get(path.casefold(), ())
        return [row for row in found if row.time and row.kind in kinds]

    def arrival(self, path: str) -> Row | None:
        """The journal's row of a file's first appearance at a path; None when it was there before the journal says."""
        rows = self.of(path, *_JOURNAL)
        return rows[0] if rows and _arrives(rows[0], path) else None

    def named(self, path: str) -> Row | None:
        """The birth of a file's name in the $MFT, where it is another than the file's own."""
        return next(iter(self.of(path, "mft.name_created")), None)

    def born(self, path: str) -> list[Row]:
        """The births that the $MFT states for a file."""
        births = [row for row in self.of(path, "mft.entry") if row.meaning == "Creation Time"]
        return [row for row in births if not row.fields.get("file_deleted")] or births


def _arrives(row: Row, path: str) -> bool:
    """Made there, or moved there from another folder; a rename within a folder is how programs save a file."""
    if row.kind == "usn.file_created":
        return True
    if row.kind != "usn.file_renamed" or row.get("file_path").casefold() != path.casefold():
        return False
    return row.get("old_path").rpartition("\\")[0].casefold() != path.rpartition("\\")[0].casefold()


def first_seen(
    rows: Sequence[Row], name: str, mechanism: str, target: str | None, files: Files, people: People
) -> Seen:
    """The earliest making; without one the first time at which the entry is known to be there.

    The last write of a key that lost an entry is when it was lost, or later: that says nothing of a deleted entry.
    """
    gone = any(row.deleted for row in rows)
    more, remarks, aside = _own_files(rows, name, mechanism, files)
    known = [row for row in (*rows, *more) if row.id not in aside]
    for found, bound in _ranked(known, gone=gone):
        if found:
            row = _telling(found, people)
            sure = bound or row.meaning == "Last registered Time"
            told = _target(target, rows, files)
            return Seen(row.time, _words(row, people), sure, (*more, *told[0]), (*remarks, *told[1]))
    told = _target(target, rows, files)
    return Seen(rows=(*more, *told[0]), remarks=(*remarks, *told[1]))


def _telling(found: list[Row], people: People) -> Row:
    """The earliest row; of the same moment the record that says who goes before one that only says what."""
    first = min(found, key=lambda item: item.order)
    near = [row for row in found if row.time and first.time and row.time - first.time <= _SAME_MOMENT]
    return min(near, key=lambda row: (-tells_of_actor(row, people), row.order), default=first)


def _ranked(rows: list[Row], *, gone: bool) -> Iterable[tuple[list[Row], bool]]:
    """The rows that date an entry, what is best first, and whether they are only a bound."""
    made = [row for row in _dated(rows, _BIRTH, _MADE) if not _is_listed(row)]
    yield [row for row in made if COMMANDED not in row.fields], False
    yield [row for row in made if COMMANDED in row.fields], False
    yield _dated(rows, frozenset() if gone else _CHANGE, _CHANGED), True
    # A line may be younger than the file that it stands in: only where its last change is not known.
    yield _dated(rows, _BIRTH, ()), False
    # The date inside a task's XML is free text of whoever wrote it: only where nothing else is left.
    yield _dated(rows, frozenset({"Registration Time"}), ()), False
    yield [row for row in rows if row.time and row.kind in _GONE], True


def _dated(rows: Iterable[Row], meanings: frozenset[str], kinds: Iterable[str]) -> list[Row]:
    """The rows of these meanings out of files and hives, and of these kinds out of logs."""
    return [row for row in rows if row.time and (_logged(row, kinds) if _is_record(row) else _states(row, meanings))]


def _states(row: Row, meanings: frozenset[str]) -> bool:
    """A row of the journal is that of an arrival."""
    return row.meaning in meanings or (meanings is _BIRTH and row.kind in _JOURNAL)


def _is_record(row: Row) -> bool:
    return "event_identifier" in row.fields


def _logged(row: Row, kinds: Iterable[str]) -> bool:
    """A value that held something else before was changed, not made."""
    if row.kind == "registry.value_set" and row.get("old_value_data"):
        return kinds is _CHANGED
    return row.kind in kinds and (kinds is not _CHANGED or row.kind != "registry.value_set")


def last_write(rows: Iterable[Row]) -> tuple[datetime | None, str | None]:
    """The last change and whose time it is; of a task's cached key, which runs write, only if nothing else tells."""
    rows = list(rows)
    told = [row for row in rows if row.kind != "task.cached" or row.meaning != _KEY_WRITTEN]
    kinds = _MADE | _CHANGED
    changes = [[row for row in some if row.time and _changes(row, kinds)] for some in (told, rows)]
    last = max(changes[0] or changes[1], key=lambda row: (row.order[0], _KINDS.index(_kind_of(row))), default=None)
    return (last.time, _kind_of(last)) if last is not None else (None, None)


def _kind_of(row: Row) -> str:
    """What a time is of: a log's record, a key of the registry, a record of the WMI repository, or a file."""
    if _is_record(row):
        return "log"
    if _of_repository(row):
        return "wmi"
    return "registry" if _of_registry(row) else "file"


def _of_repository(row: Row) -> bool:
    return row.source.path.casefold().endswith("/objects.data")


def _of_registry(row: Row) -> bool:
    return bool(row.get("key_path")) or row.kind in ("service.configured", "task.cached") or not _is_file(row)


def _changes(row: Row, kinds: Iterable[str]) -> bool:
    return row.kind in kinds if _is_record(row) else row.meaning in _CHANGE


def _own_files(
    rows: Sequence[Row], name: str, mechanism: str, files: Files
) -> tuple[list[Row], list[str], frozenset[str]]:
    """What tells of the files that are the entry, remarks about it, and the ids of births that it contradicts."""
    told: list[Row] = []
    remarks: list[str] = []
    aside: set[str] = set()
    for path, listed in _paths(rows, name, mechanism).items():
        if listed:
            continue
        arrival, named, born = files.arrival(path), files.named(path), files.born(path)
        births = [*born, *(row for row in rows if _is_birth(row, path))]
        later = [row for row in (arrival, named) if row is not None]
        told += [*born, *later, *files.of(path, "file.created")]
        if arrival and arrival.time:
            text = f"the file appeared in the change journal at {stamp(arrival.time)}: {path} ({_INFERRED})"
            remarks.append(because(text, [arrival]))
        older = [row for row in births if _precedes(row, later)]
        aside |= {row.id for row in older}
        if arrival is not None and named is not None and _precedes(named, [arrival]):
            aside.add(named.id)
        if older and older[0].time:
            text = (
                f"the file's own birth ({stamp(older[0].time)}) is set aside: its name in the $MFT or the change "
                "journal is younger, as with times that were set, copied along or unpacked, and with files moved there"
            )
            remarks.append(because(text, [*older, *later]))
    return told, remarks, frozenset(aside)


def _precedes(row: Row, later: Iterable[Row]) -> bool:
    return any(row.time and item.time and row.time < item.time - _SLACK for item in later)


def _is_birth(row: Row, path: str) -> bool:
    own = (row.get("file_path") or row.source.path.replace("/", "\\")).casefold() == path.casefold()
    return own and not _is_record(row) and row.meaning == "Creation Time"


def _paths(rows: Iterable[Row], name: str, mechanism: str) -> dict[str, bool]:
    """The files that are the entry, and whether it is only a line in one."""
    found: dict[str, bool] = {}
    for row in rows:
        if row.kind == "task.defined":
            found[row.source.path.replace("/", "\\")] = False
        path = row.get("file_path")
        if path and row.kind in ("autorun.configured", "file.created") and not row.get("key_path"):
            found[path] = row.get("location").casefold() == path.casefold()
    if mechanism == "scheduled_task" and name.startswith("\\"):
        found.setdefault(_TASKS + name, False)
    return found


def _target(target: str | None, rows: Sequence[Row], files: Files) -> tuple[list[Row], list[str]]:
    """What tells when the file that the entry starts came to its place; it may have replaced an older one."""
    own = {row.get("file_path").casefold() for row in rows}
    if not target or target.casefold() in own:
        return [], []
    arrival, named = files.arrival(target), files.named(target)
    made = next(iter(files.of(target, "file.created")), None)
    born = next(iter(files.born(target)), None)
    words = {
        "the change journal": arrival, "a log of files written": made, "the birth of its name in the $MFT": named,
        "its birth in the $MFT": None if named else born,
    }  # fmt: skip
    dated = [(row, word) for word, row in words.items() if row is not None and row.time]
    if not dated:
        return [], []
    row, word = min(dated, key=lambda item: item[0].order)
    assert row.time is not None
    text = f"target first seen at {stamp(row.time)}, by {word}: {target} ({_INFERRED})"
    return [row], [because(text, [row])]


def _words(row: Row, people: People) -> str:
    """What dates the entry, in words that say how much it is worth."""
    if _is_record(row):
        return _of_record(row, people)
    if row.kind == "usn.file_created":
        return "change journal: the file was made"
    if row.kind == "usn.file_renamed":
        return "change journal: the file was moved there"
    if row.kind in ("mft.name_created", "mft.program_odd"):
        return "$MFT: birth of the file's name ($FN)"
    if row.meaning == "Last registered Time":
        return "task cache: last registration (a bound: an earlier one leaves no trace there)"
    if row.meaning == "Registration Time":
        return "date in the task's definition, which its author may have chosen"
    if row.meaning == "Creation Time":
        if _is_listed(row):
            return "birth of the file that lists it (the line in it may be younger)"
        return "birth of its file (programs can set it)" if _is_file(row) else f"creation time in {row.kind}"
    if _of_repository(row):
        return "the WMI repository: its record was last written (a bound: the entry was there by then, it may be older)"
    if _of_registry(row):
        return "the registry: its key was last written (a bound: the entry was there by then, it may be older)"
    return "last change of its file (a bound: the entry was there by then, it may be older)"


def _is_listed(row: Row) -> bool:
    """Whether the entry is a line in the file that the row is of."""
    return bool(row.get("file_path")) and row.get("location").casefold() == row.get("file_path").casefold()


def _is_file(row: Row) -> bool:
    return bool(row.get("file_path")) or row.kind in ("task.defined", "mft.entry")


def _of_record(row: Row, people: People) -> str:
    channel = row.get("channel").removeprefix("Microsoft-Windows-").removesuffix("/Operational")
    old = row.get("old_value_data")
    what = _CHANGED.get(row.kind) if row.kind == "task.updated" or old else _MADE.get(row.kind)
    name, _sid = people.of(row)
    who = f" by {name}" if name else ""
    if COMMANDED in row.fields:
        what, who = "a command that makes it was run", f"{who} (inferred: how it ended is not recorded)"
    program = f" with {row.get('executable')}" if row.get("executable") else ""
    held = f" (a bound: it held {old} before)" if old and row.kind == "registry.value_set" else ""
    what = what or f"{_GONE.get(row.kind, row.kind)} (a bound: known only from that)"
    return f"{channel} {row.get('event_identifier')}: {what}{who}{program}{held}".strip()
