r"""What the compatibility artifacts share: how they name programs.

A program on a local disk stands by its path. One that ran from a removable disk, a CD or a share stands as
`SIGN.MEDIA=<hex> <path below the root>`; the number is made of the sizes of the files in the root folder, so the same
number means the same medium with the same files (as the ReactOS sources make it: dll/appcompat/apphelp). A package of
the Store stands as tab-separated text: flags, version, version of Windows, architecture, name, publisher's hash
(layout seen in a real hive of Windows 10 1709, inferred from its values).
"""

from __future__ import annotations

import re

from forensics.artifacts._registry import file_name
from forensics.artifacts.base import FieldType
from forensics.model import Value

_MEDIUM = re.compile(r"SIGN\.MEDIA=([0-9A-Fa-f]{1,8}) (.*)", re.DOTALL)
_DEVICE = "\\??\\"
_VERSION = re.compile(r"[0-9A-Fa-f]{16}")

NAMED: dict[str, FieldType] = {
    "executable": str,
    "executable_name": str,
    "media_signature": str,
    "package_family": str,
    "package_version": str,
}


def named(text: str) -> dict[str, Value | None]:
    """The fields that say which program `text` names."""
    if "\t" in text:
        return _package(text)
    medium = _MEDIUM.match(text)
    path = medium.group(2) if medium else text.removeprefix(_DEVICE)
    return {
        "executable": path,
        "executable_name": file_name(path),
        "media_signature": medium.group(1).upper() if medium else None,
    }


def _package(text: str) -> dict[str, Value | None]:
    parts = text.split("\t")
    if len(parts) < 6:
        return {"executable": text}
    version = parts[1]
    quads = [str(int(version[at : at + 4], 16)) for at in range(0, 16, 4)] if _VERSION.fullmatch(version) else []
    family = f"{parts[4]}_{parts[5]}"
    return {"executable": family, "package_family": family, "package_version": ".".join(quads) or None}
