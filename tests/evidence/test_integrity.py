"""An image or collection that is not what was acquired: noticed, named, marked; never a wrong byte without a word."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import zlib
from pathlib import Path

import pytest
from dissect.target import container

from forensics.evidence import EvidenceError, open_evidence
from forensics.evidence.ewf import segments_of
from forensics.evidence.ewf_media import EwfMedia
from tests.evidence import layouts
from tests.evidence.layouts import E01, KAPE, Layout, lower_e01, raw_of
from tests.running import BUILT, fingerprint, obedient, timeline, tool

IMAGES = ["ewf.E01", "imageformat_mmls_1.E01", "partition_image.E01", "test.ntfs.dd.E01"]


def copy(top: Path) -> Path:
    made: Layout = lower_e01(top)
    return made.path


def chunk_places(path: Path) -> dict[int, tuple[Path, int, int, bool]]:
    """Chunk number -> segment, offset, length, whether it is compressed; out of the reader's own tables."""
    media = EwfMedia(segments_of(path))
    segments = segments_of(path)
    found = {}
    for table in media._tables:
        for index, entry in enumerate(table.entries):
            start = table.base + (entry & 0x7FFFFFFF)
            following = table.entries[index + 1] & 0x7FFFFFFF if index + 1 < len(table.entries) else None
            end = table.base + following if following is not None else table.end
            found[table.first + index] = (segments[table.segment], start, end - start, bool(entry & 0x80000000))
    media.close()
    return found


