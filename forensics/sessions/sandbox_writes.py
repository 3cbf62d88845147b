"""Which files appeared or changed in the host folders that a sandbox could write to, while it ran.

The guest's writes are made by the machine's worker on the host (vmwp.exe): Sysmon 11 names it. The change journal and
the file table name no program, so what they tell is joined by folder and time alone, and the reason says so. Folders
are those of the configuration, those that `wsb share -w` opened later, and the shared folders in the settings that
Hyper-V-Compute 2007 holds (expected of the Sandbox, not seen by us). Whatever the name of a file is, its change counts:
once the folders are known, `guestwrites` has the journal and the table read again for them.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from forensics.formats.ntfspaths import may_lie_in
from forensics.model import HostWrite, MappedFolder, SandboxSettings
from forensics.rules import load
from forensics.rules.filesystem import is_payload
from forensics.sessions.exits import image
from forensics.sessions.rows import Row, Rows, because, short, stamp
from forensics.sessions.sandbox_disk import is_session_disk, seconds
from forensics.sessions.sandbox_pieces import Draft
from forensics.sessions.texts import basename, inside, norm

_MOST = 500
_SAME = timedelta(seconds=10)
_DEEPEST = 40
_LIMIT = 32 * 1024
_MOST_NAMES = 50
_MOST_UNPLACED = 12
_WORD = re.compile(r"\"[^\"]+\"|'[^']+'|\S+")
_CHANGED = "Content Modification Time"
_LAST_STATE = (
    "an $MFT keeps only the last state of a file, so what was changed again, moved away or deleted and overwritten is "
    "not in it, and no change journal is in the evidence"
)
# kind -> (what happened, the name of its source)
_TOLD = {
    "file.created": ("created", "Sysmon 11"),
    "usn.file_created": ("created", "change journal"),
    "usn.file_written": ("written", "change journal"),
    "usn.file_renamed": ("renamed", "change journal"),
    "usn.file_deleted": ("deleted", "change journal"),
    "mft.entry": ("created", "$MFT"),
    "mft.name_created": ("created", "$MFT"),
}
WRITE_KINDS = frozenset(_TOLD)


def _drive(path: str) -> str:
    """The drive letter of a path, folded; "" where it is named by a device or a variable."""
    text = path.strip().strip('"').removeprefix("\\\\?\\")
    return text[:1].casefold() if text[1:2] == ":" else ""


@dataclass(frozen=True, slots=True)
class Area:
    """A host folder that the guest was given, from when on, and until when writes may have been flushed.

    `scripts` are the (folded) names of files that the guest was told to run; a folder is also looked through for these
    when it is not `writable`.
    """

    folder: str
    start: datetime
    end: datetime
    writable: bool = True
    scripts: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The folder's path folded, without drive or end; "" for the root."""
        return norm(self.folder).rstrip("\\")

    @property
    def drive(self) -> str:
        """The folder's drive folded (`c:`), "" where it is not named by a letter."""
        letter = _drive(self.folder)
        return f"{letter}:" if letter else ""

    def holds(self, path: str, moment: datetime) -> bool:
        """Whether a change of that file at that time may be the guest's."""
        here, there = _drive(path), _drive(self.folder)
        return self.start <= moment <= self.end and here in ("", there or here) and inside(path, self.folder)

    def loses(self, path: str, moment: datetime) -> bool:
        """Whether the removal of that file at that time took the folder itself, or a script that was to run in it."""
        here, there = _drive(path), _drive(self.folder)
        if moment < self.start or here not in ("", there or here):
            return False
        script = basename(path) in self.scripts and inside(path, self.folder)
        return script or (bool(self.place) and norm(path) == self.place)


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome: the writes, their rows, and the reasons about them."""

    writes: tuple[HostWrite, ...] = ()
    rows: tuple[Row, ...] = ()
    reasons: tuple[str, ...] = ()


def shared(draft: Draft) -> list[tuple[MappedFolder, Row]]:
    """The folders that the machine's settings share with it, by Hyper-V-Compute 2007."""
    rows = draft.run.rows if draft.run else []
    return [(folder, row) for row in rows if row.kind == "compute.modified" for folder in _shares_of(row)]


