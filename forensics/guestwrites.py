"""What the file system tells of the host folders that a sandbox could write to, out of the context.

A program or script that appeared somewhere is context: a journal tells of thousands. In a folder that was open to a
guest while it ran it is what the guest may have left there. Which folders those are is known only once the sessions
are, so the spools of the $MFT and of the change journal are walked once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forensics.model import Fact
from forensics.sessions.sandbox_writes import WRITE_KINDS, Area
from forensics.spool import SpoolError, SpoolReader, decode_fact, select_lines

MOST = 20_000
_MARKS = ("$mft", "$j", "$usnjrnl")


@dataclass(frozen=True, slots=True)
class Found:
    """The facts that are no longer context; `lost` are spool lines that could not be read, `cut`: the limit was met."""

    facts: tuple[Fact, ...] = ()
    lost: tuple[str, ...] = ()
    cut: bool = False


def is_file_table(path: str) -> bool:
    """Whether an evidence path is a $MFT or a change journal, under any of its names."""
    return any(mark in path.rpartition("/")[2].casefold() for mark in _MARKS)


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
    return Found(tuple(facts), tuple(lost))


def _belongs(fact: Fact, areas: Sequence[Area]) -> bool:
    path = fact.fields.get("file_path")
    if fact.kind not in WRITE_KINDS or not isinstance(path, str):
        return False
    # A file of the table counts by its birth: when it was last read says nothing of the guest.
    times = fact.times if not fact.kind.startswith("mft.") else {"": fact.times.get("Creation Time")}
    return any(area.holds(path, moment) for area in areas for moment in times.values() if moment)


__all__ = ["MOST", "Found", "guest_writes", "is_file_table"]
