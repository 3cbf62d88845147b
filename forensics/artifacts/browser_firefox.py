r"""History of Firefox and its relatives (`places.sqlite`): pages visited and files downloaded.

Tells how a tunnel's program came to the host, and shows a device login that was finished in this host's own browser.
Firefox keeps years of it, as long as there is room. A download stands as two notes about its address: where it was
written (whose time is that of the start), and how it ended; only the last download of an address is kept. What was
cleared is gone: Firefox has SQLite overwrite it (from memory), so free pages are not carved. Logins in addresses are
left out.

Times are microseconds since 1970 UTC, the end of a download milliseconds. A page whose visits are gone gives one row
with its last visit. Schema: Firefox's toolkit/components/places (nsPlacesTables.h), downloads as
toolkit/components/downloads/DownloadHistory writes them; numbers by name: rules/browsers.yml.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from forensics.artifacts._browser import (
    DOWNLOADED,
    VISITED,
    Fields,
    downloaded,
    local_path,
    lost,
    number_of,
    owner,
    table_rows,
    text_of,
    title_of,
    url_of,
    visited,
)
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import FormatError, guardedjson, sqlitefile
from forensics.model import Problem, Source
from forensics.rules import load
from forensics.times import Moment, NoTime, from_unix

_NAME = "browser_firefox"
_PLACES = ("id", "url", "title", "visit_count", "typed", "last_visit_date")
_VISITS = ("id", "from_visit", "place_id", "visit_date", "visit_type")
_NOTES = ("id", "place_id", "anno_attribute_id", "content", "dateAdded", "lastModified")
_FILE, _META = "downloads/destinationFileURI", "downloads/metaData"


@dataclass(slots=True)
class _Places:
    """The addresses by their number, which have visits, and where a visit came from."""

    rows: dict[int, dict[str, sqlitefile.SqlValue]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    place_of: dict[int, int] = field(default_factory=dict)

    def url(self, number: int | None) -> str | None:
        """The address with this number."""
        return url_of(self.rows.get(number, {}).get("url")) if number is not None else None


def parse(given: FileInput) -> Output:
    """One row for each visit and each download; one for each page that has no visit left but had some."""
    try:
        with sqlitefile.opened(given.fh, given.siblings) as database:
            for problem in database.problems:
                yield lost(_NAME, given.source(), problem)
            if "moz_places" not in database.tables:
                yield lost(_NAME, given.source(), FormatError("no table moz_places: not a history of Firefox"))
            common = owner(given) | {"database_state": database.state}
            places = _Places()
            yield from _fill(given, database, places)
            yield from _visits(given, database, places, common)
            yield from _downloads(given, database, places, common)
    except FormatError as error:
        yield Problem("unreadable", _NAME, given.source(), str(error))


def _fill(given: FileInput, database: sqlitefile.Database, places: _Places) -> Iterator[Problem]:
    for row in table_rows(_NAME, given, database, "moz_places", _PLACES):
        if isinstance(row, Problem):
            yield row
        elif (number := number_of(row.values.get("id"))) is not None:
            places.rows[number] = row.values


def _visits(given: FileInput, database: sqlitefile.Database, places: _Places, common: Fields) -> Output:
    for row in table_rows(_NAME, given, database, "moz_historyvisits", _VISITS):
        if isinstance(row, Problem):
            yield row
        else:
            yield from _visit(given, row, places, common)
    for number, values in places.rows.items():
        if number not in places.seen and number_of(values.get("last_visit_date")):  # bookmarks were never visited
            times: dict[str, Moment | None] = {"Last Visited Time": _moment(values.get("last_visit_date"))}
            fields = _page(values) | {"visit_origin": "the visits themselves are gone"}
            yield visited(given.source(f"moz_places rowid {number}"), times, common, fields)


def _visit(given: FileInput, row: sqlitefile.Row, places: _Places, common: Fields) -> Output:
    values = row.values
    number, place, kind = (number_of(values.get(name)) for name in ("id", "place_id", "visit_type"))
    source = given.source(f"moz_historyvisits rowid {row.rowid}")
    if place is None or place not in places.rows:
        yield lost(_NAME, source, FormatError(f"a visit of page {place!r}, which is not in moz_places"))
        return
    places.seen.add(place)
    if number is not None:
        places.place_of[number] = place
    fields = _page(places.rows[place]) | {
        "visit_type": load("browsers")["firefox_transitions"].get(kind, None if kind is None else str(kind)),
        "referrer_url": places.url(places.place_of.get(number_of(values.get("from_visit")) or 0)),
    }
    yield visited(source, {"Last Visited Time": _moment(values.get("visit_date"))}, common, fields)


def _page(values: dict[str, sqlitefile.SqlValue]) -> Fields:
    return {
        "url": url_of(values.get("url")),
        "page_title": title_of(values.get("title")),
        "visit_count": number_of(values.get("visit_count")),
        "typed_count": number_of(values.get("typed")),
    }


@dataclass(slots=True)
class _Note:
    """The two notes about a download; `rowid` is that of the first."""

    rowid: int | None
    path: str | None = None
    started: Moment | None = None
    meta: dict[str, object] = field(default_factory=dict)


def _downloads(given: FileInput, database: sqlitefile.Database, places: _Places, common: Fields) -> Output:
    names: dict[int, str] = {}
    for row in table_rows(_NAME, given, database, "moz_anno_attributes", ("id", "name")):
        if isinstance(row, Problem):
            yield row
        elif (number := number_of(row.values.get("id"))) is not None:
            names[number] = text_of(row.values.get("name")) or ""
    notes: dict[int, _Note] = {}
    for row in table_rows(_NAME, given, database, "moz_annos", _NOTES):
        if isinstance(row, Problem):
            yield row
        else:
            yield from _note(given, row, names, notes)
    for place, note in notes.items():
        source = given.source(f"moz_annos rowid {note.rowid}")
        yield downloaded(source, _times(note), common, _download(places.url(place), note))


def _note(given: FileInput, row: sqlitefile.Row, names: dict[int, str], notes: dict[int, _Note]) -> Iterator[Problem]:
    place, name = (number_of(row.values.get(column)) for column in ("place_id", "anno_attribute_id"))
    what = names.get(name) if name is not None else None
    if place is None or what not in (_FILE, _META):
        return
    note = notes.setdefault(place, _Note(row.rowid))
    content = text_of(row.values.get("content"))
    if what == _FILE:
        note.path, note.started = local_path(content), _moment(row.values.get("dateAdded"))
        return
    yield from _meta(given.source(f"moz_annos rowid {row.rowid}"), content, note)


def _meta(source: Source, content: str | None, note: _Note) -> Iterator[Problem]:
    try:
        found = guardedjson.loads((content or "{}").encode("utf-8", "replace"))
    except FormatError as error:
        yield lost(_NAME, source, error)
        return
    note.meta = found if isinstance(found, dict) else {}


def _times(note: _Note) -> dict[str, Moment | None]:
    ended = number_of(note.meta.get("endTime"))
    return {
        "Start Time": note.started or NoTime("no note of where it was written", ""),
        "End Time": from_unix(ended, "ms") if ended is not None else NoTime("not set", ""),
    }


def _download(url: str | None, note: _Note) -> Fields:
    state, size = (number_of(note.meta.get(name)) for name in ("state", "fileSize"))
    states = load("browsers")["firefox_downloads"]
    return {
        "url": url,
        "file_path": note.path,
        "bytes_received": size if size and size > 0 else None,
        "download_state": states.get(state, None if state is None else str(state)),
        "download_danger": text_of(note.meta.get("reputationCheckVerdict")),
        "download_removed": note.meta.get("deleted") is True or None,
    }


def _moment(value: object) -> Moment:
    number = number_of(value)
    return NoTime("not set", "") if number is None else from_unix(number, "us")


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("Users/**/places.sqlite", "Windows/System32/config/systemprofile/AppData/Roaming/**/places.sqlite"),
    siblings=("-wal", "-journal"),
    parse=parse,
    emits={"browser.visited": VISITED, "browser.downloaded": DOWNLOADED},
)
