"""Archives that are cut, overwritten or lie about themselves: the rest is read, and what is lost is said."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import pyzipper

from forensics import jobs
from forensics.evidence import EvidenceError, OpenedEvidence, Opening, open_evidence
from tests.evidence.layouts import PASSWORD, tarred, zipped
from tests.running import LAYOUTS, timeline, tool

FILES = {
    "C/Windows/System32/config/SYSTEM": b"regf",
    **{f"C/Users/x/{number}.wsb": f"<Configuration>{number}</Configuration>".encode() * 40 for number in range(8)},
    "C/Windows/System32/config/SOFTWARE": b"regf",
}
WANTED = ["**/*.wsb"]
NAMES = [f"C:/Users/x/{number}.wsb" for number in range(8)]


def built(form: int = tarfile.PAX_FORMAT) -> tuple[bytes, dict[str, tarfile.TarInfo]]:
    """A tar and where its members are."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    data = target.getvalue()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return data, {info.name: info for info in archive.getmembers()}


def opened(path: Path, data: bytes) -> OpenedEvidence:
    path.write_bytes(data)
    return open_evidence(path)


def told(evidence: OpenedEvidence) -> list[tuple[str, str]]:
    return [(item.fault, item.path) for item in evidence.refusals]


def read(evidence: OpenedEvidence) -> list[str]:
    """The files found, each as it was packed."""
    found = []
    for item in evidence.find(WANTED):
        with evidence.open(item.path) as handle:
            if handle.read() == FILES[item.path.replace("C:", "C", 1)]:
                found.append(item.path)
    return found


def third() -> tuple[bytes, tarfile.TarInfo]:
    data, infos = built()
    return data, infos["C/Users/x/3.wsb"]


# -- headers -----------------------------------------------------------------------------------------------------------


def test_a_sound_tar_has_nothing_to_be_said(tmp_path: Path) -> None:
    for number, form in enumerate((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)):
        evidence = opened(tmp_path / f"{number}.tar", built(form)[0])
        assert (read(evidence), told(evidence)) == (NAMES, [])


@pytest.mark.parametrize("filling", [b"\xa5" * 512, bytes(512), bytes(1024)])
def test_an_overwritten_header_costs_its_member_only(tmp_path: Path, filling: bytes) -> None:
    data, info = third()
    hurt = data[: info.offset] + filling + data[info.offset + len(filling) :]
    evidence = opened(tmp_path / "a.tar", hurt)
    assert read(evidence) == [name for name in NAMES if "3.wsb" not in name]
    assert told(evidence) == [("bad_record", "")]
    assert f"0x{info.offset:x}" in evidence.refusals[0].why


def test_bytes_that_were_lost_or_added_cost_what_they_hit(tmp_path: Path) -> None:
    data, info = third()
    for name, hurt in (
        ("less.tar", data[: info.offset + 100] + data[info.offset + 117 :]),
        ("more.tar", data[: info.offset + 100] + b"x" * 17 + data[info.offset + 100 :]),
    ):
        evidence = opened(tmp_path / name, hurt)
        assert read(evidence) == [item for item in NAMES if "3.wsb" not in item], name
        assert told(evidence)[0] == ("bad_record", "")


def test_the_first_header_may_be_lost_too(tmp_path: Path) -> None:
    data, _ = built()
    for name, packed in (("a.tar", False), ("a.tgz", True)):
        hurt = b"\xa5" * 512 + data[512:]
        evidence = opened(tmp_path / name, gzip.compress(hurt) if packed else hurt)
        assert read(evidence) == NAMES
        assert told(evidence) == [("bad_record", "")]


def test_an_archive_cut_between_or_within_headers_is_said(tmp_path: Path) -> None:
    data, info = third()
    for cut in (info.offset, info.offset + 100):
        evidence = opened(tmp_path / "a.tar", data[:cut])
        assert (read(evidence), told(evidence)) == (NAMES[:3], [("truncated", "")])
    assert told(opened(tmp_path / "b.tar", data.rstrip(b"\x00") + bytes(900)))[-1] == ("truncated", "")


