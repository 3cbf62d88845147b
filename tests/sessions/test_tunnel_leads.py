"""What points to a tunnel without being one is a finding; what a session tells is none."""

from __future__ import annotations

import pytest

from forensics.model import Finding
from tests.sessions.tunnels import CLI, CODE, MTIME, OWNER, PROFILE, RUN, Tunnel

DEV = "C:\\Users\\Public\\devtunnel.exe"


def found(scene: Tunnel, rule: str) -> list[Finding]:
    return [item for item in scene.build().findings if item.rule == rule]


class TestServer:
    def test_a_server_of_no_tunnel_is_told(self) -> None:
        scene = Tunnel()
        scene.window("opened", 5, "4f7d20c9")
        (finding,) = found(scene, "tunnel.server_unattributed")
        assert finding.level == "medium"
        assert "profile of 田中: 1 window," in finding.why
        assert "nothing at hand tells which" in finding.why

    def test_with_signs_of_ssh_it_is_context(self) -> None:
        scene = Tunnel()
        scene.window("opened", 5, "4f7d20c9")
        scene.process(1, "node.exe", f"{PROFILE}\\.vscode-server\\bin\\x\\node.exe server-main.js")
        (finding,) = found(scene, "tunnel.server_unattributed")
        assert finding.level == "informational"

    def test_a_tunnels_own_server_is_none(self) -> None:
        scene = Tunnel()
        scene.identity()
        scene.process(1, CODE, RUN, pid="7000")
        scene.window("opened", 5, "4f7d20c9")
        assert found(scene, "tunnel.server_unattributed") == []


def test_port_forwarding_is_told_with_its_tunnel() -> None:
    scene = Tunnel()
    scene.process(1, "code-tunnel.exe", "code-tunnel.exe --verbose tunnel forward-internal --provider github")
    scene.state("identity", "port_forwarding_tunnel.json", 3, tunnel_name="fwd", tunnel_id="v8kc3dnt")
    (finding,) = found(scene, "tunnel.port_forwarding")
    assert "tunnel fwd, id v8kc3dnt" in finding.why
    assert len(finding.events) == 2


def test_the_client_of_another_machine_is_told() -> None:
    scene = Tunnel()
    path = f"{PROFILE}/AppData/Roaming/Code/User/globalStorage/state.vscdb".replace("\\", "/")
    scene.file("vscode.remote_opened", path, {MTIME: 5}, "1", remote_authority="tunnel+build-box", profile_user="田中")
    scene.file("vscode.remote_opened", path, {MTIME: 5}, "2", remote_authority="ssh-remote+x", profile_user="田中")
    (finding,) = found(scene, "tunnel.client_of_another")
    assert "the client of the tunnel build-box" in finding.why


class TestDevtunnel:
    @pytest.mark.parametrize("kind", ["bam.run", "mft.entry"])
    def test_the_program_alone_is_told(self, kind: str) -> None:
        scene = Tunnel()
        field = "executable" if kind == "bam.run" else "file_path"
        scene.file(kind, "C:/$MFT", {MTIME: 5}, "1", **{field: DEV})
        (finding,) = found(scene, "tunnel.devtunnel_seen")
        assert DEV in finding.why
        assert finding.level == ("medium" if kind == "bam.run" else "low")

    def test_a_hosted_one_is_a_session(self) -> None:
        scene = Tunnel()
        scene.process(5, DEV, f"{DEV} host -p 8080")
        assert found(scene, "tunnel.devtunnel_seen") == []


def test_nothing_is_found_where_nothing_is() -> None:
    scene = Tunnel()
    scene.file("mft.entry", "C:/$MFT", {MTIME: 5}, "1", file_path=f"{CLI}\\x.txt", **OWNER)
    assert scene.build().findings == ()