def shared_told(draft: Draft) -> list[str]:
    """A reason for each of them."""
    told = []
    for folder, row in shared(draft):
        how = "read-only" if folder.read_only else "writable"
        told.append(
            because(f"the machine's settings share {short(folder.host)} with it, {how} (2007; inference)", [row])
        )
    return told


def areas(draft: Draft, settings: SandboxSettings | None) -> list[Area]:
    """The writable folders of a run with their time spans; none when its start is not known."""
    if draft.start is None:
        return []
    end = (draft.until or draft.start + seconds("cli_open")) + seconds("host_write_after")
    folders = [(folder, draft.first) for folder in (settings.mapped_folders if settings else ())]
    folders += [(folder, draft.first) for folder, _ in shared(draft)]
    folders += [(call.share, call.time or draft.first) for call in draft.calls if call.share]
    found = {(folder.host, start): Area(folder.host, start, end) for folder, start in folders if not folder.read_only}
    return list(found.values())


def given(draft: Draft, settings: SandboxSettings | None) -> list[Area]:
    """All host folders that a run was given, the read-only ones too, with the names of what it was told to run there.

    A run of unknown start has them by its first trace, and nothing is concluded about writes.
    """
    open_ones = areas(draft, settings)
    end = (draft.until or draft.first) + seconds("cli_open") + seconds("host_write_after")
    folders = [*(settings.mapped_folders if settings else ()), *(folder for folder, _ in shared(draft))]
    folders += [call.share for call in draft.calls if call.share]
    known = {area.folder for area in open_ones}
    rest = {folder.host: Area(folder.host, draft.first, end, writable=False) for folder in folders}
    told = told_to_run(draft, settings)
    every = [*open_ones, *(area for host, area in rest.items() if host not in known)]
    return [replace(area, scripts=told) for area in every]


def told_to_run(draft: Draft, settings: SandboxSettings | None) -> tuple[str, ...]:
    """The folded names of files in the logon command and in the calls of `wsb exec`."""
    lines = [settings.logon_command or ""] if settings else []
    lines += [call.line for call in draft.calls if call.verb == "exec"]
    words = [word for line in lines for part in _WORD.findall(line[:_LIMIT]) for word in (part, *part.split())]
    names = (basename(word.strip("'\"&;,()")) for word in words)
    return tuple(dict.fromkeys(name for name in names if "." in name.strip(".")))[:_MOST_NAMES]


class Changes:
    """The rows of a host that tell of changed files, in order, to be asked for a time span."""

    def __init__(self, rows: Rows) -> None:
        dated = [(row.time, row) for row in rows.of(*_TOLD) if row.time and _path(row)]
        self._times = [moment for moment, _ in dated]
        self._rows = [row for _, row in dated]
        self.journal, self.table = bool(rows.of("usn.journal")), bool(rows.of("mft.table"))
        began = [row.time for row in rows.of("usn.journal") if row.time and row.meaning == "Start Time"]
        self.since = min(began, default=None)
        self.gaps = _gaps(rows)
        self._unplaced = [row for row in rows.of(*_TOLD) if row.time and not row.get("file_path") and _is_change(row)]

    def between(self, start: datetime, end: datetime) -> list[Row]:
        """The rows of that span, both ends included."""
        return self._rows[bisect_left(self._times, start) : bisect_right(self._times, end)]

    def unplaced(self, wanted: Sequence[Area]) -> list[Row]:
        """The programs, scripts and archives that appeared in a folder of no known path in that time."""
        return [
            row for row in self._unplaced
            if is_payload(row.get("file_name")) and not is_session_disk(row) and not _in_any(row, wanted)
            and any(row.time and area.start <= row.time <= area.end for area in wanted)
        ]  # fmt: skip


