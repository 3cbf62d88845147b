"""What was there and is not any more: a deletion that a hit's file had, told beside the hit.

"Yes" to "is it on this host" means to be looked at; whoever goes and looks has to know that the file is gone, and when.
The change journal and Sysmon date a deletion, the $MFT only says that one happened. What was made anew afterwards, in
the same place, is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from forensics.locales import say
from forensics.model import Said
from forensics.sessions.rows import Row, Rows, stamp

_VOLUME = re.compile(r"^(?:[a-z]:|\\(?:device\\harddiskvolume\d+|volume\{[^}\\]*\}))", re.IGNORECASE)
_DELETED = ("usn.file_deleted", "file.deleted")
_MADE = ("usn.file_created", "file.created", "usn.file_renamed")
_UNDATED = datetime.max.replace(tzinfo=UTC)  # the $MFT's word is the last


def place(row: Row) -> str:
    """The file that a row is about, folded and without its volume; "" where it names none by its path."""
    text = row.first("file_path", "executable").replace("/", "\\")
    return _VOLUME.sub("", text).casefold() if "\\" in text else ""


@dataclass(slots=True)
class Gone:
    """The files that were deleted, with when; None as time where that is not recorded."""

    times: Mapping[str, datetime | None] = field(default_factory=dict)

    def said(self, row: Row) -> Said | None:
        """That the row's file was deleted; None where nothing says so."""
        path = place(row)
        if row.deleted:
            return say("gone.recovered")
        if path not in self.times:
            return None
        time = self.times[path]
        return say("gone.at", time=stamp(time)) if time else say("gone.undated")


def gone(rows: Rows) -> Gone:
    """The deletions that hold: the last word on each path."""
    last: dict[str, datetime | None] = {}
    made: dict[str, datetime] = {}
    for row in rows.of(*_DELETED):
        if (path := place(row)) and row.time:
            last[path] = row.time
    for row in rows.of(*_MADE):
        if (path := place(row)) and row.time:
            made[path] = max(made.get(path, row.time), row.time)
    states: dict[str, set[object]] = {}
    for row in rows.of("mft.entry"):
        if path := place(row):
            states.setdefault(path, set()).add(row.fields.get("file_deleted"))
    for path, told in states.items():
        if told == {True}:
            last.setdefault(path, None)
        elif False in told:
            last.pop(path, None)
    return Gone({path: time for path, time in last.items() if made.get(path, _EARLY) <= (time or _UNDATED)})


_EARLY = datetime.min.replace(tzinfo=UTC)

__all__ = ["Gone", "gone", "place"]
