"""stock.jsonl: what stands in the autostart places of the host and is Windows' own, so that nothing of them is dropped.

These rows are context: they would bury a timeline, and an entry of stock scores nothing. But who has to say that all
of a host's autostarts were looked at needs them, with their sources: `show persistence --all` puts the entries
together from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from forensics.case import Case
from forensics.export._lines import encode, objects, place, source_of
from forensics.model import Aside, Fact
from forensics.spool import decode_fields


def write(case: Case, path: Path) -> None:
    """Write one JSON object a line, ordered by host, kind and place; `times` and `no_times` are objects by meaning."""
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        handle.writelines(sorted(encode(_plain(item)) + "\n" for item in case.stock))


def _plain(item: Aside) -> dict[str, Any]:
    fact = item.fact
    return {
        "hostname": item.host,
        "kind": fact.kind,
        **place(fact.source),
        "times": {meaning: moment.isoformat() for meaning, moment in fact.times.items()},
        "no_times": fact.no_times,
        # The bytes of a text that was made safe are in the evidence, at the locator; here they would double its size.
        "fields": {name: value for name, value in fact.fields.items() if name != "raw_hex"},
        "tag": fact.tags,
        "seen_in": fact.seen_in,
    }


def read(path: Path) -> Iterator[Aside]:
    """The rows of a file that `write` made.

    Raises:
        ValueError, KeyError: a line is not such a row.
    """
    return map(_row, objects(path))


def _row(plain: dict[str, Any]) -> Aside:
    source = source_of(plain)
    times = {meaning: datetime.fromisoformat(text) for meaning, text in plain["times"].items()}
    fields, tags, seen = decode_fields(plain["fields"]), tuple(plain["tag"]), tuple(plain["seen_in"])
    return Aside(plain["hostname"], Fact(plain["kind"], source, times, fields, plain["no_times"], True, tags, seen))
