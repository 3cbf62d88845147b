"""Writes browsers' histories with SQLite itself, in the published schemas of Chromium and Firefox (years 2023 to 2025).

Only the tables and columns that a history needs; the others exist in name. `in_log` leaves the last rows in the
write-ahead log alone, as a browser does that is running when it is collected.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

_WEBKIT = datetime(1601, 1, 1, tzinfo=UTC)
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
CHROMIUM = """
CREATE TABLE meta(key LONGVARCHAR NOT NULL UNIQUE PRIMARY KEY, value LONGVARCHAR);
CREATE TABLE urls(id INTEGER PRIMARY KEY AUTOINCREMENT, url LONGVARCHAR, title LONGVARCHAR, visit_count INTEGER DEFAULT
 0 NOT NULL, typed_count INTEGER DEFAULT 0 NOT NULL, last_visit_time INTEGER NOT NULL, hidden INTEGER
 DEFAULT 0 NOT NULL);
CREATE TABLE visits(id INTEGER PRIMARY KEY AUTOINCREMENT, url INTEGER NOT NULL, visit_time INTEGER NOT NULL, from_visit
 INTEGER, external_referrer_url TEXT, transition INTEGER DEFAULT 0 NOT NULL, segment_id INTEGER, visit_duration INTEGER
 DEFAULT 0 NOT NULL, incremented_omnibox_typed_score BOOLEAN DEFAULT FALSE NOT NULL, opener_visit INTEGER,
 originator_cache_guid TEXT, originator_visit_id INTEGER);
CREATE TABLE visit_source(id INTEGER PRIMARY KEY, source INTEGER NOT NULL);
CREATE TABLE downloads(id INTEGER PRIMARY KEY, guid VARCHAR NOT NULL, current_path LONGVARCHAR NOT NULL, target_path
 LONGVARCHAR NOT NULL, start_time INTEGER NOT NULL, received_bytes INTEGER NOT NULL, total_bytes INTEGER NOT NULL, state
 INTEGER NOT NULL, danger_type INTEGER NOT NULL, interrupt_reason INTEGER NOT NULL, hash BLOB NOT NULL, end_time INTEGER
 NOT NULL, opened INTEGER NOT NULL, last_access_time INTEGER NOT NULL, transient INTEGER NOT NULL, referrer VARCHAR NOT
 NULL, site_url VARCHAR NOT NULL, tab_url VARCHAR NOT NULL, tab_referrer_url VARCHAR NOT NULL, http_method VARCHAR NOT
 NULL, by_ext_id VARCHAR NOT NULL, by_ext_name VARCHAR NOT NULL, etag VARCHAR NOT NULL, last_modified VARCHAR NOT NULL,
 mime_type VARCHAR(255) NOT NULL, original_mime_type VARCHAR(255) NOT NULL);
CREATE TABLE downloads_url_chains(id INTEGER NOT NULL, chain_index INTEGER NOT NULL, url LONGVARCHAR NOT NULL,
 PRIMARY KEY (id, chain_index));
"""
FIREFOX = """
CREATE TABLE moz_places(id INTEGER PRIMARY KEY, url LONGVARCHAR, title LONGVARCHAR, rev_host LONGVARCHAR, visit_count
 INTEGER DEFAULT 0, hidden INTEGER DEFAULT 0 NOT NULL, typed INTEGER DEFAULT 0 NOT NULL, frecency INTEGER DEFAULT -1
 NOT NULL, last_visit_date INTEGER, guid TEXT, foreign_count INTEGER DEFAULT 0 NOT NULL, url_hash INTEGER DEFAULT 0 NOT
 NULL, description TEXT, preview_image_url TEXT, origin_id INTEGER);
CREATE TABLE moz_historyvisits(id INTEGER PRIMARY KEY, from_visit INTEGER, place_id INTEGER, visit_date INTEGER,
 visit_type INTEGER, session INTEGER, source INTEGER DEFAULT 0 NOT NULL, triggeringPlaceId INTEGER);
CREATE TABLE moz_anno_attributes(id INTEGER PRIMARY KEY, name VARCHAR(32) UNIQUE NOT NULL);
CREATE TABLE moz_annos(id INTEGER PRIMARY KEY, place_id INTEGER NOT NULL, anno_attribute_id INTEGER, content
 LONGVARCHAR, flags INTEGER DEFAULT 0, expiration INTEGER DEFAULT 0, type INTEGER DEFAULT 0, dateAdded INTEGER DEFAULT
 0, lastModified INTEGER DEFAULT 0);
"""


@dataclass(frozen=True)
class Visit:
    """One visit. `kind` is the browser's number of how it came about, `came_from` the place of another in the list."""

    time: datetime
    url: str
    title: str = ""
    kind: int = 0
    came_from: int | None = None
    seconds: int = 0
    synced: bool = False
    expired: bool = False  # the page stays, its visits are gone


@dataclass(frozen=True)
class Download:
    """One download: the last of `urls` is where it was fetched from."""

    start: datetime
    urls: tuple[str, ...]
    path: str
    size: int
    end: datetime | None = None
    referrer: str = ""
    state: int = 1
    danger: int = 0
    opened: bool = False


Built = tuple[bytes, bytes]


def chromium(visits: Sequence[Visit], downloads: Sequence[Download] = (), in_log: bool = False) -> Built:
    """`History` and its `-wal`."""
    return _written(CHROMIUM, lambda database: _chromium(database, visits, downloads), in_log)


