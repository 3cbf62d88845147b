"""System 1, 12 and 13 of Kernel-General: the clock was set, Windows started, Windows stopped.

Event 1 has the clock's old and new time like Security 4616, without any auditing, and in newer versions the reason and
the process. Corrections by the time service happen all day: what moves the clock by more than a minute is kept. 12 and
13 are the kernel's own word for a start and a stop of Windows. The event log service's 6005 and 6006 beside them are a
boot and a shutdown; without them they are a service that somebody stopped while Windows ran on.

Fields: real records of all three (event 1: NewTime, OldTime, Reason; that later versions add ProcessName and ProcessID
is from memory [M]). With fast startup Windows hibernates the kernel in place of stopping it; whether 12 and 13 are
written then is not verified.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from forensics.artifacts._evtx import decimal, fact, file_name, kind, known, pick
from forensics.artifacts._evtx_kinds import CLOCK_CHANGED
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.times import from_iso, iso

_NOTABLE = timedelta(seconds=60)
_KINDS = {12: "system.kernel_started", 13: "system.kernel_stopped"}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One start, stop, or setting of the clock."""
    if record.event_id != 1:
        yield fact(_KINDS[record.event_id], record, source, {})
        return
    old_text, new_text = pick(record, "OldTime") or "", pick(record, "NewTime") or ""
    old, new = from_iso(old_text), from_iso(new_text)
    notable = old_text != new_text
    if isinstance(old, datetime) and isinstance(new, datetime):
        notable, old_text, new_text = abs(new - old) > _NOTABLE, iso(old), iso(new)
    executable = pick(record, "ProcessName")
    fields = {
        "user_sid": record.user_sid or None,
        "old_time": known(old_text),
        "new_time": known(new_text),
        "executable": executable,
        "executable_name": file_name(executable),
        "pid": decimal(pick(record, "ProcessID")),
    }
    yield fact("clock.changed", record, source, fields, context=not notable)


ARTIFACT = EventArtifact(
    name="event_kernel_general",
    wants={"System": frozenset({1, *_KINDS})},
    parse=parse,
    emits={
        "clock.changed": CLOCK_CHANGED,
        "system.kernel_started": kind("Windows started (kernel)", {}),
        "system.kernel_stopped": kind("Windows stopped (kernel)", {}),
    },
    providers=frozenset({"Microsoft-Windows-Kernel-General"}),
)
