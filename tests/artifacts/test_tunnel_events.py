r"""Every pattern that a tunnel leaves in event logs is kept, however the program is called and wherever it lies."""

from __future__ import annotations

import pytest

from forensics.artifacts._vscode_terminal import DESKTOP, SERVER, UNKNOWN, terminal_of
from forensics.formats.sandboxids import read_pipe
from forensics.rules.watch import is_watched
from tests.artifacts.event_logs import one, own, written

COMMIT = "f1a4fb101478ce6ec82fe9627c43efbf9e98c813"
CLI = "C:\\Users\\hanako\\.vscode\\cli"
BUILD = f"{CLI}\\servers\\Stable-{COMMIT}\\server"
ODD = f"D:\\data\\servers\\Exploration-{COMMIT}\\server"  # of `--cli-data-dir`
TERMINALS = ("terminal\\common\\scripts", "terminal\\browser\\media")  # later builds, and those of 2023
UUID = "3b9d6f10-52c7-4e0a-9d11-0c6f7a1e2b34"
SYSMON, POWERSHELL = "Microsoft-Windows-Sysmon/Operational", "Windows PowerShell"
TASKS = "Microsoft-Windows-TaskScheduler/Operational"
FIREWALL = "Microsoft-Windows-Windows Firewall With Advanced Security/Firewall"
DNS = "Microsoft-Windows-DNS-Client/Operational"


def shell(build: str, place: str = TERMINALS[0], program: str = "powershell.exe") -> str:
    """The command line of a terminal's PowerShell."""
    script = f"{build}\\out\\vs\\workbench\\contrib\\{place}\\shellIntegration.ps1"
    return f'{program} -noexit -command "try {{ . \\"{script}\\" }} catch {{}}"'


HOSTING = [
    "code tunnel",
    "code.exe tunnel --name desk --accept-server-license-terms",
    '"C:\\Program Files\\Microsoft VS Code\\bin\\code.cmd" tunnel',
    "C:\\ProgramData\\svchosts.exe tunnel",
    '"C:\\ProgramData\\svchosts.exe" --verbose tunnel --accept-server-license-terms',
    "C:\\ProgramData\\svchosts.exe --log trace --verbose tunnel --name a",
    '"C:\\Program Data\\a b.exe" --verbose --cli-data-dir "C:\\d e" tunnel service internal-run',
    "code-tunnel.exe tunnel --parent-process-id 812",
    "code-tunnel.exe status",
    "a.exe tunnel --tunnel-id x1.jpe1 --host-token t",
    "code tunnel service install",
    "code tunnel prune",
    "x tunnel unregister",
    "x tunnel user logout",
    "x tunnel user login --provider github",
    "code-insiders tunnel",
    "code-exploration.exe tunnel",
    "code-oss tunnel",
    "code-tunnel-insiders.exe tunnel",
    "cursor tunnel",
    "cursor-tunnel.exe tunnel",
    "windsurf tunnel",
    "windsurf-tunnel.exe status",
    "codium.exe tunnel",
    "codium-tunnel.exe",
    "kiro-tunnel.exe",
    "code serve-web --without-connection-token",
    "a.exe command-shell --on-port",
    "start-process code.exe -argumentlist 'tunnel'",
    'nssm install Updater C:\\c\\code.exe "tunnel --accept-server-license-terms"',
    "<Command>C:\\c\\u.exe</Command><Arguments>--verbose tunnel</Arguments>",
    "&lt;Arguments&gt;tunnel --name a&lt;/Arguments&gt;",
    "devtunnel host -p 3389",
    "C:\\t\\renamed.exe host -p 3389 --allow-anonymous",
    "C:\\Users\\x\\AppData\\Local\\Temp\\DevTunnels\\devtunnel.exe user login -d",
    "$env:VSCODE_CLI_USE_FILE_KEYCHAIN=1",
    "set VSCODE_CLI_DATA_DIR=D:\\d",
]
SERVING = [
    f"cmd /Q /C {BUILD}\\bin\\code-server.cmd --connection-token=x",
    f'cmd.exe /d /c "{BUILD}\\bin\\code-server.cmd --socket-path=x"',
    f'"C:\\Windows\\system32\\cmd.exe" /q /c "{ODD}\\bin\\code-server-insiders.cmd"',
    "cmd /Q /C D:\\s\\bin\\code-server-exploration.cmd",
    "cmd /Q /C D:\\s\\bin\\cursor-server.cmd",
    "cmd /Q /C D:\\s\\bin\\windsurf-server.cmd",
    "cmd /Q /C D:\\s\\bin\\codium-server.cmd",
    "cmd /Q /C D:\\s\\bin\\kiro-server.cmd",
    f"{ODD}\\node.exe {ODD}\\out\\server-main.js --start-server",
    f"node server-main.js --enable-remote-auto-shutdown --socket-path=\\\\.\\pipe\\code-{UUID}",
    "node bootstrap-fork --type=extensionHost --transformURIs --useHostProxy=false",
    f"{ODD}\\node.exe {ODD}\\out\\bootstrap-fork --type=ptyHost --logsLevel 2",
    f"{ODD}\\node.exe {ODD}\\out\\bootstrap-fork --type=fileWatcher",
    shell(BUILD),
    shell(ODD, TERMINALS[1], "pwsh.exe"),
    "wsl.exe -d Ubuntu -- sh -c /home/x/.vscode-server/bin/x",
    "wsl -e sh -c 'code tunnel'",
    "taskkill /t /pid 4711",
    '"taskkill.exe" /t /pid 4711',
]
ORDINARY = [
    "C:\\Users\\x\\AppData\\Local\\Programs\\Microsoft VS Code\\Code.exe --type=utility --utility-sub-type=node",
    shell("C:\\Users\\x\\AppData\\Local\\Programs\\Microsoft VS Code\\resources\\app"),
    "code .",
    "code --install-extension ms-python.python",
    "git commit -m tunnel",
    "ssh -D 1080 tunnel",
    "taskkill /PID 4711 /T /F",
    "node http-server.cmd",
    "C:\\servers\\web-1\\node.exe",
    "\\\\.\\pipe\\vscode-git-3b9d6f1052-sock",
]


