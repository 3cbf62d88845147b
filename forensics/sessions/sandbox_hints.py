"""Which configuration a launch ran with when it names none: every candidate with what speaks for it.

All of it is inference: a file that was opened or read when the sandbox began is likely its configuration. Candidates
are ranked by their strongest hint, then by further ones; of two that rank alike none is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from forensics.sessions.rows import Row, because, short
from forensics.sessions.texts import wsb_path

# From the strongest. A prefetch file lists what was opened in all its runs: it speaks of this launch only when there
# was no other.
PREFETCH, RECENT, LINK, ACCESS, CHANGE = "prefetch", "recent", "link", "access", "change"
_ORDER = (PREFETCH, RECENT, LINK, ACCESS, CHANGE)
_WORDS = {
    PREFETCH: "the launcher's prefetch file of its only run lists it",
    RECENT: "the user opened it at that time (RecentDocs)",
    LINK: "a shortcut, jump list, file dialog, typed command or timeline entry tells of it at that time",
    ACCESS: "it was last read at that time",
    CHANGE: "it was made, changed or renamed at that time",
}
# Kinds whose times are those of an opening, or of what was opened, with the fields that name it. The entries of a
# custom jump list share one file's times, and a remnant of the timeline has but its expiry: they are no hints.
_SHORTCUT = ("target_path", "link_item_path", "link_arguments")
LINKS = {
    "link.opened": _SHORTCUT,
    "link.file": _SHORTCUT,
    "link.target": ("target_path",),
    "jumplist.entry": ("target_path", "listed_path", "link_item_path", "link_arguments"),
    "activity.recorded": ("opened_path", "display_text"),
    "dialog.file_chosen": ("file_path",),
    "dialog.file_seen": ("file_path",),
    "typed.command": ("command_line",),
    "typed.path": ("typed_path",),
}
_CHANGES = ("usn.file_created", "usn.file_written", "usn.file_renamed")

T = TypeVar("T")


@dataclass(slots=True)
class Candidate(Generic[T]):
    """A configuration with the rows of each sort of hint."""

    known: T
    name: str
    hints: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, sort: str, rows: Iterable[Row]) -> None:
        """Note what speaks for it."""
        found = list(rows)
        if found:
            self.hints.setdefault(sort, []).extend(found)

    @property
    def rank(self) -> tuple[int, ...]:
        """The places of its hints, the strongest first; a missing one counts as the weakest."""
        places = sorted(_ORDER.index(sort) for sort in self.hints)
        return (*places, *([len(_ORDER)] * (len(_ORDER) - len(places))))

    @property
    def weak(self) -> bool:
        """Whether no more than a time of the file itself speaks for it."""
        return not {PREFETCH, RECENT, LINK} & set(self.hints)

    @property
    def rows(self) -> list[Row]:
        """The rows of all hints."""
        return [row for sort in _ORDER for row in self.hints.get(sort, ())]

    def says(self) -> str:
        """What speaks for it, in words."""
        return ", ".join(_WORDS[sort] for sort in _ORDER if sort in self.hints)


def ranked(candidates: Iterable[Candidate[T]]) -> list[Candidate[T]]:
    """The candidates that something speaks for, the best first."""
    return sorted((item for item in candidates if item.hints), key=lambda item: (item.rank, item.name))


def chosen(found: list[Candidate[T]]) -> Candidate[T] | None:
    """The best one, None when another ranks alike."""
    if not found or (len(found) > 1 and found[0].rank == found[1].rank):
        return None
    return found[0]


def told(found: list[Candidate[T]]) -> str:
    """The reason: what was taken and why, and what else fitted."""
    best = chosen(found)
    listed = "; ".join(f"{short(item.name)} ({item.says()})" for item in found[:8])
    rows = [row for item in found for row in item.rows]
    if best is None:
        return because(f"several configurations fit the time alike, none is taken: {listed}", rows)
    text = f"configuration {short(best.name)} joined by time: {best.says()} (inference)"
    if len(found) > 1:
        others = "; ".join(f"{short(item.name)} ({item.says()})" for item in found[1:8])
        text += f"; ranked behind it: {others}"
    return because(text, rows)


def link_rows(rows: Callable[[str], list[Row]], early: datetime, late: datetime) -> list[tuple[str, Row]]:
    """What in a time span names a .wsb, with the name; `rows` gives the rows of a kind."""
    near = ((kind, row) for kind in LINKS for row in rows(kind) if row.time and early <= row.time <= late)
    return [(name, row) for kind, row in near if (name := _named_wsb(row, LINKS[kind]))]


def change_kinds() -> tuple[str, ...]:
    """The kinds of the change journal that tell of a file being made or changed."""
    return _CHANGES


def _named_wsb(row: Row, names: Iterable[str]) -> str | None:
    """The .wsb that the first of these fields names; the others, as the shortcut's own path, may look like one."""
    return next((found for name in names if (found := wsb_path(row.get(name)))), None)
