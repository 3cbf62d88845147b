"""Disks with several volumes: which one is analysed, what the others give, and what is said of those left out."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dissect.target import volume

from forensics.evidence import EvidenceError, Opening, open_evidence
from testdata.expected import differences
from testdata.host import scenario
from testdata.render_hives import hive_files
from testdata.writers.disk import Part, fat16, gpt, mbr
from tests.evidence import layouts
from tests.evidence.layouts import Layout, Tree
from tests.evidence.test_layouts_end_to_end import EXPECTED
from tests.running import timeline, tool

WSB = b"<Configuration><Networking>Disable</Networking></Configuration>"
TUNNEL = "Users/田中/.vscode/cli"
DATA: Tree = {
    "VMs/デモ/far.wsb": WSB,
    "near.wsb": WSB,
    "tools/.vscode/cli/code_tunnel.json": layouts.tree()[f"{TUNNEL}/code_tunnel.json"],
    "tools/.vscode/cli/tunnel-service.log": layouts.tree()[f"{TUNNEL}/tunnel-service.log"],
    "photos/notes.txt": b"hello",
}


def second_host() -> Tree:
    """Another host: only its registry remembers sandboxes, and no virtual machine is known."""
    hives = hive_files(replace(scenario("ws-tanaka"), name="WS-SATO"))
    return {path: data for path, data in hives.items() if "config" in path}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EFI, reserved, the Windows of ws-tanaka, that of another host, and a data volume."""
    top = tmp_path_factory.mktemp("two")
    parts = [
        *layouts.gpt_parts(top),
        Part("Basic data partition", layouts.volume(top, second_host(), "second", 32 << 20)),
        Part("Recovery", layouts.volume(top, {"Recovery/WindowsRE/x": b"x"}, "recovery", 8 << 20)),
        Part("Basic data partition", layouts.volume(top, DATA, "data", 16 << 20)),
    ]
    made = gpt(top / "disk.dd", parts)
    for part in parts:
        if isinstance(part.content, Path):
            part.content.unlink()
    return made


# -- the writers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [gpt, mbr])
def test_partitions_are_where_two_readers_find_them(tmp_path: Path, write: Any) -> None:
    parts = [
        Part("EFI system partition", fat16({"A.TXT": b"a" * 700, "B": b""})),
        Part("Basic data partition", b"x" * 1024),
    ]
    made = write(tmp_path / "disk.dd", parts)
    with made.open("rb") as handle:
        first, second = volume.open(handle).volumes
        short = 512 if write is gpt else 0  # dissect.volume leaves the last sector of a GPT partition out
        assert (first.offset, first.size + short) == (1 << 20, 8 << 20)
        assert (second.offset, second.size + short, second.read(512)) == (9 << 20, 1024, b"x" * 512)
    if shutil.which("sfdisk"):
        done = subprocess.run(["sfdisk", "--json", str(made)], capture_output=True, text=True, check=True)
        listed = json.loads(done.stdout)["partitiontable"]
        assert listed["label"] == ("gpt" if write is gpt else "dos")
        assert [(item["start"], item["size"]) for item in listed["partitions"]] == [(2048, 16384), (2048 + 16384, 2)]
        checked = subprocess.run(["sfdisk", "--verify", str(made)], capture_output=True, text=True, check=True)
        assert "No errors" in checked.stdout, checked.stdout


# -- several installations -----------------------------------------------------------------------------------------


def test_several_installations_are_listed_to_choose_from(two: Path, tmp_path: Path) -> None:
    done = timeline(two, tmp_path / "case")
    assert done.code == 4
    assert done.err.count("\n") == 1
    assert "holds 2 Windows installations, choose one with --os-volume" in done.err
    assert "volume 2 (WS-TANAKA, Windows 1" in done.err
    assert "volume 3 (WS-SATO, Windows 1" in done.err
    assert "build 19045" in done.err
    assert not done.case.exists()
    wrong = tool("inspect", two, "--os-volume", "4")
    assert wrong.returncode == 4
    assert "no Windows on volume 4" in wrong.stderr
    assert "volume 3 (WS-SATO" in wrong.stderr


