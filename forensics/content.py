"""What the next collection should take: a KAPE target, a Velociraptor artifact, ForensicArtifacts definitions.

All three are made from what the artifacts declare, so they take what this tool reads and nothing that it does not.
KAPE has no recursion in the middle of a path: there `**` goes down five folders. Formats: KapeFiles' TargetGuide,
Velociraptor's artifact reference, the ForensicArtifacts style guide.
"""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

import forensics
from forensics import collect
from forensics.artifacts._filesystem import JOURNAL_SETTINGS, JOURNALS
from forensics.artifacts.base import Artifact, FileArtifact, asked_for
from forensics.evidence.globs import GlobSet

KAPE, VELOCIRAPTOR, DEFINITIONS = "Mirrortrace.tkape", "Custom.Windows.Mirrortrace.yaml", "mirrortrace.yaml"
JOURNAL = "$Extend/$UsnJrnl:$J"
_DEEPEST = 5
_LOGS_OF_HIVES = (".LOG1", ".LOG2")
# The names that collectors give the journal: on a volume it has one.
_SETTINGS = "$Extend/$UsnJrnl:$Max"
_ALIASES = frozenset({*JOURNALS, *JOURNAL_SETTINGS}) - {JOURNAL, _SETTINGS}


def globs_of(artifact: Artifact) -> tuple[str, ...]:
    """What an artifact reads on a volume: its own globs, and the logs and journals of what they find."""
    found = {glob for glob in collect.sought(artifact) if glob not in _ALIASES}
    return tuple(sorted(found | _logs(found) | _siblings(artifact)))


def every_glob() -> tuple[str, ...]:
    """What the tool reads on a volume, without globs that a wider one contains."""
    found = {glob for glob in collect.patterns(asked_for(carve=False)) if glob not in _ALIASES}
    return reduced(found.union(_logs(found), *map(_siblings, asked_for(carve=False))))


def _siblings(artifact: Artifact) -> set[str]:
    """What belongs to an artifact's files: what lies beside them under their name, and companions by their path."""
    if not isinstance(artifact, FileArtifact):
        return set()
    # Those with a wildcard are sought by the tool itself; the table and the journal are asked for by their artifacts.
    beside = {name for name in artifact.companions if "*" not in name and not name.startswith("$")}
    return beside | {glob + suffix for glob in artifact.paths for suffix in artifact.siblings}


def _logs(globs: Iterable[str]) -> set[str]:
    hives = {glob for every in collect.HIVES.values() for glob in every}
    return {glob + suffix for glob in globs if glob in hives for suffix in _LOGS_OF_HIVES}


def reduced(globs: Iterable[str]) -> tuple[str, ...]:
    """The globs without those that another one contains: whatever their wildcards stand for, it matches."""
    every = sorted(set(globs))
    kept = []
    for glob in every:
        others = GlobSet(item for item in every if item != glob and "**" in item)
        if not all(others.matches(text) for text in _samples(glob)):
            kept.append(glob)
    return tuple(kept)


def _samples(glob: str) -> list[str]:
    """Paths that a glob matches."""
    return [
        glob.replace("**/", middle).replace("**", "deep/er").replace("*", star).replace("?", "q")
        for middle in ("", "a/", "a/b/c/")
        for star in ("x", "x.y-z", "insiders")
    ]


def export(folder: Path, *, force: bool = False) -> list[Path]:
    """Write the three files into `folder`; gives their paths.

    Raises FileExistsError when one of them is there already and `force` is not set; nothing is written then.
    """
    texts = {KAPE: kape_target(), VELOCIRAPTOR: velociraptor_artifact(), DEFINITIONS: definitions()}
    there = [name for name in texts if os.path.lexists(folder / name)]
    if there and not force:
        raise FileExistsError(errno.EEXIST, f"already holds {', '.join(there)} (--force replaces them)", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]


# -- KAPE ------------------------------------------------------------------------------------------------------------


def kape_target() -> str:
    """A KAPE target (`.tkape`)."""
    entries = [entry for glob in every_glob() for entry in _kape_entries(glob)]
    head = {
        "Description": "Windows Sandbox, VS Code and dev tunnels, persistence: all that mirrortrace reads",
        "Author": "mirrortrace",
        "Version": forensics.__version__,
        "Id": str(uuid.uuid5(uuid.NAMESPACE_DNS, "mirrortrace.kape")),
        "RecreateDirectories": True,
        "Targets": entries,
    }
    return _yaml(head) + "\n# Documentation\n# Written by `mirrortrace content export`; see its docs/artifacts.md.\n"


def _kape_entries(glob: str) -> list[dict[str, Any]]:
    folder, _, mask = glob.rpartition("/")
    recursive = folder.endswith("**") or folder == "**" or mask == "**"
    if mask == "**":
        mask = "*"
    else:
        folder = folder.removesuffix("**").rstrip("/") if recursive else folder
    return [_kape_entry(path, mask, glob, recursive=recursive) for path in _expanded(folder)]


def _expanded(folder: str) -> list[str]:
    """A folder with `**` in its middle as folders of every depth up to five."""
    head, star, tail = folder.partition("**/")
    if not star:
        return [folder]
    return [f"{head}{'*/' * depth}{tail}" for depth in range(_DEEPEST + 1)]


