"""What watched processes did: their descendants, and rows written under their process ids.

A `whoami` is context by itself; started from a shell that a tunnel opened, it belongs to the tunnel. Which of the
two it is can be told only once the watched processes are known, so the context spools are walked once more, in the
order of their logs, with nothing in memory but the process ids being followed. Process ids are used again by Windows:
an id is followed from its process's start to its end (4689, Sysmon 5) or to the next start under the same id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from forensics.deferred import is_note, kind_of, offset_of
from forensics.model import Event, Fact
from forensics.spool import SpoolReader, decode_fact
from forensics.times import microseconds

MOST = 20_000
_SLACK = 3_600_000_000  # an hour in microseconds: further back is another log (a clock set back within one is rare)
_RECOVERED = '"recovery_grade":'  # inside a text, its quotes would be escaped
_STARTED, _ENDED = "process.created", "process.exited"


@dataclass(frozen=True, slots=True)
class Family:
    """The facts that are no longer context; `noted` are records to read for more of them (file offsets by spool).

    `cut` says that the limit was reached.
    """

    facts: tuple[Fact, ...] = ()
    noted: dict[Path, tuple[int, ...]] = field(default_factory=dict)
    cut: bool = False


def family(paths: Iterable[Path], watched: Sequence[Event]) -> Family:
    """The context facts of processes that descend from watched ones (events in time order)."""
    found: list[Fact] = []
    noted: dict[Path, list[int]] = {}
    tracker, left = _Tracker(watched), MOST
    for path, line in _in_order(paths) if tracker.seeds else ():
        if not tracker.belongs(line):
            continue
        if not left:
            return Family(tuple(found), _frozen(noted), cut=True)
        left -= 1
        if is_note(line):
            noted.setdefault(path, []).append(offset_of(line))
        else:
            found.append(replace(decode_fact(line), context=False))
    return Family(tuple(found), _frozen(noted))


def _in_order(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """The lines of all spools; those of recovered records, which stand in the order of no log, follow by time."""
    recovered: list[tuple[int, Path, str]] = []
    for path in paths:
        for line in SpoolReader(path).lines():
            if _RECOVERED in line:
                recovered.append((_time(line) or 0, path, line))
            else:
                yield path, line
    yield from ((path, line) for _, path, line in sorted(recovered))


def _frozen(noted: dict[Path, list[int]]) -> dict[Path, tuple[int, ...]]:
    return {path: tuple(offsets) for path, offsets in noted.items()}


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

    def belongs(self, line: str) -> bool:
        """Whether this line is of a followed process or starts a child of one."""
        now = _time(line)
        if now is None:
            return False
        if now < self._now - _SLACK:
            self._begin()
        self._now = now
        while self._place < len(self.seeds) and self.seeds[self._place][0] <= now:
            moment, pid = self.seeds[self._place]
            self._followed[pid] = moment
            self._place += 1
        pid, parent = _number(line, '"pid":"'), _number(line, '"parent_pid":"')
        if pid not in self._followed and parent not in self._followed:
            return False
        kind = kind_of(line) if is_note(line) else decode_fact(line).kind
        return self._decide(kind, pid, parent, now)

    def _decide(self, kind: str, pid: str, parent: str, now: int) -> bool:
        if kind == _STARTED:
            if parent in self._followed:
                self._followed[pid] = now
                return True
            if (now, pid) not in self._starts:
                self._followed.pop(pid, None)  # the id is in use again, by a stranger
            return False
        if pid not in self._followed:
            return False
        if kind == _ENDED:
            del self._followed[pid]
        return True


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
