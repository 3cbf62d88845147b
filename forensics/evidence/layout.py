"""Where in a collection the Windows drives are.

KAPE writes `C/...` (perhaps below a host or time folder) and `VSS1/Windows/...` without a letter, Velociraptor
`uploads/<accessor>/C%3A/...`, `uploads/ntfs/%5C%5C.%5CC%3A/...` and, for shadow copies,
`.../%5C%5C%3F%5CGLOBALROOT%5CDevice%5CHarddiskVolumeShadowCopy1/...`, CyLR `C/...`, acquire `fs/C:/...` and
`fs/$rootfs$/...`, UAC `[root]/...`, and a plain tree starts at `Windows`. A prefix is a drive when something below it
looks like Windows. Source: the collectors' documentation and code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

_DRIVE = re.compile(r"^(?:\\\\\.\\|\\\\\?\\|//\./)?([A-Za-z])(?:[:_]|%3a|:\\?:.*)?$", re.IGNORECASE)
_SYSTEM_DRIVE = frozenset({"sysvol", "$rootfs$"})  # acquire's names of the drive that Windows runs from
_SHADOW = re.compile(r"^(?:vss_?(\d+)|.*harddiskvolumeshadowcopy(\d+))$", re.IGNORECASE)
# An escaped drive or device, as Velociraptor writes it below the accessor: what follows is escaped as well.
_ESCAPED_DRIVE = re.compile(r"^(?:%5c%5c(?:\.|%2e|%3f)%5c.*|[a-z]%3a)$", re.IGNORECASE)
_ACCESSORS = frozenset({
    "auto", "ntfs", "lazy_ntfs", "ntfs_vss", "lazy_ntfs_vss", "vss", "file", "raw_file", "mft", "sparse", "data",
    "fs", "[root]", "uploads",
})  # fmt: skip
_DEPTH = 10
_SIGNS = (
    (
        "KAPE",
        re.compile(r"\d{4}-\d\d-\d\dT\d\d_\d\d_\d\d_.*_?(?:copylog\.csv|skiplog\.csv|ConsoleLog\.txt)", re.IGNORECASE),
    ),
    ("CyLR", re.compile(r"CyLR_Collection_Log_.*\.log", re.IGNORECASE)),
    ("Velociraptor", re.compile(r"(?:uploads|collection_context|client_info)\.json", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Prefix:
    """One folder of a collection that holds a drive: its components, the letter, and the host part before it.

    `shadow` is `vss<number>` for a volume shadow copy, "" for the live volume.
    """

    parts: tuple[str, ...]
    drive: str
    group: tuple[str, ...]
    shadow: str = ""


def decoded(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Velociraptor's percent escapes undone, component by component (never before splitting).

    Below `uploads/` and from an escaped drive on; elsewhere nothing is decoded:
    `Microsoft-Windows-AppModel-Runtime%4Admin.evtx` is the real name of a log.
    """
    if not any("%" in part for part in parts):
        return parts
    lowered = [part.casefold() for part in parts]
    if "uploads" in lowered[:-2]:
        start = lowered.index("uploads") + 1
    else:
        start = next((index for index, part in enumerate(parts[:-1]) if _ESCAPED_DRIVE.match(part)), len(parts))
    return (*parts[:start], *(unquote(part, errors="surrogateescape") for part in parts[start:]))


def climbs(part: str) -> bool:
    """Whether a decoded component holds a step upwards; a device (`\\\\.\\C:`) has separators in it by right."""
    return ".." in part and ".." in part.replace("\\", "/").split("/")


def _is_windows(rest: tuple[str, ...], parent: str = "") -> bool:
    """Whether the components below a prefix look like the top of a Windows volume, and strongly enough.

    Where the folder above (`parent`) is called as drive C is, a profile or program data of whatever content is enough.
    """
    first = rest[0].casefold()
    if first == "windows":
        return len(rest) > 1 and rest[1].casefold() in _WINDOWS_CHILDREN
    if first == "users" and len(rest) > 2:
        return letter_of(parent) == "C" or rest[2].casefold() in _PROFILE_CHILDREN
    if first == "programdata":
        return len(rest) > 1 and letter_of(parent) == "C"
    return (first == "$mft" and len(rest) == 1) or (first == "$extend" and len(rest) > 1)


_WINDOWS_CHILDREN = frozenset({"system32", "prefetch", "appcompat", "syswow64", "serviceprofiles", "inf", "tasks"})
# What lies right in a profile: of Windows, and the folders of VS Code's CLI and server, which may be all there is.
_PROFILE_CHILDREN = frozenset({
    "ntuser.dat", "appdata", ".vscode", ".vscode-insiders", ".vscode-oss", ".vscode-cli", ".vscode-server",
    ".vscode-server-insiders", ".vscode-server-oss", ".vscode-remote",
})  # fmt: skip
_TOPS = frozenset({"windows", "users", "programdata", "$mft", "$extend"})


def find_prefixes(paths: Iterable[tuple[str, ...]]) -> list[Prefix]:
    """Every folder that holds a drive, out of all file paths of a collection (decoded components)."""
    found: dict[tuple[str, ...], Prefix] = {}
    for parts in paths:
        for depth, name in enumerate(parts[: _DEPTH + 1]):
            if (
                name.casefold() in _TOPS
                and parts[:depth] not in found
                and _is_windows(parts[depth:], parts[depth - 1] if depth else "")
            ):
                found[parts[:depth]] = _prefix(parts[:depth])
                break
    outer = [item for item in found.values() if not _inside(item.parts, found)]
    return sorted(outer, key=lambda item: item.parts)


