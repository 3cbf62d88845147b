"""Loose files with containers beside them, and trees without Windows: each piece costs only itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics.evidence import EvidenceError, Opening, SeveralError, open_evidence
from tests.evidence.layouts import KAPE, folder, zipped
from tests.running import timeline, tool

LOG = "Windows/System32/winevt/Logs/Security.evtx"
IDENTITY = b'{"name":"pc","id":"h4t9xq2m","cluster":"jpe1"}'
SMALL = {"C/Windows/System32/config/SYSTEM": b"regf", "C/a.wsb": b"<Configuration/>"}


@pytest.mark.parametrize("what", ["foreign", "damaged", "several damaged"])
def test_a_container_that_holds_nothing_costs_only_itself(tmp_path: Path, what: str) -> None:
    top = folder(tmp_path / "in", {"code_tunnel.json": IDENTITY, "Security.evtx": (KAPE / "C" / LOG).read_bytes()})
    zipped(top / "cli.zip", {"code.exe": b"MZ of no evidence"})
    if what != "foreign":
        (top / "cli.zip").write_bytes(b"PK\x03\x04 cut")
    if what == "several damaged":
        (top / "x.e01").write_bytes(b"EVF\x09\x0d\x0a\xff\x00 cut")
    opened = open_evidence(top)
    assert sorted(opened.trees["loose:"]._held) == ["code_tunnel.json", "security.evtx"]
    shut = {item.path: item for item in opened.refusals}
    assert shut["cli.zip"].fault == "not_opened"
    assert ("x.e01" in shut) == (what == "several damaged")
    done = timeline(top, tmp_path / "case")
    assert done.code == 3, done.err
    assert done.document()["tunnel_sessions"], "the loose file next to it is read"
    assert "cli.zip" in (done.case / "problems.jsonl").read_text(encoding="utf-8")
    told = tool("inspect", str(top), "--json")
    assert told.returncode in (0, 3), told.stderr
    assert '"not_opened"' in told.stdout


def test_a_container_that_holds_evidence_stands_beside_loose_files(tmp_path: Path) -> None:
    top = folder(tmp_path / "in", {"code_tunnel.json": IDENTITY})
    zipped(top / "host.zip", SMALL)
    zipped(top / "cli.zip", {"code.exe": b"MZ of no evidence"})
    with pytest.raises(SeveralError) as found:
        open_evidence(top)
    assert found.value.hosts == (".", "host.zip")
    loose = open_evidence(top, Opening(host="."))
    assert "loose:" in loose.trees
    assert [item.path for item in loose.refusals] == ["cli.zip"]
    assert "C:" in open_evidence(top, Opening(host="host.zip")).trees
    with pytest.raises(EvidenceError, match="no host 'else'"):
        open_evidence(top, Opening(host="else"))


@pytest.mark.parametrize(
    "path",
    ["C/Users/a/.vscode/cli/code_tunnel.json", "Users/a/.vscode/cli/code_tunnel.json",
     "C/ProgramData/Intel/d/code_tunnel.json", "case/C/Users/a/x/code_tunnel.json"],
)  # fmt: skip
def test_a_tree_without_windows_is_a_drive(tmp_path: Path, path: str) -> None:
    """A `C/Users` of which only a profile's part was taken, with a zip of the user's in it."""
    top = folder(tmp_path / "in", {path: IDENTITY})
    zipped((top / path).parent / "cli.zip", {"code.exe": b"MZ"})
    opened = open_evidence(top)
    assert list(opened.trees) == ["C:"]
    assert [item.path for item in opened.find(["**/code_tunnel.json"])] == [
        f"C:/{path.removeprefix('case/').removeprefix('C/')}"
    ]
    assert not opened.refusals, "a zip in a profile is the user's"


def test_loose_files_name_no_data_folder(tmp_path: Path) -> None:
    """The folder of the collection is not the intruder's choice."""
    done = timeline(folder(tmp_path / "in", {"x/code_tunnel.json": IDENTITY}), tmp_path / "case")
    (session,) = done.document()["tunnel_sessions"]
    assert session["data_dir"] is None
    assert "of its own choice" not in " ".join(session["reasons"])
    rows = (done.case / "timeline.jsonl").read_text(encoding="utf-8")
    undated = (done.case / "undated.jsonl").read_text(encoding="utf-8")
    assert "loose:\\" not in rows + undated + " ".join(session["reasons"])
