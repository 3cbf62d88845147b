r"""The editor's log of port forwarding: local ports that were published through a tunnel, without a remote session.

The Ports view of the desktop program runs `code-tunnel.exe tunnel forward-internal` by its built-in extension
`vscode.tunnel-forwarding`, and keeps what both say in an output channel: whoever sat at this host opened a port of it
to an account, or to everybody. It is no tunnel session: nobody gets an editor or a shell by it. Messages:
`extensions/tunnel-forwarding/src/extension.ts` and `local_forwarding.rs` of microsoft/vscode; that the channel is kept
as `logs\<stamp>\window<n>\exthost\vscode.tunnel-forwarding\*.log` or `output_logging_*\<n>-Port Forwarding.log` is from
memory. Local time.
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
from forensics.formats.messages import Meaning, meaning
from forensics.formats.spdlog import Entry
from forensics.formats.tunnellog import parse_line
from forensics.model import Problem, Value, make_fact

_NAME = "vscode_forwarding_log"
_CHANNEL = "[forwarding] "
_NAMES = ("vscode.tunnel-forwarding/*.log", "output_logging_*/*Forwarding*.log")


def _meaning(text: str) -> Meaning:
    """What the extension says of itself, or a line of the CLI that it repeats."""
    if text.startswith(_CHANNEL):
        return meaning("cli", text.removeprefix(_CHANNEL), "forwarding")
    line = parse_line(text)
    return line.meaning if line else meaning("cli", text)


def _row(given: FileInput, entry: Entry, zone: LogZone) -> Output:
    source = given.source(f"line {entry.number}")
    if entry.cut:
        yield cut_line(_NAME, given, entry.number, entry.offset)
    if entry.lost:
        yield Problem("truncated", _NAME, source, f"{entry.lost} lines that continue it were not read")
    told = _meaning(entry.message)
    event = told.event if told.event in ("port_forwarded", "port_closed") else "forwarding_message"
    port, privacy = told.values.get("port"), told.values.get("privacy") or told.values.get("public")
    fields: dict[str, Value | None] = {
        **desktop_owner(given),
        **zone_fields(zone),
        "port": int(port) if port else None,
        "public": privacy.casefold() in ("public", "true") if privacy else None,
        "log_level": entry.level,
        "log_message": entry.text[:MESSAGE_LIMIT],
        "line_number": entry.number,
        "file_offset": entry.offset,
    }
    if event == "forwarding_message":
        fields["port"] = fields["public"] = None
    yield make_fact(
        f"vscode.{event}", source, {BORN: local_moment(given, entry.stamp)}, fields, context=not told.keep and not port
    )


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
_PORT: dict[str, FieldType] = {**_LOG, "port": int, "public": bool}
ARTIFACT = FileArtifact(
    name=_NAME,
    paths=desktop_globs(
        *(f"logs/*/window*/exthost*/{name}" for name in _NAMES),
        anywhere=tuple(f"user-data/logs/*/window*/exthost*/{name}" for name in _NAMES),
    ),
    parse=parse,
    emits={
        "vscode.port_forwarded": Kind(
            "The editor published port {port} of this host[, for everybody{public:flag}][ (profile {profile_user})]",
            _PORT,
        ),
        "vscode.port_closed": Kind("The editor no longer publishes port {port}", _PORT),
        "vscode.forwarding_message": Kind("Port forwarding of the editor: {log_message}", _LOG, context=True),
    },
)
