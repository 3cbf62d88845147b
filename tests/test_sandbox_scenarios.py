"""Windows Sandbox told by hosts that keep different traces of it: what comes out is the story, no more and no less.

Each scenario with an `expected.json` is rendered to a triage folder and given to the tool once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from testdata.expected import differences
from testdata.host import SCENARIOS
from tests.stories import Teller, check_coverage, check_sessions_rest_on_rows, stories, teller

STORIES = stories("sandbox-*")
ACTOR, HARMLESS = {"sandbox-system-task"}, {"sandbox-file-launch", "sandbox-crash", "sandbox-three-a-day"}


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Teller:
    """Gives the outcome of a scenario; each is rendered and run once."""
    return teller(tmp_path_factory)


@pytest.mark.parametrize("name", STORIES)
def test_the_story_comes_out(told: Teller, name: str) -> None:
    assert differences(told(name).expected, told(name).document) == []


@pytest.mark.parametrize("name", STORIES)
def test_no_session_beyond_the_story(told: Teller, name: str) -> None:
    expected = told(name).expected
    machines = {item.get("vm_id", "").casefold() for item in expected["sandbox_sessions"]}
    found = told(name).document["sandbox_sessions"]
    assert len(found) <= len(expected["sandbox_sessions"])
    assert {item["vm_id"].casefold() for item in found if item["vm_id"]} <= machines
    assert told(name).document["tunnel_sessions"] == []


@pytest.mark.parametrize("name", STORIES)
def test_the_run_is_clean(told: Teller, name: str) -> None:
    run, document = told(name).run, told(name).document
    unread = [item for item in document["problems"] if item["fault"] == "not_read"]
    assert document["problems"] == unread
    # The disk that survived the crash has for its parent what the scenario only names: no disk at all.
    assert ["no" in item["detail"] and "SnapshotSandbox.vhdx" in item["detail"] for item in unread] == (
        [True] if name == "sandbox-crash" else []
    )
    assert run.code == (3 if unread else 0), run.err
    check_coverage(document)


@pytest.mark.parametrize("name", STORIES)
def test_every_session_rests_on_rows_of_the_case(told: Teller, name: str) -> None:
    check_sessions_rest_on_rows(told(name), "sandbox_sessions")


def test_the_actor_stands_out_and_ordinary_use_does_not(told: Teller) -> None:
    scores = {name: [item["score"] for item in told(name).document["sandbox_sessions"]] for name in ACTOR | HARMLESS}
    assert all(score >= 80 for name in ACTOR for score in scores[name]), scores
    assert all(score < 40 for name in HARMLESS for score in scores[name]), scores
    assert all(scores.values()), scores


def test_a_cleared_log_is_said_to_be_empty(told: Teller) -> None:
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
    quiet = {name for name in every if name.startswith("clean-")}  # of which nothing comes out: test_clean_hosts
    assert every == set(stories("*")) | shipped | quiet
    assert Path(SCENARIOS / "_common").is_dir()
