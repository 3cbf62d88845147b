from __future__ import annotations

import pytest

from forensics.artifacts import (
    agent_host_log,
    serve_web_secrets,
    tunnel_consent,
    tunnel_identity,
    tunnel_lock,
    tunnel_log,
    tunnel_server_log,
    tunnel_server_lru,
    tunnel_server_pid,
)
from forensics.artifacts.base import FileArtifact
from forensics.evidence.globs import GlobSet
from tests.artifacts.file_inputs import BORN, CLI, COMMIT, LOCK, MODIFIED, PIPE, SERVER, run, survives_truncation, utc

TIMES = {BORN: utc(2024, 12, 3, 12), MODIFIED: utc(2024, 12, 4, 1, 2, 11)}
OWNER = {"data_dir": "C:\\Users\\hanako\\.vscode\\cli", "profile_user": "hanako"}
BUILD = {"quality": "Stable", "commit": COMMIT}
HOMES = (
    "Users/hanako", "Windows/System32/config/systemprofile", "Windows/SysWOW64/config/systemprofile",
    "Windows/ServiceProfiles/LocalService", "Windows/ServiceProfiles/NetworkService",
)  # fmt: skip
FOLDERS = (
    ".vscode/cli", ".vscode-insiders/cli", ".vscode-oss/cli", ".vscodium/cli", ".vscode-cli", ".cursor/cli",
    ".windsurf/cli", ".kiro/cli",
)  # fmt: skip


def finds(artifact: FileArtifact, path: str) -> bool:
    return bool(GlobSet(artifact.paths).matches(path))


class TestFinder:
    @pytest.mark.parametrize("home", HOMES)
    def test_every_product_in_every_profile(self, home: str) -> None:
        for folder in FOLDERS:
            at = f"{home}/{folder}"
            assert finds(tunnel_identity.ARTIFACT, f"{at}/code_tunnel.json")
            assert finds(tunnel_identity.ARTIFACT, f"{at}/port_forwarding_tunnel.json")
            assert finds(tunnel_consent.ARTIFACT, f"{at}/license_consent.json")
            assert finds(tunnel_lock.ARTIFACT, f"{at}/tunnel-somefork.lock")
            assert finds(tunnel_log.ARTIFACT, f"{at}/tunnel-service.log")
            assert finds(tunnel_server_lru.ARTIFACT, f"{at}/servers/lru.json")
            assert finds(tunnel_server_pid.ARTIFACT, f"{at}/servers/Stable-{COMMIT}/pid.txt")

    @pytest.mark.parametrize("at", ["PerfLogs/x", "x", "Program Files/Tool/data", "Windows/Debug/a/b/c"])
    def test_any_folder_that_an_option_may_name(self, at: str) -> None:
        assert finds(tunnel_identity.ARTIFACT, f"{at}/CODE_TUNNEL.JSON")
        assert finds(tunnel_consent.ARTIFACT, f"{at}/license_consent.json")
        assert finds(tunnel_lock.ARTIFACT, f"{at}/tunnel-insiders.lock")
        assert finds(tunnel_lock.ARTIFACT, f"{at}/forwarding-stable.lock")
        assert finds(tunnel_log.ARTIFACT, f"{at}/tunnel-service.log")
        assert finds(tunnel_server_lru.ARTIFACT, f"{at}/servers/lru.json")

    @pytest.mark.parametrize("quality", ["Stable", "Insiders", "Exploration"])
    @pytest.mark.parametrize("more", ["", "-web"])
    def test_server_builds_by_shape(self, quality: str, more: str) -> None:
        for artifact, name in ((tunnel_server_log.ARTIFACT, "log.txt"), (tunnel_server_pid.ARTIFACT, "pid.txt")):
            assert finds(artifact, f"ProgramData/x/servers/{quality}-{COMMIT}{more}/{name}")
            assert not finds(artifact, f"ProgramData/x/servers/{quality}-{COMMIT[:-1]}/{name}")
            assert not finds(artifact, f"ProgramData/x/servers/other/{name}")

    def test_whose_folder_below_another_servers(self) -> None:
        path = f"C:/servers/data/.vscode/cli/servers/Stable-{COMMIT}/pid.txt"
        (fact,), _ = run(tunnel_server_pid.ARTIFACT, path, "77")
        assert fact.fields["data_dir"] == "C:\\servers\\data\\.vscode\\cli"