class TestProcesses:
    @pytest.mark.parametrize("line", [*HOSTING, *SERVING])
    def test_each_is_kept_in_both_logs(self, line: str) -> None:
        audit = one("Security", 4688, data={
            "SubjectUserSid": "S-1-5-18", "NewProcessName": "C:\\x\\y.exe", "NewProcessId": 8, "CommandLine": line,
        })  # fmt: skip
        sysmon = one(SYSMON, 1, data={"Image": "C:\\x\\y.exe", "ProcessId": 8, "CommandLine": line})
        child = one(SYSMON, 1, data={"Image": "C:\\x\\y.exe", "ProcessId": 8, "ParentCommandLine": line})
        assert [fact.kind for fact in (audit, sysmon, child)] == ["process.created"] * 3
        assert not audit.context
        assert not sysmon.context
        assert not child.context

    @pytest.mark.parametrize("line", ORDINARY)
    def test_others_are_context(self, line: str) -> None:
        assert one(SYSMON, 1, data={"Image": "C:\\x\\y.exe", "ProcessId": 8, "CommandLine": line}).context
        assert not is_watched(line)


class TestSysmon:
    @pytest.mark.parametrize("number", [17, 18])
    @pytest.mark.parametrize("name", [f"\\code-{UUID}", f"\\code-insiders-{UUID}", f"\\kiro-{UUID}"])
    def test_pipes(self, number: int, name: str) -> None:
        fact = one(SYSMON, number, data={"Image": "C:\\x\\node.exe", "ProcessId": 8, "PipeName": name})
        assert (fact.context, fact.fields["pipe_role"]) == (False, "code server")
        assert fact.fields["pipe_guid"] == UUID.upper()
        found = read_pipe(f"\\\\.\\pipe{name}")
        assert found is not None
        assert found.role == "code server"

    @pytest.mark.parametrize(
        "path",
        [
            "D:\\data\\code_tunnel.json",
            "D:\\data\\port_forwarding_tunnel.json",
            "D:\\data\\tunnel-stable.lock",
            f"{ODD[:-7]}.staging\\x",
            "C:\\Users\\h\\.vscode-server\\data\\User\\History\\1a2b\\x.ps1",
            "C:\\Users\\h\\Downloads\\vscode_cli_win32_x64_cli.zip",
        ],
    )
    def test_files(self, path: str) -> None:
        assert not one(SYSMON, 11, data={"Image": "C:\\x\\y.exe", "TargetFilename": path}).context

    @pytest.mark.parametrize(
        "name", ["Visual Studio Code Tunnel", "Visual Studio Code - Insiders Tunnel", "Cursor Tunnel"]
    )
    def test_autostart(self, name: str) -> None:
        key = f"HKU\\S-1-5-21-1-2-3-1001\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\{name}"
        made = one(SYSMON, 12, data={"Image": "C:\\x\\y.exe", "EventType": "CreateKey", "TargetObject": key})
        value = one(SYSMON, 13, data={"Image": "C:\\x\\y.exe", "TargetObject": key, "Details": "C:\\c.exe x"})
        assert (made.context, value.context) == (False, False)
        assert is_watched(name)

    def test_connections_say_what_the_host_is(self) -> None:
        data = {"Image": "C:\\x\\y.exe", "DestinationIp": "20.1.2.3", "DestinationPort": 443}
        relay = one(SYSMON, 3, data={**data, "DestinationHostname": "jpe1-data.rel.tunnels.api.visualstudio.com"})
        login = one(SYSMON, 3, data={**data, "DestinationHostname": "github.com"})
        assert (relay.context, relay.fields["host_meaning"]) == (False, "dev tunnels, management or relay of a cluster")
        assert (login.context, login.fields["host_meaning"]) == (True, "GitHub, sign-in of a tunnel")


