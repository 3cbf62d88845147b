"""What a run says of its images: what they lack, what they consist of, what was not checked."""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from forensics.artifacts.base import all_artifacts
from forensics.collect import coverage
from forensics.evidence import EvidenceError, open_evidence
from forensics.evidence.ewf import segments_of
from forensics.evidence.ewf_media import EwfMedia
from tests.evidence import made_disks as made
from tests.evidence.layouts import E01, KAPE, lower_e01, raw_of
from tests.evidence.test_disks import split
from tests.evidence.test_integrity import sections_of
from tests.running import timeline, tool


@pytest.fixture
def case(tmp_path: Path) -> Path:
    (tmp_path / "case").mkdir()
    return tmp_path / "case"


@pytest.mark.parametrize("layout", ["raw", "folder", "E01"])
def test_a_cut_image_is_a_failure_of_integrity_and_nothing_is_called_absent(layout: str, case: Path) -> None:
    path = raw_of(case)
    os.truncate(path, 30_000_000)
    if layout == "E01":
        path = short_e01(case)
    done = timeline(case if layout == "folder" else path, case.parent / "out")
    assert done.code == 5, done.err
    faults = [row["detail"] for row in done.lines("problems.jsonl") if row["fault"] == "truncated_media"]
    assert any("the image ends at byte" in text for text in faults)
    states = {row["state"] for row in done.document()["coverage"]}
    assert not states & {"nothing_found", "not_collected"}
    assert not any("no such file" in row["detail"] for row in done.document()["coverage"])


def short_e01(top: Path) -> Path:
    """An E01 of a disk that was not copied to its end: both sections say so, with right checksums."""
    for name in ("ws-tanaka.E01", "ws-tanaka.E02"):
        data = bytearray((E01.parent / name).read_bytes())
        at = next(place for kind, place in sections_of(E01.parent / name).items() if kind in ("volume", "data")) + 76
        struct.pack_into("<Q", data, at + 16, struct.unpack_from("<Q", data, at + 16)[0] - 40000)
        struct.pack_into("<I", data, at + 1048, zlib.adler32(data[at : at + 1048]))
        (top / name).write_bytes(bytes(data))
    (top / "disk.raw").unlink()
    return top / "ws-tanaka.E01"


def test_only_a_whole_and_sound_file_system_says_that_something_is_absent() -> None:
    def states(*, whole: bool, hurt: str) -> set[str]:
        return {row.state for row in coverage(all_artifacts(), (), {}, (), whole=whole, hurt=hurt)}

    assert states(whole=True, hurt="") == {"nothing_found"}
    assert states(whole=False, hurt="") == {"not_collected"}
    assert states(whole=True, hurt="it was cut") == states(whole=False, hurt="it was cut") == {"unreadable"}


# -- an E01's own words ----------------------------------------------------------------------------------------------


def lying_e01(top: Path, field: int) -> Path:
    path = lower_e01(top).path
    data = bytearray(path.read_bytes())
    data[sections_of(path)["volume"] + 76 + field] ^= 1
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize("field", [4, 9, 13, 18])
def test_a_volume_section_that_fails_its_checksum_is_not_believed(field: int, tmp_path: Path) -> None:
    path = lying_e01(tmp_path, field)
    media, sound = EwfMedia(segments_of(path)), EwfMedia(segments_of(E01))
    assert media.size == sound.size
    assert "fails its checksum" in media.faults[0]
    assert any("the data section of" in fault for fault in media.faults)


def test_a_damaged_volume_section_is_told_by_all_commands(tmp_path: Path) -> None:
    path = lying_e01(tmp_path, 18)
    done = tool("verify", path)
    assert done.returncode == 5
    assert "fails its checksum" in done.stdout
    run = timeline(path, tmp_path / "out")
    assert run.code == 5
    assert any("fails its checksum" in row["detail"] for row in run.lines("problems.jsonl"))


def test_a_damaged_descriptor_is_told(tmp_path: Path) -> None:
    path = lower_e01(tmp_path).path
    data = bytearray(path.read_bytes())
    data[sections_of(path)["table"] + 72] ^= 1
    path.write_bytes(bytes(data))
    assert "'table' section's descriptor is wrong" in EwfMedia(segments_of(path)).faults[0]


