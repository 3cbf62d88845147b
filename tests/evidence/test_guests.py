"""Surviving sandbox disks in every kind of evidence: a folder, an archive, an image; what is not opened is said."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from forensics.evidence import OpenedEvidence, guests, open_evidence
from forensics.evidence.base import guest_of
from forensics.evidence.guests import MOST, storage_of
from testdata.writers import ntfs, vhdx
from testdata.writers.ntfs import missing_tools
from tests.evidence import guest_disks as disks

pytestmark = pytest.mark.skipif(bool(missing_tools()), reason="needs mkntfs and ntfs-3g")
LOG = "Windows/System32/winevt/Logs/Security.evtx"


def _folder(top: Path, **more: bytes) -> Path:
    place = top / "host"
    files = {"Windows/System32/config/SYSTEM": b"regf", disks.DISK: disks.child(), disks.PARENT: disks.parent(), **more}
    for path, data in files.items():
        target = place / "C" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return place


def _check(opened: OpenedEvidence) -> None:
    assert [item.path for item in opened.find([LOG])] == [f"{disks.DRIVE}/{LOG}"]
    with opened.open(f"{disks.DRIVE}/{LOG}") as handle:
        assert handle.read(8) == b"ElfFile\x00"
    assert opened.times(f"{disks.DRIVE}/{LOG}")["Creation Time"]
    assert [item for item in opened.refusals if "guest" in item.why] == []
    assert any(f"is read as {disks.DRIVE}" in notice for notice in opened.notices)


def test_in_a_folder(tmp_path: Path) -> None:
    _check(open_evidence(_folder(tmp_path)))


def test_in_an_archive(tmp_path: Path) -> None:
    _check(open_evidence(shutil.make_archive(str(tmp_path / "host"), "zip", _folder(tmp_path))))


def test_an_archive_unpacks_no_more_than_a_limit_for_all_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent is unpacked by every process as well: one of a terabyte would have nothing of the host be read."""
    archive = shutil.make_archive(str(tmp_path / "host"), "zip", _folder(tmp_path))
    with zipfile.ZipFile(archive) as members:
        child, parent = (
            next(info.file_size for info in members.infolist() if info.filename.endswith(path))
            for path in (disks.DISK, disks.PARENT)
        )
    monkeypatch.setattr(guests, "_MOST_PACKED", child + parent - 1)
    (refusal,) = [item for item in open_evidence(archive).refusals if "guest" in item.why]
    assert f"{parent:,} bytes inside an archive" in refusal.why
    assert disks.PARENT.rpartition("/")[2] in refusal.why
    monkeypatch.setattr(guests, "_MOST_PACKED", child + parent)
    _check(open_evidence(archive))


def test_in_an_image(tmp_path: Path) -> None:
    image, files = tmp_path / "disk.raw", {disks.DISK: disks.child(), disks.PARENT: disks.parent()}
    steps = {step for path in files for step in disks.above(path.rpartition("/")[0])}
    folders = dict.fromkeys(["Windows", "Windows/System32", *sorted(steps)], disks.WHEN)
    held = {path: (data, disks.WHEN) for path, data in files.items()}
    ntfs.build(image, 96 << 20, ntfs.Description(held, folders, disks.WHEN, 0x77))
    _check(open_evidence(image))


def test_only_what_tells_of_the_guest_is_read(tmp_path: Path) -> None:
    opened = open_evidence(_folder(tmp_path))
    found = {item.path for item in opened.find(["**/*.vhdx", "Windows/**", "**/*.wsb"]) if guest_of(item.path)}
    assert {f"{disks.DRIVE}/{LOG}", f"{disks.DRIVE}/Users/WDAGUtilityAccount/Desktop/nested.wsb"} <= found
    assert not [path for path in found if path.endswith(".vhdx")]
    assert storage_of(disks.DRIVE) == disks.GUID.casefold()
    assert guest_of("C:/Users/guest-1:/x") == ""


def test_no_more_than_eight(tmp_path: Path) -> None:
    more = {f"{disks.CONTAINERS}/ContainerStorages/{number:032x}/sandbox.vhdx": b"vhdx" for number in range(MOST + 3)}
    opened = open_evidence(_folder(tmp_path, **more))
    assert len([item for item in opened.refusals if item.fault == "not_read"]) == MOST
    (budget,) = [item for item in opened.refusals if item.fault == "budget"]
    assert f"{MOST + 4} disks" in budget.why


def test_a_disk_without_a_file_system(tmp_path: Path) -> None:
    opened = open_evidence(_folder(tmp_path, **{disks.DISK: vhdx.build(bytes(vhdx.BLOCK))}))
    (refusal,) = [item for item in opened.refusals if item.path.endswith("sandbox.vhdx")]
    assert "no NTFS volume opens on it" in refusal.why
    assert list(opened.trees) == ["C:"]


def test_a_disk_cut_within_its_content(tmp_path: Path) -> None:
    opened = open_evidence(_folder(tmp_path, **{disks.DISK: disks.child()[: 5 << 20]}))
    (cut,) = [item for item in opened.refusals if item.path.endswith("sandbox.vhdx")]
    assert "it is cut: it has 5,242,880 bytes" in cut.why
    assert [item.path for item in opened.find([LOG])] == [f"{disks.DRIVE}/{LOG}"]
    with opened.open(f"{disks.DRIVE}/{LOG}") as handle, pytest.raises(EOFError, match="the disk is cut"):
        handle.read()
