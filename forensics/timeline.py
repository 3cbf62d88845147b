"""Facts become timeline events: one for each named time, with a sentence, in one total order.

This is the only room beside export/ that knows pandas, and it imports it only when a frame is asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from itertools import islice
from pathlib import Path
from string import Formatter
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from forensics import leftovers
from forensics.artifacts.base import FieldType, Kind, all_kinds
from forensics.model import GUEST, Event, Fact, Fields, Source, Value, event_id
from forensics.spool import decode_fields, from_microseconds
from forensics.store import RUN_LINES, Codec, Row, Sorter, Store, natural
from forensics.text import one_line, safe_text
from forensics.times import microseconds

if TYPE_CHECKING:
    import pandas as pd

    from forensics.case import Case

MESSAGE_LIMIT = 400
_LIST_LIMIT = 50  # items of a list shown in a message
INT64 = range(-(2**63), 2**63)

# Fields that any fact may get on its way here, whatever its kind declares: misfits, reasons for missing times, the hex
# of texts that had to be escaped; of what was recovered from a log's slack where it lay and how sure it is; of what was
# recovered from a hive how far its place is shown, and before or after the replay of the hive's logs.
COMMON_FIELDS: dict[str, FieldType] = {
    **dict.fromkeys(("extra", "no_times", "raw_hex"), tuple[str, ...]),
    "recovered": bool,
    **dict.fromkeys(("recovered_from", "recovery_grade", "deleted_grade", "deleted_phase"), str),
}

Kinds = Mapping[str, Kind]


@dataclass(frozen=True, slots=True)
class Undated:
    """A fact without any usable time: kept and counted, never given a date. `no_times` says why, by meaning."""

    id: str
    kind: str
    message: str
    host: str
    user: str
    source: Source
    fields: Fields
    no_times: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    seen_in: tuple[str, ...] = ()


# --- the sentence -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of a template: literal texts each followed by a field name or nothing.

    Dropped without its `needs`, and unless all its `flags` are true (`{name:flag}`, which shows nothing itself).
    """

    needs: frozenset[str]
    flags: frozenset[str]
    pieces: tuple[tuple[str, str | None], ...]


@cache
def _compiled(template: str) -> tuple[_Part, ...]:
    parts = []
    for index, stretch in enumerate(re.split(r"\[([^\[\]]*)\]", template)):
        parsed = list(Formatter().parse(stretch))
        flags = frozenset(name for _, name, spec, _ in parsed if name is not None and spec == "flag")
        pieces = tuple((literal, None if name in flags else name) for literal, name, _, _ in parsed)
        names = frozenset(name for _, name in pieces if name is not None)
        for name in names | flags:
            if not name.isidentifier():
                raise ValueError(f"the message template {template!r} names no field with {name!r}")
        optional = index % 2 == 1
        if optional and not names | flags:  # brackets that are meant as brackets
            pieces = (("[", None), *pieces, ("]", None))
        parts.append(_Part(names if optional else frozenset(), flags, pieces))
    return tuple(parts)


def template_fields(template: str) -> set[str]:
    """The fields that a message template names.

    Raises:
        ValueError: a placeholder is no plain field name.
    """
    shown = {name for part in _compiled(template) for _, name in part.pieces if name is not None}
    return shown.union(*(part.flags for part in _compiled(template)))


def _shown(value: Value | None) -> str:
    if isinstance(value, str):
        return value[: MESSAGE_LIMIT + 1]
    if value is None:
        return "?"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        more = ", …" if len(value) > _LIST_LIMIT else ""
        return ", ".join(item[:MESSAGE_LIMIT] for item in islice(value, _LIST_LIMIT)) + more
    return str(value)


def render(kind: str, template: str, fields: Mapping[str, Value]) -> str:
    """The sentence of a fact: one safe line of at most 400 characters, never empty, never a bare word or number.

    Timesketch reads a message such as `None` or `NA` as missing and one such as `12` as a number: a message without a
    space gets the kind in front.
    """
    texts = []
    for part in _compiled(template):
        if not part.needs <= fields.keys() or not all(fields.get(name) is True for name in part.flags):
            continue
        for literal, name in part.pieces:
            texts.append(literal)
            if name is not None:
                texts.append(_shown(fields.get(name)))
    message = "".join(texts).strip()
    if " " not in message or message == "#N/A N/A":
        message = f"{kind}: {message or 'no details'}"
    if len(message) <= MESSAGE_LIMIT and message.isprintable():  # nearly always: nothing to escape or to cut
        return message
    return one_line(message, MESSAGE_LIMIT)


# --- facts to events --------------------------------------------------------------------------------------------------


