"""Which context enters the timeline: chosen, read where it was put off, and sorted by the workers, in parallel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from forensics.deferred import is_note, offset_of
from forensics.intake import CONTEXT, KEPT
from forensics.jobs import Job, run_job
from forensics.model import Fact
from forensics.spool import SpoolReader, Window, decode_fact, open_spool, select_lines
from forensics.store import Sorter
from forensics.timeline import EVENTS, Undated, events_of, undated_of

_AGAIN, _KIN = ".again", ".kin"


@dataclass(frozen=True, slots=True)
class Showing:
    """Which context of one job enters the timeline: the spans shown (None: all), cut to [start, end].

    `job` has the file's hash, for the records that are read only now.
    """

    job: Job
    windows: tuple[Window, ...] | None
    label: str
    start: datetime | None
    end: datetime | None


@dataclass(slots=True)
class Shown:
    """The outcome: a sorted file of rows (None when nothing is shown), undated rows, spool lines that were lost."""

    path: str | None
    undated: list[Undated]
    lost: list[str]


def show_context(order: Showing) -> Shown:
    """Make the events of one context spool and sort them on disk; the workers do it, so it is done in parallel."""
    shown = Shown(None, [], [])
    target = Path(order.job.spool + CONTEXT + ".sorted")
    with TemporaryDirectory(dir=target.parent) as scratch:
        sorter, any_shown = Sorter(Path(scratch)), False
        for fact in _chosen(order, shown.lost):
            for event in events_of(fact, order.label):
                if (order.start or event.time) <= event.time <= (order.end or event.time):
                    sorter.add(EVENTS.to_row(event))
                    any_shown = True
            if not fact.times and (row := undated_of(fact, order.label)):
                shown.undated.append(row)
        if any_shown:
            with open_spool(target, "w") as handle:
                handle.writelines(line + "\n" for line in sorter.lines())
            shown.path = str(target)
    return shown


def _chosen(order: Showing, lost: list[str]) -> Iterator[Fact]:
    """The facts of the spool that lie in the spans; records that were put off are read now."""
    lines = SpoolReader(Path(order.job.spool + CONTEXT)).lines()
    offsets: list[int] = []
    for line in lines if order.windows is None else select_lines(lines, order.windows, lost):
        try:
            if is_note(line):
                offsets.append(offset_of(line))
            else:
                yield decode_fact(line)
        except ValueError as error:  # a SpoolError too
            lost.append(str(error))
    if offsets:
        yield from _recalled(order.job, offsets, lost)


def _recalled(job: Job, offsets: Sequence[int], lost: list[str]) -> Iterator[Fact]:
    """The facts of records that were put off, by their offsets; their spools are gone afterwards."""
    again, why = _read_again(job, offsets, _AGAIN)
    lost.extend(why)
    for path in again:
        reader = SpoolReader(path)
        yield from reader
        lost.extend(reader.lost)
        path.unlink()


def _read_again(job: Job, offsets: Sequence[int], suffix: str) -> tuple[list[Path], list[str]]:
    """Read these records of a log; gives the spools that were written, and what was lost."""
    again = replace(job, spool=job.spool + suffix, only=frozenset(offsets))
    result = run_job(again)
    paths = [path for kind in (KEPT, CONTEXT) if (path := Path(again.spool + kind)).exists()]
    return paths, [problem.detail for problem in result.problems]


@dataclass(frozen=True, slots=True)
class Recall:
    """Records of one job that were put off and turned out to matter by themselves."""

    job: Job
    offsets: tuple[int, ...]


def recall(order: Recall) -> tuple[list[Path], list[str]]:
    """Read these records; gives the spools of their facts, and what was lost."""
    return _read_again(order.job, order.offsets, _KIN)
