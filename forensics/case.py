"""The one document of a run: evidence headers, timeline, verdicts, what could not be read. Saves, loads, re-exports.

A saved case is a folder. Everything in it but `run.json` depends on the evidence and the tool's version alone, so
that two runs can be compared byte by byte; `run.json` is written last and marks the folder as complete.
"""

from __future__ import annotations

import heapq
import json
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from forensics.model import (
    AntiForensic,
    Aside,
    Coverage,
    Event,
    Evidence,
    Problem,
    SandboxCapability,
    Verdicts,
    to_plain,
)
from forensics.onehost import answers_once
from forensics.plainjson import dumps
from forensics.rules.ranking import gravest_first, worst_first
from forensics.timeline import Kinds, Undated, event_store, frame, undated_store
from forensics.times import iso

if TYPE_CHECKING:
    import pandas as pd

Entry = TypeVar("Entry")
CASE_FILES = (
    "timeline.jsonl",
    "timeline.csv",
    "sessions.json",
    "events.parquet",
    "undated.jsonl",
    "stock.jsonl",
    "problems.jsonl",
    "run.json",
)


class CaseError(ValueError):
    """A folder is no complete case, or one of its files cannot be read back."""


class CaseExistsError(FileExistsError):
    """The output folder cannot take a case: it holds one and overwriting was not asked for, or is no folder of ours."""


class Events(Protocol):
    """The timeline as a case holds it: sized, sorted, on disk, to be walked again and again."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Event]: ...
    def find(self, ids: Collection[str]) -> dict[str, Event]:
        """The events with these ids, by one walk."""
        ...


class UndatedRows(Protocol):
    """The facts without a time, as a case holds them: sized, sorted, on disk."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Undated]: ...


def problem_key(problem: Problem) -> tuple[str, ...]:
    """The order of problems, independent of which worker ended first."""
    source = problem.source
    return (source.evidence, source.path, problem.artifact, source.locator, problem.fault, problem.detail)


def _no_events() -> Events:
    return event_store(())


def _no_undated() -> UndatedRows:
    return undated_store(())


