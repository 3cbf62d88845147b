"""What the tool answers to evidence that is missing, damaged or hostile."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from forensics import Options, analyse
from forensics.workers import Limits
from tests.running import BUILT, LAYOUTS, fingerprint, timeline

KAPE = LAYOUTS["kape"]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A copy of the KAPE folder to damage."""
    target = tmp_path / "WS-TANAKA"
    shutil.copytree(KAPE, target)
    return target / "C"


@pytest.mark.parametrize("what", ["missing", "empty", "text", "no_windows", "middle_segment", "truncated_zip"])
def test_no_evidence_is_one_sentence_exit_4_and_nothing_written(tmp_path: Path, what: str) -> None:
    place = tmp_path / "in" / what
    place.parent.mkdir()
    if what == "empty":
        place.mkdir()
    elif what == "text":
        place.write_text("hello")
    elif what == "no_windows":
        place.write_bytes(bytes(1024 * 1024))
    elif what == "middle_segment":
        parts = sorted((BUILT / "e01").glob("*.E*"))
        place = tmp_path / "in" / parts[0].name
        shutil.copyfile(parts[0], place)
    elif what == "truncated_zip":
        place.write_bytes(LAYOUTS["velociraptor"].read_bytes()[:50_000])
    before = fingerprint(tmp_path)
    run = timeline(place, tmp_path / "case")
    assert run.code == 4
    assert len(run.err.strip().splitlines()) == 1, run.err
    assert str(place.name) in run.err
    assert "Traceback" not in run.err
    assert not run.case.exists()
    assert fingerprint(tmp_path) == before


def test_output_into_the_evidence_is_refused(host: Path) -> None:
    before = fingerprint(host)
    run = timeline(host.parent, host / "case")
    assert run.code == 2
    assert "inside the evidence" in run.err
    assert fingerprint(host) == before


def test_an_existing_case_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case/run.json").write_text("{}")
    run = timeline(KAPE, tmp_path / "case")
    assert run.code == 2
    assert "--force" in run.err
    assert (tmp_path / "case/run.json").read_text() == "{}"
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.txt").write_text("mine")
    assert timeline(KAPE, tmp_path / "other", "--force").code == 2


DAMAGE = {
    "log": "Windows/System32/winevt/Logs/Security.evtx",
    "hive": "Users/田中/NTUSER.DAT",
    "task": "Windows/System32/Tasks/GoogleUpdaterInternalService",
    "wsb": "Users/田中/Documents/lab.wsb",
}


@pytest.mark.parametrize("what", [*DAMAGE, "prefetch"])
def test_one_corrupt_file_costs_itself_and_is_named(host: Path, tmp_path: Path, what: str) -> None:
    path = host / DAMAGE[what] if what in DAMAGE else next((host / "Windows/Prefetch").glob("WINDOWSSANDBOX.EXE-*.pf"))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[:16] = b"\xff" * 16 if what != "log" else data[:16]
    data[middle : middle + 6000] = bytes(len(data[middle : middle + 6000]))
    path.write_bytes(bytes(data))
    run = timeline(host.parent, tmp_path / "case")
    assert run.code == 3, run.err
    problems = [row for row in run.lines("problems.jsonl") if path.name in json.dumps(row, ensure_ascii=False)]
    assert problems
    states = {row["artifact"]: row["state"] for row in run.document()["coverage"]}
    assert {"partial", "unreadable"} & set(states.values())
    assert run.document()["tunnel_sessions"], "the rest is processed"


def test_a_missing_software_hive_hides_nothing(host: Path, tmp_path: Path) -> None:
    (host / "Windows/System32/config/SOFTWARE").unlink()
    (host / "Windows/System32/config/SYSTEM").write_bytes(b"junk")
    run = timeline(host.parent, tmp_path / "case")
    document = run.document()
    assert document["host"]["name"] is None
    assert len(document["sandbox_sessions"]) == 2
    assert len(document["tunnel_sessions"]) == 1


def test_a_parser_that_takes_too_long_is_killed_and_reported(host: Path) -> None:
    log = host / "Windows/System32/winevt/Logs/Microsoft-Windows-Sysmon%4Operational.evtx"
    data = log.read_bytes()
    with log.open("ab") as handle:
        for _ in range(200 * 1024 * 1024 // (len(data) - 4096)):
            handle.write(data[4096:])
    case = analyse(host.parent, options=Options(limits=Limits(seconds=5, seconds_per_mib=0)))
    killed = [problem for problem in case.problems if problem.fault == "killed_timeout"]
    assert {problem.source.path for problem in killed} == {f"C:/{log.relative_to(host).as_posix()}"}
    states = {row.artifact: row.state for rows in case.coverage.values() for row in rows}
    assert states["event_sysmon"] in ("partial", "unreadable")
    assert len(case.verdicts.sandbox_sessions) == 2
    assert any(event.kind == "file.created" for event in case.events), "what it had until then is kept"


def test_strings_that_attack_are_escaped_everywhere(host: Path, tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J \u202eexe.bat \x00 =cmd|'/C calc'!A0 </script>"
    (host / "Users/田中/Documents/evil.wsb").write_text(
        "<Configuration><LogonCommand><Command>cmd &#x202e;gpj.exe</Command></LogonCommand></Configuration>"
    )
    history = next(host.glob("Users/*/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/*_history.txt"))
    history.write_text(f"wsb start {evil}\ngho_0123456789abcdefABCDEF wsb start\n", encoding="utf-8")
    run = timeline(host.parent, tmp_path / "case")
    assert run.code == 0, run.err
    assert "\x1b" not in run.out
    for path in run.case.iterdir():
        data = path.read_bytes()
        assert b"gho_0123456789" not in data, path.name
        if path.suffix != ".parquet":
            assert b"\x1b" not in data, path.name
            assert "\u202e" not in data.decode("utf-8"), path.name
    rows = [row for row in run.lines("undated.jsonl") if "raw_hex" in json.dumps(row)]
    assert rows, "the raw form is kept in hex where it was changed"