def fit(fields: Fields, declared: Mapping[str, FieldType]) -> Fields:
    """The fields as declared; what is undeclared or of another type moves to `extra` as `name=value`.

    One name has one type for ever: OpenSearch drops rows whose field does not fit what it met first.
    """
    for name, value in fields.items():
        if (type(value) is not str or declared.get(name) is not str) and not _fits(name, value, declared):
            break
    else:
        return fields
    misfits = [name for name, value in fields.items() if not _fits(name, value, declared)]
    kept = {name: value for name, value in fields.items() if name not in misfits}
    before = kept.get("extra", ())
    extra = tuple(f"{name}={_plain(fields[name])}" for name in sorted(misfits))
    return {**kept, "extra": (*(before if isinstance(before, tuple) else ()), *extra)}


def _plain(value: Value) -> str:
    return "; ".join(value) if isinstance(value, tuple) else str(value)


def _fits(name: str, value: Value, types: Mapping[str, FieldType]) -> bool:
    declared = types.get(name) or COMMON_FIELDS.get(name)
    if declared is int:
        return type(value) is int and value in INT64
    if declared is str or declared is bool:
        return type(value) is declared
    return declared is not None and type(value) is tuple


def _cleaned(fact: Fact) -> Fact:
    """The fact with unsafe characters escaped; the same object where there are none (nearly always)."""
    texts = [*fact.no_times.values(), fact.source.path, fact.source.locator, fact.source.evidence]
    for value in fact.fields.values():
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, tuple):
            texts.extend(value)
    joined = " ".join(texts)
    if joined.isprintable() or safe_text(joined) == joined:  # what is printable is safe, and that is quickly known
        return fact
    fields = {name: _cleaned_value(value) for name, value in fact.fields.items()}
    reasons = {meaning: safe_text(reason) for meaning, reason in fact.no_times.items()}
    return replace(fact, source=clean_source(fact.source), fields=fields, no_times=reasons)


def clean_source(source: Source) -> Source:
    """The source with unsafe characters of names escaped."""
    evidence, path, locator = (safe_text(text) for text in (source.evidence, source.path, source.locator))
    return Source(evidence, path, source.sha256, locator)


def _cleaned_value(value: Value) -> Value:
    if isinstance(value, str):
        return safe_text(value)
    return tuple(safe_text(item) for item in value) if isinstance(value, tuple) else value