def test_of_a_member_that_is_cut_its_beginning_is_read(tmp_path: Path) -> None:
    data, info = third()
    evidence = opened(tmp_path / "a.tar", data[: info.offset_data + 100])
    assert told(evidence) == [("truncated", "C/Users/x/3.wsb")]
    with evidence.open("C:/Users/x/3.wsb") as handle:
        assert handle.read() == FILES["C/Users/x/3.wsb"][:100]


def test_joined_archives_are_both_read(tmp_path: Path) -> None:
    items = list(FILES.items())
    first = tarred(tmp_path / "1.tar", dict(items[:4])).read_bytes()
    second = tarred(tmp_path / "2.tar", dict(items[4:])).read_bytes()
    evidence = opened(tmp_path / "a.tar", first + second)
    assert (read(evidence), told(evidence)) == (NAMES, [("bad_record", "")])
    assert "joined" in evidence.refusals[0].why


def test_what_is_no_tar_behind_the_end_is_said_and_zeros_are_not(tmp_path: Path) -> None:
    data, _ = built()
    assert told(opened(tmp_path / "a.tar", data + bytes(100_000))) == []
    assert told(opened(tmp_path / "b.tar", data + b"something else")) == [("truncated", "")]


def header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_header_that_claims_gigabytes_is_not_read_into_memory(tmp_path: Path, kind: bytes) -> None:
    data, info = third()
    hurt = data[: info.offset] + header("x", 8 << 30, kind) + data[info.offset :]
    evidence = opened(tmp_path / "a.tar", hurt)
    assert (read(evidence), told(evidence)) == (NAMES, [("bad_record", "")])
    assert str(8 << 30) in evidence.refusals[0].why


def test_headers_in_a_row_without_an_end_are_passed(tmp_path: Path) -> None:
    data, info = third()
    hurt = data[: info.offset] + header("x", 0, b"g") * 3000 + data[info.offset :]
    evidence = opened(tmp_path / "a.tar", hurt)
    assert read(evidence) == NAMES
    assert {fault for fault, _ in told(evidence)} == {"bad_record"}


def test_a_map_of_a_sparse_file_without_an_end_is_passed(tmp_path: Path) -> None:
    data, info = third()
    sparse = bytearray(header("C/Users/x/sparse.wsb", 10, b"S"))
    sparse[482] = 1
    sparse[148:156] = b"%06o\x00 " % (sum(sparse[:148]) + 256 + sum(sparse[156:]))
    more = (b"\x01" * 504 + b"\x01" + bytes(7)) * 5000
    evidence = opened(tmp_path / "a.tar", data[: info.offset] + bytes(sparse) + more + data[info.offset :])
    assert (read(evidence), told(evidence)) == (NAMES, [("bad_record", "")])


def test_a_size_beyond_the_archive_does_not_swallow_the_rest(tmp_path: Path) -> None:
    data, info = third()
    hurt = data[: info.offset] + header("C/Users/x/3.wsb", 1 << 40, b"0") + data[info.offset + 512 :]
    evidence = opened(tmp_path / "a.tar", hurt)
    assert [item.path for item in evidence.find(WANTED)] == NAMES
    assert told(evidence) == [("bad_record", "C/Users/x/3.wsb")]


def test_a_tar_in_a_tar_that_is_cut_gives_no_members_of_its_own(tmp_path: Path) -> None:
    inner, _ = built()
    data = header("C/Windows/System32/config/SYSTEM", 0, b"0") + header("C/inner.bin", len(inner), b"0") + inner[:9000]
    evidence = opened(tmp_path / "a.tar", data)
    assert read(evidence) == []
    assert told(evidence) == [("truncated", "C/inner.bin")]


def test_a_cut_tar_of_loose_files_is_opened(tmp_path: Path) -> None:
    logs = LAYOUTS["kape"] / "C/Windows/System32/winevt/Logs"
    path = tarred(tmp_path / "a.tar", {name: (logs / name).read_bytes() for name in ("Setup.evtx", "System.evtx")})
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1]
    evidence = opened(path, path.read_bytes()[: last.offset_data + 100])
    assert len(evidence.find(["Windows/System32/winevt/Logs/*.evtx"])) == 2
    assert told(evidence) == [("truncated", last.name)]