def hurt(place: tuple[Path, int, int, bool]) -> None:
    path, start, length, _ = place
    with path.open("r+b") as handle:
        handle.seek(start + length // 2)
        byte = handle.read(1)
        handle.seek(-1, 1)
        handle.write(bytes([byte[0] ^ 0x55]))


# -- the reader ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", IMAGES)
def test_real_images_read_as_dissect_reads_them(samples: Path, name: str) -> None:
    parts = segments_of(samples / "images" / name)
    media = EwfMedia(parts)
    other = container.open([part.open("rb") for part in parts])
    while block := media.read(1 << 20):
        assert block == other.read(len(block))
    assert media.damage.chunks == {}


@pytest.mark.parametrize("name", IMAGES[1:])
def test_the_stored_hash_of_real_images_is_right(samples: Path, name: str) -> None:
    media = EwfMedia(segments_of(samples / "images" / name))
    computed = media.digest()
    assert computed.md5 == media.stored.md5
    assert media.stored.sha1 in (None, computed.sha1)


def test_any_part_can_be_read(tmp_path: Path) -> None:
    media, plain = EwfMedia(segments_of(E01)), raw_of(tmp_path).read_bytes()
    for offset, length in ((0, 1), (32767, 2), (1 << 20, 70000), (media.size - 5, 50), (12345678, 4096)):
        media.seek(offset)
        assert media.read(length) == plain[offset : offset + length]


# -- verify ----------------------------------------------------------------------------------------------------------


def test_a_sound_image_verifies() -> None:
    done = tool("verify", E01, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["faults"] == []
    assert found["stored"] == found["computed"]


def test_a_damaged_chunk_is_named_by_its_place(tmp_path: Path) -> None:
    path = copy(tmp_path)
    places = chunk_places(path)
    number = max(places, key=lambda item: places[item][2])
    assert places[number][3], "compressed"
    hurt(places[number])
    done = tool("verify", path, "--json")
    assert done.returncode == 5, done.stdout
    faults = json.loads(done.stdout)["faults"]
    assert any("MD5" in fault for fault in faults)
    assert any(fault.startswith(f"chunk {number} (media offset 0x{number * 32768:x}-") for fault in faults)


def test_a_damaged_chunk_that_is_not_compressed_is_noticed(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "ewf.E01"
    shutil.copyfile(samples / "images/ewf.E01", path)
    (place,) = chunk_places(path).values()
    assert not place[3]
    hurt(place)
    media = EwfMedia(segments_of(path))
    media.read(10)
    assert media.damage.ranges(media.chunk_size) == [
        "chunk 0 (media offset 0x0-0x7fff): its checksum (Adler-32) is wrong"
    ]
    assert media.damage.take().chunks
    assert not media.damage.take().chunks, "told once"
    media.seek(0)
    media.read(10)
    assert tool("verify", path).returncode == 5


def test_a_wrong_stored_hash_is_a_mismatch(tmp_path: Path) -> None:
    path = copy(tmp_path)
    last = segments_of(path)[-1]
    data = bytearray(last.read_bytes())
    at = data.rindex(bytes.fromhex(EwfMedia(segments_of(path)).stored.md5 or ""))
    data[at] ^= 1
    last.write_bytes(bytes(data))
    assert tool("verify", path).returncode == 5


def test_a_raw_image_has_nothing_to_compare_with(tmp_path: Path) -> None:
    path = raw_of(tmp_path)
    done = tool("verify", path, "--json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["computed"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["vmdk", "vhdx", "qcow2", "vdi", "split_raw"])
def test_media_have_the_same_hash_in_every_container(tmp_path: Path, kind: str) -> None:
    """Not the container's bytes are hashed: they differ from one conversion to the next."""
    media = EwfMedia(segments_of(E01))
    made = layouts.IMAGES[kind](tmp_path)
    done = tool("verify", made.path, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["size"]) == (3, media.size)
    assert found["computed"]["md5"] == media.stored.md5
    assert "compare these with the acquisition's own" in found["notes"][0]


def test_a_split_raw_image_with_a_part_missing_or_cut_is_damaged(tmp_path: Path) -> None:
    first = layouts.split_raw(tmp_path).path
    (tmp_path / "disk.2024").write_text("a stranger")
    assert tool("verify", first).returncode == 3
    second = first.with_suffix(".002")
    second.write_bytes(second.read_bytes()[:-512])
    done = tool("verify", first)
    assert (done.returncode, "disk.002 has 20,971,008 bytes" in done.stdout) == (5, True), done.stdout
    second.unlink()
    done = tool("verify", first)
    assert (done.returncode, "part 2 of 3 of the split image is missing" in done.stdout) == (5, True), done.stdout


def test_a_cut_container_costs_what_is_behind_the_cut(tmp_path: Path) -> None:
    place = layouts.IMAGES["qcow2"](tmp_path).path
    data = place.read_bytes()
    place.write_bytes(data[: len(data) * 4 // 5])
    done = timeline(place, tmp_path / "case")
    assert done.code == 5, done.err
    problems = done.lines("problems.jsonl")
    assert [row["detail"] for row in problems if row["fault"] == "truncated_media"] == [
        f"{place.name} is cut: it has {len(data) * 4 // 5:,} bytes and lists content up to byte {len(data):,}"
    ]
    assert "nothing_found" not in {row["state"] for row in done.document()["coverage"]}, "nobody can know that"


def test_a_cut_container_is_no_hash(tmp_path: Path) -> None:
    place = layouts.IMAGES["qcow2"](tmp_path).path
    data = place.read_bytes()
    place.write_bytes(data[: len(data) // 2])
    done = tool("verify", place)
    assert done.returncode in (4, 5), done.stdout
    assert "is cut" in done.stdout + done.stderr


def test_a_collection_is_held_against_the_collectors_hashes(tmp_path: Path) -> None:
    shutil.copytree(KAPE, tmp_path / "k")
    assert tool("verify", tmp_path / "k").returncode == 0
    (tmp_path / "k/C/Windows/System32/default.wsb").write_text("<Configuration/>")
    done = tool("verify", tmp_path / "k")
    assert done.returncode == 5
    assert "default.wsb" in done.stdout
    (zipped,) = (BUILT / "velociraptor").glob("*.zip")
    assert tool("verify", zipped).returncode == 0


def test_a_file_that_may_not_be_read_is_no_mismatch(tmp_path: Path) -> None:
    """A permission of the examiner's system says nothing of the evidence."""
    top = tmp_path / "k"
    shutil.copytree(KAPE, top)
    closed, folder = top / "C/Windows/System32/config/SYSTEM", top / "C/Windows/Prefetch"
    closed.chmod(0)
    folder.chmod(0)
    try:
        done = tool("verify", top, before=obedient())
        (top / "C/Windows/System32/default.wsb").write_text("<Configuration/>")
        worse = tool("verify", top, before=obedient())
    finally:
        folder.chmod(0o755)
    assert (done.returncode, worse.returncode) == (3, 5), done.stderr
    assert "could not read C:/Windows/System32/config/SYSTEM: Permission denied" in done.stdout
    assert "could not read C/Windows/Prefetch" in done.stdout
    assert "DOES NOT MATCH" not in done.stdout
    assert "2 files or folders could not be read" in done.stdout


def test_verify_of_nothing_is_one_sentence(tmp_path: Path) -> None:
    done = tool("verify", tmp_path / "missing.E01")
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1


# -- the main job ----------------------------------------------------------------------------------------------------


def test_rows_from_a_damaged_chunk_are_marked(tmp_path: Path) -> None:
    """The chunk that holds a piece of the tunnel log is hurt; other files are not touched by it."""
    path = copy(tmp_path)
    media = EwfMedia(segments_of(path))
    data = media.read(media.size)
    at = data.index(b"Opened new client on channel")
    number = at // media.chunk_size
    media.close()
    hurt(chunk_places(path)[number])
    done = timeline(path, tmp_path / "case")
    assert done.code == 5, done.err
    problems = [row for row in done.lines("problems.jsonl") if row["fault"] == "media_damage"]
    assert problems
    assert any(f"chunk {number}" in row["detail"] for row in problems)
    hurt_files = {row["source"]["path"] for row in problems}
    rows = done.lines("timeline.jsonl")
    marked = {row["source_path"] for row in rows if "media_damage" in row["tag"]}
    assert marked <= hurt_files
    assert any("media_damage" not in row["tag"] for row in rows)


def test_a_file_changed_after_the_collection_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(KAPE, tmp_path / "k")
    target = tmp_path / "k/C/Windows/System32/default.wsb"
    target.write_text(target.read_text().replace("C:\\Users", "C:\\Temp"))
    done = timeline(tmp_path / "k", tmp_path / "case")
    assert done.code == 5
    (problem,) = done.lines("problems.jsonl")
    assert (problem["fault"], problem["source"]["path"]) == ("hash_mismatch", "C:/Windows/System32/default.wsb")


# -- structures that lie ---------------------------------------------------------------------------------------------


def sections_of(path: Path) -> dict[str, int]:
    """Offsets of the first section of each type."""
    data, at, found = path.read_bytes(), 13, {}
    while at + 76 <= len(data):
        kind = data[at : at + 16].rstrip(b"\x00").decode()
        found.setdefault(kind, at)
        following = struct.unpack_from("<Q", data, at + 16)[0]
        if following <= at:
            break
        at = following
    return found


@pytest.mark.parametrize("what", ["table_sum", "entry_sum", "entry_out", "volume_huge"])
def test_a_table_that_lies_is_refused(tmp_path: Path, what: str) -> None:
    path = copy(tmp_path)
    data, places = bytearray(path.read_bytes()), sections_of(path)
    table, volume = places["table"] + 76, places.get("volume", places.get("disk", 0)) + 76
    if what == "table_sum":
        data[table] ^= 1
    elif what == "entry_sum":
        data[table + 24] ^= 1
    elif what == "entry_out":
        count = struct.unpack_from("<I", data, table)[0]
        struct.pack_into("<I", data, table + 28, 0x7FFFFFF0)
        packed = bytes(data[table + 24 : table + 24 + 4 * count])
        struct.pack_into("<I", data, table + 24 + 4 * count, zlib.adler32(packed))
    else:
        struct.pack_into("<Q", data, volume + 16, 1 << 60)
        other = segments_of(path)[1]
        more, at = bytearray(other.read_bytes()), sections_of(other)["data"] + 76
        more[at + 16] ^= 1
        other.write_bytes(bytes(more))
    path.write_bytes(bytes(data))
    if what == "entry_out":
        assert tool("verify", path).returncode == 5
    else:
        with pytest.raises(EvidenceError) as caught:
            open_evidence(path)
        assert caught.value.integrity


def test_evidence_is_the_same_after_all(tmp_path: Path) -> None:
    before = fingerprint(BUILT)
    timeline(E01, tmp_path / "a")
    tool("verify", E01)
    tool("inspect", KAPE)
    assert fingerprint(BUILT) == before
