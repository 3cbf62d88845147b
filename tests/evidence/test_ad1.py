"""AD1: the writer makes what FTK Imager made, two readers read the same, and what is broken is said."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from dissect.evidence.ad1 import AD1

from forensics.evidence import EvidenceError, SeveralError, open_evidence
from forensics.evidence.ad1 import Image
from forensics.evidence.base import ACCESSED, BORN, CHANGED, MODIFIED, Refusal
from testdata.host import scenario
from testdata.render import whole
from testdata.writers import ad1
from testdata.writers.ntfs import Times
from tests.evidence.ad1_layouts import ad1_disk, ad1_live
from tests.evidence.layouts import KAPE
from tests.running import timeline, tool

SAMPLES = {"ad1_test": 0, "ad1_test_compressed": 6, "ad1_long": 0}
SYSTEM = "Windows/System32/config/SYSTEM"
SOURCE = "C:\\:NONAME [NTFS]/[root]"
BIG = bytes(range(256)) * 700  # of three chunks
FILES = {f"{SOURCE}/{SYSTEM}": BIG, f"{SOURCE}/Windows/System32/default.wsb": b"<Configuration/>", f"{SOURCE}/e": b""}


def made(top: Path, files: dict[str, bytes] | None = None, name: str = ad1.CUSTOM, **how: int) -> Path:
    moment = whole(scenario("ws-tanaka"))
    described = {path: (data, moment) for path, data in (FILES if files is None else files).items()}
    return ad1.write(top / "x.ad1", name, described, **how)[0]


# -- the writer ----------------------------------------------------------------------------------------------------


@pytest.mark.samples
@pytest.mark.parametrize("name", SAMPLES)
def test_the_writer_makes_the_public_samples_byte_for_byte(samples: Path, tmp_path: Path, name: str) -> None:
    place = samples / f"images/{name}.ad1"
    image = Image(place)
    files = {}
    for entry in image.entries([]):
        times = image.noted(entry).times
        stamps = Times(times[BORN], times[MODIFIED], times[MODIFIED], times[ACCESSED])
        files["/".join(entry.parts)] = (image.open(entry).read(), stamps)
    ad1.write(tmp_path / "x.ad1", image.name, files, level=SAMPLES[name], ntfs=False)
    assert (tmp_path / "x.ad1").read_bytes() == place.read_bytes()


@pytest.mark.parametrize("how", [{"level": 0}, {"level": 9}, {"segment": 4096}, {"segment": 1024, "level": 0}])
def test_two_readers_read_what_was_written(tmp_path: Path, how: dict[str, int]) -> None:
    files = {f"E:/triage/{path.rpartition('/')[2]}": data for path, data in FILES.items()}
    first = made(tmp_path, {path.rpartition("/")[2]: data for path, data in files.items()}, "E:\\triage", **how)
    parts = sorted(tmp_path.iterdir(), key=lambda path: int(path.suffix[3:]))
    assert (len(parts) > 1) == ("segment" in how)
    theirs, ours = AD1([part.open("rb") for part in parts]), Image(first)
    read = {entry.parts[-1]: entry for entry in ours.entries([])}
    for path, data in files.items():
        other, mine = theirs.entry(path), read[path.rpartition("/")[2]]
        assert (other.open().read() if data else b"") == data
        assert ours.open(mine).read() == data
        assert ours.noted(mine).hashes == {"md5": other.md5, "sha1": other.sha1}
        assert ours.noted(mine).times[MODIFIED] == other.mtime


def test_content_is_read_from_any_place(tmp_path: Path) -> None:
    image = Image(made(tmp_path, segment=2048))
    entry = next(entry for entry in image.entries([]) if entry.parts[-1] == "SYSTEM")
    with image.open(entry) as stream:
        for at, length in ((0, 10), (65530, 12), (131070, 40000), (len(BIG) - 3, 50)):
            stream.seek(at)
            assert stream.read(length) == BIG[at : at + length]


# -- as evidence ---------------------------------------------------------------------------------------------------


@pytest.mark.samples
@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_without_windows_is_refused_and_verified(samples: Path, name: str) -> None:
    with pytest.raises(EvidenceError, match="no Windows installation"):
        open_evidence(samples / f"images/{name}.ad1")
    done = tool("verify", samples / f"images/{name}.ad1", "--json")
    assert (done.returncode, json.loads(done.stdout)["compared"]) == (0, 4)


def test_times_and_hashes_are_those_that_ftk_stored(tmp_path: Path) -> None:
    evidence = open_evidence(ad1_live(tmp_path).path)
    (found,) = evidence.find([SYSTEM])
    assert found.path == f"C:/{SYSTEM}"
    moment = whole(scenario("ws-tanaka"))
    assert evidence.times(found.path) == {
        BORN: moment.birth, MODIFIED: moment.mtime, ACCESSED: moment.atime, CHANGED: moment.mft,
    }  # fmt: skip
    assert set(evidence.noted(found.path).hashes) == {"md5", "sha1"}
    with evidence.open(found.path) as handle:
        assert handle.read() == (KAPE / "C" / SYSTEM).read_bytes()


def test_what_is_no_file_of_the_host_is_left_out_and_streams_are_named(tmp_path: Path) -> None:
    evidence = open_evidence(ad1_live(tmp_path).path)
    paths = {item.path for item in evidence.find(["**"])}
    assert "C:/$Extend/$UsnJrnl:$J" in paths
    assert not [path for path in paths if path.endswith(("$I30", ".FileSlack"))]


def test_each_source_is_a_drive(tmp_path: Path) -> None:
    evidence = open_evidence(ad1_disk(tmp_path).path)
    assert {item.path for item in evidence.find(["EFI/*", SYSTEM])} == {"D:/EFI/x", f"C:/{SYSTEM}"}


def test_two_windows_in_an_image_are_two_hosts(tmp_path: Path) -> None:
    names = [f"a.E01:Partition {number} [99MB]:NONAME [NTFS]" for number in (1, 2)]
    path = made(tmp_path, {f"{name}/[root]/{SYSTEM}": b"regf" for name in names})
    with pytest.raises(SeveralError) as caught:
        open_evidence(path)
    assert caught.value.hosts == tuple(names)


def test_a_changed_byte_is_an_integrity_fault(tmp_path: Path) -> None:
    path = ad1_live(tmp_path).path
    assert tool("verify", path).returncode == 0
    image = Image(path)
    entry = next(entry for entry in image.entries([]) if entry.parts[-1] == "default.wsb")
    image.close()
    part, at = path, 512 + entry.chunks + 24 + 5
    while at >= part.stat().st_size:
        at -= part.stat().st_size - 512
        part = part.with_suffix(f".ad{int(part.suffix[3:]) + 1}")
    data = bytearray(part.read_bytes())
    data[at] ^= 0xFF
    part.write_bytes(bytes(data))
    done = tool("verify", path)
    assert done.returncode == 5
    assert "default.wsb" in done.stdout
    run = timeline(path, tmp_path / "case")
    assert run.code in (3, 5)
    assert [row for row in run.lines("problems.jsonl") if "default.wsb" in row["source"]["path"]]


# -- broken sets and structures ------------------------------------------------------------------------------------


def test_a_broken_set_is_said(tmp_path: Path) -> None:
    first = made(tmp_path, segment=1024)
    second, third = first.with_suffix(".ad2"), first.with_suffix(".ad3")
    with pytest.raises(EvidenceError, match="open its first segment"):
        open_evidence(second)
    whole_second = second.read_bytes()
    second.write_bytes(whole_second[:-7])
    with pytest.raises(EvidenceError, match=r"x\.ad2 is cut") as caught:
        open_evidence(first)
    assert caught.value.integrity
    second.write_bytes(third.read_bytes())
    with pytest.raises(EvidenceError, match="renamed or mixed"):
        open_evidence(first)
    second.unlink()
    with pytest.raises(EvidenceError, match=r"segment 2 of \d+ is missing"):
        open_evidence(first)


def test_an_encrypted_ad1_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.ad1").write_bytes(b"ADCRYPT\x00" + bytes(600))
    with pytest.raises(EvidenceError, match="encrypted AD1"):
        open_evidence(tmp_path / "x.ad1")


def test_truncation_is_never_a_crash(tmp_path: Path) -> None:
    data = made(tmp_path).read_bytes()
    place = tmp_path / "cut.ad1"
    read = set()
    for cut in range(0, len(data), 97):
        place.write_bytes(data[:cut])
        try:
            evidence = open_evidence(place)
        except EvidenceError:
            continue
        for item in evidence.find(["**"]):
            try:
                with evidence.open(item.path) as handle:
                    read.add(len(handle.read()))
            except OSError:
                continue
    assert len(BIG) in read, "a file before the cut is still read"


def test_links_without_an_end_and_lying_lengths_have_one(tmp_path: Path) -> None:
    path = made(tmp_path)
    whole_image = path.read_bytes()
    image = Image(path)
    by_name = {entry.parts[-1]: entry for entry in image.entries([])}
    image.close()
    first, system = by_name["C:\\:NONAME [NTFS]"], by_name["SYSTEM"]
    for at, value in (
        (system.offset, system.offset), (system.offset + 8, first.offset), (system.attributes, system.attributes),
        (system.offset + 24, 1 << 62), (system.offset + 32, 1 << 60), (system.chunks, 1 << 40),
        (system.chunks + 16, 1 << 50), (system.offset + 44, 0xFFFFFFF0), (first.offset, first.offset),
    ):  # fmt: skip
        data = bytearray(whole_image)
        struct.pack_into("<Q", data, 512 + at, value)
        path.write_bytes(bytes(data))
        refusals: list[Refusal] = []
        image = Image(path)
        entries = list(image.entries(refusals))
        assert 0 < len(entries) <= len(by_name)
        for entry in entries:
            image.noted(entry)
            try:
                image.open(entry).read(1000)
            except OSError:
                continue
        image.close()
