"""The three files that hold the timeline (events.parquet, timeline.jsonl, timeline.csv), written in one go.

A long timeline is shared out among processes in parts of one Parquet row group each; what they make is put together
in order, so that the files do not depend on how many processes there were.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from bisect import bisect_right
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from forensics.case import Case
from forensics.columns import GROUP_ROWS, session_ids
from forensics.export import _rows, parquet, timesketch_csv, timesketch_jsonl
from forensics.model import Event
from forensics.signals import uninterrupted
from forensics.store import Store, StorePart
from forensics.timeline import Kinds
from forensics.times import microseconds

SHARED_FROM = 3 * GROUP_ROWS  # below, starting processes costs more than it gains
_MOST_PROCESSES = 8
_PARQUET, _JSONL, _CSV = "events.parquet", "timeline.jsonl", "timeline.csv"


def write(case: Case, folder: Path, kinds: Kinds | None = None) -> None:
    """Write the timeline of the case into `folder`."""
    events = case.events
    if isinstance(events, Store) and kinds is None and len(events) >= SHARED_FROM and (os.cpu_count() or 1) > 1:
        try:
            _write_shared(case, events, folder)
        except BrokenProcessPool:  # no memory for more processes, or a caller's script without a main guard
            pass
        else:
            return
    with (
        parquet.Writer(folder / _PARQUET, kinds, session_ids(case.verdicts)) as columns,
        _text(folder / _JSONL) as jsonl,
        _text(folder / _CSV) as table,
    ):
        table.write(timesketch_csv.HEADER)
        _write_rows(_rows.rows(case, kinds, columns.tap(events)), jsonl, table)


def _text(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", newline="\n")


def _write_rows(rows: Iterable[_rows.Row], jsonl: IO[str], table: IO[str]) -> None:
    for row in rows:
        jsonl.write(timesketch_jsonl.line(row))
        table.write(timesketch_csv.line(row))


@dataclass(frozen=True, slots=True)
class _Order:
    """One part of the timeline: its events, the session rows that fall into it, who names which event, the files."""

    part: StorePart[Event]
    synthetic: tuple[_rows.Row, ...]
    sessions: dict[str, tuple[str, ...]]
    stem: Path

    def file(self, suffix: str) -> Path:
        return self.stem.with_suffix(suffix)


def _write_shared(case: Case, events: Store[Event], folder: Path) -> None:
    with TemporaryDirectory(prefix="parts-", dir=folder) as scratch:
        orders = _orders(case, events, Path(scratch))
        context = multiprocessing.get_context("spawn")
        processes = min(os.cpu_count() or 1, len(orders), _MOST_PROCESSES)
        with (
            parquet.Joiner(folder / _PARQUET) as columns,
            (folder / _JSONL).open("wb") as jsonl,
            (folder / _CSV).open("wb") as table,
            ProcessPoolExecutor(processes, context) as pool,
        ):
            table.write(timesketch_csv.HEADER.encode())
            with uninterrupted():  # the processes start with the first order
                rendered = pool.map(_render, orders)
            for order in rendered:
                columns.append(order.file(".arrow"))
                _append(order.file(".jsonl"), jsonl)
                _append(order.file(".csv"), table)


def _append(path: Path, target: IO[bytes]) -> None:
    with path.open("rb") as handle:
        shutil.copyfileobj(handle, target, 1 << 20)
    path.unlink()


def _orders(case: Case, events: Store[Event], scratch: Path) -> list[_Order]:
    parts = list(events.parts(GROUP_ROWS))
    starts = [microseconds(next(iter(part)).time) for part in parts]
    rows: dict[int, list[_rows.Row]] = {}
    for row in _rows.session_rows(case):  # behind all events of the same time, in whatever part the last of them is
        rows.setdefault(max(bisect_right(starts, row.timestamp) - 1, 0), []).append(row)
    sessions = session_ids(case.verdicts)
    return [
        _Order(part, tuple(rows.get(number, ())), sessions, scratch / f"{number:06d}")
        for number, part in enumerate(parts)
    ]


def _render(order: _Order) -> _Order:
    """Write one part's files; runs in a process of its own."""
    with (
        parquet.GroupWriter(order.file(".arrow"), order.sessions) as columns,
        _text(order.file(".jsonl")) as jsonl,
        _text(order.file(".csv")) as table,
    ):
        _write_rows(_rows.merged(columns.tap(order.part), order.synthetic, order.sessions), jsonl, table)
    return order
