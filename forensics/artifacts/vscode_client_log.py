r"""Logs of the desktop program as the CLIENT of a tunnel: which machines this host reached out to.

The extension `ms-vscode.remote-server` resolves `vscode-remote://tunnel+<name>` and says so: with the tunnel's name,
and its id and cluster once it is found. It is the other end of what a tunnel's host keeps, and the same id there and
here joins two hosts. It says nothing of tunnels hosted on this host. The two messages are of a public issue thread
(microsoft/vscode #200910); that they stand in `logs\<stamp>\window<n>\exthost\ms-vscode.remote-server\*.log` or in an
output channel with "Tunnel" in its name is from memory. Local time.
"""

from __future__ import annotations

from forensics.artifacts._tunnel import (
    BORN,
    EDITOR_ZONE,
    MESSAGE_LIMIT,
    cut_line,
    local_moment,
    with_inferred_zone,
    zeroed,
    zone_fields,
)
from forensics.artifacts._vscode import OWNER, desktop_globs, desktop_owner
from forensics.artifacts.base import FieldType, FileArtifact, FileInput, Kind, Output
from forensics.formats import spdlog
from forensics.formats.logzone import LogZone
from forensics.formats.messages import meaning
from forensics.formats.spdlog import Entry
from forensics.model import Problem, Value, make_fact

_NAME = "vscode_client_log"
_NAMES = ("ms-vscode.remote-server/*.log", "output_logging_*/*Tunnel*.log")


def _told(message: str) -> tuple[str, dict[str, Value | None], bool]:
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


def _row(given: FileInput, entry: Entry, zone: LogZone) -> Output:
    source = given.source(f"line {entry.number}")
    if entry.cut:
        yield cut_line(_NAME, given, entry.number, entry.offset)
    if entry.lost:
        yield Problem("truncated", _NAME, source, f"{entry.lost} lines that continue it were not read")
    kind, told, context = _told(entry.message)
    fields: dict[str, Value | None] = {
        **desktop_owner(given),
        **zone_fields(zone),
        **told,
        "log_level": entry.level,
        "log_message": entry.text[:MESSAGE_LIMIT],
        "line_number": entry.number,
        "file_offset": entry.offset,
    }
    yield make_fact(kind, source, {BORN: local_moment(given, entry.stamp)}, fields, context=context)


def parse(given: FileInput) -> Output:
    """One row for every message."""
    yield from zeroed(_NAME, given)
    given, zone = with_inferred_zone(given, EDITOR_ZONE)
    for entry in spdlog.read(given.fh):
        if entry.text.strip():
            yield from _row(given, entry, zone)


_LOG: dict[str, FieldType] = {
    **OWNER, "log_level": str, "log_message": str, "log_zone": str, "log_zone_reason": str, "line_number": int,
    "file_offset": int,
}  # fmt: skip
ARTIFACT = FileArtifact(
    name=_NAME,
    paths=desktop_globs(
        *(f"logs/*/window*/exthost*/{name}" for name in _NAMES),
        anywhere=tuple(f"user-data/logs/*/window*/exthost*/{name}" for name in _NAMES),
    ),
    parse=parse,
    emits={
        "vscode.remote_resolved": Kind(
            "This host was the CLIENT of a remote machine: it resolved {remote_authority}[ (profile {profile_user})]",
            {**_LOG, "remote_authority": str, "tunnel_name": str},
        ),
        "vscode.remote_found": Kind(
            "This host was the CLIENT of tunnel {tunnel_id} in {tunnel_cluster}[ (profile {profile_user})]",
            {**_LOG, "tunnel_id": str, "tunnel_cluster": str},
        ),
        "vscode.remote_message": Kind("Client of remote machines: {log_message}", _LOG, context=True),
    },
)
