r"""The log of `code tunnel` as a service: who connected when, from start to stop of the last run.

`tunnel-service.log` in the CLI's data folder is written by what the Run value starts (`tunnel service internal-run
--log-to-file`), at trace level, and is truncated at each start: it tells of the last run only. It holds the command
line, each client's connection, the server build a client asked for, forwarded ports and spawned commands. File
transfers of the control channel are not logged, so their absence proves nothing.
Source: `cli/src/log.rs`, `tunnels/*.rs` of microsoft/vscode. The zone of its stamps changed; see `formats/logzone.py`.
"""

from __future__ import annotations

from forensics.artifacts._tunnel import DESKTOP_LOGS, cli_globs, log_zone, owner, times, zeroed
from forensics.artifacts._tunnel_kinds import SERVER_KINDS, TUNNEL_LOG_KINDS
from forensics.artifacts._tunnel_log import LogReader
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import tunnellog
from forensics.model import Value, make_fact

_NAME = "tunnel_log"
# The process writes its first lines within a second of its start: a log that stays empty was emptied, or its process
# came to nothing.
_EMPTY = Kind(
    "The log {file_name} of the tunnel CLI is empty[, profile {profile_user}]",
    {"file_name": str, "data_dir": str, "profile_user": str},
)


def parse(given: FileInput) -> Output:
    """One row for every record of the log; one that says so for a log without any."""
    if not given.size:
        fields: dict[str, Value | None] = {**owner(given), "file_name": given.path.rpartition("/")[2]}
        yield make_fact("log.empty", given.source(), times(given), fields)
        return
    yield from zeroed(_NAME, given)
    reader = LogReader(_NAME, given, log_zone(given))
    for line in tunnellog.read(given.fh):
        yield from reader.rows(line)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=cli_globs("tunnel-service.log", "tunnel-service.*.log", anywhere=("tunnel-service.log",)),
    parse=parse,
    companions=DESKTOP_LOGS,
    emits={**TUNNEL_LOG_KINDS, **SERVER_KINDS, "log.empty": _EMPTY},
)
