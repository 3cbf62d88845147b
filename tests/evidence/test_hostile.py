"""Collections made to harm: a file of the examiner's machine is never read, nothing is written, nothing hangs."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from forensics.evidence import EvidenceError, open_evidence
from tests.evidence.layouts import folder, shipped_members, tarred, tree, under, zipped
from tests.running import KAPE_FOLDER as KAPE
from tests.running import Run, fingerprint, obedient, timeline

CANARY = "HOST-SECRET-8f31c2"
SMALL = {"C/Windows/System32/config/SYSTEM": b"regf"}
EVERY = ["**"]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """The examiner's own files, each of which would be read if it were in the evidence."""
    top = tmp_path / "examiner"
    text = f"<Configuration><LogonCommand><Command>{CANARY}</Command></LogonCommand></Configuration>"
    folder(
        top,
        {
            "x.wsb": text.encode(),
            "Users/me/x.wsb": text.encode(),
            "Windows/System32/config/SYSTEM": CANARY.encode(),
            "ConsoleHost_history.txt": f"wsb start {CANARY}\n".encode(),
            "code_tunnel.json": json.dumps({"name": CANARY, "id": "x", "cluster": "y"}).encode(),
            "Uploads.json": json.dumps({"SourceFile": f"C:\\{CANARY}", "Created": "2024-01-01T00:00:00Z"}).encode(),
        },
    )
    return top


def nothing_leaked(case: Path, *texts: str) -> None:
    for path in case.iterdir():
        assert CANARY.encode() not in path.read_bytes(), path.name
    for text in texts:
        assert CANARY not in text


def test_no_planted_link_shows_a_file_of_the_examiner(tmp_path: Path, outside: Path) -> None:
    top = tmp_path / "in/WS-TANAKA"
    shutil.copytree(KAPE, top)
    (top / "D").symlink_to("/")
    (top / "E").symlink_to(outside)
    (top / "C/Users/x.wsb").symlink_to(outside / "x.wsb")
    (top / "C/Users/folder").symlink_to(outside / "Users/me")
    (top / "C/Users/田中/.vscode/cli/again.json").symlink_to("../../../../../../../examiner/code_tunnel.json")
    logs = top / "C/Windows/System32/winevt"
    shutil.move(logs, top / "elsewhere")
    logs.symlink_to(top / "elsewhere")
    history = next(
        top.glob("C/Users/*/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/ConsoleHost_history.txt")
    )
    history.unlink()
    history.symlink_to(outside / "ConsoleHost_history.txt")
    before = fingerprint(outside)
    done = timeline(top, tmp_path / "case", "-v")
    assert done.code == 3, done.err
    nothing_leaked(done.case, done.out, done.err)
    assert fingerprint(outside) == before
    refused = {row["source"]["path"] for row in done.lines("problems.jsonl") if row["fault"] == "refused"}
    assert {"D", "E", "C/Users/x.wsb", "C/Users/folder", "C/Windows/System32/winevt"} <= refused
    states = {row["artifact"]: row for row in done.document()["coverage"]}
    assert states["powershell_history"]["state"] == "unreadable"
    assert "link" in states["powershell_history"]["detail"]


def test_no_planted_link_in_a_velociraptor_folder(tmp_path: Path, outside: Path) -> None:
    top = folder(tmp_path / "in", shipped_members())
    results = top / "results/Windows.KapeFiles.Targets%2FUploads.json"
    results.unlink()
    results.symlink_to(outside / "Uploads.json")
    (top / "uploads/auto/D%3A").symlink_to(outside)
    (top / "uploads/auto/C%3A/%2e%2e%2f%2e%2e%2fexaminer").symlink_to(outside)
    done = timeline(top, tmp_path / "case")
    assert done.code == 3
    nothing_leaked(done.case, done.out)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_sockets_and_folders_under_wanted_names(tmp_path: Path) -> None:
    top = tmp_path / "in"
    shutil.copytree(KAPE, top)
    logs = top / "C/Windows/System32/winevt/Logs"
    (logs / "Security.evtx").unlink()
    os.mkfifo(logs / "Security.evtx")
    (logs / "System.evtx").unlink()
    (logs / "System.evtx").mkdir()
    (logs / "System.evtx/x.txt").write_text("x")
    hive = top / "C/Windows/System32/config/SOFTWARE"
    hive.unlink()
    with hive.open("wb") as handle:
        handle.truncate(8 << 40)
    done = timeline(top, tmp_path / "case", "--job-seconds", "20")
    assert done.code in (3, 5)
    states = {row["artifact"]: row for row in done.document()["coverage"]}
    assert states["event_process_audit"]["state"] == "unreadable"
    assert "pipe" in states["event_process_audit"]["detail"]
    assert "a folder of this name" in states["event_service_state"]["detail"]
    assert states["run_keys"]["state"] == "partial"


