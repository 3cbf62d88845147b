"""What a VS Code server leaves below its data folder: extensions, settings, workspaces, logs."""

from __future__ import annotations

import json

import pytest

from forensics.artifacts import (
    remoteagent_log,
    server_data_files,
    server_data_logs,
    server_extensions,
    tunnel_file_history,
    tunnel_saved_copies,
)
from forensics.evidence.globs import GlobSet
from forensics.model import Fact
from tests.artifacts.file_inputs import BORN, MODIFIED, run, survives_truncation, utc

FOLDER = "C:/Users/hanako/.vscode-server"
OWNER = {"server_data_dir": "C:\\Users\\hanako\\.vscode-server", "profile_user": "hanako"}
TIMES = {BORN: utc(2024, 12, 4, 1), MODIFIED: utc(2024, 12, 4, 2)}
LOGS = f"{FOLDER}/data/logs/20241204T101555"
EXTENSIONS = json.dumps(
    [
        {
            "identifier": {"id": "ms-python.python", "uuid": "f1f59ae4-9318-4f3c-a9b5-81b2eaa5f8a5"},
            "version": "2024.20.0",
            "location": {
                "$mid": 1,
                "fsPath": "c:\\Users\\hanako\\.vscode-server\\extensions\\ms-python.python-2024.20.0",
            },
            "metadata": {"installedTimestamp": 1733289512345, "source": "gallery", "publisherDisplayName": "Microsoft"},
        },
        {
            "identifier": {"id": "x.tool"},
            "version": "0.1.0",
            "metadata": {"source": "vsix", "installedTimestamp": True},
        },
        7,
    ]
)
EXTHOST = """2024-12-04 10:15:58.100 [info] Extension host with pid 11432 started
2024-12-04 10:15:58.200 [info] Lock 'c:\\Users\\hanako\\.vscode-server\\data\\User\\workspaceStorage\\5f1c\\vscode.lock': Lock acquired.
2024-12-04 10:15:58.300 [info] ExtensionService#_doActivateExtension vscode.git, startup: true, activationEvent: '*'
2024-12-04 10:15:59.000 [info] ExtensionService#_doActivateExtension x.tool, startup: false, activationEvent: 'onStartupFinished'
2024-12-04 10:15:59.100 [error] Error: unknown
    at somewhere
"""  # noqa: E501
GIT = """2024-12-04 10:16:02.118 [info] [Model][openRepository] Opened repository (path): c:\\src\\shop
2024-12-04 10:16:02.300 [info] > git rev-parse --show-toplevel [52ms]
2024-12-04 10:16:09.300 [info] > git push https://example.com/x.git main [1052ms]
"""
PTY = (
    "2024-12-04 10:17:00.000 [trace] createProcess "
    '{"shellLaunchConfig":{"executable":"C:\\\\Windows\\\\System32\\\\cmd.exe",'
    '"cwd":"c:\\\\ProgramData"}}\n2024-12-04 10:17:01.000 [trace] heartbeat\n'
)


def told(facts: list[Fact]) -> list[tuple[str, bool]]:
    return [(fact.kind.partition(".")[2], fact.context) for fact in facts]


