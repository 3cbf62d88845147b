"""Tunnel sessions out of hand-built events: hosting, clients, joins across artifacts, and what is no tunnel."""

from __future__ import annotations

import pytest

from forensics.model import Value
from forensics.sessions.tunnel_call import TunnelCall, data_dir_of, servers_in, tunnel_call
from tests.sessions.factory import SYSTEM, Scene, at
from tests.sessions.tunnels import CLI, CODE, COMMIT, MTIME, PROFILE, RUN, SERVER, TOKEN, Tunnel, only


@pytest.fixture
def scene() -> Tunnel:
    """A tunnel that starts at logon, with two clients; the log is cut after the second one came."""
    scene = Tunnel()
    scene.identity(-90000)
    scene.state("lock", "tunnel-stable.lock", 1, pid="9604", quality="Stable")
    scene.process(0.4, CODE, RUN, pid="9548")
    scene.process(0.9, CODE, RUN, pid="9604", parent_pid="9548", parent_executable=CODE)
    scene.line("host_started", 1, command_line=RUN)
    scene.line("login", 1, provider_name="github", reason="stored credential used")
    scene.line("relay_connected", 3)
    scene.line("client_connected", 100, channel_number="2")
    scene.line("client_serving", 101, rpc_id="0", commit=COMMIT, quality="Stable")
    scene.line("port_forwarded", 300, rpc_id="0", port=3389, public=False)
    scene.line("client_disconnected", 5000, rpc_id="0")
    scene.line("client_connected", 9000, channel_number="5")
    scene.line("client_serving", 9001, rpc_id="7", commit=COMMIT, quality="Stable")
    node = f'"{SERVER}\\node.exe" "{SERVER}\\out\\server-main.js" --connection-token={TOKEN} --start-server'
    scene.process(112, f"{SERVER}\\node.exe", node, pid="10296", parent_executable="C:\\Windows\\System32\\cmd.exe")
    shell = f'powershell.exe -noexit -command "try {{ . \\"{SERVER}\\out\\vs\\shellIntegration.ps1\\" }} catch {{}}"'
    powershell = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
    scene.process(200, powershell, shell, pid="11688", parent_executable=f"{SERVER}\\node.exe")
    scene.process(230, "whoami.exe", "whoami /all", parent_executable=powershell, parent_command_line=shell)
    scene.add("powershell.started", 201, host_application=shell)
    scene.file(
        "autorun.configured", "C:/Users/田中/NTUSER.DAT", {MTIME: -90000}, "Run\\Visual Studio Code Tunnel",
        mechanism="run_key", location="HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run",
        entry_name="Visual Studio Code Tunnel", command_line=RUN, profile_user="田中",
    )  # fmt: skip
    history = "C:/Users/田中/.vscode-server/data/User/History/7b2f05fe/entries.json"
    scene.file(
        "tunnel.file_saved", history, {MTIME: 400}, "entry 1", tunnel_name="print-svc-07", profile_user="田中",
        saved_path="C:\\Users\\Public\\AppData\\collect.ps1", saved_id="Ux3p.ps1",
    )  # fmt: skip
    readline = "C:/Users/田中/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/ConsoleHost_history.txt"
    scene.file("shell.history_line", readline, {}, "line 3", history_line="code tunnel kill", profile_user="田中")
    return scene


