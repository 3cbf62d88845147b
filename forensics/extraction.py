"""The copies that a remote editor kept of saved files, written out for a person to look at (`--extract`).

They are what an intruder wrote on this host, so they are treated as live malware: no name of the evidence leads
anywhere (one flat folder, names made here), no name ends in what a program would start, sizes have budgets. What was
left out stands in the manifest with its reason. Payloads in registry values are written with them (`blobextraction`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from forensics import blobextraction, jobs, leftovers
from forensics.artifacts import tunnel_saved_copies
from forensics.artifacts._vscode import resource_fields
from forensics.assembly import is_inside
from forensics.case import Case, CaseExistsError
from forensics.evidence.base import EvidenceError
from forensics.evidence.several import each
from forensics.formats import FormatError, guardedjson
from forensics.runinfo import bulk
from forensics.text import mask_secrets, one_line
from forensics.times import from_unix, iso
from forensics.workers import Dead, Limits, Workers

MANIFEST = "manifest.jsonl"
SUFFIX = ".evidence"
FILE_LIMIT = 16 * 1024 * 1024
TOTAL_LIMIT = 1024 * 1024 * 1024
COUNT_LIMIT = 50_000
_BATCH = 32  # copies on their way from the workers at a time
_LIST = "entries.json"
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Extracted:
    """One line of the manifest, `host` as its case names it; `file` is null where none was written (`fault`: why)."""

    file: str | None
    evidence: str
    host: str
    source_path: str
    sha256: str | None
    size: int
    original_path: str | None = None
    saved_at: str | None = None
    save_source: str | None = None
    tunnel_name: str | None = None
    fault: str | None = None


class _Copy(NamedTuple):
    """What a worker gives of one copy: its content, or why there is none, and what the list beside it says."""

    path: str
    data: bytes
    fault: str | None
    about: dict[str, str | None]


def check_folder(folder: Path, evidence: Iterable[Path], output: Path) -> None:
    """Refuse a folder in the evidence, in the case or with something in it, before anything is read.

    Raises CaseExistsError with a sentence for a person.
    """
    for path in evidence:
        if is_inside(folder, path):
            raise CaseExistsError(f"{folder} lies inside the evidence {path}, which is never written to")
    if folder.resolve().is_relative_to(output.resolve()) or output.resolve().is_relative_to(folder.resolve()):
        raise CaseExistsError(f"{folder} and the case {output} lie in each other: copies need a folder of their own")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CaseExistsError(f"{folder} is not an empty folder: nothing is extracted into it")


def summary_of(lines: Sequence[Extracted], folder: Path) -> str:
    """How many were written, for a person."""
    left = sum(line.file is None for line in lines)
    more = f", {left} left out" if left else ""
    told = (blobextraction.STORED, blobextraction.OPENED)
    sealed = {line.file for line in lines if line.file and line.save_source in told}
    files = {line.file for line in lines if line.file} - sealed
    also = f" and {len(sealed)} contents of registry values" if sealed else ""
    return f"{len(files)} saved copies{also} extracted to {folder}{more}; {MANIFEST} says where they are from"


def host_names(cases: Iterable[Case]) -> dict[tuple[str, str], str]:
    """What the hosts of a run's cases are called, by the evidence's path and the host's folder in it ("": none)."""
    return {
        (item.path, item.name.partition("/")[2]): item.host.name
        for case in cases
        for item in case.evidence
        if item.host.name
    }


def saved_copies(
    evidence: Sequence[Path], folder: Path, options: Any,  # noqa: ANN401  # pipeline.Options
    hosts: Mapping[tuple[str, str], str] | None = None,
) -> list[Extracted]:  # fmt: skip
    """Write every copy into `folder`, which must be new or empty, with a manifest; gives the manifest's lines.

    `hosts` are the names of `host_names`; a host without one goes by its folder in the evidence.
    """
    named = hosts or {}
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: nothing is extracted into it")
    writer = _Writer(folder)
    for path in evidence:

        def work(opening: Any, path: Path = path) -> list[Extracted]:  # noqa: ANN401  # evidence.base.Opening
            place = opening.host or ""
            called = named.get((str(path), one_line(place)), place)
            return _one(path, opening, options.limits, (writer, called))

        try:
            for host, outcome in each(options.opening, work):
                if isinstance(outcome, EvidenceError):
                    writer.note(Extracted(None, str(path), host, "", None, 0, fault=str(outcome)))
        except EvidenceError as error:
            writer.note(Extracted(None, str(path), "", "", None, 0, fault=str(error)))
    writer.close()
    return writer.lines


def _one(path: Path, opening: Any, limits: Limits, into: tuple[_Writer, str]) -> list[Extracted]:  # noqa: ANN401
    """The copies of one host, into the writer under the host's name."""
    writer, host = into
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix()) as scratch:
        start = (str(path), path.name, replace(opening, scratch=scratch))
        with Workers(limits, jobs.start_worker, start, bulk(path)) as workers:
            found = workers.one(find, tunnel_saved_copies.ARTIFACT.paths)
            if isinstance(found, Dead):
                raise EvidenceError(f"{path} could not be listed: {found.detail}")
            if isinstance(found, EvidenceError):
                raise found
            for copy in _copies(workers, found):
                writer.take(copy, str(path), host)
            for copy in _payloads(workers):
                writer.take(copy, str(path), host)
    return []


