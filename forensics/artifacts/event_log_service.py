"""Security 1100, 1101, 1104 and 1105: the event log service stopped, lost events, or filled or archived its log.

1100 is written at every shutdown. Without a shutdown beside it somebody stopped the service, and what happened until
its next start is in no log (tools that kill its threads leave no 1100 at all). 1101 says that audit events were
dropped; 1104 that the log is full and keeps no new record, 1105 that it was saved elsewhere and begun anew: both are
innocent reasons for a log that begins late or ends early.

Fields: UserData elements of the provider's manifest (ServiceShutdown, AuditEventsDropped, FileIsFull, AutoBackup); real
records of 1100, the other elements from memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import fact, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_KINDS = {
    1100: "log.service_stopped",
    1101: "log.events_dropped",
    1104: "log.full",
    1105: "log.archived",
}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One word of the service about itself."""
    fields = {}
    if record.event_id == 1105:
        fields = {"cleared_channel": pick(record, "Channel"), "saved_path": pick(record, "BackupPath")}
    yield fact(_KINDS[record.event_id], record, source, fields)


ARTIFACT = EventArtifact(
    name="event_log_service",
    wants={"Security": frozenset(_KINDS)},
    parse=parse,
    emits={
        "log.service_stopped": kind("Event log service stopped (as the Security log has it)", {}),
        "log.events_dropped": kind("Audit events were dropped before they could be written", {}),
        "log.full": kind("The Security log is full", {}),
        "log.archived": kind(
            "Event log[ {cleared_channel}] saved and begun anew[, to {saved_path}]",
            {"cleared_channel": str, "saved_path": str},
        ),
    },
    providers=frozenset({"Microsoft-Windows-Eventlog"}),
)
