"""Host-Network-Service-Admin and -Operational: what the host's network service did for guests, as far as it says.

The service (HNS) makes the network, the endpoint and the firewall rules of every networked sandbox; the Admin channel
is on by default. Public texts name the channels but no event ids and no fields: they are not established. So ids 1000
to 1100 are taken, with all that a record says, as context near a session; only a record that names the Default Switch
(the network of Windows Sandbox) or anything watched is kept by itself. The range is an assumption: an event outside it
is not read, and the absence of rows here says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, everything, fact, kind, worker
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.formats.sandboxids import DEFAULT_SWITCH
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_IDS = frozenset(range(1000, 1101))


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One record, whatever it says."""
    said = everything(record) or ""
    named = DEFAULT_SWITCH.casefold() in said.casefold()
    fields: Made = {"event_data": said, "switch_id": DEFAULT_SWITCH if named else None, **worker(record)}
    yield fact("hns.logged", record, source, fields, context=not (named or is_watched(said)))


ARTIFACT = EventArtifact(
    name="event_hns",
    wants={
        "Microsoft-Windows-Host-Network-Service-Admin": _IDS,
        "Microsoft-Windows-Host-Network-Service-Operational": _IDS,
    },
    parse=parse,
    emits={
        "hns.logged": kind(
            "Host network service, event {event_identifier}[: {event_data}]",
            {"event_data": str, "switch_id": str, "user_sid": str, "pid": str},
            context=True,
        )
    },
)
