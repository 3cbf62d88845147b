from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from forensics.artifacts import powershell_history, remoteagent_log, tunnel_log, tunnel_server_log
from forensics.artifacts.base import FileArtifact
from forensics.model import Fact
from tests.artifacts.file_inputs import (
    BORN,
    CLI,
    COMMIT,
    MODIFIED,
    PIPE,
    REMOTEAGENT,
    SERVER,
    TOKEN,
    TUNNEL_LOG,
    run,
    utc,
)  # fmt: skip

LOG = f"{CLI}/tunnel-service.log"
AGENT = "C:/Users/hanako/.vscode-server/data/logs/20241204T101555/remoteagent.log"
COMMON = ("log_level", "log_message", "log_zone", "log_zone_reason", "line_number", "file_offset")
END = utc(2024, 12, 4, 9, 30, 0)  # the last line, 18:30:00 in Tokyo


def own(fact: Fact) -> dict[str, object]:
    """The fields of a row without those that every log row has."""
    return {name: value for name, value in fact.fields.items() if name not in (*COMMON, "data_dir", "profile_user")}


def told(facts: list[Fact]) -> list[tuple[str, str, dict[str, object]]]:
    return [(f.times[BORN].strftime("%H:%M:%S"), f.kind, own(f)) for f in facts if not f.context]