class TestPowerShell:
    TEXT = (
        "\tNewEngineState={state}\r\n\tPreviousEngineState=None\r\n\r\n\tSequenceNumber=13\r\n\r\n\tHostName=ConsoleHost"
        "\r\n\tHostVersion=5.1.19041.1\r\n\tHostId=8f1f4a0e-1\r\n\tHostApplication={line}\r\n"
        "\tEngineVersion=5.1.19041.1\r\n\tRunspaceId=2\r\n\tPipelineId=\r\n\tCommandName=\r\n\tScriptName=\r\n"
    )

    def data(self, line: str, state: str) -> dict[str, str]:
        return {"a": state, "b": "None", "c": self.TEXT.format(state=state, line=line)}

    @pytest.mark.parametrize("place", TERMINALS)
    def test_a_terminal_opens_and_closes(self, place: str) -> None:
        line = shell(ODD, place)
        opened = one(POWERSHELL, 400, data=self.data(line, "Available"))
        closed = one(POWERSHELL, 403, data=self.data(line, "Stopped"))
        provider = one(POWERSHELL, 600, data=self.data(line, "Started"))
        assert [fact.kind for fact in (opened, closed, provider)] == [
            "powershell.started", "powershell.stopped", "powershell.provider_started",
        ]  # fmt: skip
        for fact in (opened, closed, provider):
            assert not fact.context
            assert own(fact) == {
                "host_application": line, "engine_version": "5.1.19041.1", "powershell_host_id": "8f1f4a0e-1",
                "terminal_of": SERVER,
            }  # fmt: skip

    def test_the_desktops_terminal_is_context(self) -> None:
        line = shell("C:\\Program Files\\Microsoft VS Code\\resources\\app")
        opened = one(POWERSHELL, 400, data=self.data(line, "Available"))
        assert (opened.context, opened.fields["terminal_of"]) == (True, DESKTOP)
        assert one(POWERSHELL, 403, data=self.data("powershell.exe", "Stopped")).context
        assert written(POWERSHELL, 600, data=self.data(line, "Started")) == []

    @pytest.mark.parametrize(
        ("path", "whose", "context"),
        [
            (f"{BUILD}\\out\\vs\\workbench\\contrib\\{TERMINALS[0]}\\shellIntegration.ps1", SERVER, False),
            ("C:\\Program Files\\Microsoft VS Code\\resources\\app\\out\\x\\shellIntegration.ps1", DESKTOP, True),
            ("", UNKNOWN, False),
        ],
    )
    def test_its_script(self, path: str, whose: str, context: bool) -> None:
        text = 'function Global:__VSCode-Escape-Value { "$([char]0x1b)]633;A`a" }'
        channel = "Microsoft-Windows-PowerShell/Operational"
        block = one(channel, 4104, data={"ScriptBlockText": text, "Path": path})
        assert (block.context, block.fields["terminal_of"]) == (context, whose)
        command = one(channel, 4103, data={"Payload": f'CommandInvocation(Set-X): "{text}"'})
        assert (command.context, command.fields["terminal_of"]) == (False, UNKNOWN)

    def test_as_whom_a_console_started(self) -> None:
        fact = one("Microsoft-Windows-PowerShell/Operational", 40961, pid=5500, user_sid="S-1-5-18", data={})
        assert (fact.kind, fact.context) == ("powershell.console_started", True)
        assert own(fact) == {"user_sid": "S-1-5-18", "pid": "5500"}

    def test_other_scripts_are_of_no_terminal(self) -> None:
        assert terminal_of("Get-Process", None) is None
        assert terminal_of(None) is None


