"""A log of a described host: its records through the provider table into an .evtx file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from testdata.host import EventRecord, Host, ScenarioError
from testdata.writers.binxml import Value
from testdata.writers.evtx import EventSpec, LogWriter
from testdata.writers.providers import event, layout_of

_TEXT = frozenset({"string", "sid", "guid"})


def write_log(path: Path, host: Host, channel: str, events: Iterable[EventRecord]) -> int:
    """Write the records of one channel, in the order given; gives their number."""
    count = 0
    with LogWriter(path, channel, first_record=host.first_record.get(channel, 1)) as writer:
        for record in events:
            writer.write(spec(host, record))
            count += 1
    return count


def spec(host: Host, record: EventRecord) -> EventSpec:
    """The record with its values in the provider's types. Raises ScenarioError for an unknown event or field."""
    where = f"{record.channel} {record.id} at {record.time}"
    try:
        layout = layout_of(record.channel, record.id, record.provider)
    except KeyError:
        raise ScenarioError(f"{where}: no such event in the provider table") from None
    except ValueError as error:
        raise ScenarioError(f"{where}: {error}") from error
    kinds = dict(layout.fields)
    data = {name: _typed(value, kinds.get(name, "string")) for name, value in record.data.items()}
    pid = record.pid or 4
    try:
        return event(
            record.channel, record.id, record.time, computer=host.name, provider=record.provider,
            user_sid=record.user_sid, pid=pid, tid=pid + 28, data=data,
        )  # fmt: skip
    except ValueError as error:
        raise ScenarioError(f"{where}: {error}") from error


def _typed(value: Any, kind: str) -> Value:  # noqa: ANN401  # whatever the scenario says
    """Scenario values are texts and numbers; what the provider declares as a number may be written in hex."""
    if isinstance(value, bytes):
        return value
    if kind in _TEXT:
        return str(value)
    if kind == "bool":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if isinstance(value, str) and kind != "filetime":
        return int(value, 0)
    return value  # type: ignore[no-any-return]
