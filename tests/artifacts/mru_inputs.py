"""Hives made with the writers of testdata, and what the tests of Explorer's keys share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from forensics.artifacts.base import RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive
from forensics.model import Problem
from testdata.writers.hive import HiveWriter
from testdata.writers.registry_blobs import Values
from tests.artifacts.registry_inputs import run

BOOT = datetime(2024, 11, 1, 8, 0, 0, tzinfo=UTC)
WHEN = datetime(2024, 12, 3, 23, 1, 1, 123456, tzinfo=UTC)
EXPLORER = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer"
USRCLASS = "C:/Users/田中/AppData/Local/Microsoft/Windows/UsrClass.dat"


def written(keys: dict[str, Values], root: str = "ROOT") -> bytes:
    """A hive with these keys, each written at WHEN; it has what makes it an NTUSER or, by its root name, a UsrClass."""
    hive = HiveWriter(root, BOOT)
    hive.key("Local Settings" if root.endswith("_Classes") else "Software", BOOT)
    for path, values in keys.items():
        hive.key(path, BOOT)
        hive.key(path, WHEN)
        for name, kind, data in values:
            hive.value(path, name, kind, data)
    return hive.build()


def survives_cuts(artifact: RegistryArtifact, data: bytes, path: str, cuts: Sequence[int]) -> None:
    """No exception escapes from a cut hive, and no row stands at a place that the whole one does not have."""
    whole = {(fact.kind, fact.source.locator) for fact in run(artifact, Hive.open(data), path)[0]}
    assert whole
    for cut in cuts:
        try:
            opened = Hive.open(data[:cut])
        except FormatError:
            continue
        facts, problems = run(artifact, opened, path)
        assert {(fact.kind, fact.source.locator) for fact in facts} <= whole, cut
        assert all(isinstance(problem, Problem) for problem in problems)


def cuts(data: bytes) -> range:
    """Offsets all over the file, in no step of the cells."""
    return range(0, len(data), 97)