class TestTunnelLog:
    def test_every_row_of_the_composed_log(self) -> None:
        facts, problems = run(tunnel_log.ARTIFACT, LOG, TUNNEL_LOG, {MODIFIED: END})
        assert problems == []
        start = TUNNEL_LOG.split("`")[1]
        build = {"quality": "Stable", "commit": COMMIT}
        server = {"rpc_id": "0", **build}
        command = TUNNEL_LOG.splitlines()[12].partition("command... ")[2]
        assert told(facts) == [
            ("01:02:11", "tunnel.host_started", {"command_line": start}),
            ("01:02:11", "tunnel.login", {"reason": "stored credential used"}),
            (
                "01:02:11",
                "tunnel.login",
                {"provider_name": "github", "reason": "provider inferred from the host contacted"},
            ),
            ("01:02:14", "tunnel.relay_connected", {"reason": "websocket handshake done"}),
            ("01:15:40", "tunnel.client_connected", {"channel_number": "2"}),
            ("01:15:41", "tunnel.client_serving", {"rpc_id": "0", **build}),
            (
                "01:15:52",
                "tunnel.server_started",
                {
                    **server,
                    "reason": "command of the server",
                    "command_line": command,
                    "tunnel_connection_token": TOKEN,
                    "pipe_name": PIPE,
                },
            ),
            ("01:15:55", "tunnel.server_started", {"rpc_id": "0"}),
            (
                "01:15:57",
                "server.window_opened",
                {**server, "connection_id": "5c1f09be", "connection_kind": "ManagementConnection"},
            ),
            ("02:40:03", "tunnel.client_disconnected", {"rpc_id": "0"}),
            ("09:30:00", "tunnel.host_stopped", {"reason": "RPC client requested shutdown"}),
        ]
        assert {fact.fields["data_dir"] for fact in facts} == {"C:\\Users\\hanako\\.vscode\\cli"}
        assert {fact.fields["profile_user"] for fact in facts} == {"hanako"}
        assert {fact.fields["log_zone"] for fact in facts} == {"local"}
        assert len(facts) == 19
        assert facts[9].source.locator == "line 10"
        assert TUNNEL_LOG.encode()[facts[9].fields["file_offset"] :].startswith(b"[2024-12-04 10:15:41] debug [rpc.0]")

    def test_the_same_log_written_in_utc(self) -> None:
        plain = "\n".join(line for line in TUNNEL_LOG.splitlines() if "codeserver" not in line)
        facts, _ = run(tunnel_log.ARTIFACT, LOG, plain, {MODIFIED: utc(2024, 12, 4, 18, 30, 1)})
        assert facts[0].fields["log_zone"] == "utc"
        assert facts[-1].times == {BORN: utc(2024, 12, 4, 18, 30)}

    def test_an_undecided_log_keeps_both_readings(self) -> None:
        text = "[2026-02-01 10:00:00] info Opened new client on channel 3\n"
        (fact,), _ = run(tunnel_log.ARTIFACT, LOG, text)
        assert fact.times == {BORN: utc(2026, 2, 1, 1)}
        assert fact.fields["log_zone"] == "undecided"
        assert fact.fields["log_time_if_utc"] == "2026-02-01T10:00:00+00:00"

    def test_without_the_hosts_zone_a_local_time_is_no_time(self) -> None:
        facts, _ = run(tunnel_log.ARTIFACT, LOG, TUNNEL_LOG, zone=None)
        assert all(not fact.times for fact in facts)
        assert facts[0].no_times[BORN] == "local time, and the host's zone is not known (2024-12-04 10:02:11)"

    def test_a_second_start_of_the_same_process(self) -> None:
        text = (
            "[2024-12-04 10:00:00] debug starting as new singleton\n"
            "[2024-12-04 10:05:00] info Shutting down: RPC client requested a tunnel restart\n"
            "[2024-12-04 10:05:01] debug starting as new singleton\n"
        )
        facts, _ = run(tunnel_log.ARTIFACT, LOG, text)
        assert [fact.kind for fact in facts] == ["tunnel.host_started", "tunnel.host_stopped", "tunnel.host_started"]

    @pytest.mark.parametrize(
        ("line", "kind", "fields"),
        [
            ("info [rpc.7] Forwarding port 13332 (public=false)", "port_forwarded", {"port": 13332, "public": False}),
            ("info forwarding port 8080 at Public", "port_forwarded", {"port": 8080, "public": True}),
            ("info [rpc.7] Unforwarding port 13332", "port_closed", {"port": 13332}),
            (
                'debug [rpc.7] requested to spawn cmd.exe with args ["/c", "whoami"]',
                "command_spawned",
                {"command_line": 'cmd.exe ["/c", "whoami"]'},
            ),
            ("info Creating tunnel with the name: desktop-4k2lq9a", "created", {"tunnel_name": "desktop-4k2lq9a"}),
            (
                'info Adopting existing tunnel (ID=ID { cluster: "usw2", id: "0lhl8jhv" })',
                "created",
                {"tunnel_id": "0lhl8jhv", "tunnel_cluster": "usw2", "reason": "existing tunnel adopted"},
            ),
            (
                'debug Connected to tunnel endpoint: TunnelEndpoint { port_uri_format: Some("https://q7m2xk4d-{port}.'
                'jpe1.devtunnels.ms/") }',
                "relay_connected",
                {"tunnel_id": "q7m2xk4d", "tunnel_cluster": "jpe1"},
            ),
            (
                "warn Tunnel exited unexpectedly but gracefully, reconnecting",
                "relay_lost",
                {"reason": "Tunnel exited unexpectedly but gracefully, reconnecting"},
            ),
            (
                "info [rpc.3] Found running server (pid=4711)",
                "server_started",
                {"server_pid": "4711", "reason": "running server reused"},
            ),
            (
                "info To grant access to the server, please log into https://github.com/login/device and use code "
                "ABCD-1234",
                "login",
                {
                    "provider_name": "github",
                    "reason": "device code prompt",
                    "user_code": "ABCD-1234",
                    "url": "https://github.com/login/device",
                },
            ),
            (
                "info Open this link in your browser https://vscode.dev/tunnel/lab/C:/Temp%20x",
                "link_shown",
                {
                    "tunnel_name": "lab",
                    "opened_path": "C:/Temp x",
                    "url": "https://vscode.dev/tunnel/lab/C:/Temp%20x",
                },
            ),
            ("info Successfully registered service...", "service_registered", {}),
        ],
    )
    def test_single_lines(self, line: str, kind: str, fields: dict[str, object]) -> None:
        (fact,), problems = run(tunnel_log.ARTIFACT, LOG, f"[2024-12-04 10:00:00] {line}\n")
        assert fact.kind == f"tunnel.{kind}"
        got = own(fact)
        got.pop("rpc_id", None)
        assert got == fields
        assert not fact.context
        assert problems == []

    def test_what_is_not_in_the_catalogue_is_context(self) -> None:
        (fact,), _ = run(tunnel_log.ARTIFACT, LOG, "[2024-12-04 10:00:00] trace [russh::client] writing 35\nmore\n")
        assert (fact.kind, fact.context, fact.fields["log_message"]) == ("tunnel.log_message", True, "writing 35\nmore")

    def test_truncated_anywhere_whole_lines_stay(self) -> None:
        whole, _ = run(tunnel_log.ARTIFACT, LOG, TUNNEL_LOG)
        data = TUNNEL_LOG.encode()
        for length in range(0, len(data), 37):
            facts, _ = run(tunnel_log.ARTIFACT, LOG, data[:length])
            kept = data[:length].count(b"\n")
            assert [fact.kind for fact in facts[:kept]] == [fact.kind for fact in whole[:kept]]

    def test_an_endless_line_is_cut_and_said(self) -> None:
        text = b"[2024-12-04 10:00:00] info " + b"A" * 300_000 + b"\n[2024-12-04 10:00:01] info Server started\n"
        facts, problems = run(tunnel_log.ARTIFACT, LOG, text)
        assert [fact.kind for fact in facts] == ["tunnel.log_message", "tunnel.server_started"]
        assert [(p.fault, p.source.locator) for p in problems] == [("truncated", "line 1")]

    @pytest.mark.samples
    def test_public_samples(self, samples: Path) -> None:
        kinds = {}
        for name in ("cli_stdout_v1_127.log", "tunnel_service_2023_debug.log"):
            facts, problems = run(tunnel_log.ARTIFACT, LOG, (samples / "vscode-tunnel" / name).read_bytes())
            assert problems == []
            untimed = [fact.fields["line_number"] for fact in facts if not fact.times]
            assert untimed == ([9, 12, 14, 15] if "stdout" in name else [])
            kinds[name] = [fact.kind.partition(".")[2] for fact in facts if not fact.context]
        assert kinds == {
            "cli_stdout_v1_127.log": [
                "login", "login", "created", "log_message", "link_shown", "link_shown", "client_connected",
                "server_started", "port_forwarded", "client_disconnected",
            ],
            "tunnel_service_2023_debug.log": ["host_started", "login", "login", "relay_connected"],
        }  # fmt: skip


