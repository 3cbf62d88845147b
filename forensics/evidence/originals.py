"""What the collectors wrote down beside the files: original times, hashes, and what they left out as identical.

A copied tree has the times of the copying; KAPE's `_copylog.csv` and Velociraptor's `All File Metadata`/`Uploads`
results hold the times of the source and a hash. Columns: KAPE CopiedTimestamp, SourceFile, DestinationFile, FileSize,
SourceFileSha1, DeferredCopy, CreatedOnUtc, ModifiedOnUtc, LastAccessedOnUtc; its `_skiplog.csv` SourceFile,
SourceFileSha1, Reason (Excluded, Deduped: a file of the same hash was copied already); Velociraptor SourceFile,
SourceFileSha256, Created, Changed, Modified, LastAccessed (ISO 8601); its `uploads.json` names every upload by the
components of its place. Without any, a member has no times: absent is better than the copying's.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from forensics.evidence.base import ACCESSED, BORN, CHANGED, MODIFIED, Noted, Refusal
from forensics.evidence.globs import normal
from forensics.evidence.members import Member
from forensics.times import from_iso

LOG_LIMIT = 64 * 1024 * 1024  # a collection of 200,000 files needs as much
_KAPE = {"CreatedOnUtc": BORN, "ModifiedOnUtc": MODIFIED, "LastAccessedOnUtc": ACCESSED}
_VELOCIRAPTOR = {"Created": BORN, "Modified": MODIFIED, "Changed": CHANGED, "LastAccessed": ACCESSED}
_HASHES = {"SourceFileSha1": ("sha1", 40), "SourceFileSha256": ("sha256", 64)}
_COPYLOG, _SKIPLOG, _UPLOADS = "_copylog.csv", "_skiplog.csv", "uploads.json"
_SHADOW = re.compile(r"(?:^|/)(?:vss_?|globalroot/device/harddiskvolumeshadowcopy)(\d+)/(.*)$")
_MOST_TAKEN = 2_000_000
_LEAST_STEPS = 3  # uploads, accessor, a name
_DEVICE = re.compile(r"^(?:[\\/]{2}[.?][\\/])+")


class Taken(NamedTuple):
    """A file that a list says was collected: where it lay (`key` is its comparison form), and where it was put.

    `place` is a path of the collector's machine, or, `inside`, one below the list's own `folder`; "" is not said.
    """

    folder: tuple[str, ...]
    key: str
    source: str
    place: str
    inside: bool


@dataclass(slots=True)
class Originals:
    """`noted` by source path (`c:/users/x`, `vss1/users/x`); `same` are files of a snapshot that were left out.

    Those are (snapshot, path in it, drive, path of the same content on the live volume). `taken` is what was collected.
    """

    noted: dict[str, Noted] = field(default_factory=dict)
    same: list[tuple[str, str, str, str]] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)


def originals_of(members: Iterable[Member], group: tuple[str, ...], refusals: list[Refusal]) -> Originals:
    """What the collector's lists of this host say; a list that cannot be read is said."""
    known, skipped = Originals(), list[dict[str, object]]()
    for member in members:
        if not is_log(member.parts) or member.parts[: len(group)] != group:
            continue
        path = "/".join(member.parts)
        try:
            with member.open() as handle:
                data = handle.read(LOG_LIMIT)
        except OSError as error:
            why = f"the collector's list cannot be read, original times are missing: {error}"
            refusals.append(Refusal(path, "unreadable", why))
            continue
        if member.size > LOG_LIMIT:
            why = f"only the first {LOG_LIMIT >> 20} MiB of the collector's list were read"
            refusals.append(Refusal(path, "budget", why))
        if member.parts[-1].casefold().endswith(_SKIPLOG):
            skipped += rows_of(member.parts[-1], data)
        else:
            _read(member.parts, data, known)
    known.same = list(_same(skipped, known.noted))
    if any(item.inside for item in known.taken):  # Velociraptor's result rows name files that were only hashed, too
        known.taken = [item for item in known.taken if item.place]
    return known


def _read(parts: tuple[str, ...], data: bytes, known: Originals) -> None:
    """Take in the rows of a list of what was collected."""
    name = parts[-1].casefold()
    columns = _KAPE if name.endswith(".csv") else _VELOCIRAPTOR
    for row in rows_of(name, data):
        if noted := _noted(row, columns):
            key, said = noted
            item = known.noted.setdefault(key, Noted())
            item.times.update(said.times)
            item.hashes.update(said.hashes)
        if len(known.taken) < _MOST_TAKEN and (taken := _taken(row, parts)):
            known.taken.append(taken)


