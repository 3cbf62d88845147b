r"""Logs of the desktop program as the CLIENT of a tunnel: which machines this host reached out to.

The extension `ms-vscode.remote-server` resolves `vscode-remote://tunnel+<name>` and says so: with the tunnel's name,
and its id and cluster once it is found. It is the other end of what a tunnel's host keeps, and the same id there and
here joins two hosts. It says nothing of tunnels hosted on this host. The two messages are of a public issue thread
(microsoft/vscode #200910); that they stand in `logs\<stamp>\window<n>\exthost\ms-vscode.remote-server\*.log` or in an
output channel with "Tunnel" in its name is from memory. Local time.
"""

from __future__ import annotations

from forensics.artifacts._vscode_log import LOG, Told, extension_globs, messages
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats.messages import meaning
from forensics.model import Value

_NAME = "vscode_client_log"
_NAMES = ("ms-vscode.remote-server/*.log", "output_logging_*/*Tunnel*.log")


def _told(message: str) -> Told:
    found = meaning("client", message)
    if found.event == "resolved":
        kind, _, name = found.values["authority"].partition("+")
        fields: dict[str, Value | None] = {
            "remote_authority": found.values["authority"],
            "tunnel_name": name if kind == "tunnel" else None,
        }
        return "vscode.remote_resolved", fields, kind != "tunnel"
    if found.event == "found":
        return (
            "vscode.remote_found",
            {"tunnel_id": found.values["id"], "tunnel_cluster": found.values["cluster"]},
            False,
        )
    return "vscode.remote_message", {}, True


def parse(given: FileInput) -> Output:
    """One row for every message."""
    yield from messages(_NAME, given, _told)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=extension_globs(*_NAMES),
    parse=parse,
    emits={
        "vscode.remote_resolved": Kind(
            "This host was the CLIENT of a remote machine: it resolved {remote_authority}[ (profile {profile_user})]",
            {**LOG, "remote_authority": str, "tunnel_name": str},
        ),
        "vscode.remote_found": Kind(
            "This host was the CLIENT of tunnel {tunnel_id} in {tunnel_cluster}[ (profile {profile_user})]",
            {**LOG, "tunnel_id": str, "tunnel_cluster": str},
        ),
        "vscode.remote_message": Kind("Client of remote machines: {log_message}", LOG, context=True),
    },
)
