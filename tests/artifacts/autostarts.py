"""What the tests of autostart places share: an artifact's rows as entries with their scores."""

from __future__ import annotations

from collections.abc import Iterable

from forensics.model import Fact, PersistenceEntry
from tests.sessions.factory import Scene


def listed(facts: Iterable[Fact]) -> tuple[PersistenceEntry, ...]:
    """The persistence entries that the rows make."""
    scene = Scene()
    for fact in facts:
        scene.file(fact.kind, fact.source.path, {"Content Modification Time": 0}, fact.source.locator, **fact.fields)
    return scene.build().persistence


def entries(facts: Iterable[Fact]) -> dict[str, PersistenceEntry]:
    """These entries by name."""
    return {entry.name: entry for entry in listed(facts)}


def scores(facts: Iterable[Fact]) -> dict[str, int]:
    """The score of each entry by its name."""
    return {name: entry.score for name, entry in entries(facts).items()}