class TestExtensions:
    PATH = f"{FOLDER}/extensions/extensions.json"

    def test_the_list(self) -> None:
        (python, tool), problems = run(server_extensions.ARTIFACT, self.PATH, EXTENSIONS, TIMES)
        assert [problem.fault for problem in problems] == ["bad_record"]
        assert python.times == {"Installation Time": utc(2024, 12, 4, 5, 18, 32, 345000)}
        assert python.fields == {
            **OWNER,
            "extension_id": "ms-python.python",
            "extension_version": "2024.20.0",
            "extension_source": "gallery",
            "publisher": "Microsoft",
            "install_folder": "c:\\Users\\hanako\\.vscode-server\\extensions\\ms-python.python-2024.20.0",
        }
        assert tool.no_times == {"Installation Time": "no installedTimestamp (True)"}
        assert tool.fields["extension_source"] == "vsix"
        survives_truncation(server_extensions.ARTIFACT, self.PATH, EXTENSIONS.encode())

    def test_those_to_be_removed(self) -> None:
        path = f"{FOLDER}/extensions/.obsolete"
        (fact,), problems = run(server_extensions.ARTIFACT, path, '{"x.tool-0.1.0":true}', TIMES)
        assert problems == []
        assert fact.fields == {**OWNER, "extension_id": "x.tool", "extension_version": "0.1.0"}
        assert fact.times == TIMES

    @pytest.mark.parametrize("text", ["", "{}", "null", '{"a":1}'])
    def test_what_is_no_list(self, text: str) -> None:
        facts, problems = run(server_extensions.ARTIFACT, self.PATH, text)
        assert (facts, [problem.fault for problem in problems]) == ([], ["bad_record"])

    @pytest.mark.parametrize("folder", ["Users/x/.vscode", "Users/x/.vscode-insiders", "portable/data"])
    def test_the_desktops_own_list_is_not_told(self, folder: str) -> None:
        for name, data in (("extensions.json", EXTENSIONS), (".obsolete", "{}")):
            assert run(server_extensions.ARTIFACT, f"C:/{folder}/extensions/{name}", data, TIMES) == ([], [])

    @pytest.mark.parametrize(
        "folder", ["Users/x/AppData/Local/Temp/a/.cursor-server", "Users/x/.vscode-server-insiders"]
    )
    def test_a_servers_by_its_name(self, folder: str) -> None:
        facts, _ = run(server_extensions.ARTIFACT, f"C:/{folder}/extensions/extensions.json", EXTENSIONS, TIMES)
        assert len(facts) == 2

    def test_a_servers_under_any_name_by_its_logs(self) -> None:
        beside = "Agent/data/logs/20241204T101555/remoteagent.log"
        for folder, count in (("agent", 2), ("other", 0)):
            facts, _ = run(
                server_extensions.ARTIFACT,
                f"C:/{folder}/extensions/extensions.json",
                EXTENSIONS,
                TIMES,
                beside=(beside,),
            )
            assert len(facts) == count

    def test_whole_data_of_a_server_in_a_folder_of_any_name(self) -> None:
        names = {
            server_extensions: "extensions/extensions.json",
            server_data_files: "data/Machine/settings.json",
            server_data_logs: "data/logs/20241204T101555/exthost1/remoteexthost.log",
            remoteagent_log: "data/logs/20241204T101555/remoteagent.1.log",
            tunnel_saved_copies: "data/User/History/-5c1f/Ux3p.ps1",
            tunnel_file_history: "data/User/History/-5c1f/entries.json",
        }
        for artifact, name in names.items():
            assert GlobSet(artifact.ARTIFACT.paths).matches(f"agent/{name}"), name


class TestFiles:
    def run(self, name: str, data: str) -> tuple[list[Fact], list[str]]:
        facts, problems = run(server_data_files.ARTIFACT, f"{FOLDER}/data/{name}", data, TIMES)
        assert all(fact.fields["server_data_dir"] == OWNER["server_data_dir"] for fact in facts)
        return facts, [problem.fault for problem in problems]

    def test_settings_of_the_machine(self) -> None:
        text = '{ // set from afar\n"terminal.integrated.env.windows": {"X": "1"}, "workbench.colorTheme": "dark", }'
        (env, theme), problems = self.run("Machine/settings.json", text)
        assert problems == []
        assert env.fields["setting_value"] == '{"X": "1"}'
        assert (env.context, theme.context) == (False, True)
        assert self.run("Machine/settings.json", "[]") == ([], ["bad_record"])

    def test_workspaces(self) -> None:
        (fact,), _ = self.run("User/workspaceStorage/5f1c/workspace.json", '{"folder":"file:///c%3A/ProgramData/x"}')
        assert (fact.kind, fact.fields["opened_path"]) == ("server.workspace_opened", "C:\\ProgramData\\x")
        text = '{"folder":"vscode-remote://tunnel%2Bdesk/c%3A/x"}'
        (fact,), _ = self.run("User/workspaceStorage/5f1c/meta.json", text)
        assert fact.fields["tunnel_name"] == "desk"
        (other,), problems = self.run("User/workspaceStorage/5f1c/meta.json", '{"id":"5f1c"}')
        assert (other.kind, other.context, problems) == ("server.extension_file", True, [])
        assert self.run("User/workspaceStorage/5f1c/workspace.json", "{}") == ([], ["bad_record"])

    def test_files_told_by_their_place(self) -> None:
        (package,), _ = self.run("CachedExtensionVSIXs/x.tool-0.1.0", "PK")
        assert (package.kind, package.context) == ("server.extension_cached", False)
        assert (package.fields["extension_id"], package.fields["file_size"]) == ("x.tool-0.1.0", 2)
        (left,), _ = self.run("User/globalStorage/x.tool/deep/settings.json", "anything")
        assert (left.kind, left.fields["extension_id"], left.context) == ("server.extension_file", "x.tool", True)
        (identity,), _ = self.run("machineid", "5b0f7c1e-92d4-4a6b-8e37-1c0d9fa25b48")
        assert identity.fields["machine_id"] == "5b0f7c1e-92d4-4a6b-8e37-1c0d9fa25b48"