class TestTunnelService:
    def test_identity(self, scene: Tunnel) -> None:
        session = only(scene)
        assert (session.product, session.profile_user) == ("vscode", "田中")
        assert (session.tunnel_name, session.tunnel_id, session.cluster) == ("print-svc-07", "k3hq9wzt", "jpe1")
        assert (session.account, session.provider, session.unregistered) == (None, "github", False)
        assert session.certainty == "confirmed"
        assert "T1219.001" in session.attack

    def test_one_hosting_period(self, scene: Tunnel) -> None:
        (period,) = only(scene).hosting
        assert (period.start, period.end, period.pid) == (at(1), None, 9604)
        assert period.as_service is True
        assert period.command_line == RUN

    def test_clients(self, scene: Tunnel) -> None:
        first, second = only(scene).clients
        assert (first.start, first.end, first.end_kind) == (at(100), at(5000), "disconnected")
        assert (second.start, second.end, second.end_kind) == (at(9000), None, "unknown")
        assert {first.server_commit, second.server_commit} == {COMMIT}

    def test_what_was_done(self, scene: Tunnel) -> None:
        session = only(scene)
        assert [(saved.time, saved.path) for saved in session.files_saved] == [
            (at(400), "C:\\Users\\Public\\AppData\\collect.ps1")
        ]
        assert [(port.port, port.public) for port in session.ports_forwarded] == [(3389, False)]
        assert [command.source for command in session.commands] == [
            "process.created", "process.created", "shell.history_line",
        ]  # fmt: skip
        assert session.commands[1].command == "whoami /all", "the shell that two logs tell of counts once"
        assert session.commands[-1].time is None

    def test_persistence_is_named(self, scene: Tunnel) -> None:
        verdicts = scene.build()
        (entry,) = verdicts.persistence
        assert verdicts.tunnel_sessions[0].persistence == (entry.id,)
        assert entry.score >= 20

    def test_reasons(self, scene: Tunnel) -> None:
        reasons = "\n".join(only(scene).reasons)
        assert "hash of this tunnel's id" in reasons
        assert "address is not recorded" in reasons
        assert "its log ends at" in reasons

    def test_no_row_is_lost(self, scene: Tunnel) -> None:
        session = only(scene)
        assert {event.id for event in scene.events} <= set(session.events)
        assert len(session.events) == len(scene.events) + len(scene.undated)

    def test_the_stop_ends_all(self, scene: Tunnel) -> None:
        scene.line("host_stopped", 9500, reason="RPC client requested shutdown")
        session = only(scene)
        assert (session.hosting[0].end, session.hosting[0].end_reason) == (at(9500), "RPC client requested shutdown")
        assert (session.clients[1].end, session.clients[1].end_kind) == (at(9500), "tunnel_stopped")

    def test_the_host_going_down_ends_it(self, scene: Tunnel) -> None:
        scene.add("system.log_stopped", 9800)
        scene.boot(20000)
        (period,) = only(scene).hosting
        assert period.end == at(9800)
        assert period.end_reason == "host shut down or restarted"

    def test_an_older_run_that_only_a_process_tells_of(self, scene: Tunnel) -> None:
        scene.process(-80000, CODE, RUN, pid="8804")
        scene.add("system.log_stopped", -60000)
        scene.boot(-50000)
        first, second = only(scene).hosting
        assert (first.start, first.end, first.pid) == (at(-80000), at(-60000), 8804)
        assert second.pid == 9604

    def test_windows_join_their_client(self, scene: Tunnel) -> None:
        for path in ("", f"{CLI}/servers/Stable-{COMMIT}/log.txt".replace("\\", "/")):
            scene.window("opened", 116, "5c1f09be", path)
            scene.window("closed", 4999, "5c1f09be", path)
            scene.window("opened", 9010, "77aa01cd", path)
            scene.window("lost", 9400, "77aa01cd", path)
            scene.window("expired", 20200, "77aa01cd", path)
        first, second = only(scene).clients
        assert first.end == at(5000)
        assert (second.end, second.end_kind) == (at(9400), "expired")

    def test_windows_of_runs_whose_log_is_gone(self, scene: Tunnel) -> None:
        scene.window("opened", -40000, "aaaaaaaa")
        scene.window("closed", -39000, "aaaaaaaa")
        clients = only(scene).clients
        assert len(clients) == 3
        assert (clients[0].start, clients[0].end, clients[0].end_kind) == (at(-40000), at(-39000), "disconnected")

    def test_what_was_typed_is_joined_by_the_shells_id(self, scene: Tunnel) -> None:
        shell = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
        typed: dict[str, Value] = {"parent_executable": shell, "parent_pid": "11688"}
        scene.process(240, "nltest.exe", "nltest /domain_trusts", **typed)
        scene.add("powershell.script_block", 250, script_text=".\\collect.ps1 -Root C:\\", pid="11688")
        scene.process(150, "net.exe", "before the shell", **typed)
        scene.process(260, "net.exe", "of another parent", parent_executable="C:\\cmd.exe", parent_pid="11688")
        scene.add("process.exited", 300, executable=shell, pid="11688")
        scene.process(310, "net.exe", "after the shell", **typed)
        scene.add("powershell.script_block", 320, script_text="later", pid="11688")
        commands = [command.command for command in only(scene).commands]
        assert commands[2:4] == ["nltest /domain_trusts", ".\\collect.ps1 -Root C:\\"]
        assert len(commands) == 5

    def test_a_shells_id_ends_with_the_boot(self, scene: Tunnel) -> None:
        scene.boot(20000)
        scene.add("powershell.script_block", 20100, script_text="later", pid="11688")
        assert "later" not in [command.command for command in only(scene).commands]

    def test_the_copy_beside_the_history_gives_the_hash(self, scene: Tunnel) -> None:
        folder = "C:/Users/田中/.vscode-server/data/User/History/7b2f05fe"
        copy = f"{folder}/Ux3p.ps1"
        scene.file("tunnel.saved_copy", copy, {MTIME: 400}, file_sha256="ab" * 32, profile_user="田中")
        (saved,) = only(scene).files_saved
        assert saved.sha256 == "ab" * 32

    def test_the_process_log_has_the_line_as_it_was(self, scene: Tunnel) -> None:
        scene.events = [event for event in scene.events if event.kind != "tunnel.host_started"]
        scene.line("host_started", 1, command_line=f"code {RUN}")
        assert only(scene).hosting[0].command_line == RUN

    def test_the_desktops_copy_of_the_log_adds_nothing(self, scene: Tunnel) -> None:
        path = "C:/Users/田中/AppData/Roaming/Code/logs/20241205T090000/remoteTunnelService.log"
        folder: dict[str, Value] = {"data_dir": path.rpartition("/")[0].replace("/", "\\")}
        scene.line("client_connected", 100.2, path, channel_number="2", **folder)
        scene.line("client_serving", 101.2, path, rpc_id="0", commit=COMMIT, **folder)
        session = only(scene)
        assert len(session.clients) == 2
        assert len(session.hosting) == 1


