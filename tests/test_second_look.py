"""What a guest leaves in its folders, whatever the name: whole runs over hosts whose $MFT and journal hold it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from forensics.case import Case
from forensics.formats.mft import Entry, TableReader
from testdata import collections
from testdata.host import FileRecord, Host, scenario
from testdata.render import Files
from testdata.triage import taken
from tests.running import Run, timeline

GFX, KX = "C:\\ProgramData\\IntelGfx\\", "C:\\Users\\Public\\kx\\"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(f"2025-02-{text}+00:00")


def _file(path: str, birth: str, size: int | None = 300, **more: Any) -> FileRecord:  # of any field
    more = {name: _at(value) if name in ("mtime", "deleted") else value for name, value in more.items()}
    return FileRecord(path=path, birth=_at(birth), size=None if "text" in more else size, **more)


LEFT = (
    _file(GFX + "report.dat", "03T04:30:00"),
    _file(GFX + "sub\\index", "03T04:31:00", deleted="03T10:00:00"),
    _file(GFX + "earlier.q", "01T04:00:00", mtime="03T05:00:00"),
    _file(GFX + "before.q", "01T04:00:00"),
    _file(GFX + "after.q", "03T12:00:00"),
    _file("C:\\ProgramData\\IntelGfx2\\beside.q", "03T04:30:00"),
)
WRITTEN = {("report.dat", "created"), ("index", "created"), ("earlier.q", "written"), ("out.rar", "created")}


def _without(mark: str, files: Files) -> Files:
    return {path: file for path, file in files.items() if mark not in path}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Host, str], Run]:
    def run(host: Host, lacks: str) -> Run:
        top = tmp_path_factory.mktemp("second")
        files = _without(lacks, taken(host)) if lacks else taken(host)
        return timeline(collections.kape(host, files, top / "evidence"), top / "case")

    return run


@pytest.fixture(scope="module")
def task(ran: Callable[[Host, str], Run]) -> Callable[[str], Run]:
    host = scenario("sandbox-system-task")
    known: dict[str, Run] = {}
    make = partial(ran, replace(host, files=(*host.files, *LEFT)))
    return lambda lacks: known[lacks] if lacks in known else known.setdefault(lacks, make(lacks))


def _told(session: dict[str, Any], text: str) -> str:
    return str(next(reason for reason in session["reasons"] if text in reason))


def _names(session: dict[str, Any]) -> set[tuple[str, str]]:
    return {(item["path"].rpartition("\\")[2], item["action"]) for item in session["host_writes"]}


@pytest.mark.parametrize("lacks", ["", "$J"])
def test_every_change_in_the_folder_is_told_and_no_other(task: Callable[[str], Run], lacks: str) -> None:
    (session,) = task(lacks).document()["sandbox_sessions"]
    assert _names(session) == WRITTEN
    known = {event.id: event for event in Case.load(task(lacks).case).events}
    rows = [known[ident] for ident in session["events"] if known[ident].get("file_rule") == "FS-90"]
    assert {row.get("file_name") for row in rows} >= {"report.dat", "index", "earlier.q"}
    assert not [row for row in known.values() if row.get("file_name") in ("before.q", "after.q", "beside.q")]


def test_a_table_alone_is_said_to_keep_only_the_last_state(task: Callable[[str], Run]) -> None:
    (whole,), (alone,) = (task(lacks).document()["sandbox_sessions"] for lacks in ("", "$J"))
    assert "last state" in _told(alone, "changes of files")
    assert "last state" not in _told(whole, "changes of files")


def test_without_such_a_folder_nothing_is_added(ran: Callable[[Host, str], Run]) -> None:
    host = scenario("sandbox-no-auditing")
    more = tuple(replace(file, path=file.path.replace("IntelGfx", "Elsewhere")) for file in LEFT)
    names = {
        event.get("file_name") for event in Case.load(ran(replace(host, files=(*host.files, *more)), "").case).events
    }
    assert not names & {file.path.rpartition("\\")[2] for file in LEFT}


@pytest.fixture(scope="module")
def cleaned(ran: Callable[[Host, str], Run]) -> dict[str, Any]:
    """The session whose go.cmd is deleted, and 41 bytes long: its record holds it."""
    host = scenario("sandbox-wsb-deleted")
    more = (
        _file(KX + "lib.ps1", "03T01:19:30", text="Write-Output 1\n"),
        _file(KX + "old.ps1", "01T01:19:30", text="Write-Output 2\n"),
    )
    (found,) = ran(replace(host, files=(*host.files, *more)), "").document()["sandbox_sessions"]
    return dict(found)


def test_the_content_of_the_logon_command(cleaned: dict[str, Any]) -> None:
    reason = _told(cleaned, "it was told to run C:\\Users\\Public\\kx\\go.cmd (a deleted file)")
    assert "@rem harmless placeholder | @exit /b 0 [" in reason
    assert "SHA-256 3da46fb0339ae85bc3f220778f5aad3bcf813e200042f8dacd4e0f6b8e08c444" in reason


def test_other_scripts_are_named_where_they_may_belong_to_it(cleaned: dict[str, Any]) -> None:
    reason = _told(cleaned, "nothing tells that it ran them")
    assert "lib.ps1" in reason
    assert "old.ps1" not in reason, "neither deleted nor new"


def test_what_wsb_exec_ran_in_a_folder_shared_later(ran: Callable[[Host, str], Run]) -> None:
    host = scenario("sandbox-cli-24h2")
    script = _file(
        "C:\\Users\\Public\\Documents\\drop\\run.bat", "03T05:10:00", text="@echo placeholder\n", deleted="03T06:00:00"
    )
    files = tuple(file for file in host.files if not file.path.endswith("run.bat"))
    (session,) = ran(replace(host, files=(*files, script)), "").document()["sandbox_sessions"]
    assert "@echo placeholder" in _told(session, "it was told to run C:\\Users\\Public\\Documents\\drop\\run.bat")


def test_a_deletion_in_a_journal_without_a_table_is_told(ran: Callable[[Host, str], Run]) -> None:
    (session,) = ran(scenario("sandbox-wsb-deleted"), "$MFT").document()["sandbox_sessions"]
    assert "it was removed" in _told(session, "the launch names")
    assert "deleted at 2025-02-03 01:50:31" in _told(session, "its whole path is not known")


def test_a_broken_table_is_said_once_and_the_journal_still_tells(
    ran: Callable[[Host, str], Run], tmp_path: Path
) -> None:
    host = scenario("sandbox-system-task")
    host = replace(host, files=(*host.files, *LEFT))
    files = taken(host)
    table = files["$MFT"]
    files = files | {"$MFT": table._replace(data=table.data.replace(b"FILE", b"RUBB"))}
    run = timeline(collections.kape(host, files, tmp_path / "evidence"), tmp_path / "case")
    document = run.document()
    faults = [(item["artifact"], item["fault"]) for item in document["problems"]]
    assert faults.count(("mft_entries", "unreadable")) == 1
    assert len(document["sandbox_sessions"]) == 1


def test_a_table_damaged_in_the_middle_hides_no_write(tmp_path: Path) -> None:
    """The journal still names file and folder, though no longer all folders above."""
    host = scenario("sandbox-system-task")
    files = taken(host)
    data = bytearray(files["$MFT"].data)
    (at,) = [item.number * 1024 for item in TableReader(io.BytesIO(data))
             if isinstance(item, Entry) and "ProgramData" in [name.name for name in item.names]]  # fmt: skip
    data[at : at + 1024] = b"\x5a" * 1024
    files = files | {"$MFT": files["$MFT"]._replace(data=bytes(data))}
    document = timeline(collections.kape(host, files, tmp_path / "evidence"), tmp_path / "case").document()
    (session,) = document["sandbox_sessions"]
    assert "the folder is not wholly known; damaged records of the $MFT: 1" in _told(
        session, "whether that is all that was"
    )
    assert ("out.rar", "created") in _names(session)
    assert [item["fault"] for item in document["problems"] if item["artifact"] == "usn_journal"] == ["partial"]


def test_a_damaged_beginning_of_the_table_costs_that_and_no_more(tmp_path: Path) -> None:
    host = scenario("sandbox-system-task")
    files = taken(host)
    data = b"\x5a" * 4096 + files["$MFT"].data[4096:]
    files = files | {"$MFT": files["$MFT"]._replace(data=data)}
    document = timeline(collections.kape(host, files, tmp_path / "evidence"), tmp_path / "case").document()
    faults = [item["fault"] for item in document["problems"] if item["artifact"] == "mft_entries"]
    assert faults == ["bad_record"] * 4
    assert ("out.rar", "created") in _names(document["sandbox_sessions"][0])


def test_the_whole_timeline_has_each_row_once(tmp_path: Path) -> None:
    host = scenario("sandbox-system-task")
    host = replace(host, files=(*host.files, *LEFT))
    run = timeline(collections.kape(host, taken(host), tmp_path / "evidence"), tmp_path / "case", "--all-events")
    rows = run.lines("timeline.jsonl")
    assert len({row["event_uid"] for row in rows if "event_uid" in row}) == len(
        [row for row in rows if "event_uid" in row]
    )
    assert {"report.dat", "earlier.q"} <= {row.get("file_name") for row in rows}


@pytest.mark.parametrize("place", ["C:\\Users\\Public\\kx", "C:\\Work\\kx"])  # told by a rule, and by none
def test_what_it_was_given_and_was_removed_is_the_sessions(tmp_path: Path, place: str) -> None:
    host = scenario("sandbox-wsb-deleted")
    moved = tuple(
        replace(file, path=file.path.replace(KX[:-1], place) if file.path.startswith(KX) else file.path,
                text=file.text.replace(KX[:-1], place) if file.text else file.text)
        for file in host.files
    )  # fmt: skip
    host = replace(host, files=moved)
    run = timeline(collections.kape(host, taken(host), tmp_path / "evidence"), tmp_path / "case")
    document = run.document()
    (session,) = document["sandbox_sessions"]
    assert "2025-02-03 01:50:31" in _told(session, f"the script that it was told to run, {place}\\go.cmd was deleted")
    assert "after it ended" in _told(session, f"its mapped folder {place} was deleted")
    signs = [sign for sign in document["anti_forensics"] if sign["kind"] == "given_removed"]
    assert len(signs) == 2
    assert {ident for sign in signs for ident in sign["events"]} <= set(session["events"])
