"""Histories of browsers: built databases, read a second time by dissect's plugins for browsers."""

from __future__ import annotations

import io
import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dissect.target import Target
from dissect.target.plugins.apps.browser.chrome import ChromePlugin
from dissect.target.plugins.apps.browser.firefox import FirefoxPlugin

from forensics.artifacts import browser_chromium, browser_firefox
from forensics.artifacts._browser import local_path, owner, safe_url
from forensics.artifacts.base import FileArtifact, FileInput
from forensics.model import Fact, Host, Problem
from testdata.writers.browsers import Download, Visit, chromium, firefox
from tests.artifacts.registry_inputs import sorted_out

CHROME = "C:/Users/田中/AppData/Local/Google/Chrome/User Data/Profile 1/History"
FIREFOX = "C:/Users/田中/AppData/Roaming/Mozilla/Firefox/Profiles/x1.default-release/places.sqlite"
START = datetime(2024, 12, 4, 1, 2, 11, 123456, tzinfo=UTC)
SECRET = "gho_16C7e42F292c6912E7710c838347Ae178B4a"
VISITS = (
    Visit(START, "https://www.example.com/search?q=tunnel", "tunnel - 検索", 0x02000001, seconds=40),
    Visit(START + timedelta(minutes=1), "https://github.com/login/device", "Device Activation", 0x08000001, 0),
    Visit(START + timedelta(minutes=2), f"https://example.com/cb?code={SECRET}&state=1", "Signed in", 0, 1),
    Visit(START + timedelta(minutes=3), "https://vscode.dev/tunnel/desktop-4k2lq9a/c:/x", "x", 0x40000000, synced=True),
    Visit(START - timedelta(days=2), "https://www.example.com/old", "", 0, expired=True),
)
CLI = "https://vscode.download.prss.microsoft.com/dbazure/download/stable/abc/vscode_cli_win32_x64_cli.zip"
DOWNLOADS = (
    Download(
        START + timedelta(minutes=5),
        ("https://code.visualstudio.com/sha/download?build=stable&os=cli-win32-x64", CLI),
        "C:\\Users\\田中\\Downloads\\vscode_cli_win32_x64_cli.zip",
        9_000_123,
        START + timedelta(minutes=6),
        "https://code.visualstudio.com/Download",
        opened=True,
    ),
    Download(START, ("https://example.com/a.pdf",), "C:\\Users\\田中\\Downloads\\my a.pdf", 5, START),
)
PLAIN = tuple(Visit(visit.time, visit.url, visit.title, 2, visit.came_from) for visit in VISITS[:4])


def given(path: str, data: bytes, log: bytes | None = None) -> FileInput:
    beside = {} if log is None else {"-wal": io.BytesIO(log)}
    return FileInput(path, io.BytesIO(data), len(data), None, "test", Host(), None, siblings=beside)


def run(artifact: FileArtifact, path: str, data: bytes, log: bytes | None = None) -> tuple[list[Fact], list[Problem]]:
    return sorted_out(artifact, list(artifact.parse(given(path, data, log))))


def history(data: bytes, log: bytes | None = None) -> tuple[list[Fact], list[Problem]]:
    return run(browser_chromium.ARTIFACT, CHROME, data, log)


def places(data: bytes, log: bytes | None = None) -> tuple[list[Fact], list[Problem]]:
    return run(browser_firefox.ARTIFACT, FIREFOX, data, log)


