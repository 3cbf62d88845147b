"""Hosts on which nobody planted anything: what Windows and common products set up is quiet, and still there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testdata import collections
from testdata.host import scenario
from testdata.triage import taken
from tests.running import Run, timeline, tool

CLEAN = ("clean-win10", "clean-win11", "clean-server")
RUNS: dict[str, Run] = {}


@pytest.fixture(params=CLEAN)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of a clean host; each is rendered and read once."""
    name: str = request.param
    if name not in RUNS:
        host, top = scenario(name), tmp_path_factory.mktemp(name)
        evidence = collections.kape(host, taken(host), top / "evidence")
        RUNS[name] = timeline(evidence, top / "case", "--all-events")
    assert (RUNS[name].code, RUNS[name].document()["problems"]) == (0, [])
    return RUNS[name]


def test_no_persistence_stands_out(run: Run) -> None:
    entries = run.document()["persistence"]
    assert {entry["name"]: entry["reasons"] for entry in entries if entry["score"] > 20} == {}
    assert len(entries) > 20, "entries that score nothing are listed"
    # Products in a user's AppData score the 5 of that place; nothing of Windows scores.
    assert {entry["name"] for entry in entries if entry["score"]} <= {"Slack"}


def test_nothing_is_found_or_taken_for_wiped(run: Run) -> None:
    document = run.document()
    assert [item for item in document["findings"] if item["level"] != "informational"] == []
    assert document["anti_forensics"] == []
    assert document["sandbox_sessions"] == document["tunnel_sessions"] == []


def test_the_checklist_says_yes_to_nothing_but_what_is_there(run: Run) -> None:
    found = {item["id"]: item for item in run.document()["advisory"]}
    assert [ident for ident, item in found.items() if item["answer"] == "yes"] == []
    answer = found["autostart.suspicious"]
    lost = {item["artifact"] for item in answer["sources"] if not item["tells"]}
    assert {"services", "run_keys", "task_cache"}.isdisjoint(lost), "what was collected tells"
    assert answer["answer"] == ("cannot_tell" if lost else "no")


def test_what_is_stock_was_read(run: Run) -> None:
    """Quiet because it was judged, not because it was not read."""
    rows = run.lines("timeline.jsonl")
    stock = {row["service_name"] for row in rows if row.get("kind") == "service.configured"}
    assert {"Dnscache", "Schedule", "Tcpip", "WinDefend"} <= stock
    assert len(stock) > 300
    assert len({row["task_name"] for row in rows if row.get("kind") == "task.defined"}) > 30
    mechanisms = {row["mechanism"] for row in rows if row.get("kind") == "autorun.configured"}
    assert mechanisms > {
        "active_setup", "boot_execute", "codec", "file_association", "gp_extension", "known_dll", "lsa", "media_filter",
        "netsh_helper", "network_provider", "print_monitor", "print_processor", "print_provider", "run_key",
        "service_failure", "subsystem", "time_provider", "winlogon", "winsock",
    }  # fmt: skip


def test_all_lists_every_entry(run: Run) -> None:
    """Nothing is dropped: with `--all` what is stock is listed, too, and scores nothing."""
    judged = run.document()["persistence"]
    shown = tool("show", run.case, "persistence", "--all", "--json")
    assert shown.returncode == 0, shown.stderr
    entries = json.loads(shown.stdout)["persistence"]
    assert entries[: len(judged)] == judged
    assert {entry["score"] for entry in entries[len(judged) :]} == {0}
    assert len({entry["id"] for entry in entries}) == len(entries) > 450
    services = {entry["name"] for entry in entries if entry["mechanism"] == "service"}
    assert services >= {
        row["service_name"] for row in run.lines("timeline.jsonl") if row.get("kind") == "service.configured"
    }
    text = tool("show", run.case, "persistence", "--all").stdout
    assert text.count("  score ") == len(entries)


def test_all_is_for_persistence_alone(run: Run) -> None:
    assert tool("show", run.case, "tunnel", "--all").returncode == 2


def test_all_needs_no_context_in_the_timeline(run: Run, tmp_path: Path) -> None:
    """The rows of stock are a file of their own: a case of few rows lists as many entries, with their places."""
    small = timeline(run.case.parent / "evidence", tmp_path / "case", "-q")
    listed = [
        json.loads(tool("show", case, "persistence", "--all", "--json").stdout)["persistence"]
        for case in (run.case, small.case)
    ]
    ids = [[(entry["id"], entry["command"], entry["score"]) for entry in entries] for entries in listed]
    assert ids[0] == ids[1]
    stock = listed[1][len(small.document()["persistence"]) :]
    assert all(item["path"] and item["sha256"] for entry in stock for item in entry["sources"])
    assert [entry["name"] for entry in stock if not entry["sources"]] == []