def _payloads(workers: Workers) -> Iterator[_Copy]:
    """What the hives hold; a hive whose worker died is a line without a file."""
    machine, hives = (workers.one(find, globs) for globs in (blobextraction.MACHINE, blobextraction.PLACES))
    if isinstance(machine, Dead | EvidenceError) or isinstance(hives, Dead | EvidenceError):
        raise EvidenceError("the evidence could not be listed for its hives")
    ident = workers.one(blobextraction.identifier, tuple(path for path, _ in machine))
    known = None if isinstance(ident, Dead) else ident
    for done in workers.run(blobextraction.payloads, [((path, known), size) for path, size in hives]):
        if isinstance(done.result, Dead):
            yield _Copy(hives[done.index][0], b"", done.result.detail, {})
            continue
        for item in done.result:
            large = f"larger than {FILE_LIMIT} bytes" if len(item.data) > FILE_LIMIT else item.fault
            about: dict[str, str | None] = {"original_path": item.place, "save_source": item.how}
            yield _Copy(item.path, b"" if large else item.data, large, about)


def find(patterns: tuple[str, ...]) -> list[tuple[str, int]] | EvidenceError:
    """In a worker: the copies that the evidence holds, with their sizes."""
    try:
        found = jobs.opened().find(patterns)
    except EvidenceError as error:
        return error
    return [(item.path, item.size) for item in found if item.path.rpartition("/")[2].casefold() != _LIST]


def _copies(workers: Workers, found: Sequence[tuple[str, int]]) -> Iterator[_Copy]:
    for first in range(0, len(found), _BATCH):
        batch = found[first : first + _BATCH]
        done = {item.index: item.result for item in workers.run(read, batch_jobs(batch))}
        for index, (path, _) in enumerate(batch):
            result = done[index]
            yield _Copy(path, b"", result.detail, {}) if isinstance(result, Dead) else result


def batch_jobs(batch: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """The jobs of some copies, each with the size that its time limit is of."""
    return [(path, min(size, FILE_LIMIT)) for path, size in batch]


def read(path: str) -> _Copy:
    """In a worker: one copy with what the list beside it says."""
    folder, _, name = path.rpartition("/")
    about = _listed(f"{folder}/{_LIST}").get(name, {})
    try:
        with jobs.opened().open(path) as handle:
            data = handle.read(FILE_LIMIT + 1)
    except (OSError, EvidenceError) as error:
        return _Copy(path, b"", f"cannot be read: {error}", about)
    if len(data) > FILE_LIMIT:
        return _Copy(path, b"", f"larger than {FILE_LIMIT} bytes", about)
    return _Copy(path, data, None, about)


@lru_cache(maxsize=4)
def _listed(path: str) -> dict[str, dict[str, str | None]]:
    """What `entries.json` says of the copies beside it, by their names; nothing where it cannot be read."""
    try:
        with jobs.opened().open(path) as handle:
            told = guardedjson.loads(handle.read(guardedjson.SIZE_LIMIT + 1))
    except (OSError, EvidenceError, FormatError):
        return {}
    told = told if isinstance(told, dict) else {}
    resource, entries = told.get("resource"), told.get("entries")
    named = resource_fields(resource) if isinstance(resource, str) else {}
    common = {"original_path": _text(named.get("saved_path")), "tunnel_name": _text(named.get("tunnel_name"))}
    return {
        entry["id"]: {**common, "saved_at": _saved_at(entry), "save_source": _text(entry.get("source"))}
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    }


def _saved_at(entry: dict[str, Any]) -> str | None:
    stamp = entry.get("timestamp")
    moment = from_unix(stamp, "ms") if isinstance(stamp, int | float) and not isinstance(stamp, bool) else None
    return iso(moment) if isinstance(moment, datetime) else None


def _text(value: object) -> str | None:
    return value[:4_000] if isinstance(value, str) and value else None


def safe_name(number: int, path: str) -> str:
    """A name that no system takes for a program or a device, whatever the evidence calls the file."""
    base = mask_secrets(re.split(r"[\\/]", path)[-1])
    plain = _NOT_PLAIN.sub("_", base).strip("._-")[:60] or "file"
    return f"{number:05d}-{plain}{SUFFIX}"


class _Writer:
    """Writes copies and their manifest; equal contents are written once."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._total = folder, 0
        self._known: dict[str, str] = {}
        self.lines: list[Extracted] = []
        self._manifest = (folder / MANIFEST).open("x", encoding="utf-8", newline="\n")

    def take(self, copy: _Copy, evidence: str, host: str) -> None:
        """Write one copy, or note why it is not."""
        digest = None if copy.fault else hashlib.sha256(copy.data).hexdigest()
        fault, name = copy.fault, self._known.get(digest or "")
        if digest and name is None:
            if self._total + len(copy.data) > TOTAL_LIMIT or len(self._known) >= COUNT_LIMIT:
                fault = f"more than {TOTAL_LIMIT} bytes or {COUNT_LIMIT} files in all"
            else:
                name = safe_name(len(self._known) + 1, copy.about.get("original_path") or copy.path)
                self._write(name, copy.data)
                self._known[digest] = name
        self.note(
            Extracted(
                name, evidence, host, copy.path, digest, len(copy.data), fault=fault,
                **{key: copy.about.get(key) for key in ("original_path", "saved_at", "save_source", "tunnel_name")},
            )
        )  # fmt: skip

    def _write(self, name: str, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self._folder / name, flags, 0o600), "wb") as target:
            target.write(data)
        self._total += len(data)

    def note(self, line: Extracted) -> None:
        """One line of the manifest; ASCII only, so that no name in it can act on a terminal."""
        masked: dict[str, Any] = {
            name: mask_secrets(value) for name, value in asdict(line).items() if isinstance(value, str)
        }
        line = replace(line, **masked)
        self.lines.append(line)
        self._manifest.write(json.dumps(asdict(line)) + "\n")

    def close(self) -> None:
        """The manifest is complete."""
        self._manifest.close()
