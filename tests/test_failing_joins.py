"""A join that fails on what a hostile host holds costs what it would have told, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics import analyse, sessions
from forensics.model import Host
from tests.running import LAYOUTS


def test_the_rest_of_the_case_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(*_: object, **__: object) -> None:
        raise KeyError("system")

    monkeypatch.setattr(sessions, "anti_forensics", fails)
    case = analyse(LAYOUTS["kape"])
    assert [(item.fault, item.detail) for item in case.problems] == [
        ("join_failed", "removed traces: KeyError: 'system'")
    ]
    assert len(case.events) > 100
    assert case.verdicts.sandbox_sessions
    assert case.verdicts.persistence
    assert case.verdicts.advisory == (), "nothing is denied where a join failed"
    case.save(tmp_path / "case")


def test_outside_a_run_a_fault_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise KeyError("system")

    monkeypatch.setattr(sessions, "anti_forensics", fails)
    with pytest.raises(KeyError):
        sessions.build((), Host(), "x")
