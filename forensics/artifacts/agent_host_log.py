r"""`agent-host-<quality>.log`: `code agent host` (2026) ran on this host; a tunnel starts it in the background, too.

It lies beside the data of the server (`.vscode-server\cli`), in the grammar of the CLI log (`state.rs` of
microsoft/vscode; what its lines say is not in the published catalogue). An agent host is no tunnel: its lines are told
as they are, and none of them counts as one of a tunnel. Its zone is decided as that of the CLI log.
"""

from __future__ import annotations

from forensics.artifacts._tunnel import BORN, cut_line, log_fields, log_zone, owner, zeroed
from forensics.artifacts._tunnel_kinds import agent_host_kind
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import logzone, tunnellog
from forensics.model import make_fact
from forensics.times import NoTime

_NAME = "agent_host_log"
_QUALITIES = ("stable", "insiders", "exploration", "oss")


def parse(given: FileInput) -> Output:
    """One row for every record."""
    yield from zeroed(_NAME, given)
    zone = log_zone(given)
    for line in tunnellog.read(given.fh):
        if line.cut:
            yield cut_line(_NAME, given, line.number, line.offset)
        if line.banner or not line.text:
            continue
        moment, other = logzone.resolve(line.stamp, zone, given.zone) if line.stamp else (NoTime("no stamp", ""), None)
        fields = log_fields(line.text, line.level, line.number, line.offset, zone) | owner(given)
        fields["log_time_if_utc"] = other
        source = given.source(f"line {line.number}")
        yield make_fact("server.agent_host_log", source, {BORN: moment}, fields, context=True)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(
        "Users/*/.vscode-server*/cli/agent-host-*.log",
        *(f"**/agent-host-{quality}{rotated}.log" for quality in _QUALITIES for rotated in ("", ".*")),
    ),
    parse=parse,
    emits={"server.agent_host_log": agent_host_kind()},
)
