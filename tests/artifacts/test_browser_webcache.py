"""WebCache: a built database, read a second time by dissect's plugin for Internet Explorer."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dissect.database.ese import ESE
from dissect.target import Target
from dissect.target.plugins.apps.browser.iexplore import InternetExplorerPlugin, WebCache

from forensics.artifacts.browser_webcache import ARTIFACT
from forensics.model import Fact, Problem
from forensics.times import to_filetime
from testdata.writers.ese import LONG, LONG_BINARY, LONG_LONG, LONG_TEXT, database
from tests.artifacts.file_inputs import run as run_file

PATH = "C:/Users/田中/AppData/Local/Microsoft/Windows/WebCache/WebCacheV01.dat"
START = datetime(2024, 12, 4, 1, 2, 11, 123456, tzinfo=UTC)
CLI = "https://az764295.vo.msecnd.net/stable/x/vscode_cli_win32_x64_cli.zip"
TARGET = "C:\\Users\\田中\\Downloads\\vscode_cli_win32_x64_cli.zip"
CONTAINERS = {"ContainerId": LONG_LONG, "Name": LONG_TEXT, "Directory": LONG_TEXT}
ENTRIES = {
    "EntryId": LONG_LONG, "AccessCount": LONG, "AccessedTime": LONG_LONG, "CreationTime": LONG_LONG,
    "ModifiedTime": LONG_LONG, "FileSize": LONG_LONG, "Url": LONG_TEXT, "Filename": LONG_TEXT,
    "ResponseHeaders": LONG_BINARY,
}  # fmt: skip
HEADERS = "\x00".join(
    ["\x01\x02", "https://code.visualstudio.com/Download", "application/zip", "C:\\Temp\\x.tmp", CLI, TARGET, ""]
).encode("utf-16-le")


def at(minutes: int) -> int:
    return to_filetime(START + timedelta(minutes=minutes))


VISITS = [
    {"EntryId": 1, "AccessCount": 3, "AccessedTime": at(0), "Url": "Visited: 田中@https://microsoft.com/devicelogin"},
    {"EntryId": 2, "AccessCount": 1, "AccessedTime": at(1), "Url": "Visited: 田中@https://example.com/?code=abc&x=a@b"},
    {"EntryId": 3, "AccessCount": 1, "AccessedTime": at(2), "Url": "Visited: 田中@file:///C:/My%20Docs/lab.wsb"},
    {"EntryId": 4, "AccessCount": 1, "AccessedTime": 0, "Url": "Visited: 田中@https://example.com/"},
]
LOADS = [{"EntryId": 1, "AccessedTime": at(3), "FileSize": 9000, "ResponseHeaders": HEADERS, "Url": "iedownload:{x}"}]
CACHE = [
    {"EntryId": 1, "AccessCount": 1, "AccessedTime": at(5), "CreationTime": at(4), "FileSize": 77, "Url": CLI,
     "Filename": "vscode_cli[1].zip"},
    {"EntryId": 2, "AccessCount": 1, "AccessedTime": at(5), "Url": "https://example.com/a.png", "Filename": "a[1].png"},
]  # fmt: skip
LIST = [
    {"ContainerId": 1, "Name": "History", "Directory": "C:\\h"},
    {"ContainerId": 2, "Name": "iedownload"},
    {"ContainerId": 3, "Name": "Content"},
    {"ContainerId": 4, "Name": "Cookies"},
]


def build(state: int = 3) -> bytes:
    tables = {"Containers": (CONTAINERS, LIST)}
    for number, rows in enumerate((VISITS, LOADS, CACHE), 1):
        tables[f"Container_{number}"] = (ENTRIES, rows)
    return database(tables, state=state)


def run(data: bytes, path: str = PATH) -> tuple[list[Fact], list[Problem]]:
    return run_file(ARTIFACT, path, data)


def test_visits_downloads_and_the_cache() -> None:
    facts, problems = run(build())
    assert problems == []
    login, code, opened, timeless, load, cached = facts
    assert login.times == {"Last Visited Time": START}
    assert login.fields == {
        "url": "https://microsoft.com/devicelogin",
        "user_name": "田中",
        "visit_count": 3,
        "browser": "Internet Explorer or WinINet",
        "profile_user": "田中",
        "database_state": "clean",
    }
    assert login.source.locator == "Container_1 EntryId 1"
    assert code.fields["url"] == "https://example.com/?code=<secret>&x=a@b"
    assert opened.fields["file_path"] == "C:\\My Docs\\lab.wsb"
    assert timeless.no_times == {"Last Visited Time": "zero: never set (0x0000000000000000)"}
    assert load.times == {"End Time": START + timedelta(minutes=3)}
    assert (load.fields["url"], load.fields["file_path"]) == (CLI, TARGET)
    assert load.fields["referrer_url"] == "https://code.visualstudio.com/Download"
    assert (load.fields["mime_type"], load.fields["bytes_received"]) == ("application/zip", 9000)
    assert cached.kind == "browser.cached"
    assert cached.times == {
        "Creation Time": START + timedelta(minutes=4),
        "Last Visited Time": START + timedelta(minutes=5),
    }
    assert (cached.fields["url"], cached.fields["file_name"]) == (CLI, "vscode_cli[1].zip")
    assert [fact.context for fact in facts] == [False, True, False, True, False, False]


def test_another_reader_finds_the_same() -> None:
    data = build()
    assert next(table.name for table in ESE(io.BytesIO(data)).tables()) == "Containers"
    reader = InternetExplorerPlugin.__new__(InternetExplorerPlugin)
    reader.target = Target()
    reader.target.os = "windows"
    reader._iter_cache = lambda: iter([(None, Path("x"), WebCache(reader.target, io.BytesIO(data)))])
    facts, _ = run(data)
    visits = [fact for fact in facts if fact.kind == "browser.visited"]
    theirs = list(reader.history())
    assert len(theirs) == len(visits) == 4
    for record, fact in zip(theirs, visits, strict=True):
        assert fact.source.locator == f"Container_1 EntryId {record.id}"
        assert str(record.url).replace("code=abc", "code=<secret>") == fact.fields["url"]
        assert record.visit_count == fact.fields["visit_count"]
        if record.ts:
            assert abs(fact.times["Last Visited Time"] - record.ts) < timedelta(microseconds=3)
    (record,) = reader.downloads()
    (load,) = (fact for fact in facts if fact.kind == "browser.downloaded")
    assert (str(record.url), record.ts_end.second) == (load.fields["url"], load.times["End Time"].second)
    assert str(record.path).replace("/", "\\").endswith(str(load.fields["file_name"]))


def test_a_running_hosts_copy_says_that_logs_were_not_replayed() -> None:
    facts, (problem,) = run(build(state=2))
    assert (len(facts), problem.fault) == (6, "dirty_not_replayed")


def test_the_cache_of_a_service_is_its_own() -> None:
    path = PATH.replace("Users/田中", "Windows/System32/config/systemprofile")
    assert {fact.fields["profile_user"] for fact in run(build(), path)[0]} == {"SYSTEM"}


@pytest.mark.parametrize("data", [b"", b"junk" * 400])
def test_what_is_no_database_is_said(data: bytes) -> None:
    facts, (problem,) = run(data)
    assert (facts, problem.fault) == ([], "unreadable")


def test_any_cut_is_survived() -> None:
    data = build()
    whole = {fact.source.locator for fact in run(data)[0]}
    for cut in range(0, len(data), 8191):
        facts, problems = run(data[:cut])
        assert {fact.source.locator for fact in facts} <= whole
        assert problems, cut
