"""NTFS volumes that were built to hang, crash or mislead a reader: the run ends, and what is lost is said."""

from __future__ import annotations

import io
import random
import shutil
import struct
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dissect.ntfs import NTFS, mft
from mft import PyMftParser

from forensics.evidence import EvidenceError, OpenedEvidence, open_evidence
from forensics.evidence.filetable import FileTable
from forensics.evidence.imagetree import ImageTree
from forensics.evidence.ntfsguard import BoundedIndex
from testdata.writers import ntfs
from tests.evidence import layouts
from tests.running import timeline

BLOCK, RECORD = 4096, 1024
SYSTEM = "Windows/System32/config/SYSTEM"
WSB = b"<Configuration/>"
SOUGHT = [SYSTEM, "Users/**/*.wsb", "Users/*/NTUSER.DAT", "Windows/System32/winevt/Logs/*.evtx"]


class Volume:
    """A volume whose structures can be written over; places are looked up before anything is hurt."""

    def __init__(self, base: Path, path: Path, *paths: str) -> None:
        shutil.copyfile(base, path)
        self.path = path
        self.handle = path.open("r+b")
        table = NTFS(self.handle).mft
        self.numbers = {name: table.get(name).segment for name in paths}
        boot = base.read_bytes()[:512]
        self.places = list(ntfs._places(self.handle, int.from_bytes(boot[0x30:0x38], "little") * BLOCK))

    def record(self, path: str) -> bytearray:
        self.handle.seek(self.places[self.numbers[path]])
        record = bytearray(self.handle.read(RECORD))
        ntfs._unfix(record)
        return record

    def put(self, path: str, record: bytearray) -> None:
        ntfs._fix(record)
        self.handle.seek(self.places[self.numbers[path]])
        self.handle.write(record)
        self.handle.flush()

    def reference(self, path: str) -> int:
        return self.numbers[path] | int.from_bytes(self.record(path)[16:18], "little") << 48

    def attribute(self, record: bytearray, kind: int) -> int:
        return next(at for found, at, _ in ntfs._attributes(record) if found == kind)

    def set_parent(self, path: str, parent: str) -> None:
        record = self.record(path)
        at = self.attribute(record, 0x30)
        struct.pack_into("<Q", record, at + int.from_bytes(record[at + 20 : at + 22], "little"), self.reference(parent))
        self.put(path, record)

    def blocks(self, path: str) -> Iterator[tuple[int, bytearray]]:
        record = self.record(path)
        for start, length in ntfs._runs(record, self.attribute(record, 0xA0)):
            for place in range(start, start + length, BLOCK):
                self.handle.seek(place)
                block = bytearray(self.handle.read(BLOCK))
                if block[:4] == b"INDX":
                    ntfs._unfix(block)
                    yield place, block

    def loop_nodes(self, path: str) -> None:
        """Let a search in the folder's index begin with its first node, and each node end with itself as a child."""
        record = self.record(path)
        at = self.attribute(record, 0x90)
        root = at + int.from_bytes(record[at + 20 : at + 22], "little") + 16
        for entry, length in self.entries(record, root):
            struct.pack_into("<Q", record, entry + length - 8, 0)
        self.put(path, record)
        for number, (place, block) in enumerate(self.blocks(path)):
            *_, (last, length) = self.entries(block, 0x18)
            assert length in (16, 24)
            struct.pack_into("<HHIQ", block, last + 8, 24, 0, 3, number)
            struct.pack_into("<I", block, 0x1C, last + 24 - 0x18)
            ntfs._fix(block)
            self.handle.seek(place)
            self.handle.write(block)
        self.handle.flush()

    @staticmethod
    def entries(node: bytearray, header: int) -> Iterator[tuple[int, int]]:
        """Place and length of every entry of a node, the one that ends it too."""
        at = header + struct.unpack_from("<I", node, header)[0]
        while True:
            length, _, flags = struct.unpack_from("<HHH", node, at + 8)
            yield at, length
            if flags & 2:
                return
            at += length

    def opened(self) -> OpenedEvidence:
        self.handle.close()
        return open_evidence(self.path)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {name: data for name, data in layouts.tree().items() if "config/S" in name}
    files |= {f"Users/many/{number:04d}.txt": b"x" for number in range(300)}
    files |= {f"Windows/System32/{number:04d}.dll": b"x" for number in range(300)}
    files |= {"Users/loop/inner/a.wsb": WSB, "Users/good/b.wsb": WSB, "Users/many/c.wsb": WSB}
    return layouts.volume(tmp_path_factory.mktemp("base"), files, "base", 32 << 20)


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 90, "built to take time"


