r"""WebCache (`WebCacheV01.dat`): what Internet Explorer, the old Edge and every program on WinINet visited and fetched.

Of interest long after Internet Explorer: loaders and scripts that fetch through WinINet (`URLDownloadToFile`,
`Msxml2.XMLHTTP`) leave the address and the file in the cache of the account that they ran as, SYSTEM's included, and
Explorer notes files that a user opened as visits of `file:///` addresses, `.wsb` files among them (both from memory).
So a device login, the download of a tunnel's CLI and an opened configuration may stand here. Visits and downloads are
rows; of the cache only what is watched is told, since it has thousands of entries. Logins in addresses are left out.
`MSHist` containers repeat the visits by day in local time, and are left out.

An ESE database in which the table `Containers` says which `Container_<n>` holds what; times are FILETIMEs. A download's
addresses and path stand at the end of its response headers. The service keeps the file open: a copy of a running host
is dirty, its logs are not replayed. Sources: libyal's esedb-kb ("WebCacheV01.dat"); dissect's plugin for the headers.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from forensics.artifacts._browser import (
    DOWNLOADED,
    MOST_ROWS,
    VISITED,
    Fields,
    downloaded,
    lost,
    number_of,
    owner,
    text_of,
    url_of,
    visited,
)
from forensics.artifacts._registry import file_name
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, esefile
from forensics.model import Problem, Source, make_fact
from forensics.rules.watch import is_watched
from forensics.times import Moment, NoTime, from_filetime

_NAME = "browser_webcache"
_LIST = "Containers"
_COLUMNS = (
    "EntryId", "AccessedTime", "CreationTime", "ModifiedTime", "AccessCount", "Url", "Filename", "FileSize",
    "ResponseHeaders",
)  # fmt: skip
_MOST_CONTAINERS = 5_000
_VISIT = re.compile(r"^(?:visited:\s{0,4})?([^@\s]{0,256})@", re.IGNORECASE)
_HEADERS = 64 * 1024
_NONE = NoTime("not set", "")
_Values = dict[str, esefile.EseValue]
_Reader = Callable[[Source, _Values, Fields], Output]


def parse(given: FileInput) -> Output:
    """One row for each visit, each download, and each watched entry of the cache."""
    try:
        with esefile.opened(given.fh, given.size) as database:
            if database.state != "clean":
                why = f"the database is {database.state}: its log files are not replayed, the last rows may be missing"
                yield Problem("dirty_not_replayed", _NAME, given.source(), why)
            for problem in database.problems:
                yield lost(_NAME, given.source(), problem)
            common = owner(given) | {"browser_profile": None, "database_state": database.state}
            yield from _containers(given, database, common)
    except FormatError as error:
        yield Problem("unreadable", _NAME, given.source(), str(error))


def _containers(given: FileInput, database: esefile.Database, common: Fields) -> Output:
    for count, row in enumerate(database.rows(_LIST, ("ContainerId", "Name"))):
        if count >= _MOST_CONTAINERS:
            yield Problem("budget", _NAME, given.source(_LIST), f"more than {_MOST_CONTAINERS} containers")
            return
        if isinstance(row, FormatError):
            yield lost(_NAME, given.source(_LIST), row)
            continue
        number, name = number_of(row.values.get("ContainerId")), text_of(row.values.get("Name")) or ""
        read = _READERS.get(name.casefold())
        if number is not None and read:
            yield from _entries(given, database, f"Container_{number}", common, read)


def _entries(given: FileInput, database: esefile.Database, table: str, common: Fields, read: _Reader) -> Output:
    for count, row in enumerate(database.rows(table, _COLUMNS)):
        if count >= MOST_ROWS:
            yield Problem("budget", _NAME, given.source(table), f"more than {MOST_ROWS} rows, the rest is not told")
            return
        if isinstance(row, FormatError):
            yield lost(_NAME, given.source(table), row)
        else:
            yield from read(given.source(f"{table} EntryId {row.values.get('EntryId')!r}"), row.values, common)


def _visit(source: Source, values: _Values, common: Fields) -> Output:
    """`Visited: tanaka@https://...`; the name is that of the account."""
    text = text_of(values.get("Url"))
    if not text:
        return
    found = _VISIT.match(text)
    times: dict[str, Moment | None] = {"Last Visited Time": _moment(values.get("AccessedTime"))}
    fields: Fields = {
        "url": url_of(text[found.end() :] if found else text),
        "user_name": found.group(1) or None if found else None,
        "visit_count": number_of(values.get("AccessCount")),
    }
    yield visited(source, times, common, fields)


def _download(source: Source, values: _Values, common: Fields) -> Output:
    """The headers end with the referring address, the type, the temporary path, the address and the path."""
    raw = values.get("ResponseHeaders")
    parts = raw[-_HEADERS:].decode("utf-16-le", "replace").split("\x00") if isinstance(raw, bytes) else []
    while parts and not parts[-1]:
        parts.pop()
    if len(parts) < 2:
        yield lost(_NAME, source, FormatError("a download without address and path in its headers"))
        return
    size = number_of(values.get("FileSize"))
    fields: Fields = {
        "url": url_of(parts[-2]),
        "file_path": text_of(parts[-1]),
        "referrer_url": url_of(parts[-5]) if len(parts) >= 5 else None,
        "mime_type": text_of(parts[-4]) if len(parts) >= 5 else None,
        "bytes_received": size or None,
    }
    yield downloaded(source, {"End Time": _moment(values.get("AccessedTime"))}, common, fields)


def _cached(source: Source, values: _Values, common: Fields) -> Output:
    url, name = url_of(values.get("Url")), text_of(values.get("Filename"))
    if not is_watched(url or "", name or ""):
        return
    times: dict[str, Moment | None] = {
        "Creation Time": _moment(values.get("CreationTime")),
        "Last Visited Time": _moment(values.get("AccessedTime")),
    }
    fields: Fields = {
        "url": url,
        "file_name": file_name(name) if name else None,
        "bytes_received": number_of(values.get("FileSize")),
        "visit_count": number_of(values.get("AccessCount")),
    }
    yield make_fact("browser.cached", source, times, common | fields)


def _moment(value: object) -> Moment:
    number = number_of(value)
    return _NONE if number is None else from_filetime(number)


_READERS: dict[str, _Reader] = {"history": _visit, "iedownload": _download, "content": _cached}
_HOMES = ("Users/*", "Windows/System32/config/systemprofile", "Windows/SysWOW64/config/systemprofile",
          "Windows/ServiceProfiles/*")  # fmt: skip

ARTIFACT = FileArtifact(
    name=_NAME,
    paths=tuple(f"{home}/AppData/Local/Microsoft/Windows/WebCache/WebCacheV*.dat" for home in _HOMES),
    parse=parse,
    emits={
        "browser.visited": VISITED,
        "browser.downloaded": DOWNLOADED,
        "browser.cached": Kind(
            "{url} was fetched through WinINet[ by a program of {profile_user}][, kept as {file_name}]"
            "[, {bytes_received} bytes][, used {visit_count} times]",
            {
                "browser": str,
                "profile_user": str,
                "database_state": str,
                "url": str,
                "file_name": str,
                "bytes_received": int,
                "visit_count": int,
            },
        ),
    },
)
