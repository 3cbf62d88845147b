r"""`settings.json` of the desktop VS Code: how remote tunnel access is set, and the name that the host was given.

`remote.tunnels.access.hostNameOverride` is the tunnel's name where the user chose one, `preventSleep` keeps the machine
awake for a client. They say that somebody set tunnels up, not that one ran; the file's own time is that of the last
change of any setting. Settings may come from another machine by Settings Sync (from memory). Both are read wherever the
folder of settings lies (`%APPDATA%\<product>\User`, profiles of the program in `User\profiles`).
Source: `remoteTunnel.contribution.ts` (read in a fork) of microsoft/vscode. The file is JSON with comments.
"""

from __future__ import annotations

import json

from forensics.artifacts._tunnel import times
from forensics.artifacts._vscode import OWNER, desktop_globs, desktop_owner
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, commentedjson, guardedjson
from forensics.model import Problem, Value, make_fact

_NAME = "vscode_settings"
_PREFIX = "remote.tunnels.access."
_MOST = 200
_TEXT = 1_000


def parse(given: FileInput) -> Output:
    """One row for each setting of remote tunnel access."""
    if not given.size:
        return
    try:
        told = commentedjson.loads(given.read(guardedjson.SIZE_LIMIT + 1))
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))
        return
    if not isinstance(told, dict):
        yield Problem("bad_record", _NAME, given.source(), "not an object")
        return
    found = {name: value for name, value in told.items() if name.startswith(_PREFIX)}
    if len(found) > _MOST:
        yield Problem("truncated", _NAME, given.source(), f"{len(found)} settings: the first {_MOST} were read")
    for name, value in list(found.items())[:_MOST]:
        chosen = name == f"{_PREFIX}hostNameOverride" and isinstance(value, str)
        fields: dict[str, Value | None] = {
            **desktop_owner(given),
            "setting_name": name[:_TEXT],
            "setting_value": value[:_TEXT] if isinstance(value, str) else json.dumps(value)[:_TEXT],
            "tunnel_name": value[:_TEXT] if chosen else None,
        }
        yield make_fact("vscode.tunnel_setting", given.source(name[:_TEXT]), times(given), fields)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=desktop_globs(
        "User/settings.json",
        "User/profiles/*/settings.json",
        anywhere=("user-data/User/settings.json", "user-data/User/profiles/*/settings.json"),
    ),
    parse=parse,
    emits={
        "vscode.tunnel_setting": Kind(
            "Setting of remote tunnel access: {setting_name} is {setting_value}[ (profile {profile_user})]",
            {**OWNER, "setting_name": str, "setting_value": str, "tunnel_name": str},
        )
    },
)
