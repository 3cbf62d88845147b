"""One checklist for a host of which there are several collections: of each question the best answer, and by whom.

Collections count as one host's where they have its name, which two machines may share and one machine may lose. So each
reason says its collection, and a notice says that they were taken together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from forensics.locales import say
from forensics.model import AdvisoryAnswer, Said, Verdicts
from forensics.rules import load
from forensics.rules.removals import strong

_ORDER = ("yes", "no", "cannot_tell")
_AFTER_REMOVAL = ("yes", "cannot_tell", "no")  # what one collection cannot deny because traces were removed, none can


def answers_once(verdicts: Sequence[Verdicts], names: Sequence[str] = ()) -> tuple[AdvisoryAnswer, ...]:
    """One answer to each question for each host; `names` are those of the collections that the verdicts are of."""
    wiped = {sign.host for item in verdicts for sign in strong(item.anti_forensics)}
    groups: dict[tuple[str, str], list[tuple[str, AdvisoryAnswer]]] = {}
    for place, item in enumerate(verdicts):
        name = names[place] if place < len(names) else ""
        for entry in item.advisory:
            groups.setdefault((entry.host, entry.id), []).append((name, entry))
    past = {item["id"] for item in load("advisory")["questions"] if not item.get("now")}
    return tuple(
        _union(group, _AFTER_REMOVAL if host in wiped and ident in past else _ORDER)
        for (host, ident), group in groups.items()
    )


def _union(group: list[tuple[str, AdvisoryAnswer]], order: Sequence[str]) -> AdvisoryAnswer:
    """The best answer with the reasons of those that gave it; the rows and the sources of all."""
    if len(group) == 1:
        return group[0][1]
    best = min((entry for _, entry in group), key=lambda entry: order.index(entry.answer))
    said = [(name, sentence) for name, entry in group if entry.answer == best.answer for sentence in entry.why]
    events = dict.fromkeys(ident for _, entry in group for ident in entry.events)
    asked = [best, *(entry for _, entry in group)]
    sources = sorted((item for entry in asked for item in entry.sources), key=lambda item: not item.tells)
    once = {item.artifact: item for item in reversed(sources)}  # of each the one that tells
    return replace(
        best, why=_each_with_names(said), events=tuple(events), sources=tuple(once[name] for name in sorted(once))
    )


def _each_with_names(said: Iterable[tuple[str, Said]]) -> tuple[Said, ...]:
    """Each reason once, with the collections that give it."""
    found: dict[Said, dict[str, None]] = {}
    for name, sentence in said:
        found.setdefault(sentence, {})[name] = None
    return tuple(
        say("collection", names=", ".join(names), what=sentence) if any(names) else sentence
        for sentence, names in found.items()
    )


def shared_names(hosts: Iterable[tuple[str, str | None]]) -> list[tuple[str, str]]:
    """For each collection whose host's name another has, too: its name, and what is to be told about it."""
    every = list(hosts)
    told = []
    for name, host in every:
        others = [other for other, its in every if host and its and its.casefold() == host.casefold() and other != name]
        if others:
            told.append((name, _SHARED.format(host=host, others=", ".join(others))))
    return told


_SHARED = (
    "its host has the same name as that of {others}: {host}. They are taken for collections of one host and answered "
    "together; if these are different machines, read them into cases of their own"
)
__all__ = ["answers_once", "shared_names"]
