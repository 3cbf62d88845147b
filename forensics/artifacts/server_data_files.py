r"""What else a VS Code server keeps below `data`: settings of this machine, workspaces, what belongs to extensions.

`Machine\settings.json` is set from afar and may name a shell, its arguments and environment for every terminal.
`User\workspaceStorage\<id>\workspace.json` names a folder that was opened; `CachedExtensionVSIXs` holds the packages of
extensions that were installed (hashed here); `User\globalStorage\<extension>` holds what extensions left: those are
listed, never read. `machineid` is the id in the server's telemetry. The core's own state lies with the client, none of
it here. Remote-SSH leaves the same: by itself no evidence of a tunnel.
Source: `environmentService.ts` of microsoft/vscode (`MACHINE_SETTINGS_HOME`); the other names are from memory.
"""

from __future__ import annotations

import json
import re
from typing import Any

from forensics.artifacts._server import OWNER, server_folder
from forensics.artifacts._tunnel import server_globs, times
from forensics.artifacts._vscode import resource_fields
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, commentedjson, guardedjson
from forensics.model import Problem, Value, make_fact

_NAME = "server_data_files"
_MOST = 1_000
_TEXT = 4_000
_STORED = re.compile(
    r"/data/user/(?:globalstorage|workspacestorage/[^/]{1,64})/(?P<extension>[^/]{1,200})/", re.IGNORECASE
)
_ID = re.compile(r"[0-9A-Fa-f-]{8,64}")


def _settings(given: FileInput, told: dict[str, Any]) -> Output:
    if len(told) > _MOST:
        yield Problem("truncated", _NAME, given.source(), f"{len(told)} settings: the first {_MOST} were read")
    for name, value in list(told.items())[:_MOST]:
        fields: dict[str, Value | None] = {
            **server_folder(given),
            "setting_name": name[:_TEXT],
            "setting_value": value[:_TEXT] if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:_TEXT],
        }
        # Shell, arguments and environment of terminals are what an intruder sets; colours are not.
        context = not name.casefold().startswith(("terminal.", "remote.", "http.", "extensions."))
        yield make_fact("server.machine_setting", given.source(name[:200]), times(given), fields, context=context)


def _workspace(given: FileInput, told: dict[str, Any]) -> Output:
    uri = next((told[name] for name in ("folder", "workspace", "configuration") if isinstance(told.get(name), str)), "")
    if not uri and given.path.casefold().endswith("/meta.json"):  # what it holds is not established
        yield from _listed(given)
        return
    if not uri:
        yield Problem("bad_record", _NAME, given.source(), "names no folder")
        return
    named = resource_fields(uri)
    fields = {
        **server_folder(given),
        "opened_path": named.get("saved_path"),
        "remote_authority": named.get("remote_authority"),
        "tunnel_name": named.get("tunnel_name"),
    }
    yield make_fact("server.workspace_opened", given.source(), times(given), fields)


def _object(given: FileInput) -> Output | dict[str, Any]:
    try:
        told = commentedjson.loads(given.read(guardedjson.SIZE_LIMIT + 1))
    except FormatError as error:
        return iter([Problem("bad_record", _NAME, given.source(), str(error))])
    return told if isinstance(told, dict) else iter([Problem("bad_record", _NAME, given.source(), "not an object")])


def _listed(given: FileInput) -> Output:
    """A file that is told by its place, size and hash alone."""
    stored = _STORED.search(given.path)
    cached = "/cachedextensionvsixs/" in given.path.casefold()
    fields: dict[str, Value | None] = {
        **server_folder(given),
        "file_path": given.path,
        "file_sha256": given.sha256,
        "file_size": given.size,
        "extension_id": stored["extension"] if stored else given.path.rpartition("/")[2] if cached else None,
    }
    kind = "server.extension_cached" if cached else "server.extension_file"
    yield make_fact(kind, given.source(), dict(times(given)), fields, context=not cached)


def parse(given: FileInput) -> Output:
    """The rows of one file, by its place."""
    lowered = given.path.casefold()
    name = lowered.rpartition("/")[2]
    if name == "machineid":
        text = given.read(200).decode("utf-8", "replace").strip()
        fields = {**server_folder(given), "machine_id": text if _ID.fullmatch(text) else None}
        yield make_fact("server.machine_id", given.source(), times(given), fields, context=True)
        return
    if name not in ("settings.json", "workspace.json", "meta.json") or _STORED.search(lowered):
        yield from _listed(given)
        return
    told = _object(given)
    if not isinstance(told, dict):
        yield from told
    elif name == "settings.json":
        yield from _settings(given, told)
    else:
        yield from _workspace(given, told)


_FILE: dict[str, Any] = {**OWNER, "extension_id": str, "file_path": str, "file_sha256": str, "file_size": int}
ARTIFACT = FileArtifact(
    name=_NAME,
    paths=server_globs(
        "data/Machine/settings.json",
        "data/machineid",
        "data/CachedExtensionVSIXs/*",
        "data/User/workspaceStorage/*/workspace.json",
        "data/User/workspaceStorage/*/meta.json",
        "data/User/globalStorage/*/**/*",
        "data/User/workspaceStorage/*/*/**/*",
    ),
    parse=parse,
    emits={
        "server.machine_setting": Kind(
            "Setting of this machine for remote windows: {setting_name} is {setting_value}",
            {**OWNER, "setting_name": str, "setting_value": str},
        ),
        "server.machine_id": Kind(
            "The VS Code server's id of this machine[: {machine_id}]", {**OWNER, "machine_id": str}, context=True
        ),
        "server.workspace_opened": Kind(
            "Workspace of a remote window: {opened_path}[ (tunnel {tunnel_name})]",
            {**OWNER, "opened_path": str, "remote_authority": str, "tunnel_name": str},
        ),
        "server.extension_cached": Kind("Package of an extension of the VS Code server: {extension_id}", _FILE),
        "server.extension_file": Kind(
            "File kept by an extension of the VS Code server[ {extension_id}]: {file_path}", _FILE, context=True
        ),
    },
)