def test_each_installation_gives_its_own_host(two: Path, tmp_path: Path) -> None:
    first = timeline(two, tmp_path / "2", "--os-volume", "2")
    assert first.code == 3, "the other installation is said"
    assert "--os-volume 3" in first.lines("problems.jsonl")[0]["detail"]
    document = first.document()
    assert document["evidence"][0]["host"]["name"] == "WS-TANAKA"
    assert {item["vm_id"] for item in document["sandbox_sessions"]} == {
        item["vm_id"] for item in EXPECTED["sandbox_sessions"]
    }
    second = timeline(two, tmp_path / "3", "--os-volume", "3")
    assert second.code == 3
    other = second.document()
    assert other["evidence"][0]["host"]["name"] == "WS-SATO"
    assert other["sandbox_sessions"]
    assert {item["vm_id"] for item in other["sandbox_sessions"]} == {None}
    assert {item["host"] for item in [*other["sandbox_sessions"], *other["persistence"]]} == {"WS-SATO"}
    paths = {row.get("source_path", "") for row in second.lines("timeline.jsonl")}
    assert not [path for path in paths if "Security.evtx" in path or path.startswith("C:/Users")]


def test_a_data_volume_is_looked_through(two: Path) -> None:
    evidence = open_evidence(two, Opening(volume=2))
    assert {drive: tree.number for drive, tree in evidence.trees.items()} == {"C:": 2, "E:": 4, "D:": 5}
    found = {item.path for item in evidence.find(["*.wsb", "Users/**/*.wsb", "Users/**/code_tunnel.json"])}
    on_data = {path for path in found if path.startswith("D:")}
    assert on_data == {"D:/near.wsb", "D:/VMs/デモ/far.wsb", "D:/tools/.vscode/cli/code_tunnel.json"}


def test_configurations_and_tunnels_of_a_data_volume_are_in_the_case(two: Path, tmp_path: Path) -> None:
    done = timeline(two, tmp_path / "case", "--os-volume", "2", "--all-events")
    rows = [*done.lines("timeline.jsonl"), *done.lines("undated.jsonl")]
    sources = {row.get("source_path") for row in rows}
    assert {"D:/near.wsb", "D:/VMs/デモ/far.wsb", "D:/tools/.vscode/cli/tunnel-service.log"} <= sources


# -- one installation ----------------------------------------------------------------------------------------------


def test_a_disk_with_one_installation_needs_no_choice(tmp_path: Path) -> None:
    made: Layout = layouts.gpt_disk(tmp_path)
    done = timeline(made.path, tmp_path / "case")
    assert done.code == 0, done.err
    assert differences(EXPECTED, done.document()) == []


def test_a_disk_without_windows_names_what_was_found(tmp_path: Path) -> None:
    made = gpt(
        tmp_path / "d.dd", [Part("EFI system partition", fat16({})), Part("Basic data partition", b"\x01" * 4096)]
    )
    with pytest.raises(EvidenceError, match=r"volume 1 \(unknown\) has no readable file system"):
        open_evidence(made)


def test_a_hidden_file_system_is_found_whatever_the_partition_says(tmp_path: Path) -> None:
    """A partition type is a word that anyone can change."""
    hidden = layouts.volume(tmp_path, second_host(), "hidden", 32 << 20)
    made = gpt(tmp_path / "d.dd", [Part("EFI system partition", hidden)])
    assert open_evidence(made).find(["Windows/System32/config/SYSTEM"])


@pytest.mark.parametrize(
    ("head", "name"), [(b"\xeb\x76\x90EXFAT   ", "exFAT"), (bytes(3) + b"ReFS" + bytes(4), "ReFS")]
)
def test_a_volume_that_cannot_be_read_is_said_and_nothing_is_called_complete(
    tmp_path: Path, head: bytes, name: str
) -> None:
    parts = [*layouts.gpt_parts(tmp_path), Part("Basic data partition", head.ljust(4096, b"\x07"))]
    done = timeline(gpt(tmp_path / "disk.dd", parts), tmp_path / "case")
    assert done.code == 3
    (problem,) = done.lines("problems.jsonl")
    assert f"volume 3 ({name}) has no readable file system" in problem["detail"]
    states = {row["artifact"]: row["state"] for row in done.document()["coverage"]}
    assert states["wsb_files"] == "partial"
    assert states["prefetch"] == "complete", "it lies on the Windows volume"
