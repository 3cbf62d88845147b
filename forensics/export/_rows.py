"""The rows of the Timesketch exports: every event of the timeline, and the sessions as rows of their own.

The rules behind each choice were measured against Timesketch's own importer:

- one field has one type for ever, or OpenSearch drops the later rows without a word; ids and hex are strings;
- names are plain `[a-z0-9_]`, because a dot would make an object; nothing is nested but lists of strings;
- `datetime` with an offset and six digits, `timestamp` as whole microseconds: the server sorts by the latter;
- `tag` is never empty: an empty cell becomes the tag `nan`;
- the row's own id is `event_uid`: uploads to one sketch share an index, and others use `event_id` for a number.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from forensics.artifacts.base import FieldType, all_kinds
from forensics.case import Case
from forensics.clockmarks import AMBIGUOUS, Marks, default_tags
from forensics.columns import data_type, session_ids
from forensics.export import _sessions
from forensics.export._folding import Encoded, core, encoded
from forensics.model import Event, Fields
from forensics.plain import safe_plain
from forensics.timeline import Kinds, declared_fields, fit
from forensics.times import iso, microseconds


@dataclass(frozen=True, slots=True, eq=False)
class Common:
    """What thousands of rows have in common: made once, so that a format encodes it once (hence the identity hash)."""

    meaning: str
    data_type: str
    kind: str
    host: str
    user: str
    evidence: str
    path: str
    sha256: str
    tag: tuple[str, ...]
    seen_in: tuple[str, ...]


class Row(NamedTuple):
    """One row; `fields` are those beside what every row can have."""

    timestamp: int
    moment: str
    uid: str
    message: str
    locator: str
    sessions: tuple[str, ...]
    common: Common
    fields: Encoded


_EVENT_LOG = "windows:evtx:record"


def row_fields(kinds: Kinds | None = None) -> dict[str, FieldType]:
    """Every field that a row can have beside the core columns, with its type: the declared ones and those of sessions.

    Raises:
        ValueError: a name has two types, or a declared field is named like a core column.
    """
    found = declared_fields(kinds)
    for name, declared in _sessions.FIELDS.items():
        if found.setdefault(name, declared) != declared:
            raise ValueError(f"the field {name} has another type in session rows")
    clash = core() & set(found)
    if clash:
        raise ValueError(f"fields named like core columns: {sorted(clash)}")
    return found


def rows(case: Case, kinds: Kinds | None = None, events: Iterable[Event] | None = None) -> Iterator[Row]:
    """All rows in time order; sessions follow events of the same time. `events` stands in for those of the case."""
    return merged(case.events if events is None else events, session_rows(case), session_ids(case.verdicts), kinds)


def merged(
    events: Iterable[Event], synthetic: Iterable[Row], sessions: Mapping[str, tuple[str, ...]],
    kinds: Kinds | None = None,
) -> Iterator[Row]:  # fmt: skip
    """Events as rows, with the session rows among them by time; `sessions` tells who names which event."""
    kinds = all_kinds() if kinds is None else kinds
    declared = row_fields(kinds)
    dated = (_event_row(event, kinds, declared, sessions) for event in events)
    return heapq.merge(dated, synthetic, key=itemgetter(0))


def session_rows(case: Case) -> list[Row]:
    """The sessions as rows, in time order; those outside the period that the timeline was cut to are left out."""
    marks = Marks(case.verdicts.anti_forensics)
    made = [_session_row(_marked(row, marks)) for row in _sessions.rows(case.verdicts)]
    start, end = (None if moment is None else microseconds(moment) for moment in case.span)
    shown = [row for row in made if (start is None or row.timestamp >= start) and (end is None or row.timestamp <= end)]
    return sorted(shown, key=lambda row: (row.timestamp, row.uid))


def _marked(row: dict[str, Any], marks: Marks) -> dict[str, Any]:
    return {**row, "tag": [*row["tag"], AMBIGUOUS]} if marks.covers(row["hostname"], row["timestamp"]) else row


def counts(case: Case) -> dict[str, int]:
    """How many rows the timeline files have, and how many rows of sessions the period left out."""
    shown = len(session_rows(case))
    return {
        "timeline_rows": len(case.events) + shown,
        "session_rows": shown,
        "session_rows_outside": sum(1 for _ in _sessions.rows(case.verdicts)) - shown,
    }


@lru_cache(maxsize=65_536)
def _common(*values: Any) -> Common:  # noqa: ANN401  # the members of Common
    return Common(*values)


def _event_row(
    event: Event, kinds: Kinds, declared: Mapping[str, FieldType], sessions: Mapping[str, tuple[str, ...]]
) -> Row:
    """One event as a row. An event without a tag gets the thing it is about (`process`, `tunnel`, ...)."""
    source, kind = event.source, event.kind
    named = data_type(kind, kinds, event.fields)
    fields = fit(event.fields, declared)
    if named == _EVENT_LOG and "provider" in fields:
        fields = {**fields, "source_name": fields["provider"]}  # plaso's name: Sigma rules in Timesketch ask for it
    tag = default_tags(event.tags, kind.partition(".")[0])
    place = (source.evidence, source.path, source.sha256 or "", tag, event.seen_in)
    return Row(
        microseconds(event.time),
        iso(event.time),
        event.id,
        event.message,
        source.locator,
        sessions.get(event.id, ()),
        _common(event.meaning, named, kind, event.host, event.user, *place),
        encoded(fields),
    )


def _session_row(plain: dict[str, Any]) -> Row:
    """A row out of `_sessions`: texts made safe, what is unknown left out."""
    safe = safe_plain(plain)
    fields: Fields = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in safe.items()
        if name in _sessions.FIELDS and value is not None
    }
    common = Common(
        safe["timestamp_desc"], safe["data_type"], safe["kind"], safe["hostname"], safe.get("username") or "", "", "",
        "", tuple(safe["tag"]), (),
    )  # fmt: skip
    sessions = tuple(safe.get("session_uid", ()))
    return Row(
        safe["timestamp"], safe["datetime"], safe["event_uid"], safe["message"], "", sessions, common, encoded(fields)
    )
