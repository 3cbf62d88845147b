"""One opening of a hive for all artifacts that want keys of its kind: the live keys first, then what was deleted.

Deleted keys and values are given to the same parsers as a hive of their own (`formats.hive_deleted`). What they say is
tagged `deleted` and carries its grade; what a live key says as well is not told again. That a carved value makes no
sense is no damage of the evidence: it is counted, not reported as a problem.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from forensics.artifacts.base import FileInput, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive
from forensics.formats.hive_carve import FRAGMENT
from forensics.formats.hive_deleted import DeletedHive, layers, recover
from forensics.intake import HiveNote, Intake
from forensics.model import DELETED, Fact, Fields

LIMIT = 1024 * 1024 * 1024
_OF_THE_KEY = "Content Modification Time"  # the key's last write: an old copy of a value may have another
_Said = tuple[Fields, dict[str, datetime]]


def read_hive(
    given: FileInput, artifacts: Sequence[RegistryArtifact], writer: Intake, expected: str, logs: Sequence[bytes]
) -> None:
    """Parse a hive; `expected` is its kind where the content does not tell."""
    stored = given.read(LIMIT)
    try:
        hive = Hive.open(stored, logs)
    except FormatError as error:
        for artifact in artifacts:
            writer.lost(artifact, error)
        return
    kind = expected if hive.kind == "UNKNOWN" else hive.kind
    mine = [artifact for artifact in artifacts if kind in artifact.hives]
    said = _Sayings()
    for artifact in mine:
        writer.take(artifact, said.noted(artifact.parse(hive, given)))
        writer.result.counts[artifact.name].claimed = 1
        writer.result.counts[artifact.name].parsed = 1
    for problem in hive.problems:  # complete only now: the hive notes damage while it is read
        writer.damaged(problem, "dirty_not_replayed" if hive.state == "dirty_not_replayed" else "bad_record")
    writer.result.hive = HiveNote(kind, hive.state)
    _read_deleted(hive, stored, given, mine, writer, said)


def _read_deleted(
    hive: Hive, stored: bytes, given: FileInput, artifacts: Sequence[RegistryArtifact], writer: Intake, said: _Sayings
) -> None:
    found = recover(hive, stored)
    note = HiveNote(
        writer.result.hive.kind if writer.result.hive else hive.kind,
        hive.state,
        len(found.keys),
        found.value_count,
        found.refused,
        found.alive,
        found.broken,
        cut=found.cut,
    )
    writer.result.hive = note
    if found.cut:
        writer.damaged(FormatError("free cells hold more than is looked at: not all deleted keys are told"), "budget")
    if not found.keys and not found.loose:
        return
    for layer in layers(found, hive):
        for artifact in artifacts:
            if artifact.deleted:
                writer.take(artifact, said.new(layer, artifact.parse(layer, given), note))


class _Sayings:
    """What was said, by kind and place, so that an old copy of the same is not told again."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], list[_Said]] = {}

    def noted(self, items: Output) -> Output:
        """Pass rows of the live hive on, and remember them."""
        for item in items:
            if isinstance(item, Fact):
                self._remember(item)
            yield item

    def new(self, layer: DeletedHive, items: Output, note: HiveNote) -> Iterator[Fact]:
        """The rows of deleted keys that say something new, marked as such; the others are counted."""
        for item in items:
            if not isinstance(item, Fact):
                note.unread += 1
            elif self._says(item):
                note.repeated += 1
            else:
                self._remember(item)
                note.rows += 1
                yield _marked(layer, item)

    def _remember(self, fact: Fact) -> None:
        self._known.setdefault(_place(fact), []).append((fact.fields, _own_times(fact)))

    def _says(self, fact: Fact) -> bool:
        """Whether a row has all that this one says."""
        times = _own_times(fact).items()
        return any(
            fact.fields.items() <= fields.items() and times <= known.items()
            for fields, known in self._known.get(_place(fact), ())
        )


def _place(fact: Fact) -> tuple[object, ...]:
    return fact.kind, fact.fields.get("key_path"), fact.fields.get("value_name")


def _own_times(fact: Fact) -> dict[str, datetime]:
    return {meaning: moment for meaning, moment in fact.times.items() if meaning != _OF_THE_KEY}


def _marked(layer: DeletedHive, fact: Fact) -> Fact:
    """The row as one that was recovered; one whose parser did not say what it read counts as a fragment."""
    find = layer.find_of(fact.source.locator)
    fields: Fields = {**fact.fields, "deleted_grade": find.grade if find else FRAGMENT}
    if find and find.phase:
        fields["deleted_phase"] = find.phase
    source = fact.source if find else replace(fact.source, locator=f"{fact.source.locator} (deleted)")
    return replace(fact, source=source, fields=fields, tags=(*fact.tags, DELETED))
