r"""What the tunnel CLI printed, kept in a file: `code tunnel > output.txt` of an intruder's script or task.

The link that opens the tunnel and the code of a new login are never written to the CLI's own log: they are on its
standard output alone, so such a file may be the one place on the host that names the tunnel or shows that somebody had
to log in on another device (the code itself expires within minutes). The file has any name. Small text files (`.txt`,
`.log`, `.out`, `.tmp`, no extension) in ProgramData, Users\Public, Temp folders and the top folders of profiles are
recognised by their first 4 KiB; what is none of this gives no row. PowerShell's redirection writes UTF-16.
Source of the texts: `log.rs`, `auth.rs` and `commands/tunnels.rs` of microsoft/vscode, and public outputs of 2026.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import islice

from forensics.artifacts._tunnel import DESKTOP_LOGS, build, log_zone, profile_user, times, windows_path, zeroed
from forensics.artifacts._tunnel_kinds import SERVER_KINDS, TUNNEL_LOG_KINDS
from forensics.artifacts._tunnel_reader import LogReader
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import tunnellog
from forensics.formats.messages import meaning
from forensics.formats.textfile import decode, lines
from forensics.formats.tunnelid import link_of
from forensics.model import Problem, Value, make_fact

_NAME = "tunnel_output"
_HEAD = 4096
_HEAD_LINES = 5_000
_LIMIT = 64 * 1024 * 1024
_SUFFIXES = ("txt", "log", "out", "tmp")
# Folders whose files of these endings are looked at, and those of which files without ending are, too.
_FOLDERS = (
    *("ProgramData", "ProgramData/*", "ProgramData/*/*", "Users/Public", "Users/Public/*", "Users/Public/*/*"),
    *("Users/*", "Users/*/Desktop", "Users/*/Documents", "Users/*/Downloads", "Users/*/AppData/Local"),
    *("Users/*/AppData/Roaming", "Users/*/AppData/Local/Temp", "Users/*/AppData/Local/Temp/*"),
    *("Windows/Temp", "Windows/Temp/*", "Temp", "Temp/*", "PerfLogs"),
)
_BARE_FOLDERS = (
    *("ProgramData", "Users/Public", "Users/Public/*", "Users/*", "Users/*/AppData/Local/Temp"),
    *("Windows/Temp", "Temp", "PerfLogs"),
)
_BANNERS = ("* Visual Studio Code Server", "* the Visual Studio Code Server License Terms")


def _is_candidate(path: str) -> bool:
    """A text file by its name, and none of those that have an artifact of their own."""
    name = path.rpartition("/")[2].casefold()
    suffix = name.rpartition(".")[2] if "." in name else ""
    return (not suffix or suffix in _SUFFIXES) and not name.startswith("tunnel-service.") and not build(path)


def _is_output(text: str) -> bool:
    """Whether a line of the head is one that only this CLI prints."""
    for line in text.splitlines():
        stamped = tunnellog.parse_line(line)
        if (stamped and stamped.meaning.known) or line.strip().startswith(_BANNERS) or _is_result(line):
            return True
    return False


def _is_result(line: str) -> bool:
    """Whether this is a result of the CLI; any program may print `Tunnel: x`, so a link must lead to a tunnel."""
    found = meaning("cli", line)
    return found.bare and (found.event != "link_shown" or link_of(found.values.get("url", "")) is not None)


def _told(head: list[tunnellog.Line]) -> dict[str, Value | None]:
    """Tunnel and version that the output names."""
    values: dict[str, str] = {}
    for line in head:
        for name, value in line.meaning.values.items():
            values.setdefault(name, value)
    link = link_of(values.get("url", ""))
    return {
        "tunnel_name": values.get("tunnel_name") or (link.tunnel_name if link else None),
        "product_version": values.get("product_version"),
    }


def parse(given: FileInput) -> Output:
    """One row for the file and one for each of its lines; none for a file that is something else."""
    if not _is_candidate(given.path) or not _is_output(decode(given.read(_HEAD)).text):
        return
    if given.size > _LIMIT:
        yield Problem("budget", _NAME, given.source(), f"output of the CLI, {given.size} bytes: only smaller are read")
        return
    given = replace(given, sha256=hashlib.sha256(given.read(_LIMIT)).hexdigest())
    yield from zeroed(_NAME, given)
    fixed: dict[str, Value | None] = {"profile_user": profile_user(given)}
    head = list(islice(tunnellog.records(islice(lines(given.fh), _HEAD_LINES)), 200))
    about = {**fixed, **_told(head), "file_path": windows_path(given.path), "file_size": given.size}
    yield make_fact("tunnel.output", given.source(), times(given), about | {"file_sha256": given.sha256})
    reader = LogReader(given, log_zone(given), fixed, _NAME)
    for line in tunnellog.read(given.fh):
        yield from reader.rows(line)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(
        *(f"{folder}/*.{suffix}" for folder in _FOLDERS for suffix in _SUFFIXES),
        *(f"{folder}/*" for folder in _BARE_FOLDERS),
    ),
    parse=parse,
    companions=DESKTOP_LOGS,
    head_only=True,
    emits={
        **TUNNEL_LOG_KINDS,
        **SERVER_KINDS,
        "tunnel.output": Kind(
            "Output of the tunnel CLI kept in {file_path}, {file_size} bytes[, tunnel {tunnel_name}]"
            "[, version {product_version}]",
            {
                "file_path": str,
                "file_size": int,
                "file_sha256": str,
                "tunnel_name": str,
                "product_version": str,
                "profile_user": str,
            },
        ),
    },
)
