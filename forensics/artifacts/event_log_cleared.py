"""Security 1102 and System 104: somebody cleared an event log.

MirrorFace is known to clear logs, administrators and images do it too. What the cleared log held is gone, so every
conclusion from its silence has to be weakened from here on. 1102 tells of the Security log itself, 104 names the log;
both are the first record of an otherwise younger log.

Fields (UserData, LogFileCleared): seen in real logs of Windows 7 to Server 2016.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import USER, account, fact, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One clearing. 104 has the name of the account without its SID, which stands in the System part."""
    fields = account(record)
    fields["user_sid"] = fields.get("user_sid") or record.user_sid or None
    fields["cleared_channel"] = "Security" if record.event_id == 1102 else pick(record, "Channel")
    fields["saved_path"] = pick(record, "BackupPath")
    yield fact("log.cleared", record, source, fields)


ARTIFACT = EventArtifact(
    name="event_log_cleared",
    wants={"Security": frozenset({1102}), "System": frozenset({104})},
    parse=parse,
    emits={
        "log.cleared": kind(
            "Event log {cleared_channel} cleared[ by {user_name}][, saved to {saved_path} before]",
            {**USER, "cleared_channel": str, "saved_path": str},
        )
    },
    providers=frozenset({"Microsoft-Windows-Eventlog"}),
)
