"""What the tests of autostart places share: an artifact's rows as entries with their scores."""

from __future__ import annotations

from collections.abc import Iterable

from forensics.model import Fact, PersistenceEntry
from tests.sessions.factory import Scene


def entries(facts: Iterable[Fact]) -> dict[str, PersistenceEntry]:
    """The persistence entries that the rows make, by name."""
    scene = Scene()
    for fact in facts:
        scene.file(fact.kind, fact.source.path, {"Content Modification Time": 0}, fact.source.locator, **fact.fields)
    return {entry.name: entry for entry in scene.build().persistence}


def scores(facts: Iterable[Fact]) -> dict[str, int]:
    """The score of each entry by its name."""
    return {name: entry.score for name, entry in entries(facts).items()}
