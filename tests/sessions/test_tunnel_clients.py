"""Which clients came through a tunnel: each once, of logs, processes and births of folders."""

from __future__ import annotations

import time

import pytest

from forensics.model import TunnelClient
from tests.sessions.factory import at
from tests.sessions.tunnels import CLI, CODE, COMMIT, PROFILE, RUN, SERVER, TOKEN, Tunnel, only

CONSOLE = f"{CLI}/servers/Stable-{COMMIT}/log.txt".replace("\\", "/")
FOLDER = f"{CLI}\\servers\\Stable-{COMMIT}"


@pytest.fixture
def scene() -> Tunnel:
    """A tunnel that is up, by its log."""
    scene = Tunnel()
    scene.line("host_started", 0, command_line=RUN)
    scene.line("relay_connected", 3)
    return scene


def served(scene: Tunnel, start: float, rpc: str, end: float | None) -> None:
    scene.line("client_connected", start, channel_number=rpc)
    scene.line("client_serving", start + 1, rpc_id=rpc, commit=COMMIT, quality="Stable")
    if end is not None:
        scene.line("client_disconnected", end, rpc_id=rpc)


def clients(scene: Tunnel) -> tuple[TunnelClient, ...]:
    return only(scene).clients


class TestWindows:
    def test_all_logs_tell_of_one_client(self, scene: Tunnel) -> None:
        served(scene, 100, "0", 5000)
        for path in ("", CONSOLE):
            scene.window("opened", 112, "5c1f09be", path)
            scene.window("closed", 4999, "5c1f09be", path)
        scene.extension_host(113, "11432", end=4999)
        (client,) = clients(scene)
        assert (client.start, client.end, client.windows, client.reconnects) == (at(100), at(5000), 1, 0)

    def test_two_windows_of_one_client(self, scene: Tunnel) -> None:
        served(scene, 100, "0", 5000)
        scene.window("opened", 112, "5c1f09be")
        scene.window("opened", 900, "77aa01cd")
        (client,) = clients(scene)
        assert client.windows == 2

    def test_the_window_of_an_rpc_connection_is_its_clients(self, scene: Tunnel) -> None:
        """Both clients are connected; the line in the CLI's log names the connection."""
        served(scene, 100, "0", 5000)
        served(scene, 200, "4", 6000)
        for kind, second in (("opened", 300), ("closed", 4000)):
            scene.file(
                f"server.window_{kind}", f"{CLI}/tunnel-service.log".replace("\\", "/"), {"Creation Time": second},
                f"line {900 + second}", connection_id="5c1f09be", rpc_id="0", data_dir=CLI, profile_user="田中",
                connection_kind="ManagementConnection",
            )  # fmt: skip
        assert [client.windows for client in clients(scene)] == [1, 0]

    def test_lost_and_back_is_the_same_client(self, scene: Tunnel) -> None:
        served(scene, 100, "0", 1000)
        scene.window("opened", 112, "5c1f09be")
        scene.window("lost", 1000, "5c1f09be")
        served(scene, 1100, "9", 5000)
        scene.window("reconnected", 1102, "5c1f09be")
        scene.window("closed", 4999, "5c1f09be")
        (client,) = clients(scene)
        assert (client.start, client.end, client.end_kind) == (at(100), at(5000), "disconnected")
        assert (client.windows, client.reconnects) == (1, 1)

    def test_lost_and_given_up(self, scene: Tunnel) -> None:
        served(scene, 100, "0", 1000)
        scene.window("opened", 112, "5c1f09be")
        scene.window("lost", 1000, "5c1f09be")
        scene.window("expired", 11800, "5c1f09be")
        (client,) = clients(scene)
        assert (client.end, client.end_kind) == (at(1000), "expired")

    def test_a_second_client(self, scene: Tunnel) -> None:
        served(scene, 100, "0", 1000)
        scene.window("opened", 112, "5c1f09be")
        scene.window("lost", 1000, "5c1f09be")
        served(scene, 2000, "7", 4000)
        scene.window("opened", 2010, "77aa01cd")
        place = f"{PROFILE}/.vscode-server/data/logs/20241205T101555/remoteagent.log".replace("\\", "/")
        scene.file("server.second_client", place, {"Creation Time": 2009}, "line 999",
                   connection_id="5c1f09be", profile_user="田中")  # fmt: skip
        scene.window("expired", 2309, "5c1f09be")
        first, second = clients(scene)
        assert (first.end_kind, first.second_client) == ("expired", True)
        assert (second.end, second.end_kind, second.second_client) == (at(4000), "disconnected", False)

    def test_a_numbers_second_use_after_a_restart_is_another_client(self, scene: Tunnel) -> None:
        served(scene, 100, "0", None)
        scene.line("host_stopped", 900, reason="Ctrl-C received")
        scene.line("host_started", 1000, command_line=RUN)
        served(scene, 1100, "0", 1500)
        first, second = clients(scene)
        assert (first.end, first.end_kind) == (at(900), "tunnel_stopped")
        assert (second.end, second.end_kind) == (at(1500), "disconnected")

    def test_the_host_goes_down(self, scene: Tunnel) -> None:
        served(scene, 100, "0", None)
        scene.add("system.log_stopped", 5000)
        scene.boot(9000)
        (client,) = clients(scene)
        assert (client.end, client.end_kind) == (at(5000), "host_shutdown")


