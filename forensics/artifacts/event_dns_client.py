"""DNS-Client/Operational 3006, 3008, 3010, 3018 and 3020: names that the host looked up, and what was answered.

Shows tunnels by the names of their relays (`*.tunnels.api.visualstudio.com`, `*.devtunnels.ms`). The channel is off by
default; guests of a sandbox ask through the host's sharing service, so their names may appear as well. 3008 alone tells
of a finished lookup; the others keep a name whose lookup never finished or whose 3008 was overwritten: 3006 asked, 3010
sent to which server, 3018 answered from the cache, 3020 answered by a server. Context unless the name is watched.

Fields: 3008 from the provider's manifest (QueryName, QueryType, QueryOptions, QueryStatus, QueryResults); those of the
other four, and that 3020 calls its status so, are from memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import USER, Made, fact, kind, pick
from forensics.artifacts._evtx_kinds import DNS_QUERIED
from forensics.artifacts.base import EventArtifact, FieldType
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.hosts import host_meaning
from forensics.rules.watch import is_watched

_KINDS = {
    3006: "dns.query_began",
    3008: "dns.queried",
    3010: "dns.query_sent",
    3018: "dns.cache_answered",
    3020: "dns.server_answered",
}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One step of a lookup. The logging process is the one that asked."""
    name = pick(record, "QueryName")
    fields: Made = {
        "query_name": name,
        "host_meaning": host_meaning(name),
        "query_type": pick(record, "QueryType"),
        "query_status": pick(record, "QueryStatus", "Status"),
        "query_results": pick(record, "QueryResults"),
        "user_sid": record.user_sid or None,
        "pid": str(record.process_id) if record.process_id is not None else None,
    }
    if record.event_id in (3006, 3010):
        del fields["query_status"], fields["query_results"]
        fields["dns_server"] = pick(record, "DnsServerIpAddress", "ServerList")
    yield fact(_KINDS[record.event_id], record, source, fields, context=not is_watched(name or ""))


_ASKED: dict[str, FieldType] = {
    **USER, "query_name": str, "host_meaning": str, "query_type": str, "pid": str,
}  # fmt: skip
_ANSWERED: dict[str, FieldType] = {**_ASKED, "query_status": str, "query_results": str}

ARTIFACT = EventArtifact(
    name="event_dns_client",
    wants={"Microsoft-Windows-DNS-Client/Operational": frozenset(_KINDS)},
    parse=parse,
    emits={
        "dns.queried": DNS_QUERIED,
        "dns.query_began": kind(
            "DNS lookup began: {query_name}[, at {dns_server}][; {host_meaning}]",
            {**_ASKED, "dns_server": str},
            context=True,
        ),
        "dns.query_sent": kind(
            "DNS query sent: {query_name}[, to {dns_server}][; {host_meaning}]",
            {**_ASKED, "dns_server": str},
            context=True,
        ),
        "dns.cache_answered": kind(
            "DNS name in the cache: {query_name}[, answer {query_results}][, status {query_status}][; {host_meaning}]",
            _ANSWERED,
            context=True,
        ),
        "dns.server_answered": kind(
            "DNS name answered: {query_name}[, answer {query_results}][, status {query_status}][; {host_meaning}]",
            _ANSWERED,
            context=True,
        ),
    },
)
