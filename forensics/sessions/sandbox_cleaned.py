"""What a sandbox was given and was removed once it had begun: the script it was told to run, and mapped folders.

The configuration itself is `sandbox_removed`'s. A mapped folder that somebody deletes with the script in it, minutes
after the window was closed, is as telling as a .wsb that is gone. Only the folder itself and what the logon command or
`wsb exec` named are looked for: other files of a folder come and go. What was made anew at once is no removal.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from forensics.sessions.rows import People, Row, Rows
from forensics.sessions.sandbox_removed import SAVED_ANEW, Removal, binned_by
from forensics.sessions.sandbox_writes import Area
from forensics.sessions.texts import norm

SCRIPT, FOLDER = "script that it was told to run", "mapped folder"
_KINDS = ("usn.file_deleted", "usn.file_renamed", "file.deleted")


class Cleaned:
    """The removals on a host, to be asked for what one session was given."""

    def __init__(self, rows: Rows, people: People) -> None:
        self._people = people
        self._rows = [row for row in rows.of(*_KINDS) if row.time and _gone(row)]
        self._made: dict[str, list[datetime]] = {}
        for row in rows.of("usn.file_created", "usn.file_renamed") if self._rows else ():
            if row.time:
                self._made.setdefault(norm(row.first("file_path", "path_tail")), []).append(row.time)

    def of(self, given: Sequence[Area], start: datetime) -> list[Removal]:
        """The last removal of each script and folder of a session after it began, in order of time."""
        found: dict[str, Removal] = {}
        for row in self._rows:
            what = _what(row, given)
            if what and row.time and row.time >= start and not self._anew(row):  # `start`: an area may begin earlier
                path = _gone(row)
                found[norm(path)] = self._removal(row, path, what)
        return list(found.values())

    def _anew(self, row: Row) -> bool:
        made = self._made.get(norm(_gone(row)), ())
        return any(row.time and row.time <= moment <= row.time + SAVED_ANEW for moment in made)

    def _removal(self, row: Row, path: str, what: str) -> Removal:
        if row.kind == "usn.file_renamed":
            by = binned_by(row.get("file_path"), self._people)
            return Removal(path, row.time, "moved to the recycle bin", by, [row], what=what)
        name, sid = self._people.of(row) if row.kind == "file.deleted" else (None, None)
        return Removal(path, row.time, "deleted", name or sid or "", [row], what=what)


def _gone(row: Row) -> str:
    """The path of what is gone by that row; "" where nothing is."""
    if row.kind != "usn.file_renamed":
        return row.get("file_path")
    return row.get("old_path") if "$recycle.bin" in row.get("file_path").casefold() else ""


def _what(row: Row, given: Sequence[Area]) -> str:
    path, moment = _gone(row), row.time
    lost = [area for area in given if moment and area.loses(path, moment)]
    return "" if not lost else FOLDER if any(norm(path) == area.place for area in lost) else SCRIPT
