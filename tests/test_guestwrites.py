"""Context of the file system in folders that a guest could write to: out of real spools, and in a whole run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forensics import guestwrites
from forensics.case import Case
from forensics.guestwrites import guest_writes, is_file_table
from forensics.model import Fact, Source
from forensics.sessions.sandbox_writes import Area
from forensics.spool import encode_fact, open_spool
from tests.running import LAYOUTS, Run, timeline

START = datetime(2024, 12, 2, 4, 0, tzinfo=UTC)
AREA = Area("C:\\work", START, START + timedelta(hours=1))


def fact(path: str, minutes: float, kind: str = "usn.file_created") -> Fact:
    source = Source("case", "C:/$Extend/$J", "ab" * 32, f"USN {path} {minutes}")
    times = {"Creation Time": START + timedelta(minutes=minutes)}
    return Fact(kind, source, times, {"file_path": path}, context=True)


def spool(folder: Path, *facts: Fact, end: str = "") -> Path:
    path = folder / "001.context"
    with open_spool(path, "w") as handle:
        handle.writelines(encode_fact(item) + "\n" for item in facts)
        handle.write(end)
    return path


def test_only_what_lies_in_the_folder_and_its_time(tmp_path: Path) -> None:
    wanted = fact("C:\\Work\\sub\\a.exe", 5)
    rest = [
        fact("C:\\work\\a.exe", -5),
        fact("C:\\work\\a.exe", 61),
        fact("C:\\worker\\a.exe", 5),
        fact("D:\\work\\a.exe", 5),
    ]
    rest.append(fact("C:\\work\\a.exe", 5, "process.created"))
    found = guest_writes([spool(tmp_path, *rest, wanted)], [AREA])
    assert [item.source for item in found.facts] == [wanted.source]
    assert not found.facts[0].context
    assert (found.lost, found.cut) == ((), False)


def test_a_file_of_the_table_counts_by_its_birth(tmp_path: Path) -> None:
    source = Source("case", "C:/$MFT", "ab" * 32, "MFT record 7")
    read = {"Creation Time": START - timedelta(days=9), "Last Access Time": START + timedelta(minutes=1)}
    old = Fact("mft.entry", source, read, {"file_path": "C:\\work\\old.exe"}, context=True)
    new = fact("C:\\work\\new.exe", 5, "mft.entry")
    found = guest_writes([spool(tmp_path, old, new)], [AREA])
    assert [item.fields["file_path"] for item in found.facts] == ["C:\\work\\new.exe"]


def test_the_archive_that_the_guest_packed_is_in_the_session(shipped: Callable[[str], Run]) -> None:
    run = shipped("kape")
    first, second = run.document()["sandbox_sessions"]
    written = {(item["path"].rpartition("\\")[2], item["action"]) for item in first["host_writes"]}
    assert ("docs.rar", "created") in written
    assert second["host_writes"] == []
    known = {event.id for event in Case.load(run.case).events}
    assert set(first["events"]) & known


def test_two_hives_alone_give_the_two_sessions(tmp_path: Path) -> None:
    loose = tmp_path / "hives"
    loose.mkdir()
    for name in ("SYSTEM", "SOFTWARE"):
        (hive,) = LAYOUTS["kape"].rglob(f"config/{name}")
        shutil.copy(hive, loose / name)
    first, second = timeline(loose, tmp_path / "case").document()["sandbox_sessions"]
    assert (first["start"], first["launch"]["method"], first["launch"]["user_sid"]) == (
        "2024-12-02T03:30:00.214118+00:00", "task", "S-1-5-18",
    )  # fmt: skip
    assert first["end"].startswith("2024-12-02T08:47:12")
    assert (second["start"], second["start_earliest"], second["launch"]["user"]) == (None, None, "田中")
    assert second["start_latest"].startswith("2024-12-03T05:41:29")


def test_damaged_lines_are_told(tmp_path: Path) -> None:
    micro = int(START.timestamp()) * 1_000_000
    found = guest_writes([spool(tmp_path, fact("C:\\work\\a.exe", 5), end=f"no times\n[[{micro}],[\n")], [AREA])
    assert (len(found.facts), len(found.lost)) == (1, 2)


def test_a_flood_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guestwrites, "MOST", 3)
    found = guest_writes([spool(tmp_path, *(fact(f"C:\\work\\{number}.exe", 5) for number in range(9)))], [AREA])
    assert (len(found.facts), found.cut) == (3, True)


def test_without_an_open_folder_nothing_is_read(tmp_path: Path) -> None:
    assert guest_writes([tmp_path / "not there"], []).facts == ()


@pytest.mark.parametrize(("path", "wanted"), [
    ("C:/$MFT", True), ("C:/$Extend/$J", True), ("C:/$Extend/$UsnJrnl%3A$J", True), ("C:/$Extend/$UsnJrnl", True),
    ("C:/Windows/System32/winevt/Logs/Security.evtx", False), ("C:/Users/x/$I123456.wsb", False),
])  # fmt: skip
def test_names_of_tables_and_journals(path: str, wanted: bool) -> None:
    assert is_file_table(path) == wanted