def _user(fields: Fields) -> str:
    for name in ("user_name", "profile_user", "user_sid"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def _prepared(fact: Fact, kinds: Kinds, *, safe: bool = False) -> tuple[Fact, Fields, str]:
    """The safe fact, its fields as declared, and its sentence."""
    fact = fact if safe else _cleaned(fact)
    kind = kinds.get(fact.kind) or Kind(message="", fields={})
    fields = fit(fact.fields, kind.fields)
    message = render(fact.kind, kind.message, fields)
    if "recovered" in fact.tags and "recovery_grade" in fields:
        about = f"[recovered from {fields.get('recovered_from')}, {fields['recovery_grade']}]"
        message = one_line(f"{about} {message}", MESSAGE_LIMIT)
    if "deleted_grade" in fields:
        message = one_line(f"[deleted, {fields['deleted_grade']}] {message}", MESSAGE_LIMIT)
    if fact.seen_in and "live" not in fact.seen_in:
        message = one_line(f"[only in {', '.join(fact.seen_in[:3])}] {message}", MESSAGE_LIMIT)
    if GUEST in fact.tags:
        message = one_line(f"[guest] {message}", MESSAGE_LIMIT)
    return fact, fields, message


def events_of(fact: Fact, host: str, kinds: Kinds | None = None, *, safe: bool = False) -> list[Event]:
    """One event for each named time of the fact; none for an undated one (see `undated_of`).

    Reasons why some of its times are missing stay with the events as `no_times`. `kinds` defaults to every declared
    kind; a kind that nobody declared keeps its fields in `extra`. `safe` says that the fact's texts went through
    `safety.safe_fact` and need no second look.
    """
    if not fact.times:
        return []
    fact, fields, message = _prepared(fact, all_kinds() if kinds is None else kinds, safe=safe)
    reasons = tuple(f"{meaning}: {reason}" for meaning, reason in fact.no_times.items() if reason != "absent")
    shown: Fields = {**fields, "no_times": reasons} if reasons else fields
    host, user, source = safe_text(host), _user(fields), fact.source
    return [
        Event(
            event_id(fact.kind, moment, meaning, source, fact.fields),
            moment,
            meaning,
            fact.kind,
            message,
            host,
            user,
            source,
            shown,
            fact.tags,
            fact.seen_in,
        )
        for meaning, moment in fact.times.items()
    ]


def undated_of(fact: Fact, host: str, kinds: Kinds | None = None) -> Undated | None:
    """The undated row of a fact, None when it has a time."""
    if fact.times:
        return None
    fact, fields, message = _prepared(fact, all_kinds() if kinds is None else kinds)
    identity = event_id(fact.kind, None, "", fact.source, fact.fields)
    host, user = safe_text(host), _user(fields)
    return Undated(
        identity, fact.kind, message, host, user, fact.source, fields, fact.no_times, fact.tags, fact.seen_in
    )


def declared_fields(kinds: Kinds | None = None) -> dict[str, FieldType]:
    """Every field of every kind with its type, sorted by name, the common ones included.

    Raises:
        ValueError: one name has two types.
    """
    found: dict[str, FieldType] = dict(COMMON_FIELDS)
    for name, kind in (all_kinds() if kinds is None else kinds).items():
        for field_name, declared in kind.fields.items():
            if found.setdefault(field_name, declared) != declared:
                raise ValueError(f"the field {field_name} of {name} has another type elsewhere")
    return dict(sorted(found.items()))


# --- order and storage ------------------------------------------------------------------------------------------------


def _head(item: Event | Undated, ticks: int) -> Row:
    source = item.source
    head = [ticks, item.kind, source.path, source.locator, item.id, item.host, source.evidence, source.sha256]
    return [*head, list(item.tags), list(item.seen_in), item.message, item.user, item.fields]


def _event_row(event: Event) -> Row:
    return [*_head(event, microseconds(event.time)), event.meaning]


def _event_of(row: Row) -> Event:
    ticks, kind, path, locator, identity, host, evidence, sha256, tags, seen, message, user, fields, meaning = row
    source = Source(evidence, path, sha256, locator)
    moment, values = from_microseconds(ticks), decode_fields(fields)
    return Event(identity, moment, meaning, kind, message, host, user, source, values, tuple(tags), tuple(seen))


def _undated_row(item: Undated) -> Row:
    return [*_head(item, 0), item.no_times]


def _undated_of_row(row: Row) -> Undated:
    _, kind, path, locator, identity, host, evidence, sha256, tags, seen, message, user, fields, reasons = row
    source, values = Source(evidence, path, sha256, locator), decode_fields(fields)
    return Undated(identity, kind, message, host, user, source, values, reasons, tuple(tags), tuple(seen))


EVENTS = Codec(_event_row, _event_of)
UNDATED = Codec(_undated_row, _undated_of_row)
EventStore = Store[Event]
UndatedStore = Store[Undated]


def order_key(event: Event) -> tuple[datetime, str, str, str, str, str]:
    """The total order of the timeline: time, kind, path, locator (numbers as numbers), id; then the host."""
    return event.time, event.kind, event.source.path, natural(event.source.locator), event.id, event.host


def event_store(events: Iterable[Event], path: Path | None = None, run_lines: int = RUN_LINES) -> EventStore:
    """Sort events into a store on disk; duplicates of one host merge and say in `seen_in` where they stood."""
    return Store.create(events, EVENTS, path, run_lines)


def undated_store(items: Iterable[Undated], path: Path | None = None, run_lines: int = RUN_LINES) -> UndatedStore:
    """Sort undated rows (kind, path, locator, id) into a store on disk."""
    return Store.create(items, UNDATED, path, run_lines)


def merge_sorted(events: Iterable[Event], run_lines: int = RUN_LINES) -> Iterator[Event]:
    """The events in the total order, duplicates merged, with at most `run_lines` of them in memory at once."""
    with TemporaryDirectory(prefix=leftovers.prefix()) as scratch:
        sorter = Sorter(Path(scratch), run_lines)
        for event in events:
            sorter.add(_event_row(event))
        for line in sorter.lines():
            yield _event_of(json.loads(line))


# --- the frame --------------------------------------------------------------------------------------------------------


def frame(case: Case, kinds: Kinds | None = None) -> pd.DataFrame:
    """The timeline as a pandas DataFrame with the same columns and dtypes whatever the content.

    `datetime` is datetime64[us, UTC], texts `string`, numbers `Int64`, switches `boolean`; lists are JSON texts, so
    that every column can be grouped, compared and written. Absent is `NA`.
    """
    import pandas as pd
    import pyarrow as pa

    from forensics import arrow
    from forensics.columns import Columns, session_ids

    columns = Columns(kinds, lists_as_json=True, sessions=session_ids(case.verdicts))
    table = pa.Table.from_batches(columns.batches(case.events), schema=columns.schema)
    dtypes = {
        arrow.TEXT: pd.StringDtype("pyarrow"),
        arrow.NUMBER: pd.Int64Dtype(),
        arrow.SWITCH: pd.BooleanDtype(),
    }
    result: pd.DataFrame = table.to_pandas(types_mapper=dtypes.get)
    return result
