"""An image is read from its own files and nothing else; what it lacks is told and never read as if it were empty."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from forensics.evidence import EvidenceError, open_evidence
from forensics.evidence.disks import open_disk
from forensics.evidence.extents import Disk
from forensics.evidence.image import media_of
from forensics.evidence.sizes import completed
from testdata.writers.disk import Part, gpt, mbr
from tests.evidence import made_disks as made

DATA = b"".join(struct.pack("<I", number) * 128 for number in range(6000))  # every sector is another
SECRET = b"examiner".ljust(512) * (len(DATA) // 512)


def read(path: Path) -> bytes:
    media = media_of(path)
    return bytes(media.read(media.size))[: len(DATA)]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file of the examiner's own disk."""
    place = tmp_path / "examiner" / "secret.raw"
    place.parent.mkdir()
    place.write_bytes(SECRET)
    return place


@pytest.fixture
def case(tmp_path: Path) -> Path:
    (tmp_path / "case").mkdir()
    return tmp_path / "case"


# -- what they hold --------------------------------------------------------------------------------------------------


MAKERS: dict[str, Callable[[Path], Path]] = {
    "vmdk": lambda path: made.sparse_vmdk(path, DATA, made.descriptor('RW 6000 SPARSE "x.vmdk"')),
    "qcow2": lambda path: made.qcow2(path, len(DATA), data=DATA),
    "vdi": lambda path: made.vdi(path, DATA),
    "vhd": lambda path: made.vhd(path, len(DATA), data=DATA),
    "vhdx": lambda path: made.vhdx(path, DATA),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_container_is_known_by_its_content(kind: str, case: Path) -> None:
    path = MAKERS[kind](case / "image.bin")
    disk = open_disk(path)
    assert disk.__type__ == kind
    assert read(path) == DATA
    assert (disk.faults, disk.check(), disk.touched()) == ([], [], [])


def test_a_suffix_decides_nothing(case: Path) -> None:
    for suffix in ("vmdk", "vhd", "vhdx", "vdi", "qcow2", "hdd", "hds", "E01", "ad1"):
        path = case / f"disk.{suffix}"
        path.write_bytes(DATA)
        assert open_disk(path).__type__ == "raw"
        assert read(path) == DATA


def test_blocks_of_a_vdi_may_lie_in_any_order(case: Path) -> None:
    assert read(made.vdi(case / "a.vdi", DATA, backwards=True)) == DATA


@pytest.mark.parametrize("kind", MAKERS)
def test_a_cut_container_says_so_and_reads_zeros(kind: str, case: Path) -> None:
    path = MAKERS[kind](case / "image.bin")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    disk = open_disk(path)
    data = bytes(disk.read(len(DATA)))
    assert "cut" in " ".join(disk.check())
    assert disk.touched(), "what was read as zeros is told"
    assert not disk.touched(), "once"
    assert len(data) == len(DATA)
    for at in range(0, len(DATA), 512):
        assert DATA[at : at + 512].startswith(data[at : at + 512].rstrip(b"\x00")), "nothing lies at another's place"


@pytest.mark.parametrize("kind", MAKERS)
def test_a_container_cut_anywhere_is_an_error_or_is_told(kind: str, case: Path) -> None:
    path = MAKERS[kind](case / "image.bin")
    whole = path.read_bytes()
    for end in [*range(0, 70000, 4099), *range(70000, len(whole) - 512, len(whole) // 23)]:
        path.write_bytes(whole[:end])
        try:
            media = media_of(path)
            data = media.read(media.size)
        except (EvidenceError, OSError, EOFError):
            continue
        assert media.__type__ == "raw" or media.check() or media.touched() or media.faults or data[: len(DATA)] == DATA


# -- parents, extents and backing files ------------------------------------------------------------------------------


def vmdk_child(path: Path, hint: str, cid: str = "0a0b0c0d") -> Path:
    described = made.descriptor('RW 6000 SPARSE "x.vmdk"', hint, cid)
    return made.sparse_vmdk(path, DATA, described, holes=frozenset({0, 5}))


def flat(path: Path, name: str, more: str = "") -> Path:
    path.write_bytes(made.descriptor(f'RW 6000 FLAT "{name}" 0\n{more}'))
    return path


ASKING: dict[str, Callable[[Path, str], Path]] = {
    "vmdk parent": lambda top, name: vmdk_child(top / "a.vmdk", name),
    "vmdk extent": lambda top, name: flat(top / "a.vmdk", name),
    "qcow2 backing": lambda top, name: made.qcow2(top / "a.qcow2", len(DATA), backing=name),
    "qcow2 data": lambda top, name: made.qcow2(top / "a.qcow2", len(DATA), data_file=name, data=b"x"),
    "vhdx parent": lambda top, name: made.vhdx(
        top / "a.vhdx", DATA, {"relative_path": name, "absolute_win32_path": name.lstrip("/")}
    ),
    "vhd parent": lambda top, name: made.vhd(top / "a.vhd", len(DATA), 4, name[-200:]),
    "vdi parent": lambda top, _: made.vdi(top / "a.vdi", DATA, 4),
}


@pytest.mark.parametrize("how", ["absolute", "relative", "link", "link to a folder"])
@pytest.mark.parametrize("kind", ASKING)
def test_no_image_leads_to_the_examiners_disk(kind: str, how: str, case: Path, outside: Path) -> None:
    name = {"absolute": str(outside), "relative": f"../examiner/{outside.name}", "link": "base.raw"}.get(
        how, "in/x.raw"
    )
    if how == "link":
        (case / name).symlink_to(outside)
    elif how == "link to a folder":
        (case / "in").symlink_to(outside.parent)
        (outside.parent / "x.raw").write_bytes(SECRET)
    path = ASKING[kind](case, name)
    with pytest.raises(EvidenceError) as caught:
        open_evidence(path)
    said = str(caught.value)
    assert "differencing disk" in said or Path(name).name in said, "what it asks for is named"


@pytest.mark.parametrize("kind", ["vmdk parent", "vmdk extent", "qcow2 backing"])
@pytest.mark.parametrize("layout", ["zip", "folder"])
def test_a_container_in_a_collection_leads_nowhere_either(kind: str, layout: str, case: Path, outside: Path) -> None:
    path = ASKING[kind](case, str(outside))
    if layout == "zip":
        with zipfile.ZipFile(case.parent / "c.zip", "w") as archive:
            archive.write(path, f"in/{path.name}")
    with pytest.raises(EvidenceError, match="asks for"):
        open_evidence(case.parent / "c.zip" if layout == "zip" else case)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("kind", ["vmdk extent", "vmdk parent", "qcow2 backing"])
def test_a_pipe_beside_an_image_is_not_waited_for(kind: str, case: Path) -> None:
    os.mkfifo(case / "base.raw")
    with pytest.raises(EvidenceError, match="device or pipe"):
        open_evidence(ASKING[kind](case, "base.raw"))


def test_a_vmdk_of_several_files_is_read_from_beside_it(case: Path) -> None:
    (case / "d-f001.vmdk").write_bytes(b"x" * 1024 + DATA[: 2000 * 512])
    made.sparse_vmdk(case / "d-s002.vmdk", DATA[3000 * 512 :])
    lines = 'RW 2000 FLAT "d-f001.vmdk" 2\nRW 1000 ZERO\nRW 3000 SPARSE "d-s002.vmdk"'
    path = case / "d.vmdk"
    path.write_bytes(made.descriptor(lines))
    assert read(path) == DATA[: 2000 * 512] + bytes(1000 * 512) + DATA[3000 * 512 :]
    assert [item.name for item in media_of(path).files] == ["d.vmdk", "d-f001.vmdk", "d-s002.vmdk"]


def test_a_short_extent_is_told(case: Path) -> None:
    (case / "d-flat.vmdk").write_bytes(DATA[:-5120])
    disk = open_disk(flat(case / "d.vmdk", "d-flat.vmdk"))
    assert disk.faults == ["d-flat.vmdk is 5,120 bytes shorter than d.vmdk says"]


def test_a_parent_beside_a_differencing_vmdk_is_read(case: Path) -> None:
    base = made.sparse_vmdk(case / "base.vmdk", DATA, made.descriptor('RW 6000 SPARSE "base.vmdk"'))
    child = vmdk_child(case / "child.vmdk", "C:\\VMs\\elsewhere\\base.vmdk")
    assert read(child) == DATA
    assert media_of(child).files == [child, base]


def test_a_parent_that_is_not_the_one_is_refused(case: Path) -> None:
    made.sparse_vmdk(case / "base.vmdk", DATA, made.descriptor('RW 6000 SPARSE "base.vmdk"', cid="11111111"))
    with pytest.raises(EvidenceError, match=r"with CID 0a0b0c0d; the base\.vmdk beside it has CID 11111111"):
        media_of(vmdk_child(case / "child.vmdk", "base.vmdk"))


@pytest.mark.parametrize("kind", ["vmdk", "qcow2"])
def test_a_disk_that_is_its_own_parent(kind: str, case: Path) -> None:
    path = case / "a.img"
    if kind == "vmdk":
        vmdk_child(path, "a.img")
    else:
        made.qcow2(path, len(DATA), backing="a.img")
    with pytest.raises(EvidenceError, match="leads back to itself"):
        media_of(path)


def test_a_backing_file_beside_a_qcow2_is_read(case: Path) -> None:
    (case / "base.raw").write_bytes(DATA)
    path = made.qcow2(case / "a.qcow2", len(DATA), backing="/var/lib/images/base.raw", data=SECRET[:65536])
    assert read(path) == SECRET[:65536] + DATA[65536:]
    made.qcow2(case / "base.raw", len(DATA), data=DATA)
    assert read(path) == SECRET[:65536] + DATA[65536:]


# -- split sets ------------------------------------------------------------------------------------------------------


def split(top: Path, data: bytes, names: list[str]) -> Path:
    size = -(-len(data) // len(names))
    for number, name in enumerate(names):
        (top / name).write_bytes(data[number * size : (number + 1) * size])
    return top / names[0]


@pytest.mark.parametrize(
    "names",
    [
        [f"d.{number:03d}" for number in range(1, 5)],
        [f"d.{number:03d}" for number in range(5)],
        [f"d.{number}" for number in range(1, 13)],
        [f"disk[1]*?.{number:02d}" for number in range(1, 4)],
        [f"d.{number:02d}" for number in range(1, 105)],
    ],
)
def test_parts_are_joined_by_their_numbers(names: list[str], case: Path) -> None:
    split(case, DATA, names)
    (case / f"{Path(names[0]).stem}.20241231").write_bytes(b"notes")
    for name in (names[0], names[-1]):
        disk = open_disk(case / name)
        assert disk.__type__ == "split"
        assert [item.name for item in disk.files] == names
        assert bytes(disk.read(disk.size)) == DATA
        assert not disk.faults


@pytest.mark.parametrize("what", ["missing", "a link", "a device or pipe"])
def test_a_part_that_is_not_there_is_a_hole(what: str, case: Path, outside: Path) -> None:
    path = split(case, DATA, [f"d.{number:03d}" for number in range(1, 5)])
    hole = case / "d.002"
    hole.unlink()
    if what == "a link":
        hole.symlink_to(outside)
    elif what != "missing":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes here")
        os.mkfifo(hole)
    disk = open_disk(path)
    size = len(DATA) // 4
    assert bytes(disk.read(disk.size)) == DATA[:size] + bytes(size) + DATA[2 * size :]
    assert f"part 2 of 4 of the split image is {what}" in disk.faults[0]
    assert disk.touched()


def test_a_short_part_moves_nothing(case: Path) -> None:
    path = split(case, DATA, [f"d.{number:03d}" for number in range(1, 5)])
    (case / "d.003").write_bytes((case / "d.003").read_bytes()[:-1000])
    disk = open_disk(path)
    data = bytes(disk.read(disk.size))
    assert data[-len(DATA) // 4 :] == DATA[-len(DATA) // 4 :]
    assert "d.003 has" in disk.faults[0]
    assert disk.touched()


def test_without_the_first_part_there_is_nothing(case: Path) -> None:
    split(case, DATA, [f"d.{number:03d}" for number in range(2, 5)])
    with pytest.raises(EvidenceError, match=r"first part \(d\.001\) is not beside it"):
        media_of(case / "d.003")


# -- how long the media should be ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [gpt, mbr])
def test_the_partition_table_says_how_long_the_media_is(make: Callable[..., Path], case: Path) -> None:
    path = make(case / "d.raw", [Part("Basic data partition", 1 << 20), Part("Basic data partition", 3 << 20)])
    whole = path.stat().st_size
    assert completed(open_disk(path)).faults == []
    os.truncate(path, whole - (2 << 20))
    disk = completed(open_disk(path))
    assert "partition 2 goes on to byte" in disk.faults[0]
    disk.seek(disk.size - 512)
    assert disk.read(512) == bytes(512)
    assert disk.touched() == [f"the media ends at {whole - (2 << 20):,} bytes"]


def boot(kind: str, sectors: int) -> bytes:
    data = bytearray(512)
    data[510:] = b"\x55\xaa"
    if kind == "exFAT":
        data[3:11] = b"EXFAT   "
        data[108] = 9
        struct.pack_into("<Q", data, 72, sectors)
        return bytes(data)
    struct.pack_into("<H", data, 11, 512)
    if kind == "NTFS":
        data[3:11] = b"NTFS    "
        struct.pack_into("<Q", data, 40, sectors)
    else:
        data[82:87] = b"FAT32"
        struct.pack_into("<I", data, 32, sectors)
    return bytes(data)


@pytest.mark.parametrize("kind", ["NTFS", "exFAT", "FAT"])
def test_a_file_system_says_how_long_its_volume_is(kind: str, case: Path) -> None:
    path = case / "volume.dd"
    path.write_bytes(boot(kind, 6000).ljust(6000 * 512, b"\x01"))
    assert completed(open_disk(path)).faults == []
    os.truncate(path, 5999 * 512)
    assert "its file system goes on to byte 3,072,000" in completed(open_disk(path)).faults[0]


def test_a_table_that_lies_claims_nothing(case: Path) -> None:
    """A GPT header whose CRC is wrong, and file systems of exabytes."""
    path = gpt(case / "d.raw", [Part("Basic data partition", 1 << 20)])
    data = bytearray(path.read_bytes())
    data[512 + 72] ^= 1
    path.write_bytes(bytes(data))
    assert completed(open_disk(path)).faults == []
    path.write_bytes(boot("NTFS", (1 << 64) - 1).ljust(1 << 20, b"\x00"))
    assert completed(open_disk(path)).faults == []


def test_a_disk_reads_alike_in_any_steps(case: Path) -> None:
    for kind, make in MAKERS.items():
        disk: Disk = open_disk(make(case / kind))
        for offset, length in ((0, 1), (511, 2), (65535, 70000), (1 << 20, 3), (len(DATA) - 5, 5)):
            disk.seek(offset)
            assert disk.read(length) == DATA[offset : offset + length], (kind, offset)