def _taken(row: dict[str, object], parts: tuple[str, ...]) -> Taken | None:
    """The file that a row says was collected; rows of files that were looked at only give none."""
    name, source = parts[-1].casefold(), str(row.get("SourceFile") or "")
    place = str(row.get("DestinationFile") or "")
    if name.endswith(_COPYLOG):
        return Taken(parts[:-1], _key(source, place), source, place, inside=False) if source and place else None
    if name != _UPLOADS:
        found = source and place and name.endswith(_UPLOADS) and hashes_in(row)
        return Taken((), _key(source, ""), source, "", inside=False) if found else None
    steps, empty = row.get("_Components"), bool(row.get("file_size")) and not row.get("uploaded_size")
    if not isinstance(steps, list) or len(steps) < _LEAST_STEPS or empty:
        return None
    suffix = ".idx" if row.get("Type") == "idx" else ""
    source = "/".join(map(str, steps[2:])) + suffix
    return Taken(parts[:-1], _key(source, ""), source, "/".join(map(str, steps)) + suffix, inside=True)


def _same(skipped: Iterable[dict[str, object]], noted: dict[str, Noted]) -> Iterator[tuple[str, str, str, str]]:
    """Files of a shadow copy that were not copied because the live volume has the same content."""
    by_hash = {item.hashes["sha1"]: key for key, item in noted.items() if "sha1" in item.hashes and key[1:2] == ":"}
    for row in skipped:
        found = _SHADOW.search(source_key(str(row.get("SourceFile") or "")))
        live = by_hash.get(str(row.get("SourceFileSha1") or "").casefold())
        if found and live and "dedup" in str(row.get("Reason") or "").casefold():
            drive, _, path = live.partition("/")
            yield f"vss{found.group(1)}", found.group(2), drive, path


def is_log(parts: tuple[str, ...]) -> bool:
    """Whether this member is a collector's own list of the files it took or left."""
    name = parts[-1].casefold()
    if name.endswith((_COPYLOG, _SKIPLOG)) or name == _UPLOADS:
        return True
    return "results" in (part.casefold() for part in parts[:-1]) and name.endswith(
        ("all file metadata.json", "uploads.json", "all matches metadata.json")
    )


def rows_of(name: str, data: bytes) -> Iterator[dict[str, object]]:
    """The rows of a list; what makes no sense is skipped."""
    text = data[:LOG_LIMIT].decode("utf-8-sig", errors="replace")
    return _csv_rows(text) if name.casefold().endswith(".csv") else _json_rows(text)


def _noted(row: dict[str, object], columns: dict[str, str]) -> tuple[str, Noted] | None:
    """What a row says about a file, by its source path (comparison form, without `\\\\.\\`)."""
    source = str(row.get("SourceFile") or "")
    stamps = {meaning: from_iso(_trim(row[column])) for column, meaning in columns.items() if row.get(column)}
    good = {meaning: value for meaning, value in stamps.items() if isinstance(value, datetime)}
    hashes = hashes_in(row)
    if not source or not (good or hashes):
        return None
    return _key(source, str(row.get("DestinationFile") or "")), Noted(good, hashes)


def hashes_in(row: dict[str, object]) -> dict[str, str]:
    """The well-formed hashes of a row."""
    found = {}
    for column, (name, length) in _HASHES.items():
        text = str(row.get(column) or "").strip().casefold()
        if re.fullmatch(f"[0-9a-f]{{{length}}}", text):
            found[name] = text
    return found


def tree_path(source: str, depth: int) -> str:
    """The last `depth` components of a source path as the collector spelled them."""
    return "/".join(source.replace("\\", "/").strip("/").split("/")[-depth:])


def _key(source: str, destination: str) -> str:
    """The source's key; KAPE's shadow copies have their number in the destination."""
    own = source_key(source)
    shadow = _SHADOW.search(own) or _SHADOW.search(normal(destination))
    return f"vss{shadow.group(1)}/{shadow.group(2)}" if shadow else own


def source_key(path: str) -> str:
    """`\\\\.\\C:\\Users\\x` and `C:\\Users\\x` become `c:/users/x`."""
    return normal(_DEVICE.sub("", path))


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
