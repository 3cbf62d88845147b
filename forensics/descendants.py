"""What watched processes did: their descendants, and rows written under their process ids.

A `whoami` is context by itself; started from a shell that a tunnel opened, it belongs to the tunnel. Which of the
two it is can be told only once the watched processes are known, so the context spools are walked once more, in the
order of their logs, with nothing in memory but the process ids being followed. Process ids are used again by Windows:
an id is followed from its process's start to its end (4689, Sysmon 5) or to the next start under the same id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from forensics.model import Event, Fact
from forensics.spool import SpoolReader

MOST = 20_000
_STARTED, _ENDED = "process.created", "process.exited"


@dataclass(frozen=True, slots=True)
class Family:
    """The facts that are no longer context, and whether the limit cut them off."""

    facts: tuple[Fact, ...]
    cut: bool


def family(paths: Iterable[Path], watched: Sequence[Event]) -> Family:
    """The context facts of processes that descend from watched ones (events in time order)."""
    seeds = [(event.time, pid) for event in watched if event.kind == _STARTED and (pid := event.get("pid"))]
    found: list[Fact] = []
    for path in paths if seeds else ():
        for fact in _follow(SpoolReader(path), seeds):
            if len(found) >= MOST:
                return Family(tuple(found), cut=True)
            found.append(replace(fact, context=False))
    return Family(tuple(found), cut=False)


def _follow(facts: Iterable[Fact], seeds: Sequence[tuple[datetime, str]]) -> Iterator[Fact]:
    followed: dict[str, datetime] = {}
    place = 0
    for fact in facts:
        moment = next(iter(fact.times.values()), None)
        pid = fact.fields.get("pid")
        if moment is None or not isinstance(pid, str):
            continue
        while place < len(seeds) and seeds[place][0] <= moment:
            followed[seeds[place][1]] = seeds[place][0]
            place += 1
        if fact.kind == _STARTED:
            if fact.fields.get("parent_pid") in followed:
                followed[pid] = moment
                yield fact
            elif (moment, pid) not in seeds[max(0, place - 64) : place]:
                followed.pop(pid, None)  # the id is in use again, by a stranger
        elif pid in followed:
            yield fact
            if fact.kind == _ENDED:
                del followed[pid]


__all__ = ["MOST", "Family", "family"]