@dataclass
class Case:
    """All that is known of the evidence.

    `stock` are the rows of autostart places that are Windows' own. `coverage` is keyed by the evidence's name;
    `verdicts` are those of all hosts together, each entry naming its host (see `merge_verdicts`); `run` is what
    differs from run to run: arguments, durations, versions, counts.
    """

    evidence: list[Evidence] = field(default_factory=list)
    events: Events = field(default_factory=_no_events)
    undated: UndatedRows = field(default_factory=_no_undated)
    verdicts: Verdicts = field(default_factory=Verdicts)
    problems: list[Problem] = field(default_factory=list)
    coverage: dict[str, list[Coverage]] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    stock: list[Aside] = field(default_factory=list)

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """The period that the timeline was cut to (`--start`, `--end`); None where it was not."""
        options = self.run.get("options", {})
        start, end = (options.get(name) for name in ("start", "end"))
        return (datetime.fromisoformat(start) if start else None, datetime.fromisoformat(end) if end else None)

    def to_frame(self, kinds: Kinds | None = None) -> pd.DataFrame:
        """The timeline as a pandas DataFrame (see `timeline.frame`)."""
        return frame(self, kinds)

    def save(self, folder: Path | str, *, force: bool = False, kinds: Kinds | None = None) -> Path:
        """Write the case into `folder`, all of it or nothing.

        Files are written into a new folder beside it and moved when all of them are done. Other files of an existing
        folder stay; those of a case are replaced only with `force`.

        Raises:
            CaseExistsError: the folder holds a case (even an incomplete one) and `force` is not set, or is a file.
            OSError: the disk is full or the place is not writable; nothing is left behind.
        """
        target = Path(folder).resolve()  # a link is followed once, here, so that nothing is made beside the link
        if target.exists() and not target.is_dir():
            raise CaseExistsError(f"{target} is not a folder")
        if not force and any((target / name).exists() for name in CASE_FILES):
            raise CaseExistsError(f"{target} already holds a case")
        target.parent.mkdir(parents=True, exist_ok=True)
        # Inside an existing folder, which may be a mount of its own; beside one that is still to be made.
        place = target if target.exists() else target.parent
        scratch = place / f".{target.name[:100]}.{secrets.token_hex(4)}.part"
        scratch.mkdir()
        try:
            _write_all(self, scratch, kinds)
            _move(scratch, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return target

    @classmethod
    def load(cls, folder: Path | str) -> Case:
        """The case of a saved folder; events stay in its Parquet file and are read when walked.

        Raises:
            CaseError: the folder is no complete case, or a file of it is damaged.
        """
        from forensics.export import parquet, problems, run_json, sessions_json, stock, undated

        place = Path(folder)
        missing = [name for name in CASE_FILES[2:] if not (place / name).is_file()]
        if missing:
            raise CaseError(f"{place} is no complete case: {', '.join(missing)} missing")
        verdicts, evidence, coverage = _read(sessions_json.read, place / "sessions.json")
        run, paths = _read(run_json.read, place / "run.json")
        return cls(
            evidence=[replace(item, path=paths.get(item.name, "")) for item in evidence],
            events=_read(parquet.read, place / "events.parquet"),
            undated=_read(lambda path: undated_store(undated.read(path)), place / "undated.jsonl"),
            verdicts=verdicts,
            problems=_read(problems.read, place / "problems.jsonl"),
            coverage=coverage,
            run=run,
            stock=_read(lambda path: list(stock.read(path)), place / "stock.jsonl"),
        )


def _write_all(case: Case, folder: Path, kinds: Kinds | None) -> None:
    """Every file of a case; the three that hold the timeline in one walk over it."""
    from forensics.export import problems, run_json, sessions_json, stock, timeline_files
    from forensics.export import undated as undated_rows

    timeline_files.write(case, folder, kinds)
    sessions_json.write(case, folder / "sessions.json")
    undated_rows.write(case, folder / "undated.jsonl", kinds)
    stock.write(case, folder / "stock.jsonl")
    problems.write(case, folder / "problems.jsonl")
    run_json.write(case, folder / "run.json")


def _move(scratch: Path, target: Path) -> None:
    """Put the finished files in place: the whole folder at once where there is none, else file by file.

    In an existing folder `run.json` goes first and comes last, so that a torn state is never taken for a case.
    """
    if not target.exists():
        scratch.rename(target)
        return
    (target / "run.json").unlink(missing_ok=True)
    for name in CASE_FILES:
        (scratch / name).replace(target / name)


def _read(reader: Callable[[Path], Any], path: Path) -> Any:  # noqa: ANN401  # what the reader returns
    """What `reader` makes of the file; damage is named with the file (ValueError: JSON, shape, Arrow; KeyError)."""
    try:
        return reader(path)
    except (ValueError, KeyError, TypeError, RecursionError, json.JSONDecodeError) as error:
        raise CaseError(f"{path.name} cannot be read back: {error}") from error


def merge_verdicts(verdicts: Sequence[Verdicts], names: Sequence[str] = ()) -> Verdicts:
    """The verdicts of several hosts as one; every entry names its host already.

    `names` are those of the collections, in the same order, for the answers of a host of which there are several.

    There is one capability in a case: switched on when any host has it on, unknown when any host cannot tell, and its
    evidence says which host each sentence is about.
    """
    if len(verdicts) == 1:
        return verdicts[0]
    return Verdicts(
        sandbox_sessions=_once(entry for item in verdicts for entry in item.sandbox_sessions),
        sandbox_configs=_once(entry for item in verdicts for entry in item.sandbox_configs),
        sandbox_capability=_merge_capabilities([item.sandbox_capability for item in verdicts]),
        tunnel_sessions=_once(entry for item in verdicts for entry in item.tunnel_sessions),
        persistence=worst_first(_once(entry for item in verdicts for entry in item.persistence)),
        # Each collection has its signs in the order of records, which is kept while they are put among each other.
        anti_forensics=_once(heapq.merge(*(item.anti_forensics for item in verdicts), key=_signed)),
        findings=gravest_first(_once(entry for item in verdicts for entry in item.findings)),
        advisory=answers_once(verdicts, names),
    )


def _signed(sign: AntiForensic) -> tuple[bool, str]:
    return sign.time is None, iso(sign.time) if sign.time else ""


def _once(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Each entry once: two collections of the same host tell of the same session in the same words."""
    found: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        plain = to_plain(entry)
        identity = plain.get("id") or dumps(plain)
        found.setdefault((plain.get("host") or "", identity), entry)
    return tuple(found.values())


def _merge_capabilities(capabilities: Sequence[SandboxCapability]) -> SandboxCapability:
    if not capabilities:
        return SandboxCapability()
    states = [item.enabled for item in capabilities]
    enabled = True if True in states else None if None in states else False
    on_times = [item.enabled_at for item in capabilities if item.enabled and item.enabled_at]
    evidence = tuple(f"{item.host}: {text}" for item in capabilities for text in item.evidence)
    events = tuple(identity for item in capabilities for identity in item.events)
    hosts = [item.host for item in capabilities if item.enabled == enabled]
    return SandboxCapability(enabled, min(on_times, default=None), evidence, events, hosts[0] if hosts else "")
