"""System 2 of Hyper-V-Hypervisor: the host came up with its hypervisor running.

No sandbox runs without one. The first such start of a host is the one after the feature was switched on, so it dates
the activation where the logs of the feature are gone; that use is inferred. Hosts with other hypervisor features
(memory integrity, WSL, Hyper-V) have it at every start.

Sources: id and field (SchedulerType) are those of the provider's manifest; the meaning of the numbers is documented in
Microsoft's "Managing Hyper-V hypervisor scheduler types".
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, decimal, fact, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_SCHEDULERS = {"1": "classic without SMT", "2": "classic", "3": "core", "4": "root"}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One start of the hypervisor."""
    scheduler = decimal(pick(record, "SchedulerType"))
    fields: Made = {"scheduler_type": _SCHEDULERS.get(scheduler or "", scheduler)}
    yield fact("system.hypervisor_started", record, source, fields)


ARTIFACT = EventArtifact(
    name="event_hypervisor",
    wants={"System": frozenset({2})},
    parse=parse,
    emits={
        "system.hypervisor_started": kind(
            "System started with its hypervisor[, scheduler {scheduler_type}]", {"scheduler_type": str}
        )
    },
    providers=frozenset({"Microsoft-Windows-Hyper-V-Hypervisor"}),
)
