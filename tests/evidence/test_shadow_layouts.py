"""Collections with shadow copies beside the live volume, and what the collector wrote down about its files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testdata.collections import escape
from tests.evidence.layouts import Tree, folder, tree, under, zipped
from tests.running import KAPE_FOLDER, LAYOUTS, Run, fingerprint, timeline

WSB = "Users/田中/Documents/lab.wsb"
LOG = "Users/田中/.vscode/cli/tunnel-service.log"
PREFETCH = "Windows/Prefetch"
KEPT = ("Windows/System32/config/SYSTEM", "Windows/System32/config/SOFTWARE", WSB, LOG)
DEVICE = "\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy"
BORN = "2024-11-20 03:04:05.1234560"


def live() -> Tree:
    """What is left on the live volume: the configuration is deleted, the log begun anew."""
    files = {name: data for name, data in tree().items() if name in KEPT or name.startswith(PREFETCH)}
    del files[WSB]
    files[LOG] = b"".join(files[LOG].splitlines(keepends=True)[-3:])
    return files


def old() -> Tree:
    """What the shadow copy has that the live volume has not."""
    return {name: tree()[name] for name in (WSB, LOG)}


def same() -> Tree:
    """What is the same in both: KAPE leaves it out of the copy."""
    return {name: data for name, data in live().items() if name != LOG}


def copylog(files: Tree, prefix: str, base: str, born: str = BORN) -> str:
    rows = ["CopiedTimestamp,SourceFile,DestinationFile,FileSize,SourceFileSha1,DeferredCopy,CreatedOnUtc,"
            "ModifiedOnUtc,LastAccessedOnUtc,CopyDuration"]  # fmt: skip
    for name, data in files.items():
        windows = name.replace("/", "\\")
        sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        rows.append(
            f"2024-12-06 01:10:11.0000000,{prefix}{windows},E:\\out\\{base}\\{windows},{len(data)},{sha1},False,{born},"
            f"2024-12-01 01:01:01.0000000,2024-12-02 02:02:02.0000000,00:00:00.001"
        )
    return "\r\n".join(rows) + "\r\n"


def skiplog(files: Tree, number: int) -> str:
    rows = ["SourceFile,SourceFileSha1,Reason"]
    for name, data in files.items():
        sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        windows = name.replace("/", "\\")
        rows.append(f"{DEVICE}{number}\\{windows},{sha1},Deduped")
    rows.append(f"{DEVICE}{number}\\Users\\x\\never.wsb,{'0' * 40},Deduped")
    rows.append(f"{DEVICE}{number}\\Users\\x\\big.wsb,{'0' * 40},Excluded")
    return "\r\n".join(rows) + "\r\n"


def kape(now: Tree, before: Tree, left_out: Tree) -> Tree:
    """KAPE's folder: the drive by its letter, the shadow copy without, and its lists beside them."""
    stamp = "2024-12-06T01_10_11_0000000"
    listed = copylog(now, "C:\\", "C") + copylog(before, f"{DEVICE}1\\", "VSS1").partition("\r\n")[2]
    return {
        **under("C/", now),
        **under("VSS1/", before),
        f"{stamp}_(Multiple)_copylog.csv": b"\xef\xbb\xbf" + listed.encode(),
        f"{stamp}_(Multiple)_skiplog.csv": b"\xef\xbb\xbf" + skiplog(left_out, 1).encode(),
    }


def kape_folder(top: Path) -> Path:
    return folder(top / "in/WS-TANAKA", kape(live(), old(), same()))


def kape_zip(top: Path) -> Path:
    return zipped(top / "in/a.zip", under("WS-TANAKA/", kape(live(), old(), same())))


def velociraptor(accessor: str) -> Callable[[Path], Path]:
    """The live volume by `auto`, the shadow copy by its device; Velociraptor takes all of both."""

    def make(top: Path) -> Path:
        members = {}
        for start, device, files in (("auto", "C:", live()), (accessor, f"{DEVICE}2", same() | old())):
            for name, data in files.items():
                members["/".join(["uploads", start, *map(escape, [device, *name.split("/")])])] = data
        return zipped(top / "in/c.zip", members)

    return make


MAKERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "kape_folder": (kape_folder, "vss1"),
    "kape_zip": (kape_zip, "vss1"),
    "ntfs_vss": (velociraptor("ntfs_vss"), "vss2"),
    "ntfs": (velociraptor("ntfs"), "vss2"),
}


