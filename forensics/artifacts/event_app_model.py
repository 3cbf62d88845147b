"""AppModel-Runtime/Admin 201, 202, 210, 211 and 217: packaged programs started, and their containers' lives.

The sandbox of Windows 11 24H2 is a packaged program. If Windows writes these events for it, they tell the start of
WindowsSandboxServer, WindowsSandboxRemoteSession and wsb with process id, and with 217 the end of the last of them, on
a host without process auditing. That it does is inferred; the channel is on by default (from memory).

Ids and fields: the provider's manifest. What does not name anything watched is context.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, decimal, fact, file_name, guid, kind, nonzero, pick
from forensics.artifacts._packages import package
from forensics.artifacts.base import Deferral, EventArtifact, FieldType
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_KINDS = {
    201: "app.process_created",
    202: "app.process_failed",
    210: "app.container_created",
    211: "app.container_joined",
    217: "app.container_destroyed",
}
_PROCESS = ("PackageName", "ImageName", "ApplicationName")
_WATCHED = {201: _PROCESS, 202: _PROCESS, 210: ("PackageName",), 211: ("PackageName",), 217: ("PackageName",)}
_BASE: dict[str, FieldType] = {"package_name": str, "package_version": str, "user_sid": str}
_STARTED = {**_BASE, "executable": str, "executable_name": str, "application": str, "reason": str}
_CONTAINER = {**_BASE, "container_id": str}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One process or container."""
    image = pick(record, "ImageName")
    fields: Made = {
        **package(pick(record, "PackageName")),
        "user_sid": record.user_sid or None,
    }
    if record.event_id in (201, 202):
        fields |= {
            "executable": image,
            "executable_name": file_name(image),
            "application": pick(record, "ApplicationName"),
            "reason": pick(record, "Message"),
        }
    else:
        fields["container_id"] = guid(pick(record, "ContainerId"))
    if record.event_id in (201, 211):
        fields["pid"] = decimal(pick(record, "ProcessID"))
    if record.event_id == 202:
        fields["error_code"] = nonzero(pick(record, "ErrorCode"))
    if record.event_id == 210:
        fields["container_name"] = pick(record, "ContainerName")
    kept = is_watched(*(pick(record, name) or "" for name in _WATCHED[record.event_id]))
    yield fact(_KINDS[record.event_id], record, source, fields, context=not kept)


ARTIFACT = EventArtifact(
    name="event_app_model",
    wants={"Microsoft-Windows-AppModel-Runtime/Admin": frozenset(_KINDS)},
    parse=parse,
    emits={
        "app.process_created": kind(
            "Packaged program started: {executable}[ of {package_name}][ (process {pid})]",
            {**_STARTED, "pid": str},
            context=True,
        ),
        "app.process_failed": kind(
            "Packaged program could not be started: {executable}[ of {package_name}][, error {error_code}]",
            {**_STARTED, "error_code": str},
            context=True,
        ),
        "app.container_created": kind(
            "Container {container_id} of package {package_name} created",
            {**_CONTAINER, "container_name": str},
            context=True,
        ),
        "app.container_joined": kind(
            "Process {pid} put into container {container_id} of package {package_name}",
            {**_CONTAINER, "pid": str},
            context=True,
        ),
        "app.container_destroyed": kind(
            "Container {container_id} of package {package_name} destroyed", _CONTAINER, context=True
        ),
    },
    providers=frozenset({"Microsoft-Windows-AppModel-Runtime"}),
    defers={
        event: Deferral(name, _WATCHED[event], "ProcessID" if event in (201, 211) else "")
        for event, name in _KINDS.items()
    },
)
