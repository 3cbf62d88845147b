"""Scenarios with an `expected.json`: rendered to a triage folder, given to the tool once, held against the story."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from forensics.artifacts.base import asked_for
from forensics.case import Case
from testdata import collections
from testdata.host import SCENARIOS, scenario
from testdata.triage import taken
from tests.running import Run, timeline


@dataclass(frozen=True)
class Told:
    """A scenario's run, and what should come out."""

    evidence: Path
    run: Run
    document: Any
    expected: Any


Teller = Callable[[str], Told]


def stories(pattern: str) -> dict[str, Path]:
    """The scenarios of these names that say what must come out."""
    return {path.parent.name: path for path in sorted(SCENARIOS.glob(f"{pattern}/expected.json"))}


def teller(factory: pytest.TempPathFactory) -> Teller:
    """Gives the outcome of a scenario; each is rendered and run once."""
    known: dict[str, Told] = {}

    def tell(name: str) -> Told:
        if name not in known:
            host, top = scenario(name), factory.mktemp(name)
            evidence = collections.kape(host, taken(host), top / "evidence")
            run = timeline(evidence, top / "case")
            expected = json.loads((SCENARIOS / name / "expected.json").read_text(encoding="utf-8"))
            known[name] = Told(evidence, run, run.document(), expected)
        return known[name]

    return tell


def check_coverage(document: Any) -> None:  # a JSON document
    """Every artifact is accounted for, and what every scenario has was read whole."""
    coverage = {row["artifact"]: row for row in document["coverage"]}
    assert set(coverage) == {artifact.name for artifact in asked_for(carve=False)}
    assert {row["state"] for row in coverage.values()} <= {"complete", "not_collected", "nothing_found", "partial"}
    for artifact in ("mft_entries", "usn_journal", "host", "profile_list"):
        assert (coverage[artifact]["state"], coverage[artifact]["facts"] > 0) == ("complete", True), artifact


def check_sessions_rest_on_rows(told: Told, part: str) -> None:
    """Every session names its reasons and the rows of the case that it is made of."""
    run = told.run
    known = {event.id for event in Case.load(run.case).events} | {
        row["event_uid"] for row in run.lines("undated.jsonl")
    }
    for session in told.document[part]:
        assert session["events"]
        assert set(session["events"]) <= known
        assert session["reasons"]