def _gaps(rows: Rows) -> list[str]:
    """What of the journals and file tables could not be read or placed, in words: changes in it are not found."""
    found = []
    for row in rows.of("usn.journal"):
        lost, every, hurt = (row.fields.get(name) for name in ("records_without_folder", "record_count", "lost_bytes"))
        if lost:
            found.append(f"of {lost} of {every} changes in the change journal the folder is not wholly known")
        if hurt:
            found.append(f"{hurt} bytes of the change journal are damaged")
    if rows.of("usn.journal") and not found:
        return []  # a whole journal of which all folders are known tells every change, whatever the table lost
    hurt_records = [row.get("missing_parts") for row in rows.of("mft.table")]
    found += [f"damaged records of the $MFT: {count}" for count in hurt_records if count not in ("", "0")]
    return list(dict.fromkeys(found))


def written(changes: Changes, wanted: Sequence[Area]) -> Written:
    """What happened in these areas, programs, scripts, archives and task files first."""
    if not wanted:
        return Written()
    names = ", ".join(dict.fromkeys(short(area.folder) for area in wanted))
    near = changes.between(min(area.start for area in wanted), max(area.end for area in wanted))
    near = [row for row in near if _in_any(row, wanted)]
    found, strangers = [row for row in near if _is_change(row)], _by_others(near)
    found = [row for row in found if not any(_near(row, other) for other in strangers.get(norm(_path(row)), ()))]
    lost = _lost(changes, names, wanted, found)
    if not found:
        reasons = lost or [_nothing(changes, names, min(area.start for area in wanted))]
        return Written(rows=tuple(changes.unplaced(wanted)), reasons=tuple(reasons))
    writes = sorted(_merged(found), key=lambda item: (_rank(item.path), item.time, item.path, item.action))
    rows = (*found, *changes.unplaced(wanted))
    return Written(tuple(writes[:_MOST]), rows, (*_told(changes, writes, found, names), *lost))


def _lost(changes: Changes, names: str, wanted: Sequence[Area], found: list[Row]) -> list[str]:
    """What keeps the changes that were found from being all there were, with the files that may belong to them."""
    if not changes.gaps:
        return []
    what = f"whether that is all that was written into {names}" if found else f"what was written into {names}"
    told = [f"{what} is not known: {'; '.join(changes.gaps)}"]
    if rows := changes.unplaced(wanted):
        files = dict.fromkeys(row.first("path_tail", "file_name") for row in rows)
        listed = ", ".join(short(name) for name in list(files)[:_MOST_UNPLACED])
        more = f" and {len(files) - _MOST_UNPLACED} more" if len(files) > _MOST_UNPLACED else ""
        text = f"in that time, in folders that are not wholly known, hence perhaps there: {listed}{more}"
        told.append(because(text, rows))
    return told


def _told(changes: Changes, writes: list[HostWrite], found: list[Row], names: str) -> Iterator[str]:
    sources = Counter(_TOLD[row.kind][1] for row in found)
    by = ", ".join(f"{name}: {count}" for name, count in sorted(sources.items()))
    text = (
        f"{len(writes)} change{'s' if len(writes) > 1 else ''} of files in {names} while it ran (rows by source: {by})"
    )
    if set(sources) - {"Sysmon 11"}:
        text += "; journal and $MFT name no program, so a program of the host may have made them (inference)"
    if any(not row.get("file_path") for row in found):
        text += "; of some only the end of the path is known, and it fits (inference)"
    if not changes.journal and "$MFT" in sources:
        text += f"; {_LAST_STATE}"
    yield because(text, found)
    if len(writes) > _MOST:
        yield f"of {len(writes)} changes in {names} the first {_MOST} are listed, programs and scripts before others"


def _nothing(changes: Changes, names: str, start: datetime) -> str:
    """What can be said when no change was found, which is less than that there was none."""
    if not changes.journal and not changes.table:
        text = "neither a change journal nor a file table is in the evidence, nor a record of Sysmon 11 that fits"
        return f"what was written into {names} is not known: {text}"
    if not changes.journal:
        return f"no file in {names} has a birth or a last change while it ran in the $MFT; {_LAST_STATE}"
    if changes.since and changes.since > start:
        return (
            f"no change in {names} is found, but the change journal begins only at {stamp(changes.since)}, while or "
            "after it ran"
        )
    both = "the change journal and the $MFT tell" if changes.table else "the change journal tells"
    return f"no change in {names} while it ran, of any file, as far as {both}"


