"""What is a tunnel of its own: dev tunnels beside code tunnels, Remote-SSH, the same tunnel on several hosts."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from forensics.model import TunnelSession, Verdicts
from forensics.sessions import build
from forensics.sessions.tunnel_call import tunnel_call
from forensics.sessions.tunnel_identity import token_of, tokens_of
from forensics.sessions.tunnel_links import linked
from tests.sessions.factory import HOST, Scene, at
from tests.sessions.tunnels import CLI, CODE, COMMIT, MTIME, PROFILE, RUN, SERVER, Tunnel, only

DEV = "C:\\Users\\Public\\devtunnel.exe"
STUDIO = f"{PROFILE}\\AppData\\Local\\Temp\\DevTunnels\\devtunnel.exe"
SSH = f"{PROFILE}\\.vscode-server\\cli"


def text(session: TunnelSession) -> str:
    return "\n".join(session.reasons)


class TestDevTunnels:
    def test_one_that_was_deleted(self) -> None:
        scene = Tunnel()
        scene.process(-100, DEV, f"{DEV} user login -g -d", pid="6")
        scene.process(0, DEV, f"{DEV} host -p 3389 8080 --allow-anonymous", pid="7")
        scene.add("dns.queried", 2, query_name="jpe1-data.rel.tunnels.api.visualstudio.com", pid="7")
        scene.add("dns.queried", 90, query_name="quick-fox-4h2b1cz-3389.jpe1.devtunnels.ms", pid="4412")
        scene.ended(5000, DEV, "7")
        scene.process(5100, DEV, f"{DEV} delete quick-fox-4h2b1cz -f", pid="8")
        scene.ended(5101, DEV, "8")
        session = only(scene)
        assert (session.product, session.tunnel_id, session.cluster) == ("devtunnel", "quick-fox-4h2b1cz", "jpe1")
        assert (session.provider, session.unregistered, session.certainty) == ("github", True, "confirmed")
        assert [(port.port, port.public, port.time) for port in session.ports_forwarded] == [
            (3389, True, at(0)),
            (8080, True, at(0)),
        ]
        assert "T1572" in session.attack
        assert "devtunnel writes no log" in text(session)

    def test_a_failed_deletion(self) -> None:
        scene = Tunnel()
        scene.process(0, DEV, f"{DEV} host -p 80", pid="7")
        scene.process(100, DEV, f"{DEV} delete quick-fox-4h2b1cz", pid="8")
        scene.ended(101, DEV, "8", "0x1")
        assert only(scene).unregistered is False

    def test_somebody_elses_address(self) -> None:
        """A browser opened another tunnel, of a port that is not hosted here."""
        scene = Tunnel()
        scene.process(0, DEV, f"{DEV} host -p 80", pid="7")
        scene.add("dns.queried", 90, query_name="other-one-4h2b1cz-3389.jpe1.devtunnels.ms", pid="4412")
        assert only(scene).tunnel_id is None

    def test_two_ids_are_two_tunnels(self) -> None:
        scene = Tunnel()
        for second, ident in ((0, "brave-cat-1"), (100, "brave-dog-2")):
            scene.process(second, DEV, f"{DEV} host {ident}.usw2 -p 80", pid=str(second + 5))
        first, second_one = scene.build().tunnel_sessions
        assert [first.tunnel_id, second_one.tunnel_id] == ["brave-cat-1", "brave-dog-2"]
        assert first.cluster == "usw2"

    def test_beside_a_code_tunnel(self) -> None:
        scene = Tunnel()
        scene.identity(0)
        scene.line("host_started", 0, command_line=RUN)
        scene.process(10, DEV, f"{DEV} host -p 80", pid="7")
        assert sorted(session.product for session in scene.build().tunnel_sessions) == ["devtunnel", "vscode"]

    def test_that_of_visual_studio_weighs_little(self) -> None:
        scene = Tunnel()
        parent = "C:\\Program Files\\Microsoft Visual Studio\\2022\\Community\\Common7\\IDE\\devenv.exe"
        line = f'"{STUDIO}" host -p 5001 --protocol https'
        scene.process(0, STUDIO, line, pid="7", parent_executable=parent)
        session = only(scene)
        assert session.score < 10
        assert [(port.port, port.public) for port in session.ports_forwarded] == [(5001, False)]

    def test_a_cache_names_account_and_provider(self) -> None:
        scene = Tunnel()
        scene.process(0, DEV, f"{DEV} host -p 80", pid="7")
        cache = "C:/Users/田中/AppData/Local/DevTunnels/devtunnels-tokens-microsoft"
        scene.file("devtunnel.tokens", cache, {MTIME: 5}, account="a@example.com", provider_name="microsoft",
                   profile_user="田中")  # fmt: skip
        session = only(scene)
        assert (session.account, session.provider) == ("a@example.com", "microsoft")

    @pytest.mark.parametrize(
        ("line", "ident", "ports"),
        [
            ("devtunnel host -p 3389", ("", ""), (3389,)),
            ("devtunnel.exe host abcdfgh1.jpe1 -p 80 -p 81 --protocol http", ("abcdfgh1", "jpe1"), (80, 81)),
            ("devtunnel host -p 8080 9090 -a", ("", ""), (8080, 9090)),
            ("devtunnel host --port-numbers=70000", ("", ""), ()),
            ("devtunnel port create calm-hat-9 -p 22", ("calm-hat-9", ""), (22,)),
            ("devtunnel user login -g", ("", ""), ()),
            ("code.exe tunnel --tunnel-id q7m2xk4d.jpe1 --host-token x", ("q7m2xk4d", "jpe1"), ()),
            ("code.exe tunnel --tunnel-id q7m2xk4d --cluster usw2", ("q7m2xk4d", "usw2"), ()),
        ],
    )
    def test_calls(self, line: str, ident: tuple[str, str], ports: tuple[int, ...]) -> None:
        call = tunnel_call(line)
        assert call
        assert (call.named_tunnel, call.ports) == (ident, ports)


class TestRemoteSsh:
    def test_its_newer_layout_is_none(self) -> None:
        scene = Tunnel()
        lru = f"{SSH}/servers/lru.json".replace("\\", "/")
        scene.file("tunnel.server_used", lru, {MTIME: 0}, data_dir=SSH, commit=COMMIT, profile_user="田中")
        scene.journal("created", 0, f"{SSH}\\servers\\Stable-{COMMIT}")
        console = f"{SSH}/servers/Stable-{COMMIT}/log.txt".replace("\\", "/")
        scene.file("server.window_opened", console, {"Creation Time": 5}, "line 1", data_dir=SSH,
                   connection_id="aaaaaaaa", profile_user="田中")  # fmt: skip
        assert scene.build().tunnel_sessions == ()

    def test_its_own_files_beside_a_tunnel_tell_its_windows_apart(self) -> None:
        scene = Tunnel()
        scene.identity(0)
        scene.line("host_started", 0, command_line=RUN)
        scene.line("host_stopped", 5000, reason="Ctrl-C received")
        place = "C:/Users/田中/.vscode-server/data/logs/20241202T100000/remoteagent.log"
        scene.window("opened", -9000, "bbbbbbbb", place)
        assert len(only(scene).clients) == 1
        folder = "C:\\Users\\田中\\.vscode-server"
        scene.file("server.ssh_started", f"{folder}/.{COMMIT}.pid".replace("\\", "/"), {MTIME: -9001},
                   data_dir=folder, commit=COMMIT, server_pid="12", profile_user="田中")  # fmt: skip
        session = only(scene)
        assert session.clients == ()
        assert "they are of Remote-SSH" in text(session)

    def test_beside_a_tunnel_its_windows_and_saves_are_not_the_tunnels(self) -> None:
        scene = Tunnel()
        scene.identity(0)
        scene.line("host_started", 0, command_line=RUN)
        scene.line("host_stopped", 5000, reason="Ctrl-C received")
        lru = f"{SSH}/servers/lru.json".replace("\\", "/")
        scene.file("tunnel.server_used", lru, {MTIME: -9000}, data_dir=SSH, commit=COMMIT, profile_user="田中")
        for start, stamp in ((-9000, "20241202T100000"), (100, "20241202T123140")):
            place = f"C:/Users/田中/.vscode-server/data/logs/{stamp}/remoteagent.log"
            scene.window("opened", start, f"{abs(start):08x}", place)
            scene.window("closed", start + 50, f"{abs(start):08x}", place)
        history = "C:/Users/田中/.vscode-server/data/User/History"
        for number, remote in enumerate(("ssh-remote+build", "tunnel+print-svc-07")):
            scene.file("tunnel.file_saved", f"{history}/{number}/entries.json", {MTIME: 120}, "entry 1",
                       saved_path=f"C:\\{number}.txt", saved_id="a", remote_authority=remote, profile_user="田中",
                       tunnel_name="print-svc-07" if number else "")  # fmt: skip
            scene.file("tunnel.saved_copy", f"{history}/{number}/a", {MTIME: 120}, profile_user="田中", saved_id="a")
        session = only(scene)
        assert [client.start for client in session.clients] == [at(100)]
        assert [saved.path for saved in session.files_saved] == ["C:\\1.txt"]
        assert "they are of Remote-SSH" in text(session)


class TestIdentity:
    def test_tokens(self) -> None:
        assert token_of("q7m2xk4d") == "CgxJd2e9LdDDo-FolIgseX4nCm0Sx16ZhYZVK9xEVPI"
        assert token_of("brisk-otter-7c9x2hd") == "j6rNOBqmM638BLnQcjW5j2VT8ULJvY3SXMRvEhx_g-I"
        dashed = next(ident for ident in (f"a{number}" for number in range(999)) if token_of(ident).startswith("-"))
        assert tokens_of(dashed) == {token_of(dashed), "a" + token_of(dashed)}

    @pytest.mark.parametrize(("token", "tied"), [(token_of("k3hq9wzt"), True), ("x" * 43, False)])
    def test_a_process_ties_to_the_id(self, token: str, *, tied: bool) -> None:
        scene = Tunnel()
        scene.identity(0)
        scene.process(10, f"{SERVER}\\node.exe", f"node.exe server-main.js --connection-token={token} {SERVER}")
        session = only(scene)
        assert ("is the hash of this tunnel's id" in text(session)) is tied
        assert session.tunnel_id == "k3hq9wzt"
        assert session.connection_tokens == (token,)

    @pytest.mark.parametrize(("code", "gone"), [("0x0", True), ("0x1", False)])
    def test_unregistered_by_a_call(self, code: str, *, gone: bool) -> None:
        scene = Tunnel()
        scene.process(0, CODE, f"{CODE} tunnel --name x", pid="7")
        scene.ended(60, CODE, "7")
        scene.process(100, CODE, f"{CODE} tunnel unregister", pid="8")
        scene.ended(101, CODE, "8", code)
        assert only(scene).unregistered is gone

    def test_hosted_again_after_it(self) -> None:
        scene = Tunnel()
        scene.process(100, CODE, f"{CODE} tunnel unregister", pid="8")
        scene.ended(101, CODE, "8")
        scene.process(200, CODE, f"{CODE} tunnel --name x", pid="9")
        assert only(scene).unregistered is False

    def test_two_folders_with_one_id_are_one_tunnel(self) -> None:
        scene = Tunnel()
        scene.identity(0)
        other = "C:/ProgramData/d/code_tunnel.json"
        scene.file("tunnel.identity", other, {MTIME: 50}, data_dir="C:\\ProgramData\\d", tunnel_id="k3hq9wzt",
                   tunnel_name="print-svc-07", tunnel_unregistered=False)  # fmt: skip
        assert only(scene).tunnel_id == "k3hq9wzt"

    def test_an_output_in_a_file_belongs_to_the_server_it_names(self) -> None:
        scene = Tunnel()
        scene.process(0, CODE, f"{CODE} tunnel --cli-data-dir C:\\ProgramData\\d", pid="7")
        place = "C:/ProgramData/out.txt"
        message = f"Checking C:\\ProgramData\\d\\servers\\Stable-{COMMIT}\\log.txt"
        for number, (kind, line) in enumerate(
            (("client_connected", "Opened new client"), ("client_serving", message), ("port_forwarded", "Forwarding"))
        ):
            scene.file(f"tunnel.{kind}", place, {"Creation Time": 100 + number}, f"line {number}", log_message=line,
                       rpc_id="0", commit=COMMIT, port=80, public=True)  # fmt: skip
        session = only(scene)
        assert (len(session.clients), len(session.ports_forwarded), len(session.hosting)) == (1, 1, 1)

    def test_the_desktops_log_of_a_process_that_nothing_else_tells_of(self) -> None:
        scene = Tunnel()
        place = "C:/Users/田中/AppData/Roaming/Code/logs/20241202T120000/remoteTunnelService.log"
        line = f"{CODE} tunnel --accept-server-license-terms --name desk --parent-process-id 6188"
        scene.file("vscode.cli_spawned", place, {"Creation Time": 0}, "line 1", command_line=line, cli_call="tunnel",
                   profile_user="田中")  # fmt: skip
        scene.file("tunnel.account", place, {"Creation Time": -5}, "line 0", account="example-user",
                   provider_name="github", profile_user="田中", log_message="Session updated")  # fmt: skip
        scene.file("vscode.cli_ended", place, {"Creation Time": 900}, "line 9", pid="6704", cli_call="tunnel",
                   profile_user="田中")  # fmt: skip
        session = only(scene)
        (period,) = session.hosting
        assert (period.start, period.end, period.pid, period.as_service) == (at(0), at(900), 6704, False)
        assert (session.tunnel_name, session.account, session.provider) == ("desk", "example-user", "github")


class TestLinks:
    def host(self, name: str, scene: Scene) -> Verdicts:
        return build(scene.events, replace(HOST, name=name), "case", scene.undated)

    def with_id(self, name: str) -> Verdicts:
        scene = Tunnel()
        scene.identity(0)
        return self.host(name, scene)

    def with_token(self, name: str) -> Verdicts:
        scene = Tunnel()
        token = token_of("k3hq9wzt")
        scene.process(10, f"{SERVER}\\node.exe", f"node.exe server-main.js --connection-token={token} {SERVER}")
        return self.host(name, scene)

    def test_equal_ids(self) -> None:
        first, second = linked([self.with_id("A"), self.with_id("B")])
        assert [(link.host, link.by, link.value) for link in first.tunnel_sessions[0].linked_hosts] == [
            ("B", "tunnel_id", "k3hq9wzt")
        ]
        assert [link.host for link in second.tunnel_sessions[0].linked_hosts] == ["A"]
        assert "the same tunnel is known on host B by its tunnel id" in text(first.tunnel_sessions[0])

    def test_a_token_links_to_the_id(self) -> None:
        first, second = linked([self.with_id("A"), self.with_token("B")])
        for item, other in ((first, "B"), (second, "A")):
            (link,) = item.tunnel_sessions[0].linked_hosts
            assert (link.host, link.by) == (other, "connection_token")

    def test_the_order_does_not_matter_and_twice_is_once(self) -> None:
        hosts = [self.with_id("A"), self.with_token("B"), self.with_id("C")]
        there = {item.tunnel_sessions[0].host: item for item in linked(hosts)}
        back = {item.tunnel_sessions[0].host: item for item in linked(linked(hosts[::-1]))}
        assert there == back

    def test_two_collections_of_one_host_do_not_link(self) -> None:
        first, second = linked([self.with_id("A"), self.with_id("a")])
        assert first.tunnel_sessions[0].linked_hosts == second.tunnel_sessions[0].linked_hosts == ()

    def test_other_tunnels_do_not_link(self) -> None:
        scene = Tunnel()
        scene.process(0, CODE, f"{CODE} tunnel --name x --cli-data-dir {CLI}")
        assert all(not session.linked_hosts for item in linked([self.with_id("A"), self.host("B", scene)])
                   for session in item.tunnel_sessions)  # fmt: skip

    def test_many_tunnels_take_time_in_proportion(self) -> None:
        (one,) = self.with_id("A").tunnel_sessions
        hosts = [
            replace(
                self.with_id(name),
                tunnel_sessions=tuple(
                    replace(one, host=name, tunnel_id=f"k3hq{number:04d}") for number in range(1_000)
                ),
            )
            for name in "ABC"
        ]
        begun = time.process_time()
        found = linked(hosts)
        assert time.process_time() - begun < 2
        assert all(len(session.linked_hosts) == 2 for item in found for session in item.tunnel_sessions)
