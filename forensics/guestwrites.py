"""What the file system tells of the host folders that a sandbox was given, out of the context and in a second look.

A program or script that appeared somewhere is context, and a file of any other name is not told at all: a journal has
a hundred thousand changes a day. In a folder that was open to a guest while it ran each of them is what the guest may
have left there. Which folders those are is known only once the sessions are, so then the spools of the $MFT and of the
change journal are walked once more for the context in them, and the two are read again for everything else (only
then: a host without such folders costs nothing more).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from forensics.artifacts.base import OpenFolder
from forensics.jobs import Job
from forensics.model import Fact, Problem, Source
from forensics.sessions.sandbox_writes import WRITE_KINDS, Area
from forensics.showing import look_again
from forensics.spool import SpoolError, SpoolReader, decode_fact, select_lines
from forensics.workers import Dead, Workers

MOST = 20_000
_MARKS = ("$mft", "$j", "$usnjrnl")
_READERS = frozenset({"mft_entries", "usn_journal"})
_REMOVALS = ("usn.file_deleted", "usn.file_renamed")
_COUNTED = ("Creation Time", "Content Modification Time")


@dataclass(frozen=True, slots=True)
class Found:
    """The facts that are no longer context; `lost` are spool lines that could not be read, `cut`: the limit was met."""

    facts: tuple[Fact, ...] = ()
    lost: tuple[str, ...] = ()
    cut: bool = False


def is_file_table(path: str) -> bool:
    """Whether an evidence path is a $MFT or a change journal, under any of its names."""
    return any(mark in path.rpartition("/")[2].casefold() for mark in _MARKS)


def left_by_guests(
    workers: Workers, jobs: Iterable[Job], spools: Iterable[Path], areas: Sequence[Area], name: str
) -> tuple[list[Fact], list[Problem]]:
    """Everything the file system tells of these folders; `spools` are those of the context, `name` is the evidence."""
    if not areas:
        return [], []
    found = guest_writes(spools, areas)
    more, problems = _second_look(workers, jobs, areas, name)
    place = Source(name, "", None, "")
    if found.cut:
        why = f"more than {MOST} files changed in folders that a sandbox could write to; the rest is context"
        problems.append(Problem("budget", "evidence", place, why))
    problems += [Problem("spool", "evidence", place, f"changes in shared folders: {why}") for why in found.lost]
    return [*found.facts, *more], problems


def guest_writes(spools: Iterable[Path], areas: Sequence[Area]) -> Found:
    """The context facts of these spools that tell of a change in one of the areas within its time."""
    windows = [(area.start, area.end) for area in areas]
    facts: list[Fact] = []
    lost: list[str] = []
    for path in spools if windows else ():
        for line in select_lines(SpoolReader(path).lines(), windows, lost):
            try:
                fact = decode_fact(line)
            except SpoolError as error:
                lost.append(str(error))
                continue
            if not _belongs(fact, areas):
                continue
            if len(facts) == MOST:
                return Found(tuple(facts), tuple(lost), cut=True)
            facts.append(replace(fact, context=False))
        facts += [fact for fact in _removals(path, areas) if not _belongs(fact, areas)]
    return Found(tuple(facts), tuple(lost))


def _removals(path: Path, areas: Sequence[Area]) -> Iterator[Fact]:
    """What took a folder itself away, or a script that was to run in it, at any time after the session began."""
    late = [(min(area.start for area in areas), datetime.max.replace(tzinfo=UTC))]
    lines = (line for line in SpoolReader(path).lines() if any(kind in line for kind in _REMOVALS))
    for line in select_lines(lines, late, []):
        try:
            fact = decode_fact(line)
        except SpoolError:
            continue  # named by whoever reads the spool whole
        gone = fact.fields.get("old_path" if fact.kind == "usn.file_renamed" else "file_path")
        if fact.kind not in _REMOVALS or not isinstance(gone, str):
            continue
        if any(area.loses(gone, moment) for area in areas for moment in fact.times.values()):
            yield replace(fact, context=False)


def _belongs(fact: Fact, areas: Sequence[Area]) -> bool:
    path = fact.fields.get("file_path")
    if fact.kind not in WRITE_KINDS or not isinstance(path, str):
        return False
    # A file of the table counts by its birth and its last change: when it was last read says nothing of the guest.
    times = fact.times.items()
    moments = [moment for meaning, moment in times if not fact.kind.startswith("mft.") or meaning in _COUNTED]
    return any(area.writable and area.holds(path, moment) for area in areas for moment in moments)


def _second_look(
    workers: Workers, jobs: Iterable[Job], areas: Sequence[Area], name: str
) -> tuple[list[Fact], list[Problem]]:
    """The rows that the first reading did not make; views of shadow copies repeat each other, a row stands once."""
    folders = tuple(dict.fromkeys(_as_folder(area) for area in areas))
    orders = [
        replace(job, artifacts=wanted, open_folders=folders)
        for job in jobs
        if (wanted := tuple(item for item in job.artifacts if item in _READERS))
    ]
    outcomes: dict[int, list[Path]] = {}
    problems: list[Problem] = []
    for done in workers.run(look_again, [(order, order.work) for order in orders]):
        source = Source(name, orders[done.index].path, orders[done.index].sha256, "")
        if isinstance(done.result, Dead):
            problems.append(Problem(done.result.fault, "evidence", source, f"a second look: {done.result.detail}"))
            continue
        outcomes[done.index] = done.result[0]
        problems += done.result[1]
    facts: dict[str, Fact] = {}
    for _, paths in sorted(outcomes.items()):
        for path in paths:
            reader = SpoolReader(path)
            for fact in reader:
                facts.setdefault(repr((fact.kind, fact.times, fact.fields)), replace(fact, context=False))
            problems += [Problem("spool", "evidence", Source(name, path.name, None, ""), why) for why in reader.lost]
    return list(facts.values()), problems


def _as_folder(area: Area) -> OpenFolder:
    return OpenFolder(area.place, area.drive, area.start, area.end, area.writable, area.scripts)


__all__ = ["MOST", "Found", "guest_writes", "is_file_table", "left_by_guests"]