class TestTasks:
    def test_runs_of_a_named_program(self) -> None:
        for number in (200, 201):
            data = {"TaskName": "\\Updater", "ActionName": "C:\\ProgramData\\code-tunnel.exe"}
            assert not one(TASKS, number, data=data).context
        assert not one(TASKS, 106, data={"TaskName": "\\x", "UserContext": "A\\b"}).context
        assert not one(TASKS, 140, data={"TaskName": "\\code_tunnel", "UserName": "A\\b"}).context

    def test_a_task_of_windows_that_was_made_to_host(self) -> None:
        content = "<Task><Exec><Command>C:\\c\\u.exe</Command><Arguments>tunnel --name a</Arguments></Exec></Task>"
        name = "\\Microsoft\\Windows\\UpdateOrchestrator\\x"
        fact = one("Security", 4702, data={"TaskName": name, "TaskContentNew": content})
        plain = one("Security", 4702, data={"TaskName": name, "TaskContentNew": content.replace("tunnel", "scan")})
        assert (fact.context, plain.context) == (False, True)


@pytest.mark.parametrize("number", [2004, 2097])
@pytest.mark.parametrize(
    ("program", "context"),
    [
        ("C:\\ProgramData\\code.exe", False),
        (f"{BUILD}\\node.exe", False),
        ("C:\\x\\Node.exe", False),
        ("C:\\x\\devtunnel.exe", False),
        ("C:\\x\\chrome.exe", True),
    ],
)
def test_firewall_rules(number: int, program: str, context: bool) -> None:
    fact = one(FIREWALL, number, data={"RuleName": "a", "ApplicationPath": program, "LocalPorts": "*"})
    assert (fact.kind, fact.context) == ("firewall.rule_added", context)


@pytest.mark.parametrize(
    ("number", "kind", "more"),
    [
        (3006, "dns.query_began", {"ServerList": "10.0.0.1"}),
        (3008, "dns.queried", {"QueryStatus": 0, "QueryResults": "20.1.2.3;"}),
        (3010, "dns.query_sent", {"DnsServerIpAddress": "10.0.0.1"}),
        (3018, "dns.cache_answered", {"QueryStatus": 0, "QueryResults": "20.1.2.3;"}),
        (3020, "dns.server_answered", {"QueryStatus": 0, "QueryResults": "20.1.2.3;"}),
    ],
)
def test_each_step_of_a_lookup(number: int, kind: str, more: dict[str, object]) -> None:
    data = {"QueryName": "jpe1.rel.tunnels.api.visualstudio.com", "QueryType": 1, **more}
    fact = one(DNS, number, pid=77, data=data)
    assert (fact.kind, fact.context) == (kind, False)
    said = {"dns_server": "10.0.0.1"} if number in (3006, 3010) else {"query_status": "0", "query_results": "20.1.2.3;"}
    assert own(fact) == {
        "query_name": data["QueryName"], "query_type": "1", "pid": "77",
        "host_meaning": "dev tunnels, management or relay of a cluster", **said,
    }  # fmt: skip
    other = one(DNS, number, data={**data, "QueryName": "update.code.visualstudio.com"})
    assert other.context
