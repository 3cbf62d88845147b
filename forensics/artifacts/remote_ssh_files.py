r"""`.<commit>.pid` and `.<commit>.token` of a VS Code server: Remote-SSH started it, and no tunnel.

Remote-SSH and tunnels share the server's data folder and its logs. These files, beside which lies `.<commit>.log` with
the server's output, are made by the script that Remote-SSH runs over SSH: where they are, windows in `remoteagent.log`
need not be those of a tunnel. The token opens the server's port to local programs: only that it is there is told. Names
are from memory; the layout is one of versions to about 2024, newer ones use `cli\servers`.
"""

from __future__ import annotations

import re

from forensics.artifacts._tunnel import owner, server_name_globs, times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats.textfile import decode
from forensics.model import Problem, Value, make_fact

_NAME = "remote_ssh_files"
_LIMIT = 4096
_FILE = re.compile(r"\.(?P<commit>[0-9a-f]{40})\.(?P<what>pid|token)", re.IGNORECASE)
_PID = re.compile(r"[1-9]\d{0,9}")


def parse(given: FileInput) -> Output:
    """One row for the file, a problem when a process id is wanted and not there."""
    found = _FILE.fullmatch(given.path.rpartition("/")[2])
    if not found:
        return
    text = decode(given.read(_LIMIT)).text.strip("\x00 \t\r\n")
    fields: dict[str, Value | None] = {**owner(given), "commit": found["commit"].lower()}
    if found["what"].casefold() == "token":
        fields |= {"present": bool(text), "secret_length": len(text)}
        yield make_fact("server.ssh_token", given.source(), times(given), fields)
    elif not _PID.fullmatch(text) or int(text) >= 1 << 32:
        yield Problem("bad_record", _NAME, given.source(), "no process id" if text else "empty or zeros")
    else:
        yield make_fact("server.ssh_started", given.source(), times(given), {**fields, "server_pid": text})


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=server_name_globs(f".{'?' * 40}.pid", f".{'?' * 40}.token"),
    parse=parse,
    emits={
        "server.ssh_started": Kind(
            "Remote-SSH started VS Code server {commit} as process {server_pid}[ (profile {profile_user})]",
            {"server_pid": str, "commit": str, "data_dir": str, "profile_user": str},
        ),
        "server.ssh_token": Kind(
            "Token of a VS Code server {commit} that Remote-SSH started[, {secret_length} characters]",
            {"present": bool, "secret_length": int, "commit": str, "data_dir": str, "profile_user": str},
        ),
    },
)
