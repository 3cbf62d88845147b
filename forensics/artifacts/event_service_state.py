"""System 7036 and 7040: a service started or stopped, or is to start in another way.

The Container Manager Service (CmService) builds sandboxes and the Host Compute Service (vmcompute) runs them; their
first start after a boot is near the first sandbox. The display names are written in the language of Windows, so the
service is told by the record's binary data, which holds the key name and the state (`CmService/4`, 4 is running). The
network of guests (hns) and the hypervisor's host service come with them, for WSL and Hyper-V as well. 7040 has the key
name as its last parameter; a service that is switched from disabled to automatic was prepared for something.

Layout of the binary data: seen in real logs; the state numbers are those of SERVICE_STATUS.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import fact, kind, pick
from forensics.artifacts.base import Deferral, EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules import load

_KEPT = frozenset({
    "cmservice", "vmcompute", "hns", "hvhost",
    "container manager service", "containers manager service", "hyper-v host compute service",
    "host network service", "hv host service",
})  # fmt: skip
_SET = 7040
_STATES = {"1": "stopped", "4": "running", "7": "paused"}


def _binary(text: str | None) -> tuple[str | None, str | None]:
    """Key name and state out of the binary data (hexadecimal UTF-16), when it has them."""
    try:
        name, _, state = bytes.fromhex(text or "").decode("utf-16-le").rstrip("\x00").rpartition("/")
    except (ValueError, UnicodeDecodeError):
        return None, None
    return name or None, _STATES.get(state)


def _matters(shown: str | None, binary: str | None) -> bool:
    return (_binary(binary)[0] or "").casefold() in _KEPT or (shown or "").casefold() in _KEPT


def _set(record: Record, source: Source) -> Fact:
    shown, name = pick(record, "param1", "Data1"), pick(record, "param4", "Data4")
    fields = {
        "service_name": name or shown,
        "service_display_name": shown,
        "start_type_before": pick(record, "param2", "Data2"),
        "start_type": pick(record, "param3", "Data3"),
        "user_sid": record.user_sid or None,
    }
    # How what records or protects starts is kept, as switching one off hides what follows.
    kept = {(name or "").casefold(), (shown or "").casefold()} & (_KEPT | load("antiforensics")["guards"].keys())
    return fact("service.start_type_changed", record, source, fields, context=not kept)


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One change of state, or of the way of starting."""
    if record.event_id == _SET:
        yield _set(record, source)
        return
    name, state = _binary(pick(record, "Binary"))
    shown = pick(record, "param1", "Data1")
    fields = {
        "service_name": name or shown,
        "service_display_name": shown,
        "state": state or pick(record, "param2", "Data2"),
    }
    kept = _matters(shown, pick(record, "Binary"))
    yield fact("service.state_changed", record, source, fields, context=not kept)


ARTIFACT = EventArtifact(
    name="event_service_state",
    wants={"System": frozenset({7036, _SET})},
    parse=parse,
    emits={
        "service.state_changed": kind(
            "Service {service_name} is now {state}",
            {"service_name": str, "service_display_name": str, "state": str},
            context=True,
        ),
        "service.start_type_changed": kind(
            "Service {service_name} is to start {start_type}[, was {start_type_before}]",
            {
                "service_name": str,
                "service_display_name": str,
                "start_type": str,
                "start_type_before": str,
                "user_sid": str,
            },
            context=True,
        ),
    },
    providers=frozenset({"Service Control Manager"}),
    defers={7036: Deferral("service.state_changed", ("param1", "Binary"), matters=_matters)},
)
