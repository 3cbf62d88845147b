r"""What the artifacts of a VS Code server's data folder share: where it lies, and whose it is.

The server is the same for tunnels and Remote-SSH, so nothing of this is by itself evidence of a tunnel.
"""

from __future__ import annotations

import re

from forensics.artifacts._tunnel import profile_user, windows_path
from forensics.artifacts.base import FieldType, FileInput
from forensics.model import Value

_TREES = (
    "Users",
    "ProgramData",
    "Temp",
    "Windows/Temp",
    "Windows/System32/config/systemprofile",
    "Windows/SysWOW64/config/systemprofile",
    "Windows/ServiceProfiles",
)
_FOLDERS = (".*-server*", ".vscode-remote")
_DATA = re.compile(
    r"^(.*?)[\\/](?:data[\\/](?:logs|User|Machine|CachedExtensionVSIXs)[\\/]|data[\\/]machineid$|extensions[\\/])",
    re.IGNORECASE,
)
OWNER: dict[str, FieldType] = {"server_data_dir": str, "profile_user": str}


def server_only_globs(*names: str) -> tuple[str, ...]:
    """Globs for files that the desktop program has under the same name: only where the folder is a server's by name."""
    return tuple(f"{tree}/**/{folder}/{name}" for tree in _TREES for folder in _FOLDERS for name in names)


def server_folder(given: FileInput) -> dict[str, Value | None]:
    """The fields that say which data folder of the server, and whose, a file belongs to."""
    found = _DATA.match(windows_path(given.path))
    return {"server_data_dir": found.group(1) if found else None, "profile_user": profile_user(given)}
