"""Several collections of one host: an autostart entry that each of them tells is one entry.

One collection may lack the list of profiles, and so the SID of a user whom another names, or the machine's classes that
a user's class is compared with, or the file that the entry starts, or the hive that names the version of Windows: that
an entry is inert holds although another collection could not know. Within one collection entries are apart already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace

from forensics.model import PersistenceEntry, Verdicts
from forensics.rules.ranking import capped

_Key = tuple[str, ...]
_TARGET = tuple(item.name for item in fields(PersistenceEntry) if item.name.startswith("target"))
_SEEN = ("first_seen", "first_seen_source", "first_seen_bound")
_MADE = ("made_by", "made_by_sid", "made_by_source")
_EVENTS = re.compile(
    r"^(.*) \[([0-9a-f]{16}(?:, [0-9a-f]{16})*)(?: and (\d+) more)?\]$", re.DOTALL
)  # as `because` writes
_SHOWN = 4


def entries_once(verdicts: Sequence[Verdicts]) -> list[Verdicts]:
    """The same verdicts, each entry with the first collection that tells of it."""
    groups: dict[_Key, list[tuple[int, PersistenceEntry]]] = {}
    for place, item in enumerate(verdicts):
        for entry in item.persistence:
            key = _key(entry)
            while any(other == place for other, _ in groups.get(key, ())):
                key = (*key, "another")  # two of one collection are two
            groups.setdefault(key, []).append((place, entry))
    merged: dict[int, list[PersistenceEntry]] = {}
    for group in groups.values():
        merged.setdefault(group[0][0], []).append(_union([entry for _, entry in group]))
    return [replace(item, persistence=tuple(merged.get(place, ()))) for place, item in enumerate(verdicts)]


def _key(entry: PersistenceEntry) -> _Key:
    whose = entry.user or ""
    texts = (entry.host, entry.mechanism, entry.location, entry.name, entry.command or "", whose)
    return (*(text.casefold() for text in texts), "deleted" if entry.deleted else "")


def _union(group: Sequence[PersistenceEntry]) -> PersistenceEntry:
    """What the collections tell together; of what differs, what the one says that found more."""
    best = max(group, key=lambda item: item.score)
    if len(group) == 1:
        return best
    ranked = [best, *(item for item in group if item is not best)]
    knows = next((item for item in ranked if item.target_exists is not None), best)
    seen = min((item for item in ranked if item.first_seen), key=_age, default=best)
    made = next((item for item in ranked if item.made_by), best)
    written = max((item for item in ranked if item.last_write), key=lambda item: str(item.last_write), default=best)
    united = replace(
        best,
        inert=next((item.inert for item in ranked if item.inert), None),
        reasons=_reasons(text for item in ranked for text in item.reasons),
        attack=tuple(sorted({text for item in ranked for text in item.attack})),
        events=tuple(dict.fromkeys(event for item in ranked for event in item.events)),
        last_write=written.last_write,
        last_write_kind=written.last_write_kind,
        **{name: getattr(knows, name) for name in _TARGET},
        **{name: getattr(seen, name) for name in _SEEN},
        **{name: getattr(made, name) for name in _MADE},
    )
    return capped(united)


def _reasons(told: Iterable[str]) -> tuple[str, ...]:
    """Each reason once, with the events of all collections that give it."""
    found: dict[str, tuple[list[str], int]] = {}
    for reason in dict.fromkeys(told):
        match = _EVENTS.match(reason)
        text, events, more = (match[1], match[2].split(", "), int(match[3] or 0)) if match else (reason, [], 0)
        known, unnamed = found.get(text, ([], 0))
        # Lists that share an event are of the same evidence, and so is what they leave out.
        both = max(unnamed, more) if set(known) & set(events) else unnamed + more
        found[text] = (list(dict.fromkeys([*known, *events])), both)
    return tuple(_with_events(text, *events) for text, events in found.items())


def _with_events(text: str, events: list[str], unnamed: int) -> str:
    left = len(events[_SHOWN:]) + unnamed
    more = f" and {left} more" if left else ""
    return f"{text} [{', '.join(events[:_SHOWN])}{more}]" if events else text


def _age(entry: PersistenceEntry) -> tuple[bool, str]:
    """A making goes before a bound, then the earliest."""
    return entry.first_seen_bound, str(entry.first_seen)
