"""Which context enters the timeline: chosen and sorted by the workers, spool by spool, in parallel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from forensics.spool import SpoolReader, Window, open_spool, select_context
from forensics.store import Sorter
from forensics.timeline import EVENTS, Undated, events_of, undated_of


@dataclass(frozen=True, slots=True)
class Showing:
    """Which context of one spool enters the timeline: the spans shown (None: all), cut to [start, end]."""

    spool: str
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
    reader = SpoolReader(Path(order.spool))
    chosen = reader if order.windows is None else select_context(reader.lines(), order.windows, shown.lost)
    target = Path(order.spool + ".sorted")
    with TemporaryDirectory(dir=target.parent) as scratch:
        sorter, any_shown = Sorter(Path(scratch)), False
        for fact in chosen:
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
    shown.lost.extend(reader.lost)
    return shown
