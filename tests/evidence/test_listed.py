"""Files that the collector recorded and that are gone, and files that it did not record."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from forensics.evidence import OpenedEvidence, open_evidence
from tests.evidence.layouts import Tree, folder, shipped_members, tarred, under, zipped
from tests.running import KAPE_FOLDER, timeline, tool

LOG = "C/Windows/System32/winevt/Logs/Security.evtx"
SMALL = {"Windows/System32/config/SYSTEM": b"regf", "Users/田中/x.wsb": b"<Configuration/>"}
HEAD = ["CopiedTimestamp", "SourceFile", "DestinationFile", "FileSize", "SourceFileSha1"]


def copylog(rows: list[tuple[str, str, bytes]]) -> bytes:
    """KAPE's list: source, where it was put, content."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(HEAD)
    for source, place, data in rows:
        sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        table.writerow(["2024-12-06 01:10:11.0", source, place, len(data), sha1])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def row(name: str, top: str = "E:\\triage\\WS\\C", data: bytes = b"x") -> tuple[str, str, bytes]:
    windows = name.replace("/", "\\")
    return f"C:\\{windows}", f"{top}\\{windows}", data


def lost(evidence: OpenedEvidence) -> list[tuple[str, str]]:
    return [(item.path, item.why) for item in evidence.refusals if item.fault == "listed_missing"]


def kape(top: Path, rows: list[tuple[str, str, bytes]], files: Tree) -> OpenedEvidence:
    return open_evidence(folder(top / "in", files | {"WS/2024_copylog.csv": copylog(rows)}))


ALL = [row(name, data=data) for name, data in SMALL.items()]


# -- the whole tool ----------------------------------------------------------------------------------------------------


def without_log(top: Path) -> Path:
    shutil.copytree(KAPE_FOLDER, top / "k")
    (top / "k" / LOG).unlink()
    return top / "k"


def without_upload(top: Path) -> Path:
    gone = f"uploads/auto/{LOG.replace('C/', 'C%3A/', 1)}"
    return zipped(top / "v.zip", {name: data for name, data in shipped_members().items() if name != gone})


