"""Events as columns (Apache Arrow): one fixed schema whatever the content, rows in groups, and back again.

A column for each declared field of each kind keeps numbers numbers and lets DuckDB, pandas or Spark filter without
parsing; absent is null. pyarrow is imported when a schema is made, not with the module.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from forensics.artifacts.base import all_kinds
from forensics.model import Event, Fields, Source
from forensics.spool import from_microseconds
from forensics.timeline import Kinds, declared_fields, fit
from forensics.times import microseconds

GROUP_ROWS = 10_000
_TEXTS = (
    "timestamp_desc", "kind", "data_type", "message", "hostname", "username", "event_uid", "evidence", "source_path",
    "source_locator", "source_sha256",
)  # fmt: skip
_LISTS = ("tag", "seen_in")
BASE_COLUMNS = ("datetime", *_TEXTS, *_LISTS)


def data_type(kind: str, kinds: Kinds) -> str:
    """Timesketch's `data_type`: the plaso name where the row is that very thing, else our own `mirrortrace:...`."""
    declared = kinds.get(kind)
    return (declared.data_type if declared else "") or "mirrortrace:" + kind.replace(".", ":")


class Columns:
    """The schema over all kinds and the way in and out of it.

    Raises ValueError when a declared field has the name of a base column.
    """

    def __init__(self, kinds: Kinds | None = None, *, lists_as_json: bool = False) -> None:
        import pyarrow as pa

        from forensics import arrow

        self._kinds = all_kinds() if kinds is None else kinds
        self._declared = declared_fields(self._kinds)
        clash = set(self._declared) & set(BASE_COLUMNS)
        if clash:
            raise ValueError(f"fields named like base columns: {sorted(clash)}")
        lists = arrow.TEXT if lists_as_json else arrow.TEXTS
        types = {str: arrow.TEXT, int: arrow.NUMBER, bool: arrow.SWITCH}
        self._lists_as_json = lists_as_json
        columns = [("datetime", arrow.MOMENT), *((name, arrow.TEXT) for name in _TEXTS)]
        columns += [(name, lists) for name in _LISTS]
        columns += [(name, types.get(declared, lists)) for name, declared in self._declared.items()]
        self.schema = pa.schema(columns)

    def batches(self, events: Iterable[Event], rows: int = GROUP_ROWS) -> Iterator[Any]:
        """Record batches of at most `rows` events; nothing for no events."""
        stream = iter(events)
        while group := list(islice(stream, rows)):
            yield self.batch(group)

    def batch(self, events: Sequence[Event]) -> Any:  # noqa: ANN401  # pyarrow has no stubs
        """These events as one record batch."""
        import pyarrow as pa

        from forensics.arrow import array

        values = self._base_values(events)
        for index, event in enumerate(events):
            for name, value in fit(event.fields, self._declared).items():
                column = values.get(name)
                if column is None:  # most columns are empty in most groups: those are made at once, below
                    column = values[name] = [None] * len(events)
                column[index] = self._listed(value) if isinstance(value, tuple) else value
        arrays = [
            array(values[column.name], column.type) if column.name in values else pa.nulls(len(events), column.type)
            for column in self.schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _base_values(self, events: Sequence[Event]) -> dict[str, list[Any]]:
        sources = [event.source for event in events]
        return {
            "datetime": [microseconds(event.time) for event in events],
            "timestamp_desc": [event.meaning for event in events],
            "kind": [event.kind for event in events],
            "data_type": [data_type(event.kind, self._kinds) for event in events],
            "message": [event.message for event in events],
            "hostname": [event.host for event in events],
            "username": [event.user for event in events],
            "event_uid": [event.id for event in events],
            "evidence": [source.evidence for source in sources],
            "source_path": [source.path for source in sources],
            "source_locator": [source.locator for source in sources],
            "source_sha256": [source.sha256 for source in sources],
            "tag": [self._listed(event.tags) for event in events],
            "seen_in": [self._listed(event.seen_in) for event in events],
        }

    def _listed(self, items: tuple[str, ...]) -> str | tuple[str, ...]:
        return json.dumps(items, ensure_ascii=False) if self._lists_as_json else items


def events_of_batch(batch: Any) -> Iterator[Event]:  # noqa: ANN401  # pyarrow has no stubs
    """The events of a record batch that `Columns.batches` made, with exactly the values they had."""
    from forensics.arrow import NUMBER

    base = {name: batch.column(name).to_pylist() for name in BASE_COLUMNS[1:]}
    base["datetime"] = batch.column("datetime").view(NUMBER).to_pylist()  # exact, and no time zone library
    for index, fields in enumerate(_fields_of_batch(batch)):
        row = {name: values[index] for name, values in base.items()}
        source = Source(row["evidence"], row["source_path"], row["source_sha256"], row["source_locator"])
        yield Event(
            row["event_uid"],
            from_microseconds(row["datetime"]),
            row["timestamp_desc"],
            row["kind"],
            row["message"],
            row["hostname"],
            row["username"],
            source,
            fields,
            tuple(row["tag"]),
            tuple(row["seen_in"]),
        )


def _fields_of_batch(batch: Any) -> list[Fields]:  # noqa: ANN401  # pyarrow has no stubs
    rows: list[Fields] = [{} for _ in range(batch.num_rows)]
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name in BASE_COLUMNS or column.null_count == batch.num_rows:
            continue
        for row, value in zip(rows, column.to_pylist(), strict=True):
            if value is not None:
                row[name] = tuple(value) if isinstance(value, list) else value
    return rows
