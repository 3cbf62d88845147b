"""Where in a collection the Windows drives are.

KAPE writes `C/...` (perhaps below a host or time folder), Velociraptor `uploads/<accessor>/C%3A/...` and
`uploads/ntfs/%5C%5C.%5CC%3A/...`, CyLR `C/...`, and a plain tree starts at `Windows`. A prefix is a drive when
something below it looks like Windows. Source: collections-and-timesketch notes, checked against the tools' code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

_DRIVE = re.compile(r"^(?:\\\\\.\\|\\\\\?\\|//\./)?([A-Za-z])(?:[:_]|%3a)?$", re.IGNORECASE)
_SHADOW = re.compile(r"^(?:vss\d+|.*harddiskvolumeshadowcopy\d+)$", re.IGNORECASE)
_ACCESSORS = frozenset({"auto", "ntfs", "lazy_ntfs", "file", "mft", "data", "fs"})
_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Prefix:
    """One folder of a collection that holds a drive: its components, the letter, and the host part before it."""

    parts: tuple[str, ...]
    drive: str
    group: tuple[str, ...]
    shadow: bool


def decoded(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Velociraptor's percent escapes undone below `uploads/`, component by component (never before splitting).

    Elsewhere nothing is decoded: `Microsoft-Windows-AppModel-Runtime%4Admin.evtx` is the real name of a log.
    """
    lowered = [part.casefold() for part in parts]
    if "uploads" not in lowered[:-2]:
        return parts
    start = lowered.index("uploads") + 1
    return (*parts[:start], *(unquote(part, errors="surrogateescape") for part in parts[start:]))


def _is_windows(rest: tuple[str, ...]) -> bool:
    """Whether the components below a prefix look like the top of a Windows volume, and strongly enough."""
    first = rest[0].casefold()
    second = rest[1].casefold() if len(rest) > 1 else ""
    if first == "windows":
        return second in _WINDOWS_CHILDREN
    if first == "users" and len(rest) > 2:
        return rest[2].casefold() in ("ntuser.dat", "appdata")
    return first == "$mft" or (first == "$extend" and len(rest) > 1)


_WINDOWS_CHILDREN = frozenset({"system32", "prefetch", "appcompat", "syswow64", "serviceprofiles", "inf", "tasks"})


def find_prefixes(paths: Iterable[tuple[str, ...]]) -> list[Prefix]:
    """Every folder that holds a drive, out of all file paths of a collection (decoded components)."""
    found: dict[tuple[str, ...], Prefix] = {}
    for parts in paths:
        for depth in range(min(len(parts) - 1, _DEPTH) + 1):
            if depth < len(parts) and parts[:depth] not in found and _is_windows(parts[depth:]):
                found[parts[:depth]] = _prefix(parts[:depth])
                break
    outer = [item for item in found.values() if not any(_inside(item.parts, other) for other in found)]
    return sorted(outer, key=lambda item: item.parts)


def _inside(parts: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """A tree within a tree (a guest's layers, a backup) is part of the outer one."""
    return len(other) < len(parts) and parts[: len(other)] == other


def _prefix(parts: tuple[str, ...]) -> Prefix:
    letter, group, shadow = "C", parts, False
    if parts:
        last = parts[-1]
        match = _DRIVE.match(last)
        shadow = any(_SHADOW.match(part) for part in parts)
        if match or shadow:
            letter = match.group(1).upper() if match else "C"
            group = parts[:-1]
    while group and group[-1].casefold() in _ACCESSORS | {"uploads"}:
        group = group[:-1]
    return Prefix(parts, f"{letter}:", group, shadow)


def other_drives(paths: Iterable[tuple[str, ...]], known: list[Prefix]) -> list[Prefix]:
    """Drives without Windows beside a drive with it (`D/` beside `C/`): they may hold .wsb files or CLI folders."""
    parents = {item.parts[:-1]: item.group for item in known if item.parts and not item.shadow}
    found: dict[tuple[str, ...], Prefix] = {}
    taken = {item.parts for item in known}
    for parts in paths:
        for parent, group in parents.items():
            depth = len(parent)
            if len(parts) > depth + 1 and parts[:depth] == parent and parts[: depth + 1] not in taken:
                match = _DRIVE.match(parts[depth])
                if match:
                    prefix = parts[: depth + 1]
                    found[prefix] = Prefix(prefix, f"{match.group(1).upper()}:", group, False)
    return sorted(found.values(), key=lambda item: item.parts)
