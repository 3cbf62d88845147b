"""Security 4616: the system clock was set.

Times around such a change cannot be put in order by themselves. The time service corrects the clock by fractions of a
second all day long; what moves it by more than a minute is kept. Before Windows 10 the event had dates as local text,
which do not say how far the clock moved: those are kept when old and new differ at all.

Fields: Microsoft's description of event 4616; the older form seen in real logs of Windows 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from forensics.artifacts._evtx import account, decimal, fact, file_name, known
from forensics.artifacts._evtx_kinds import CLOCK_CHANGED
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.times import from_iso, iso

_NOTABLE = timedelta(seconds=60)


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One setting of the clock."""
    data = record.data
    old_text = f"{data.get('PreviousDate', '')} {data.get('PreviousTime', '')}".strip()
    new_text = f"{data.get('NewDate', '')} {data.get('NewTime', '')}".strip()
    old, new = from_iso(old_text), from_iso(new_text)
    if isinstance(old, datetime) and isinstance(new, datetime):
        notable, old_text, new_text = abs(new - old) > _NOTABLE, iso(old), iso(new)
    else:
        notable = old_text != new_text
    executable = known(data.get("ProcessName"))
    fields = {
        **account(record),
        "old_time": known(old_text),
        "new_time": known(new_text),
        "executable": executable,
        "executable_name": file_name(executable),
        "pid": decimal(data.get("ProcessId")),
    }
    yield fact("clock.changed", record, source, fields, context=not notable)


ARTIFACT = EventArtifact(
    name="event_clock",
    wants={"Security": frozenset({4616})},
    parse=parse,
    emits={"clock.changed": CLOCK_CHANGED},
    providers=frozenset({"Microsoft-Windows-Security-Auditing"}),
)
