"""Events as columns (Apache Arrow): one fixed schema whatever the content, rows in groups, and back again.

A column for each declared field of each kind keeps numbers numbers and lets DuckDB, pandas or Spark filter without
parsing; absent is null. pyarrow is imported when a schema is made, not with the module.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from forensics.artifacts.base import all_kinds
from forensics.model import Event, Fields, PersistenceEntry, SandboxSession, Source, TunnelSession, Verdicts
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
# Made from the rest of a case when it is written, and not read back: a case that was saved before them loads as well.
DERIVED_COLUMNS = ("session_ids", "record_id")
_LARGEST = 2**63 - 1
Sessions = Mapping[str, tuple[str, ...]]


def data_type(kind: str, kinds: Kinds, fields: Fields) -> str:
    """Timesketch's `data_type`: the plaso name where the row is that very thing, else our own `mirrortrace:...`."""
    declared = kinds.get(kind)
    where = declared.data_type_where if declared else None
    fits = where is None or fields.get(where[0]) == where[1]
    return (declared.data_type if declared and fits else "") or "mirrortrace:" + kind.replace(".", ":")


def session_ids(verdicts: Verdicts) -> dict[str, tuple[str, ...]]:
    """Which sessions and persistence entries name an event, by the event's id."""
    found: dict[str, tuple[str, ...]] = {}
    entries: list[SandboxSession | TunnelSession | PersistenceEntry] = [*verdicts.sandbox_sessions]
    entries += [*verdicts.tunnel_sessions, *verdicts.persistence]
    for entry in entries:
        for identity in entry.events:
            owners = found.get(identity, ())
            found[identity] = owners if entry.id in owners else (*owners, entry.id)
    return found


def record_id(fields: Fields) -> int | None:
    """The number of an event log record as a number: as the text that it is everywhere else, 10 sorts before 9.

    The field stays a text, because its 64 bits without a sign fit into no importer's number; one that is larger than a
    signed number holds (a forged one) has none.
    """
    text = fields.get("record_number")
    if not isinstance(text, str) or not text.isascii() or not text.isdecimal() or len(text) > len(str(_LARGEST)):
        return None
    return number if (number := int(text)) <= _LARGEST else None


class Columns:
    """The schema over all kinds and the way in and out of it; `sessions` tells who names which event.

    `session_ids` are the sessions and persistence entries that name the event, `record_id` is `record_number` as a
    number.

    Raises ValueError when a declared field has the name of a base column.
    """

    def __init__(
        self, kinds: Kinds | None = None, *, lists_as_json: bool = False, sessions: Sessions | None = None
    ) -> None:
        import pyarrow as pa

        from forensics import arrow

        self._kinds = all_kinds() if kinds is None else kinds
        self._declared = declared_fields(self._kinds)
        clash = set(self._declared) & {*BASE_COLUMNS, *DERIVED_COLUMNS}
        if clash:
            raise ValueError(f"fields named like base columns: {sorted(clash)}")
        lists = arrow.TEXT if lists_as_json else arrow.TEXTS
        types = {str: arrow.TEXT, int: arrow.NUMBER, bool: arrow.SWITCH}
        self._lists_as_json = lists_as_json
        self._sessions = sessions or {}
        columns = [("datetime", arrow.MOMENT), *((name, arrow.TEXT) for name in _TEXTS)]
        columns += [(name, lists) for name in _LISTS]
        columns += [("session_ids", lists), ("record_id", arrow.NUMBER)]
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
            "data_type": [data_type(event.kind, self._kinds, event.fields) for event in events],
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
            "session_ids": [self._listed(self._sessions.get(event.id, ())) for event in events],
            "record_id": [record_id(event.fields) for event in events],
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
        if name in BASE_COLUMNS or name in DERIVED_COLUMNS or column.null_count == batch.num_rows:
            continue
        for row, value in zip(rows, column.to_pylist(), strict=True):
            if value is not None:
                row[name] = tuple(value) if isinstance(value, list) else value
    return rows
