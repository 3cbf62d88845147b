"""Containers-Wcifs, -BindFlt and -Wcnfs 1 to 4: the file system filters under containers were loaded, or failed.

The filters come up with the first container or sandbox after a boot and hold no data of a session: a load is context
for one nearby, a failed load or attachment may say why there was none.

Sources: ids, texts and fields (NTStatus, VolumeName) of Wcifs and BindFlt are those of their manifests; that Wcnfs has
the same four is assumed, only its channel is known.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, fact, kind, nonzero, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_KINDS = {1: "container_filter.failed", 2: "container_filter.loaded", 3: "container_filter.failed"} | {
    4: "container_filter.unloaded"
}
_IDS = frozenset(_KINDS)
_FIELDS = {"filter_name": str, "error_code": str, "volume_name": str}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One change of a filter."""
    fields: Made = {
        "filter_name": record.channel.partition("/")[0].rpartition("-")[2],
        "error_code": nonzero(pick(record, "NTStatus")),
        "volume_name": pick(record, "VolumeName"),
    }
    yield fact(_KINDS[record.event_id], record, source, fields, context=True)


ARTIFACT = EventArtifact(
    name="event_containers",
    wants={f"Microsoft-Windows-Containers-{name}/Operational": _IDS for name in ("Wcifs", "BindFlt", "Wcnfs")},
    parse=parse,
    emits={
        "container_filter.loaded": kind("Container filter {filter_name} loaded", _FIELDS, context=True),
        "container_filter.unloaded": kind("Container filter {filter_name} unloaded", _FIELDS, context=True),
        "container_filter.failed": kind(
            "Container filter {filter_name} failed[ on volume {volume_name}][, status {error_code}]",
            _FIELDS,
            context=True,
        ),
    },
)
