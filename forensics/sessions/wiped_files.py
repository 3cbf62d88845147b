"""Signs in the file system: removed logs, histories and tools, emptied folders, a new change journal, times that lie.

And prefetch files that are missing for programs of which other traces say that a person ran them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import timedelta

from forensics.rules import load
from forensics.rules.filesystem import file_rules, rule_for
from forensics.rules.watch import is_backdating, is_watched
from forensics.sessions.looked import Looked
from forensics.sessions.rows import Row, grouped, short, stamp
from forensics.sessions.wiped_signs import Found, Scene, weakened

_SAME_ACT = timedelta(seconds=10)
_REMOVED = ("usn.file_deleted", "usn.file_renamed", "file.deleted")
_MOST_PREFETCH = 1_000  # near the limit of 1,024 Windows has removed some itself
_LEAST_PREFETCH = 10  # fewer are no folder of a host that was used
_PREFETCH_NAME = 29  # characters of the program's name in the name of its prefetch file
_NAMED = 10
_FREE_SPACE = "FS-35"
_FIRST_PAGES = 65536  # a journal that was never cut at its beginning starts within its first pages
_LEAST_RUNS = 3  # runs by people after which a folder without any prefetch file is told
_YOUNG_RUN = timedelta(minutes=5)


def file_signs(scene: Scene, looked: Looked, told: Collection[str], paths: Collection[str]) -> Iterator[Found]:
    """Every sign of the file system; `told` are the rows that other signs told already, `paths` the files (folded)."""
    yield from _removed(scene, told, paths)
    for row in scene.rows.of("usn.folder_emptied"):
        parts = {"count": row.get("deleted_count"), "folder": row.get("folder_path"), "what": row.get("file_meaning")}
        weak = _is_earlier(f"{row.get('folder_path')}\\")
        yield weakened(scene.sign("folder_emptied", row, [row], seconds=row.get("burst_seconds"), **parts), weak)
    yield from _journal(scene, looked)
    yield from _wiped(scene)
    yield from _times(scene)
    yield from _prefetch(scene, looked)


def _removed(scene: Scene, told: Collection[str], paths: Collection[str]) -> Iterator[Found]:
    """Once for each file and act, whatever number of sources tells of it."""
    kinds = load("antiforensics")["removed_files"]
    seen: dict[str, list[Row]] = {}
    for row in scene.rows.of(*_REMOVED):
        rule = _rule_of(row)
        path = row.first("old_path", "file_path", "path_tail", "old_name")
        if rule not in kinds or row.id in told or path.casefold() in paths or _is_earlier(path):
            continue
        if row.kind == "usn.file_renamed" and _still_one(row, rule):
            continue
        before = seen.setdefault(path.casefold(), [])
        if any(row.time and item.time and abs(row.time - item.time) <= _SAME_ACT for item in before):
            continue
        before.append(row)
        how = f"renamed to {short(row.get('file_path'))}" if row.kind == "usn.file_renamed" else "deleted"
        by = scene.by(row) if row.kind == "file.deleted" else ""
        yield scene.sign("file_removed", row, [row], what=kinds[rule], how=how, by=by, path=short(path), when="")
    for group in grouped(scene.rows.of("mft.entry")):
        path, rule = group.get("file_path") or group.get("path_tail"), group.get("file_rule")
        known = path.casefold() in seen or path.casefold() in paths or any(row.id in told for row in group.rows)
        if group.fields.get("file_deleted") is True and rule in kinds and not known and not _is_earlier(path):
            undated = replace(group.rows[0], time=None)
            parts = {"what": kinds[rule], "how": "deleted", "by": "", "path": short(path)}
            yield scene.sign("file_removed", undated, group.rows, when="; when is not recorded", **parts)


def _is_earlier(path: str) -> bool:
    """Whether a file is one of an earlier Windows, which a clean-up removes after an upgrade."""
    return re.match(load("antiforensics")["earlier_windows"], path.replace("/", "\\").casefold()) is not None


def _rule_of(row: Row) -> str:
    """The rule of filesystem.yml that the file is of (of a renamed one: that its old name is of)."""
    path = row.get("old_path") or row.get("old_name") or row.get("file_path") or row.get("path_tail")
    if row.kind == "usn.file_deleted":
        return row.get("file_rule")
    folder, _, name = path.replace("/", "\\").rpartition("\\")
    rule = rule_for(folder[2:] if folder[1:2] == ":" else folder, name)
    return rule.id if rule else ""


def _still_one(row: Row, rule: str) -> bool:
    """Whether the new name of a renamed file is one that the same rule knows: it is still what it was."""
    names = next((item.names for item in file_rules() if item.id == rule), None)
    return names is not None and names.fullmatch(row.get("file_name").casefold()) is not None


def _journal(scene: Scene, looked: Looked) -> Iterator[Found]:
    installed = next((row for row in scene.rows.of("host.described") if row.meaning == "Installation Time"), None)
    late = timedelta(hours=load("antiforensics")["young_after_hours"])
    for row in scene.rows.of("usn.journal_made"):
        size = row.fields.get("maximum_bytes")
        if isinstance(size, int) and size < load("antiforensics")["journal_small"]["least_bytes"] and not row.snapshot:
            yield scene.sign("journal_small", row, [row], size=str(size))
        if row.snapshot or row.time is None:
            continue
        if row.get("lowest_usn") not in ("", "0"):
            why, rows = f"and begins with USN {row.get('lowest_usn')}", [row]
        elif installed is not None and installed.time and row.time - installed.time > late:
            why, rows = f"though Windows was installed on {stamp(installed.time)}", [row, installed]
        else:
            continue
        yield scene.sign("journal_recreated", row, rows, when=stamp(row.time), why=why)
    yield from _begun_anew(scene, installed, late)
    tables = scene.rows.of("mft.table")
    if tables and looked.state("usn_journal") == "nothing_found":
        yield scene.sign("journal_absent", tables[0], tables[:1])


def _begun_anew(scene: Scene, installed: Row | None, late: timedelta) -> Iterator[Found]:
    """A journal from its first USN on, long after the installation: where its settings were not collected to say so."""
    if scene.rows.of("usn.journal_made") or installed is None or installed.time is None:
        return
    for row in scene.rows.of("usn.journal"):
        first = row.get("first_usn")
        whole = first.isdecimal() and int(first) < _FIRST_PAGES
        if whole and row.meaning == "Start Time" and not row.snapshot and row.time and row.time - installed.time > late:
            why = f"its first record is USN {first}, though Windows was installed on {stamp(installed.time)}"
            yield scene.sign("journal_recreated", row, [row, installed], when=f"by {stamp(row.time)}", why=why)


def _wiped(scene: Scene) -> Iterator[Found]:
    """Files with the names that a wiping tool gives them, and what overwrites the free space."""
    for row in scene.rows.of("usn.file_shredded"):
        gone = " and deleted" if row.fields.get("file_deleted") else ""
        parts = {"path": short(row.get("old_path")), "count": row.get("rename_count"), "gone": gone}
        yield scene.sign("file_shredded", row, [row], **parts)
    paths: dict[str, list[Row]] = {}
    for row in scene.rows.of("usn.file_created", "usn.file_deleted", "mft.entry"):
        if row.get("file_rule") == _FREE_SPACE:
            paths.setdefault(row.first("file_path", "path_tail").casefold(), []).append(row)
    for rows in paths.values():
        yield scene.sign("free_space_wiped", rows[0], rows, path=_path(rows[0]))


def _times(scene: Scene) -> Iterator[Found]:
    """A change of times alone that the file table bears out; else only where both signs of the table are there.

    These are a birth before that of the name, and whole seconds.
    """
    entries = scene.rows.of("mft.entry")
    told: set[str] = set()
    for row in scene.rows.of("usn.file_times_set"):
        told.add(row.get("file_reference"))
        same = [entry for entry in entries if entry.get("file_reference") == row.get("file_reference")]
        near = _near(scene, row)
        names = ", ".join(dict.fromkeys(_program(item) for item in near))
        ran = f"; near that time ran {names}" if names else ""
        parts = {"path": _path(row), "note": row.get("timestomp_note"), "near": ran}
        yield scene.sign("times_changed", row, [row, *same, *near], **parts)
    for group in grouped(entries):
        note = group.get("timestomp_note")
        stamped = "before that of its name" in note and "whole seconds" in note and not group.fields.get("is_folder")
        if stamped and group.get("file_reference") not in told:
            row = next((item for item in group.rows if item.meaning == "Metadata Modification Time"), group.rows[0])
            yield scene.sign("times_set", row, group.rows, path=_path(row), note=note)
    for row in scene.rows.of("file.time_changed"):
        if not is_backdating(row.get("file_path"), row.get("executable")):
            continue
        note = f"{short(row.get('executable'))} set its birth from {row.get('old_time')} to {row.get('new_time')}"
        yield scene.sign("times_set", row, [row], path=_path(row), note=note)


def _path(row: Row) -> str:
    return short(row.first("file_path", "path_tail"))


def _near(scene: Scene, row: Row) -> list[Row]:
    """The programs that ran in the moments before the times of a file were set."""
    runs = scene.rows.of("process.created", "prefetch.run", "userassist.run", "bam.run")
    moment = row.time
    return [item for item in runs if item.time and moment and timedelta(0) <= moment - item.time <= _SAME_ACT][:_NAMED]


def _program(row: Row) -> str:
    return row.first("executable_name", "executable").replace("/", "\\").rpartition("\\")[2]


def _prefetch(scene: Scene, looked: Looked) -> Iterator[Found]:
    off = any(row.fields.get("prefetches_programs") is False for row in scene.rows.of("prefetch.configured"))
    there = {name.rpartition("-")[0] for name in scene.files}
    if off or scene.is_server:
        return
    runs = [row for row in scene.rows.of("process.created", "userassist.run", "bam.run") if _by_person(scene, row)]
    if looked.state("prefetch") == "nothing_found" and looked.state("prefetch_settings") == "complete":
        if len(runs) >= _LEAST_RUNS:
            yield scene.sign("prefetch_gone", runs[0], runs[:_NAMED], count=str(len(runs)))
        return
    usable = _LEAST_PREFETCH <= len(scene.files) < _MOST_PREFETCH
    if not usable or looked.state("prefetch") != "complete":
        return
    last = max((row.time for row in runs if row.time), default=None)
    missing: dict[str, list[Row]] = {}
    names: set[str] = set()
    for row in runs:
        name = row.first("executable", "executable_name").replace("/", "\\").rpartition("\\")[2].casefold()
        names.add(name)
        if row.time and last and last - row.time > _YOUNG_RUN and name[:_PREFETCH_NAME] not in there:
            missing.setdefault(name, []).append(row)
    # Where most programs have none, the folder was not kept as a whole, and a single one that is missing says nothing.
    if missing and len(missing) * 2 <= len(names):
        shown = list(missing)[:_NAMED]
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        rows = [rows[0] for rows in missing.values()]
        parts = {"count": str(len(missing)), "names": ", ".join(shown) + more, "there": str(len(scene.files))}
        yield scene.sign("prefetch_missing", rows[0], rows, **parts)


def _by_person(scene: Scene, row: Row) -> bool:
    """Whether a person's account ran a program from a local drive, one whose prefetch file would be worth removing.

    Of Windows' own programs only those that bear on sessions are: every host has files of the others, unless the folder
    was emptied as a whole, which tells itself (inferred).
    """
    path = row.get("executable").casefold()
    local = path[1:3] == ":\\" or path.startswith("\\device\\harddiskvolume")
    sid = scene.people.of(row)[1] or ""
    person = sid.startswith(("S-1-5-21-", "S-1-12-1-")) or row.kind == "userassist.run"
    return local and path.endswith(".exe") and person and ("\\windows\\" not in path or is_watched(path))
