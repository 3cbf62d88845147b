r"""Loose files of VS Code's CLI, server and desktop: known by their first lines, whatever they are called.

A log of the CLI, of its server, of the desktop's tunnel and of its client have lines that nothing else prints
(`formats/messages.py`); state files are small JSON of a form of their own, a lock is MessagePack with a pipe's name.
What says too little (`pid.txt`, a `license_consent.json` that is empty) is taken by its name where that is the
program's own, or not at all.
"""

from __future__ import annotations

import json
import re
from typing import Any

from forensics.formats import FormatError, lockfile, serverlog, spdlog, tunnellog
from forensics.formats.messages import is_banner, meaning

CLI, SERVER = "Users/_/.vscode/cli", "Users/_/.vscode-server"
_DESKTOP = "Users/_/AppData/Roaming/Code/logs/_"
TUNNEL_LOG = f"{CLI}/tunnel-service.log"
OUTPUT = "Users/_/output.txt"
SERVER_LOG = f"{CLI}/servers/Stable-{'0' * 40}/log.txt"
REMOTE_AGENT = f"{SERVER}/data/logs/_/remoteagent.log"
DESKTOP_LOG = f"{_DESKTOP}/remoteTunnelService.log"
CLIENT_LOG = f"{_DESKTOP}/window1/exthost/ms-vscode.remote-server/_.log"
_BUILD = re.compile(r"(?:(?:Stable|Insiders|Exploration)-)[0-9a-f]{40}(?:-[\w-]{1,40})?", re.IGNORECASE)
_REMOTE_SSH = re.compile(r"\.(?:cli\.)?[0-9a-f]{40}\.(?:log|pid|token)", re.IGNORECASE)
_LOCK = re.compile(r"(?:tunnel|forwarding|agent-host)-[a-z]{1,20}\.lock", re.IGNORECASE)
_OUTPUTS = ("txt", "log", "out", "tmp")  # what output of the CLI is called, see artifacts/tunnel_output.py
_NAMES = (  # where the first lines say nothing: an emptied log, one whose lines are not known yet
    (re.compile(r"tunnel-service(?:\.\w{1,40})?\.log"), TUNNEL_LOG),
    (re.compile(r"remotetunnel(?:service)?(?:\.\w{1,40})?\.log"), DESKTOP_LOG),
    (re.compile(r"remoteagent(?:\.\w{1,40})?\.log"), REMOTE_AGENT),
    (re.compile(r"(?:code_tunnel|port_forwarding_tunnel|license_consent)\.json"), ""),
)


def role_of(head: bytes, text: str, name: str) -> str | None:
    """The place that a file stands for by its first bytes, which `text` is decoded; its name helps only where noted."""
    folded = name.casefold()
    if _REMOTE_SSH.fullmatch(folded):
        return f"{SERVER}/{folded}"  # Remote-SSH's own, whose lines are those of a tunnel's server
    return _lock(head, folded) or _state(text, folded) or _log(text, folded) or _by_name(folded)


def _by_name(name: str) -> str | None:
    place = next((place for pattern, place in _NAMES if pattern.fullmatch(name)), None)
    return f"{CLI}/{name}" if place == "" else place


def _lock(head: bytes, name: str) -> str | None:
    if _LOCK.fullmatch(name):
        return f"{CLI}/{name}"
    try:
        found = lockfile.read(head)
    except FormatError:
        return None
    pipe = found.pipe_name.startswith("\\\\.\\pipe\\code-")
    return f"{CLI}/tunnel-stable.lock" if pipe and not found.carved and found.pid is not None else None


def _state(text: str, name: str) -> str | None:
    """A state file by the form of its JSON."""
    if text[:1] not in ("{", "[", '"'):
        return None
    if text.startswith("{") and '"vscode-remote:' in text[:300] and '"entries"' in text:
        return f"{SERVER}/data/User/History/_/entries.json"  # longer than what is looked at
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and {"name", "id", "cluster"} <= value.keys():
        return f"{CLI}/{name if name == 'port_forwarding_tunnel.json' else 'code_tunnel.json'}"
    if isinstance(value, dict) and value.keys() == {"consented"}:
        return f"{CLI}/license_consent.json"
    if isinstance(value, list) and value and all(isinstance(item, str) and _BUILD.fullmatch(item) for item in value):
        return f"{CLI}/servers/lru.json"
    if isinstance(value, str) and value.startswith('{"p":') and '"a":' in value:
        return f"{CLI}/token.json"
    return None


def _log(text: str, name: str) -> str | None:
    """A log by the first line that only one program prints."""
    banner = False
    for line in text.splitlines():
        if is_banner(line):
            banner = banner or "Visual Studio Code Server" in line
        elif found := _of_line(line):
            if found == TUNNEL_LOG and banner and _is_output_name(name):
                return OUTPUT
            return found if found != OUTPUT or _is_output_name(name) else TUNNEL_LOG
    if banner:
        return SERVER_LOG if name == "log.txt" else OUTPUT if _is_output_name(name) else None
    return None


def _is_output_name(name: str) -> bool:
    return ("." not in name or name.rpartition(".")[2] in _OUTPUTS) and not name.startswith("tunnel-service.")


def _of_line(line: str) -> str | None:
    if head := spdlog.head_of(line):
        return _of_stamped(head.text)
    if stamped := tunnellog.parse_line(line):
        return TUNNEL_LOG if stamped.meaning.known else None
    entry = serverlog.parse_text(line)
    if entry.meaning.known:
        return SERVER_LOG
    found = meaning("cli", line)
    return OUTPUT if found.bare and (found.event != "link_shown" or "/tunnel/" in line) else None


def _of_stamped(text: str) -> str | None:
    """A line with the stamp that all of VS Code's own logs have."""
    inside = tunnellog.parse_line(text)
    if meaning("desktop", text).known or (inside is not None and inside.meaning.known):
        return DESKTOP_LOG
    if meaning("client", text).known:
        return CLIENT_LOG
    entry = serverlog.parse_text(f"2000-01-01 00:00:00.000 [info] {text}")
    return REMOTE_AGENT if entry.meaning.known else None
