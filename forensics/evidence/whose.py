"""Whose Windows a volume holds, in a few words, so that a person can choose among several."""

from __future__ import annotations

from forensics.evidence.imagetree import DAMAGE, ImageTree
from forensics.formats import FormatError
from forensics.formats.hive import Hive
from forensics.formats.hostinfo import computer_name, windows_version

_LIMIT = 256 * 1024 * 1024


def described(tree: ImageTree) -> str:
    """`volume 3 (WS-TANAKA, Windows 11 Pro 23H2, build 22631.4460)`; what the hives do not tell is left out."""
    system, software = _hive(tree, "SYSTEM"), _hive(tree, "SOFTWARE")
    name = computer_name(system) if system else None
    product, build = windows_version(software) if software else (None, None)
    words = [name or "host name not readable", product, f"build {build}" if build else None]
    return f"volume {tree.number} ({', '.join(word for word in words if word)})"


def _hive(tree: ImageTree, name: str) -> Hive | None:
    """The hive without its logs: what is asked of it has not changed since Windows was set up."""
    try:
        with tree.open(f"Windows/System32/config/{name}") as handle:
            return Hive.open(handle.read(_LIMIT))
    except (FormatError, *DAMAGE):
        return None
