"""What the histories of browsers share: rows of visits and downloads, whose they are, and addresses without logins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import unquote, urlsplit

from forensics.artifacts._registry import file_name
from forensics.artifacts._tunnel import profile_user
from forensics.artifacts.base import FieldType, FileInput, Kind
from forensics.formats import FormatError, sqlitefile
from forensics.model import Fact, Problem, Source, Value, make_fact
from forensics.rules import load
from forensics.rules.hosts import host_meaning
from forensics.rules.watch import is_watched
from forensics.times import Moment

Fields = dict[str, Value | None]

MOST_ROWS = 1_000_000
_URL_LIMIT = 4 * 1024
_TITLE_LIMIT = 1024
_CREDENTIALS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]{0,30}://)[^/?#@\s]{1,1024}@")
_MASK = "<secret>"


@cache
def _secret() -> re.Pattern[str]:
    """`name=value` in a query or fragment, also where the whole is the value of another one and escaped."""
    names = "|".join(re.escape(name) for name in load("browsers")["secret_parameters"])
    start, equals, end = r"(?:[?&#;]|%3f|%26|%23)", r"(?:=|%3d)", r"(?:(?!%26|%23)[^&#\s])*"
    return re.compile(f"({start}(?:{names}){equals}){end}", re.IGNORECASE)


def safe_url(url: str) -> str:
    """An address without the logins in it: tokens and codes as parameters, and a user's name before the host."""
    return _secret().sub(rf"\g<1>{_MASK}", _CREDENTIALS.sub(rf"\g<1>{_MASK}@", url[:_URL_LIMIT]))


def text_of(value: object, limit: int = _URL_LIMIT) -> str | None:
    """A text of a database, None where there is none."""
    return value[:limit].rstrip("\x00") or None if isinstance(value, str) else None


def title_of(value: object) -> str | None:
    """A page's title; pages name themselves by their address, so it may hold a login as well."""
    text = text_of(value, _TITLE_LIMIT)
    return safe_url(text) if text else None


def url_of(value: object) -> str | None:
    """An address of a database without the logins in it."""
    text = text_of(value)
    return safe_url(text) if text else None


def number_of(value: object) -> int | None:
    """A number of a database, None where there is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def host_of(url: str | None) -> str | None:
    """The name of the host in an address."""
    try:
        return urlsplit(url or "").hostname or None
    except ValueError:  # brackets that are no address
        return None


def local_path(uri: str | None) -> str | None:
    """`file:///C:/x%20y` as the path that it names, None for another address."""
    if not uri or not uri.casefold().startswith("file:"):
        return None
    place = uri[5:].partition("?")[0].partition("#")[0]
    return unquote(place.lstrip("/") if place.startswith("///") else place, errors="replace").replace("/", "\\")


def owner(given: FileInput) -> Fields:
    """Which browser, which of its profiles, and whose."""
    lowered = given.path.casefold()
    browser = next((name for part, name in load("browsers")["folders"] if part in lowered), None)
    return {
        "browser": browser,
        "browser_profile": given.path.split("/")[-2] if given.path.count("/") > 1 else None,
        "profile_user": profile_user(given),
    }


def lost(artifact: str, source: Source, error: Exception) -> Problem:
    """Rows that damage cost."""
    return Problem("bad_record", artifact, source, str(error))


def table_rows(
    artifact: str, given: FileInput, database: sqlitefile.Database, table: str, columns: tuple[str, ...]
) -> Iterator[sqlitefile.Row | Problem]:
    """The rows of a SQLite table if it is there, at most a million; a Problem for each that is lost."""
    if table not in database.tables:
        return
    for number, row in enumerate(database.rows(table, columns)):
        if number >= MOST_ROWS:
            detail = f"{table}: more than {MOST_ROWS} rows, the rest is not told"
            yield Problem("budget", artifact, given.source(table), detail)
            return
        yield lost(artifact, given.source(table), row) if isinstance(row, FormatError) else row


def visited(source: Source, times: dict[str, Moment | None], common: Fields, fields: Fields) -> Fact:
    """A page that was shown, or a file that was opened by its address."""
    url = fields.get("url")
    path = local_path(url) if isinstance(url, str) else None
    more: Fields = {"host_meaning": host_meaning(host_of(url) if isinstance(url, str) else None), "file_path": path}
    told = common | fields | more
    watched = is_watched(*(str(told.get(name) or "") for name in ("url", "page_title", "file_path")))
    return make_fact("browser.visited", source, times, told, context=not watched)


def downloaded(source: Source, times: dict[str, Moment | None], common: Fields, fields: Fields) -> Fact:
    """A file that was fetched."""
    path, url = fields.get("file_path"), fields.get("url")
    more: Fields = {
        "file_name": file_name(path) if isinstance(path, str) else None,
        "host_meaning": host_meaning(host_of(url) if isinstance(url, str) else None),
    }
    told = common | fields | more
    chain = fields.get("url_chain")
    texts = [str(told.get(name) or "") for name in ("url", "file_path", "referrer_url", "tab_url")]
    watched = is_watched(*texts, *(chain if isinstance(chain, tuple) else ()))
    return make_fact("browser.downloaded", source, times, told, context=not watched)


_OWNER: dict[str, FieldType] = {
    "browser": str,
    "browser_profile": str,
    "profile_user": str,
    "user_name": str,
    "database_state": str,
    "url": str,
    "referrer_url": str,
    "host_meaning": str,
    "file_path": str,
}
VISITED = Kind(
    "[{browser}][ of {profile_user}] visited {url}[ ({page_title})][, {visit_type}][, coming from {referrer_url}]"
    "[; {visit_origin}][; {host_meaning}]",
    {
        **_OWNER,
        "page_title": str,
        "visit_count": int,
        "typed_count": int,
        "visit_type": str,
        "visit_seconds": int,
        "visit_origin": str,
    },
    context=True,
)
DOWNLOADED = Kind(
    "[{browser}][ of {profile_user}] downloaded {url}[ to {file_path}][, {bytes_received} bytes][ ({download_state})]"
    "[, {download_danger}][, opened{download_opened:flag}][, linked at {referrer_url}][; {host_meaning}]",
    {
        **_OWNER,
        "file_name": str,
        "file_size": int,
        "bytes_received": int,
        "download_state": str,
        "download_danger": str,
        "download_opened": bool,
        "download_removed": bool,
        "tab_url": str,
        "url_chain": tuple[str, ...],
        "mime_type": str,
    },
    context=True,
)
