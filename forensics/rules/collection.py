"""Which standard collection would have taken a file (rules/collection.yml)."""

from __future__ import annotations

from functools import cache

from forensics.rules import load


@cache
def _places() -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
    return tuple(
        (item["starts"].casefold(), tuple(item["kape"]), tuple(name.casefold() for name in item.get("names", ())))
        for item in load("collection")["places"]
    )


def kape_targets(globs: tuple[str, ...]) -> tuple[str, ...]:
    """The KAPE targets that take what these globs seek; none when no standard target does."""
    for glob in globs:
        folded = glob.casefold()
        for start, targets, names in _places():
            if folded.startswith(start) and (not names or folded.rpartition("/")[2] in names):
                return targets
    return ()


def hint(globs: tuple[str, ...]) -> str:
    """What to say about something that was not collected (its state has said that it was not)."""
    targets = kape_targets(globs)
    return f"KAPE target {targets[0]} takes it" if targets else "no standard KAPE target takes it"
