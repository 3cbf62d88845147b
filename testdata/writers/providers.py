"""Events as their providers define them: `event("Security", 4688, time, computer=..., NewProcessName=...)`.

Names, GUIDs, types and order come from `providers.yml`, which says for each event whether a real record or a
published manifest stands behind it. A field that is not given gets the empty value of its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from testdata.writers.binxml import Value
from testdata.writers.event_layout import EventSpec, Field, Layout

_TABLE = Path(__file__).with_name("providers.yml")
_EMPTY: dict[str, Value] = {
    "string": "",
    "sid": "S-1-0-0",
    "guid": "{00000000-0000-0000-0000-000000000000}",
    "bool": False,
    "binary": b"",
    "filetime": None,
}


@cache
def _table() -> dict[tuple[str, int], dict[str, Layout]]:
    """The layouts of each channel and id, by provider: some channels have an id of two."""
    loaded = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    found: dict[tuple[str, int], dict[str, Layout]] = {}
    for group in loaded["providers"]:
        shared = {key: value for key, value in group.items() if key not in ("channel", "events")}
        for event_id, own in group["events"].items():
            layout = _layout(event_id, {**shared, **own}, loaded["fields"])
            found.setdefault((group["channel"], event_id), {})[layout.provider] = layout
    return found


@cache
def layouts() -> dict[tuple[str, int], Layout]:
    """Every known event by channel and id, of the provider that stands first in the table."""
    return {where: next(iter(held.values())) for where, held in _table().items()}


def layout_of(channel: str, event_id: int, provider: str = "") -> Layout:
    """The layout of one event. Raises KeyError for an unknown event, ValueError when the provider does not log it."""
    held = _table()[channel, event_id]
    if provider and provider not in held:
        raise ValueError(f"{channel} {event_id} is logged by {', '.join(held)}, not {provider}")
    return held[provider] if provider else next(iter(held.values()))


def _layout(event_id: int, item: dict[str, Any], shared: dict[str, dict[str, str]]) -> Layout:
    item.pop("seen")
    parts = (shared[part] if isinstance(part, str) else part for part in item.pop("fields", []))
    fields: tuple[Field, ...] = tuple(pair for part in parts for pair in part.items())
    return Layout(event_id=event_id, fields=fields, **item)


def event(
    channel: str,
    event_id: int,
    time: datetime,
    *,
    computer: str,
    provider: str = "",
    user_sid: str = "",
    pid: int = 0,
    tid: int = 0,
    activity: str = "",
    data: Mapping[str, Value] | None = None,
    **fields: Value,
) -> EventSpec:
    """The record of a known event; `data` and keywords name its fields and may be mixed.

    For classic events with unnamed data the values are taken in the order given, whatever their names; bytes at the
    end become the Binary element. Where two providers have the id, `provider` says which (the first of the table by
    itself). Raises KeyError for an unknown event, ValueError for an unknown field or when `provider` does not log this
    event.
    """
    layout = layout_of(channel, event_id, provider)
    given = {**(data or {}), **fields}
    return EventSpec(layout, time, computer, _values(layout, given), user_sid, pid, tid, activity)


def _values(layout: Layout, given: dict[str, Value]) -> tuple[Value, ...]:
    if layout.shape == "Classic":
        return tuple(given.values())
    if not given.keys() <= layout.names:
        raise ValueError(f"{layout.provider} {layout.event_id} has no {sorted(given.keys() - layout.names)}")
    return tuple([given[name] if name in given else _EMPTY.get(kind, 0) for name, kind in layout.fields])
