"""What is told first: entries by score, findings by level, signs of wiping by strength, the last two then by time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from forensics.model import Finding, PersistenceEntry
from forensics.rules import load

GRAVITY = ("critical", "high", "medium", "low", "informational")
_STRENGTH = ("strong", "medium", "weak")


def gravity(level: str) -> int:
    """The place of a finding's level among the levels, the gravest first; one that is not known comes last."""
    return GRAVITY.index(level) if level in GRAVITY else len(GRAVITY)


def strength(level: str) -> int:
    """The same of a sign of wiping."""
    return _STRENGTH.index(level) if level in _STRENGTH else len(_STRENGTH)


def gravest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings by level, then by time, undated ones last; of one time they stay as they are."""
    return tuple(sorted(findings, key=_finding))


def _finding(finding: Finding) -> tuple[int, bool, float]:
    return gravity(finding.level), finding.first is None, finding.first.timestamp() if finding.first else 0.0


def worst_first(entries: Iterable[PersistenceEntry]) -> tuple[PersistenceEntry, ...]:
    """The entries by score over all hosts, of one score those that start first, then by mechanism and name."""
    return tuple(sorted(map(capped, entries), key=_entry))


def capped(entry: PersistenceEntry) -> PersistenceEntry:
    """The entry; one that this Windows does not start counts up to the most that rules/inert.yml gives."""
    most = load("inert")["most"]
    return replace(entry, score=most) if entry.inert and entry.score > most else entry


def _entry(entry: PersistenceEntry) -> tuple[int, bool, str, str, str]:
    return -entry.score, entry.inert is not None, entry.mechanism, entry.name.casefold(), entry.id
