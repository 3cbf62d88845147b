"""Which standard collection would have taken a file (rules/collection.yml)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import NamedTuple

from forensics.rules import load

TRIAGE = ("KapeTriage", "!SANS_Triage", "!BasicCollection")


class Taker(NamedTuple):
    """What takes files of one place: KAPE targets (the most fitting first; none: no target does), and CyLR."""

    glob: str
    kape: tuple[str, ...]
    cylr: str
    part: str


@cache
def _places() -> tuple[Taker, ...]:
    return tuple(
        Taker(item["glob"].casefold(), tuple(item["kape"]), item["cylr"], item.get("part", ""))
        for item in load("collection")["places"]
    )


@lru_cache(maxsize=8192)
def _taker(glob: str) -> Taker | None:
    """The first place that a glob is in; None where nothing is known of it."""
    return next((item for item in _places() if fnmatchcase(glob.casefold(), item.glob)), None)


def _best(globs: tuple[str, ...]) -> Taker | None:
    """The first that something takes, else one that nothing takes."""
    known = [item for item in map(_taker, globs) if item]
    return next((item for item in known if item.kape), known[0] if known else None)


def kape_targets(globs: tuple[str, ...]) -> tuple[str, ...]:
    """The KAPE targets that take what these globs seek; none when no standard target does, or none is known."""
    return found.kape if (found := _best(globs)) else ()


def hint(globs: tuple[str, ...]) -> str:
    """What to say about something that was not collected (its state has said that it was not)."""
    found = _best(globs)
    if found is None:
        return "not known which KAPE target takes it"
    if not found.kape:
        return "no standard KAPE target takes it"
    what = f"some of it ({found.part})" if found.part else "it"
    rare = "" if set(TRIAGE) & set(found.kape) else "; no triage target includes that"
    return f"KAPE target {found.kape[0]} takes {what}{rare}{_cylr(found.cylr)}"


def _cylr(said: str) -> str:
    return {"yes": "; CyLR too", "no": ""}.get(said, f"; CyLR: {said}")


__all__ = ["TRIAGE", "hint", "kape_targets"]
