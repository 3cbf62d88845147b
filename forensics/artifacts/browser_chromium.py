r"""History of Chrome, Edge, Brave, Vivaldi, Opera and other browsers on Chromium: pages visited and files downloaded.

On the host of a tunnel it tells how the CLI came (`vscode_cli_win32_x64_cli.zip`, its redirects and the page that
linked it), and shows a device login (`github.com/login/device`) where the operator or a deceived user typed the code in
this host's own browser. The other end of the tunnel, `vscode.dev/tunnel/<name>`, stands in the operator's browser, not
here (unless it was tried here). `.wsb` files that were downloaded are told as well. A visit may have been made on
another device of the same account and come by synchronisation: then it says so. Browsers forget after 90 days. What
was cleared is gone: the browser has SQLite overwrite it (from memory), so free pages are not carved. Logins in
addresses are left out.

`History` is SQLite, its last changes lie in the journal beside it; times are microseconds since 1601 UTC. A page whose
visits are gone gives one row with its last visit. Schema: Chromium's components/history/core/browser (url_database.cc,
visit_database.cc, download_database.cc); numbers by name: rules/browsers.yml.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from forensics.artifacts._browser import (
    DOWNLOADED,
    VISITED,
    Fields,
    downloaded,
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
from forensics.formats import FormatError, sqlitefile
from forensics.model import Problem
from forensics.rules import load
from forensics.times import Moment, NoTime, from_filetime

_NAME = "browser_chromium"
_URLS = ("id", "url", "title", "visit_count", "typed_count", "last_visit_time")
_VISITS = ("id", "url", "visit_time", "from_visit", "transition", "visit_duration", "originator_cache_guid")
_DOWNLOADS = (
    "id", "current_path", "target_path", "start_time", "end_time", "received_bytes", "total_bytes", "state",
    "danger_type", "opened", "referrer", "site_url", "tab_url", "tab_referrer_url", "mime_type",
)  # fmt: skip
_MOST_HOPS = 50
_SECOND = 1_000_000
_BIGGEST = 2**53  # microseconds: a visit of 285 years is none


@dataclass(slots=True)
class _Pages:
    """The addresses by their number, which have visits, and where a visit came from."""

    rows: dict[int, dict[str, sqlitefile.SqlValue]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    page_of: dict[int, int] = field(default_factory=dict)
    origins: dict[int, str] = field(default_factory=dict)

    def url(self, number: int | None) -> str | None:
        """The address with this number."""
        return url_of(self.rows.get(number, {}).get("url")) if number is not None else None


def parse(given: FileInput) -> Output:
    """One row for each visit and each download; one for each page that has no visit left."""
    try:
        with sqlitefile.opened(given.fh, given.siblings) as database:
            for problem in database.problems:
                yield lost(_NAME, given.source(), problem)
            if "urls" not in database.tables and "downloads" not in database.tables:
                yield lost(_NAME, given.source(), FormatError("neither urls nor downloads: not a browser's history"))
            common = owner(given) | {"database_state": database.state}
            yield from _visits(given, database, common)
            yield from _downloads(given, database, common)
    except FormatError as error:
        yield Problem("unreadable", _NAME, given.source(), str(error))


def _visits(given: FileInput, database: sqlitefile.Database, common: Fields) -> Output:
    pages = _Pages()
    for row in table_rows(_NAME, given, database, "urls", _URLS):
        if isinstance(row, Problem):
            yield row
        elif (number := _key(row, "id")) is not None:
            pages.rows[number] = row.values
    yield from _origins(given, database, pages)
    for row in table_rows(_NAME, given, database, "visits", _VISITS):
        if isinstance(row, Problem):
            yield row
        else:
            yield from _visit(given, row, pages, common)
    for number, values in pages.rows.items():
        if number not in pages.seen:
            times: dict[str, Moment | None] = {"Last Visited Time": _moment(values.get("last_visit_time"))}
            fields: Fields = _page(values) | {"visit_origin": "the visits themselves are gone"}
            yield visited(given.source(f"urls rowid {number}"), times, common, fields)


def _origins(given: FileInput, database: sqlitefile.Database, pages: _Pages) -> Iterator[Problem]:
    known = load("browsers")["chromium_sources"]
    for row in table_rows(_NAME, given, database, "visit_source", ("id", "source")):
        if isinstance(row, Problem):
            yield row
        elif (number := _key(row, "id")) is not None and (origin := known.get(row.values.get("source"))):
            pages.origins[number] = origin


def _visit(given: FileInput, row: sqlitefile.Row, pages: _Pages, common: Fields) -> Output:
    values = row.values
    number, page = _key(row, "id"), number_of(values.get("url"))
    source = given.source(f"visits rowid {row.rowid}")
    if page is None or page not in pages.rows:
        yield lost(_NAME, source, FormatError(f"a visit of page {page!r}, which is not in urls"))
        return
    pages.seen.add(page)
    if number is not None:
        pages.page_of[number] = page
    origin = pages.origins.get(number) if number is not None else None
    if not origin and text_of(values.get("originator_cache_guid")):
        origin = load("browsers")["chromium_sources"][0]
    seconds = number_of(values.get("visit_duration"))
    fields: Fields = _page(pages.rows[page]) | {
        "visit_type": _transition(number_of(values.get("transition"))),
        "visit_seconds": seconds // _SECOND if seconds and 0 < seconds < _BIGGEST else None,
        "visit_origin": origin,
        "referrer_url": pages.url(pages.page_of.get(number_of(values.get("from_visit")) or 0)),
    }
    yield visited(source, {"Last Visited Time": _moment(values.get("visit_time"))}, common, fields)


def _page(values: dict[str, sqlitefile.SqlValue]) -> Fields:
    return {
        "url": url_of(values.get("url")),
        "page_title": title_of(values.get("title")),
        "visit_count": number_of(values.get("visit_count")),
        "typed_count": number_of(values.get("typed_count")),
    }


def _transition(number: int | None) -> str | None:
    """`typed, address bar`: how the page was come to, and what else is said of it."""
    if number is None:
        return None
    rules, bits = load("browsers"), number & 0xFFFFFFFF
    kind = rules["chromium_transitions"].get(bits & 0xFF, str(bits & 0xFF))
    return ", ".join([kind, *(text for bit, text in rules["chromium_qualifiers"].items() if bits & bit)])


def _downloads(given: FileInput, database: sqlitefile.Database, common: Fields) -> Output:
    chains: dict[int, list[tuple[int, str]]] = {}
    for row in table_rows(_NAME, given, database, "downloads_url_chains", ("id", "chain_index", "url")):
        if isinstance(row, Problem):
            yield row
            continue
        number, place, url = (row.values.get(name) for name in ("id", "chain_index", "url"))
        hops = chains.setdefault(number, []) if isinstance(number, int) else []
        if isinstance(place, int) and (address := url_of(url)) and len(hops) < _MOST_HOPS:
            hops.append((place, address))
    for row in table_rows(_NAME, given, database, "downloads", _DOWNLOADS):
        if isinstance(row, Problem):
            yield row
        else:
            chain = tuple(url for _, url in sorted(chains.get(_key(row, "id") or 0, [])))
            times = {name: _moment(row.values.get(column)) for name, column in _TIMES.items()}
            yield downloaded(given.source(f"downloads rowid {row.rowid}"), {**times}, common, _download(row, chain))


_TIMES = {"Start Time": "start_time", "End Time": "end_time"}


def _download(row: sqlitefile.Row, chain: tuple[str, ...]) -> Fields:
    values, rules = row.values, load("browsers")
    state, danger, total = (number_of(values.get(name)) for name in ("state", "danger_type", "total_bytes"))
    opened = number_of(values.get("opened"))
    return {
        "url": chain[-1] if chain else None,
        "url_chain": chain if len(chain) > 1 else None,
        "file_path": text_of(values.get("target_path")) or text_of(values.get("current_path")),
        "file_size": total if total and total > 0 else None,
        "bytes_received": number_of(values.get("received_bytes")),
        "download_state": rules["chromium_downloads"].get(state, None if state is None else str(state)),
        "download_danger": rules["chromium_dangers"].get(danger),
        "download_opened": bool(opened) or None,
        "referrer_url": url_of(values.get("referrer")) or url_of(values.get("tab_referrer_url")),
        "tab_url": url_of(values.get("tab_url")) or url_of(values.get("site_url")),
        "mime_type": text_of(values.get("mime_type")),
    }


def _key(row: sqlitefile.Row, name: str) -> int | None:
    return number_of(row.values.get(name))


def _moment(value: object) -> Moment:
    number = number_of(value)
    return NoTime("not set", "") if number is None else from_filetime(number * 10)


_PROFILES = ("Users/*/AppData/Local", "Users/*/AppData/Roaming", "Windows/System32/config/systemprofile/AppData/Local")

ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(
        *(f"{root}/**/User Data/*/History" for root in _PROFILES),
        *(f"{root}/**/EBWebView/*/History" for root in _PROFILES),
        "Users/*/AppData/Roaming/Opera Software/*/History",
        "Users/*/AppData/Roaming/Opera Software/*/*/History",
    ),
    siblings=("-wal", "-journal"),
    parse=parse,
    emits={"browser.visited": VISITED, "browser.downloaded": DOWNLOADED},
)
