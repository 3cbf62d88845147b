"""Original file times, out of what the collectors wrote beside the files.

A copied tree has the times of the copying; KAPE's `_copylog.csv` and Velociraptor's `All File Metadata`/`Uploads`
results hold the times of the source. Columns: KAPE CopiedTimestamp, SourceFile, DestinationFile, FileSize,
SourceFileSha1, DeferredCopy, CreatedOnUtc, ModifiedOnUtc, LastAccessedOnUtc; Velociraptor SourceFile, Created, Changed,
Modified, LastAccessed (ISO 8601). Without either, a member has no times: absent is better than the copying's.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime

from forensics.evidence.base import ACCESSED, BORN, CHANGED, MODIFIED
from forensics.evidence.globs import normal
from forensics.times import from_iso

LOG_LIMIT = 16 * 1024 * 1024  # a collection of 50,000 files needs as much
_KAPE = {"CreatedOnUtc": BORN, "ModifiedOnUtc": MODIFIED, "LastAccessedOnUtc": ACCESSED}
_VELOCIRAPTOR = {"Created": BORN, "Modified": MODIFIED, "Changed": CHANGED, "LastAccessed": ACCESSED}

Times = dict[str, dict[str, datetime]]


def is_log(parts: tuple[str, ...]) -> bool:
    """Whether this member is a collector's own list of the files it took."""
    name = parts[-1].casefold()
    if name.endswith("_copylog.csv"):
        return True
    return "results" in (part.casefold() for part in parts[:-1]) and name.endswith(
        ("all file metadata.json", "uploads.json", "all matches metadata.json")
    )


def read_log(name: str, data: bytes) -> Times:
    """The original times by source path (comparison form, without `\\\\.\\`); rows that make no sense are skipped."""
    text = data[:LOG_LIMIT].decode("utf-8-sig", errors="replace")
    rows = _csv_rows(text) if name.casefold().endswith(".csv") else _json_rows(text)
    columns = _KAPE if name.casefold().endswith(".csv") else _VELOCIRAPTOR
    found: Times = {}
    for row in rows:
        source = str(row.get("SourceFile") or "")
        stamps = {meaning: from_iso(_trim(row[column])) for column, meaning in columns.items() if row.get(column)}
        good = {meaning: value for meaning, value in stamps.items() if isinstance(value, datetime)}
        if source and good:
            found.setdefault(source_key(source), {}).update(good)
    return found


def source_key(path: str) -> str:
    """`\\\\.\\C:\\Users\\x` and `C:\\Users\\x` become `c:/users/x`."""
    return normal(path.removeprefix("\\\\.\\").removeprefix("\\\\?\\"))


def _trim(value: object) -> str:
    return str(value).strip()


def _csv_rows(text: str) -> Iterator[dict[str, object]]:
    reader = csv.DictReader(io.StringIO(text.replace("\x00", "")))
    try:
        for row in reader:
            yield {str(key): value for key, value in row.items() if key is not None}
    except csv.Error:
        return


def _json_rows(text: str) -> Iterator[dict[str, object]]:
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row
