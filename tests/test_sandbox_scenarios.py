"""Windows Sandbox told by hosts that keep different traces of it: what comes out is the story, no more and no less.

Each scenario with an `expected.json` is rendered to a triage folder and given to the tool once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from forensics.artifacts.base import all_artifacts
from forensics.case import Case
from testdata import collections
from testdata.expected import differences
from testdata.host import SCENARIOS, scenario
from testdata.triage import taken
from tests.running import Run, timeline

STORIES = {path.parent.name: path for path in sorted(SCENARIOS.glob("*/expected.json"))}
ACTOR, HARMLESS = {"sandbox-system-task"}, {"sandbox-file-launch", "sandbox-crash", "sandbox-three-a-day"}


@dataclass(frozen=True)
class Told:
    """A scenario's run, and what should come out."""

    run: Run
    document: Any
    expected: Any


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Told]:
    """Gives the outcome of a scenario; each is rendered and run once."""
    known: dict[str, Told] = {}

    def tell(name: str) -> Told:
        if name not in known:
            host, top = scenario(name), tmp_path_factory.mktemp(name)
            run = timeline(collections.kape(host, taken(host), top / "evidence"), top / "case")
            expected = json.loads(STORIES[name].read_text(encoding="utf-8"))
            known[name] = Told(run, run.document(), expected)
        return known[name]

    return tell


@pytest.mark.parametrize("name", STORIES)
def test_the_story_comes_out(told: Callable[[str], Told], name: str) -> None:
    assert differences(told(name).expected, told(name).document) == []


@pytest.mark.parametrize("name", STORIES)
def test_no_session_beyond_the_story(told: Callable[[str], Told], name: str) -> None:
    expected = told(name).expected
    machines = {item.get("vm_id", "").casefold() for item in expected["sandbox_sessions"]}
    found = told(name).document["sandbox_sessions"]
    assert len(found) <= len(expected["sandbox_sessions"])
    assert {item["vm_id"].casefold() for item in found if item["vm_id"]} <= machines
    assert told(name).document["tunnel_sessions"] == []


@pytest.mark.parametrize("name", STORIES)
def test_the_run_is_clean(told: Callable[[str], Told], name: str) -> None:
    run, document = told(name).run, told(name).document
    unread = [item for item in document["problems"] if item["fault"] == "not_read"]
    assert document["problems"] == unread
    # The disk that survived the crash has for its parent what the scenario only names: no disk at all.
    assert ["no" in item["detail"] and "SnapshotSandbox.vhdx" in item["detail"] for item in unread] == (
        [True] if name == "sandbox-crash" else []
    )
    assert run.code == (3 if unread else 0), run.err
    coverage = {row["artifact"]: row for row in document["coverage"]}
    assert set(coverage) == {artifact.name for artifact in all_artifacts()}
    assert {row["state"] for row in coverage.values()} <= {"complete", "not_collected", "nothing_found", "partial"}
    for artifact in ("mft_entries", "usn_journal", "host", "profile_list"):
        assert (coverage[artifact]["state"], coverage[artifact]["facts"] > 0) == ("complete", True), artifact


@pytest.mark.parametrize("name", STORIES)
def test_every_session_rests_on_rows_of_the_case(told: Callable[[str], Told], name: str) -> None:
    run = told(name).run
    known = {event.id for event in Case.load(run.case).events} | {
        row["event_uid"] for row in run.lines("undated.jsonl")
    }
    for session in told(name).document["sandbox_sessions"]:
        assert session["events"]
        assert set(session["events"]) <= known
        assert session["reasons"]


def test_the_actor_stands_out_and_ordinary_use_does_not(told: Callable[[str], Told]) -> None:
    scores = {name: [item["score"] for item in told(name).document["sandbox_sessions"]] for name in ACTOR | HARMLESS}
    assert all(score >= 80 for name in ACTOR for score in scores[name]), scores
    assert all(score < 40 for name in HARMLESS for score in scores[name]), scores
    assert all(scores.values()), scores


def test_a_cleared_log_is_said_to_be_empty(told: Callable[[str], Told]) -> None:
    document = told("sandbox-logs-cleared").document
    cleared = {item["detail"] for item in document["anti_forensics"] if item["kind"] == "log_cleared"}
    assert len(cleared) == 6
    coverage = {row["artifact"]: row for row in document["coverage"]}
    for artifact in ("event_compute", "event_vm_worker", "event_vhdmp", "event_servicing"):
        assert (coverage[artifact]["claimed"], coverage[artifact]["facts"]) == (0, 0), artifact
        assert coverage[artifact]["spans"][0]["first"] is None, artifact


def test_every_scenario_has_a_story_or_shipped_evidence() -> None:
    every = {path.parent.name for path in SCENARIOS.glob("*/host.yml")}
    shipped = {path.name for path in (SCENARIOS.parent / "evidence").iterdir() if path.is_dir()}
    assert every == set(STORIES) | shipped
    assert Path(SCENARIOS / "_common").is_dir()
