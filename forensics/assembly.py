"""Facts of one or more hosts become one Case: events are made, context is chosen, everything is sorted on disk."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from forensics.case import CASE_FILES, Case, CaseExistsError, merge_verdicts, problem_key
from forensics.model import Coverage, Event, Evidence, Fact, Host, Problem, Source, Verdicts
from forensics.spool import SpoolReader, Window, select_context
from forensics.timeline import Undated, event_store, events_of, order_key, undated_of, undated_store


@dataclass(frozen=True, slots=True)
class _Context:
    """The context spools of one host, and the spans in which they are shown (None: everywhere)."""

    paths: tuple[Path, ...]
    windows: list[Window] | None
    host: str


class CaseBuilder:
    """Collects hosts one after another; only what is kept for the joins is held in memory."""

    def __init__(self, start: datetime | None = None, end: datetime | None = None) -> None:
        self._scratch = TemporaryDirectory(prefix="mirrortrace-")
        self._span = (start, end)
        self._events: list[Event] = []
        self._undated: list[Undated] = []
        self._context: list[_Context] = []
        self._evidence: list[Evidence] = []
        self._verdicts: list[Verdicts] = []
        self._problems: list[Problem] = []
        self._coverage: dict[str, list[Coverage]] = {}

    def spool_folder(self) -> Path:
        """A new folder for the spools of one host."""
        folder = Path(self._scratch.name) / f"{len(self._evidence):03d}"
        folder.mkdir()
        return folder

    def keep(self, facts: Iterable[Fact], label: str) -> tuple[list[Event], list[Fact]]:
        """Take the kept facts of a host in; gives its events in time order and its undated facts, for the joins."""
        events: list[Event] = []
        undated: list[Fact] = []
        for fact in facts:
            if fact.times:
                events.extend(events_of(fact, label))
            else:
                undated.append(fact)
                row = undated_of(fact, label)
                self._undated.extend([row] if row else [])
        events.sort(key=order_key)
        self._events.extend(events)
        return events, undated

    def add_context(self, paths: Iterable[Path], windows: list[Window] | None, label: str) -> None:
        """Name the context spools of a host and where they are shown."""
        self._context.append(_Context(tuple(paths), windows, label))

    def add_host(
        self, evidence: Evidence, verdicts: Verdicts, problems: Sequence[Problem], coverage: list[Coverage]
    ) -> None:
        """Take in what was concluded about a host."""
        self._evidence.append(evidence)
        self._verdicts.append(verdicts)
        self._problems.extend(problems)
        self._coverage[evidence.name] = coverage

    def build(self, run: dict[str, Any]) -> Case:
        """The finished Case; the spools are gone afterwards."""
        events = event_store(filter(self._is_shown, itertools.chain(self._events, self._chosen())))
        counts = {"events": len(events), "undated": len(self._undated), "problems": len(self._problems),
                  "context_in_timeline": len(events) - sum(map(self._is_shown, self._events))}  # fmt: skip
        case = Case(
            evidence=self._evidence,
            events=events,
            undated=undated_store(self._undated),
            verdicts=merge_verdicts(self._verdicts),
            problems=sorted(self._problems, key=problem_key),
            coverage=self._coverage,
            run={**run, "counts": counts},
        )
        self.discard()
        return case

    def discard(self) -> None:
        """Remove the spools."""
        self._scratch.cleanup()

    def _chosen(self) -> Iterator[Event]:
        for context in self._context:
            for path in context.paths:
                reader, lost = SpoolReader(path), list[str]()
                chosen = reader if context.windows is None else select_context(reader.lines(), context.windows, lost)
                for fact in chosen:
                    if fact.times:
                        yield from events_of(fact, context.host)
                    elif row := undated_of(fact, context.host):
                        self._undated.append(row)
                source = Source(context.host, path.name, None, "")
                self._problems.extend(Problem("spool", "evidence", source, why) for why in (*lost, *reader.lost))

    def _is_shown(self, event: Event) -> bool:
        start, end = self._span
        return (start is None or event.time >= start) and (end is None or event.time <= end)


def label_of(host: Host, name: str) -> str:
    """What a host is called on its rows: its own name, else the evidence's."""
    return host.name or name


def is_case(folder: Path) -> bool:
    """Whether the folder holds files of a case, complete or not."""
    return any((folder / name).exists() for name in CASE_FILES)


def check_target(output: Path, evidence: Iterable[Path], *, force: bool) -> None:
    """Refuse an output folder that lies in the evidence, holds a case already, or holds something else.

    Raises CaseExistsError with a sentence for a person; nothing is written.
    """
    target = output.resolve()
    for path in evidence:
        place = path.resolve()
        if target == place or (place.is_dir() and target.is_relative_to(place)):
            raise CaseExistsError(f"{output} lies inside the evidence {path}, which is never written to")
    if not output.exists():
        return
    if not output.is_dir():
        raise CaseExistsError(f"{output} is a file, not a folder")
    if is_case(output) and not force:
        raise CaseExistsError(f"{output} already holds a case (--force replaces it)")
    if not is_case(output) and any(output.iterdir()):
        raise CaseExistsError(f"{output} is not empty and is no case folder")