def test_verify_does_not_call_the_media_whole_and_damaged_at_once(tmp_path: Path) -> None:
    """A chunk of zeros that does not inflate is read as zeros: the hash is right, the chunk is not."""
    path = lower_e01(tmp_path).path
    media = EwfMedia(segments_of(path))
    table = media._tables[0]
    number = next(index for index in range(len(table.entries) - 1) if not media._load(index).strip(b"\x00"))
    start, end = (table.base + (table.entries[index] & 0x7FFFFFFF) for index in (number, number + 1))
    media.close()
    data = bytearray(path.read_bytes())
    data[start:end] = b"\xff" * (end - start)
    path.write_bytes(bytes(data))
    done = tool("verify", path)
    assert done.returncode == 5
    assert "as stored, though damaged chunks are in it" in done.stdout


# -- files that are more, or less, than an image ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["disk.dd", "disk.raw", "disk.img", "disk.bin", "disk"])
def test_a_folder_that_holds_a_raw_image(name: str, case: Path) -> None:
    raw_of(case).rename(case / name)
    (case / "readme.txt").write_text("notes")
    opened = open_evidence(case)
    assert opened.kind == f"raw image in {name}"
    assert opened.whole
    assert [item.name for item in opened.files] == [name]


def test_a_folder_that_holds_a_split_or_a_flat_image(case: Path) -> None:
    data = raw_of(case).read_bytes()
    (case / "disk.raw").unlink()
    for name in ("split", "flat"):
        (case / name).mkdir()
    split(case / "split", data, ["d.001", "d.002", "d.003"])
    (case / "flat/d-flat.vmdk").write_bytes(data)
    (case / "flat/d.vmdk").write_bytes(made.descriptor(f'RW {len(data) // 512} FLAT "d-flat.vmdk" 0'))
    assert open_evidence(case / "split").kind == "split image in d.001"
    assert open_evidence(case / "flat").kind == "vmdk image in d.vmdk"


def test_loose_files_beside_an_image_go_on_being_read_and_the_image_is_named(case: Path) -> None:
    raw_of(case)
    shutil.copyfile(KAPE / "C/Windows/System32/winevt/Logs/Security.evtx", case / "Security.evtx")
    opened = open_evidence(case)
    assert opened.kind == "loose files in folder"
    assert [(item.path, item.fault) for item in opened.own_refusals] == [("disk.raw", "not_read")]


@pytest.mark.parametrize("layout", ["zip", "folder"])
def test_all_segments_of_an_e01_in_a_collection(layout: str, case: Path) -> None:
    for path in segments_of(E01):
        shutil.copyfile(path, case / path.name)
    place = case
    if layout == "zip":
        place = case.parent / "c.zip"
        with zipfile.ZipFile(place, "w") as archive:
            for path in segments_of(E01):
                archive.write(path, f"証拠/{path.name}")
    opened = open_evidence(place)
    assert opened.kind.startswith("ewf image in ")
    assert opened.stored()["md5"]
    assert opened.whole


def test_an_e01_under_another_name(case: Path) -> None:
    shutil.copyfile(E01, case / "image.bin")
    with pytest.raises(EvidenceError, match=r"segment 2 is missing; segments are found by their suffixes"):
        open_evidence(case / "image.bin")
    with pytest.raises(EvidenceError, match=r"image\.bin is not the last segment"):
        open_evidence(case)


@pytest.mark.parametrize("name", ["Security.evtx", "SYSTEM"])
def test_a_single_log_or_hive_is_evidence(name: str, tmp_path: Path) -> None:
    place = {"Security.evtx": "winevt/Logs/Security.evtx", "SYSTEM": "config/SYSTEM"}[name]
    done = timeline(KAPE / "C/Windows/System32" / place, tmp_path / "out")
    assert done.code in (0, 3), done.err
    assert {row["source_path"] for row in done.lines("timeline.jsonl") if "source_path" in row} == {f"loose:/{name}"}


def test_a_link_that_the_user_names_is_followed_and_none_beside_it(case: Path, tmp_path: Path) -> None:
    (tmp_path / "here.E01").symlink_to(E01)
    assert open_evidence(tmp_path / "here.E01").stored()["md5"]


@pytest.mark.parametrize(
    "head", [b"", b"junk", b"KDMV", b"vhdxfile", b"QFI\xfb", b"conectix", b"EVF\x09\x0d\x0a\xff\x00"]
)
def test_why_an_image_cannot_be_read_is_said_in_words(head: bytes, case: Path) -> None:
    path = case / "a.img"
    path.write_bytes(head.ljust(70000, b"\x00"))
    with pytest.raises(EvidenceError) as caught:
        open_evidence(path)
    said = str(caught.value)
    assert not any(word in said for word in ("<", "object at", "PosixPath", "max()", "NoneType")), said
    assert not said.endswith((": ", ":"))


