"""DNS-Client/Operational 3008: a DNS query of the host was answered.

Shows tunnels by the names of their relays (`*.tunnels.api.visualstudio.com`, `*.devtunnels.ms`). The channel is off by
default; guests of a sandbox ask through the host's sharing service, so their names may appear as well. Context unless
the name is watched.

Fields: the provider's manifest (QueryName, QueryType, QueryOptions, QueryStatus, QueryResults).
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, fact, pick
from forensics.artifacts._evtx_kinds import DNS_QUERIED
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One completed query. The logging process is the one that asked."""
    name = pick(record, "QueryName")
    fields: Made = {
        "query_name": name,
        "query_type": pick(record, "QueryType"),
        "query_status": pick(record, "QueryStatus"),
        "query_results": pick(record, "QueryResults"),
        "user_sid": record.user_sid or None,
        "pid": str(record.process_id) if record.process_id is not None else None,
    }
    yield fact("dns.queried", record, source, fields, context=not is_watched(name or ""))


ARTIFACT = EventArtifact(
    name="event_dns_client",
    wants={"Microsoft-Windows-DNS-Client/Operational": frozenset({3008})},
    parse=parse,
    emits={"dns.queried": DNS_QUERIED},
)