def paths(evidence: OpenedEvidence) -> set[str]:
    return {item.path for item in evidence.find(SOUGHT)}


def whys(evidence: OpenedEvidence) -> str:
    return "; ".join(f"{item.path}: {item.why}" for item in evidence.refusals)


# -- loops ---------------------------------------------------------------------------------------------------------


def test_folders_that_are_each_others_parents_cost_their_files_only(base: Path, tmp_path: Path) -> None:
    volume = Volume(base, tmp_path / "v.dd", "Users/loop", "Users/loop/inner")
    volume.set_parent("Users/loop", "Users/loop/inner")
    evidence = volume.opened()
    assert {f"C:/{SYSTEM}", "C:/Users/good/b.wsb"} <= paths(evidence)
    assert "lead back into themselves" in whys(evidence)
    done = timeline(volume.path, tmp_path / "case")
    assert done.code == 3
    assert any("lead back into themselves" in row["detail"] for row in done.lines("problems.jsonl"))


def test_a_folder_that_is_its_own_parent(base: Path, tmp_path: Path) -> None:
    volume = Volume(base, tmp_path / "v.dd", "Users/loop")
    volume.set_parent("Users/loop", "Users/loop")
    evidence = volume.opened()
    assert "C:/Users/good/b.wsb" in paths(evidence)
    assert "lead back into themselves" in whys(evidence)


def test_a_folder_that_holds_itself_ends(base: Path, tmp_path: Path) -> None:
    """As a collection, where every folder is walked: the entry of the file leads to the folder above."""
    volume = Volume(base, tmp_path / "v.dd", "Windows", "Users/loop", "Users/loop/inner")
    record = volume.record("Users/loop/inner")
    at = volume.attribute(record, 0x90)
    root = at + int.from_bytes(record[at + 20 : at + 22], "little")
    entry = root + 16 + struct.unpack_from("<I", record, root + 16)[0]
    struct.pack_into("<Q", record, entry, volume.reference("Users/loop"))
    volume.put("Users/loop/inner", record)
    evidence = volume.opened()
    assert "C:/Users/good/b.wsb" in paths(evidence)
    tree = evidence.trees["C:"]
    every = [path for path, _ in tree.every_file()]  # type: ignore[attr-defined]
    assert len(every) < 5000
    assert "folders deep" in whys(evidence)


def test_an_index_whose_nodes_lead_in_a_circle_is_said(base: Path, tmp_path: Path) -> None:
    volume = Volume(base, tmp_path / "v.dd", "Users/many", "Windows/System32")
    volume.loop_nodes("Users/many")
    evidence = volume.opened()
    assert {f"C:/{SYSTEM}", "C:/Users/good/b.wsb", "C:/Users/many/c.wsb"} <= paths(evidence)
    assert "the nodes of the folder's index lead in a circle" in whys(evidence)
    assert "does not lead to 1 of its files, which were read by their MFT records: c.wsb" in whys(evidence)
    with evidence.open("C:/Users/many/c.wsb") as handle:
        assert handle.read() == WSB


def test_an_index_on_the_way_to_windows_that_leads_in_a_circle(base: Path, tmp_path: Path) -> None:
    volume = Volume(base, tmp_path / "v.dd", "Windows/System32")
    volume.loop_nodes("Windows/System32")
    evidence = volume.opened()
    assert {"C:/Users/good/b.wsb", f"C:/{SYSTEM}"} <= paths(evidence)
    assert "C:/Windows/System32: the folder cannot be listed: BrokenIndexError" in whys(evidence)
    with evidence.open(f"C:/{SYSTEM}") as handle:
        assert handle.read() == layouts.tree()[SYSTEM]


