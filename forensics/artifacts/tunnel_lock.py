r"""`tunnel-<quality>.lock`: process id and pipe of the last process that hosted a tunnel.

Written whenever a process becomes the one that hosts; its modification time is that start. The process id joins with
process auditing. Also read: the locks of port forwarding and of `code agent host`, which have the same form.
Source: `singleton.rs`, `state.rs` of microsoft/vscode; see `formats/lockfile.py`.
"""

from __future__ import annotations

import re

from forensics.artifacts._tunnel import cli_globs, owner, times
from forensics.artifacts.base import FieldType, FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, lockfile
from forensics.model import Problem, Value, make_fact

_NAME = "tunnel_lock"
_QUALITY = re.compile(r"(?:tunnel|forwarding|agent-host)-([a-z]{1,20})\.lock", re.IGNORECASE)
_KNOWN = tuple(
    f"{kind}-{quality}.lock"
    for kind in ("tunnel", "forwarding", "agent-host")
    for quality in ("stable", "insiders", "exploration", "oss")
)
_FIELDS: dict[str, FieldType] = {
    "pid": str, "pipe_name": str, "quality": str, "file_name": str, "data_dir": str, "profile_user": str,
}  # fmt: skip
# `code agent host` (2026) keeps its lock and log beside the server's data, not in the CLI's folder.
_AGENT_HOSTS = ("Users/*/.vscode-server*/cli/agent-host-*.lock",)


def parse(given: FileInput) -> Output:
    """One row for the file; a problem when only the pipe name could be carved, or nothing."""
    try:
        lock = lockfile.read(given.read(lockfile.SIZE_LIMIT))
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))
        return
    if lock.carved:
        yield Problem("bad_record", _NAME, given.source(), "damaged: only the pipe name was carved, the pid is lost")
    name = given.path.rpartition("/")[2]
    quality = _QUALITY.fullmatch(name)
    fields: dict[str, Value | None] = {
        **owner(given),
        "pid": str(lock.pid) if lock.pid is not None else None,
        "pipe_name": lock.pipe_name,
        "quality": quality.group(1).capitalize() if quality else None,
        "file_name": name,
    }
    # An agent host is no tunnel: its lock must not count as a host's.
    kind = "server.agent_host_lock" if name.casefold().startswith("agent-host") else "tunnel.lock"
    yield make_fact(kind, given.source(f"offset 0x{lock.offset:x}"), times(given), fields)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(*cli_globs("tunnel-*.lock", "forwarding-*.lock", "agent-host-*.lock", anywhere=_KNOWN), *_AGENT_HOSTS),
    parse=parse,
    emits={
        "tunnel.lock": Kind(
            "Tunnel lock {file_name}: hosted[ by process {pid}][, pipe {pipe_name}]",
            _FIELDS,
        ),
        "server.agent_host_lock": Kind(
            "Lock {file_name} of `code agent host`[: process {pid}][, pipe {pipe_name}]", _FIELDS
        ),
    },
)
