"""A host that lost power while a sandbox ran: what its disk holds stands in the case as the guest's, at its session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from testdata import collections
from testdata.host import scenario
from testdata.triage import taken
from testdata.writers.ntfs import missing_tools
from tests.evidence import guest_disks as disks
from tests.running import Run, timeline, tool

pytestmark = pytest.mark.skipif(bool(missing_tools()), reason="needs mkntfs and ntfs-3g")


def _run(top: Path, disk: bytes, parent: bytes | None) -> Run:
    host = scenario("sandbox-crash")
    files = {**taken(host), disks.DISK: disks.rendered(disk)}
    files.pop(disks.PARENT, None)  # the scenario's own is no disk
    if parent is not None:
        files[disks.PARENT] = disks.rendered(parent)
    return timeline(collections.kape(host, files, top / "evidence"), top / "case")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _run(tmp_path_factory.mktemp("guest"), disks.child(), disks.parent())


@pytest.fixture(scope="module")
def without_guest(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _run(tmp_path_factory.mktemp("alone"), disks.child(), None)


def _rows(run: Run) -> Iterator[dict[str, Any]]:
    yield from run.lines("timeline.jsonl")
    yield from run.lines("undated.jsonl")


def _of_guest(run: Run) -> list[dict[str, Any]]:
    return [row for row in _rows(run) if str(row.get("source_path", "")).startswith(disks.DRIVE)]


def test_its_rows_are_the_guests(run: Run) -> None:
    assert run.code == 0, run.err
    assert run.document()["problems"] == []
    rows = _of_guest(run)
    kinds = {row["kind"] for row in rows}
    assert {"process.created", "service.entry", "wsb.file"} & kinds >= {"process.created"}
    assert {row["hostname"] for row in rows if "hostname" in row} == {disks.GUEST}
    for row in rows:
        assert row["message"].startswith("[guest] "), row
        assert "guest" in row["tag"], row
    (started,) = [row for row in rows if row["kind"] == "process.created"]
    assert "code.exe tunnel" in json.dumps(started)
    assert started["source_path"] == f"{disks.DRIVE}/Windows/System32/winevt/Logs/Security.evtx"


def test_no_row_of_the_host_is_so_marked(run: Run) -> None:
    others = [row for row in _rows(run) if not str(row.get("source_path", "")).startswith("guest-")]
    assert others
    assert not [row for row in others if "guest" in row.get("tag", ()) or row["message"].startswith("[guest]")]
    assert disks.GUEST not in {row.get("hostname") for row in others}


def test_the_session_lists_them(run: Run) -> None:
    (session,) = run.document()["sandbox_sessions"]
    (started,) = [row for row in _of_guest(run) if row["kind"] == "process.created"]
    assert started["event_uid"] in session["events"]
    (told,) = [reason for reason in session["reasons"] if disks.DRIVE in reason]
    assert f"({disks.GUEST})" in told
    assert "its disk survived" in told


def test_the_guest_changes_nothing_else(run: Run, without_guest: Run) -> None:
    """The guest's tunnel, service and configuration are not the host's."""
    with_it, alone = run.document(), without_guest.document()
    for part in ("tunnel_sessions", "persistence", "sandbox_configs", "sandbox_capability", "anti_forensics"):
        assert with_it[part] == alone[part], part
    (one,), (two,) = with_it["sandbox_sessions"], alone["sandbox_sessions"]
    assert {key: value for key, value in one.items() if key not in ("events", "reasons")} == {
        key: value for key, value in two.items() if key not in ("events", "reasons")
    }
    assert set(two["reasons"]) < set(one["reasons"])
    assert with_it["host"] == alone["host"] if "host" in alone else True


def test_without_its_parent_it_is_said(without_guest: Run) -> None:
    assert _of_guest(without_guest) == []
    (problem,) = without_guest.document()["problems"]
    assert problem["fault"] == "not_read"
    assert disks.at_host(disks.PARENT) in problem["detail"]
    assert "without the parent's no file system can be read" in problem["detail"]


def test_a_log_that_is_not_empty_is_said(tmp_path: Path) -> None:
    done = _run(tmp_path, disks.child(log=UUID(int=3)), disks.parent())
    (problem,) = done.document()["problems"]
    assert "log was not replayed" in problem["detail"]
    assert _of_guest(done)


def test_verify_compares_the_files_of_the_collection_alone(run: Run, without_guest: Run) -> None:
    for case in (run.case, without_guest.case):
        (evidence,) = (case.parent / "evidence").iterdir()
        done = tool("verify", evidence)
        assert done.returncode == 0, done.stdout
        files = len([path for path in (evidence / "C").rglob("*") if path.is_file()])
        assert f"\n{files} files;" in done.stdout
