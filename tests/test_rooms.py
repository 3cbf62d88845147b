"""The direction of imports: a room knows only rooms before it, and the heavy libraries stay in their places."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "forensics"
# A room may import itself and what stands before it in this order; modules of one level may not import each other.
ORDER = [
    {"text", "times", "plainjson", "signals", "leftovers"},
    {"answers"},
    {"verdicts"},
    {"model"},
    {"safety"},
    {"rules"},
    {"locales"},
    {"onehost"},
    {"formats"},
    {"sigma"},
    {"artifacts"},
    {"spool"},
    {"deferred", "intake"},
    {"logs", "hives"},
    {"store", "naming"},
    {"timeline", "plain", "columns", "arrow", "clockmarks"},
    {"case", "export"},
    {"evidence"},
    {"jobs"},
    {"views", "silence"},
    {"collect", "showing"},
    {"workers"},
    {"sessions", "descendants"},
    {
        "guestwrites",
        "blobextraction",
        "targetbirths",
        "targetplaces",
        "targetwords",
        "targets",
        "handedprojects",
        "logontally",
    },
    {"advisory"},
    {"assembly", "reading", "apart"},
    {"runinfo", "rulefolder"},
    {"settings"},
    {"pipeline"},
    {"hosts", "show", "verify", "content", "extraction", "options"},
    {"cli"},
    {"preloaded"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
# Rooms that the one named may not know although they stand before it.
FORBIDDEN = {
    "artifacts": set(),
    "evidence": {"artifacts", "spool", "store", "timeline", "case", "export", "rules"},
    "sessions": {"evidence", "jobs", "collect", "workers", "case", "export", "store", "timeline"},
    "export": {"evidence", "jobs", "workers", "sessions", "formats"},
}
# One room for each library that decodes evidence; pandas only at the edge.
HOMES = {
    "dissect": {"evidence", "formats"},  # formats: only dissect.cim
    "mft": {"evidence"},
    "pyvshadow": {"evidence"},
    "pyzipper": {"evidence"},
    "Registry": {"formats"},
    "Evtx": {"formats"},
    "evtx": {"formats"},
    "signify": {"formats"},
    "oscrypto": {"formats"},
    "pyesedb": {"formats"},
    "pyscca": {"formats"},
    "sqlite3": {"formats"},
    "defusedxml": {"formats"},
    "pebble": {"workers"},
    "pandas": {"timeline", "columns", "export", "case"},
    "pyarrow": {"timeline", "columns", "arrow", "export"},
    "click": {"cli", "options"},
    "rich": {"show"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


@dataclass(frozen=True)
class _Seen:
    """What the rules of the house ask of a file: it is parsed and walked once for all of them."""

    lines: int
    functions: list[tuple[int, str, int]]  # line, name, length
    broad: list[int]
    imports: list[str]
    with_typing: list[str]


@cache
def _seen(path: Path) -> _Seen:
    text = path.read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(text)))
    skipped = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    defined = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    caught = [node for node in nodes if isinstance(node, ast.ExceptHandler)]
    return _Seen(
        text.count("\n"),
        [(node.lineno, node.name, (node.end_lineno or 0) - node.lineno + 1) for node in defined],
        [node.lineno for node in caught if _is_broad(node)],
        [name for node in nodes if id(node) not in skipped for name in _names(node)],
        [name for node in nodes for name in _names(node)],
    )


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [f"{node.module}.{name.name}" for name in node.names]
    return []


def _is_broad(node: ast.ExceptHandler) -> bool:
    if node.type is not None and ast.unparse(node.type) != "Exception":
        return False
    return not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))


def _imports(path: Path, *, typing_too: bool = False) -> list[str]:
    return _seen(path).with_typing if typing_too else _seen(path).imports


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_knows_only_rooms_before_it(path: Path) -> None:
    room = _room(path)
    if room == "__init__":
        return
    assert room in LEVEL, f"{room} has no place in the house"
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] != "forensics" or len(parts) < 2 or parts[1] not in LEVEL:
            continue
        other = parts[1]
        near = LEVEL[other] < LEVEL[room] or other == room or {other, room} <= ORDER[LEVEL[room]]
        assert near, f"{path.name} ({room}) imports {name}: {other} comes after it"
        assert other not in FORBIDDEN.get(room, set()), f"{room} must not know {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_library_lives_in_one_room(path: Path) -> None:
    for name in _imports(path):
        top = name.split(".")[0]
        assert _room(path) in HOMES.get(top, {_room(path)}), f"{path} imports {top}"


def test_no_artifact_imports_another() -> None:
    for path in (PACKAGE / "artifacts").glob("*.py"):
        for name in _imports(path):
            parts = name.split(".")
            if parts[:2] == ["forensics", "artifacts"] and len(parts) > 2 and path.name != "base.py":
                assert parts[2] == "base" or parts[2].startswith("_"), f"{path.name} imports {name}"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom forensics.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pandas','pyarrow','numpy','dissect','rich','pebble','evtx','mft','signify','oscrypto'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_files_and_functions_stay_small() -> None:
    for path in FILES:
        assert _seen(path).lines <= 400, f"{path} has more than 400 lines"
        for line, name, length in _seen(path).functions:
            assert length <= 60, f"{path}:{line} {name} has {length} lines"


def test_there_are_two_broad_excepts() -> None:
    """A parser may die, and a join may; a run not."""
    broad = [path.relative_to(PACKAGE).as_posix() for path in FILES for _ in _seen(path).broad]
    assert broad == ["jobs.py", "sessions/attempts.py"]