class TestLogs:
    def run(self, name: str, data: str) -> list[Fact]:
        facts, problems = run(server_data_logs.ARTIFACT, f"{LOGS}/{name}", data, TIMES)
        assert problems == []
        return facts

    def test_the_extension_host(self) -> None:
        facts = self.run("exthost1/remoteexthost.log", EXTHOST)
        assert told(facts) == [
            ("data_log_message", True),
            ("workspace_used", False),
            ("extension_activated", True),
            ("extension_activated", False),
            ("data_log_message", True),
        ]
        assert facts[0].times == {BORN: utc(2024, 12, 4, 1, 15, 58, 100000)}
        assert str(facts[1].fields["file_path"]).endswith("\\workspaceStorage\\5f1c\\vscode.lock")
        assert (facts[3].fields["extension_id"], facts[3].fields["reason"]) == ("x.tool", "'onStartupFinished'")
        assert facts[4].fields["log_message"] == "Error: unknown\n    at somewhere"

    @pytest.mark.parametrize("name", ["vscode.git/Git.log", "output_logging_20241204T101558/1-Git.log"])
    def test_git(self, name: str) -> None:
        facts = self.run(f"exthost1/{name}", GIT)
        assert told(facts) == [("repository_opened", False), ("git_command", True), ("git_command", False)]
        assert facts[0].fields["opened_path"] == "c:\\src\\shop"
        assert facts[2].fields["command_line"] == "git push https://example.com/x.git main"

    def test_terminals(self) -> None:
        shell, other = self.run("ptyhost.log", PTY)
        assert shell.fields["executable"] == "C:\\Windows\\System32\\cmd.exe"
        assert shell.fields["working_directory"] == "c:\\ProgramData"
        assert other.context

    def test_what_is_known_by_its_time_alone(self) -> None:
        (fact,) = self.run("network.log", "2024-12-04 10:17:00.000 [info] git push\n")
        assert told([fact]) == [("data_log_message", True)]

    def test_too_many_lines_under_one_stamp_are_said(self) -> None:
        text = "2024-12-04 10:17:00.000 [info] x\n" + "y\n" * 700
        _, problems = run(server_data_logs.ARTIFACT, f"{LOGS}/ptyhost.log", text)
        assert [problem.detail for problem in problems] == ["200 lines that continue it were not read"]

    def test_cut_anywhere(self) -> None:
        for length in range(40, len(GIT)):
            assert run(server_data_logs.ARTIFACT, f"{LOGS}/exthost1/vscode.git/Git.log", GIT[:length])[0]

    def test_where_they_are_looked_for(self) -> None:
        globs = GlobSet(server_data_logs.ARTIFACT.paths)
        for name in ("exthost1/remoteexthost.log", "exthost1/a/b/c.log", "ptyhost.1.log", "remoteTelemetry.log"):
            assert globs.matches(f"Users/x/.vscode-server/data/logs/20241204T101555/{name}"), name
        assert not globs.matches("Users/x/.vscode-server/data/logs/20241204T101555/remoteagent.log")