def places(done: Run) -> set[tuple[str, ...]]:
    """Where the rows of a timeline come from; sessions come from no place."""
    keys = ("source_path", "source_locator", "timestamp_desc")
    return {tuple(row.get(key, "") for key in keys) for row in done.lines("timeline.jsonl") if row.get("source_path")}


def test_a_file_that_may_not_be_read_costs_itself(shipped: Callable[[str], Run], tmp_path: Path) -> None:
    top = tmp_path / "in"
    shutil.copytree(KAPE, top)
    closed = ["Windows/System32/default.wsb", "Windows/System32/winevt/Logs/Security.evtx", "Users/田中/NTUSER.DAT"]
    for name in closed:
        (top / "C" / name).chmod(0)
    done = timeline(top, tmp_path / "case", before=obedient())
    assert done.code == 3, done.err
    rows = done.lines("problems.jsonl")
    for name in closed:
        (row,) = [row for row in rows if row["source"]["path"] == f"C:/{name}"]
        assert (row["fault"], "Permission denied" in row["detail"]) == ("unreadable", True)
    read, kept = places(done), places(shipped("kape"))
    kept = {place for place in kept if place[0].removeprefix("C:/") not in closed}
    assert len(read & kept) > 0.9 * len(kept), "the other files give what they gave; context may follow a lost session"


def test_a_folder_that_may_not_be_listed_costs_itself(tmp_path: Path) -> None:
    top = tmp_path / "in"
    shutil.copytree(KAPE, top)
    tasks = top / "C/Windows/System32/Tasks"
    tasks.chmod(0)
    try:
        done = timeline(top, tmp_path / "case", before=obedient())
    finally:
        tasks.chmod(0o755)
    assert done.code == 3, done.err
    (row,) = [row for row in done.lines("problems.jsonl") if "cannot be listed" in row["detail"]]
    assert row["source"]["path"] == "C/Windows/System32/Tasks"
    told = {row["artifact"]: row for row in done.document()["coverage"]}
    assert told["task_files"]["state"] == "unreadable"
    assert "C/Windows/System32/Tasks: the folder cannot be listed" in told["task_files"]["detail"]
    assert told["event_process_audit"]["state"] == "complete"
    assert done.document()["sandbox_sessions"]


# -- archives ----------------------------------------------------------------------------------------------------------


def test_names_that_climb_out_of_a_zip_are_refused(tmp_path: Path) -> None:
    bad = ["../evil.wsb", "/etc/evil.wsb/../../x.wsb", "C/..\\..\\evil.wsb", "C\\..\\evil.wsb"]
    path = zipped(tmp_path / "in/a.zip", SMALL | dict.fromkeys(bad, b"<Configuration/>"))
    before = fingerprint(tmp_path)
    evidence = open_evidence(path)
    assert [item.path for item in evidence.find(["**/*.wsb", "*.wsb"])] == []
    assert len(evidence.refusals) == len(bad)
    assert fingerprint(tmp_path) == before


