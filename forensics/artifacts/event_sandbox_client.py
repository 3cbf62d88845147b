"""Sandbox-Client-Diagnostics/Admin: a log of Windows Sandbox itself, should a host have one.

Only the entry for wsb.exe in the LOLBAS project names this channel. A user of Windows 11 25H2 who looked for a channel
of the Sandbox found none, and neither its provider nor its events are published. It is read where it exists, because it
would be the only log that is about the Sandbox alone: ids up to 1100 with all that they say, and every row kept. It is
unconfirmed; that there is none says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, everything, fact, kind, worker
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One record, whatever it says."""
    fields: Made = {"event_data": everything(record), **worker(record)}
    yield fact("sandbox.diagnostic", record, source, fields)


ARTIFACT = EventArtifact(
    name="event_sandbox_client",
    wants={"Microsoft-Windows-Sandbox-Client-Diagnostics/Admin": frozenset(range(1, 1101))},
    parse=parse,
    emits={
        "sandbox.diagnostic": kind(
            "Windows Sandbox client, event {event_identifier}[: {event_data}]",
            {"event_data": str, "user_sid": str, "pid": str},
        )
    },
)
