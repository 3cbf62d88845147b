"""Where the rows lie that a verdict rests on: file, place in it, hash, out of the files of a saved case.

Verdicts name rows by id alone. An examiner who checks one by hand, or has to write down where it comes from, needs the
place itself, without a search through the timeline.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from forensics.export.parquet import PLACE, places
from forensics.show.terminal import Document

_Row = tuple[str, str, str, str]
Place = tuple[str, str, str]  # path, locator, SHA-256 of the file ("" where it was not hashed)


def places_of(case_dir: Path, wanted: Collection[str]) -> dict[str, Place]:
    """The places of the rows with these ids, as far as the case's files have them.

    A file that is missing or damaged tells of no place: what stands in the verdicts is shown all the same.
    """
    ids, found = frozenset(wanted), dict[str, Place]()
    if not ids:
        return found
    for read in (_dated, _undated):
        try:
            for row in read(case_dir, ids):
                found[row[0]] = (row[1], row[2], row[3])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def places_told(entry: Document, known: dict[str, Place]) -> list[Place]:
    """The places of an entry's rows, each once; entries of `--all` bring their own (`sources`)."""
    own = [(item["path"], item["locator"], item["sha256"] or "") for item in entry.get("sources", ())]
    return list(dict.fromkeys([*own, *(known[event] for event in entry["events"] if event in known)]))


def _row(row: Document) -> _Row:
    uid, path, locator, digest = (str(row.get(name) or "") for name in PLACE)
    return uid, path, locator, digest


def _dated(case_dir: Path, ids: frozenset[str]) -> Iterator[_Row]:
    yield from map(_row, places(case_dir / "events.parquet", ids))


def _undated(case_dir: Path, ids: frozenset[str]) -> Iterator[_Row]:
    with (case_dir / "undated.jsonl").open(encoding="utf-8") as handle:
        for line in handle:
            row = json.loads(line)
            if row["event_uid"] in ids:
                yield _row(row)
