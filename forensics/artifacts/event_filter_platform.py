r"""Security 5156: a connection that the filtering platform let through, with program, addresses and ports.

Written only with "Audit Filtering Platform Connection", and then for every connection: all is context but remote
desktop over a loopback address. Nobody reaches his own machine so; a tunnel does that ends there (T1572), and the
address it comes from is then that of the machine itself.

Fields: real records; Microsoft's description of the event. Directions are message numbers: %%14592 in, %%14593 out.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import decimal, fact, file_name, kind, pick
from forensics.artifacts.base import Deferral, EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_looped_desktop

_DIRECTIONS = {"%%14592": "in", "%%14593": "out"}
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}
_ENDS = ("SourceAddress", "SourcePort", "DestAddress", "DestPort")


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One connection."""
    ends = tuple(pick(record, name) or "" for name in _ENDS)
    program, protocol = pick(record, "Application"), decimal(pick(record, "Protocol"))
    fields = {
        "executable": program,
        "executable_name": file_name(program),
        "pid": decimal(pick(record, "ProcessID")),
        "direction": _DIRECTIONS.get(pick(record, "Direction") or ""),
        "protocol": _PROTOCOLS.get(protocol or "", protocol),
        "source_ip": ends[0] or None,
        "source_port": ends[1] or None,
        "destination_ip": ends[2] or None,
        "destination_port": ends[3] or None,
    }
    yield fact("connection.allowed", record, source, fields, context=not is_looped_desktop(*ends))


ARTIFACT = EventArtifact(
    name="event_filter_platform",
    wants={"Security": frozenset({5156})},
    parse=parse,
    emits={
        "connection.allowed": kind(
            "{executable} connected[ {direction}] from {source_ip}[:{source_port}] to {destination_ip}"
            "[:{destination_port}][, {protocol}]",
            {
                "executable": str, "executable_name": str, "pid": str, "direction": str, "protocol": str,
                "source_ip": str, "source_port": str, "destination_ip": str, "destination_port": str,
            },
            context=True,
        )
    },
    providers=frozenset({"Microsoft-Windows-Security-Auditing"}),
    defers={5156: Deferral("connection.allowed", _ENDS, "ProcessID", matters=is_looped_desktop)},
)  # fmt: skip
