"""What the tool answers to evidence that is missing, damaged or hostile."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from forensics import Options, analyse
from forensics.case import CASE_FILES
from forensics.workers import MIB, Limits
from tests.running import BUILT, LAYOUTS, Run, fingerprint, timeline

KAPE = LAYOUTS["kape"]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A copy of the KAPE folder to damage; without its list of hashes, which would notice every change."""
    target = tmp_path / "WS-TANAKA"
    shutil.copytree(KAPE, target, ignore=shutil.ignore_patterns("*_copylog.csv"))
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


def test_neither_the_log_file_nor_a_link_leads_into_the_evidence(host: Path, tmp_path: Path) -> None:
    (host / "link").symlink_to(tmp_path / "elsewhere")
    before = fingerprint(host)
    assert timeline(host.parent, tmp_path / "case", "--log-file", host / "Windows/System32/default.wsb").code == 2
    assert timeline(host.parent, host / "link").code == 2
    assert fingerprint(host) == before
    assert not (tmp_path / "elsewhere").exists()


def test_an_output_behind_a_link_is_written_there(host: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    run = timeline(host.parent, tmp_path / "link")
    assert run.code == 0, run.err
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == sorted(CASE_FILES)


@pytest.mark.parametrize(
    "options",
    [
        ("--context", "nan"),
        ("--context", "1e300"),
        ("--job-seconds", "inf"),
        ("--job-memory", "99999999999999"),
        ("--start", "2025-01-01", "--end", "2024-01-01"),
        ("--start", "0001-01-01"),
        ("--display-tz", "Nope/X"),
        ("--log-file", "/nonexistent/folder/x.log"),
    ],
)
def test_nonsense_options_are_usage_errors(tmp_path: Path, options: tuple[str, ...]) -> None:
    run = timeline(KAPE, tmp_path / "case", *options)
    assert run.code == 2
    assert "Traceback" not in run.err
    assert not run.case.exists()


def test_a_place_that_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    run = timeline(KAPE, tmp_path / "file" / "case")
    assert run.code == 2
    assert "Traceback" not in run.err


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


def test_empty_and_garbage_logs_are_unreadable_for_every_artifact(host: Path, tmp_path: Path) -> None:
    logs = host / "Windows/System32/winevt/Logs"
    (logs / "Security.evtx").write_bytes(b"")
    (logs / "System.evtx").write_bytes(b"\x00")
    (logs / "Microsoft-Windows-Hyper-V-Worker-Admin.evtx").write_bytes(bytes(range(256)) * 300)
    run = timeline(host.parent, tmp_path / "case")
    states = {row["artifact"]: row["state"] for row in run.document()["coverage"]}
    for name in ("logon", "process_audit", "task_audit", "service_state", "system_power", "vmswitch", "vm_worker"):
        assert states[f"event_{name}"] == "unreadable", name
    assert run.code == 3


def test_an_artifact_that_lacks_one_of_its_logs_is_not_complete(host: Path, tmp_path: Path) -> None:
    (host / "Windows/System32/winevt/Logs/Security.evtx").unlink()
    (host / "Windows/System32/config/SOFTWARE").unlink()
    run = timeline(host.parent, tmp_path / "case")
    rows = {row["artifact"]: row for row in run.document()["coverage"]}
    assert rows["event_process_audit"]["state"] == "not_collected"
    for name, missing in (("event_log_cleared", "security.evtx"), ("run_keys", "SOFTWARE")):
        assert rows[name]["state"] == "partial"
        assert missing in rows[name]["detail"]


def test_a_harmless_session_never_inherits_the_attackers_configuration(host: Path, tmp_path: Path) -> None:
    (host / "Windows/System32/winevt/Logs/Security.evtx").unlink()
    (host / "Users/田中/Documents/lab.wsb").unlink()
    (host / "$MFT").unlink()  # it holds the file's content
    run = timeline(host.parent, tmp_path / "case")
    mine = [item for item in run.document()["sandbox_sessions"] if item["start"].startswith("2024-12-03")]
    assert [(item["config"], item["score"]) for item in mine] == [(None, 0)]


def test_without_the_cli_log_hosting_does_not_end_before_its_clients(host: Path, tmp_path: Path) -> None:
    (host / "Windows/System32/winevt/Logs/Security.evtx").unlink()
    (host / "Users/田中/.vscode/cli/tunnel-service.log").unlink()
    run = timeline(host.parent, tmp_path / "case")
    (session,) = run.document()["tunnel_sessions"]
    last = max(client["start"] for client in session["clients"])
    assert all(period["end"] is None or period["end"] > last for period in session["hosting"][-1:])


def test_a_damaged_collectors_list_costs_the_original_times_only(tmp_path: Path) -> None:
    path = tmp_path / "host.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(KAPE.rglob("*")):
            if file.is_file():
                archive.write(file, f"WS-TANAKA/{file.relative_to(KAPE).as_posix()}")
        (info,) = [item for item in archive.infolist() if item.filename.endswith("_copylog.csv")]
    data = bytearray(path.read_bytes())
    data[info.header_offset + 400 : info.header_offset + 404] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(data))
    run = timeline(path, tmp_path / "case")
    assert run.code == 3, run.err
    assert len(run.document()["sandbox_sessions"]) == 2
    assert any("collector's list" in row["detail"] for row in run.lines("problems.jsonl"))


def test_the_locale_changes_nothing(shipped: Callable[[str], Run], tmp_path: Path) -> None:
    plain = shipped("kape")
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii",
            "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "77"}  # fmt: skip
    other = timeline(KAPE, tmp_path / "other", "--jobs", "3", env=bare)
    assert other.code == 0, other.err
    for path in sorted(plain.case.iterdir()):
        if path.name != "run.json":
            assert path.read_bytes() == (other.case / path.name).read_bytes(), path.name


def test_a_missing_software_hive_hides_nothing(host: Path, tmp_path: Path) -> None:
    (host / "Windows/System32/config/SOFTWARE").unlink()
    (host / "Windows/System32/config/SYSTEM").write_bytes(b"junk")
    run = timeline(host.parent, tmp_path / "case")
    document = run.document()
    assert document["host"]["name"] == "WS-TANAKA"
    assert document["host"]["unknown"]["name"].startswith("inferred: event records name the computer WS-TANAKA;")
    assert len(document["sandbox_sessions"]) == 2
    assert len(document["tunnel_sessions"]) == 1


def test_a_parser_that_takes_too_long_is_killed_and_reported(host: Path) -> None:
    log = host / "Windows/System32/winevt/Logs/Microsoft-Windows-Sysmon%4Operational.evtx"
    data = log.read_bytes()
    with log.open("ab") as handle:
        for _ in range(128 * MIB // (len(data) - 4096)):
            handle.write(data[4096:])
    # Thirty seconds for a small file, whatever else the machine does; a second and a half for this one.
    limits = Limits(seconds=30, seconds_per_mib=-28.5 * MIB / log.stat().st_size, jobs=1)
    case = analyse(host.parent, options=Options(limits=limits))
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