def firefox(visits: Sequence[Visit], downloads: Sequence[Download] = (), in_log: bool = False) -> Built:
    """`places.sqlite` and its `-wal`."""
    return _written(FIREFOX, lambda database: _firefox(database, visits, downloads), in_log)


def _written(schema: str, fill: Callable[[sqlite3.Connection], None], in_log: bool) -> Built:
    with TemporaryDirectory() as scratch:
        place = Path(scratch) / "history"
        with closing(sqlite3.connect(place, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous=OFF")
            database.execute("PRAGMA page_size=4096")
            database.execute("PRAGMA journal_mode=WAL")
            database.executescript(schema)
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("BEGIN")
            fill(database)
            database.execute("COMMIT")
            if not in_log:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return place.read_bytes(), place.with_name(place.name + "-wal").read_bytes()


def _since(start: datetime, moment: datetime | None) -> int:
    return 0 if moment is None else round((moment - start).total_seconds() * 1_000_000)


def _put(database: sqlite3.Connection, table: str, **values: object) -> None:
    marks = ", ".join("?" for _ in values)
    database.execute(f"INSERT INTO {table}({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


def _pages(visits: Sequence[Visit]) -> dict[str, int]:
    return {url: number for number, url in enumerate(dict.fromkeys(visit.url for visit in visits), 1)}


def _chromium(database: sqlite3.Connection, visits: Sequence[Visit], downloads: Sequence[Download]) -> None:
    pages = _pages(visits)
    for url, number in pages.items():
        own = [visit for visit in visits if visit.url == url]
        last = max(visit.time for visit in own)
        _put(
            database,
            "urls",
            id=number,
            url=url,
            title=own[-1].title,
            visit_count=len(own),
            last_visit_time=_since(_WEBKIT, last),
            typed_count=sum(visit.kind & 0xFF == 1 for visit in own),
        )
    for number, visit in enumerate(visits, 1):
        if visit.expired:
            continue
        _put(database, "visits", id=number, url=pages[visit.url], visit_time=_since(_WEBKIT, visit.time),
             from_visit=0 if visit.came_from is None else visit.came_from + 1, transition=visit.kind,
             visit_duration=visit.seconds * 1_000_000)  # fmt: skip
        if visit.synced:
            _put(database, "visit_source", id=number, source=0)
    for number, item in enumerate(downloads, 1):
        _chromium_download(database, number, item)


def _chromium_download(database: sqlite3.Connection, number: int, item: Download) -> None:
    _put(
        database, "downloads", id=number, guid=f"guid-{number}", current_path=item.path, target_path=item.path,
        start_time=_since(_WEBKIT, item.start), received_bytes=item.size, total_bytes=item.size, state=item.state,
        danger_type=item.danger, interrupt_reason=0, hash=b"", end_time=_since(_WEBKIT, item.end),
        opened=int(item.opened), last_access_time=0, transient=0, referrer=item.referrer, site_url="",
        tab_url=item.referrer, tab_referrer_url="", http_method="", by_ext_id="", by_ext_name="", etag="",
        last_modified="", mime_type="application/zip", original_mime_type="application/zip",
    )  # fmt: skip
    for place, url in enumerate(item.urls):
        _put(database, "downloads_url_chains", id=number, chain_index=place, url=url)


def _firefox(database: sqlite3.Connection, visits: Sequence[Visit], downloads: Sequence[Download]) -> None:
    pages = _pages(visits)
    for url, number in pages.items():
        own = [visit for visit in visits if visit.url == url]
        _put(database, "moz_places", id=number, url=url, title=own[-1].title or None, rev_host="elpmaxe.",
             guid=f"g{number}", visit_count=len(own), typed=int(any(visit.kind == 2 for visit in own)),
             last_visit_date=_since(_UNIX, max(visit.time for visit in own)))  # fmt: skip
    for number, visit in enumerate(visits, 1):
        if not visit.expired:
            _put(database, "moz_historyvisits", id=number, place_id=pages[visit.url], visit_type=visit.kind or 1,
                 visit_date=_since(_UNIX, visit.time), session=0,
                 from_visit=0 if visit.came_from is None else visit.came_from + 1)  # fmt: skip
    for number, name in enumerate(("downloads/destinationFileURI", "downloads/metaData"), 1):
        _put(database, "moz_anno_attributes", id=number, name=name)
    for item in downloads:
        _firefox_download(database, item)


def _firefox_download(database: sqlite3.Connection, item: Download) -> None:
    (count,) = database.execute("SELECT count(*) FROM moz_places").fetchone()
    number, start = count + 1, _since(_UNIX, item.start)
    _put(database, "moz_places", id=number, url=item.urls[-1], rev_host="elpmaxe.", guid=f"g{number}")
    meta = {"state": item.state, "endTime": _since(_UNIX, item.end) // 1000, "fileSize": item.size}
    for attribute, content in ((1, _uri(item.path)), (2, json.dumps(meta))):
        _put(database, "moz_annos", place_id=number, anno_attribute_id=attribute, content=content, flags=0,
             expiration=4, type=3, dateAdded=start, lastModified=start)  # fmt: skip


def _uri(path: str) -> str:
    return "file:///" + path.replace("\\", "/").replace(" ", "%20")
