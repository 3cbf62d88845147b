"""Logs whose local stamps nothing places in time: what they mean is told, when is left open."""

from __future__ import annotations

import io
from datetime import UTC, timedelta
from typing import Any

import pytest
from rich.console import Console

from forensics.model import TunnelSession, Value, to_plain
from forensics.show.tunnels import print_tunnels
from tests.sessions.factory import at, looked
from tests.sessions.tunnels import COMMIT, LOG, OWNER, PROFILE, RUN, SERVER, Tunnel, only

AGENT = f"{PROFILE}/.vscode-server/data/logs/20241205T101555/remoteagent.log".replace("\\", "/")
CONSOLE = f"{SERVER.rpartition(chr(92))[0]}/log.txt".replace("\\", "/")


class Undated(Tunnel):
    def said(self, kind: str, path: str = LOG, **fields: Value) -> None:
        self._count += 1
        self.file(kind, path, {}, f"line {self._count}", **{**OWNER, **fields})

    def log(self) -> None:
        self.said("tunnel.host_started", command_line=RUN)
        self.said("tunnel.client_serving", rpc_id="0", commit=COMMIT)
        self.said("server.window_opened", rpc_id="0", connection_id="77ab01cd")
        self.said("tunnel.client_disconnected", rpc_id="0")
        self.said("tunnel.host_stopped", reason="RPC client requested shutdown")


@pytest.fixture
def scene() -> Undated:
    made = Undated()
    made.log()
    return made


def text(session: TunnelSession) -> str:
    return "\n".join(session.reasons)


def test_a_run_without_times_is_a_run(scene: Undated) -> None:
    (period,) = only(scene).hosting
    assert (period.start, period.end, period.command_line) == (None, None, RUN)
    assert (period.end_reason, period.as_service) == ("RPC client requested shutdown", True)


def test_the_command_line_and_the_client_score(scene: Undated) -> None:
    session = only(scene)
    assert {"TUN-01", "TUN-02"} <= {reason.partition(" ")[0] for reason in session.reasons}
    assert session.score == 30, "client, service, a program in Temp"


def test_copies_of_a_connection_count_once(scene: Undated) -> None:
    for path in (AGENT, CONSOLE):
        scene.said("server.window_opened", path, connection_id="77ab01cd")
    scene.said("server.window_opened", AGENT, connection_id="e5f60718")
    (client,) = only(scene).clients
    assert (client.start, client.server_commit, client.windows) == (None, COMMIT, 1)
    assert client.end_kind == "disconnected"
    assert "1 connection in the CLI's log and 2 editor windows" in text(only(scene))


def test_windows_of_a_run_that_no_log_of_the_cli_tells_are_clients_too(scene: Undated) -> None:
    scene.said("server.window_opened", AGENT.replace("1205T", "1204T"), connection_id="1a2b3c4d")
    assert len(only(scene).clients) == 2


def test_a_run_that_is_dated_elsewhere_is_not_told_twice(scene: Undated) -> None:
    scene.process(0, RUN.partition(" ")[0], RUN, pid="7000")
    session = only(scene)
    assert len(session.hosting) == 1
    assert "may be one of the dated ones" in text(session)


def test_a_log_that_is_at_hand_is_not_said_to_hold_nothing(scene: Undated) -> None:
    quiet = Undated()
    quiet.said("tunnel.host_started", command_line=RUN)
    session = quiet.build([looked("tunnel_log", "complete"), looked("remoteagent_log", "not_collected")])
    reasons = text(session.tunnel_sessions[0])
    assert "the CLI's log: at hand, names none; the server's logs: not collected" in reasons
    assert "nothing found" not in reasons


def test_a_client_known_by_its_servers_folder_names_the_undated_log(scene: Undated) -> None:
    scene.journal("created", 50, SERVER.rpartition("\\")[0])
    session = only(scene)
    assert "no log of it is left" not in text(session)
    assert "the logs at hand have no usable time" in text(session)
    assert len(session.clients) == 1


def test_the_terminal_says_that_the_times_are_unknown(scene: Undated) -> None:
    out = Console(file=io.StringIO(), width=200)
    session: dict[str, Any] = to_plain(only(scene))
    print_tunnels({"tunnel_sessions": [session], "evidence": []}, UTC, out, full=False)
    assert "hosted 1× (times unknown), 1 client connection" in out.file.getvalue()  # type: ignore[attr-defined]


def test_both_readings_of_an_undecided_log_are_shown_also_of_clients() -> None:
    scene = Undated()
    scene.line("host_started", 0, command_line=RUN, log_time_if_utc="2024-12-02T12:30:00+00:00")
    scene.line("client_serving", 60, rpc_id="0", commit=COMMIT, log_time_if_utc="2024-12-02T12:31:00+00:00")
    scene.line("client_disconnected", 90, rpc_id="0", log_time_if_utc="2024-12-02T12:31:30+00:00")
    session = only(scene)
    (client,) = session.clients
    assert client.start_if_utc == at(60) + timedelta(hours=9)
    assert client.end_if_utc == at(90) + timedelta(hours=9)
    out = Console(file=io.StringIO(), width=200)
    print_tunnels({"tunnel_sessions": [to_plain(session)], "evidence": []}, UTC, out, full=False)
    shown = out.file.getvalue()  # type: ignore[attr-defined]
    assert "(if the log is in UTC: 2024-12-02 12:31:00Z – 2024-12-02 12:31:30Z)" in shown
    assert "(if the log is in UTC: 2024-12-02 12:30:00Z – ?)" in shown
