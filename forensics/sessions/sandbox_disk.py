"""The words of rules/sandbox.yml, and which file of the host is a disk of a sandbox session.

A session's disk lies in `...\\Containers\\Sandboxes\\<GUID>` up to 23H2 and in `...\\ContainerStorages\\<GUID>` from
24H2. In the older layout the GUID is the machine's own (published in one dump of its settings); in the newer one the
two may differ, and only a record that names both (VHDMP 12) binds them.
"""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from typing import Any

from forensics.rules import load
from forensics.sessions.rows import Row

# File system records of a session's disk: the change journal and the file table. They name no program.
DISK_KINDS = ("usn.file_created", "usn.file_deleted", "mft.entry")


@cache
def words() -> dict[str, Any]:
    """The `vm` part of rules/sandbox.yml with its patterns compiled."""
    data = dict(load("sandbox")["vm"])
    for name in ("session_disk", "session_tail", "storage_id", "storage_tail", "template_disk"):
        data[name] = re.compile(data[name], re.IGNORECASE)
    return data


@cache
def seconds(name: str) -> timedelta:
    """A time window of rules/sandbox.yml."""
    return timedelta(seconds=load("sandbox")["windows"][name])


def disk_of(row: Row) -> str:
    """The full path of the disk or file that a row is about, with backslashes; "" without one."""
    return row.first("disk_path", "file_path").replace("/", "\\")


def is_session_disk(row: Row) -> bool:
    """Whether the row names a sandbox.vhdx or .vmgs below the container manager's session folders.

    Of a file whose upper folders are not known (`path_tail`) the GUID of its folder has to be there: containers of
    other products have disks of that name in folders without a GUID.
    """
    path = disk_of(row)
    if path:
        return bool(words()["session_disk"].search(path))
    return bool(words()["session_tail"].search(row.get("path_tail")))


def storage_id(row: Row) -> str | None:
    """The GUID of the storage folder that a row's file lies in, folded."""
    path = disk_of(row)
    match = words()["storage_id"].search(path) if path else words()["storage_tail"].search(row.get("path_tail"))
    return match.group(1).casefold() if match else None


def in_old_layout(row: Row) -> bool:
    """Whether the file lies below `Sandboxes`, where the folder has the machine's own id."""
    return "\\containers\\sandboxes\\" in disk_of(row).casefold()


def in_new_layout(row: Row) -> bool:
    """Whether the file lies below `ContainerStorages`, the layout from 24H2 on."""
    return "\\containers\\containerstorages\\" in disk_of(row).casefold()


def is_disk_trace(row: Row) -> bool:
    """Whether a file system record tells when a session's disk was made or deleted."""
    if row.kind not in DISK_KINDS or not is_session_disk(row):
        return False
    return row.kind != "mft.entry" or row.meaning == "Creation Time"
