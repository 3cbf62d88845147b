from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.known_dlls import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.autorun_inputs import SYSTEM, at, entries, found, quiet, run, survives, system

PLACE = "Control\\Session Manager\\KnownDLLs"


def test_stock_entries_score_nothing() -> None:
    stock = {"kernel32": "kernel32.dll", "_Wow64": "wow64.dll", "DllDirectory": "%SystemRoot%\\system32"}
    quiet(ARTIFACT, system(at(PLACE, dict(stock))), SYSTEM, 3)


def test_planted_entries() -> None:
    content = system(at(PLACE, {"DllDirectory": "C:\\Users\\Public", "evil": "evil.dll"}))
    rows = found(ARTIFACT, content, SYSTEM)
    assert rows["KnownDLLs", "DllDirectory"].score > 40
    assert rows["KnownDLLs", "evil"].score == 20  # the list grows with versions of Windows: weak by itself
    survives(ARTIFACT, content, SYSTEM)


@pytest.mark.samples
def test_a_real_machine(samples: Path) -> None:
    facts, _ = run(ARTIFACT, Hive.open((samples / "hives" / "SYSTEM_B").read_bytes()), SYSTEM)
    rows = entries(facts)
    assert len(rows) > 25
    assert {entry.score for entry in rows.values()} == {0}