def seen(rows: list[dict[str, Any]], name: str) -> set[tuple[str, ...]]:
    return {tuple(row.get("seen_in", ())) for row in rows if row.get("source_path", "").endswith(name)}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_shadow_copy_beside_the_live_volume_is_a_view_of_it(tmp_path: Path, kind: str) -> None:
    make, view = MAKERS[kind]
    path = make(tmp_path)
    before = fingerprint(path)
    done = timeline(path, tmp_path / "case", "--all-events")
    assert done.code == 0, (done.err, done.lines("problems.jsonl"))
    assert fingerprint(path) == before
    rows = [*done.lines("timeline.jsonl"), *done.lines("undated.jsonl")]
    prefetch = [row for row in rows if row["kind"] == "prefetch.run"]
    assert prefetch
    assert {tuple(row.get("seen_in", ())) for row in prefetch} == {("live", view)}, (
        "left out as the same, and still seen there"
    )
    assert seen(rows, "/lab.wsb") == {(view,)}
    assert {row["source_path"] for row in rows if row.get("source_path", "").endswith("lab.wsb")} == {
        f"C:@{view}/{WSB}"
    }
    assert seen(rows, "/tunnel-service.log") == {(view,), ("live", view)}
    places = [(row["event_uid"], row.get("source_path")) for row in rows if row.get("source_path")]
    assert len(places) == len(set(places))
    assert [item["source"] for item in done.document()["sandbox_configs"]] == [f"C:/{WSB}"]


def test_what_only_a_shadow_copy_has_is_not_called_complete(tmp_path: Path) -> None:
    """The live log was not collected: what was written to it since the copy is not known."""
    log = "Windows/System32/winevt/Logs/Security.evtx"
    files = {name: data for name, data in tree().items() if name != log}
    done = timeline(
        folder(tmp_path / "in", {**under("C/", files), **under("VSS1/", {log: tree()[log]})}), tmp_path / "case"
    )
    rows = {row["artifact"]: row for row in done.document()["coverage"]}
    assert rows["event_process_audit"]["state"] == "partial"
    assert "live: not collected; read from vss1 only: security.evtx" in rows["event_process_audit"]["detail"]
    assert "vss1" not in rows["event_sysmon"]["detail"]


def test_a_copy_under_another_name_lends_its_content_not_its_times(tmp_path: Path) -> None:
    content = live() | {"Users/田中/kept.wsb": tree()[WSB]}
    path = folder(tmp_path / "in", kape(content, {LOG: old()[LOG]}, {WSB: tree()[WSB]}))
    done = timeline(path, tmp_path / "case")
    listed = read_files(done)
    assert set(listed["C:/Users/田中/kept.wsb"]["times"]) > {"Creation Time"}
    (copied,) = [item for place, item in listed.items() if place.startswith("C:@vss1/") and place.endswith(".wsb")]
    assert (copied["path"].casefold(), copied["times"]) == (f"C:@vss1/{WSB}".casefold(), {})
    assert copied["sha256"] == listed["C:/Users/田中/kept.wsb"]["sha256"]


def test_what_the_skip_list_does_not_explain_is_not_invented(tmp_path: Path) -> None:
    """Only files whose content was copied from the live volume count as seen in the shadow copy."""
    some = {name: data for name, data in same().items() if "SYSTEM" in name or "CODE" in name.upper()}
    path = folder(tmp_path / "in", kape(live(), old(), some))
    rows = timeline(path, tmp_path / "case", "--all-events").lines("timeline.jsonl")
    prefetch = {(row["source_path"].rpartition("/")[2], tuple(row.get("seen_in") or ())) for row in rows
                if row["kind"] == "prefetch.run"}  # fmt: skip
    both = {name for name, views in prefetch if views == ("live", "vss1")}
    assert both == {name.rpartition("/")[2] for name in some if name.endswith(".pf")}
    assert {name for name, views in prefetch if "vss1" not in views}
    assert not [row for row in rows if "never.wsb" in json.dumps(row) or "big.wsb" in json.dumps(row)]


# -- what the collector noted ------------------------------------------------------------------------------------------


def read_files(done: Run) -> dict[str, dict[str, Any]]:
    listed = json.loads((done.case / "run.json").read_text(encoding="utf-8"))["files_read"]
    return {item["path"]: item for item in listed}


