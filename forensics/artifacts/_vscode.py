r"""What the artifacts of the desktop VS Code share: where it and its forks keep a user's data, and rows about tunnels.

The folder is told by its shape, not its name: `%APPDATA%\<product>\User` and `...\logs`, for VS Code, Insiders,
VSCodium, Cursor, Windsurf, Kiro and whatever else has the same code; `--user-data-dir` and portable installations put
it anywhere.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from forensics.artifacts._tunnel import profile_user, windows_path
from forensics.artifacts.base import FieldType, FileInput, Kind
from forensics.model import Value

_HOMES = (
    "Users/*",
    "Windows/System32/config/systemprofile",
    "Windows/SysWOW64/config/systemprofile",
    "Windows/ServiceProfiles/*",
)
_DATA = re.compile(r"^(.*?)[\\/](?:logs|User)[\\/]", re.IGNORECASE)
_USER_FOLDER = re.compile(r"^(.*)[\\/]User[\\/]", re.IGNORECASE)
_LOG_FOLDER = re.compile(r"^(.*)[\\/]logs[\\/]", re.IGNORECASE)
_URI = re.compile(r"(?P<scheme>[a-zA-Z][\w+.-]{0,40}):(?://(?P<authority>[^/]{0,300}))?(?P<path>/.*)?", re.DOTALL)
_DRIVE = re.compile(r"/[A-Za-z]:(?=/|$)")
OWNER: dict[str, FieldType] = {"user_data_dir": str, "profile_user": str}


def desktop_globs(*names: str, anywhere: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Globs for files of the data folder of any product, and by name (`anywhere`) on the whole volume."""
    named = [f"{home}/AppData/Roaming/*/{name}" for home in _HOMES for name in names]
    return (*named, *(f"**/{name}" for name in anywhere))


def desktop_owner(given: FileInput) -> dict[str, Value | None]:
    """The fields that say which data folder of the desktop program, and whose, a file belongs to."""
    path = windows_path(given.path)
    found = _LOG_FOLDER.match(path) or _USER_FOLDER.match(path)
    return {"user_data_dir": found.group(1) if found else None, "profile_user": profile_user(given)}


def resource_fields(uri: str) -> dict[str, Value | None]:
    """The saved file's path as Windows writes it, and the remote window's authority and tunnel name."""
    found = _URI.fullmatch(uri)
    if not found:
        return {"saved_path": uri}
    path = unquote(found["path"] or "", errors="replace")
    if _DRIVE.match(path):
        path = path[1].upper() + path[2:].replace("/", "\\")
    authority = unquote(found["authority"] or "", errors="replace")
    remote = authority if found["scheme"].casefold() == "vscode-remote" else ""
    kind, _, name = remote.partition("+")
    return {
        "saved_path": path or uri,
        "remote_authority": remote,
        "tunnel_name": name if kind == "tunnel" else None,
    }


# Who turned on remote tunnel access: the log and the state database each tell it, so the kind is declared here.
ACCOUNT = Kind(
    "Remote tunnel access with account {account}[ ({provider_name})][, as a service{as_service:flag}]"
    "[, {reason}][ (profile {profile_user})]",
    {
        **OWNER,
        "account": str,
        "provider_name": str,
        "as_service": bool,
        "reason": str,
        "state_key": str,
        "auth_session_id": str,
        "database_state": str,
        "log_zone": str,
        "log_zone_reason": str,
        "log_level": str,
        "log_message": str,
        "line_number": int,
        "file_offset": int,
    },
)
# This host as a client: the opposite of what a tunnel's host leaves, and easily taken for it.
REMOTE_OPENED = Kind(
    "This host was the CLIENT of a remote machine[, tunnel {tunnel_name}][: {remote_authority}][ {opened_path}]",
    {
        **OWNER,
        "tunnel_name": str,
        "remote_authority": str,
        "opened_path": str,
        "url": str,
        "state_key": str,
        "display_text": str,
        "database_state": str,
    },
)


def remote_fields(uri: str) -> dict[str, Value | None]:
    """What a `vscode-remote://` address names; empty for any other."""
    if not uri.casefold().startswith("vscode-remote:"):
        return {}
    fields = resource_fields(uri)
    authority = fields.get("remote_authority")
    if not authority:
        return {}
    return {
        "opened_path": fields.get("saved_path"),
        "remote_authority": authority,
        "tunnel_name": fields.get("tunnel_name"),
        "url": uri[:1_000],
    }
