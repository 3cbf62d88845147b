"""TaskScheduler/Operational: tasks registered, changed and deleted, and every run with the program it started.

The channel is often off on Windows 10 and 11; where it is on, 129 gives the process id and path of what a task started
and 201 how it ended, which ties a task to a process even without process auditing. 107, 108, 110, 118 and 119 say what
set a run off: 110 is somebody's `schtasks /run`. Runs are context unless the task or its program is watched.

Fields: real records of all these events (Windows 10) but 107, 108, 118 and 119, which are from the provider's manifest
(ids and meaning as public texts have them).
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import USER, decimal, fact, guid, kind, named_account, pick
from forensics.artifacts._evtx_kinds import TASK_DELETED, TASK_REGISTERED, TASK_UPDATED
from forensics.artifacts.base import Deferral, EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_KINDS = {
    100: "task.started",
    102: "task.completed",
    106: "task.registered",
    107: "task.triggered",
    108: "task.triggered",
    110: "task.triggered",
    118: "task.triggered",
    119: "task.triggered",
    129: "task.process_created",
    140: "task.updated",
    141: "task.deleted",
    200: "task.action_started",
    201: "task.action_completed",
}
_TRIGGERS = {107: "its time", 108: "an event", 110: "a user's demand", 118: "the start of the system", 119: "a logon"}
_ALWAYS_KEPT = frozenset({106, 141})
_RUN = {**USER, "task_name": str, "task_instance_id": str}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One step in a task's life."""
    name = pick(record, "TaskName")
    program = pick(record, "Path", "ActionName")
    fields = {
        **named_account(pick(record, "UserContext", "UserName")),
        "task_name": name,
        "task_instance_id": guid(pick(record, "InstanceId", "TaskInstanceId")),
    }
    if record.event_id in (129, 200, 201):
        fields["executable"] = program
        fields["pid"] = decimal(pick(record, "ProcessID", "EnginePID"))
    if record.event_id in _TRIGGERS:
        fields["trigger"] = _TRIGGERS[record.event_id]
    if record.event_id == 201:
        fields["result_code"] = pick(record, "ResultCode")
    if record.event_id in (106, 129, 140, 141):
        fields.pop("task_instance_id")
    kept = record.event_id in _ALWAYS_KEPT or is_watched(name or "", program or "")
    yield fact(_KINDS[record.event_id], record, source, fields, context=not kept)


ARTIFACT = EventArtifact(
    name="event_task_scheduler",
    wants={"Microsoft-Windows-TaskScheduler/Operational": frozenset(_KINDS)},
    parse=parse,
    emits={
        "task.registered": TASK_REGISTERED,
        "task.updated": TASK_UPDATED,
        "task.deleted": TASK_DELETED,
        "task.started": kind("Scheduled task started: {task_name}[, as {user_name}]", _RUN, context=True),
        "task.completed": kind("Scheduled task finished: {task_name}[, as {user_name}]", _RUN, context=True),
        "task.triggered": kind(
            "Scheduled task {task_name} set off by {trigger}[, for {user_name}]", {**_RUN, "trigger": str}, context=True
        ),
        "task.process_created": kind(
            "Scheduled task {task_name} started {executable}[ as process {pid}]",
            {**USER, "task_name": str, "executable": str, "pid": str},
            context=True,
        ),
        "task.action_started": kind(
            "Scheduled task {task_name} began to run {executable}[ (process {pid})]",
            {**_RUN, "executable": str, "pid": str},
            context=True,
        ),
        "task.action_completed": kind(
            "Scheduled task {task_name} finished running {executable}[, result {result_code}]",
            {**_RUN, "executable": str, "pid": str, "result_code": str},
            context=True,
        ),
    },
    providers=frozenset({"Microsoft-Windows-TaskScheduler"}),
    defers={
        100: Deferral("task.started", ("TaskName",)),
        102: Deferral("task.completed", ("TaskName",)),
        **{event: Deferral("task.triggered", ("TaskName",)) for event in _TRIGGERS},
        129: Deferral("task.process_created", ("TaskName", "Path"), "ProcessID"),
        140: Deferral("task.updated", ("TaskName",)),
        200: Deferral("task.action_started", ("TaskName", "ActionName"), "EnginePID"),
        201: Deferral("task.action_completed", ("TaskName", "ActionName"), "EnginePID"),
    },
)