@pytest.mark.parametrize("make", [without_log, without_upload])
def test_a_log_that_was_taken_out_is_noticed(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    checked = tool("verify", path, "--json")
    assert checked.returncode == 5
    assert json.loads(checked.stdout)["faults"] == [f"C:{LOG[1:]}: listed by the collector, missing now"]
    done = timeline(path, tmp_path / "case")
    assert done.code == 3, done.err
    (problem,) = done.lines("problems.jsonl")
    assert (problem["fault"], problem["source"]["path"]) == ("listed_missing", f"C:{LOG[1:]}")
    states = {item["artifact"]: item for item in done.document()["coverage"]}
    wanted = states["event_process_audit"]
    assert (wanted["state"], "listed by the collector, missing now" in wanted["detail"]) == ("unreadable", True)
    assert not any("not in the collection" in item["detail"] and "Security" in str(item["sought"])
                   for item in states.values())  # fmt: skip
    partial = [item for item in states.values() if "security.evtx" in item["detail"].casefold()]
    assert not any("not collected: " in item["detail"] and "security.evtx" in item["detail"].partition(
        "not collected: ")[2] for item in partial)  # fmt: skip


def test_a_whole_collection_has_nothing_missing_and_added_files_are_counted(tmp_path: Path) -> None:
    shutil.copytree(KAPE_FOLDER, tmp_path / "k")
    assert json.loads(tool("verify", tmp_path / "k", "--json").stdout)["notes"][-1].startswith("0 files")
    (tmp_path / "k/C/Users/planted.wsb").write_text("<Configuration/>")
    done = tool("verify", tmp_path / "k", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["notes"][-1] == "1 files that no list of the collector names"


# -- KAPE's list -------------------------------------------------------------------------------------------------------


def test_where_the_list_lies_and_what_holds_it_do_not_matter(tmp_path: Path) -> None:
    files = {**under("WS/C/", SMALL), "WS/2024_copylog.csv": copylog([*ALL, row("Users/gone.wsb")])}
    for path in (
        folder(tmp_path / "in", files),
        zipped(tmp_path / "a.zip", files),
        tarred(tmp_path / "a.tar.gz", files, "w:gz"),
        zipped(tmp_path / "b.zip", {"a.zip": (tmp_path / "a.zip").read_bytes()}),
        folder(tmp_path / "moved", {**under("x/C/", SMALL), "x/logs/2024_copylog.csv": files["WS/2024_copylog.csv"]}),
    ):
        evidence = open_evidence(path)
        assert [name for name, _ in lost(evidence)] == ["C:/Users/gone.wsb"], path
        assert evidence.unlisted == 0


def test_a_missing_file_is_there_but_shut(tmp_path: Path) -> None:
    evidence = kape(tmp_path, [*ALL, row("Users/gone.wsb")], under("WS/C/", SMALL))
    assert [item.path for item in evidence.find(["Users/*.wsb"])] == []
    assert [(item.path, item.why) for item in evidence.blocked(["Users/*.wsb"])] == [
        ("C:/Users/gone.wsb", "listed by the collector, missing now")
    ]


def test_names_that_a_copy_changed_are_no_loss(tmp_path: Path) -> None:
    long = "Users/x/" + "long" * 60 + "/a.wsb"
    rows = [
        *ALL,
        ("C:\\$Extend\\$UsnJrnl:$J", "E:\\t\\WS\\C\\$Extend\\$J", b"x"),
        row(long),
        row("Users/鈴木/y.wsb"),
        row("users/CASE/Z.WSB"),
    ]
    there = {"$Extend/$J": b"x", "Users/??/y.wsb": b"x", "Users/case/z.wsb": b"x"}
    files = {**under("WS/C/", SMALL | there), "WS/LongFileNames/1": b"x"}
    path = zipped(tmp_path / "a.zip", files | {"WS/2024_copylog.csv": copylog(rows)})
    assert lost(open_evidence(path)) == []
    del files["WS/LongFileNames/1"]
    path = zipped(tmp_path / "b.zip", files | {"WS/2024_copylog.csv": copylog(rows)})
    assert [name for name, _ in lost(open_evidence(path))] == [f"C:/{long}"]


def test_shadow_copies_and_other_volumes(tmp_path: Path) -> None:
    device = "\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy1"
    rows = [
        *ALL,
        (f"{device}\\Users\\old.wsb", "E:\\t\\WS\\VSS1\\Users\\old.wsb", b"x"),
        (f"{device}\\Users\\lost.wsb", "E:\\t\\WS\\VSS1\\Users\\lost.wsb", b"x"),
        ("D:\\work\\d.wsb", "E:\\t\\WS\\D\\work\\d.wsb", b"x"),
        ("D:\\work\\lost.wsb", "E:\\t\\WS\\D\\work\\lost.wsb", b"x"),
        ("F:\\a.wsb", "E:\\t\\WS\\F\\a.wsb", b"x"),
        ("F:\\b.wsb", "E:\\t\\WS\\F\\b.wsb", b"x"),
    ]
    files = {**under("WS/C/", SMALL), "WS/VSS1/Users/old.wsb": b"x", "WS/D/work/d.wsb": b"x"}
    said = lost(kape(tmp_path, rows, files))
    assert [name for name, _ in said] == ["C:@vss1/Users/lost.wsb", "D:/work/lost.wsb", "f:"]
    assert said[-1][1].startswith("2 files of it are listed")


def test_what_was_left_out_as_the_same_is_no_loss(tmp_path: Path) -> None:
    sha1 = hashlib.sha1(SMALL["Users/田中/x.wsb"], usedforsecurity=False).hexdigest()
    skipped = f"SourceFile,SourceFileSha1,Reason\r\nC:\\Users\\skipped.wsb,{sha1},Deduped\r\n"
    files = {**under("WS/C/", SMALL), "WS/2024_skiplog.csv": skipped.encode()}
    assert lost(kape(tmp_path, ALL, files)) == []


def test_many_missing_files_are_summed_up(tmp_path: Path) -> None:
    rows = [*ALL, *(row(f"Users/{number}.wsb") for number in range(500))]
    evidence = kape(tmp_path, rows, under("WS/C/", SMALL))
    said = lost(evidence)
    assert len(said) == 51
    assert said[-1][1].startswith("450 more files")
    assert len(evidence.blocked(["Users/*.wsb"])) == 500


def test_a_list_that_makes_no_sense_says_nothing(tmp_path: Path) -> None:
    rows = [*ALL, ("", "E:\\x", b""), ("C:\\x", "", b""), ("\\\\", "\\\\", b""), ("C:", "C:", b"")]
    said = lost(kape(tmp_path, rows, under("WS/C/", SMALL)))
    assert all("x" not in name for name, _ in said)


# -- Velociraptor's lists ----------------------------------------------------------------------------------------------


def uploads(rows: list[dict[str, object]], files: Tree, top: Path) -> OpenedEvidence:
    members = {f"uploads/auto/C%3A/{name}": data for name, data in files.items()}
    return open_evidence(zipped(top / "c.zip", members | {"uploads.json": "\n".join(map(json.dumps, rows)).encode()}))


def upload(name: str, size: int = 1, sent: int = 1, kind: str = "") -> dict[str, object]:
    steps = ["uploads", "auto", "C:", *name.split("/")]
    return {"_Components": steps, "file_size": size, "uploaded_size": sent, "Type": kind}


def test_an_upload_and_an_index_that_are_gone(tmp_path: Path) -> None:
    rows = [*map(upload, SMALL), upload("Users/gone.wsb"), upload("Users/田中/x.wsb", kind="idx")]
    evidence = uploads(rows, SMALL, tmp_path)
    assert [name for name, _ in lost(evidence)] == ["C:/Users/gone.wsb", "C:/Users/田中/x.wsb.idx"]
    assert evidence.unlisted == 0


def test_what_was_not_uploaded_is_no_loss(tmp_path: Path) -> None:
    rows = [*map(upload, SMALL), upload("Users/failed.bin", 100, 0)]
    odd: list[dict[str, object]] = [{"_Components": None}, {"_Components": ["uploads"]}, {"_Components": [1, None]}]
    assert lost(uploads([*rows, *odd], SMALL, tmp_path)) == []


def test_files_that_were_only_hashed_are_no_loss_and_uploads_alone_tell(tmp_path: Path) -> None:
    """Where `uploads.json` is there, it alone says what was uploaded; result rows name files that were only hashed."""
    hashed = {"SourceFile": "C:\\x\\code.exe", "DestinationFile": "C:\\x\\code.exe", "SourceFileSha256": "a" * 64}
    members = {f"uploads/auto/C%3A/{name}": data for name, data in SMALL.items()}
    members["results/Windows.Triage.Targets%2FUploads.json"] = json.dumps(hashed).encode()
    listed = "\n".join(json.dumps(upload(name)) for name in SMALL).encode()
    assert lost(open_evidence(zipped(tmp_path / "a.zip", members | {"uploads.json": listed}))) == []
    assert [name for name, _ in lost(open_evidence(zipped(tmp_path / "b.zip", members)))] == ["C:/x/code.exe"]


def test_real_collections_miss_nothing(samples: Path) -> None:
    (path,) = (samples / "collections/velociraptor").glob("Collection-WIN*.zip")
    evidence = open_evidence(path)
    assert (lost(evidence), evidence.unlisted) == ([], 0)
    with zipfile.ZipFile(path) as archive:
        assert "uploads.json" in archive.namelist()
