r"""The editor's log of port forwarding: local ports that were published through a tunnel, without a remote session.

The Ports view of the desktop program runs `code-tunnel.exe tunnel forward-internal` by its built-in extension
`vscode.tunnel-forwarding`, and keeps what both say in an output channel: whoever sat at this host opened a port of it
to an account, or to everybody. It is no tunnel session: nobody gets an editor or a shell by it. Messages:
`extensions/tunnel-forwarding/src/extension.ts` and `local_forwarding.rs` of microsoft/vscode; that the channel is kept
as `logs\<stamp>\window<n>\exthost\vscode.tunnel-forwarding\*.log` or `output_logging_*\<n>-Port Forwarding.log` is from
memory. Local time.
"""

from __future__ import annotations

from forensics.artifacts._vscode_log import LOG, Told, extension_globs, messages
from forensics.artifacts.base import FieldType, FileArtifact, FileInput, Kind, Output
from forensics.formats.messages import Meaning, meaning
from forensics.formats.tunnellog import parse_line
from forensics.model import Value

_NAME = "vscode_forwarding_log"
_CHANNEL = "[forwarding] "
_NAMES = ("vscode.tunnel-forwarding/*.log", "output_logging_*/*Forwarding*.log")


def _meaning(text: str) -> Meaning:
    """What the extension says of itself, or a line of the CLI that it repeats."""
    if text.startswith(_CHANNEL):
        return meaning("cli", text.removeprefix(_CHANNEL), "forwarding")
    line = parse_line(text)
    return line.meaning if line else meaning("cli", text)


def _told(message: str) -> Told:
    told = _meaning(message)
    port, privacy = told.values.get("port"), told.values.get("privacy") or told.values.get("public")
    if told.event not in ("port_forwarded", "port_closed"):
        return "vscode.forwarding_message", {}, not told.keep and not port
    fields: dict[str, Value | None] = {
        "port": int(port) if port else None,
        "public": privacy.casefold() in ("public", "true") if privacy else None,
    }
    return f"vscode.{told.event}", fields, not told.keep and not port


def parse(given: FileInput) -> Output:
    """One row for every message."""
    yield from messages(_NAME, given, _told)


_PORT: dict[str, FieldType] = {**LOG, "port": int, "public": bool}
ARTIFACT = FileArtifact(
    name=_NAME,
    paths=extension_globs(*_NAMES),
    parse=parse,
    emits={
        "vscode.port_forwarded": Kind(
            "The editor published port {port} of this host[, for everybody{public:flag}][ (profile {profile_user})]",
            _PORT,
        ),
        "vscode.port_closed": Kind("The editor no longer publishes port {port}", _PORT),
        "vscode.forwarding_message": Kind("Port forwarding of the editor: {log_message}", LOG, context=True),
    },
)
