"""Folders and zips: what is read, what is refused, and that nothing outside is ever reached."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest

from forensics.evidence import EvidenceError, open_evidence

SECRET = b"HOST-SECRET"


def _tree(top: Path) -> Path:
    for name, content in {
        "C/Windows/System32/config/SYSTEM": b"regf-live",
        "C/Users/田中/Documents/lab.wsb": b"<Configuration/>",
        "D/tools/other.wsb": b"<Configuration/>",
    }.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return top


def test_a_folder_is_listed_and_read(tmp_path: Path) -> None:
    evidence = open_evidence(_tree(tmp_path / "case"))
    found = evidence.find(["Windows/System32/config/SYSTEM", "Users/**/*.wsb", "tools/*.wsb"])
    assert [item.path for item in found] == [
        "C:/Users/田中/Documents/lab.wsb",
        "C:/Windows/System32/config/SYSTEM",
        "D:/tools/other.wsb",
    ]
    with evidence.open("c:/windows/system32/config/system".replace("c:", "C:")) as handle:
        assert handle.read() == b"regf-live"


def test_links_and_pipes_are_refused_and_said(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.wsb").write_bytes(SECRET)
    top = _tree(tmp_path / "case")
    (top / "E").symlink_to("/")
    (top / "C/Users/田中/link.wsb").symlink_to(outside / "secret.wsb")
    (top / "C/Users/folder").symlink_to(outside)
    os.mkfifo(top / "C/Users/田中/pipe.wsb")
    evidence = open_evidence(top)
    found = evidence.find(["Users/**/*.wsb", "**/*.wsb", "**/hostname"])
    assert [item.path for item in found] == ["C:/Users/田中/Documents/lab.wsb", "D:/tools/other.wsb"]
    refused = {refusal.path for refusal in evidence.refusals if refusal.fault == "refused"}
    assert refused == {"E", "C/Users/田中/link.wsb", "C/Users/folder", "C/Users/田中/pipe.wsb"}


def test_a_file_swapped_for_a_link_after_the_listing_is_not_followed(tmp_path: Path) -> None:
    top = _tree(tmp_path / "case")
    evidence = open_evidence(top)
    target = top / "C/Users/田中/Documents/lab.wsb"
    target.unlink()
    target.symlink_to(tmp_path / "case" / "D/tools/other.wsb")
    with pytest.raises(OSError, match="link"):
        evidence.open("C:/Users/田中/Documents/lab.wsb")


def test_names_that_differ_by_case_are_both_kept(tmp_path: Path) -> None:
    top = _tree(tmp_path / "case")
    (top / "C/Windows/System32/config/system").write_bytes(b"second")
    evidence = open_evidence(top)
    found = evidence.find(["Windows/System32/config/SYSTEM"])
    contents = set()
    for item in found:
        with evidence.open(item.path) as handle:
            contents.add(handle.read())
    assert contents == {b"regf-live", b"second"}
    assert any(refusal.fault == "name_collision" for refusal in evidence.refusals)


@pytest.mark.parametrize("make", ["empty", "nothing", "missing", "file"])
def test_what_is_no_evidence_is_one_sentence(tmp_path: Path, make: str) -> None:
    place = tmp_path / make
    if make == "empty":
        place.mkdir()
    elif make == "nothing":
        place.mkdir()
        (place / "readme.txt").write_text("hello")
    elif make == "file":
        place.write_text("hello")
    with pytest.raises(EvidenceError) as caught:
        open_evidence(place)
    assert str(place) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_hosts_in_one_folder_are_named(tmp_path: Path) -> None:
    _tree(tmp_path / "A")
    _tree(tmp_path / "B")
    with pytest.raises(EvidenceError, match=r"2 hosts.*A.*B"):
        open_evidence(tmp_path)


def _zip(path: Path, members: dict[str, bytes], *, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if mode and name.endswith("link.wsb"):
                info.external_attr = mode << 16
            archive.writestr(info, content)
    return path


def test_a_zip_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    path = _zip(tmp_path / "HOST.ZIP", {"HOST/C/Windows/System32/config/SYSTEM": b"regf", "HOST/C/a.wsb": b"x"})
    evidence = open_evidence(path)
    assert [item.path for item in evidence.find(["*.wsb", "Windows/System32/config/SYSTEM"])] == [
        "C:/Windows/System32/config/SYSTEM",
        "C:/a.wsb",
    ]


def test_zip_members_that_climb_link_or_lie_are_refused(tmp_path: Path) -> None:
    members = {
        "C/Windows/System32/config/SYSTEM": b"regf",
        "C/../../escape.wsb": SECRET,
        "C/link.wsb": b"/etc/passwd",
    }
    path = _zip(tmp_path / "a.zip", members, mode=stat.S_IFLNK | 0o777)
    evidence = open_evidence(path)
    assert [item.path for item in evidence.find(["**/*.wsb", "*.wsb"])] == []
    assert len([refusal for refusal in evidence.refusals if refusal.fault == "refused"]) == 2


def test_backslashes_and_japanese_names_without_the_flag(tmp_path: Path) -> None:
    path = tmp_path / "jp.zip"
    name = "田中"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("C\\Windows\\System32\\config\\SYSTEM"), b"regf")
        archive.writestr(zipfile.ZipInfo(f"C\\Users\\{'X' * len(name.encode('cp932'))}\\lab.wsb"), b"x")
    path.write_bytes(path.read_bytes().replace(b"X" * len(name.encode("cp932")), name.encode("cp932")))
    evidence = open_evidence(path)
    found = evidence.find(["Windows/System32/config/*", "Users/*/*.wsb"])
    assert [item.path for item in found] == ["C:/Users/田中/lab.wsb", "C:/Windows/System32/config/SYSTEM"]
    with evidence.open(found[0].path) as handle:
        assert handle.read() == b"x"


def test_an_encrypted_zip_says_so(samples: Path) -> None:
    path = samples / "collections/velociraptor/encrypted_collector_password.zip"
    with pytest.raises(EvidenceError, match="encrypted"):
        open_evidence(path)


@pytest.mark.samples
def test_a_real_velociraptor_collection(samples: Path) -> None:
    name = "Collection-WIN-E5K9RC5GU23-2021-11-21T18_05_56-08_00.zip"
    evidence = open_evidence(samples / "collections/velociraptor" / name)
    (found,) = evidence.find(["Users/*/NTUSER.DAT"])
    assert found.path == "C:/Users/Administrator/ntuser.dat"
    assert evidence.times(found.path)["Creation Time"].isoformat() == "2022-08-21T20:04:11.326060+00:00"


@pytest.mark.samples
def test_every_real_zip_is_opened_or_refused_with_a_sentence(samples: Path) -> None:
    for path in sorted((samples / "collections/velociraptor").glob("*.zip")):
        try:
            open_evidence(path)
        except EvidenceError as error:
            said = str(error)
        else:
            said = str(path)
        assert str(path) in said
