"""undated.jsonl: facts without a usable time, with the reason. They are evidence too, and they get no made-up date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forensics.artifacts.base import all_kinds
from forensics.case import Case
from forensics.columns import data_type
from forensics.export._lines import encode, objects, place, source_of
from forensics.spool import decode_fields
from forensics.timeline import Kinds, Undated


def write(case: Case, path: Path, kinds: Kinds | None = None) -> None:
    """Write one JSON object a line, ordered by kind and place; `fields` and `no_times` are objects."""
    kinds = all_kinds() if kinds is None else kinds
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        handle.writelines(encode(_plain(item, kinds)) + "\n" for item in case.undated)


def _plain(item: Undated, kinds: Kinds) -> dict[str, Any]:
    return {
        "event_uid": item.id,
        "kind": item.kind,
        "data_type": data_type(item.kind, kinds, item.fields),
        "message": item.message,
        "hostname": item.host,
        "username": item.user,
        **place(item.source),
        "fields": item.fields,
        "no_times": item.no_times,
        "tag": item.tags,
        "seen_in": item.seen_in,
    }


def read(path: Path) -> Iterator[Undated]:
    """The rows of a file that `write` made.

    Raises:
        ValueError, KeyError: a line is not such a row.
    """
    return map(_row, objects(path))


def _row(plain: dict[str, Any]) -> Undated:
    source = source_of(plain)
    return Undated(
        id=plain["event_uid"],
        kind=plain["kind"],
        message=plain["message"],
        host=plain["hostname"],
        user=plain["username"],
        source=source,
        fields=decode_fields(plain["fields"]),
        no_times=plain["no_times"],
        tags=tuple(plain["tag"]),
        seen_in=tuple(plain["seen_in"]),
    )
