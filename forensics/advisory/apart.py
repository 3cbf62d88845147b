"""Which files of loose evidence of several computers are one computer's, and what logs that they share cannot tell.

A log is a computer's where its records name that one alone. What names no computer (a hive, a file) counts for the one
that the evidence goes by, and is not collected for the others. A log of several, as of forwarded events, has a period
that is nobody's: what it feeds is only partly known.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from forensics.model import Coverage
from forensics.naming import Naming

_SHARED = "a log holds the records of several computers, its period is not that of one"


def is_own(path: str, naming: Naming, label: str) -> bool:
    """Whether a file is the computer's alone."""
    names = naming.logs.get(path, frozenset())
    return names == {label} if names else label == naming.label


def is_shared(path: str, naming: Naming, label: str) -> bool:
    """Whether a log holds records of the computer and of others."""
    names = naming.logs.get(path, frozenset())
    return len(names) > 1 and label in names


def with_shared(coverage: Sequence[Coverage], artifacts: Collection[str]) -> list[Coverage]:
    """The coverage of a computer's own files, where these artifacts read shared logs, too."""
    return [
        replace(row, state="partial", detail="; ".join(filter(None, (row.detail, _SHARED))))
        if row.artifact in artifacts
        else row
        for row in coverage
    ]


__all__ = ["is_own", "is_shared", "with_shared"]