def test_a_sparse_member_that_is_cut_raises_no_error_of_the_library(tmp_path: Path) -> None:
    body = b"1\n0\n100000\n".ljust(512, b"\x00") + b"x" * 1000
    info = tarfile.TarInfo("C/sparse.wsb")
    info.size = 100_000
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "100000"}
    data = header("C/Windows/System32/config/SYSTEM", 0, b"0") + info.tobuf(tarfile.PAX_FORMAT) + body
    evidence = opened(tmp_path / "a.tar", data)
    assert told(evidence) == [("truncated", "C/sparse.wsb")]
    with pytest.raises(OSError, match="cannot be read"), evidence.open("C:/sparse.wsb") as handle:
        handle.read()


def test_every_cut_and_every_overwritten_block_is_survived(tmp_path: Path) -> None:
    data, infos = built()
    ends = max(info.offset_data + info.size for info in infos.values())
    for at in range(0, ends, 512):
        for hurt in (data[:at] + b"\xff" * 512 + data[at + 512 :], data[: at + 7]):
            with contextlib.suppress(EvidenceError):
                evidence = opened(tmp_path / "a.tar", hurt)
                lost = set(NAMES) - set(read(evidence))
                in_data = any(info.offset_data <= at < info.offset_data + info.size for info in infos.values())
                assert not lost or evidence.refusals or in_data, f"0x{at:x}: lost without a word"


def test_the_whole_run_says_it(tmp_path: Path) -> None:
    path = tarred(tmp_path / "ok.tar", {
        place.relative_to(LAYOUTS["kape"]).as_posix(): place.read_bytes()
        for place in sorted(LAYOUTS["kape"].rglob("*")) if place.is_file()
    })  # fmt: skip
    with tarfile.open(path) as archive:
        middle = archive.getmember("C/Windows/System32/config/SOFTWARE")
    data = bytearray(path.read_bytes())
    data[middle.offset : middle.offset + 512] = bytes(512)
    path.write_bytes(data)
    done = timeline(path, tmp_path / "case")
    assert done.code == 3, done.err
    assert len(done.document()["sandbox_sessions"]) == 2
    faults = {(row["fault"], row["source"]["path"]) for row in done.lines("problems.jsonl")}
    assert faults == {("bad_record", ""), ("listed_missing", "C:/Windows/System32/config/SOFTWARE")}
    assert tool("verify", path).returncode == 5


# -- packed ------------------------------------------------------------------------------------------------------------


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("hurt", "all_there"),
    [
        (lambda data: flipped(data, -6), True),
        (lambda data: data[:-8], True),
        (lambda data: data + b"rubbish", True),
        (lambda data: data[: len(data) // 2], False),
    ],
    ids=["sum", "tail", "more", "half"],
)
def test_what_unpacks_of_a_damaged_tgz_is_kept(tmp_path: Path, hurt: Callable[[bytes], bytes], all_there: bool) -> None:
    import random

    filler = random.Random(1).randbytes(400_000)
    data = tarred(tmp_path / "a.tar", {**FILES, "C/last.bin": filler}).read_bytes()
    evidence = opened(tmp_path / "a.tgz", hurt(gzip.compress(data, mtime=0)))
    assert read(evidence) == NAMES
    assert told(evidence)[0] == ("truncated", "")
    assert (told(evidence)[1:] == []) == all_there
    again = open_evidence(tmp_path / "a.tgz")
    assert told(again) == told(evidence), "another process finds what the first one unpacked"


def test_a_packed_file_of_which_nothing_unpacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError) as caught:
        opened(tmp_path / "a.tgz", gzip.compress(b"x" * 1000)[:12])
    assert caught.value.integrity


def test_errors_name_the_evidence_and_no_scratch_file(tmp_path: Path) -> None:
    (tmp_path / "bomb.tgz").write_bytes(gzip.compress(gzip.compress(bytes(3 << 20))))
    data = built()[0]
    for _ in range(8):
        data = gzip.compress(data)
    (tmp_path / "deep.tgz").write_bytes(data)
    packed = b"hello"
    for depth in range(7):
        packed = zipped(tmp_path / f"{depth}.zip", {"inner.zip": packed}).read_bytes()
    for name in ("bomb.tgz", "deep.tgz", "6.zip"):
        done = tool("timeline", tmp_path / name, "-o", tmp_path / "case")
        assert done.returncode == 4
        assert name in done.stderr
        assert "unpacked" not in done.stderr
        assert "/mirrortrace-" not in done.stderr


