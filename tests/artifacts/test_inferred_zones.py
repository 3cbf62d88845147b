"""Logs in local time of a host whose zone nothing tells: each file's own last line and times tell it, for that file."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forensics.artifacts import (
    remoteagent_log,
    server_data_logs,
    tunnel_log,
    tunnel_server_log,
    vscode_client_log,
    vscode_forwarding_log,
    vscode_tunnel_service_log,
)
from forensics.artifacts.base import FileArtifact
from forensics.formats import logzone
from forensics.model import Fact
from tests.artifacts.file_inputs import BORN, CLI, MODIFIED, SERVER, given, run, sorted_out, utc
from tests.evidence.layouts import folder
from tests.running import timeline

DATA = "C:/Users/hanako/.vscode-server/data/logs/20250203T102015"
ROAMING = "C:/Users/hanako/AppData/Roaming/Code/logs/20250203T102015"
LAST = "2025-02-03 10:20:31.250 [info] Extension host agent started.\n"
ACCOUNT = "2025-02-03 10:20:31.250 [info] Session updated: suzuki (github) (service=false)\n"
END = utc(2025, 2, 3, 1, 20, 31, 300_000)  # the last line, nine hours earlier
CASES: dict[str, tuple[FileArtifact, str, str]] = {
    "remoteagent": (remoteagent_log.ARTIFACT, f"{DATA}/remoteagent.log", LAST),
    "server data": (server_data_logs.ARTIFACT, f"{DATA}/ptyhost.log", LAST),
    "server console": (tunnel_server_log.ARTIFACT, f"{SERVER}/log.txt", "[10:20:31] Extension host agent started.\n"),
    "client": (vscode_client_log.ARTIFACT, f"{ROAMING}/window1/exthost/ms-vscode.remote-server/x.log", LAST),
    "forwarding": (vscode_forwarding_log.ARTIFACT, f"{ROAMING}/window1/exthost/vscode.tunnel-forwarding/x.log", LAST),
    "desktop": (vscode_tunnel_service_log.ARTIFACT, f"{ROAMING}/remoteTunnelService.log", ACCOUNT),
}


def first(what: str, times: dict[str, datetime]) -> Fact:
    artifact, path, text = CASES[what]
    facts, problems = run(artifact, path, text, times, None)
    assert not problems
    return facts[0]


@pytest.mark.parametrize("what", CASES)
def test_the_last_line_and_the_file_name_one_moment(what: str) -> None:
    fact = first(what, {MODIFIED: END})
    assert fact.times[BORN].replace(microsecond=0) == utc(2025, 2, 3, 1, 20, 31)
    assert "inference for this file alone: its last line is +9.00 h from" in str(fact.fields["log_zone_reason"])
    assert fact.fields["log_zone"] == "local"


@pytest.mark.parametrize("what", CASES)
@pytest.mark.parametrize("late", [timedelta(seconds=40), timedelta(minutes=7), timedelta(days=3, seconds=99)])
def test_what_does_not_agree_to_the_second_infers_nothing(what: str, late: timedelta) -> None:
    fact = first(what, {MODIFIED: END + late})
    assert not fact.times
    assert "inference" not in str(fact.fields.get("log_zone_reason"))
    assert not first(what, {}).times


@pytest.mark.parametrize("what", CASES)
def test_a_known_zone_is_not_asked_twice(what: str) -> None:
    artifact, path, text = CASES[what]
    facts, _ = run(artifact, path, text, {MODIFIED: utc(2025, 2, 3, 5, 20, 31)})  # five hours from it
    assert "inference" not in str(facts[0].fields.get("log_zone_reason"))


def test_two_clocks_in_the_desktops_log() -> None:
    """The CLI's stamp inside is UTC, the desktop's outside local: the desktop's own lines are dated by them."""
    text = (
        "2026-08-03 11:20:40.100 [info] Session updated: suzuki (github) (service=false)\n"
        "2026-08-03 11:20:46.871 [info] [2026-08-03 02:20:46] info starting as new singleton\n"
    )
    facts, _ = run(vscode_tunnel_service_log.ARTIFACT, CASES["desktop"][1], text, None, None)
    assert facts[0].kind == "tunnel.account"
    assert facts[0].times[BORN] == utc(2026, 8, 3, 2, 20, 40, 100_000)
    assert "which are UTC, are +9.00 h from the desktop's" in str(facts[0].fields["log_zone_reason"])


@pytest.mark.parametrize(
    ("clock", "modified", "hours"),
    [("10:20:31", "01:20:31", 9), ("20:20:31", "01:20:31", -5),
     ("00:10:00", "18:40:02", 5.5), ("01:20:31", "01:20:33", 0),
     ("23:00:00", "10:00:00", None), ("10:00:00", "23:00:00", 11), ("22:00:00", "10:00:00", None),
     ("10:20:31", "01:20:51", None)],
)  # fmt: skip
def test_a_clock_without_a_date(clock: str, modified: str, hours: float | None) -> None:
    """Half a day apart it may be either side of the date line: then nothing is inferred."""
    parts = [int(part) for part in clock.split(":")]
    moment = datetime.fromisoformat(f"2025-02-03T{modified}+00:00")
    found = logzone.offset_by_clock(timedelta(hours=parts[0], minutes=parts[1], seconds=parts[2]), moment)
    assert found == (None if hours is None else timedelta(hours=hours))


@pytest.mark.parametrize(("hours", "zone"), [(9, "local"), (0, "utc"), (None, "local")])
def test_the_copys_own_time_counts_where_it_agrees(hours: int | None, zone: str) -> None:
    """A collector that keeps times leaves the original's; where it does not agree it is that of copying."""
    written = utc(2024, 5, 1) if hours is None else utc(2024, 12, 4, 18, 30, 2) - timedelta(hours=hours)
    text = b"[2024-12-04 18:30:00] debug starting as new singleton\n"
    made = replace(given(f"{CLI}/tunnel-service.log", text, None, None), copy_written=written)
    facts, _ = sorted_out(tunnel_log.ARTIFACT, list(tunnel_log.ARTIFACT.parse(replace(made, fh=io.BytesIO(text)))))
    assert facts[0].fields["log_zone"] == zone
    assert bool(facts[0].times) is (hours is not None)
    assert ("the copy in the evidence, to the second" in str(facts[0].fields["log_zone_reason"])) is (hours is not None)


def test_a_folder_that_kept_its_times(tmp_path: Path) -> None:
    """End to end: the host's zone stays unknown, one file's rows are dated."""
    top = folder(tmp_path / "in", {"a.log": LAST.encode(), "b.log": LAST.encode()})
    os.utime(top / "a.log", (END.timestamp(), END.timestamp()))
    done = timeline(top, tmp_path / "case", "--all-events")
    rows = [row for row in done.lines("timeline.jsonl") if row.get("log_zone")]
    assert [row["datetime"] for row in rows] == [utc(2025, 2, 3, 1, 20, 31, 250_000).astimezone(UTC).isoformat()]
    assert len(done.lines("undated.jsonl")) == 1
    assert done.document()["evidence"][0]["host"]["timezone"] is None
