r"""What the artifacts below `C:\ProgramData\Microsoft\Windows\Containers` share: the folder, and whose file it is.

Up to Windows 11 23H2 a session's files lie in `Sandboxes\<GUID>`, from 24H2 on in `ContainerStorages\<GUID>`. Machines
that Windows keeps for itself (a template, Application Guard) use the same folders.
"""

from __future__ import annotations

import re

from forensics.artifacts.base import FileInput
from forensics.model import Value

CONTAINERS = "ProgramData/Microsoft/Windows/Containers"
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FOLDER = re.compile(r"/containers/([^/]+)/", re.IGNORECASE)


def about(given: FileInput) -> dict[str, Value | None]:
    """Path, name, size, and the GUID of the container that the folder or the file itself is called by."""
    found = _GUID.findall(given.path)
    folder = _FOLDER.search(given.path)
    return {
        "file_path": given.path.replace("/", "\\"),
        "file_name": given.path.rpartition("/")[2],
        "file_size": given.size,
        "container_id": found[-1] if found else None,
        "container_folder": folder.group(1) if folder else None,
    }