def _kape_entry(folder: str, mask: str, glob: str, *, recursive: bool) -> dict[str, Any]:
    # A folder's `?` is not among the wildcards that KAPE documents.
    path = "C:\\" + "".join(f"{part}\\" for part in re.sub(r"\?+", "*", folder).split("/") if part)
    entry: dict[str, Any] = {
        "Name": glob.replace("/", "\\"),
        "Category": "Mirrortrace",
        "Path": path.replace("C:\\Users\\*\\", "C:\\Users\\%user%\\", 1),
        "FileMask": mask,
    }
    if recursive:
        entry["Recursive"] = True
    if glob.startswith("$"):
        entry["AlwaysAddToQueue"] = True
    if glob == JOURNAL:
        entry["SaveAsFileName"] = "$J"
    if glob == _SETTINGS:
        entry["SaveAsFileName"] = "$Max"
    return entry


# -- Velociraptor ----------------------------------------------------------------------------------------------------

_QUERY = """\
LET matching(Kind, Root) = SELECT OSPath, Size, Btime, Mtime, Ctime, Atime, Kind
  FROM glob(globs=(SELECT Glob FROM Globs WHERE Accessor = Kind).Glob, root=Root, accessor=Kind)
  WHERE NOT IsDir

LET found = SELECT * FROM chain(
  a={ SELECT * FROM matching(Kind="auto", Root=RootDevice + "\\\\") },
  b={ SELECT * FROM matching(Kind="ntfs", Root="\\\\\\\\.\\\\" + RootDevice) })
"""
_METADATA = """
SELECT OSPath AS SourceFile, Size, Btime AS Created, Mtime AS Modified, Ctime AS Changed, Atime AS LastAccessed
FROM found
"""
_UPLOADS = """
LET taken = SELECT *, upload(file=OSPath, accessor=Kind, mtime=Mtime, atime=Atime, ctime=Ctime, btime=Btime) AS Upload
  FROM found

SELECT now() AS CopiedOnTimestamp, OSPath AS SourceFile, Upload.Path AS DestinationFile, Size AS FileSize,
       Upload.sha256 AS SourceFileSha256, Btime AS Created, Mtime AS Modified, Ctime AS Changed, Atime AS LastAccessed
FROM taken
"""


def velociraptor_artifact() -> str:
    """A Velociraptor client artifact that uploads the files and notes their times and hashes."""
    rows = ["Glob,Accessor", *(f"{glob.replace('/', chr(92))},{_accessor(glob)}" for glob in every_glob())]
    document = {
        "name": "Custom.Windows.Mirrortrace",
        "author": "mirrortrace",
        "description": "Takes what mirrortrace reads: Windows Sandbox, VS Code and dev tunnels, persistence.\n",
        "type": "CLIENT",
        "precondition": "SELECT OS FROM info() WHERE OS = 'windows'",
        "parameters": [
            {"name": "RootDevice", "description": "The volume that Windows is on.", "default": "C:"},
            {"name": "Globs", "type": "csv", "description": "What to take.", "default": "\n".join(rows) + "\n"},
        ],
        "sources": [
            {"name": "All File Metadata", "query": _QUERY + _METADATA},
            {"name": "Uploads", "query": _QUERY + _UPLOADS},
        ],
    }
    return _yaml(document)


def _accessor(glob: str) -> str:
    """NTFS's own files are only seen on the raw device."""
    return "ntfs" if glob.startswith(("$MFT", "$Extend")) else "auto"


# -- ForensicArtifacts -----------------------------------------------------------------------------------------------


def definitions() -> str:
    """One definition for each artifact, and a group of them all."""
    documents = [_definition(artifact) for artifact in asked_for(carve=False)]
    names = [document["name"] for document in documents]
    group = {
        "name": "MirrortraceAll",
        "doc": "All that mirrortrace reads.",
        "sources": [{"type": "ARTIFACT_GROUP", "attributes": {"names": names}}],
        "supported_os": ["Windows"],
    }
    return "---\n".join(["# Traces of Windows Sandbox, VS Code and dev tunnels, and persistence.\n"]) + "".join(
        "---\n" + _yaml(document) for document in [*documents, group]
    )


def definition_name(artifact: Artifact) -> str:
    """`MirrortraceTunnelIdentity` for `tunnel_identity`."""
    return "Mirrortrace" + "".join(part.capitalize() for part in artifact.name.split("_"))


def _definition(artifact: Artifact) -> dict[str, Any]:
    return {
        "name": definition_name(artifact),
        "doc": f"What the artifact {artifact.name} of mirrortrace is read from.",
        "sources": [
            {
                "type": "FILE",
                "attributes": {"paths": [_variable(glob) for glob in globs_of(artifact)], "separator": "\\"},
            }
        ],
        "supported_os": ["Windows"],
    }


def _variable(glob: str) -> str:
    """A path with the variables of the ForensicArtifacts; recursion there has a depth."""
    path = glob.replace("**", "**10").replace("/", "\\")
    if path.startswith("Users\\*\\"):
        return "%%users.userprofile%%\\" + path.removeprefix("Users\\*\\")
    if path.startswith("Windows\\"):
        return "%%environ_systemroot%%\\" + path.removeprefix("Windows\\")
    return "%%environ_systemdrive%%\\" + path


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stand as such."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def _yaml(document: dict[str, Any]) -> str:
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000))