def _inside(parts: tuple[str, ...], found: dict[tuple[str, ...], Prefix]) -> bool:
    """A tree within a tree (a guest's layers, a backup) is part of the outer one."""
    return any(parts[:depth] in found for depth in range(len(parts)))


def find_profiles(paths: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Every folder that is a user's profile: an NTUSER.DAT at its top and an AppData beside it."""
    signs: dict[tuple[str, ...], set[str]] = {}
    for parts in paths:
        for depth, name in enumerate(parts[:_DEPTH]):
            if (folded := name.casefold()) == "appdata" or (folded == "ntuser.dat" and depth + 1 == len(parts)):
                signs.setdefault(parts[:depth], set()).add(folded)
                break
    return sorted(parts for parts, found in signs.items() if len(found) == 2)


def in_profile(parts: tuple[str, ...], profiles: Iterable[tuple[str, ...]], name: str) -> tuple[str, ...] | None:
    """Where a file of a profile folder lies on its volume (`Users/<name>/...`), None for a file of no profile.

    A profile that is the evidence itself goes by the name of the evidence.
    """
    for profile in profiles:
        if parts[: len(profile)] == profile:
            return (*profile[:-1], "Users", *(profile[-1:] or (name,)), *parts[len(profile) :])
    return None


def letter_of(name: str) -> str | None:
    """The drive letter that a folder's name means (`C`, `C:`, `C_`, `\\\\.\\C:`, `sysvol`), None when it means none."""
    if match := _DRIVE.match(name):
        return match.group(1).upper()
    return "C" if name.casefold() in _SYSTEM_DRIVE else None


def _prefix(parts: tuple[str, ...]) -> Prefix:
    letter = letter_of(parts[-1]) if parts else None
    group = parts[:-1] if letter else parts
    for depth, part in enumerate(parts):
        if match := _SHADOW.match(part):
            label = f"vss{match.group(1) or match.group(2)}"
            return Prefix(parts, f"{letter or 'C'}:", without_accessors(parts[:depth]), label)
    return Prefix(parts, f"{letter or 'C'}:", without_accessors(group))


def without_accessors(group: tuple[str, ...]) -> tuple[str, ...]:
    """The host part: what is left when the collector's own folders (`uploads/ntfs`, `fs`) are taken from its end."""
    while group and group[-1].casefold() in _ACCESSORS:
        group = group[:-1]
    return group


def collector_of(paths: Iterable[tuple[str, ...]], group: tuple[str, ...], prefixes: Iterable[Prefix]) -> str:
    """Which collector a host's collection is of, by what it leaves beside the drives; "" where nothing tells.

    KAPE leaves its copy, skip and console logs, CyLR its collection log, Velociraptor `uploads.json` and the folder
    `uploads`. A bare `C/Windows` is nobody's: any of them, or a person, may have made it.
    """
    depth = len(group)
    if any(item.group == group and "uploads" in (part.casefold() for part in item.parts[depth:]) for item in prefixes):
        return "Velociraptor"
    beside = {parts[depth] for parts in paths if len(parts) == depth + 1 and parts[:depth] == group}
    return next((name for name, sign in _SIGNS if any(sign.fullmatch(item) for item in beside)), "")


def other_shadows(paths: Iterable[tuple[str, ...]], known: list[Prefix]) -> list[Prefix]:
    """Shadow copies of which only some files were collected, without anything that looks like Windows.

    KAPE leaves out of `VSS1` what the live volume has as well, so often little is in it. It lies beside the drives;
    where these have no folder of their own, a folder of that name is one of the volume.
    """
    groups = {item.group for item in known if item.parts and not item.shadow}
    taken = {item.parts for item in known}
    found: dict[tuple[str, ...], Prefix] = {}
    for parts in paths:
        for depth, part in enumerate(parts[:_DEPTH][:-1]):
            match = _SHADOW.match(part)
            if match and (group := without_accessors(parts[:depth])) in groups and parts[: depth + 1] not in taken:
                head = parts[: depth + 1]
                found[head] = Prefix(head, "C:", group, f"vss{match.group(1) or match.group(2)}")
                break
    return sorted(found.values(), key=lambda item: item.parts)


def other_drives(paths: Iterable[tuple[str, ...]], known: list[Prefix]) -> list[Prefix]:
    """Drives without Windows beside a drive with it (`D/` beside `C/`): they may hold .wsb files or CLI folders."""
    parents = {item.parts[:-1]: item.group for item in known if item.parts and not item.shadow}
    depths = sorted({len(parent) for parent in parents})
    found: dict[tuple[str, ...], Prefix] = {}
    taken = {item.parts for item in known}
    for parts in paths:
        for depth in depths:
            head = parts[: depth + 1]
            if len(parts) <= depth + 1 or parts[:depth] not in parents or head in taken:
                continue
            taken.add(head)
            if letter := letter_of(parts[depth]):
                found[head] = Prefix(head, f"{letter}:", parents[parts[:depth]])
    return sorted(found.values(), key=lambda item: item.parts)
