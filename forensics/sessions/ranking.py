"""What is told first: findings by their level, signs of wiping by their strength, each then in order of time."""

from __future__ import annotations

from collections.abc import Iterable

from forensics.model import Finding

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
    return tuple(sorted(findings, key=_place))


def _place(finding: Finding) -> tuple[int, bool, float]:
    return gravity(finding.level), finding.first is None, finding.first.timestamp() if finding.first else 0.0