class TestKinds:
    def test_unregistered(self) -> None:
        scene = Tunnel()
        scene.state("identity", "code_tunnel.json", 0, tunnel_unregistered=True)
        session = only(scene)
        assert session.unregistered
        assert (session.tunnel_name, session.tunnel_id) == (None, None)
        assert session.certainty == "possible"
        assert any("null" in reason for reason in session.reasons)

    def test_unregistered_but_used(self) -> None:
        scene = Tunnel()
        scene.state("identity", "code_tunnel.json", 900, tunnel_unregistered=True)
        scene.line("host_started", 0, command_line=f"{CODE} tunnel --name desk")
        scene.line("created", 1, tunnel_name="desk", tunnel_id="q7m2xk4d")
        session = only(scene)
        assert (session.unregistered, session.tunnel_name, session.tunnel_id) == (True, "desk", "q7m2xk4d")
        assert session.certainty == "confirmed"
        assert session.hosting[0].as_service is False or session.hosting[0].as_service is None

    def test_identity_alone(self) -> None:
        scene = Tunnel()
        scene.identity(None)
        session = only(scene)
        assert session.certainty == "probable"
        assert len(session.events) == 1
        assert session.hosting == ()

    def test_run_value_alone_is_possible(self) -> None:
        scene = Tunnel()
        scene.file(
            "autorun.configured", "C:/Users/田中/NTUSER.DAT", {MTIME: 0}, "Run\\x", mechanism="run_key",
            location="HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run", entry_name="x", command_line=RUN,
            profile_user="田中",
        )  # fmt: skip
        session = only(scene)
        assert session.certainty == "possible"
        assert len(session.persistence) == 1

    def test_process_alone_takes_the_users_folder(self) -> None:
        scene = Tunnel()
        scene.process(
            0, "C:\\ProgramData\\svc.exe", "C:\\ProgramData\\svc.exe tunnel --accept-server-license-terms", pid="5"
        )
        session = only(scene)
        assert (session.profile_user, session.certainty) == ("田中", "probable")
        assert session.score >= 50
        assert any("another name" in reason for reason in session.reasons)

    def test_process_and_state_of_one_profile_are_one_tunnel(self) -> None:
        scene = Tunnel()
        scene.identity()
        scene.process(0, CODE, "code.exe tunnel --name print-svc-07", pid="5")
        assert only(scene).certainty == "confirmed"

    def test_as_system(self) -> None:
        scene = Tunnel()
        scene.process(
            0, "C:\\t\\code.exe", "code.exe tunnel --accept-server-license-terms", user_sid=SYSTEM, user_name="SYSTEM"
        )
        session = only(scene)
        assert session.profile_user == "SYSTEM"
        assert any("TUN-07" in reason for reason in session.reasons)

    def test_insiders(self) -> None:
        scene = Tunnel()
        scene.process(0, "C:\\t\\code-insiders.exe", "code-insiders.exe tunnel")
        assert only(scene).product == "vscode-insiders"

    def test_devtunnel(self) -> None:
        scene = Tunnel()
        scene.process(0, "C:\\t\\devtunnel.exe", "devtunnel.exe host -p 3389 --allow-anonymous", pid="7")
        session = only(scene)
        assert session.product == "devtunnel"
        assert session.hosting[0].pid == 7

    def test_a_tunnel_known_by_the_editors_history_alone(self) -> None:
        scene = Tunnel()
        scene.file(
            "tunnel.file_saved", "C:/Users/田中/.vscode-server/data/User/History/1/entries.json", {MTIME: 0}, "entry 1",
            tunnel_name="gone", profile_user="田中", saved_path="C:\\a.txt", saved_id="a",
        )  # fmt: skip
        session = only(scene)
        assert (session.tunnel_name, session.certainty) == ("gone", "probable")

    def test_a_channel_without_a_server_is_a_client(self) -> None:
        scene = Tunnel()
        scene.line("host_started", 0, command_line=RUN)
        scene.line("client_connected", 50, channel_number="2")
        (client,) = only(scene).clients
        assert (client.start, client.server_commit) == (at(50), None)

    def test_a_log_whose_start_is_lost(self) -> None:
        scene = Tunnel()
        scene.line("relay_connected", 50)
        assert only(scene).hosting[0].start == at(50)