class TestServerLog:
    TEXT = (
        "*\n* Visual Studio Code Server\n*\n"
        f"Server bound to {PIPE}\n"
        f"Extension host agent listening on {PIPE}\n"
        "\n"
        "[23:50:10] Extension host agent started.\n"
        "[23:50:12] [<unknown>][5c1f09be][ManagementConnection] New connection established.\n"
        "[00:10:00] [<unknown>][5c1f09be][ManagementConnection] The client has disconnected gracefully, so the "
        "connection will be disposed.\n"
        "[00:15:00] Last EH closed, shutting down\n"
    )

    def test_dates_are_counted_back_from_the_last_line(self) -> None:
        times = {BORN: utc(2024, 11, 1), MODIFIED: utc(2024, 12, 4, 15, 15, 0)}  # 5 December, 00:15 in Tokyo
        facts, problems = run(tunnel_server_log.ARTIFACT, f"{SERVER}/log.txt", self.TEXT, times)
        assert problems == []
        assert told([fact for fact in facts if fact.times]) == [
            ("14:50:10", "server.started", {"quality": "Stable", "commit": COMMIT}),
            (
                "14:50:12",
                "server.window_opened",
                {
                    "quality": "Stable",
                    "commit": COMMIT,
                    "connection_id": "5c1f09be",
                    "connection_kind": "ManagementConnection",
                },
            ),
            (
                "15:10:00",
                "server.window_closed",
                {
                    "quality": "Stable",
                    "commit": COMMIT,
                    "connection_id": "5c1f09be",
                    "connection_kind": "ManagementConnection",
                },
            ),
            ("15:15:00", "server.stopped", {"quality": "Stable", "commit": COMMIT}),
        ]
        undated = [fact for fact in facts if not fact.times]
        assert [fact.fields["pipe_name"] for fact in undated] == [PIPE, PIPE]
        assert facts[-1].times[BORN].date().isoformat() == "2024-12-04"
        assert facts[0].fields["data_dir"] == "C:\\Users\\hanako\\.vscode\\cli"

    def test_a_later_modification_makes_the_date_uncertain(self) -> None:
        times = {MODIFIED: utc(2024, 12, 6, 15, 15, 0)}
        facts, _ = run(
            tunnel_server_log.ARTIFACT, f"{SERVER}/log.txt", "[10:00:00] Extension host agent started.\n", times
        )
        assert facts[0].times == {BORN: utc(2024, 12, 6, 1)}
        assert "14:15:00 after the last line: the date is not certain" in facts[0].fields["log_zone_reason"]

    def test_without_file_times_there_is_no_date(self) -> None:
        facts, _ = run(tunnel_server_log.ARTIFACT, f"{SERVER}/log.txt", self.TEXT)
        assert all(not fact.times for fact in facts)
        assert "no file times" in facts[-1].no_times[BORN]

    def test_truncated_anywhere(self) -> None:
        data = self.TEXT.encode()
        for length in range(len(data)):
            run(tunnel_server_log.ARTIFACT, f"{SERVER}/log.txt", data[:length], {MODIFIED: END})


