r"""What the artifacts of a VS Code server's data folder share: where it lies, and whose it is.

The server is the same for tunnels and Remote-SSH, so nothing of this is by itself evidence of a tunnel.
"""

from __future__ import annotations

import re

from forensics.artifacts._tunnel import profile_user, windows_path
from forensics.artifacts.base import FieldType, FileInput
from forensics.model import Value

_FOLDER = re.compile(r"/\.[\w-]{1,40}-server(?:-\w{1,20})?$|/\.vscode-remote$")
_DATA = re.compile(
    r"^(.*?)[\\/](?:data[\\/](?:logs|User|Machine|CachedExtensionVSIXs)[\\/]|data[\\/]machineid$|extensions[\\/])",
    re.IGNORECASE,
)
OWNER: dict[str, FieldType] = {"server_data_dir": str, "profile_user": str}


# A server writes this into its data folder at each start, the desktop program never.
SERVER_LOGS = "**/data/logs/*/remoteagent.log"


def is_servers(given: FileInput, name: str) -> bool:
    """Whether a file that the desktop program has under the same name is a server's.

    By the name of its folder, or of one named by VSCODE_AGENT_FOLDER by the logs of a server in it (which must be among
    the companions).
    """
    root = given.path.casefold().removesuffix(f"/{name.casefold()}")
    if _FOLDER.search(root):
        return True
    below = root.partition("/")[2]
    return any(log.casefold().startswith(f"{below}/data/logs/") for log in given.companions)


def server_folder(given: FileInput) -> dict[str, Value | None]:
    """The fields that say which data folder of the server, and whose, a file belongs to."""
    found = _DATA.match(windows_path(given.path))
    return {"server_data_dir": found.group(1) if found else None, "profile_user": profile_user(given)}
