"""What the registry and prefetch tests are given, and the check that every row keeps to its declaration."""

from __future__ import annotations

import io

from forensics.artifacts.base import FileArtifact, FileInput, RegistryArtifact
from forensics.formats.hive import Hive
from forensics.model import Fact, Host, Problem, User
from tests.formats.crafted_hives import Tree, hive

SID = "S-1-5-21-1111111111-2222222222-3333333333-1001"
HOST = Host(
    name="WS-TANAKA",
    users=(
        User("S-1-5-18", "SYSTEM", "%systemroot%\\system32\\config\\systemprofile"),
        User("S-1-5-19", "LOCAL SERVICE", "%systemroot%\\ServiceProfiles\\LocalService"),
        User(SID, "田中", "C:\\Users\\田中"),
    ),
)
NTUSER = "C:/Users/田中/NTUSER.DAT"


def given(path: str, data: bytes = b"", host: Host = HOST) -> FileInput:
    return FileInput(path, io.BytesIO(data), len(data), "0" * 64, "test", host, None)


def nested(path: str, leaf: Tree) -> Tree:
    """A Tree that holds `leaf` at `path`."""
    for name in reversed(path.split("\\")):
        leaf = {name: leaf}
    return leaf


def merged(*trees: Tree) -> Tree:
    """Trees laid over each other."""
    out: Tree = {}
    for tree in trees:
        for name, inner in tree.items():
            if not name:
                out[name] = [*out.get(name, ()), *inner]
            else:
                out[name] = merged(out.get(name, {}), inner)
    return out


def run(artifact: RegistryArtifact, content: Tree | Hive, path: str) -> tuple[list[Fact], list[Problem]]:
    """Facts and problems of an artifact over a crafted or open hive."""
    opened = content if isinstance(content, Hive) else Hive.open(hive(content))
    return sorted_out(artifact, list(artifact.parse(opened, given(path))))


def sorted_out(
    artifact: RegistryArtifact | FileArtifact, rows: list[Fact | Problem]
) -> tuple[list[Fact], list[Problem]]:
    """Facts and problems apart; every fact must keep to the declared fields and types."""
    facts = [row for row in rows if isinstance(row, Fact)]
    for fact in facts:
        declared = artifact.emits[fact.kind].fields
        for name, value in fact.fields.items():
            wanted = declared[name]
            if wanted is str or wanted is int or wanted is bool:
                assert type(value) is wanted, (name, value)
            else:
                assert isinstance(value, tuple), (name, value)
                assert all(isinstance(part, str) for part in value)
        assert fact.times or fact.no_times
    return facts, [row for row in rows if isinstance(row, Problem)]