def test_original_times_and_hashes_of_kape_come_out(tmp_path: Path) -> None:
    done = timeline(kape_folder(tmp_path), tmp_path / "case")
    listed = read_files(done)
    for path, data in ((f"C:@vss1/{WSB}", old()[WSB]), (f"C:/{LOG}", live()[LOG]), (f"C:@vss1/{LOG}", old()[LOG])):
        entry = listed[path]
        assert entry["noted"] == {"sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest()}
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["times"] == {
            "Creation Time": "2024-11-20T03:04:05.123456+00:00",
            "Content Modification Time": "2024-12-01T01:01:01.000000+00:00",
            "Last Access Time": "2024-12-02T02:02:02.000000+00:00",
        }
    rows = [row for row in done.lines("timeline.jsonl") if row.get("source_path") == f"C:@vss1/{WSB}"]
    assert {(row["timestamp_desc"], row["datetime"][:19]) for row in rows} >= {
        ("Creation Time", "2024-11-20T03:04:05"),
        ("Content Modification Time", "2024-12-01T01:01:01"),
    }
    assert {row["source_sha256"] for row in rows} == {hashlib.sha256(old()[WSB]).hexdigest()}


def test_velociraptors_hashes_and_all_four_times_come_out(tmp_path: Path) -> None:
    done = timeline(LAYOUTS["velociraptor"], tmp_path / "case")
    entry = read_files(done)[f"C:/{LOG}"]
    assert entry["noted"] == {"sha256": entry["sha256"]} == {"sha256": hashlib.sha256(tree()[LOG]).hexdigest()}
    assert set(entry["times"]) == {
        "Creation Time", "Content Modification Time", "Metadata Modification Time", "Last Access Time",
    }  # fmt: skip


def test_what_no_list_names_has_no_times_but_its_hash(tmp_path: Path) -> None:
    top = tmp_path / "in"
    shutil.copytree(KAPE_FOLDER, top, ignore=shutil.ignore_patterns("*_copylog.csv"))
    done = timeline(top, tmp_path / "case")
    entry = read_files(done)[f"C:/{LOG}"]
    assert (entry["noted"], entry["times"]) == ({}, {}), "the copy's own times mean nothing"
    assert entry["sha256"] == hashlib.sha256(tree()[LOG]).hexdigest()


@pytest.mark.parametrize("where", ["C", "VSS1"])
def test_a_file_that_changed_since_is_said_for_its_own_view(tmp_path: Path, where: str) -> None:
    path = kape_folder(tmp_path)
    place = path / where / LOG
    place.write_bytes(place.read_bytes() + b"[2024-12-05 00:00:00] info planted\n")
    done = timeline(path, tmp_path / "case")
    (row,) = [row for row in done.lines("problems.jsonl") if row["fault"] == "hash_mismatch"]
    assert row["source"]["path"] == f"{'C:' if where == 'C' else 'C:@vss1'}/{LOG}"
    assert done.code != 0


def test_the_saved_case_keeps_the_list(tmp_path: Path) -> None:
    from forensics.case import Case

    done = timeline(kape_folder(tmp_path), tmp_path / "case")
    again = Case.load(done.case).save(tmp_path / "again")
    assert read_files(Run(0, "", "", again)) == read_files(done)


# -- sparse uploads ----------------------------------------------------------------------------------------------------


def test_a_sparse_journal_is_read_by_its_index_in_both_views(tmp_path: Path) -> None:
    """`$J` is uploaded without the hole in front of it: offsets in the rows are those of the journal itself."""
    journal = tree()["$Extend/$J"]
    hole = 1 << 20
    index = {
        "ranges": [
            {"file_offset": 0, "original_offset": 0, "file_length": 0, "length": hole},
            {"file_offset": 0, "original_offset": hole, "file_length": len(journal), "length": len(journal)},
        ]
    }
    members: Tree = {f"uploads/auto/C%3A/{name}": data for name, data in live().items()}
    for device in ("\\\\.\\C:", f"{DEVICE}1"):
        parts = [device, "$Extend", "$UsnJrnl:$J"]
        place = "/".join(["uploads", "ntfs", *map(escape, parts)])
        members |= {place: journal, f"{place}.idx": json.dumps(index).encode()}
    members["uploads/ntfs/" + "/".join(map(escape, [f"{DEVICE}1", *WSB.split("/")]))] = old()[WSB]
    done = timeline(zipped(tmp_path / "c.zip", members), tmp_path / "case", "--all-events")
    rows = [row for row in done.lines("timeline.jsonl") if row.get("usn")]
    shipped = timeline(LAYOUTS["velociraptor"], tmp_path / "shipped", "--all-events").lines("timeline.jsonl")
    assert {tuple(row.get("seen_in", ())) for row in rows} == {("live", "vss1")}
    known = {(row["usn"], row["source_locator"]) for row in shipped if row.get("usn")}
    assert {(row["usn"], row["source_locator"]) for row in rows} <= known
