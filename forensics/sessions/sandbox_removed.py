"""A configuration that was removed after a sandbox ran with it: what tells of it, and when.

The change journal has the deletion, or the move into the recycle bin; the bin's own entry has the time and the place
that the file had; the file table has the record of a deleted file, without the time. An editor that saves by writing a
new file and deleting the old one leaves a deletion as well: where the file was made again at once, nothing was removed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from forensics.sessions.rows import People, Row, Rows, because, short, stamp
from forensics.sessions.texts import norm

SAVED_ANEW = timedelta(seconds=10)
_ITS = {"script that it was told to run": "the script that it was told to run,"}
_SID = re.compile(r"\$recycle\.bin[\\/](S-1-[0-9-]+)[\\/]", re.IGNORECASE)


@dataclass(slots=True)
class Removal:
    """One removal of a .wsb: its path, when (None where only its record is left), how, by whom, and the rows."""

    path: str
    time: datetime | None
    how: str
    by: str = ""
    rows: list[Row] = field(default_factory=list)
    tail: bool = False  # of the path only its end is known: the journal was read without a $MFT
    what: str = "configuration"

    def of(self, path: str) -> bool:
        """Whether it was that file, or one of that name as far as is known; the drive may be named otherwise."""
        mine, wanted = norm(self.path), norm(path)
        return wanted.endswith(mine) if self.tail else wanted == mine

    def after(self, start: datetime) -> bool:
        """Whether it came after that moment, as far as its time is known."""
        return self.time is None or self.time >= start

    def told(self, end: datetime | None) -> str:
        """The reason of a session that ended then."""
        who = f" by {self.by}" if self.by else ""
        if self.time is None:
            when = "; when is not recorded"
        else:
            phase = " while it ran" if end and self.time < end else " after it ended" if end else ""
            when = f" at {stamp(self.time)}{phase}"
        known = f"a file {short(self.path)} (its whole path is not known)" if self.tail else short(self.path)
        return because(f"{_ITS.get(self.what, f'its {self.what}')} {known} was {self.how}{who}{when}", self.rows)


class Removals:
    """The removed configurations of a host, to be asked by path."""

    def __init__(self, rows: Rows, people: People) -> None:
        self._people = people
        made: dict[str, list[datetime]] = defaultdict(list)
        for row in rows.of("usn.file_created", "usn.file_renamed"):
            path = row.first("file_path", "path_tail")
            if row.time and _is_wsb(path):
                made[norm(path)].append(row.time)
        dated = [item for item in self._dated(rows) if not _anew(item, made[norm(item.path)])]
        self._all = _once(dated)
        known = {norm(item.path) for item in self._all}
        self._all += [item for item in _recorded(rows) if norm(item.path) not in known]

    def of(self, path: str, start: datetime) -> Removal | None:
        """The last removal of that file after a session began; the drive may be named otherwise."""
        same = [item for item in self._all if item.of(path) and item.after(start)]
        return max(same, key=lambda item: (item.time is not None, item.time or start), default=None)

    def _dated(self, rows: Rows) -> Iterator[Removal]:
        for row in rows.of("file.recycled"):
            if _is_wsb(row.get("file_path")):
                yield Removal(
                    row.get("file_path"), row.time, "moved to the recycle bin", self._owner(row.source.path), [row]
                )
        for row in rows.of("usn.file_renamed"):
            if _is_wsb(row.get("old_path")) and "$recycle.bin" in row.get("file_path").casefold():
                owner = self._owner(row.get("file_path"))
                yield Removal(row.get("old_path"), row.time, "moved to the recycle bin", owner, [row])
        for row in rows.of("file.deleted"):
            if row.time and _is_wsb(row.get("file_path")):
                name, sid = self._people.of(row)
                yield Removal(row.get("file_path"), row.time, "deleted", name or sid or "", [row])
        for row in rows.of("usn.file_deleted"):
            path = row.first("file_path", "path_tail")
            if _is_wsb(path):
                yield Removal(path, row.time, "deleted", rows=[row], tail=not row.get("file_path"))

    def _owner(self, path: str) -> str:
        return binned_by(path, self._people)


def binned_by(path: str, people: People) -> str:
    """Whose recycle bin a path lies in; "" where it does not tell."""
    match = _SID.search(path)
    name, sid = people.complete("", match.group(1)) if match else (None, None)
    return name or sid or ""


def _is_wsb(path: str) -> bool:
    return path.casefold().endswith(".wsb") and "\\$recycle.bin\\" not in path.casefold().replace("/", "\\")


def _anew(item: Removal, made: Iterable[datetime]) -> bool:
    return any(item.time and abs(moment - item.time) <= SAVED_ANEW and moment >= item.time for moment in made)


def _once(found: Iterable[Removal]) -> list[Removal]:
    """The bin's entry and the journal tell of one removal."""
    kept: list[Removal] = []
    for item in sorted(found, key=lambda entry: (entry.time is None, entry.rows[0].order)):
        twin = next((other for other in kept if _same(other, item)), None)
        if twin is None:
            kept.append(item)
            continue
        twin.rows += item.rows
        twin.by = twin.by or item.by
    return kept


def _same(one: Removal, two: Removal) -> bool:
    near = one.time and two.time and abs(one.time - two.time) <= SAVED_ANEW
    return bool(near) and norm(one.path) == norm(two.path) and one.how == two.how


def _recorded(rows: Rows) -> list[Removal]:
    """Files whose record in the file table is that of a deleted one."""
    found: dict[str, Removal] = {}
    for row in rows.of("mft.entry"):
        if row.fields.get("file_deleted") is True and _is_wsb(row.get("file_path")):
            item = found.setdefault(norm(row.get("file_path")), Removal(row.get("file_path"), None, "deleted"))
            item.rows.append(row)
    live = (row for row in rows.of("mft.entry") if row.fields.get("file_deleted") is False)
    for row in live:
        found.pop(norm(row.get("file_path")), None)
    return list(found.values())
