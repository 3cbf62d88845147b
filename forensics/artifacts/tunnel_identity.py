r"""`code_tunnel.json`: name, id and cluster of the tunnel that this profile registered.

Its creation time is the first tunnel of the profile, its modification time the last create, rename or unregister; the
content `null` means that `tunnel unregister` was run. The id also gives the connection token which the server's process
carries on its command line, so a process event ties to this file. A tunnel hosted with `--tunnel-id` and `--host-token`
never writes the file. `port_forwarding_tunnel.json` has the same form and belongs to the editor's port forwarding.
Source: `dev_tunnels.rs` (PersistedTunnel) and `state.rs` of microsoft/vscode.
"""

from __future__ import annotations

import re
from typing import Any

from forensics.artifacts._tunnel import cli_globs, owner, times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, guardedjson
from forensics.formats.tunnelid import connection_token, is_cluster, is_tunnel_id, is_tunnel_name
from forensics.model import Problem, Value, make_fact

_NAME = "tunnel_identity"
_LIMIT = 64 * 1024
_CARVED = re.compile(rb"\"(name|id|cluster)\"\s{0,8}:\s{0,8}\"([A-Za-z0-9_.-]{1,64})\"")
_CHECKS = (("name", is_tunnel_name), ("id", is_tunnel_id), ("cluster", is_cluster))


def _fields(value: dict[str, Any]) -> dict[str, Value | None]:
    """The fields of a tunnel, what does not look like one named in `invalid_fields` and kept."""
    texts = {name: value[name] for name, _ in _CHECKS if isinstance(value.get(name), str) and value[name]}
    invalid = tuple(name for name, check in _CHECKS if name not in texts or not check(texts[name]))
    tunnel_id = texts.get("id")
    return {
        "tunnel_name": texts.get("name"),
        "tunnel_id": tunnel_id,
        "tunnel_cluster": texts.get("cluster"),
        "tunnel_connection_token": connection_token(tunnel_id) if tunnel_id else None,
        "invalid_fields": invalid,
        "tunnel_unregistered": False,
    }


def parse(given: FileInput) -> Output:
    """One row for the file; out of a damaged file what can be carved, with a problem."""
    data = given.read(_LIMIT + 1)
    fixed = {**owner(given), "file_name": given.path.rpartition("/")[2]}
    fields: dict[str, Value | None]
    try:
        value = guardedjson.loads(data, _LIMIT)
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))
        carved = {name.decode(): text.decode() for name, text in _CARVED.findall(data)}
        if not carved:
            return
        fields = {**_fields(carved), "tunnel_unregistered": None, "reason": "carved from a damaged file"}
    else:
        if value is None:
            fields = {"tunnel_unregistered": True}
        elif isinstance(value, dict):
            fields = _fields(value)
        else:
            yield Problem("bad_record", _NAME, given.source(), "neither an object nor null")
            return
    yield make_fact("tunnel.identity", given.source(), times(given), {**fixed, **fields})


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=cli_globs("code_tunnel.json", "port_forwarding_tunnel.json"),
    parse=parse,
    emits={
        "tunnel.identity": Kind(
            "Tunnel registration {file_name}[: name {tunnel_name}][, id {tunnel_id}][ in {tunnel_cluster}]"
            "[, unregistered: {tunnel_unregistered}][ ({reason})]",
            {
                "tunnel_name": str,
                "tunnel_id": str,
                "tunnel_cluster": str,
                "tunnel_connection_token": str,
                "tunnel_unregistered": bool,
                "invalid_fields": tuple[str, ...],
                "reason": str,
                "file_name": str,
                "data_dir": str,
                "profile_user": str,
            },
        )
    },
)