# -- what the run says of its evidence -------------------------------------------------------------------------------


def test_every_file_of_the_evidence_is_named_with_its_hash(case: Path) -> None:
    data = raw_of(case).read_bytes()
    (case / "disk.raw").unlink()
    split(case, data, ["d.001", "d.002", "d.003"])
    done = timeline(case / "d.002", case.parent / "out")
    (header,) = done_run(done)["evidence"]
    assert header["name"] == "d.001"
    assert set(header["hashes"]) == {"size", "d.001", "d.002", "d.003"}
    files = done_run(done)["evidence_files"]
    assert [(item["name"], item["size"]) for item in files] == [
        (name, (case / name).stat().st_size) for name in ("d.001", "d.002", "d.003")
    ]
    assert all(len(item["sha256"]) == 64 for item in files)


def done_run(done: object) -> dict[str, list[dict[str, object]]]:
    import json

    return json.loads((done.case / "run.json").read_text(encoding="utf-8"))  # type: ignore[attr-defined, no-any-return]


def test_a_stored_hash_that_was_not_checked_is_said(case: Path) -> None:
    (case / "in").mkdir()
    for path in segments_of(E01):
        shutil.copyfile(path, case / "in" / path.name)
    done = timeline(case, case.parent / "out")
    assert done.code == 0, done.err
    assert "run `mirrortrace verify`" in done.out
    assert any("mirrortrace verify" in str(item["text"]) for item in done_run(done)["notices"])
    noted = [line for line in done.out.splitlines() if line.startswith("Note: ")]
    assert noted == [line for line in tool("show", done.case).stdout.splitlines() if line.startswith("Note: ")]
    assert "Note:" not in tool("show", done.case, "coverage").stdout
    for damage in ("{", "[]", '{"notices": [1]}'):
        (copy := case.parent / "copy").mkdir(exist_ok=True)
        shutil.copyfile(done.case / "sessions.json", copy / "sessions.json")
        (copy / "run.json").write_text(damage, encoding="utf-8")
        assert "Note: run.json is missing or damaged" in tool("show", case.parent / "copy").stdout
    (header,) = done_run(done)["evidence"]
    assert set(header["hashes"]) >= {"in/ws-tanaka.E01", "in/ws-tanaka.E02", "stored_md5"}  # type: ignore[call-overload]
    assert tool("verify", case).returncode == 0


def test_files_too_large_to_hash_are_named_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from forensics import runinfo

    monkeypatch.setattr(runinfo, "_HASH_UP_TO", 10)
    parts = [str(path) for path in segments_of(E01)]
    files, _ = runinfo.evidence_files(E01, parts, {})
    assert [item["name"] for item in files] == [Path(part).name for part in parts]
    assert {item["sha256"] for item in files} == {None}
    assert set(runinfo.hashes_of(files, {}).values()) >= {"not computed: run `mirrortrace verify`"}


def test_shadow_copies_that_are_not_read_are_said(tmp_path: Path) -> None:
    path = next(E01.parents[1].glob("e01-vss/*.E01"))
    done = timeline(path, tmp_path / "out")
    assert done.code == 0, done.err
    assert "shadow cop" in done.out
    assert "--vss" in done.out
    assert "--vss" in tool("inspect", path).stdout
    assert "--vss reads" not in timeline(path, tmp_path / "all", "--vss").out


def test_asking_for_shadow_copies_where_there_are_none_is_answered(tmp_path: Path) -> None:
    done = timeline(KAPE, tmp_path / "out", "--vss")
    assert "there are no shadow copies in this evidence" in done.out


@pytest.mark.parametrize("victim", ["ws-tanaka.E02", "ws-tanaka.E01.txt"])
def test_the_log_never_touches_a_file_that_is_no_log(victim: str, case: Path) -> None:
    for path in segments_of(E01):
        shutil.copyfile(path, case / path.name)
    (case / "ws-tanaka.E01.txt").write_text("the acquisition's own report")
    before = (case / victim).read_bytes()
    done = timeline(case / "ws-tanaka.E01", case.parent / "out", "--log-file", case / victim)
    assert done.code == 2
    assert (case / victim).read_bytes() == before
    assert timeline(case / "ws-tanaka.E01", case.parent / "out", "--log-file", case / "ws-tanaka.E03").code == 2
    assert not (case / "ws-tanaka.E03").exists(), "it would be taken for a segment"
    log = case.parent / "run.log"
    for out in ("one", "two"):
        assert timeline(case / "ws-tanaka.E01", case.parent / out, "--log-file", log).code == 0
