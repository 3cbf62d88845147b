"""The kinds of rows about tunnels, declared once because several artifacts emit them."""

from __future__ import annotations

from forensics.artifacts.base import FieldType, Kind

_LOG: dict[str, FieldType] = {
    "log_level": str, "log_message": str, "log_zone": str, "log_zone_reason": str, "log_time_if_utc": str,
    "log_outer_stamp": str, "log_inner_stamp": str,
    "line_number": int, "file_offset": int, "rpc_id": str, "data_dir": str, "profile_user": str,
}  # fmt: skip
_SERVER: dict[str, FieldType] = {
    **_LOG, "server_data_dir": str, "quality": str, "commit": str, "connection_id": str, "connection_kind": str,
}  # fmt: skip


def _log(message: str, fields: dict[str, FieldType] | None = None, *, context: bool = False) -> Kind:
    return Kind(message, {**_LOG, **(fields or {})}, context)


def _server(message: str, fields: dict[str, FieldType] | None = None, *, context: bool = False) -> Kind:
    return Kind(message, {**_SERVER, **(fields or {})}, context)


SERVER_KINDS: dict[str, Kind] = {
    "server.started": _server("Remote editor server started[ ({quality} {commit})]"),
    "server.window_opened": _server("Remote editor window opened[, connection {connection_id}]"),
    "server.window_closed": _server("Remote editor window closed[, connection {connection_id}]"),
    "server.window_lost": _server("Remote editor window lost its connection[, connection {connection_id}]"),
    "server.window_reconnected": _server("Remote editor window came back[, connection {connection_id}]"),
    "server.window_expired": _server("Remote editor window given up after waiting[, connection {connection_id}]"),
    "server.second_client": _server("Another client connected to the tunnel server[, connection {connection_id}]"),
    "server.extension_host_started": _server("Extension host started[, process {pid}]", {"pid": str}),
    "server.extension_host_exited": _server(
        "Extension host ended[, process {pid}][, exit code {result_code}]", {"pid": str, "result_code": str}
    ),
    "server.extension_installed": _server(
        "Extension installed by the remote editor server: {extension_id}", {"extension_id": str}
    ),
    "server.idle": _server("Remote editor server idle: the last extension host closed"),
    "server.stopped": _server("Remote editor server stopped: {log_message}"),
    "server.log_message": _server(
        "Remote editor server log: {log_message}", {"pipe_name": str, "extension_id": str}, context=True
    ),
}

_RELAY: dict[str, FieldType] = {"reason": str, "tunnel_id": str, "tunnel_cluster": str}

TUNNEL_LOG_KINDS: dict[str, Kind] = {
    "tunnel.host_started": _log(
        "Tunnel process started[: {command_line}][ ({reason})]", {"command_line": str, "reason": str}
    ),
    "tunnel.host_stopped": _log("Tunnel process stopped[: {reason}]", {"reason": str}),
    "tunnel.created": _log(
        "Tunnel registered[: {tunnel_name}][, id {tunnel_id}][ in {tunnel_cluster}][ ({reason})]",
        {**_RELAY, "tunnel_name": str},
    ),
    "tunnel.login": _log(
        "Tunnel login[ with {provider_name}][ ({reason})][, code {user_code} to be entered at {url}]",
        {"provider_name": str, "reason": str, "user_code": str, "url": str},
    ),
    "tunnel.link_shown": _log(
        "Tunnel ready for its operator[: {tunnel_name}][, opens {opened_path}][ at {url}]",
        {"tunnel_name": str, "opened_path": str, "url": str},
    ),
    "tunnel.relay_connected": _log("Tunnel connected to the relay[, id {tunnel_id}][ in {tunnel_cluster}]", _RELAY),
    "tunnel.relay_lost": _log("Tunnel lost or closed its relay[: {reason}]", {"reason": str}),
    "tunnel.client_connected": _log("Client reached the tunnel[ on channel {channel_number}]", {"channel_number": str}),
    "tunnel.client_serving": _log(
        "Client asked for a server[: {quality} {commit}][ (rpc {rpc_id})]", {"quality": str, "commit": str}
    ),
    "tunnel.server_started": _log(
        "Tunnel server running[, process {server_pid}][, {reason}][ (rpc {rpc_id})]",
        {
            "reason": str, "server_pid": str, "command_line": str, "tunnel_connection_token": str, "pipe_name": str,
            "quality": str, "commit": str,
        },
    ),
    "tunnel.client_disconnected": _log("Client left the tunnel[ (rpc {rpc_id})]"),
    "tunnel.port_forwarded": _log(
        "Port {port} opened through the tunnel[, public: {public}]", {"port": int, "public": bool}
    ),
    "tunnel.port_closed": _log("Port {port} closed again", {"port": int}),
    "tunnel.command_spawned": _log("Command started through the tunnel: {command_line}", {"command_line": str}),
    "tunnel.service_registered": _log("Tunnel registered to start at logon"),
    "tunnel.log_message": _log(
        "Tunnel log: {log_message}",
        {"reason": str, "provider_name": str, "destination_host": str, "peer_software": str, "product_version": str},
        context=True,
    ),
}  # fmt: skip


def agent_host_kind() -> Kind:
    """The kind of the lines of an agent host's log."""
    return _log("Agent host log: {log_message}", context=True)


def carved_kind() -> Kind:
    """The kind of lines that no file holds any more."""
    return _log("Carved tunnel log line: {log_message}[ ({reason})]", {"log_event": str, "reason": str})