class TestNoTunnel:
    def none(self, scene: Scene) -> None:
        assert scene.build().tunnel_sessions == ()

    def test_status_of_the_desktop(self) -> None:
        scene = Scene()
        exe = "C:\\Users\\佐藤\\AppData\\Local\\Programs\\Microsoft VS Code\\bin\\code-tunnel.exe"
        scene.process(0, exe, f'"{exe}" tunnel status', parent_executable=exe.replace("bin\\code-tunnel", "Code"))
        scene.process(1, exe, f'"{exe}" --verbose tunnel forward-internal --provider github')
        scene.file("prefetch.run", "C:/Windows/Prefetch/CODE-TUNNEL.EXE-1.pf", {"Last Time Executed": 0}, "run 1",
                   executable_name="CODE-TUNNEL.EXE")  # fmt: skip
        self.none(scene)

    def test_remote_ssh(self) -> None:
        scene = Tunnel()
        scene.window("opened", 0, "aaaaaaaa")
        node = f"{PROFILE}\\.vscode-server\\cli\\servers\\Stable-{COMMIT}\\server\\node.exe"
        scene.process(0, node, f"{node} --connection-token=x --start-server")
        scene.file("tunnel.file_saved", "C:/Users/田中/.vscode-server/data/User/History/1/entries.json", {MTIME: 0},
                   "entry 1", saved_path="C:\\a.txt", profile_user="田中")  # fmt: skip
        self.none(scene)

    def test_port_forwarding_and_consent(self) -> None:
        scene = Tunnel()
        scene.state(
            "identity", "port_forwarding_tunnel.json", 0, tunnel_name="x", tunnel_id="y", tunnel_unregistered=False
        )
        scene.state("lock", "forwarding-stable.lock", 0, pid="1")
        scene.state("consent", "license_consent.json", 0, consented=True)
        self.none(scene)

    def test_other_tunnels(self) -> None:
        scene = Scene()
        scene.process(0, "C:\\t\\cloudflared.exe", "cloudflared.exe tunnel run abc")
        scene.process(0, "cmd.exe", 'cmd /c "code tunnel --name x"')
        self.none(scene)

    def test_history_of_a_profile_without_tunnel(self) -> None:
        scene = Scene()
        path = "C:/Users/佐藤/AppData/x_history.txt"
        scene.file("shell.history_line", path, {}, "line 1", history_line="code tunnel", profile_user="佐藤")
        self.none(scene)

    def test_two_profiles_are_two_tunnels(self) -> None:
        scene = Tunnel()
        scene.identity()
        scene.file("tunnel.identity", "C:/Users/佐藤/.vscode/cli/code_tunnel.json", {MTIME: 0}, tunnel_name="b",
                   tunnel_id="bbbbbbbb", tunnel_unregistered=False, profile_user="佐藤")  # fmt: skip
        assert {session.profile_user for session in scene.build().tunnel_sessions} == {"田中", "佐藤"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (RUN, ("vscode", "service internal-run", False)),
        ("code.exe  tunnel user login --provider github", ("vscode", "user login", False)),
        ('"C:\\x y\\code-tunnel.exe" tunnel status', ("vscode", "status", False)),
        ("code tunnel", ("vscode", "host", False)),
        ("code.exe tunnel --name status --random-name", ("vscode", "host", False)),
        ("C:\\Users\\a b\\AppData\\code.exe --cli-data-dir C:\\c tunnel", ("vscode", "host", False)),
        ("code.exe tunnel service install --name x", ("vscode", "service install", False)),
        ("evil.exe tunnel --accept-server-license-terms", ("vscode", "host", True)),
        ("evil.exe tunnel", None),
        ("code.exe C:\\src\\tunnel", None),
        ("code.exe --new-window tunnel.txt", None),
        ("devtunnel.exe host -p 80 tunnel", ("devtunnel", "host", False)),
        ("devtunnel.exe create tunnel", ("devtunnel", "create", False)),
    ],
)
def test_calls(line: str, expected: tuple[str, str, bool] | None) -> None:
    call = tunnel_call(line)
    assert (call and (call.product, call.verb, call.renamed)) == expected


