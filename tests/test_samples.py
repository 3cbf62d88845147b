"""The public sample files through the whole tool: everything is parsed, or its loss is reported."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from forensics.collect import LOGS
from forensics.rules import load
from tests.running import Run, timeline

pytestmark = pytest.mark.samples


def _host(top: Path, files: dict[str, Path]) -> Path:
    for name, source in files.items():
        target = top / "C" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return top


@pytest.mark.parametrize(("name", "sessions"), [("NTUSER_with_winscp.DAT", 1), ("NTUSER-WSL.DAT", 0)])
def test_a_real_user_hive_shows_its_sandbox_run(samples: Path, tmp_path: Path, name: str, sessions: int) -> None:
    host = _host(tmp_path / "host", {"Users/someone/NTUSER.DAT": samples / "hives" / name})
    run = timeline(host, tmp_path / "case")
    assert run.code in (0, 3), run.err
    found = run.document()["sandbox_sessions"]
    assert len(found) == sessions
    for session in found:
        assert session["start"].startswith("2022-02-28T09:10:14")
        assert session["certainty"] == "probable"
    assert run.document()["tunnel_sessions"] == []


@pytest.fixture(scope="module")
def whole(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Path]]:
    """One host made of every sample that has a place on a Windows volume."""
    files: dict[str, Path] = {}
    for path in sorted(samples.glob("evtx/*/**/*.evtx")):
        folder = path.parent.name.replace(" ", "_")
        files[f"{LOGS}/{folder}-{path.name}"] = path
    for path in sorted(samples.glob("prefetch/*/*.pf")):
        files[f"Windows/Prefetch/{path.parent.name}-{path.name}"] = path
    for path in sorted(samples.glob("wsb/*/*.wsb*")):
        files[f"Users/someone/{path.parent.name}/{path.stem}.wsb"] = path
    for path in sorted(samples.glob("tasks/*")):
        files[f"Windows/System32/Tasks/{path.name}"] = path
    files["Windows/System32/config/SYSTEM"] = samples / "hives/SYSTEM_B"
    for log in ("LOG1", "LOG2"):
        files[f"Windows/System32/config/SYSTEM.{log}"] = samples / f"hives/SYSTEM_B.{log}"
    for number, path in enumerate(sorted((samples / "hives").glob("*/*"))):
        files[f"Users/u{number}/NTUSER.DAT"] = path
    files["Users/someone/.vscode/cli/tunnel-service.log"] = samples / "vscode-tunnel/tunnel_service_2023_debug.log"
    top = tmp_path_factory.mktemp("whole")
    return timeline(_host(top / "host", files), top / "case", "--all-events", "--log-file", top / "log.jsonl"), files


def test_no_sample_is_lost_without_a_word(whole: tuple[Run, dict[str, Path]]) -> None:
    run, files = whole
    assert run.code == 3, run.err
    problems = {row["source"]["path"] for row in run.lines("problems.jsonl")}
    spoken = {row["source_path"] for row in run.lines("timeline.jsonl") if "source_path" in row}
    spoken |= {row["source_path"] for row in run.lines("undated.jsonl")}
    read = {row.get("path") for row in _log(run)}
    unread = [name for name in files if f"C:/{name}" not in read and not name.endswith((".LOG1", ".LOG2"))]
    assert unread == [], "every file was opened by a job"
    broken = [name for name in files if name.startswith("Windows/Prefetch/bad-")]
    assert broken
    assert {f"C:/{name}" for name in broken} <= problems
    assert len(spoken) > 250


def test_signs_of_wiping_are_told_and_not_a_flood(whole: tuple[Run, dict[str, Path]]) -> None:
    """The attack logs have clearings, settings of the clock by hand and by virtual machines, errors of Sysmon."""
    signs = whole[0].document()["anti_forensics"]
    kinds = Counter(sign["kind"] for sign in signs)
    assert kinds["log_cleared"] >= 14
    assert kinds["events_lost"] == 2
    assert max(kinds.values()) <= load("antiforensics")["most_told"] + 1
    assert all(sign["events"] and sign["innocent_causes"] for sign in signs)


def test_no_parser_died(whole: tuple[Run, dict[str, Path]]) -> None:
    died = [row for row in whole[0].lines("problems.jsonl") if row["fault"] in ("parser_failed", "crashed")]
    assert died == []


def test_the_samples_hold_no_sandbox_session_but_the_true_one(whole: tuple[Run, dict[str, Path]]) -> None:
    document = whole[0].document()
    assert [item["start"] for item in document["sandbox_sessions"]] == []


def _log(run: Run) -> list[dict[str, str]]:
    import json

    text = (run.case.parent / "log.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
