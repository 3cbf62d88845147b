"""What watched processes did: their descendants, and rows written under their process ids.

A `whoami` is context by itself; started from a shell that a tunnel opened, it belongs to the tunnel. Which of the
two it is can be told only once the watched processes are known, so the context spools are walked once more, in the
order of their logs, with nothing in memory but the process ids being followed. Process ids are used again by Windows:
an id is followed from its process's start to its end (4689, Sysmon 5) or to the next start under the same id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forensics.model import Event, Fact
from forensics.spool import SpoolReader, decode_fact
from forensics.times import microseconds

MOST = 20_000
_SLACK = 3_600_000_000  # an hour in microseconds: further back is another log (a clock set back within one is rare)
_STARTED, _ENDED = "process.created", "process.exited"


@dataclass(frozen=True, slots=True)
class Family:
    """The facts that are no longer context, and whether the limit cut them off."""

    facts: tuple[Fact, ...]
    cut: bool


def family(paths: Iterable[Path], watched: Sequence[Event]) -> Family:
    """The context facts of processes that descend from watched ones (events in time order)."""
    found: list[Fact] = []
    tracker = _Tracker(watched)
    for path in paths if tracker.seeds else ():
        for line in SpoolReader(path).lines():
            fact = tracker.belongs(line)
            if fact is not None:
                if len(found) >= MOST:
                    return Family(tuple(found), cut=True)
                found.append(replace(fact, context=False))
    return Family(tuple(found), cut=False)


class _Tracker:
    """The process ids being followed. Lines of one log come in its order; another log begins earlier again."""

    def __init__(self, watched: Sequence[Event]) -> None:
        self.seeds = [(microseconds(event.time), pid) for event in watched
                      if event.kind == _STARTED and (pid := event.get("pid"))]  # fmt: skip
        self._starts = set(self.seeds)
        self._begin()

    def _begin(self) -> None:
        self._followed: dict[str, int] = {}
        self._place = 0
        self._now = 0

    def belongs(self, line: str) -> Fact | None:
        """The fact of this line when it is of a followed process or starts a child of one."""
        now = _time(line)
        if now is None:
            return None
        if now < self._now - _SLACK:
            self._begin()
        self._now = now
        while self._place < len(self.seeds) and self.seeds[self._place][0] <= now:
            moment, pid = self.seeds[self._place]
            self._followed[pid] = moment
            self._place += 1
        pid, parent = _number(line, '"pid":"'), _number(line, '"parent_pid":"')
        if pid not in self._followed and parent not in self._followed:
            return None
        return self._decide(decode_fact(line), now)

    def _decide(self, fact: Fact, now: int) -> Fact | None:
        pid = str(fact.fields.get("pid", ""))
        if fact.kind == _STARTED:
            if fact.fields.get("parent_pid") in self._followed:
                self._followed[pid] = now
                return fact
            if (now, pid) not in self._starts:
                self._followed.pop(pid, None)  # the id is in use again, by a stranger
            return None
        if pid not in self._followed:
            return None
        if fact.kind == _ENDED:
            del self._followed[pid]
        return fact


def _time(line: str) -> int | None:
    """The first time of a spooled line, without decoding it."""
    head = line[2:40].split("]", 1)[0].split(",", 1)[0]
    return int(head) if head.isdecimal() else None


def _number(line: str, mark: str) -> str:
    begin = line.find(mark)
    if begin < 0:
        return ""
    begin += len(mark)
    return line[begin : line.find('"', begin)]


__all__ = ["MOST", "Family", "family"]