class TestRemoteAgent:
    def test_every_row_of_the_composed_log(self) -> None:
        facts, problems = run(remoteagent_log.ARTIFACT, AGENT, REMOTEAGENT)
        assert problems == []
        window = {"connection_id": "5c1f09be", "connection_kind": "ManagementConnection"}
        host = {"connection_id": "a84d3312", "connection_kind": "ExtensionHostConnection", "pid": "11432"}
        folder = {"server_data_dir": "C:\\Users\\hanako\\.vscode-server"}
        assert told(facts) == [
            ("01:15:55", "server.started", folder),
            ("01:15:57", "server.window_opened", {**folder, **window}),
            ("01:15:57", "server.extension_host_started", {**folder, **host}),
            ("02:40:03", "server.window_closed", {**folder, **window}),
            ("02:40:03", "server.extension_host_exited", {**folder, **host, "result_code": "0"}),
            ("02:40:03", "server.idle", folder),
            ("02:45:03", "server.stopped", folder),
        ]
        assert facts[1].times[BORN] == utc(2024, 12, 4, 1, 15, 57) + timedelta(milliseconds=204)

    def test_the_old_shape_gives_the_same(self) -> None:
        old = "".join(f"[{line[:23]}] [remoteagent] {line[24:]}" for line in REMOTEAGENT.splitlines(keepends=True))
        assert told(run(remoteagent_log.ARTIFACT, AGENT, old)[0]) == told(
            run(remoteagent_log.ARTIFACT, AGENT, REMOTEAGENT)[0]
        )

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("[<unknown>][5c1f09be][ManagementConnection] The client has disconnected, will wait for reconnection 3h "
             "before disposing...", "window_lost"),
            ("[<unknown>][5c1f09be][ManagementConnection] The client has reconnected.", "window_reconnected"),
            ("[<unknown>][5c1f09be][ManagementConnection] Another client has connected, will shorten the wait for "
             "reconnection 5m before disposing...", "second_client"),
            ("[<unknown>][5c1f09be][ManagementConnection] The reconnection grace time of 3h has expired, so the "
             "connection will be disposed.", "window_expired"),
            ("[<unknown>][5c1f09be][ManagementConnection] The reconnection short grace time of 5m has expired, so the "
             "connection will be disposed.", "window_expired"),
            ("[<unknown>][a84d3312][ExtensionHostConnection] The client has reconnected.", "log_message"),
            ("Extension installed successfully: ms-python.python", "extension_installed"),
            ("[<unknown>][5c1f09be][ManagementConnection] Unknown reconnection token (never seen).", "log_message"),
        ],
    )  # fmt: skip
    def test_single_lines(self, text: str, kind: str) -> None:
        (fact,), _ = run(remoteagent_log.ARTIFACT, AGENT, f"2024-12-04 10:15:57.204 [info] {text}\n")
        assert fact.kind == f"server.{kind}"
        assert fact.context == (kind == "log_message" and "Unknown" not in text)


HOLED = [
    (tunnel_log.ARTIFACT, LOG),
    (remoteagent_log.ARTIFACT, AGENT),
    (tunnel_server_log.ARTIFACT, f"{SERVER}/log.txt"),
    (
        powershell_history.ARTIFACT,
        "C:/Users/hanako/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/a_history.txt",
    ),
]


@pytest.mark.parametrize(("artifact", "path"), HOLED)
def test_zeroed_stretches_are_said_with_their_places(artifact: FileArtifact, path: str) -> None:
    whole = TUNNEL_LOG.encode()
    data = bytearray(whole) + bytes(512)
    data[100:612] = bytes(512)
    _, problems = run(artifact, path, bytes(data))
    said = [(problem.source.locator, problem.detail.split(":")[0]) for problem in problems if problem.fault == "zeroed"]
    assert said == [
        ("offset 0x64", "512 bytes amid its text are zero"),
        (f"offset 0x{len(whole):x}", "512 bytes at its end are zero"),
    ]
    assert not any(problem.fault == "zeroed" for problem in run(artifact, path, whole)[1])


def test_very_many_zeroed_stretches_are_counted() -> None:
    _, problems = run(remoteagent_log.ARTIFACT, AGENT, (b"x" + bytes(10)) * 500)
    zeroed = [problem for problem in problems if problem.fault == "zeroed"]
    assert len(zeroed) == 21
    assert "480 more zeroed stretches, 5000 bytes in all 500" in zeroed[-1].detail
