"""A second look at the files that autostart entries start: whether they are there, and their hash.

Which files these are is known only once the entries are. Only entries that score are looked at: a stock installation
has some hundred others, whose files a triage collection never takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from forensics.evidence.base import DAMAGE, reason
from forensics.jobs import opened
from forensics.model import PersistenceEntry, Verdicts
from forensics.workers import Dead, Workers

MOST_FILES, MOST_BYTES = 200, 256 * 1024 * 1024
_MAGIC = frozenset("*?[]{}!")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the evidence has of one path; `exists` is None where the evidence cannot tell."""

    exists: bool | None = None
    sha256: str | None = None
    note: str | None = None


def with_targets(workers: Workers, verdicts: Verdicts, host: str, *, whole: bool) -> Verdicts:
    """The verdicts with what is known of the files that scoring entries start; `whole`: the evidence is all of a disk.

    Only entries of `host` are looked up: of another computer, whose logs lie in the evidence, its files do not.
    """
    wanted = list(
        dict.fromkeys(entry.target for entry in verdicts.persistence if _sought(entry, host) and entry.target)
    )
    if not wanted:
        return verdicts
    found = workers.one(look_at, (tuple(wanted[:MOST_FILES]), whole))
    if isinstance(found, Dead):
        found = dict.fromkeys(wanted[:MOST_FILES], Seen(note=f"not looked at: {found.detail}"))
    rest = Seen(note=f"not looked at: more than {MOST_FILES} files")
    entries = tuple(
        _told(entry, found.get(entry.target or "", rest)) if _sought(entry, host) else entry
        for entry in verdicts.persistence
    )
    return replace(verdicts, persistence=entries)


def _sought(entry: PersistenceEntry, host: str) -> bool:
    return bool(entry.score and entry.target and entry.host == host)


def _told(entry: PersistenceEntry, seen: Seen) -> PersistenceEntry:
    return replace(entry, target_exists=seen.exists, target_sha256=seen.sha256, target_note=seen.note)


def look_at(order: tuple[tuple[str, ...], bool]) -> dict[str, Seen]:
    """In a worker: what the evidence has of each of these paths."""
    paths, whole = order
    left = MOST_BYTES
    found: dict[str, Seen] = {}
    for path in paths:
        found[path], read = _look(path, left, whole=whole)
        left -= read
    return found


def _look(path: str, left: int, *, whole: bool) -> tuple[Seen, int]:
    if _MAGIC & set(path):
        return Seen(note="not looked at: signs in its name that a search would misread"), 0
    evidence = opened()
    drive, _, rest = path.replace("\\", "/").partition("/")
    try:
        hits = [item for item in evidence.find([rest]) if item.path.partition("/")[0].casefold() == drive.casefold()]
        if not hits:
            gone = whole and not evidence.hurt()
            return Seen(False if gone else None, note="not in the evidence" if gone else "not collected"), 0
        if hits[0].size > left:
            return Seen(True, note="not hashed: too large"), 0
        with evidence.open(hits[0].path) as handle:
            return Seen(True, evidence.digests(handle).sha256), hits[0].size
    except DAMAGE as error:
        return Seen(note=f"could not be read: {reason(error)}"), 0
