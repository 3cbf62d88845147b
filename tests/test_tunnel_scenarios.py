"""Tunnels told by hosts that keep different traces of them: what comes out is the story, and no secret of it.

The first half holds the scenarios themselves to what is known of the programs (tokens, locks, local times); the second
half gives each of them to the tool.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgpack
import pyarrow.parquet
import pytest

from testdata import collections
from testdata.expected import differences
from testdata.host import SCENARIOS, FileRecord, scenario
from testdata.render import Rendered, render
from testdata.triage import taken
from testdata.writers.browsers import Download, Visit, chromium
from testdata.yamldata import read
from tests.running import Run, timeline, tool
from tests.stories import Teller, check_coverage, check_sessions_rest_on_rows, stories, teller

STORIES = stories("tunnel-*")
_LOOKS_SECRET = re.compile(r"\bgh[opusr]_\w{20,}|\bgithub_pat_\w{20,}|\beyJ[\w-]{10,}(?:\.[\w-]+){0,2}")
_TOKEN = re.compile(r"--connection-token[= ]\"?([\w-]{43,44})\b")
_MARK = re.compile(r"@(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)@")
_NESTED = re.compile(r"@(\S+Z)@\] trace .*\[codeserver\.\d+\] \[(\d\d:\d\d:\d\d)\]")
_LOG_FOLDER = re.compile(r"\\data\\logs\\(\d{8}T\d{6})\\remoteagent\.log$")
_SECOND, _IDLE = timedelta(seconds=1), timedelta(minutes=6)


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Teller:
    """Gives the outcome of a scenario; each is rendered and run once."""
    return teller(tmp_path_factory)


def secrets(name: str) -> set[str]:
    """What a scenario plants: texts named `secret...`, and what looks like a token."""
    found: set[str] = set()
    for path in (SCENARIOS / name).glob("*.yml"):
        names = read(path).get("names", {})
        found |= {str(value) for key, value in names.items() if key.startswith("secret")}
        found |= set(_LOOKS_SECRET.findall(path.read_text(encoding="utf-8")))
    return found


def marked(name: str) -> list[tuple[FileRecord, list[datetime]]]:
    """The files with local times in them, and the moments these stand for."""
    files = [(file, _MARK.findall(file.text or "")) for file in scenario(name).files]
    return [(file, [datetime.fromisoformat(text) for text in found]) for file, found in files if found]


class TestTheScenarios:
    @pytest.mark.parametrize("name", STORIES)
    def test_a_connection_token_is_the_hash_of_the_tunnels_id(self, name: str) -> None:
        expected = json.loads(STORIES[name].read_text(encoding="utf-8"))
        known = {base64.urlsafe_b64encode(hashlib.sha256(session["tunnel_id"].encode()).digest()).decode().rstrip("=")
                 for session in expected["tunnel_sessions"] if session.get("tunnel_id")}  # fmt: skip
        known = {"a" + token if token.startswith("-") else token for token in known}
        host = scenario(name)
        texts = [process.command for process in host.processes] + [file.text or "" for file in host.files]
        assert {token for text in texts for token in _TOKEN.findall(text)} <= known

    @pytest.mark.parametrize("name", STORIES)
    def test_a_lock_names_the_process_that_wrote_it(self, name: str) -> None:
        host = scenario(name)
        alive = {process.pid: process.start for process in host.processes if process.logs}
        for path, file in render(host).items():
            if re.search(r"/(?:tunnel|forwarding)-[a-z]+\.lock$", path):
                pipe, pid = msgpack.unpackb(file.data[1:])
                assert re.fullmatch(r"\\\\\.\\pipe\\code(?:-\w+)?-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", pipe)
                assert file.data[0] == 0
                if pid in alive:
                    assert timedelta(0) <= file.times.mtime - alive[pid] < timedelta(minutes=1), path

    @pytest.mark.parametrize("name", STORIES)
    def test_a_log_begins_after_its_file_and_ends_with_it(self, name: str) -> None:
        for file, moments in marked(name):
            assert moments == sorted(moments), file.path
            assert file.birth - _SECOND <= moments[0], file.path
            assert -_SECOND <= (file.mtime or file.birth) - moments[-1] <= _IDLE, file.path

    @pytest.mark.parametrize("name", STORIES)
    def test_local_times_that_stand_as_such_are_right(self, name: str) -> None:
        zone = ZoneInfo(scenario(name).zone)
        for file, moments in marked(name):
            for outer, inner in _NESTED.findall(file.text or ""):
                local = datetime.fromisoformat(outer).astimezone(zone)
                assert abs(datetime.strptime(inner, "%H:%M:%S").replace(
                    year=local.year, month=local.month, day=local.day, tzinfo=zone) - local) <= _SECOND  # fmt: skip
            if folder := _LOG_FOLDER.search(file.path):
                stamp = datetime.strptime(folder[1], "%Y%m%dT%H%M%S").replace(tzinfo=zone)
                assert timedelta(0) <= file.birth - stamp <= 2 * _SECOND, file.path
                assert timedelta(0) <= moments[0] - stamp <= 2 * _SECOND, file.path

    @pytest.mark.parametrize("name", STORIES)
    def test_the_history_is_written_when_it_says(self, name: str) -> None:
        for file in scenario(name).files:
            if file.path.endswith("\\entries.json") and file.deleted is None:
                last = json.loads(file.text or "")["entries"][-1]["timestamp"]
                gap = (file.mtime or file.birth) - datetime.fromtimestamp(last / 1000, UTC)
                assert timedelta(0) <= gap <= 2 * _SECOND, file.path

    @pytest.mark.parametrize("name", STORIES)
    def test_its_secrets_are_in_the_evidence(self, name: str) -> None:
        files = [file.data for file in render(scenario(name)).values()]
        assert secrets(name)
        for secret in secrets(name):
            forms = (secret.encode(), secret.encode("utf-16-le"))
            assert any(form in data for data in files for form in forms), secret


@pytest.mark.parametrize("name", STORIES)
def test_the_story_comes_out(told: Teller, name: str) -> None:
    assert differences(told(name).expected, told(name).document) == []


@pytest.mark.parametrize("name", STORIES)
def test_no_session_beyond_the_story(told: Teller, name: str) -> None:
    expected, found = told(name).expected["tunnel_sessions"], told(name).document["tunnel_sessions"]
    assert len(found) <= len(expected)
    assert {item["tunnel_id"] for item in found} <= {item.get("tunnel_id") for item in expected}
    assert told(name).document["sandbox_sessions"] == []


@pytest.mark.parametrize("name", STORIES)
def test_the_run_is_clean(told: Teller, name: str) -> None:
    run, document = told(name).run, told(name).document
    assert document["problems"] == []
    assert run.code == 0, run.err
    check_coverage(document)


@pytest.mark.parametrize("name", STORIES)
def test_every_session_rests_on_rows_of_the_case(told: Teller, name: str) -> None:
    check_sessions_rest_on_rows(told(name), "tunnel_sessions")


def outputs(run: Run) -> dict[str, str]:
    """All that a run gives, as text: the files of the case, what it printed, and what `show` prints of it."""
    found = {"standard output": run.out, "standard error": run.err}
    for path in sorted(path for path in run.case.rglob("*") if path.is_file()):
        if path.suffix == ".parquet":
            found[path.name] = repr(pyarrow.parquet.read_table(path).to_pylist())
        else:
            found[path.name] = path.read_bytes().decode("utf-8", "replace")
    for part in ("summary", "tunnel", "persistence", "problems"):
        for form in ((), ("--json",)):
            found[f"show {part} {form}"] = tool("show", run.case, part, *form).stdout
    return found


@pytest.mark.parametrize("name", STORIES)
def test_no_output_holds_a_secret(told: Teller, name: str, tmp_path: Path) -> None:
    run = timeline(told(name).evidence, tmp_path / "case", "--all-events", "--verbose", "--log-file", tmp_path / "log")
    written = outputs(run) | {"log file": (tmp_path / "log").read_text(encoding="utf-8")}
    assert {"timeline.jsonl", "timeline.csv", "sessions.json", "events.parquet", "undated.jsonl"} <= set(written)
    # The middle of each part: a mask may keep the first signs that say what it was.
    parts = {part[6:24] for secret in secrets(name) for part in secret.split(".") if len(part) > 20}
    assert parts
    leaks = [(where, part) for where, text in written.items() for part in parts
             if part in text or part.encode().hex() in text]  # fmt: skip
    assert leaks == []


def test_the_download_is_told(told: Teller) -> None:
    rows = told("tunnel-interactive").run.lines("timeline.jsonl")
    urls = [str(row) for row in rows if "vscode_cli_win32_x64_cli.zip" in str(row)]
    assert any("https://vscode.download.prss.microsoft.com/" in text for text in urls)


def test_the_wiping_is_told(told: Teller) -> None:
    rows = told("tunnel-unregistered-wiped").run.lines("timeline.jsonl")
    gone = {row["file_name"] for row in rows if row["kind"] == "usn.file_deleted"}
    assert {"code_tunnel.json", "tunnel-service.log", "tunnel-stable.lock", "license_consent.json", "lru.json"} <= gone


def test_the_actor_stands_out_and_an_ordinary_tunnel_does_not(told: Teller) -> None:
    (actor,) = told("tunnel-renamed-task").document["tunnel_sessions"]
    (ordinary,) = told("tunnel-interactive").document["tunnel_sessions"]
    assert actor["score"] >= 80 > 40 > ordinary["score"] > 0


def test_the_server_was_moved_to_its_place_at_the_first_attach(told: Teller) -> None:
    outcome = told("tunnel-unregistered-wiped")
    (row,) = [row for row in outcome.run.lines("timeline.jsonl") if row["kind"] == "usn.file_renamed"]
    assert (row["old_name"].rpartition(".")[2], len(row["file_name"])) == ("staging", len("Stable-") + 40)
    assert row["datetime"].startswith("2025-02-03T02:40:27.904")
    (session,) = outcome.document["tunnel_sessions"]
    (client,) = session["clients"]
    assert client["start"].startswith("2025-02-03T02:40:25.204118")


def test_terminals_downloads_and_runs_reach_the_session(told: Teller) -> None:
    (session,) = told("tunnel-interactive").document["tunnel_sessions"]
    reasons = "\n".join(session["reasons"])
    assert "its program was marked as come from the web" in reasons
    assert "runs of its program are remembered (bam.run, prefetch.run)" in reasons


def test_the_browsers_history_tells_download_and_login(tmp_path: Path) -> None:
    """The same host with its browser's history: the way of the program, the provider, the tunnel's own page."""
    host = scenario("tunnel-interactive")
    source = "https://code.visualstudio.com/sha/download?build=stable&os=cli-win32-x64"
    visits = [
        Visit(datetime(2025, 2, 3, 1, 14, 30, tzinfo=UTC), "https://github.com/login/device", "Device Activation", 1),
        Visit(datetime(2025, 2, 3, 1, 15, 30, tzinfo=UTC), "https://vscode.dev/tunnel/suzuki-note", "x", 1),
        Visit(datetime(2025, 2, 3, 1, 15, 40, tzinfo=UTC), "https://example.com/", "x", 1),
    ]
    zip_file = "C:\\Users\\鈴木\\Downloads\\vscode_cli_win32_x64_cli.zip"
    start = datetime(2025, 2, 3, 1, 12, 40, tzinfo=UTC)
    data, _ = chromium(visits, [Download(start, (source,), zip_file, 6144, start)])
    files = taken(host)
    times = next(iter(files.values())).times
    history = "Users/鈴木/AppData/Local/Microsoft/Edge/User Data/Default/History"
    evidence = collections.kape(host, files | {history: Rendered(data, times)}, tmp_path / "evidence")
    run = timeline(evidence, tmp_path / "case")
    (session,) = run.document()["tunnel_sessions"]
    reasons = "\n".join(session["reasons"])
    assert session["provider"] == "github"
    assert "its page of a device login was opened here near the hosting (inference)" in reasons
    assert "its program was downloaded by a browser at 2025-02-03 01:12:40.000 UTC: https://code.visualst" in reasons
    assert "the tunnel's own page (vscode.dev/tunnel/...) was opened in a browser of this host" in reasons
    events = set(session["events"])
    rows = [row for row in run.lines("timeline.jsonl") if row["kind"].startswith("browser.")]
    assert {row["url"] for row in rows if row["event_uid"] in events} == {row["url"] for row in rows} - {
        "https://example.com/"
    }