def _path(row: Row) -> str:
    return row.first("file_path", "path_tail")


def _is_change(row: Row) -> bool:
    """Whether the row tells of a change at its time that the guest can have made."""
    if not row.time or not _path(row) or row.fields.get("is_folder") is True:
        return False
    if row.kind == "file.created":
        return image(row) in (*load("sandbox")["names"]["worker"], "")
    return row.kind != "mft.entry" or row.meaning in ("Creation Time", _CHANGED)


def _action(row: Row) -> str:
    """What happened; a file of the table that was born in another moment than the row's was written."""
    return "written" if row.kind == "mft.entry" and row.meaning == _CHANGED else _TOLD[row.kind][0]


def _in_any(row: Row, wanted: Sequence[Area]) -> bool:
    if row.time is None:
        return False
    if row.get("file_path"):
        return any(area.holds(_path(row), row.time) for area in wanted)
    tail = norm(row.get("path_tail")).rpartition("\\")[0].strip("\\")
    return any(area.start <= row.time <= area.end and may_lie_in(tail, area.place) for area in wanted)


def _by_others(near: Iterable[Row]) -> dict[str, list[Row]]:
    """Files that Sysmon saw another program make: what the file system tells of the same moment is that program's."""
    found: dict[str, list[Row]] = {}
    for row in near:
        if row.kind == "file.created" and not _is_change(row):
            found.setdefault(norm(_path(row)), []).append(row)
    return found


def _near(one: Row, other: Row) -> bool:
    return bool(one.time and other.time and one.kind != "file.created" and abs(one.time - other.time) <= _SAME)


def _merged(found: Iterable[Row]) -> list[HostWrite]:
    """One write for what several sources tell of one file at one time."""
    found, last = list(found), dict[tuple[str, str], datetime]()
    made = {(norm(_path(row)), row.time) for row in found if _action(row) == "created"}
    writes = []
    for row in sorted(found, key=lambda item: item.order):
        action, path = _action(row), _path(row)
        key = (norm(path), action)
        if row.kind == "mft.entry" and action == "written" and (key[0], row.time) in made:
            continue  # its birth in the same instant says it
        if row.time and (key not in last or row.time - last[key] > _SAME):
            writes.append(HostWrite(row.time, path, action))
        if row.time:
            last[key] = row.time
    return writes


def _rank(path: str) -> int:
    task = "\\system32\\tasks\\" in norm(path)
    return 0 if task or is_payload(basename(path)) else 1


def _shares_of(row: Row) -> list[MappedFolder]:
    try:
        data = json.loads(row.get("settings_json"))
    except (ValueError, RecursionError):
        return []
    return list(_folders(data, shares=False, depth=0))


def _folders(data: object, *, shares: bool, depth: int) -> Iterator[MappedFolder]:
    """The shares in the settings of a machine or in one change of them; those of the container manager are left out."""
    if depth > _DEEPEST:
        return
    if isinstance(data, list):
        for item in data:
            yield from _folders(item, shares=shares, depth=depth + 1)
    if not isinstance(data, dict):
        return
    known = {str(name).casefold(): value for name, value in data.items()}
    if str(known.get("requesttype", "")).casefold() == "remove":
        return
    shares = shares or "virtualsmb" in str(known.get("resourcepath", "")).casefold()
    path = known.get("path")
    if shares and isinstance(path, str) and path and "\\containers\\" not in path.casefold().replace("/", "\\"):
        yield MappedFolder(path, None, read_only=_read_only(known))
    for name, value in known.items():
        yield from _folders(value, shares=shares or name == "virtualsmb", depth=depth + 1)


def _read_only(known: dict[str, object]) -> bool:
    options = known.get("options")
    inner = {str(name).casefold(): value for name, value in options.items()} if isinstance(options, dict) else {}
    return known.get("readonly", inner.get("readonly")) is True
