"""What the tests of autostart places share: hives with given values, and the entries a session makes of their rows."""

from __future__ import annotations

import struct

from forensics.artifacts.base import RegistryArtifact
from forensics.formats.hive import Hive
from forensics.model import Fact, PersistenceEntry
from forensics.sessions.persistence import persistence
from forensics.sessions.rows import Rows
from forensics.timeline import events_of
from tests.artifacts.registry_inputs import HOST, NTUSER, given, merged, nested, run
from tests.formats.crafted_hives import Tree, Value, hive, utf16

SYSTEM, SOFTWARE = "C:/Windows/System32/config/SYSTEM", "C:/Windows/System32/config/SOFTWARE"
VERSION = "Microsoft\\Windows NT\\CurrentVersion"
SZ, EXPAND, DWORD, MULTI = 1, 2, 4, 7


def value(name: str, data: str | int | tuple[str, ...] | bytes) -> Value:
    """A value of the type that fits its data."""
    if isinstance(data, int):
        return name, DWORD, struct.pack("<I", data)
    if isinstance(data, tuple):
        return name, MULTI, b"".join(map(utf16, data)) + b"\x00\x00"
    return (name, 3, data) if isinstance(data, bytes) else (name, SZ, utf16(data))


def key(path: str, **values: str | int | tuple[str, ...] | bytes) -> Tree:
    """A key with values; `_` in a name stands for a space, `Default` for the default value."""
    named = {("" if name == "Default" else name.replace("_", " ")): data for name, data in values.items()}
    return at(path, named)


def at(path: str, values: dict[str, str | int | tuple[str, ...] | bytes]) -> Tree:
    """A key with values whose names are no words."""
    return nested(path, {"": [value(name, data) for name, data in values.items()]})


def system(*trees: Tree, current: int = 1, **others: Tree) -> Tree:
    """A SYSTEM hive whose ControlSet001 has these keys; others by their name."""
    select: Tree = {"": [value("Current", current)]}
    return merged({"Select": select, "ControlSet001": merged(*trees)}, dict(others))


def software(*trees: Tree) -> Tree:
    return merged({"Classes": {}, "Microsoft": {}}, *trees)


def user(*trees: Tree) -> Tree:
    """A user's hive; the keys stand below Software."""
    return {"Environment": {}, "Software": merged(*trees)}


def klass(clsid: str, library: str, *, twin: str = "") -> Tree:
    """A COM class of the machine."""
    return key(f"Classes\\{twin}CLSID\\{clsid}\\InprocServer32", Default=library)


def found(artifact: RegistryArtifact, content: Tree | Hive, path: str) -> dict[tuple[str, str], PersistenceEntry]:
    """What a session makes of the artifact's rows, by place and name.

    The place is the end of the location; the whole of it for a second entry of the same end and name.
    """
    facts, problems = run(artifact, content, path)
    assert problems == []
    return entries(facts)


def entries(facts: list[Fact]) -> dict[tuple[str, str], PersistenceEntry]:
    events = [event for fact in facts for event in events_of(fact, "WS-TANAKA")]
    rows = persistence(Rows(events), HOST, "WS-TANAKA")
    assert len({entry.id for entry in rows}) == len(rows)
    named: dict[tuple[str, str], PersistenceEntry] = {}
    for entry in rows:
        short = (_end(entry.location), entry.name)
        named[short if short not in named else (entry.location, entry.name)] = entry
    return named


def _end(location: str) -> str:
    """The last part of a place; of a 32-bit twin with `32:` before it, of a further control set with its number."""
    twin = "32:" if "wow6432node" in location.lower() else "2:" if "ControlSet002" in location else ""
    return twin + location.rpartition("\\")[2]


def quiet(artifact: RegistryArtifact, content: Tree, path: str, count: int) -> None:
    """Stock entries: all are there, none is dropped, each scores nothing and is context."""
    facts, _ = run(artifact, content, path)
    told = [fact for fact in facts if fact.kind == "autorun.configured"]
    assert [fact.fields for fact in told if not fact.context] == []
    rows = entries(told)
    assert len(rows) == count
    assert {entry.score for entry in rows.values()} == {0}
    assert all("known autostart" in entry.reasons[0] for entry in rows.values())


def survives(artifact: RegistryArtifact, content: Tree, path: str) -> None:
    """No truncation and no flipped byte makes the parser fail."""
    data = hive(content)
    for cut in range(0x1000, len(data), 97):
        for broken in (data[:cut], data[:cut] + bytes([data[cut] ^ 0xFF]) + data[cut + 1 :]):
            try:
                opened = Hive.open(broken)
            except ValueError:
                continue
            list(artifact.parse(opened, given(path)))


__all__ = [
    "NTUSER", "SOFTWARE", "SYSTEM", "VERSION", "at", "entries", "found", "key", "klass", "merged", "nested", "quiet",
    "run", "software", "survives", "system", "user", "value",
]  # fmt: skip
