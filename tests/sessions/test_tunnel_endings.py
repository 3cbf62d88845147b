"""Why a hosting ended, whether it comes back, and what is said where that, or the traffic, is not known."""

from __future__ import annotations

from forensics.model import TunnelSession
from tests.sessions.factory import at, looked
from tests.sessions.tunnels import CODE, MTIME, PROFILE, RUN, SERVER, Tunnel, only

DESKTOP = f"{PROFILE}/AppData/Roaming/Code/logs/1/remoteTunnelService.log".replace("\\", "/")


def text(session: TunnelSession) -> str:
    return "\n".join(session.reasons)


def hosted() -> Tunnel:
    scene = Tunnel()
    scene.process(0, CODE, f"{CODE} tunnel", pid="7000")
    return scene


class TestReason:
    def test_the_desktop_program_turned_it_off(self) -> None:
        scene = hosted()
        scene.ended(900, CODE, "7000", "0x1")
        scene.file("vscode.tunnel_reset", DESKTOP, {"Creation Time": 901}, "line 51", profile_user="田中")
        (period,) = only(scene).hosting
        assert period.end_reason == "turned off in the desktop program"

    def test_a_kill_ended_it(self) -> None:
        scene = hosted()
        scene.process(899, CODE, f"{CODE} tunnel kill", pid="8000")
        scene.ended(900, CODE, "7000", "0x0")
        (period,) = only(scene).hosting
        assert period.end_reason == "ended by `tunnel kill`"

    def test_what_was_long_after_did_not(self) -> None:
        scene = hosted()
        scene.ended(900, CODE, "7000", "0x1")
        scene.file("vscode.tunnel_reset", DESKTOP, {"Creation Time": 990}, "line 51", profile_user="田中")
        (period,) = only(scene).hosting
        assert period.end_reason == "process ended"

    def test_the_state_says_that_it_does_not_come_back(self) -> None:
        scene = hosted()
        scene.file(
            "vscode.tunnel_state", f"{PROFILE}/x/state.vscdb".replace("\\", "/"), {}, "page 2", profile_user="田中",
            state_key="remoteTunnelIsService", state_value="false",
        )  # fmt: skip
        assert "does not start it again by itself: remoteTunnelIsService is false" in text(only(scene))


class TestUnknown:
    def test_an_end_that_nothing_tells_is_said(self) -> None:
        coverage = [looked("event_system_power", "not_collected"), looked("srum", "not_collected")]
        (session,) = hosted().build(coverage).tunnel_sessions
        assert "boots and shutdowns in the System log: not collected" in text(session)
        assert "when the hosting since" in text(session)
        assert "no count of the hosting program is at hand (network use in SRUM: not collected)" in text(session)

    def test_a_known_end_is_not(self) -> None:
        scene = hosted()
        scene.ended(900, CODE, "7000", "0x1")
        assert "when the hosting since" not in text(only(scene))


def test_a_registered_service_starts_by_itself() -> None:
    scene = Tunnel()
    scene.line("host_started", 0, command_line="code tunnel")
    scene.line("service_registered", 5)
    assert "by what `tunnel service install` registered at" in text(only(scene))


def test_a_shell_that_two_logs_tell_of_is_told_once() -> None:
    scene = Tunnel()
    script = f"{SERVER}\\out\\vs\\workbench\\contrib\\terminal\\common\\scripts\\shellIntegration.ps1"
    shell = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
    node = f"{SERVER}\\node.exe"
    scene.process(0, CODE, RUN, pid="7000")
    scene.process(50, shell, f'{shell} -noexit -command "try {{ . \\"{script}\\" }} catch {{}}"', pid="7100",
                  parent_executable=node)  # fmt: skip
    scene.add(
        "powershell.started", 52, host_application=f'powershell.exe -noexit -command try {{ . "{script}" }} catch {{}}'
    )
    assert [item.source for item in only(scene).commands] == ["process.created"]


def test_an_empty_cache_names_no_provider_and_is_no_evidence() -> None:
    scene = Tunnel()
    dev = "C:\\Users\\Public\\devtunnel.exe"
    scene.process(0, dev, f"{dev} host -p 8080", pid="7000")
    for provider, size in (("github", 514), ("microsoft", 0)):
        path = f"{PROFILE}/AppData/Local/DevTunnels/devtunnels-tokens-{provider}".replace("\\", "/")
        scene.file("devtunnel.token_cache", path, {MTIME: 5}, file_path=path, file_size=size, present=bool(size),
                   provider_name=provider, profile_user="田中")  # fmt: skip
    session = only(scene)
    assert session.provider == "github"
    assert "told by devtunnels-tokens-github" in text(session)
    assert "login and other files of devtunnel" in text(session)


class TestSecondRegistration:
    CREATING = "Creating tunnel with the name: x"

    def test_in_one_log_is_a_second_run(self) -> None:
        scene = Tunnel()
        scene.line("client_serving", 0, rpc_id="14")
        scene.line("created", 9000, log_message=self.CREATING)
        scene.line("relay_connected", 9001)
        first, second = only(scene).hosting
        assert (first.start, first.end_latest, second.start) == (at(0), at(9000), at(9000))
        assert "registers a tunnel anew" in text(only(scene))

    def test_at_the_start_is_the_same_run(self) -> None:
        scene = Tunnel()
        scene.line("host_started", 0, command_line="code tunnel")
        scene.line("created", 30, log_message=self.CREATING)
        assert len(only(scene).hosting) == 1
