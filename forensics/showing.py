"""Which context enters the timeline: chosen, read where it was put off, and sorted by the workers, in parallel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from forensics.artifacts.base import all_artifacts
from forensics.deferred import is_note, offset_of
from forensics.intake import CONTEXT, KEPT
from forensics.jobs import Job, run_job
from forensics.model import Aside, Fact, Problem
from forensics.naming import Naming
from forensics.spool import SpoolError, SpoolReader, Window, decode_fact, open_spool, select_lines
from forensics.store import Sorter
from forensics.timeline import EVENTS, Undated, events_of, undated_of

_KIN, _MORE = ".kin", ".more"
# The kinds of which each fact is an entry of an autostart place: nothing of these is dropped.
AUTOSTARTS = frozenset({"autorun.configured", "service.configured", "task.defined", "task.cached"})


@dataclass(frozen=True, slots=True)
class Showing:
    """Which context of one job enters the timeline: the spans shown (None: all), cut to [start, end].

    `job` has the file's hash, for the records that are read only now.
    """

    job: Job
    windows: tuple[Window, ...] | None
    naming: Naming
    start: datetime | None
    end: datetime | None


@dataclass(slots=True)
class Shown:
    """The outcome: a sorted file of rows (None when nothing is shown), undated rows, spool lines that were lost.

    `stock` are the rows of autostart places, whether shown or not.
    """

    path: str | None
    undated: list[Undated]
    lost: list[str]
    stock: list[Aside] = field(default_factory=list)


class _Rows:
    """Facts become sorted rows on disk."""

    def __init__(self, order: Showing, scratch: Path, shown: Shown) -> None:
        self._order = order
        self._shown = shown
        self._sorter = Sorter(scratch)
        self.any = False

    def take(self, fact: Fact) -> None:
        """Take one safe fact: its events within the span shown, or its undated row."""
        order = self._order
        host = order.naming.of(fact)
        for event in events_of(fact, host, safe=True):
            if (order.start or event.time) <= event.time <= (order.end or event.time):
                self._sorter.add(EVENTS.to_row(event))
                self.any = True
        if not fact.times and (row := undated_of(fact, host)):
            self._shown.undated.append(row)

    def write(self, target: Path) -> None:
        """Write them in order."""
        with open_spool(target, "w") as handle:
            handle.writelines(line + "\n" for line in self._sorter.lines())


def show_context(order: Showing) -> Shown:
    """Make the events of one context spool and sort them on disk; the workers do it, so it is done in parallel."""
    shown = Shown(None, [], [])
    target = Path(order.job.spool + CONTEXT + ".sorted")
    with TemporaryDirectory(dir=target.parent) as scratch:
        rows = _Rows(order, Path(scratch), shown)
        if offsets := _chosen(order, rows, shown.lost):
            result = run_job(replace(order.job, only=frozenset(offsets)), rows.take)
            shown.lost.extend(problem.detail for problem in result.problems)
        if rows.any:
            rows.write(target)
            shown.path = str(target)
    shown.stock.extend(_stock(order, shown.lost))
    return shown


def _stock(order: Showing, lost: list[str]) -> Iterator[Aside]:
    """What the spool has of autostart places; only spools of artifacts that tell of them are walked."""
    tell = {artifact.name for artifact in all_artifacts() if AUTOSTARTS & set(artifact.emits)}
    if tell.isdisjoint(order.job.artifacts):
        return
    marks = tuple(f'"{kind}"' for kind in AUTOSTARTS)
    for line in SpoolReader(Path(order.job.spool + CONTEXT)).lines():
        if is_note(line) or not any(mark in line for mark in marks):
            continue
        try:
            fact = decode_fact(line)
        except SpoolError as error:
            lost.append(str(error))
            continue
        if fact.kind in AUTOSTARTS:
            yield Aside(order.naming.of(fact), fact)


def _chosen(order: Showing, rows: _Rows, lost: list[str]) -> list[int]:
    """Give `rows` the facts of the spool that lie in the spans; returns the places of records that were put off."""
    lines = SpoolReader(Path(order.job.spool + CONTEXT)).lines()
    offsets: list[int] = []
    for line in lines if order.windows is None else select_lines(lines, order.windows, lost):
        try:
            if is_note(line):
                offsets.append(offset_of(line))
            else:
                rows.take(decode_fact(line))
        except ValueError as error:  # a SpoolError too
            lost.append(str(error))
    return offsets


def look_again(job: Job) -> tuple[list[Path], list[Problem]]:
    """Ask a file system's own records for more; gives the spools of the facts, and the problems."""
    job = replace(job, spool=job.spool + _MORE)
    result = run_job(job)
    return [path for kind in (KEPT, CONTEXT) if (path := Path(job.spool + kind)).exists()], result.problems


@dataclass(frozen=True, slots=True)
class Recall:
    """Records of one job that were put off and turned out to matter by themselves."""

    job: Job
    offsets: tuple[int, ...]


def recall(order: Recall) -> tuple[list[Path], list[str]]:
    """Read these records; gives the spools of their facts, and what was lost."""
    again = replace(order.job, spool=order.job.spool + _KIN, only=frozenset(order.offsets))
    result = run_job(again)
    paths = [path for kind in (KEPT, CONTEXT) if (path := Path(again.spool + kind)).exists()]
    return paths, [problem.detail for problem in result.problems]
