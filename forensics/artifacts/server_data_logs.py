r"""Other logs of a VS Code server: folders, extensions, repositories and terminals that a remote window used.

Beside `remoteagent.log`, each start of the server leaves in `data\logs\<local time>`: `exthost*\remoteexthost.log`
(extensions activated, workspaces locked), the output of extensions below `exthost*` (Git names repositories and the
commands it ran), `ptyhost.log` (shells started, at trace level), `network.log` and `remoteTelemetry.log`, of which
only the times are of use. Local time. Remote-SSH leaves the same: by itself no evidence of a tunnel. File names and
texts are from memory (only the pattern of `output_logging_*` is from the source, `extHostOutputService.ts` of
microsoft/vscode), so what is not known by its text is kept as context.
"""

from __future__ import annotations

import re

from forensics.artifacts._server import OWNER, server_folder
from forensics.artifacts._tunnel import (
    BORN,
    EDITOR_ZONE,
    MESSAGE_LIMIT,
    cut_line,
    local_moment,
    server_globs,
    with_inferred_zone,
    zeroed,
    zone_fields,
)
from forensics.artifacts.base import FieldType, FileArtifact, FileInput, Kind, Output
from forensics.formats import spdlog
from forensics.formats.logzone import LogZone
from forensics.formats.messages import meaning
from forensics.formats.spdlog import Entry
from forensics.model import Problem, Value, make_fact
from forensics.rules.watch import is_watched

_NAME = "server_data_logs"
_JSON_TEXT = r'"\s{0,4}:\s{0,4}"((?:[^"\\]|\\.){1,500})"'
_SHELL = re.compile(r'"executable' + _JSON_TEXT)
_FOLDER = re.compile(r'"cwd' + _JSON_TEXT)
# What changes a repository or takes it away; the rest is what the editor asks all the time.
_GIT = re.compile(r"git (?:-\S+ ){0,4}(?:clone|push|pull|fetch|commit|checkout|reset|remote|bundle|archive)\b")
Told = tuple[str, dict[str, Value | None], bool]
_OTHER = "server.data_log_message"


def _exthost(text: str) -> Told:
    found = meaning("exthost", text)
    values = found.values
    if found.event == "extension_activated":
        own = values["extension_id"].casefold().startswith("vscode.")
        fields: dict[str, Value | None] = {"extension_id": values["extension_id"], "reason": values["activation"]}
        return "server.extension_activated", fields, own
    if found.event == "workspace":
        return "server.workspace_used", {"file_path": values["path"]}, False
    return _OTHER, {"pid": values.get("pid")}, True


def _git(text: str) -> Told:
    found = meaning("git", text)
    if found.event == "repository":
        return "server.repository_opened", {"opened_path": found.values["path"]}, False
    if found.event == "command":
        command = found.values["command"]
        return "server.git_command", {"command_line": command}, not _GIT.match(command) and not is_watched(command)
    return _OTHER, {}, True


def _terminal(text: str) -> Told:
    shell, folder = _SHELL.search(text), _FOLDER.search(text)
    if not shell:
        return _OTHER, {}, True
    fields: dict[str, Value | None] = {
        "executable": shell.group(1).replace("\\\\", "\\"),
        "working_directory": folder.group(1).replace("\\\\", "\\") if folder else None,
    }
    return "server.terminal_started", fields, False


def _told(name: str, text: str) -> Told:
    lowered = name.casefold()
    if lowered.startswith("remoteexthost"):
        return _exthost(text)
    if lowered.startswith("ptyhost"):
        return _terminal(text)
    return _git(text) if re.match(r"(?:\d{1,4}-)?git\b", lowered) else (_OTHER, {}, True)


def _row(given: FileInput, entry: Entry, name: str, zone: LogZone) -> Output:
    source = given.source(f"line {entry.number}")
    if entry.cut:
        yield cut_line(_NAME, given, entry.number, entry.offset)
    if entry.lost:
        yield Problem("truncated", _NAME, source, f"{entry.lost} lines that continue it were not read")
    kind, fields, context = _told(name, entry.message[: 4 * MESSAGE_LIMIT])
    common: dict[str, Value | None] = {
        **server_folder(given),
        **zone_fields(zone),
        "log_name": name,
        "log_level": entry.level,
        "log_message": entry.text[:MESSAGE_LIMIT],
        "line_number": entry.number,
        "file_offset": entry.offset,
    }
    moments = {BORN: local_moment(given, entry.stamp)}
    yield make_fact(kind, source, {**moments}, {**common, **fields}, context=context)


def parse(given: FileInput) -> Output:
    """One row for every message."""
    yield from zeroed(_NAME, given)
    given, zone = with_inferred_zone(given, EDITOR_ZONE)
    name = given.path.rpartition("/")[2]
    for entry in spdlog.read(given.fh):
        if entry.text.strip():
            yield from _row(given, entry, name, zone)


_LOG: dict[str, FieldType] = {
    **OWNER, "log_name": str, "log_level": str, "log_message": str, "log_zone": str, "log_zone_reason": str,
    "line_number": int, "file_offset": int,
}  # fmt: skip
ARTIFACT = FileArtifact(
    name=_NAME,
    paths=server_globs(
        "data/logs/*/exthost*/*.log",
        "data/logs/*/exthost*/**/*.log",
        *(f"data/logs/*/{name}*.log" for name in ("ptyhost", "network", "remoteTelemetry", "telemetry")),
    ),
    parse=parse,
    emits={
        "server.extension_activated": Kind(
            "Extension ran on this host for a remote window: {extension_id}[ ({reason})]",
            {**_LOG, "extension_id": str, "reason": str},
        ),
        "server.workspace_used": Kind(
            "Remote window took a workspace's storage: {file_path}", {**_LOG, "file_path": str}
        ),
        "server.repository_opened": Kind(
            "Git repository opened in a remote window: {opened_path}", {**_LOG, "opened_path": str}
        ),
        "server.git_command": Kind("Git ran for a remote window: {command_line}", {**_LOG, "command_line": str}),
        "server.terminal_started": Kind(
            "Shell started for a remote window: {executable}[ in {working_directory}]",
            {**_LOG, "executable": str, "working_directory": str},
        ),
        _OTHER: Kind("Log of the VS Code server ({log_name}): {log_message}", {**_LOG, "pid": str}, context=True),
    },
)
