"""The desktop's tunnel log: public samples, the scenarios' files, and stamps against stamps."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from forensics.artifacts import vscode_tunnel_service_log
from forensics.evidence.globs import GlobSet
from forensics.formats import desktoplog
from forensics.model import Fact
from testdata.host import scenario
from testdata.render import render
from tests.artifacts.file_inputs import BORN, TOKYO, run, utc

ARTIFACT = vscode_tunnel_service_log.ARTIFACT
PATH = "C:/Users/鈴木/AppData/Roaming/Code/logs/20250203T091003/remoteTunnelService.log"
ISTANBUL = ZoneInfo("Europe/Istanbul")


def facts_of(text: str | bytes, zone: ZoneInfo | None = TOKYO) -> list[Fact]:
    facts, problems = run(ARTIFACT, PATH, text, zone=zone)
    assert problems == []
    return facts


def shipped(name: str) -> bytes:
    return render(scenario(name))[PATH.removeprefix("C:/")].data


@pytest.mark.parametrize("name", ["remote_tunnel_1_82_local.log", "remote_tunnel_2026_utc_inner.log"])
def test_the_public_logs_have_no_line_that_is_not_understood(samples: Path, name: str) -> None:
    data = (samples / "vscode-tunnel" / name).read_bytes()
    records = list(desktoplog.read(io.BytesIO(data)))
    assert len(records) > 8
    assert [record.text for record in records if not record.known] == []
    assert all(record.stamp for record in records)


def test_the_public_log_with_local_stamps_inside(samples: Path) -> None:
    facts = facts_of((samples / "vscode-tunnel" / "remote_tunnel_1_82_local.log").read_bytes())
    kept = [fact for fact in facts if not fact.context]
    assert [fact.kind for fact in kept] == [
        "tunnel.account", "tunnel.account", "vscode.cli_spawned", "tunnel.service_registered", "tunnel.log_message",
    ]  # fmt: skip
    account = kept[0].fields
    assert (account["account"], account["provider_name"], account["as_service"]) == ("exampleuser", "github", True)
    assert kept[2].fields["cli_call"] == "serviceInstall"
    assert str(kept[2].fields["command_line"]).endswith("--log info --name example-host01")
    registered = kept[3]
    assert registered.times == {BORN: utc(2024, 9, 12, 7, 5, 25, 727000)}
    assert registered.fields["log_zone"] == "local"
    assert registered.fields["log_outer_stamp"] == "2024-09-12 16:05:25.727"
    assert registered.fields["log_inner_stamp"] == "2024-09-12 16:05:25"
    assert "data_dir" not in registered.fields


def test_the_public_log_with_utc_inside(samples: Path) -> None:
    facts = facts_of((samples / "vscode-tunnel" / "remote_tunnel_2026_utc_inner.log").read_bytes(), ISTANBUL)
    served = next(fact for fact in facts if fact.kind == "tunnel.client_serving")
    assert served.times == {BORN: utc(2026, 7, 1, 10, 34, 59, 138000)}
    assert served.fields["log_zone"] == "utc"
    assert "+3.00 h" in str(served.fields["log_zone_reason"])
    # The last chunk is of another machine, four hours behind UTC: its own stamps say so.
    created, version = [fact for fact in facts if not fact.context][-2:]
    assert created.times == {BORN: utc(2026, 8, 18, 3, 57, 38, 674000)}
    assert "-4.00 h" in str(created.fields["log_zone_reason"])
    assert "another zone" in str(created.fields["log_zone_reason"])
    assert version.times == {BORN: utc(2026, 8, 18, 3, 57, 45, 184000)}
    assert version.fields["product_version"] == "1.130.0"


def test_without_the_hosts_zone_the_log_dates_itself_where_the_inside_is_utc(samples: Path) -> None:
    folder = samples / "vscode-tunnel"
    text = (folder / "remote_tunnel_2026_utc_inner.log").read_text(encoding="utf-8").partition("2026-08-16")[0]
    facts = facts_of(text, None)
    assert facts[0].kind == "tunnel.account"
    assert facts[0].times == {BORN: utc(2026, 7, 1, 8, 47, 31, 362000)}
    assert all(fact.times for fact in facts)
    local = facts_of((folder / "remote_tunnel_1_82_local.log").read_bytes(), None)
    assert not any(fact.times for fact in local)


def test_the_scenario_of_a_desktop_tunnel() -> None:
    facts = facts_of(shipped("tunnel-desktop"))
    kept = [(fact.kind, fact.times[BORN].strftime("%H:%M:%S.%f")[:12]) for fact in facts if not fact.context]
    assert kept == [
        ("tunnel.account", "00:41:12.331"),
        ("tunnel.account", "00:41:12.332"),
        ("vscode.cli_spawned", "00:41:12.802"),
        ("vscode.cli_ended", "00:41:13.731"),
        ("vscode.cli_spawned", "00:41:13.902"),
        ("tunnel.created", "00:41:15.204"),
        ("tunnel.link_shown", "00:41:16.777"),
        ("tunnel.client_connected", "02:20:31.412"),
        ("tunnel.client_serving", "02:20:32.118"),
        ("tunnel.log_message", "02:20:32.204"),
        ("tunnel.server_started", "02:20:46.902"),
        ("tunnel.client_disconnected", "04:05:10.331"),
        ("vscode.cli_ended", "07:55:30.204"),
        ("vscode.tunnel_reset", "07:55:30.206"),
        ("vscode.cli_spawned", "07:55:30.331"),
        ("tunnel.log_message", "07:55:30.690"),
        ("vscode.cli_ended", "07:55:30.710"),
    ]
    link = next(fact for fact in facts if fact.kind == "tunnel.link_shown")
    assert link.fields["tunnel_name"] == "suzuki-desk"
    assert {fact.fields["profile_user"] for fact in facts} == {"鈴木"}
    own = {str(fact.fields["user_data_dir"]) for fact in facts if fact.kind.startswith("vscode.")}
    assert own == {"C:\\Users\\鈴木\\AppData\\Roaming\\Code"}


def test_a_developers_log_is_context_alone() -> None:
    facts = facts_of(shipped("tunnel-developer"))
    assert len(facts) == 2
    assert all(fact.context for fact in facts)


def test_asking_for_the_status_is_context_and_its_answer_is_read() -> None:
    answer = (
        '{"tunnel":{"name":"desk","started_at":"2025-04-16T21:30:06.255541221Z","tunnel":"Connected",'
        '"last_connected_at":"2025-04-16T21:30:13.282022913Z","last_disconnected_at":null,"last_fail_reason":null},'
        '"service_installed":false}'
    )
    text = (
        "2025-04-17 07:00:00.000 [debug] status Spawning: c:\\code-tunnel.exe tunnel status\n"
        f"2025-04-17 07:00:00.200 [debug] {answer}\n"
        '2025-04-17 07:00:00.300 [debug] {"tunnel":null,"service_installed":false}\n'
        "2025-04-17 07:00:00.400 [debug] status exit(27972): + 0\n"
        '2025-04-17 07:00:00.500 [debug] {"tunnel":{{"name"}\n'
    )
    asked, told, none, ended, damaged = facts_of(text)
    assert (asked.kind, asked.context) == ("vscode.cli_spawned", True)
    assert (told.kind, told.context) == ("tunnel.status", False)
    assert told.times["Start Time"] == utc(2025, 4, 16, 21, 30, 6, 255541)
    assert told.fields["relay_connected_at"] == "2025-04-16T21:30:13.282022913Z"
    assert (told.fields["tunnel_name"], told.fields["relay_state"]) == ("desk", "Connected")
    assert told.fields["service_installed"] is False
    assert none.context
    assert (ended.fields["pid"], ended.fields["result_code"], ended.context) == ("27972", "0", True)
    assert damaged.kind == "vscode.tunnel_log_message"


def test_several_lines_of_the_cli_under_one_stamp() -> None:
    text = (
        "2025-02-03 09:41:15.204 [info] [2025-02-03 09:41:15] info Creating tunnel with the name: desk\n"
        "[2025-02-03 09:41:15] info [rpc.0] Forwarding port 80 (public=true)\n"
        "  and what follows it\n\n"
    )
    created, port = facts_of(text)
    assert created.fields["log_inner_stamp"] == port.fields["log_inner_stamp"]
    assert (port.kind, port.times) == ("tunnel.port_forwarded", {BORN: utc(2025, 2, 3, 0, 41, 15, 204000)})
    assert port.source.locator == "line 2"
    assert str(port.fields["log_message"]).endswith("follows it")


def test_stamps_that_are_no_zone_apart() -> None:
    (fact,) = facts_of("2025-02-03 09:41:15.204 [info] [2025-02-03 08:33:15] info Tunnel shut down\n")
    assert fact.fields["log_zone"] == "undecided"
    assert fact.times == {BORN: utc(2025, 2, 3, 0, 41, 15, 204000)}
    assert desktoplog.offset_between("2025-02-03 09:41:15.2", "2025-02-03 04:11:14") == timedelta(hours=5, minutes=30)
    assert desktoplog.offset_between("2025-02-03 09:41:15.2", "2025-02-01 09:41:15") is None
    assert desktoplog.offset_between("2025-02-31 09:41:15.2", "2025-02-01 09:41:15") is None


def test_the_first_builds_shape_and_text_before_any_stamp() -> None:
    stray, reset = facts_of("odd\n[2022-12-03 09:41:15.204] [remoteTunnel] [info] Session reset\n")
    assert (stray.kind, stray.times) == ("tunnel.log_message", {})
    assert reset.times == {BORN: utc(2022, 12, 3, 0, 41, 15, 204000)}


def test_where_it_is_looked_for() -> None:
    globs = GlobSet(ARTIFACT.paths)
    for path in (
        "Users/x/AppData/Roaming/Code - Insiders/logs/20240101T000000/remoteTunnelService.log",
        "Users/x/AppData/Roaming/Cursor/logs/20240101T000000/remoteTunnelService.1.log",
        "Users/x/AppData/Roaming/Code/logs/20221201T000000/remoteTunnel.log",
        "Windows/System32/config/systemprofile/AppData/Roaming/Code/logs/20240101T000000/remoteTunnelService.log",
        "Users/x/Desktop/vscode/data/user-data/logs/20240101T000000/remoteTunnelService.log",
    ):
        assert globs.matches(path), path


def test_cut_anywhere_and_hostile() -> None:
    data = shipped("tunnel-desktop")
    whole = len(facts_of(data))
    for length in range(0, len(data), 97):
        facts, _ = run(ARTIFACT, PATH, data[:length])
        assert len(facts) <= whole + 1
    _, problems = run(ARTIFACT, PATH, b"2025-02-03 09:41:15.204 [info] x" + b"y" * 100_000 + b"\x00" * 64)
    assert {problem.fault for problem in problems} == {"truncated", "zeroed"}