def test_the_library_uses_the_bounded_index(base: Path) -> None:
    assert ImageTree  # whoever opens an image has it
    assert mft.Index is BoundedIndex
    with base.open("rb") as handle:
        assert isinstance(NTFS(handle).mft.root.index("$I30"), BoundedIndex)


def test_an_attribute_list_that_names_itself_and_one_that_goes_in_a_circle(base: Path, tmp_path: Path) -> None:
    volume = Volume(base, tmp_path / "v.dd", "Users/good/b.wsb", "Users/many/c.wsb", "Users/loop/inner/a.wsb")
    names = ["Users/good/b.wsb", "Users/many/c.wsb"]
    for path, to in zip(names, reversed(names), strict=True):
        targets = (volume.reference(path), volume.reference(to))
        entries = b"".join(struct.pack("<IHBBQQHxxxxxx", 0x80, 32, 0, 26, 0, ref, 0) for ref in targets)
        record = volume.record(path)
        end = int.from_bytes(record[24:28], "little") - 8
        content = struct.pack("<IIBBHHHIHBx", 0x20, 24 + len(entries), 0, 0, 24, 0, 9, len(entries), 24, 0) + entries
        record[end : end + len(content) + 8] = content + b"\xff\xff\xff\xff" + bytes(4)
        struct.pack_into("<I", record, 24, end + len(content) + 8)
        volume.put(path, record)
    evidence = volume.opened()
    found = paths(evidence)
    assert {f"C:/{SYSTEM}", "C:/Users/loop/inner/a.wsb"} <= found
    for path in names:
        assert f"C:/{path}" in found or path in whys(evidence)


# -- sizes ---------------------------------------------------------------------------------------------------------


