"""What kind of evidence a row is, and small questions about rows and calls, for putting tunnels together."""

from __future__ import annotations

import re

from forensics.sessions.rows import Row
from forensics.sessions.texts import basename
from forensics.sessions.tunnel_bundle import LOG, STATE, Bundle
from forensics.sessions.tunnel_call import TunnelCall, wrapped_call

LOG_KINDS = frozenset(
    f"tunnel.{name}"
    for name in (
        "host_started", "host_stopped", "created", "login", "relay_connected", "relay_lost", "client_connected",
        "client_serving", "server_started", "client_disconnected", "port_forwarded", "port_closed", "command_spawned",
        "service_registered", "log_message",
    )
)  # fmt: skip
# What the tunnel's server writes while it runs; its other rows are of files that others may have made.
SERVER_LOG = frozenset(
    f"server.{name}"
    for name in (
        "started", "stopped", "idle", "window_opened", "window_closed", "window_lost", "window_reconnected",
        "window_expired", "second_client", "extension_host_started", "extension_host_exited", "extension_installed",
        "log_message", "terminal_started", "repository_opened", "git_command", "workspace_used", "extension_activated",
    )
)  # fmt: skip
NO_SERVER = ("server.web_", "server.agent_host")
HISTORY = frozenset({"tunnel.file_saved", "tunnel.saved_copy"})
# These alone show that a tunnel was hosted, registered or used.
ANCHORS = frozenset(
    {
        "tunnel.identity", "tunnel.lock", "tunnel.server_used", "tunnel.host_started", "tunnel.created",
        "tunnel.relay_connected", "tunnel.client_connected", "tunnel.client_serving", "tunnel.file_saved",
    }
)  # fmt: skip
FILE_KINDS = ("usn.file_created", "usn.file_written", "usn.file_renamed", "usn.file_deleted", "mft.entry")
OWN_FILE = re.compile(r"code_tunnel\.json|tunnel-(?:stable|insiders|oss|exploration)\.lock|tunnel-service\.log")
SSH = re.compile(
    r"\\\.vscode-server(?:-insiders)?\\(?:bin\\|cli\\servers\\|code-(?:insiders-)?[0-9a-f]{40})", re.IGNORECASE
)


def makes(call: TunnelCall) -> bool:
    """Whether a call hosts a tunnel or installs what will."""
    return call.hosts or call.verb == "service install"


def part_of(row: Row) -> str:
    """Whatever a log holds is one kind of evidence, also its lines of which nothing else is known."""
    return LOG if row.kind in LOG_KINDS or "log_message" in row.fields else STATE


def is_desktop(row: Row) -> bool:
    """Whether a row is of the desktop program's copy of the CLI's log."""
    return basename(row.source.path).startswith("remotetunnel")


def is_state(row: Row) -> bool:
    """Whether a file of devtunnel tells of its use: the program itself does not, nor does an empty cache."""
    program = basename(row.first("file_path") or row.source.path).endswith(".exe")
    return not program and row.fields.get("file_size") != 0


def names(bundle: Bundle) -> set[str]:
    """The names of its tunnel (folded): of the registration, the log, and what it was told to be called."""
    rows = [*bundle.of(STATE, "tunnel.identity"), *bundle.of(LOG)]
    found = {row.get("tunnel_name").casefold() for row in rows}
    entries = [wrapped_call(entry.command or "") for entry in bundle.entries]
    calls = [*(call for _, call in bundle.calls), *(call for call in entries if call)]
    return (found | {call.options.get("--name", "").casefold() for call in calls}) - {""}


def same(one: str | None, two: str) -> bool:
    """Whether two names are one, whatever their case."""
    return one is not None and one.casefold() == two.casefold()


def forwarding(row: Row) -> bool:
    """Whether a state file is of port forwarding alone (`port_forwarding_tunnel.json`, `forwarding-stable.lock`)."""
    return basename(row.source.path).startswith(("port_forwarding", "forwarding-"))