def test_a_name_with_nul_and_an_absolute_one_stay_inside(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("C/Windows/System32/config/SYSTEM", "/C/Users/abs.wsb", "C/Users/n.wsb"):
            archive.writestr(name, b"<Configuration/>")
    data = path.read_bytes().replace(b"C/Users/n.wsb", b"C/Users/\x00.wsb")
    path.write_bytes(data)
    names = [item.path for item in open_evidence(path).find(["Users/*"])]
    assert "C:/Users/abs.wsb" in names


def test_many_members_of_one_name_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("C/Windows/System32/config/SYSTEM", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("C/Windows/System32/config/SYSTEM", b"second")
        archive.writestr("C/windows/system32/config/system", b"third")
    evidence = open_evidence(path)
    contents = {evidence.open(item.path).read() for item in evidence.find(["Windows/System32/config/SYSTEM"])}
    assert contents == {b"first", b"second", b"third"}
    assert len([item for item in evidence.refusals if item.fault == "name_collision"]) == 2


def test_many_thousand_members_of_one_name_end_in_time(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("C/Windows/System32/config/SYSTEM", b"x")
        archive.filelist += [archive.filelist[0]] * 30_000
    assert len(open_evidence(path).find(["Windows/System32/config/SYSTEM"])) == 30_001


def test_a_bomb_is_refused_by_what_it_claims_and_by_what_it_does(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("C/Windows/System32/config/SYSTEM", b"regf")
        archive.writestr("C/bomb.wsb", bytes(300 << 20))
    data = path.read_bytes()
    lying = data.replace((300 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    (tmp_path / "lying.zip").write_bytes(lying)
    evidence = open_evidence(tmp_path / "lying.zip")
    (found,) = evidence.find(["*.wsb"])
    with pytest.raises(OSError, match="cannot be unpacked"):
        evidence.open(found.path)


def test_overlapping_members_are_no_way_to_grow(tmp_path: Path) -> None:
    """Many entries of the directory point to one packed member: each is read by itself, within its own claim."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("C/Windows/System32/config/SYSTEM", b"regf")
        archive.writestr("C/x0.wsb", bytes(1 << 20))
        kernel = archive.filelist[-1]
        for number in range(1, 50):
            twin = zipfile.ZipInfo(f"C/x{number}.wsb")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "flag_bits"):
                setattr(twin, name, getattr(kernel, name))
            archive.filelist.append(twin)
    evidence = open_evidence(path)
    found = evidence.find(["*.wsb"])
    readable = 0
    for item in found:
        try:
            readable += len(evidence.open(item.path).read())
        except OSError:
            continue
    assert readable <= 50 << 20


def test_a_link_member_is_not_followed_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("C/Windows/System32/config/SYSTEM", b"regf")
        for name, body in (("a", b"/etc/passwd"), ("b", b"b.wsb"), ("c", bytes(200 << 20))):
            info = zipfile.ZipInfo(f"C/{name}.wsb")
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, body)
    evidence = open_evidence(path)
    assert evidence.find(["*.wsb"]) == []
    assert {item.why for item in evidence.blocked(["*.wsb"])} == {"a link: not followed"}


def test_tar_members_that_lead_out_are_refused(tmp_path: Path, outside: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind, target in (
            ("C/l.wsb", tarfile.SYMTYPE, str(outside / "x.wsb")),
            ("C/h.wsb", tarfile.LNKTYPE, "/etc/passwd"),
            ("C/p.wsb", tarfile.FIFOTYPE, ""),
            ("C/d.wsb", tarfile.CHRTYPE, ""),
            ("../../up.wsb", tarfile.REGTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info, io.BytesIO(b""))
        for name in ("C/Windows/System32/config/SYSTEM", "C/real.wsb"):
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"regf"))
        info = tarfile.TarInfo("C/twin.wsb")
        info.type, info.linkname = tarfile.LNKTYPE, "C/real.wsb"
        archive.addfile(info)
    evidence = open_evidence(path)
    contents = {}
    for item in evidence.find(["*.wsb"]):
        try:
            contents[item.path] = evidence.open(item.path).read()
        except OSError:
            contents[item.path] = None
    assert contents == {"C:/real.wsb": b"regf", "C:/twin.wsb": b"regf"}
    assert len([item for item in evidence.refusals if item.fault == "refused"]) == 5


def test_a_tar_that_ends_early_keeps_what_it_has(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", under("C/", tree()))
    data = path.read_bytes()
    (tmp_path / "cut.tar").write_bytes(data[: len(data) * 2 // 3 // 512 * 512 + 100])
    evidence = open_evidence(tmp_path / "cut.tar")
    assert evidence.find(EVERY)


def test_a_packed_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    from forensics.evidence import tarball

    monkeypatch.setattr(tarball, "_LEAST", 1 << 20)
    monkeypatch.setattr(tarball, "_RATIO", 2)
    with gzip.open(tmp_path / "a.tar.gz", "wb") as handle:
        handle.write(bytes(30 << 20))
    with pytest.raises(EvidenceError, match="unpacks to more than"):
        open_evidence(tmp_path / "a.tar.gz")


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "zip"])
def test_cut_containers_are_no_crash(tmp_path: Path, suffix: str) -> None:
    files = under("C/", {name: data[:2000] for name, data in tree().items()})
    path = tmp_path / f"a.{suffix}"
    if suffix == "zip":
        zipped(path, files)
    else:
        tarred(path, files, "w:gz" if suffix.endswith("gz") else "w")
    data = path.read_bytes()
    for cut in range(1, len(data), max(1, len(data) // 40)):
        place = tmp_path / "cut"
        place.write_bytes(data[:cut])
        with contextlib.suppress(EvidenceError):  # one sentence; anything else is a failure
            open_evidence(place).find(EVERY)


# -- names and indexes -------------------------------------------------------------------------------------------------


def test_two_windows_that_differ_by_case_are_both_read(tmp_path: Path) -> None:
    top = folder(
        tmp_path / "in", {"C/Windows/System32/config/SYSTEM": b"one", "C/windows/system32/config/system": b"two"}
    )
    evidence = open_evidence(top)
    contents = {evidence.open(item.path).read() for item in evidence.find(["Windows/System32/config/SYSTEM"])}
    assert contents == {b"one", b"two"}
    assert any(item.fault == "name_collision" for item in evidence.refusals)


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"[]",
        b'{"ranges":[]}',
        b'{"ranges":[{"original_offset":0,"file_offset":-5,"file_length":10,"length":10}]}',
        b'{"ranges":[{"original_offset":50,"file_offset":0,"file_length":10,"length":10}]}',
        b'{"ranges":[{"length":99999999999999999,"file_length":1}]}',
        b'{"ranges":[7]}',
        b'{"ranges":{"a":1}}',
        b"[" * 50_000,
    ],
)
def test_an_index_that_lies_is_said_and_the_file_read_as_it_is(tmp_path: Path, index: bytes) -> None:
    path = zipped(tmp_path / "a.zip", {**SMALL, "C/x.wsb": b"0123456789", "C/x.wsb.idx": index})
    evidence = open_evidence(path)
    assert evidence.open("C:/x.wsb").read(100).startswith(b"0123456789")
    assert evidence.refusals


def test_holes_are_put_back(tmp_path: Path) -> None:
    ranges = [
        {"original_offset": 0, "length": 100},
        {"original_offset": 100, "file_offset": 0, "file_length": 4, "length": 4},
        {"original_offset": 104, "file_offset": 4, "length": 6},
        {"original_offset": 110, "file_offset": 4, "file_length": 4, "length": 4},
    ]
    index = json.dumps({"ranges": ranges}).encode()
    path = zipped(tmp_path / "a.zip", {**SMALL, "C/x.wsb": b"abcdefgh", "C/x.wsb.idx": index})
    evidence = open_evidence(path)
    (found,) = evidence.find(["*.wsb"])
    assert found.size == 14
    assert evidence.open(found.path).read() == b"abcd" + bytes(6) + b"efgh", "the hole at the start stays out"


def test_a_real_sparse_upload_that_was_cut_is_said(samples: Path) -> None:
    (path,) = (samples / "collections/velociraptor").glob("Collection-WIN-*.zip")
    evidence = open_evidence(path)
    assert [item.fault for item in evidence.refusals] == ["truncated"]
    assert evidence.find(["$Extend/$UsnJrnl:$J"])[0].size == 5120


@pytest.mark.parametrize(
    "index",
    [
        {"file_offset": None, "length": "x"},
        {"length": float("inf")},
        {"length": float("nan"), "file_length": 1},
        {"length": [1]},
        {"length": {"a": 1}},
        {"length": True},
        {"length": 10**400},
    ],
)
def test_an_index_of_no_numbers_costs_its_own_file_only(tmp_path: Path, index: dict[str, object]) -> None:
    text = json.dumps({"ranges": [index]}).replace("Infinity", "1e999").encode()
    files = {**SMALL, "C/a.wsb": b"<Configuration/>", "C/a.wsb.idx": text, "C/b.wsb": b"<Configuration/>"}
    evidence = open_evidence(folder(tmp_path / "in", files))
    assert [evidence.open(f"C:/{name}.wsb").read() for name in "ab"] == [b"<Configuration/>"] * 2
    assert [(item.path, item.fault) for item in evidence.refusals] == [("C:/a.wsb", "bad_record")]


# -- folders that change -----------------------------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["stepwise", "by path"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of opening a file: from folder to folder, and by its path with a look before and after."""
    from forensics.evidence import folder as module

    if request.param and not module._STEPWISE:
        pytest.skip("not on this system")
    monkeypatch.setattr(module, "_STEPWISE", request.param)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("swapped", ["in/C/Users", "in/C/Users/me", "in/C/Users/me/x.wsb", "in/C"])
def test_what_became_a_link_after_the_listing_is_not_followed(tmp_path: Path, outside: Path, swapped: str) -> None:
    top = folder(tmp_path / "in", SMALL | {"C/Users/me/x.wsb": b"<Configuration/>"})
    evidence = open_evidence(top)
    assert evidence.open("C:/Users/me/x.wsb").read() == b"<Configuration/>"
    place = tmp_path / swapped
    place.rename(tmp_path / "elsewhere")
    target = {"C": outside, "Users": outside / "Users", "me": outside / "Users/me"}
    place.symlink_to(target.get(place.name, outside / "Users/me/x.wsb"))
    with pytest.raises(OSError, match=r"\w"):
        evidence.open("C:/Users/me/x.wsb")


@pytest.mark.usefixtures("way")
def test_a_folder_that_becomes_a_link_while_it_is_listed(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from forensics.evidence import folder as module

    top = folder(tmp_path / "in", SMALL | {"C/Users/me/y.wsb": b"<Configuration/>"})
    listed = module._listed

    def swapping(where: Path, names: tuple[str, ...]) -> list[module._Entry]:
        if names == ("C", "Users"):
            (top / "C/Users").rename(tmp_path / "elsewhere")
            (top / "C/Users").symlink_to(outside / "Users")
        return listed(where, names)

    monkeypatch.setattr(module, "_listed", swapping)
    evidence = open_evidence(top)
    assert evidence.find(["**/*.wsb"]) == []
    assert ("C/Users", "unreadable") in [(item.path, item.fault) for item in evidence.refusals]


@pytest.mark.usefixtures("way")
def test_a_container_whose_folder_became_a_link_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from forensics.evidence import containers

    zipped(tmp_path / "in/sub/a.zip", SMALL)
    zipped(tmp_path / "examiner/a.zip", SMALL)
    real = containers.open_member

    def swapping(outer: Path, *rest: object, **more: object) -> object:
        (tmp_path / "in/sub").rename(tmp_path / "elsewhere")
        (tmp_path / "in/sub").symlink_to(tmp_path / "examiner")
        return real(outer, *rest, **more)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(containers, "open_member", swapping)
    with pytest.raises(EvidenceError, match=r"in/sub/a\.zip cannot be opened"):
        open_evidence(tmp_path / "in")


def test_the_folder_that_the_user_names_may_be_a_link(tmp_path: Path) -> None:
    folder(tmp_path / "real", SMALL)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert open_evidence(tmp_path / "link").find(EVERY)


def test_files_with_a_name_outside_are_said_once(tmp_path: Path) -> None:
    top = folder(tmp_path / "in", SMALL | {"C/a.wsb": b"a", "C/b.wsb": b"b", "C/c.wsb": b"c"})
    for name in "ab":
        os.link(top / f"C/{name}.wsb", tmp_path / f"{name}.out")
    os.link(top / "C/c.wsb", top / "C/d.wsb")
    (told,) = open_evidence(top).refusals
    assert (told.fault, told.path) == ("hard_link", "C/a.wsb")
    assert told.why.startswith("2 files")
