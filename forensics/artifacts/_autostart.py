r"""What the artifacts of autostart places share: the one kind of row, and which folders users can write.

An entry is `mechanism` (one word for each kind of place), `location` (the key or folder), `entry_name` and
`command_line`; `target_path` is the library or program that it ends at where that is not the command itself.
"""

from __future__ import annotations

import re

from forensics.artifacts._registry import owner, place
from forensics.artifacts._tunnel import profile_user, times, windows_path
from forensics.artifacts.base import FileInput, Kind
from forensics.formats.hive import Hive, Key
from forensics.model import Fact, Value, make_fact

_WRITTEN = "Content Modification Time"
# The longest name that regedit shows; a longer one keeps the whole list of values from being shown (from memory).
_SHOWN_NAME = 255
_WRITABLE = re.compile(
    r"^(?:\\\\\?\\|\\\?\?\\)?(?:(?:[a-z]:|%systemdrive%)\\(?:users|programdata|perflogs|temp|tmp|\$recycle\.bin"
    r"|windows\\(?:temp|tasks|debug|tracing)|intel)\\|%(?:temp|tmp|appdata|localappdata|userprofile|public|programdata"
    r"|allusersprofile)%|\\\\(?![.?]\\)|(?:script:|scriptleturl:)?https?:)",
    re.IGNORECASE,
)
_FILE_URL = re.compile(r"^file:/*([^/].*)$", re.IGNORECASE | re.DOTALL)
_URL = re.compile(r"\w+:(?:\w+:)?//")
# Below ProgramData where only administrators write.
_GUARDED = re.compile(r"\\programdata\\(?:microsoft\\windows defender|package cache)\\", re.IGNORECASE)

AUTORUN = Kind(
    "Autostart entry {entry_name} in {location}[: {command_line}][ ({target_path})][ (user {profile_user})]"
    "[, when {event_query}][; {reason}]",
    {
        "mechanism": str,
        "location": str,
        "entry_name": str,
        "command_line": str,
        "target_path": str,
        "key_path": str,
        "value_name": str,
        "enabled": bool,
        "control_set": str,
        "file_path": str,
        "file_size": int,
        "file_sha256": str,
        "profile_user": str,
        "user_sid": str,
        "event_query": str,
        "reason": str,
    },
    data_type="windows:registry:run",
    data_type_where=("mechanism", "run_key"),
)
EMITS = {"autorun.configured": AUTORUN}


def is_hidden(*names: str) -> bool:
    """Whether a key or value of one of these names is out of regedit's sight: NUL in it, or more than it shows."""
    return any("\x00" in name or len(name) > _SHOWN_NAME for name in names)


def writable(path: str) -> bool:
    """Whether a path lies where users without rights can write, on a share, or on the web."""
    plain = path.strip().strip('"')
    if local := _FILE_URL.match(plain):  # file:///C:/x, file://server/share
        plain = local.group(1) if local.group(1)[1:2] == ":" else f"\\\\{local.group(1)}"
    plain = plain if _URL.match(plain) else plain.replace("/", "\\")
    return _WRITABLE.match(plain) is not None and _GUARDED.search(plain) is None


def hive_root(hive: Hive) -> tuple[str, str]:
    """What stands before `Microsoft\\...` and `Classes\\...` in this hive, and how Windows names the hive."""
    kind = hive.live.kind
    if kind == "NTUSER":
        return "Software\\", "HKCU"
    return ("", "HKLM\\SOFTWARE") if kind == "SOFTWARE" else ("", "HKLM\\SYSTEM" if kind == "SYSTEM" else "HKCU")


def class_root(hive: Hive) -> tuple[str, str]:
    """What stands before `CLSID\\...` in this hive, and how Windows names the root above it."""
    prefix, root = hive_root(hive)
    return (f"{prefix}Classes\\", root) if hive.live.kind in ("SOFTWARE", "NTUSER") else ("", "HKCU\\Software\\Classes")


def key_entry(
    given: FileInput, key: Key, root: str, mechanism: str, name: str, command: str | None, *,
    value_name: str | None = None, context: bool = False, **more: Value | None,
) -> Fact:  # fmt: skip
    """An entry that a key or one of its values makes; the user is whose hive it is."""
    user, sid = owner(given) if root.startswith("HKCU") else (None, None)
    return make_fact(
        "autorun.configured",
        place(given, key, value_name),
        {_WRITTEN: key.last_write},
        {
            "mechanism": mechanism,
            "location": f"{root}\\{key.path}",
            "entry_name": name or "(Default)",
            "command_line": command,
            "key_path": key.path,
            "value_name": value_name,
            "profile_user": user,
            "user_sid": sid,
            **more,
        },
        context=context,
        tags=("hidden_name",) if is_hidden(name, key.name, value_name or "") else (),
    )


def file_entry(
    given: FileInput, mechanism: str, command: str | None, *, name: str = "", locator: str = "", context: bool = False,
    **more: Value | None,
) -> Fact:  # fmt: skip
    """An entry that a file makes by lying where it lies, or that a line of it makes."""
    path = windows_path(given.path)
    folder, _, file_name = path.rpartition("\\")
    return make_fact(
        "autorun.configured",
        given.source(locator),
        times(given),
        {
            "mechanism": mechanism,
            "location": path if name else folder,
            "entry_name": name or file_name,
            "command_line": command,
            "file_path": path,
            "file_size": given.size,
            "file_sha256": given.sha256,
            "profile_user": profile_user(given),
            **more,
        },
        context=context,
    )