class TestChromium:
    def test_visits(self) -> None:
        facts, problems = history(chromium(VISITS)[0])
        assert problems == []
        search, device, back, tunnel, old = facts
        assert {fact.kind for fact in facts} == {"browser.visited"}
        assert search.times == {"Last Visited Time": START}
        assert search.fields["page_title"] == "tunnel - 検索"
        assert search.fields["visit_type"] == "typed, address bar"
        assert (search.fields["visit_seconds"], search.fields["visit_count"], search.fields["typed_count"]) == (
            40,
            1,
            1,
        )
        assert (search.fields["browser"], search.fields["browser_profile"]) == ("Chrome", "Profile 1")
        assert search.fields["profile_user"] == "田中"
        assert search.source.locator == "visits rowid 1"
        assert device.fields["referrer_url"] == "https://www.example.com/search?q=tunnel"
        assert device.fields["visit_type"] == "typed, by another program"
        assert device.fields["host_meaning"] == "GitHub, sign-in of a tunnel"
        assert back.fields["url"] == "https://example.com/cb?code=<secret>&state=1"
        assert tunnel.fields["visit_origin"] == "synchronised from another device"
        assert (old.source.locator, old.fields["visit_origin"]) == ("urls rowid 5", "the visits themselves are gone")
        assert old.times == {"Last Visited Time": START - timedelta(days=2)}
        assert [fact.context for fact in facts] == [True, False, True, False, True]

    def test_downloads(self) -> None:
        (cli, other), problems = history(chromium((), DOWNLOADS)[0])
        assert problems == []
        assert cli.times == {"Start Time": DOWNLOADS[0].start, "End Time": DOWNLOADS[0].end}
        assert cli.fields == {
            "url": CLI,
            "url_chain": DOWNLOADS[0].urls,
            "file_path": DOWNLOADS[0].path,
            "file_name": "vscode_cli_win32_x64_cli.zip",
            "file_size": 9_000_123,
            "bytes_received": 9_000_123,
            "download_state": "complete",
            "download_opened": True,
            "referrer_url": "https://code.visualstudio.com/Download",
            "tab_url": "https://code.visualstudio.com/Download",
            "mime_type": "application/zip",
            "host_meaning": "download of VS Code, its CLI or its server (from memory)",
            "browser": "Chrome",
            "browser_profile": "Profile 1",
            "profile_user": "田中",
            "database_state": "no write-ahead log was beside it",
        }
        assert (cli.context, other.context) == (False, True)

    def test_another_reader_finds_the_same(self, tmp_path: Path) -> None:
        data, _ = chromium(VISITS, DOWNLOADS)
        (tmp_path / "History").write_bytes(data)
        facts, _ = history(data)
        theirs = list(plugin(ChromePlugin, tmp_path).history())
        ours = [fact for fact in facts if fact.source.locator.startswith("visits")]
        assert len(theirs) == len(ours) == 4
        for record, fact in zip(theirs, ours, strict=True):
            assert near(fact.times["Last Visited Time"], record.ts)
            assert fact.source.locator == f"visits rowid {record.id}"
            assert fact.fields["url"] == safe_url(str(record.url))
            assert fact.fields["page_title"] == record.title
            assert fact.fields["visit_count"] == record.visit_count
            assert fact.fields.get("referrer_url") == (record.from_url and safe_url(str(record.from_url)))
        loads = list(plugin(ChromePlugin, tmp_path).downloads())
        ours = [fact for fact in facts if fact.kind == "browser.downloaded"]
        for record, fact in zip(loads, ours, strict=True):
            assert near(fact.times["Start Time"], record.ts_start)
            assert near(fact.times["End Time"], record.ts_end)
            assert fact.fields["url"] == str(record.url)
            assert str(record.path).replace("/", "\\").endswith(str(fact.fields["file_name"]))
            assert fact.fields["file_size"] == record.size
            assert fact.fields["download_state"] == record.state

    def test_what_a_running_browser_has_in_its_log(self) -> None:
        data, log = chromium(VISITS, DOWNLOADS, in_log=True)
        assert history(data)[0] == []
        facts, problems = history(data, log)
        assert (len(facts), problems) == (7, [])
        assert "were applied" in str(facts[0].fields["database_state"])

    def test_a_visit_of_a_page_that_is_lost(self) -> None:
        data, _ = chromium(VISITS)
        with TemporaryDirectory() as scratch:
            place = Path(scratch) / "History"
            place.write_bytes(data)
            with closing(sqlite3.connect(place)) as database:
                database.execute("PRAGMA journal_mode=DELETE")
                database.execute("DELETE FROM urls WHERE id=2")
                database.commit()
            data = place.read_bytes()
        facts, (problem,) = history(data)
        assert len(facts) == 4
        assert (problem.source.locator, problem.fault) == ("visits rowid 2", "bad_record")

    @pytest.mark.parametrize("data", [b"", b"SQLite format 3\x00", b"junk" * 100])
    def test_what_is_no_database_is_said(self, data: bytes) -> None:
        facts, problems = history(data)
        assert facts == []
        assert problems


class TestFirefox:
    def test_visits_and_downloads(self) -> None:
        facts, problems = places(firefox((*PLAIN, VISITS[4]), DOWNLOADS)[0])
        assert problems == []
        search, device, back, tunnel, old, cli, other = facts
        assert search.times == {"Last Visited Time": START}
        assert (search.fields["browser"], search.fields["browser_profile"]) == ("Firefox", "x1.default-release")
        assert search.fields["visit_type"] == "typed"
        assert device.fields["referrer_url"] == PLAIN[0].url
        assert SECRET not in str(back.fields)
        assert old.source.locator == "moz_places rowid 5"
        assert [fact.context for fact in facts] == [True, False, True, False, True, False, True]
        assert tunnel.fields["host_meaning"] == "VS Code in a browser, the other end of a tunnel"
        assert cli.times == {
            "Start Time": DOWNLOADS[0].start,
            "End Time": (DOWNLOADS[0].end or START).replace(microsecond=123000),
        }
        assert cli.fields["file_path"] == DOWNLOADS[0].path
        assert (cli.fields["url"], cli.fields["bytes_received"]) == (CLI, 9_000_123)
        assert cli.fields["download_state"] == "complete"
        assert other.fields["file_path"] == "C:\\Users\\田中\\Downloads\\my a.pdf"

    def test_another_reader_finds_the_same(self, tmp_path: Path) -> None:
        data, _ = firefox(PLAIN, DOWNLOADS)
        (tmp_path / "x1.default").mkdir()
        (tmp_path / "x1.default" / "places.sqlite").write_bytes(data)
        facts, _ = places(data)
        reader = plugin(FirefoxPlugin, tmp_path)
        theirs = list(reader.history())
        ours = [fact for fact in facts if fact.kind == "browser.visited"]
        for record, fact in zip(theirs, ours, strict=True):
            assert near(fact.times["Last Visited Time"], record.ts)
            assert fact.fields["url"] == safe_url(str(record.url))
            assert fact.fields.get("page_title") == record.title
            assert fact.fields.get("referrer_url") == (record.from_url and safe_url(str(record.from_url)))
        ours = [fact for fact in facts if fact.kind == "browser.downloaded"]
        for record, fact in zip(reader.downloads(), ours, strict=True):
            assert near(fact.times["Start Time"], record.ts_start)
            assert near(fact.times["End Time"], record.ts_end)
            assert fact.fields["url"] == str(record.url)
            assert fact.fields["bytes_received"] == record.size
            assert fact.fields["file_path"] == local_path(str(record.path).replace("file:/C", "file:///C"))

    def test_broken_notes_cost_their_own_part(self) -> None:
        data = firefox(PLAIN, DOWNLOADS)[0].replace(b'{"state"', b'{"state!')
        facts, problems = places(data)
        assert len(facts) == 6
        assert {problem.fault for problem in problems} == {"bad_record"}
        assert len(problems) == 2


