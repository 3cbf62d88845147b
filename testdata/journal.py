"""The change journal of a described host: what its files' times say must have been recorded since it began."""

from __future__ import annotations

import re
import string
import struct
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from forensics.times import to_filetime
from testdata.host import Host, Rename
from testdata.render import Files, inner_path, removed_folders
from testdata.writers import usn
from testdata.writers.ntfs import Times
from testdata.writers.usn import Change

# A used volume: what came before was discarded in whole pages.
FIRST_USN = 0x1A2F000
_MOMENT = timedelta(microseconds=300)


def journal(host: Host, files: Files, folders: Mapping[str, Times], references: Mapping[str, int]) -> bytes:
    """The journal since `host.journal_start`, without the hole before its first record; empty when there is none."""
    start = host.journal_start
    if start is None:
        return b""
    changes = [change for path, times in folders.items() for change in _folder(path, times.birth, references)]
    for path, file in files.items():
        changes += _file(path, file.times, references)
    for told in host.files:
        path = inner_path(told.path)
        if told.stamped:
            changes.append(Change(told.stamped.at, *_about(path, references), usn.BASIC_INFO | usn.CLOSE))
        if told.deleted:
            changes += (_shredded if told.shredded else _deleted)(path, told.deleted, references)
    for path, moment in removed_folders(host).items():
        changes.append(Change(moment + _MOMENT, *_about(path, references), usn.DELETE | usn.CLOSE, usn.FOLDER))
    for rename in host.renames:
        changes = _renamed(changes, rename, references)
    kept = sorted(change for change in changes if change.time >= start)
    shown = [change._replace(time=_by_the_clock(host, change.time)) for change in kept]
    return usn.build(shown, 0 if host.journal_made else FIRST_USN)


def settings(host: Host) -> bytes:
    """The journal's own settings (`$Max`); empty where the scenario does not say when it was made."""
    made = host.journal_made
    return struct.pack("<QQQq", 32 << 20, 8 << 20, to_filetime(made), 0) if made else b""


def _by_the_clock(host: Host, moment: datetime) -> datetime:
    return next((clock.shown(moment) for clock in host.clock if clock.holds(moment)), moment)


def _about(path: str, references: Mapping[str, int]) -> tuple[int, int, str]:
    folder, _, name = path.rpartition("/")
    return references[path], references[folder], name


def _folder(path: str, born: datetime, references: Mapping[str, int]) -> Iterator[Change]:
    about = _about(path, references)
    yield Change(born, *about, usn.CREATE, usn.FOLDER)
    yield Change(born + _MOMENT, *about, usn.CREATE | usn.CLOSE, usn.FOLDER)


def _file(path: str, times: Times, references: Mapping[str, int]) -> Iterator[Change]:
    about = _about(path, references)
    yield Change(times.birth, *about, usn.CREATE)
    yield Change(times.birth + _MOMENT, *about, usn.CREATE | usn.EXTEND)
    yield Change(times.birth + 2 * _MOMENT, *about, usn.CREATE | usn.EXTEND | usn.CLOSE)
    if times.mtime > times.birth + 2 * _MOMENT:
        yield Change(times.mtime, *about, usn.OVERWRITE)
        yield Change(times.mtime + _MOMENT, *about, usn.OVERWRITE | usn.CLOSE)


def _deleted(path: str, moment: datetime, references: Mapping[str, int]) -> Iterator[Change]:
    yield Change(moment, *_about(path, references), usn.DELETE | usn.CLOSE)


def _shredded(path: str, moment: datetime, references: Mapping[str, int]) -> Iterator[Change]:
    """SDelete: every letter of the name becomes an A, then a B, ... up to Z, and then the file goes."""
    file, parent, name = _about(path, references)
    for number, letter in enumerate(string.ascii_uppercase):
        then, was, name = moment + number * 5 * _MOMENT, name, re.sub(r"[^.]", letter, name)
        for step, (label, reason) in enumerate(
            ((was, usn.OLD_NAME), (name, usn.NEW_NAME), (name, usn.NEW_NAME | usn.CLOSE))
        ):
            yield Change(then + step * _MOMENT, file, parent, label, reason)
    yield Change(moment + 26 * 5 * _MOMENT, file, parent, name, usn.DELETE | usn.CLOSE)


def _renamed(changes: list[Change], rename: Rename, references: Mapping[str, int]) -> list[Change]:
    """The changes with the old name until it was given up, and the three records of the rename."""
    path = inner_path(rename.path)
    file, parent, name = _about(path, references)
    kind = next((change.attributes for change in changes if change.file == file), usn.ARCHIVE)
    made = [
        change._replace(name=rename.was) if change.file == file and change.time < rename.at else change
        for change in changes
    ]
    moments = (rename.at, rename.at + _MOMENT, rename.at + 2 * _MOMENT)
    reasons = (usn.OLD_NAME, usn.NEW_NAME, usn.NEW_NAME | usn.CLOSE)
    for moment, label, reason in zip(moments, (rename.was, name, name), reasons, strict=True):
        made.append(Change(moment, file, parent, label, reason, kind))
    return made
