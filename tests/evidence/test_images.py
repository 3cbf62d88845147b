from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

import pytest

from forensics.evidence import EvidenceError, open_evidence
from forensics.evidence.ewf import segments_of, suffix_number

SIGNATURE = b"EVF\x09\x0d\x0a\xff\x00"


def _segment(path: Path, number: int, sections: list[tuple[bytes, bytes]], *, loop: bool = False) -> None:
    data = bytearray(SIGNATURE + struct.pack("<BHH", 1, number, 0))
    for kind, body in sections:
        here = len(data)
        following = here + 76 + len(body)
        if kind in (b"next", b"done") or loop:
            following = here
        head = kind.ljust(16, b"\x00") + struct.pack("<QQ", following, 76 + len(body)) + bytes(40)
        data += head + struct.pack("<I", zlib.adler32(head)) + body
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("suffix", "number"), [(".E01", 1), (".e99", 99), (".EAA", 100), (".EAB", 101), (".EBA", 126), (".FAA", 776)]
)
def test_suffixes(suffix: str, number: int) -> None:
    assert suffix_number(suffix) == number


def test_segments_in_order_with_strangers_beside(tmp_path: Path) -> None:
    _segment(tmp_path / "a.e01", 1, [(b"header", zlib.compress(b"x")), (b"next", b"")])
    _segment(tmp_path / "a.e02", 2, [(b"done", b"")])
    (tmp_path / "a.txt").write_text("notes")
    (tmp_path / "a.e03.md5").write_text("hash")
    assert [path.name for path in segments_of(tmp_path / "a.e01")] == ["a.e01", "a.e02"]


@pytest.mark.parametrize("missing", [2, 3])
def test_a_missing_segment_is_named(tmp_path: Path, missing: int) -> None:
    for number in (1, 2, 3):
        ending = b"done" if number == 3 else b"next"
        _segment(tmp_path / f"a.E0{number}", number, [(ending, b"")])
    (tmp_path / f"a.E0{missing}").unlink()
    with pytest.raises(EvidenceError, match=f"segment {missing}") as caught:
        open_evidence(tmp_path / "a.E01")
    assert caught.value.integrity


def test_a_header_bomb_is_refused_before_it_inflates(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(64 * 1024 * 1024), 9)
    _segment(tmp_path / "a.E01", 1, [(b"header", bomb), (b"done", b"")])
    with pytest.raises(EvidenceError, match="inflates to more than"):
        open_evidence(tmp_path / "a.E01")


def test_a_section_chain_that_loops_is_refused(tmp_path: Path) -> None:
    _segment(tmp_path / "a.E01", 1, [(b"volume", bytes(94))], loop=True)
    with pytest.raises(EvidenceError, match="points to"):
        open_evidence(tmp_path / "a.E01")


def test_ex01_is_refused_with_a_clear_word(tmp_path: Path) -> None:
    path = tmp_path / "a.Ex01"
    path.write_bytes(b"EVF2\r\n\x81\x00" + bytes(100))
    with pytest.raises(EvidenceError, match="Ex01"):
        open_evidence(path)


@pytest.mark.samples
def test_a_real_image_with_windows_paths(samples: Path) -> None:
    evidence = open_evidence(samples / "images/partition_image.E01")
    paths = [item.path for item in evidence.find(["Windows/System32/config/SYSTEM", "Users/**/*.dat"])]
    assert paths == ["C:/Users/Administrator/NTUser.dat", "C:/Windows/System32/Config/SYSTEM"]
    assert evidence.times(paths[1])["Creation Time"].year >= 2020


@pytest.mark.samples
def test_lower_case_suffix_with_a_text_file_beside(samples: Path, tmp_path: Path) -> None:
    shutil.copyfile(samples / "images/partition_image.E01", tmp_path / "disk.e01")
    (tmp_path / "disk.txt").write_text("case notes")
    assert open_evidence(tmp_path / "disk.e01").kind == "ewf image"


@pytest.mark.samples
@pytest.mark.parametrize("name", ["test.ntfs.dd.E01", "vsstest.qcow2", "imageformat_mmls_1.E01", "ewf.E01"])
def test_images_without_windows(samples: Path, name: str) -> None:
    with pytest.raises(EvidenceError, match="no Windows installation"):
        open_evidence(samples / "images" / name)


@pytest.mark.samples
def test_a_truncated_image_is_never_a_crash(samples: Path, tmp_path: Path) -> None:
    data = (samples / "images/partition_image.E01").read_bytes()
    for cut in range(0, len(data), 9973):
        path = tmp_path / "cut.E01"
        path.write_bytes(data[:cut])
        with pytest.raises(EvidenceError):
            open_evidence(path)
