r"""Winsock-WS2HELP 1: a layered service provider was put into the protocol catalogue, with the program that did it.

Every program that opens a connection loads the library of such a provider, which sees and changes what is sent: proxy
and filter products work so, and a few malware families. Windows has advised against them since 2012, so a new one is
rare. The log is on by default and outlives the catalogue's entry. It names the provider, not its library: that stands
in the registry (`winsock_providers`). Ids beside 1 are not read: none was seen.

Fields: the only two records at hand, of Windows 10, both of one installation (one for each half of a 64-bit system);
`Category` is not understood and left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import decimal, fact, file_name, guid, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One provider that was added; the record's own process is the one that changed the catalogue."""
    program = pick(record, "Installer")
    yield fact(
        "winsock.provider_added",
        record,
        source,
        {
            "entry_name": pick(record, "LSPName"),
            "catalog_id": decimal(pick(record, "Catalog")),
            "provider_guid": guid(pick(record, "GUID")),
            "executable": program,
            "executable_name": file_name(program),
            "user_sid": record.user_sid or None,
        },
    )


ARTIFACT = EventArtifact(
    name="event_winsock",
    wants={"Microsoft-Windows-Winsock-WS2HELP/Operational": frozenset({1})},
    parse=parse,
    emits={
        "winsock.provider_added": kind(
            "Winsock provider added: {entry_name}[ by {executable}][, catalogue entry {catalog_id}]",
            {
                "entry_name": str, "catalog_id": str, "provider_guid": str, "executable": str, "executable_name": str,
                "user_sid": str,
            },
        )
    },
    providers=frozenset({"Microsoft-Windows-Winsock-WS2HELP"}),
)  # fmt: skip
