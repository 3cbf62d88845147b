"""Disks and states of sandbox sessions that survived: what their head says, as QEMU and dissect have it too."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path
from uuid import UUID

import pytest
from dissect.hypervisor.disk.vhdx import VHDX, MetadataTable
from hypothesis import given as generated
from hypothesis import settings
from hypothesis import strategies as st

from forensics.artifacts import sandbox_disks
from forensics.evidence.globs import GlobSet
from forensics.formats import FormatError, vhdxhead
from testdata.writers import vhdx_head
from tests.artifacts.file_inputs import BORN, MODIFIED, run, utc
from tests.running import timeline

GUID = "7a1f6f80-0000-4000-8000-000000000001"
FOLDER = "ProgramData/Microsoft/Windows/Containers"
OLD, NEW = f"{FOLDER}/Sandboxes/{GUID}/sandbox.vhdx", f"{FOLDER}/ContainerStorages/{GUID}/sandbox.vhdx"
PARENT = {
    "parent_linkage": "{83ed8c63-0000-4000-8000-00000000000a}",
    "relative_path": "..\\..\\BaseImages\\1\\Snapshot\\SystemTemplate.vhdx",
    "absolute_win32_path": "C:\\ProgramData\\Microsoft\\Windows\\Containers\\BaseImages\\1\\SystemTemplate.vhdx",
}
SIZE = 42_949_672_960
DISK = vhdx_head.build(SIZE, parent=PARENT, data_write=UUID(int=0xABC), log=UUID(int=0xDEF), disk=UUID(int=0x123))
TIMES = {BORN: utc(2024, 12, 3, 5), MODIFIED: utc(2024, 12, 3, 6)}


def test_a_differencing_disk_with_a_log() -> None:
    (fact,), problems = run(sandbox_disks.ARTIFACT, "C:/" + OLD, DISK, TIMES)
    assert problems == []
    assert (fact.kind, fact.times, fact.context) == ("sandbox.disk_survived", TIMES, False)
    assert fact.fields == {
        "file_path": "C:\\" + OLD.replace("/", "\\"), "file_name": "sandbox.vhdx", "file_size": len(DISK),
        "container_id": GUID, "container_folder": "Sandboxes", "reason": "not hashed: only its head was read",
        "disk_differencing": True, "disk_parents": (PARENT["absolute_win32_path"], PARENT["relative_path"]),
        "disk_parent_linkage": PARENT["parent_linkage"], "disk_virtual_size": SIZE, "disk_block_size": 2 << 20,
        "disk_virtual_id": str(UUID(int=0x123)), "disk_data_write": str(UUID(int=0xABC)),
        "disk_log": str(UUID(int=0xDEF)), "disk_creator": "Microsoft Windows 10.0.22621.1",
    }  # fmt: skip


def test_the_bytes_are_what_another_reader_takes_them_for() -> None:
    whole = vhdx_head.build(SIZE)
    media = VHDX(io.BytesIO(whole))
    head = vhdxhead.read(io.BytesIO(whole))
    assert (media.size, media.block_size, media.has_parent) == (head.virtual_size, head.block_size, head.differencing)
    assert media.id == UUID(head.disk_id)
    assert media.header.data_write_guid == UUID(head.data_write).bytes_le
    linked = vhdxhead.read(io.BytesIO(DISK))
    table = MetadataTable(io.BytesIO(DISK), 2 << 20, 1 << 20).lookup
    assert linked.parent == PARENT == table[UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")].entries
    assert table[UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")].has_parent == linked.differencing


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")
def test_a_disk_that_qemu_made_and_one_that_it_reads(tmp_path: Path) -> None:
    made = tmp_path / "made.vhdx"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vhdx", made, "64M"], check=True)
    with made.open("rb") as handle:
        head = vhdxhead.read(handle)
    assert (head.virtual_size, head.differencing, head.faults, head.log_id) == (64 << 20, False, [], "")
    ours = tmp_path / "ours.vhdx"
    ours.write_bytes(vhdx_head.build(1 << 30))
    told = subprocess.run(
        ["qemu-img", "info", "--output=json", ours], check=True, capture_output=True, text=True
    ).stdout  # fmt: skip
    assert (json.loads(told)["format"], json.loads(told)["virtual-size"]) == ("vhdx", 1 << 30)


def test_the_older_header_serves_when_the_newer_is_torn() -> None:
    torn = bytearray(DISK)
    torn[0x20000 + 100] ^= 1
    (fact,), (problem,) = run(sandbox_disks.ARTIFACT, "C:/" + NEW, bytes(torn))
    assert fact.fields["disk_data_write"] == str(UUID(int=1))
    assert "1 of 2 headers damaged" in problem.detail
    assert fact.fields["container_folder"] == "ContainerStorages"


def test_one_region_table_is_enough_and_none_is_said() -> None:
    torn = bytearray(DISK)
    torn[0x30000:0x40000] = bytes(0x10000)
    head = vhdxhead.read(io.BytesIO(torn))
    assert (head.virtual_size, head.faults) == (SIZE, [])
    torn[0x40000:0x50000] = bytes(0x10000)
    head = vhdxhead.read(io.BytesIO(torn))
    assert (head.virtual_size, head.faults) == (None, ["no region table", "no metadata"])


def test_cut_at_many_places_there_is_a_row_all_the_same() -> None:
    for length in (0, 7, 8, 519, 0x10000, 0x11000, 0x21000, 0x30010, 0x40000, 0x50000, 2 << 20, (2 << 20) + 65600):
        (fact,), problems = run(sandbox_disks.ARTIFACT, "C:/" + OLD, DISK[:length])
        assert problems, length
        assert fact.fields["file_size"] == length


@settings(max_examples=60, deadline=None)
@generated(st.integers(0, 0x140), st.binary(min_size=1, max_size=16))
def test_hostile_metadata_raises_nothing_else(place: int, data: bytes) -> None:
    broken = bytearray(DISK[: (2 << 20) + 70_000])
    for start in (0x30000, 2 << 20, (2 << 20) + 65536):
        broken[start + place : start + place + len(data)] = data
    broken[0x40000:0x50000] = bytes(0x10000)
    try:
        vhdxhead.read(io.BytesIO(broken))
    except FormatError:
        pytest.fail("its identifier is sound")


def test_a_state_and_what_is_none() -> None:
    path = "C:/" + OLD.replace(".vhdx", ".vmgs")
    (fact,), problems = run(sandbox_disks.ARTIFACT, path, b"GUESTRTS" + bytes(100), TIMES)
    assert (fact.kind, problems) == ("sandbox.state_survived", [])
    (fact,), (problem,) = run(sandbox_disks.ARTIFACT, path, b"")
    assert (fact.fields["file_size"], problem.fault) == (0, "bad_record")


@pytest.mark.parametrize(
    ("path", "sought"),
    [
        (OLD, True), (NEW, True), (NEW.replace("vhdx", "vmgs"), True),
        (f"{FOLDER}/BaseImages/{GUID}/BaseLayer.vhdx", False), ("VMs/sandbox.vhdx", False),
    ],
)  # fmt: skip
def test_where_it_is_found(path: str, sought: bool) -> None:
    assert bool(GlobSet(sandbox_disks.ARTIFACT.paths).matches(path)) is sought


def test_a_disk_of_100_gb_is_neither_hashed_nor_refused(tmp_path: Path) -> None:
    target = tmp_path / "host" / "C" / NEW
    target.parent.mkdir(parents=True)
    (tmp_path / "host/C/Windows/System32/config").mkdir(parents=True)
    (tmp_path / "host/C/Windows/System32/config/SYSTEM").write_bytes(b"regf")
    with target.open("wb") as handle:
        handle.write(DISK)
        handle.truncate(100 << 30)
    done = timeline(tmp_path / "host", tmp_path / "case")
    (row,) = [item for item in done.lines("undated.jsonl") if "Application Guard survived" in json.dumps(item)]
    assert not row.get("source_sha256")
    assert str(100 << 30) in json.dumps(row)
    assert not [item for item in done.lines("problems.jsonl") if item["artifact"] == "sandbox_disks"]
