"""The timeline's files are the same whether one process writes them or several."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics import Case, analyse
from forensics.export import timeline_files
from forensics.pipeline import Options
from forensics.workers import Limits
from tests.running import LAYOUTS

FILES = ("timeline.jsonl", "timeline.csv")


@pytest.fixture(scope="module")
def case() -> Case:
    return analyse(LAYOUTS["kape"], options=Options(all_events=True, limits=Limits(jobs=1)))


def test_parts_come_together_in_order(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = case.save(tmp_path / "alone")
    monkeypatch.setattr(timeline_files, "SHARED_FROM", 1)
    monkeypatch.setattr(timeline_files, "GROUP_ROWS", 100)
    shared = case.save(tmp_path / "shared")
    assert len(case.events) > 4 * 100
    for name in FILES:
        assert (alone / name).read_bytes() == (shared / name).read_bytes()
    assert list(Case.load(alone).events) == list(Case.load(shared).events)
    assert sorted(path.name for path in shared.iterdir()) == sorted(path.name for path in alone.iterdir())
