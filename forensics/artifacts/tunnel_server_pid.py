r"""`servers\<Quality>-<commit>\pid.txt`: process id of the server that the tunnel started last, and when.

Written when the CLI spawns the server of a client's build; its modification time is that start. In versions that start
it through `cmd.exe /Q /C ...code-server.cmd` it is the id of that wrapper and not of node.exe (inferred from the
source), so it joins with the process event of the wrapper. Source: `paths.rs` and `code_server.rs` of microsoft/vscode.
"""

from __future__ import annotations

import re

from forensics.artifacts._tunnel import build, build_globs, owner, times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats.textfile import decode
from forensics.model import Problem, make_fact

_NAME = "tunnel_server_pid"
_LIMIT = 4096
_PID = re.compile(r"[1-9]\d{0,9}")


def parse(given: FileInput) -> Output:
    """One row for the file, a problem when it holds no process id."""
    text = decode(given.read(_LIMIT)).text.strip("\x00 \t\r\n")
    if not _PID.fullmatch(text) or int(text) >= 1 << 32:
        yield Problem("bad_record", _NAME, given.source(), "no process id" if text else "empty or zeros")
        return
    fields = {**owner(given), **build(given.path), "server_pid": text}
    yield make_fact("tunnel.server_pid", given.source(), times(given), fields)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=build_globs("pid.txt"),
    parse=parse,
    emits={
        "tunnel.server_pid": Kind(
            "Tunnel server {quality} {commit} started as process {server_pid}",
            {"server_pid": str, "quality": str, "commit": str, "data_dir": str, "profile_user": str},
        )
    },
)
