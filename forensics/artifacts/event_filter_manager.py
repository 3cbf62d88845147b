"""System 1 of FilterManager: the file system filter of a recorder or scanner was unloaded.

`fltmc unload SysmonDrv` blinds Sysmon while its service goes on looking alive; the same is done to the filters of virus
scanners. Windows unloads filters at a shutdown without this record, and an update of the product with it. Only the
filters that record or protect are kept (rules/antiforensics.yml, `guards`); the others are context.

Fields: those of the provider's event 6 (loaded), of which real records were at hand; that 1 is the unloading and has
the same fields is from memory [M].
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import fact, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules import load


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One unloaded filter."""
    name = pick(record, "DeviceName") or ""
    kept = name.casefold() in load("antiforensics")["guards"]
    fields = {"filter_name": name or None, "user_sid": record.user_sid or None}
    yield fact("filter.unloaded", record, source, fields, context=not kept)


ARTIFACT = EventArtifact(
    name="event_filter_manager",
    wants={"System": frozenset({1})},
    parse=parse,
    emits={
        "filter.unloaded": kind(
            "File system filter {filter_name} unloaded", {"filter_name": str, "user_sid": str}, context=True
        )
    },
    providers=frozenset({"Microsoft-Windows-FilterManager"}),
)
