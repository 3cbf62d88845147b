r"""`remoteagent.log`: the best record of remote editor windows, for up to ten runs of the server.

Each start of the server makes a folder `data\logs\<local time>` below `.vscode-server`; the newest ten are kept. Lines
have date and milliseconds in local time. Remote-SSH uses the same server and the same folder: by itself this log shows
a remote editor, not a tunnel. Sources: `serverServices.ts`, `remoteExtensionHostAgentServer.ts` of microsoft/vscode.
"""

from __future__ import annotations

from forensics.artifacts._tunnel import (
    cut_line,
    local_moment,
    log_fields,
    server_fact,
    server_globs,
    server_owner,
    with_inferred_zone,
    zeroed,
)
from forensics.artifacts._tunnel_kinds import SERVER_KINDS
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import serverlog
from forensics.formats.logzone import LogZone

_NAME = "remoteagent_log"
_ZONE = LogZone("local", "VS Code's server logs are in local time in all public examples (to 2026)")


def parse(given: FileInput) -> Output:
    """One row for every line."""
    yield from zeroed(_NAME, given)
    given, zone = with_inferred_zone(given, _ZONE)
    fixed = server_owner(given)
    for entry in serverlog.read(given.fh):
        if entry.cut:
            yield cut_line(_NAME, given, entry.number, entry.offset)
        if entry.text:
            common = log_fields(entry.text, entry.level, entry.number, entry.offset, zone) | fixed
            yield from server_fact(given, entry, local_moment(given, entry.stamp), common, entry.number)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=server_globs("data/logs/*/remoteagent.log", "data/logs/*/remoteagent.*.log"),
    parse=parse,
    emits=SERVER_KINDS,
)