class TestWithoutLogs:
    def test_extension_hosts_are_windows(self) -> None:
        scene = Tunnel()
        scene.process(0, CODE, RUN, pid="7")
        scene.extension_host(100, "11432", end=900)
        scene.extension_host(2000, "11433")
        first, second = clients(scene)
        assert (first.start, first.end, first.server_commit) == (at(100), at(900), COMMIT)
        assert (second.end, second.end_kind) == (None, "unknown")

    def test_a_server_alone_is_no_client(self) -> None:
        """`--install-extension` starts one, too."""
        scene = Tunnel()
        scene.process(0, CODE, f"{CODE} tunnel --install-extension a.b", pid="7")
        node = f"{SERVER}\\node.exe"
        scene.process(10, node, f"{node} server-main.js --connection-token={TOKEN}", pid="8")
        scene.journal("created", 5, FOLDER)
        session = only(scene)
        assert session.clients == ()
        assert "that alone is no client" in "\n".join(session.reasons)

    def test_the_birth_of_a_servers_folder(self) -> None:
        scene = Tunnel()
        scene.identity(0)
        scene.journal("created", 500, f"{FOLDER}.staging")
        scene.journal("created", 512, FOLDER)
        session = only(scene)
        (client,) = session.clients
        assert (client.start, client.server_commit, client.end_kind) == (at(500), COMMIT, "unknown")
        assert "its server's folder was made then (inference)" in "\n".join(session.reasons)

    def test_a_download_that_did_not_finish(self) -> None:
        scene = Tunnel()
        scene.identity(0)
        scene.journal("created", 500, f"{FOLDER}.staging")
        session = only(scene)
        assert session.clients == ()
        assert "download did not finish" in "\n".join(session.reasons)

    def test_a_birth_before_a_window_adds_no_client(self, scene: Tunnel) -> None:
        scene.journal("created", 100, FOLDER)
        scene.window("opened", 120, "5c1f09be", CONSOLE)
        session = only(scene)
        assert [client.start for client in session.clients] == [at(120)]
        assert "had come by" in "\n".join(session.reasons)


class TestDone:
    def test_extensions(self, scene: Tunnel) -> None:
        place = f"{PROFILE}/.vscode-server/data/logs/20241205T101555/remoteagent.log".replace("\\", "/")
        for path, second in ((place, 200.2), (CONSOLE, 200)):
            scene.file("server.extension_installed", path, {"Creation Time": second}, "line 7",
                       extension_id="ms-python.python", profile_user="田中")  # fmt: skip
        assert [(item.time, item.id) for item in only(scene).extensions] == [(at(200), "ms-python.python")]

    def test_bytes(self, scene: Tunnel) -> None:
        scene.process(0.2, CODE, RUN, pid="7")
        scene.line("host_stopped", 7000, reason="Ctrl-C received")
        for second, path in ((-3600, CODE), (1800, CODE), (5400, CODE), (9000, CODE), (20000, CODE), (5400, "x.exe")):
            device = path.replace("C:", "\\Device\\HarddiskVolume3")
            scene.file(
                "srum.network_usage", "C:/Windows/System32/sru/SRUDB.dat", {"Recorded Time": second},
                f"row {second} {path}", executable=device, bytes_sent=1000, bytes_received=10,
            )  # fmt: skip
        session = only(scene)
        assert (session.bytes_sent, session.bytes_received) == (3000, 30)
        assert "SRUM counted 3000 bytes sent" in "\n".join(session.reasons)

    def test_no_rows_are_no_zero(self, scene: Tunnel) -> None:
        assert only(scene).bytes_sent is None

    def test_the_history_keeps_its_order(self, scene: Tunnel) -> None:
        path = "C:/Users/田中/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/ConsoleHost_history.txt"
        lines = ["whoami", "dir", "code tunnel prune", "exit"] * 4
        for number, text in enumerate(lines, 1):
            scene.file("shell.history_line", path, {}, f"line {number}", history_line=text, profile_user="田中")
        assert [command.command for command in only(scene).commands] == lines


@pytest.mark.parametrize("shape", ["channels and windows", "windows", "one number again and again", "commands"])
def test_thousands_take_time_in_proportion(shape: str) -> None:
    """What took minutes for 2,000 when each was held against each; the shapes are those of logs that grow for years."""
    scene, many = Tunnel(), 1_500
    scene.identity()
    scene.line("host_started", 0)
    for number in range(many):
        name, second = f"{number:08x}", 3.0 * number
        if shape == "channels and windows":
            scene.line("client_connected", number, channel_number=str(number), rpc_id=str(number))
            scene.window("opened", many + number, name)
        elif shape == "windows":
            scene.window("opened", second, name)
            scene.window("closed", second + 1, name)
        elif shape == "commands":
            scene.process(second, "cmd.exe", f"cmd /c {number}", pid=name, parent_executable=f"{SERVER}\\node.exe")
        else:
            scene.line("client_connected", second, channel_number=str(number))
            scene.line("client_serving", second + 0.1, rpc_id="1", commit=COMMIT)
            scene.line("client_disconnected", second + 2, rpc_id="1")
    begun = time.process_time()
    session = only(scene)
    assert time.process_time() - begun < 2
    if shape == "commands":
        assert len(session.commands) == many
    elif "windows" in shape:
        assert sum(client.windows for client in session.clients) == many
    else:
        assert len(session.clients) == many
