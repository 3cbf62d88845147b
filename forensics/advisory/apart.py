"""How far loose logs of several computers can be looked at, computer by computer.

A folder of such logs has one coverage. A log tells of the computers that its records name; only one that names a
single computer has a period that is that computer's. What belongs to no computer (a hive, a file) counts for the one
that the evidence goes by, and is not collected for the others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from forensics.artifacts.base import all_artifacts
from forensics.model import Coverage
from forensics.naming import Naming

_SHARED = "a log holds the records of several computers, its period is not that of one"


def own_coverage(
    coverage: Sequence[Coverage], naming: Naming, label: str, kinds: Collection[str]
) -> list[Coverage]:  # fmt: skip
    """The coverage as it is for the computer `label`, whose rows are of these kinds."""
    emits = {artifact.name: artifact.emits.keys() for artifact in all_artifacts()}
    return [_own(row, naming, label, has_rows=not emits[row.artifact].isdisjoint(kinds)) for row in coverage]


def _own(row: Coverage, naming: Naming, label: str, *, has_rows: bool) -> Coverage:
    if not any(path.casefold().endswith(".evtx") for path in row.sought):
        return row if label == naming.label or has_rows else _nothing(row)
    named = [span for span in row.spans if label in naming.logs.get(span.path, frozenset())]
    alone = [span for span in named if len(naming.logs[span.path]) == 1]
    if not named:
        return _nothing(row)
    # Of the records of several computers it is not known how many are this one's: only its own rows count.
    facts = row.facts if len(alone) == len(row.spans) else int(has_rows)
    own = replace(row, found=len(named), facts=facts, spans=tuple(alone))
    return own if len(alone) == len(named) else replace(own, state="partial", detail=_SHARED)


def _nothing(row: Coverage) -> Coverage:
    return replace(row, found=0, claimed=0, parsed=0, facts=0, context=0, state="not_collected", detail="", spans=())


__all__ = ["own_coverage"]
