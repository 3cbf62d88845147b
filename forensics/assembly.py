"""Facts of one or more hosts become one Case: events are made, context is chosen, everything is sorted on disk."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from forensics import leftovers
from forensics.case import CASE_FILES, Case, CaseExistsError, merge_verdicts, problem_key
from forensics.clockmarks import Marks
from forensics.evidence.regular import open_regular
from forensics.intake import HiveNote, JobResult
from forensics.model import Aside, Coverage, Event, Evidence, Fact, Problem, Verdicts, to_plain
from forensics.naming import Naming
from forensics.onehost import shared_names
from forensics.sessions.persistence_union import entries_once
from forensics.sessions.tunnel_links import linked
from forensics.sessions.tunnel_union import put_together
from forensics.store import Sorter, Store
from forensics.timeline import EVENTS, EventStore, Undated, events_of, order_key, undated_of, undated_store

_SEGMENT = re.compile(r"\.(?:\d+|[a-z]\d\d|ad\d+)", re.IGNORECASE)
_LOG_LINE = 1024 * 1024


class CaseBuilder:
    """Collects hosts one after another; only what is kept for the joins is held in memory."""

    def __init__(self, start: datetime | None = None, end: datetime | None = None) -> None:
        self._scratch = TemporaryDirectory(prefix=leftovers.prefix())
        self._span = (start, end)
        self._events: list[Event] = []
        self._undated: list[Undated] = []
        self._context: list[Path] = []
        self._evidence: list[Evidence] = []
        self._verdicts: list[Verdicts] = []
        self._problems: list[Problem] = []
        self._coverage: dict[str, list[Coverage]] = {}
        self._hives: list[dict[str, Any]] = []
        self._files: list[dict[str, Any]] = []
        self._folders = 0
        self._inputs: list[dict[str, Any]] = []
        self._notices: list[dict[str, str]] = []
        self._stock: list[Aside] = []

    def spool_folder(self) -> Path:
        """A new folder for the spools of one host."""
        folder = Path(self._scratch.name) / f"{self._folders:03d}"
        self._folders += 1
        folder.mkdir()
        return folder

    def keep(self, facts: Iterable[Fact], naming: Naming) -> tuple[list[Event], list[Fact]]:
        """Take the kept facts of a host in; gives its events in time order and its undated facts, for the joins."""
        events: list[Event] = []
        undated: list[Fact] = []
        for fact in facts:
            if fact.times:
                events.extend(events_of(fact, naming.of(fact)))
            else:
                undated.append(fact)
                row = undated_of(fact, naming.of(fact))
                self._undated.extend([row] if row else [])
        events.sort(key=order_key)
        self._events.extend(events)
        return events, undated

    def kept(self) -> tuple[Event, ...]:
        """All events taken in so far that are not context."""
        return tuple(self._events)

    def add_context(self, rows: Path | None, undated: Iterable[Undated], stock: Iterable[Aside] = ()) -> None:
        """Take in the context of one spool: a sorted file of event rows, which must stay until `build`."""
        self._undated.extend(undated)
        self._stock.extend(stock)
        self._context.extend([rows] if rows else [])

    def add_host(
        self,
        evidence: Evidence,
        verdicts: Verdicts,
        problems: Sequence[Problem],
        coverage: list[Coverage],
        hives: Mapping[str, HiveNote] | None = None,
    ) -> None:
        """Take in what was concluded about a host; `hives` says by path how each hive was read."""
        self._hives += [
            {"evidence": evidence.name, "path": path, **to_plain(note)} for path, note in (hives or {}).items()
        ]
        self._evidence.append(evidence)
        self._verdicts.append(verdicts)
        self._problems.extend(problems)
        self._coverage[evidence.name] = coverage

    def add_files(self, name: str, results: Iterable[JobResult]) -> None:
        """Note the files of an evidence that were read: hash, what the collector noted, original times."""
        self._files += [
            {
                "evidence": name,
                "path": item.path,
                "sha256": item.sha256,
                "beside": item.beside,
                "noted": item.noted,
                "times": item.times,
            }
            for item in sorted(results, key=lambda result: result.path)
        ]

    def add_evidence_files(self, name: str, files: Iterable[dict[str, Any]], notices: Iterable[str]) -> None:
        """Note what the evidence consists of on disk, and what is to be told about it without being a fault."""
        self._inputs += [{"evidence": name, **item} for item in files]
        self._notices += [{"evidence": name, "text": text} for text in notices]

    def build(self, run: dict[str, Any]) -> Case:
        """The finished Case; the spools are gone afterwards."""
        kept = [event for event in self._events if self._is_shown(event)]
        names = [item.name for item in self._evidence]
        shared = shared_names((item.name, item.host.name) for item in self._evidence)
        self._notices += [{"evidence": name, "text": text} for name, text in shared]
        events = self._store(kept)
        counts = {"events": len(events), "undated": len(self._undated), "problems": len(self._problems),
                  "context_in_timeline": max(0, len(events) - len({event.id for event in kept}))}  # fmt: skip
        case = Case(
            evidence=self._evidence,
            events=events,
            undated=undated_store(self._undated),
            verdicts=merge_verdicts(linked(put_together(entries_once(self._verdicts))), names),
            problems=sorted(self._problems, key=problem_key),
            coverage=self._coverage,
            stock=self._stock,
            run={
                **run,
                "evidence_files": self._inputs,
                "notices": self._notices,
                "hives": self._hives,
                "files_read": self._files,
                "counts": counts,
            },
        )
        self.discard()
        return case

    def discard(self) -> None:
        """Remove the spools."""
        self._scratch.cleanup()

    def _store(self, kept: Iterable[Event]) -> EventStore:
        keep = TemporaryDirectory(prefix=leftovers.prefix())
        with TemporaryDirectory(prefix="sort-", dir=keep.name) as scratch:
            sorter = Sorter(Path(scratch))
            for event in kept:
                sorter.add(EVENTS.to_row(event))
            for path in self._context:
                sorter.add_file(path)
            marks = Marks(sign for verdicts in self._verdicts for sign in verdicts.anti_forensics)
            return Store.of_lines(marks.tagged(sorter.lines()), EVENTS, Path(keep.name) / "store.jsonl", keep)

    def _is_shown(self, event: Event) -> bool:
        start, end = self._span
        return (start is None or event.time >= start) and (end is None or event.time <= end)


def is_case(folder: Path) -> bool:
    """Whether the folder holds files of a case, complete or not."""
    return any((folder / name).exists() for name in CASE_FILES)


def holds_cases(folder: Path) -> bool:
    """Whether the folder holds nothing but case folders, as evidence of several hosts gives."""
    inside = list(folder.iterdir())
    return bool(inside) and all(item.is_dir() and not item.is_symlink() and is_case(item) for item in inside)


def is_inside(path: Path, evidence: Path) -> bool:
    """Whether `path`, as it is written or where its links lead, is the evidence or lies in its folder."""
    place = evidence.resolve()
    for target in (path.resolve(), path.parent.resolve() / path.name):
        if target == place or (place.is_dir() and target.is_relative_to(place)):
            return True
    return False


def _is_segment(target: Path, evidence: Path) -> bool:
    """Whether the name is that of a further segment of the evidence, and would be read as one the next time."""
    place, own = target.parent.resolve() / target.name, evidence.resolve()
    alike = place.parent == own.parent and place.stem.casefold() == own.stem.casefold()
    return alike and _SEGMENT.fullmatch(place.suffix) is not None


def is_own_log(path: Path) -> bool:
    """Whether the file is a log of an earlier run; nothing else is appended to, it may be a part of the evidence."""
    try:
        with open_regular(path) as handle:
            first = json.loads(handle.readline(_LOG_LINE))
    except (OSError, ValueError, RecursionError):
        return False
    known = {"time", "elapsed", "arguments"}
    return isinstance(first, dict) and first.get("what") == "started" and known <= first.keys()


def check_target(output: Path, evidence: Iterable[Path], *, force: bool, log_file: Path | None = None) -> None:
    """Refuse an output folder that lies in the evidence, holds a case already, or holds something else.

    Raises CaseExistsError with a sentence for a person; nothing is written.
    """
    for path in evidence:
        for target in (output, log_file):
            if target is not None and is_inside(target, path):
                raise CaseExistsError(f"{target} lies inside the evidence {path}, which is never written to")
            if target is not None and _is_segment(target, path):
                raise CaseExistsError(f"{target} is named as a segment of {path}: nothing is written there")
    if log_file is not None and os.path.lexists(log_file) and not is_own_log(log_file):
        raise CaseExistsError(f"{log_file} is there already and is no log of this program: it is not written to")
    if not output.exists():
        _check_writable(output)
        return
    if not output.is_dir():
        raise CaseExistsError(f"{output} is a file, not a folder")
    if (is_case(output) or holds_cases(output)) and not force:
        raise CaseExistsError(f"{output} already holds a case (--force replaces it)")
    if not is_case(output) and not holds_cases(output) and any(output.iterdir()):
        raise CaseExistsError(f"{output} is not empty and is no case folder")
    _check_writable(output)


def _check_writable(output: Path) -> None:
    """Find out before the work whether the case can be written after it."""
    place = output
    while not place.exists():
        place = place.parent
    try:
        with TemporaryDirectory(prefix=".mirrortrace-", dir=place):
            pass
    except OSError as error:
        raise CaseExistsError(f"{output} cannot be written: {error.strerror}") from None
