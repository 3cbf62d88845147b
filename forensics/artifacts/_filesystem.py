"""What the artifacts over a file system's own records share: where folders lie, and the fields of a path."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import BinaryIO

from forensics.artifacts.base import FieldType, FileInput, OpenFolder, Output
from forensics.formats import FormatError
from forensics.formats.mft import TableReader
from forensics.formats.ntfspaths import Folders, Place, may_lie_in, reference_text
from forensics.formats.usn import OLD_NAME, JournalReader
from forensics.model import Problem, Value
from forensics.rules.filesystem import FileRule, before_start, is_payload, is_script
from forensics.times import Moment

TABLE = "$MFT"
# As they lie on a volume, and as KAPE, Velociraptor and others name the stream `$J` of `$Extend\$UsnJrnl`.
JOURNALS = (
    "$Extend/$J",
    "$Extend/$UsnJrnl:$J",
    "$Extend/$UsnJrnl%3A$J",
    "$Extend/$UsnJrnl_$J",
    "$Extend/$UsnJrnl$J",
    "$J",
    "$UsnJrnl:$J",
    "$UsnJrnl%3A$J",
)
# The stream `$Max` beside it, in the same spellings.
JOURNAL_SETTINGS = tuple(name.removesuffix("$J") + "$Max" for name in JOURNALS)
PATH_FIELDS: dict[str, FieldType] = {
    "file_path": str,
    "path_tail": str,
    "file_name": str,
    "file_reference": str,
    "parent_reference": str,
    "is_folder": bool,
    "file_rule": str,
    "file_meaning": str,
}


def add_table(folders: Folders, table: TableReader) -> None:
    """Note where the folders of a $MFT are."""
    for ref, parent, name in table.folders():
        folders.add_now(ref, parent, name)


def add_journal(folders: Folders, stream: BinaryIO) -> None:
    """Note what a change journal says of folders; what is damaged in it is said by the journal's own artifact."""
    for record in JournalReader(stream):
        if not isinstance(record, FormatError) and record.is_directory and record.name:
            folders.add_change(record.usn, record.file, record.parent, record.name)


MOST_SOUGHT = 20_000


class Sought:
    """The open folders of a drive, to be asked by the folder of a file; each folder's answer is kept."""

    def __init__(self, given: FileInput) -> None:
        drive = given.drive.casefold()
        self._all = [item for item in given.open_folders if item.drive in ("", drive)]
        self._known: dict[str, tuple[OpenFolder, ...]] = {}

    def at(self, place: Place) -> tuple[OpenFolder, ...]:
        """The open folders that a folder lies in; none when its path is not wholly known."""
        if not place.whole:
            return ()
        found = self._known.get(place.path)
        if found is None:
            path = place.path.casefold()
            found = self._known[place.path] = tuple(item for item in self._all if item.holds(path))
        return found

    def may_hold(self, place: Place, name: str) -> bool:
        """Whether a file of a folder that is not wholly known may be in an open one: by its end, or what it is."""
        if place.whole:
            return False
        tail = place.path.casefold()
        return is_payload(name) or any(may_lie_in(tail, item.folder) for item in self._all)

    def changed(self, place: Place, moments: Iterable[Moment | None]) -> bool:
        """Whether something that happened in this folder at one of these times is wanted."""
        dated = [moment for moment in moments if isinstance(moment, datetime)]
        here = self.at(place) if place.whole else self._all
        return any(item.writable and item.start <= moment <= item.end for item in here for moment in dated)

    def loses(self, place: Place, name: str, moment: Moment | None = None) -> bool:
        """Whether a removal takes an open folder itself, or a script that a session was told to run in one."""
        path, folded = place.of(name).casefold(), name.casefold()
        return place.whole and any(
            item.folder == path or (folded in item.scripts and item.holds(place.path.casefold()))
            for item in self._all
            if not isinstance(moment, datetime) or moment >= item.start
        )

    def runs(self, place: Place, name: str, moments: Iterable[Moment | None], *, deleted: bool) -> bool:
        """Whether what a file says is wanted: a script that a session was told to run, or may have run."""
        here, dated = self.at(place), [moment for moment in moments if isinstance(moment, datetime)]
        if any(name.casefold() in item.scripts for item in here):
            return True
        if not here or not is_script(place.path, name):
            return False
        near = any(item.start - before_start() <= moment <= item.end for item in here for moment in dated)
        return near or (deleted and any(moment <= item.end for item in here for moment in dated))


def moved_away(folders: Folders, stream: BinaryIO, sought: Sought) -> dict[int, tuple[Place, str]]:
    """What a change journal saw leave the open folders (into the recycle bin, say): where it was, and its name."""
    found: dict[int, tuple[Place, str]] = {}
    for record in JournalReader(stream):
        if isinstance(record, FormatError) or not record.reason & OLD_NAME or not record.name:
            continue
        place = folders.place(record.parent, record.usn)
        if sought.at(place) and len(found) < MOST_SOUGHT:
            found.setdefault(record.file, (place, record.name))
    return found


def bounded(found: Output, artifact: str, given: FileInput) -> Output:
    """No more rows of a second look than can be of use: a whole volume may have been open for days."""
    for number, item in enumerate(found):
        if number == MOST_SOUGHT:
            why = f"more than {MOST_SOUGHT} changes in folders that a sandbox was given; the rest is not told"
            yield Problem("budget", artifact, given.source(), why)
            return
        yield item


def path_fields(
    given: FileInput, place: Place, name: str, ref: int, parent: int, rule: FileRule
) -> dict[str, Value | None]:
    """The fields of a file: its full path when all folders are known, else the end of it that is."""
    path = place.of(name)
    return {
        "file_path": given.drive + path if place.whole else None,
        "path_tail": None if place.whole else path,
        "file_name": name,
        "file_reference": reference_text(ref),
        "parent_reference": reference_text(parent),
        "file_rule": rule.id,
        "file_meaning": rule.what,
    }