def test_call_options() -> None:
    call = tunnel_call(f'code.exe --verbose --cli-data-dir "{CLI} x" tunnel --name=desk')
    assert isinstance(call, TunnelCall)
    assert call.options["--cli-data-dir"] == f"{CLI} x"
    assert call.options["--name"] == "desk"
    assert call.hosts
    assert not call.as_service


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("C:/Users/田中/.vscode/cli/code_tunnel.json", ("C:\\Users\\田中\\.vscode\\cli", "vscode")),
        ("C:\\Users\\x\\.vscode-insiders\\cli\\servers\\a", ("C:\\Users\\x\\.vscode-insiders\\cli", "vscode-insiders")),
        ("C:/Users/x/.vscode-cli/code_tunnel.json", ("C:\\Users\\x\\.vscode-cli", "vscode")),
        ("C:/Users/x/.vscode/extensions/cli/a", None),
        ("C:/Users/x/.cursor/cli", ("C:\\Users\\x\\.cursor\\cli", "other")),
        ("", None),
    ],
)
def test_data_dirs(path: str, expected: tuple[str, str] | None) -> None:
    assert data_dir_of(path) == expected


def test_servers() -> None:
    line = f"cmd /Q /C {SERVER}\\bin\\code-server.cmd --connection-token={TOKEN}"
    assert servers_in(line) == (CLI, "Stable", COMMIT)
    assert servers_in("C:\\servers\\Other-1\\x") is None
