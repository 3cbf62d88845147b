"""Runs file artifacts over bytes, rows held to their declaration; the composed logs of a tunnel on a host in Tokyo."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from forensics.artifacts.base import FileArtifact, FileInput
from forensics.model import Fact, Host, Problem
from tests.artifacts.registry_inputs import sorted_out

TOKYO = ZoneInfo("Asia/Tokyo")
BORN, MODIFIED = "Creation Time", "Content Modification Time"
CLI = "C:/Users/hanako/.vscode/cli"
COMMIT = "f1a4fb101478ce6ec82fe9627c43efbf9e98c813"
SERVER = f"{CLI}/servers/Stable-{COMMIT}"
PIPE = "\\\\.\\pipe\\code-3b9d6f10-52c7-4e0a-9d11-0c6f7a1e2b34"
TOKEN = "CgxJd2e9LdDDo-FolIgseX4nCm0Sx16ZhYZVK9xEVPI"
LOCK = b"\x00\x92\xd9\x32" + PIPE.encode() + b"\xcd\x25\x84"

TUNNEL_LOG = rf"""[2024-12-04 10:02:11] debug Starting tunnel with `code C:\Users\hanako\AppData\Local\Temp\code.exe --verbose --cli-data-dir C:\Users\hanako\.vscode\cli tunnel service internal-run --log-to-file C:\Users\hanako\.vscode\cli\tunnel-service.log`
[2024-12-04 10:02:11] debug starting as new singleton
[2024-12-04 10:02:11] trace Found token in keyring
[2024-12-04 10:02:11] debug [reqwest::connect] starting new connection: https://api.github.com/
[2024-12-04 10:02:12] debug [reqwest::connect] starting new connection: https://jpe1.rel.tunnels.api.visualstudio.com/
[2024-12-04 10:02:13] debug Starting tunnel to server...
[2024-12-04 10:02:14] debug [tungstenite::handshake::client] Client handshake done.
[2024-12-04 10:15:40] info [tunnels::connections::relay_tunnel_host] Opened new client on channel 2
[2024-12-04 10:15:40] debug [russh::ssh_read] Ok("SSH-2.0-dev-tunnels-ssh_3.11.36\r\n")
[2024-12-04 10:15:41] debug [rpc.0] Serving new connection
[2024-12-04 10:15:41] info [rpc.0] Checking C:\Users\hanako\.vscode\cli\servers\Stable-{COMMIT}\log.txt and C:\Users\hanako\.vscode\cli\servers\Stable-{COMMIT}\pid.txt for a running server...
[2024-12-04 10:15:52] info [rpc.0] Starting server...
[2024-12-04 10:15:52] debug [rpc.0] Starting server with command... Command {{ std: "cmd" "/Q" "/C" "C:\\Users\\hanako\\.vscode\\cli\\servers\\Stable-{COMMIT}\\server\\bin\\code-server.cmd" "--connection-token={TOKEN}" "--accept-server-license-terms" "--start-server" "--enable-remote-auto-shutdown" "--socket-path=\\\\.\\pipe\\code-3b9d6f10-52c7-4e0a-9d11-0c6f7a1e2b34", kill_on_drop: false }}
[2024-12-04 10:15:55] trace [rpc.0] [codeserver.1] Extension host agent listening on \\.\pipe\code-3b9d6f10-52c7-4e0a-9d11-0c6f7a1e2b34
[2024-12-04 10:15:55] info [rpc.0] Server started
[2024-12-04 10:15:57] trace [rpc.0] [codeserver.1] [10:15:57] [<unknown>][5c1f09be][ManagementConnection] New connection established.
[2024-12-04 10:15:57] trace [rpc.0] [codeserver.1] [10:15:57] [<unknown>][a84d3312][ExtensionHostConnection] New connection established.
[2024-12-04 11:40:03] info [rpc.0] Disposed of connection to running server.
[2024-12-04 18:30:00] info Shutting down: RPC client requested shutdown
"""  # noqa: E501  # lines of a log are as long as they are

REMOTEAGENT = """2024-12-04 10:15:55.871 [info] Extension host agent started.
2024-12-04 10:15:57.204 [info] [<unknown>][5c1f09be][ManagementConnection] New connection established.
2024-12-04 10:15:57.650 [info] [<unknown>][a84d3312][ExtensionHostConnection] <11432> Launched Extension Host Process.
2024-12-04 11:40:03.118 [info] [<unknown>][5c1f09be][ManagementConnection] The client has disconnected gracefully, so the connection will be disposed.
2024-12-04 11:40:03.402 [info] [<unknown>][a84d3312][ExtensionHostConnection] <11432> Extension Host Process exited with code: 0, signal: null.
2024-12-04 11:40:03.402 [info] Last EH closed, waiting before shutting down
2024-12-04 11:45:03.421 [info] Last EH closed, shutting down
"""  # noqa: E501

HISTORY = (
    '{"version":1,"resource":"vscode-remote://tunnel%2Bdesktop-4k2lq9a/c%3A/ProgramData/run.ps1",'
    '"entries":[{"id":"Ux3p.ps1","timestamp":1733289512345},{"id":"9aQz.ps1","timestamp":1733289633107}]}'
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def given(
    path: str, data: bytes | str, times: dict[str, datetime] | None = None, zone: ZoneInfo | None = TOKYO
) -> FileInput:
    raw = data.encode() if isinstance(data, str) else data
    return FileInput(path, io.BytesIO(raw), len(raw), "0" * 64, "test", Host(name="WS-TANAKA"), zone, times or {})


def run(
    artifact: FileArtifact,
    path: str,
    data: bytes | str,
    times: dict[str, datetime] | None = None,
    zone: ZoneInfo | None = TOKYO,
    beside: tuple[str, ...] = (),
) -> tuple[list[Fact], list[Problem]]:
    """Facts and problems of an artifact over one file; `beside` are (empty) companions of it."""
    made = replace(given(path, data, times, zone), companions={name: io.BytesIO() for name in beside})
    return sorted_out(artifact, list(artifact.parse(made)))


def survives_truncation(artifact: FileArtifact, path: str, data: bytes, step: int = 1) -> None:
    """No exception at any length, and nothing that goes wrong goes unsaid: a short file gives a row or a problem."""
    for length in range(0, len(data), step):
        facts, problems = run(artifact, path, data[:length])
        assert facts or problems, length
