r"""The output of `code tunnel` in a file: `code.exe tunnel > output.txt`, as an intruder keeps it to send it home.

The login code and the link to the tunnel are printed and never logged (`FileLogSink::write_result` is empty), so a
redirected output has what no log has; beside them stand the lines of the level in use (info, unless asked for more),
with each client and forwarded port. Such a file may have any name: looked at are names that were reported
(`output.txt`) or say what they hold, in trees that can be written to, and only what holds a line or the banner of the
program in its first 64 KiB is told. Its folder is not the CLI's data folder. With `>` a run writes over the one before.
Source: `cli/src/log.rs`, `commands/tunnels.rs` of microsoft/vscode; the name from a published report (from memory).
"""

from __future__ import annotations

import io

from forensics.artifacts._tunnel import log_zone, profile_user, writable_globs, zeroed
from forensics.artifacts._tunnel_kinds import SERVER_KINDS, TUNNEL_LOG_KINDS
from forensics.artifacts._tunnel_log import LogReader
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import tunnellog

_NAME = "tunnel_output"
_HEAD = 64 * 1024
# What the other artifacts of tunnels read.
_READ_ELSEWHERE = ("tunnel-service", "remotetunnel")


def _is_output(given: FileInput) -> bool:
    """Whether the file begins as the program's output does: with its banner, its link, or a line that is known."""
    given.fh.seek(0)
    head = given.fh.read(_HEAD)
    given.fh.seek(0)
    if any(line.stamp and line.meaning.known for line in tunnellog.read(io.BytesIO(head))):
        return True
    return b"https://vscode.dev/tunnel/" in head or b"* Visual Studio Code Server" in head


def parse(given: FileInput) -> Output:
    """One row for every record and result, none where the file is something else."""
    name = given.path.rpartition("/")[2].casefold()
    if name.startswith(_READ_ELSEWHERE) or not given.size or not _is_output(given):
        return
    yield from zeroed(_NAME, given)
    reader = LogReader(_NAME, given, log_zone(given), {"profile_user": profile_user(given)})
    for line in tunnellog.read(given.fh):
        yield from reader.rows(line)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=writable_globs("output*.txt", "*tunnel*.txt", "*tunnel*.out", "*tunnel*.log", "code*.txt", "code*.out"),
    parse=parse,
    emits={**TUNNEL_LOG_KINDS, **SERVER_KINDS},
)