class TestPid:
    def test_it_names_process_and_build(self) -> None:
        (fact,), problems = run(tunnel_server_pid.ARTIFACT, f"{SERVER}/pid.txt", "9812", TIMES)
        assert problems == []
        assert (fact.fields, fact.times) == ({**OWNER, **BUILD, "server_pid": "9812"}, TIMES)

    @pytest.mark.parametrize("text", ["", "\0\0\0\0", "x", "-4", "0", "99999999999", "12 13"])
    def test_what_is_no_process_id_is_a_problem(self, text: str) -> None:
        facts, problems = run(tunnel_server_pid.ARTIFACT, f"{SERVER}/pid.txt", text)
        assert (facts, len(problems)) == ([], 1)

    def test_cut(self) -> None:
        survives_truncation(tunnel_server_pid.ARTIFACT, f"{SERVER}/pid.txt", b"9812")


class TestLists:
    def test_of_the_clis_fetched_for_a_client(self) -> None:
        text = f'["Stable-{COMMIT}-linux-x64"]'
        (fact,), _ = run(tunnel_server_lru.ARTIFACT, f"{CLI}/cli/lru.json", text, TIMES)
        assert (fact.kind, fact.times) == ("tunnel.cli_fetched", TIMES)
        name = {"entry_name": f"Stable-{COMMIT}-linux-x64", "order": 1}
        assert fact.fields == {**OWNER, **BUILD, **name, "platform": "linux-x64"}

    def test_of_web_servers(self) -> None:
        (fact,), _ = run(tunnel_server_lru.ARTIFACT, f"{CLI}/serve-web/lru.json", f'["{COMMIT}"]', TIMES)
        assert fact.kind == "server.web_used"
        assert fact.fields == {**OWNER, "commit": COMMIT, "entry_name": COMMIT, "order": 1}


class TestServeWeb:
    @pytest.mark.parametrize("name", ["serve-web-token", "serve-web-key-half"])
    def test_its_secrets_are_present_and_not_told(self, name: str) -> None:
        (fact,), _ = run(serve_web_secrets.ARTIFACT, f"{CLI}/{name}", "d2a5f1c0-secret", TIMES)
        assert fact.fields == {**OWNER, "file_name": name, "secret_length": 15}
        assert "d2a5" not in repr(fact)
        assert finds(serve_web_secrets.ARTIFACT, f"ProgramData/z/{name}")


class TestAgentHost:
    AT = "C:/Users/hanako/.vscode-server/cli"

    def test_its_lock_is_not_a_tunnels(self) -> None:
        path = f"{self.AT}/agent-host-stable.lock"
        assert finds(tunnel_lock.ARTIFACT, path.removeprefix("C:/"))
        (fact,), _ = run(tunnel_lock.ARTIFACT, path, LOCK, TIMES)
        assert (fact.kind, fact.fields["pipe_name"]) == ("server.agent_host_lock", PIPE)

    def test_its_log_counts_as_context(self) -> None:
        path = f"{self.AT}/agent-host-insiders.log"
        assert finds(agent_host_log.ARTIFACT, path.removeprefix("C:/"))
        text = "[2026-07-05 19:56:30] info starting as new singleton\n  more of it\n"
        (fact,), problems = run(agent_host_log.ARTIFACT, path, text)
        assert problems == []
        assert (fact.kind, fact.context) == ("server.agent_host_log", True)
        assert fact.times == {BORN: utc(2026, 7, 5, 19, 56, 30)}
        assert fact.fields["log_message"] == "starting as new singleton\n  more of it"
