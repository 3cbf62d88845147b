"""Autostart entries as an answer: those that score as suspicious, and those that a person has to judge."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from forensics.advisory.hits import moment
from forensics.locales import joined, quoted, say
from forensics.model import PersistenceEntry, Said
from forensics.rules import load
from forensics.sessions.rows import short

_POINTS = re.compile(r"[A-Z]+-\d+[A-Z-]* \(\+\d+\): ")
_SHOWN = 400
_IDS = re.compile(r" \[[0-9a-f]{16}[^\]]*\]$")


def told(entries: Sequence[PersistenceEntry]) -> tuple[bool, bool, list[Said], list[str]]:
    """Whether one is suspicious, whether "no" has to be left to a person, the sentences and the rows."""
    data = load("advisory")
    ranked = sorted((item for item in entries if item.score > 0), key=lambda entry: -entry.score)
    high = [item for item in ranked if item.score >= data["suspicious"]]
    low = ranked[len(high) :]
    unsettled = bool(low) and low[0].score > data["everyday"]
    most = data["most_entries"]
    why = [say("entry.all_deleted")] if high and all(item.deleted for item in high) else []
    why += [_entry(item) for item in high[:most]]
    if len(high) > most:
        why.append(say("entry.most", count=len(high) - most, score=data["suspicious"]))
    if low:
        left = max(most - len(high), 0)
        why.append(say("entry.lesser", count=len(low), score=data["suspicious"]))
        why += [_entry(item) for item in low[:left]]
        if 0 < left < len(low):
            why.append(say("entry.more", count=len(low) - left))
    return bool(high), unsettled, why, [ident for item in ranked for ident in item.events]


def _entry(item: PersistenceEntry) -> Said:
    """An entry with the reasons that come first; how many more there are is counted."""
    most, reasons = load("advisory")["most_reasons"], _scored(item.reasons)
    told = [
        *map(_cut, reasons[:most]),
        *([say("entry.reasons", count=len(reasons) - most)] if len(reasons) > most else []),
    ]
    return say(
        "entry.deleted" if item.deleted else "entry", time=moment(item.first_seen or item.last_write),
        mechanism=quoted(item.mechanism), name=item.name, score=item.score,
        command=short(item.command or "?", _SHOWN), reasons=joined(told),
        inert=say("entry.inert", why=_cut(item.inert)) if item.inert else Said("", ""),
    )  # fmt: skip


def _cut(reason: str) -> Said:
    """The reason in both languages, without the rest of a command that is long (or what damage made of one)."""
    said = quoted(reason)
    return Said(short(said.en, _SHOWN), short(said.ja, _SHOWN))


def _scored(reasons: Iterable[str]) -> list[str]:
    """The reasons that scored, without the ids of rows, which the answer has."""
    return [_IDS.sub("", reason) for reason in reasons if _POINTS.match(reason)]
