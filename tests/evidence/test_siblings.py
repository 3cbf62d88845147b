"""A database's log lies beside it and is read with it, wherever the evidence has the two; alone it is nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from testdata.writers.activities import Activity, build
from tests.evidence.layouts import Tree, folder, tarred, under, volume, zipped
from tests.running import Run, fingerprint, timeline

DATABASE = "Users/田中/AppData/Local/ConnectedDevicesPlatform/L.tanaka/ActivitiesCache.db"
START = datetime(2024, 12, 4, 1, 2, 11, tzinfo=UTC)
SANDBOX = {"x_exe_path": "C:\\Windows\\System32\\WindowsSandbox.exe"}
FIRST, LAST, OLD = (
    Activity(START + timedelta(hours=hours), SANDBOX, display_text=name)
    for hours, name in ((0, "first.wsb"), (1, "last.wsb"), (-30, "old.wsb"))
)


built = cache(lambda activities, in_log: build(activities, in_log=in_log))  # the log's salt is another each time


def files(*activities: Activity, in_log: int = 1) -> Tree:
    """A small Windows with a database, the last activity of which is in its log alone."""
    data, log = built(activities, in_log)
    return {"Windows/System32/config/SYSTEM": b"regf", DATABASE: data, f"{DATABASE}-wal": log}


def velociraptor(top: Path) -> Path:
    return zipped(top / "c.zip", {f"uploads/auto/C%3A/{name}": data for name, data in files(FIRST, LAST).items()})


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "folder": lambda top: folder(top / "in", under("C/", files(FIRST, LAST))),
    "zip": lambda top: zipped(top / "a.zip", under("HOST/C/", files(FIRST, LAST))),
    "tar": lambda top: tarred(top / "a.tar.gz", under("fs/C:/", files(FIRST, LAST)), "w:gz"),
    "velociraptor": velociraptor,
    "image": lambda top: volume(top, files(FIRST, LAST)),
}


def told(done: Run) -> list[tuple[str, str]]:
    rows = [row for row in done.lines("timeline.jsonl") if row["kind"] == "activity.recorded"]
    return sorted({(row["display_text"], row["source_path"]) for row in rows})


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_log_is_read_with_its_database(name: str, tmp_path: Path) -> None:
    path = LAYOUTS[name](tmp_path)
    before = fingerprint(path)
    done = timeline(path, tmp_path / "case")
    assert done.code in (0, 3), done.err
    assert fingerprint(path) == before, "evidence is never written"
    assert told(done) == [("first.wsb", f"C:/{DATABASE}"), ("last.wsb", f"C:/{DATABASE}")]
    read = json.loads((done.case / "run.json").read_text(encoding="utf-8"))["files_read"]
    (entry,) = [item for item in read if item["path"].endswith("ActivitiesCache.db")]
    data, log = built((FIRST, LAST), 1)
    assert entry["sha256"] == hashlib.sha256(data).hexdigest()
    assert entry["beside"] == {"-wal": hashlib.sha256(log).hexdigest()}
    assert not [item for item in read if item["path"].endswith("-wal")], "a log is no file of its own"


def test_a_log_alone_is_no_job(tmp_path: Path) -> None:
    lone = files(FIRST, LAST)
    del lone[DATABASE]
    done = timeline(folder(tmp_path / "in", under("C/", lone)), tmp_path / "case")
    row = next(row for row in done.document()["coverage"] if row["artifact"] == "activities_cache")
    assert (row["state"], row["found"]) == ("not_collected", 0)


def test_each_shadow_copy_has_its_own_log(tmp_path: Path) -> None:
    live, old = files(FIRST, LAST), files(OLD, FIRST)
    path = folder(tmp_path / "in", under("C/", live) | under("VSS1/", old))
    rows = [
        row for row in timeline(path, tmp_path / "case").lines("timeline.jsonl") if row["kind"] == "activity.recorded"
    ]
    seen = {(row["display_text"], tuple(row["seen_in"]), row["source_path"].partition("/")[0]) for row in rows}
    assert ("old.wsb", ("vss1",), "C:@vss1") in seen
    assert ("last.wsb", ("live",), "C:") in seen
    assert {name for name, _, _ in seen} == {"old.wsb", "first.wsb", "last.wsb"}


def test_a_row_of_both_views_stands_once_whatever_journal_it_came_through(tmp_path: Path) -> None:
    live, old = files(FIRST, LAST), files(FIRST, LAST, in_log=2)
    path = folder(tmp_path / "in", under("C/", live) | under("VSS1/", old))
    rows = timeline(path, tmp_path / "case").lines("timeline.jsonl")
    rows = [row for row in rows if row["kind"] == "activity.recorded" and row["timestamp_desc"] == "Start Time"]
    assert [(row["display_text"], row["seen_in"]) for row in rows] == [
        ("first.wsb", ["live", "vss1"]),
        ("last.wsb", ["live", "vss1"]),
    ]


def test_a_log_that_is_not_what_was_collected_is_said(tmp_path: Path) -> None:
    content = files(FIRST, LAST)
    listed = "SourceFile,DestinationFile,SourceFileSha1\r\n"
    listed += "C:\\" + f"{DATABASE}-wal".replace("/", "\\") + f",x,{'a' * 40}\r\n"
    path = folder(tmp_path / "in", under("C/", content) | {"x_copylog.csv": listed.encode()})
    done = timeline(path, tmp_path / "case")
    (problem,) = [row for row in done.lines("problems.jsonl") if row["fault"] == "hash_mismatch"]
    assert "its -wal is not what was collected" in problem["detail"]


def test_a_log_that_cannot_be_read_is_said_and_the_database_read(tmp_path: Path) -> None:
    content = files(FIRST, LAST)
    del content[f"{DATABASE}-wal"]
    top = folder(tmp_path / "in", under("C/", content))
    (top / "C" / f"{DATABASE}-wal").symlink_to(tmp_path / "elsewhere")
    done = timeline(top, tmp_path / "case")
    assert told(done) == [("first.wsb", f"C:/{DATABASE}")]
    assert any("-wal" in row["detail"] and row["fault"] == "unreadable" for row in done.lines("problems.jsonl"))
