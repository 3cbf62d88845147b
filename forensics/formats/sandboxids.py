"""The identities that Windows Sandbox hides in names: pipes, worker accounts and hashed user names.

A sandbox leaves GUIDs in many logs. These rules tell which of them are the same thing: the pipe of the sandbox service
names the user who runs it, the account that a virtual machine's worker runs as names the machine, and the remote
desktop client writes the user it logs on as a hash. All GUIDs are given in upper case without braces.

Sources: the pipe rule is that of the IronRDP project's sandbox agent, whose published vector was computed again; the
account rule was known from memory and holds for the VmSwitch records published in microsoft/WSL issue 10630; the hash
is that of the map for event 1029 published with Eric Zimmerman's EvtxECmd.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
import uuid
from typing import NamedTuple

DEFAULT_SWITCH = "C08CB7B8-9B3C-408E-8E30-5E16A3AEB444"  # the "Default Switch", the same on every host
SANDBOX_USER = "WDAGUtilityAccount"  # the account inside every sandbox
SYSTEM = "S-1-5-18"

_ACCOUNT = "S-1-5-83-1-"
_FOUR = struct.Struct("<4I")
_GUID = r"\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?"
_PIPES = (
    ("sandbox service", re.compile(rf"\\wsandbox\\{_GUID}", re.IGNORECASE)),
    ("virtual machine", re.compile(rf"\\{_GUID}")),
    # Insiders' as in VS Code's source; the names of forks from memory.
    (
        "code server",
        re.compile(
            rf"\\(?:code|cursor|windsurf|codium|kiro)(?:-insiders|-exploration|-oss)?-{_GUID}",
            re.IGNORECASE,
        ),
    ),
)


class Pipe(NamedTuple):
    """What a pipe's name says: its role, and the GUID in it."""

    role: str
    guid: str


def pipe_guid(sid: str) -> str:
    """The GUID in the name of the pipe (`\\wsandbox\\<GUID>`) of the sandbox service that runs for this user."""
    digest = hashlib.md5(sid.encode("utf-8"), usedforsecurity=False).digest()
    return str(uuid.UUID(bytes_le=digest)).upper()


def read_pipe(name: str) -> Pipe | None:
    """What a pipe of this name is for, None when it is none of those that sandboxes and tunnels make.

    A pipe that is named by a bare GUID is the display of a virtual machine only when a machine has that id.
    """
    lowered = name.casefold()
    local = name[len("\\\\.\\pipe") :] if lowered.startswith("\\\\.\\pipe\\") else name
    for role, pattern in _PIPES:
        if match := pattern.fullmatch(local):
            return Pipe(role, match.group(1).upper())
    return None


def vm_account(vm_id: str) -> str:
    """The SID of the account that the worker process of this machine runs as. Raises ValueError when it is no GUID."""
    return _ACCOUNT + "-".join(str(part) for part in _FOUR.unpack(uuid.UUID(vm_id).bytes_le))


def vm_of_account(sid: str) -> str | None:
    """The machine whose worker runs as this account, None for the SID of anything else."""
    if not sid.startswith(_ACCOUNT):
        return None
    try:
        parts = [int(part) for part in sid[len(_ACCOUNT) :].split("-") if len(part) <= 10]
        return str(uuid.UUID(bytes_le=_FOUR.pack(*parts))).upper()
    except (ValueError, struct.error):
        return None


def user_hash(name: str) -> str:
    """What the remote desktop client logs (event 1029) for a user name."""
    return base64.b64encode(hashlib.sha256(name.encode("utf-16-le", "surrogatepass")).digest()).decode("ascii")