def test_an_index_that_says_it_is_endless(base: Path, tmp_path: Path) -> None:
    volume = Volume(base, tmp_path / "v.dd", "Users/many", "Users")
    record = volume.record("Users/many")
    at = volume.attribute(record, 0xA0)
    struct.pack_into("<Q", record, at + 24, (1 << 40) // BLOCK)
    for field in (40, 48, 56):
        struct.pack_into("<Q", record, at + field, 1 << 40)
    place = at + int.from_bytes(record[at + 32 : at + 34], "little")
    length = 1 + (record[place] & 15) + (record[place] >> 4)
    record[place + length : place + length + 6] = b"\x04" + struct.pack("<I", 1 << 27) + b"\x00"
    volume.put("Users/many", record)
    evidence = volume.opened()
    assert f"C:/{SYSTEM}" in paths(evidence)
    tree = evidence.trees["C:"]
    assert len(list(tree.every_file())) > 300  # type: ignore[attr-defined]
    assert "no end that can be read" in whys(evidence)


def test_a_file_that_says_it_is_huge_costs_itself(base: Path, tmp_path: Path) -> None:
    volume = Volume(base, tmp_path / "v.dd", SYSTEM)
    record = volume.record(SYSTEM)
    at = volume.attribute(record, 0x80)
    for field in (40, 48, 56):
        struct.pack_into("<Q", record, at + field, 1 << 50)
    volume.put(SYSTEM, record)
    volume.handle.close()
    done = timeline(volume.path, tmp_path / "case", "--job-seconds", "20")
    assert done.code in (3, 5)
    assert [row for row in done.lines("problems.jsonl") if row["source"]["path"].endswith("SYSTEM")]
    assert done.document()["sandbox_configs"], "the rest was read"


def test_many_names_of_one_file_are_all_found(base: Path, tmp_path: Path) -> None:
    """Names that do not fit into the record lie in extension records."""
    files = {"Windows/System32/config/SYSTEM": b"regf", "Users/a/x.txt": b"x"}
    made = layouts.volume(tmp_path, files, "links", 16 << 20)
    mount = tmp_path / "mnt"
    mount.mkdir()
    try:
        ntfs._run("ntfs-3g", "-o", "noatime", str(made), str(mount))
    except OSError as error:
        pytest.skip(f"this machine may not mount: {error}")
    try:
        (mount / "Users/a/0.wsb").write_bytes(WSB)
        for number in range(1, 400):
            (mount / f"Users/a/{number}.wsb").hardlink_to(mount / "Users/a/0.wsb")
    finally:
        ntfs._run("umount", str(mount))
    found = {item.path for item in open_evidence(made).find(["Users/**/*.wsb"])}
    assert found == {f"C:/Users/a/{number}.wsb" for number in range(400)}


# -- any damage ----------------------------------------------------------------------------------------------------


def test_random_damage_of_the_table_is_never_a_crash(base: Path, tmp_path: Path) -> None:
    chance, outcomes = random.Random(11), set()
    for _ in range(25):
        volume = Volume(base, tmp_path / "v.dd")
        for _ in range(60):
            place = volume.places[chance.randrange(len(volume.places))]
            volume.handle.seek(place + chance.randrange(4, RECORD))
            volume.handle.write(bytes([chance.randrange(256)]))
        volume.handle.flush()
        try:
            outcomes.add(bool(paths(volume.opened())))
        except EvidenceError:
            outcomes.add(None)
    assert True in outcomes


# -- the index of the table ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["DFR-16-$MFT", "xw-$MFT"])
def test_the_paths_are_those_of_the_rust_reader(samples: Path, name: str) -> None:
    data = (samples / "ntfs" / name).read_bytes()
    table = FileTable(io.BytesIO(data), RECORD)
    ours: dict[int, set[str]] = {}
    for link in list(table.links()):
        ours.setdefault(link.number, set()).add(table.path(link) or "")
    with warnings.catch_warnings(record=True) as torn:
        warnings.simplefilter("always")
        theirs = {
            entry.entry_id: entry.full_path.replace("\\", "/")
            for entry in PyMftParser(io.BytesIO(data)).entries()
            if not isinstance(entry, Exception) and not entry.base_entry_id
            and "ALLOCATED" in repr(entry.flags) and "INDEX" not in repr(entry.flags)
        }  # fmt: skip
    theirs = {number: path for number, path in theirs.items() if path != "[UNKNOWN]"}
    assert len(theirs) > 50
    assert all(path in ours[number] for number, path in theirs.items())
    assert table.faults == ([f"{len(torn)} MFT records have damaged sectors"] if torn else [])


@pytest.mark.parametrize("hurt", [lambda data: data[:5000], lambda data: data[:0], lambda data: data[:0].zfill(5000)])
def test_a_cut_or_empty_table_is_what_there_is(samples: Path, hurt: Callable[[bytes], bytes]) -> None:
    data = hurt((samples / "ntfs/xw-$MFT").read_bytes())
    assert len(list(FileTable(io.BytesIO(data), RECORD).links())) <= len(data) // RECORD


def test_random_bytes_are_no_crash() -> None:
    chance = random.Random(5)
    for _ in range(200):
        data = bytearray(chance.randbytes(RECORD * 4))
        for number in range(4):
            data[number * RECORD : number * RECORD + 4] = b"FILE"
            struct.pack_into("<HH", data, number * RECORD + 4, chance.randrange(70000) & 0xFFFF, chance.randrange(5))
            struct.pack_into("<H", data, number * RECORD + 20, chance.choice([56, 64, 1020, 65535]))
            struct.pack_into("<II", data, number * RECORD + 56, 0x30, chance.choice([24, 104, 0, 0xFFFFFFF8]))
        table = FileTable(io.BytesIO(bytes(data)), RECORD)
        assert all(table.path(link) is None or link.name for link in list(table.links()))


def test_what_has_no_folder_has_no_path(base: Path, tmp_path: Path) -> None:
    volume = Volume(base, tmp_path / "v.dd", "Users/loop/inner")
    record = volume.record("Users/loop/inner")
    struct.pack_into("<H", record, 16, 77)  # the folder's record was used again
    volume.put("Users/loop/inner", record)
    with volume.path.open("rb") as handle:
        table = FileTable(NTFS(handle).mft.fh, RECORD)
        (link,) = [link for link in table.links() if link.name == "a.wsb"]
        assert table.path(link) is None
        assert table.tail(link)[0].endswith("inner/a.wsb")