# -- zip ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [1, 70_000, 3_000_000])
@pytest.mark.parametrize("comment", [b"", b"note"])
def test_zeros_behind_a_zip_are_no_part_of_it(tmp_path: Path, zeros: int, comment: bytes) -> None:
    path = zipped(tmp_path / "a.zip", FILES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = comment
    evidence = opened(path, path.read_bytes() + bytes(zeros))
    assert (read(evidence), told(evidence)) == (NAMES, [])


def test_zeros_behind_an_encrypted_zip(tmp_path: Path) -> None:
    path = encrypted(tmp_path)
    path.write_bytes(path.read_bytes() + bytes(70_000))
    assert read(open_evidence(path, Opening(password=PASSWORD))) == NAMES


def encrypted(top: Path) -> Path:
    with pyzipper.AESZipFile(top / "a.zip", "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(PASSWORD.encode())
        for name, data in FILES.items():
            archive.writestr(name, data)
    return top / "a.zip"


def test_a_damaged_member_of_an_encrypted_zip_is_an_oserror(tmp_path: Path) -> None:
    path = encrypted(tmp_path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("C/Users/x/3.wsb")
    data[info.header_offset + 30 + len(info.filename) + len(info.extra) + info.compress_size // 2] ^= 1
    path.write_bytes(data)
    evidence = open_evidence(path, Opening(password=PASSWORD))
    with pytest.raises(OSError, match="cannot be unpacked"):
        evidence.open("C:/Users/x/3.wsb")
    done = timeline(path, tmp_path / "case", "--password", PASSWORD)
    rows = [row for row in done.lines("problems.jsonl") if row["source"]["path"] == "C:/Users/x/3.wsb"]
    assert {row["fault"] for row in rows} == {"unreadable"}


def test_members_that_overlap_are_read_each_by_its_own_claim(tmp_path: Path) -> None:
    """A second entry points into the packed bytes of the first: what it gives is its own or an error, never a crash."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("C/Windows/System32/config/SYSTEM", b"regf")
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w") as hidden:
            hidden.writestr("C/Users/x/hidden.wsb", b"<Configuration/>")
        archive.writestr("C/Users/x/outer.wsb", inner.getvalue())
        outer = archive.getinfo("C/Users/x/outer.wsb")
        twin = zipfile.ZipInfo("C/Users/x/hidden.wsb")
        twin.CRC, twin.compress_size, twin.file_size = hidden.filelist[0].CRC, 16, 16
        twin.header_offset = outer.header_offset + 30 + len(outer.filename)
        archive.filelist.append(twin)
    evidence = open_evidence(path)
    assert [item.path for item in evidence.find(WANTED)] == ["C:/Users/x/hidden.wsb", "C:/Users/x/outer.wsb"]
    for name, data in (("hidden", b"<Configuration/>"), ("outer", inner.getvalue())):
        with contextlib.suppress(OSError), evidence.open(f"C:/Users/x/{name}.wsb") as handle:
            assert handle.read() == data


# -- the worker --------------------------------------------------------------------------------------------------------


def test_too_little_memory_at_the_start_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(path: str, opening: Opening) -> OpenedEvidence:
        raise MemoryError

    monkeypatch.setattr(jobs, "open_evidence", greedy)
    monkeypatch.setattr(jobs, "_evidence", None)
    monkeypatch.setattr(jobs, "_failure", None)
    monkeypatch.setattr(jobs, "_shown_name", "")
    monkeypatch.setattr(jobs.logging, "disable", lambda _: None)
    jobs.start_worker(str(tmp_path / "a.tar"), "a.tar", Opening())
    with pytest.raises(EvidenceError, match="memory"):
        jobs.opened()


def test_bytes_that_are_no_text_are_no_password(tmp_path: Path) -> None:
    done = tool("inspect", encrypted(tmp_path), "--password", b"\xff\xfe".decode("utf-8", "surrogateescape"))
    assert done.returncode == 2
    assert "no UTF-8 text" in done.stderr
