"""Security 4698 to 4702: scheduled tasks created, deleted, enabled, disabled and changed, with their whole XML.

MirrorFace started Windows Sandbox from a task that runs as SYSTEM, and its tools came back by tasks that run MSBuild.
Written only with "Audit Other Object Access Events"; then it keeps the definition of a task that was deleted later.
Windows itself changes its own tasks all the time: 4702 of tasks below \\Microsoft\\Windows is context unless what they
run is watched.

Fields: real records of all but 4700; Microsoft's descriptions of the events 4698 to 4702.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import account, decimal, fact, nonzero, pick, task_fields
from forensics.artifacts._evtx_kinds import (
    TASK_DELETED,
    TASK_DISABLED,
    TASK_ENABLED,
    TASK_REGISTERED,
    TASK_UPDATED,
)
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_KINDS = {
    4698: "task.registered",
    4699: "task.deleted",
    4700: "task.enabled",
    4701: "task.disabled",
    4702: "task.updated",
}
_OWN = "\\microsoft\\windows\\"


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One change of a task."""
    name = pick(record, "TaskName")
    content = pick(record, "TaskContent", "TaskContentNew")
    fields = {
        **account(record),
        "task_name": name,
        **task_fields(content),
        "pid": nonzero(decimal(pick(record, "ClientProcessId"))),  # who asked for it, since Windows 10
    }
    routine = record.event_id == 4702 and (name or "").casefold().startswith(_OWN)
    yield fact(
        _KINDS[record.event_id], record, source, fields, context=routine and not is_watched(name or "", content or "")
    )


ARTIFACT = EventArtifact(
    name="event_task_audit",
    wants={"Security": frozenset(_KINDS)},
    parse=parse,
    emits={
        "task.registered": TASK_REGISTERED,
        "task.updated": TASK_UPDATED,
        "task.deleted": TASK_DELETED,
        "task.enabled": TASK_ENABLED,
        "task.disabled": TASK_DISABLED,
    },
    providers=frozenset({"Microsoft-Windows-Security-Auditing"}),
)
