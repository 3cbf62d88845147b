"""Sysmon 4, 16 and 255: the recorder was started or stopped, told what to record, or failed.

Sysmon is what an investigator hopes for and an attacker removes: a stop (4) outside a shutdown ends its record, a new
configuration (16) may leave out what follows, and errors (255) say that events were lost (`-u` uninstalls it and leaves
a stop as the last record). 4 is also written at every start, which is context.

Fields: Sysmon's schema (events SERVICE_STATE_CHANGE, SERVICE_CONFIGURATION_CHANGE, ERROR); real records of 4 and 16.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import USER, fact, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_STARTED = "started"


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One word of Sysmon about itself."""
    if record.event_id == 4:
        state = (pick(record, "State") or "").casefold()
        yield fact(
            "sysmon.state_changed", record, source, {"service_name": "Sysmon", "state": state},
            context=state == _STARTED,
        )  # fmt: skip
    elif record.event_id == 16:
        fields = {
            "user_sid": record.user_sid or None,
            "sysmon_configuration": pick(record, "Configuration"),
            "hashes": pick(record, "ConfigurationFileHash"),
        }
        yield fact("sysmon.configured", record, source, fields)
    else:
        text = "; ".join(part for part in (pick(record, "ID"), pick(record, "Description")) if part)
        yield fact("sysmon.failed", record, source, {"reason": text})


ARTIFACT = EventArtifact(
    name="event_sysmon_state",
    wants={"Microsoft-Windows-Sysmon/Operational": frozenset({4, 16, 255})},
    parse=parse,
    emits={
        "sysmon.state_changed": kind("Sysmon is now {state}", {"service_name": str, "state": str}, context=True),
        "sysmon.configured": kind(
            "Sysmon was given a configuration[: {sysmon_configuration}][, {hashes}]",
            {**USER, "sysmon_configuration": str, "hashes": str},
        ),
        "sysmon.failed": kind("Sysmon reports an error[: {reason}]", {"reason": str}),
    },
    providers=frozenset({"Microsoft-Windows-Sysmon"}),
)
