"""From shell items to a path that a person can look for."""

from __future__ import annotations

from collections.abc import Iterable

from forensics.formats.shellitems import FILE, FOLDER, NETWORK, VOLUME, ShellItem
from forensics.rules import load

_DESKTOP = "Desktop"  # an item without a place above it lies on the user's desktop, or on that of all users
_UNKNOWN = "<unknown item>"


def shell_path(items: Iterable[ShellItem]) -> str:
    """The path of the last item. Volumes, shares and folders with a known place replace what stands before them.

    Views of Explorer stay as `<This PC>` only where no place on disk follows; what is not known stays as its GUID.
    """
    parts: list[str] = []
    for item in items:
        name = _name(item)
        if not parts and item.kind in (FILE, FOLDER):
            parts.append(_DESKTOP)
        if item.kind in (VOLUME, NETWORK) or name.startswith("%"):
            parts.clear()
        if name:
            parts.append(name.rstrip("\\") if item.kind == VOLUME else name)
    if len(parts) == 1 and len(parts[0]) == 2 and parts[0][1] == ":":
        return parts[0] + "\\"
    return "\\".join(parts)


def _name(item: ShellItem) -> str:
    if item.name:
        return item.name
    known = load("known_folders").get(item.identifier) or load("shell_folders").get(item.identifier)
    return str(known) if known else item.identifier or _UNKNOWN