def near(ours: datetime, theirs: datetime) -> bool:
    """The same but for the last digit: dissect reckons in floats."""
    return abs(ours - theirs) <= timedelta(microseconds=2)


class _User:
    """What dissect's plugins want to know of a user."""

    user = None

    def __init__(self, folder: Path) -> None:
        self.home_path = folder


def plugin(kind: type, folder: Path):
    """A plugin of dissect over one folder, without a whole system around it."""
    made = kind.__new__(kind)
    made.target = Target()
    made.target.os = "windows"
    made.userdirs = {(_User(folder), folder)}
    made.installs = [(_User(folder), folder)]
    return made


@pytest.mark.parametrize(("build", "read"), [(chromium, history), (firefox, places)])
def test_cut_and_changed_files_are_no_crash(build, read) -> None:
    many = [
        Visit(START + timedelta(minutes=number), f"https://example.com/{number}", "t" * 90) for number in range(200)
    ]
    data, log = build(many, DOWNLOADS)
    whole = {fact.fields["url"] for fact in read(data)[0]}
    assert len(whole) == 202
    chance = random.Random(5)
    for _ in range(30):
        cut = chance.randrange(len(data))
        facts, problems = read(data[:cut])
        assert {fact.fields["url"] for fact in facts if "url" in fact.fields} <= whole
        assert problems, f"cut at {cut}"
    for _ in range(30):
        changed = bytearray(data)
        for _ in range(30):
            changed[chance.randrange(100, len(data))] = chance.randrange(256)
        read(bytes(changed), log)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://x.devtunnels.ms/?tkn=abc&x=1", "https://x.devtunnels.ms/?tkn=<secret>&x=1"),
        ("https://a.example/#access_token=abc&state=2", "https://a.example/#access_token=<secret>&state=2"),
        ("https://a.example/?next=https%3A%2F%2Fb%2F%3Fcode%3Dabc%26y%3D1&z=2",
         "https://a.example/?next=https%3A%2F%2Fb%2F%3Fcode%3D<secret>%26y%3D1&z=2"),
        ("https://me:pw@a.example/x@y", "https://<secret>@a.example/x@y"),
        ("https://github.com/login/device?user_code=ABCD-1234", "https://github.com/login/device?user_code=ABCD-1234"),
        ("https://a.example/?barcode=5&zipcode=1", "https://a.example/?barcode=5&zipcode=1"),
        ("https://a.example/?Code=5", "https://a.example/?Code=<secret>"),
    ],
)  # fmt: skip
def test_logins_are_left_out(url: str, safe: str) -> None:
    assert safe_url(url) == safe
    assert safe_url(safe) == safe


@pytest.mark.parametrize(
    ("path", "browser"),
    [
        ("C:/Users/x/AppData/Local/Microsoft/Edge/User Data/Default/History", "Edge"),
        ("C:/Users/x/AppData/Local/Google/Chrome SxS/User Data/Default/History", "Chrome Canary"),
        ("C:/Users/x/AppData/Local/BraveSoftware/Brave-Browser/User Data/Default/History", "Brave"),
        ("C:/Users/x/AppData/Local/Vivaldi/User Data/Default/History", "Vivaldi"),
        ("C:/Users/x/AppData/Roaming/Opera Software/Opera Stable/History", "Opera"),
        ("C:/Users/x/AppData/Local/Microsoft/Teams/EBWebView/Default/History", "WebView2"),
        ("C:/Users/x/AppData/Local/Unknown/User Data/Default/History", None),
    ],
)
def test_browsers_by_their_folders(path: str, browser: str | None) -> None:
    assert owner(given(path, b""))["browser"] == browser
