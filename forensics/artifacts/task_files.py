r"""Scheduled tasks as the Task Scheduler stores them: XML files under `System32\Tasks`.

A task can start Windows Sandbox or a tunnel without a window, as SYSTEM, and come back after each boot; the published
MirrorFace case did. The file's name is the task's name; `Author`, `Date` and `URI` inside are whatever the creator
wrote. Windows' own tasks (below `Microsoft\Windows`, with a program of Windows) are context unless they name something
of interest; any other task there is an entry like all others: intruders hide there. Format: [MS-TSCH]; see
`formats/taskxml.py`. Those of the old scheduler: `task_jobs`.
"""

from __future__ import annotations

import re
from datetime import datetime

from forensics.artifacts._tasks import TASK_DEFINED, of_windows
from forensics.artifacts._tunnel import times, windows_path
from forensics.artifacts._xmlfile import malformed
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import FormatError, taskxml
from forensics.formats.taskxml import Action, Task
from forensics.formats.xmlguard import SIZE_LIMIT
from forensics.model import Problem, Value, make_fact
from forensics.rules.watch import is_watched
from forensics.times import Moment, from_iso

_NAME = "task_files"
_SHOWN = 32 * 1024
_TASKS = re.compile(r"(?:^|/)(?:system32|syswow64)/tasks/(.+)$", re.IGNORECASE)


def _registered(given: FileInput, text: str) -> Moment:
    """The registration date: local to the machine that wrote it, unless it has an offset."""
    moment = from_iso(text, None)
    if isinstance(moment, datetime) or given.zone is None:
        return moment
    return from_iso(text, given.zone)


def _name(given: FileInput) -> str:
    found = _TASKS.search(given.path)
    return "\\" + windows_path(found.group(1)) if found else "\\" + given.path.rpartition("/")[2]


def _fields(task: Task, name: str) -> dict[str, Value | None]:
    first = task.principals[0] if task.principals else None
    uri = task.uri if task.uri and task.uri.strip("\\").casefold() != name.strip("\\").casefold() else None
    return {
        "task_name": name,
        "task_uri": uri,
        "task_author": task.author,
        "task_run_as": task.run_as,
        "task_run_level": first.run_level if first else None,
        "task_logon_type": first.logon_type if first else None,
        "task_trigger": "; ".join(task.triggers),
        "task_hidden": task.hidden,
        "enabled": task.enabled is not False,
        "task_content": task.xml[:_SHOWN],
        "task_notes": task.notes,
        "task_dtd": task.dtd,
        "task_malformed": task.malformed,
        "mechanism": "scheduled_task",
    }


def _action_fields(action: Action | None) -> dict[str, Value | None]:
    if action is None:
        return {}
    return {
        "action_kind": action.kind,
        "executable": action.command,
        "command_line": action.command_line,
        "working_directory": action.working_directory,
        "class_id": action.class_id,
        "action_data": action.data,
    }


def parse(given: FileInput) -> Output:
    """One row for each action of the task (one without a command when it has none)."""
    data = given.read(SIZE_LIMIT + 1)
    try:
        task = taskxml.read(data)
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), f"not a task: {error}")
        return
    if len(data) > SIZE_LIMIT:
        yield Problem("truncated", _NAME, given.source(), f"{given.size} bytes: only the first {SIZE_LIMIT} were read")
    if task.dtd:
        detail = "holds a document type declaration, which no scheduler writes; nothing of it was resolved"
        yield Problem("dtd_present", _NAME, given.source(), detail)
    if task.malformed:
        yield from malformed(_NAME, given, task.notes)
    name = _name(given)
    lines = [action.command_line for action in task.actions]
    context = of_windows(name, filter(None, lines)) and not is_watched(name, *lines, task.xml)
    moments = times(given)
    if task.date:
        moments["Registration Time"] = _registered(given, task.date)
    common = _fields(task, name)
    for number, action in enumerate(task.actions or (None,), 1):
        locator = f"action {number}" if len(task.actions) > 1 else ""
        fields = common | _action_fields(action)
        yield make_fact("task.defined", given.source(locator), moments, fields, context=context)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("Windows/System32/Tasks/**", "Windows/SysWOW64/Tasks/**"),
    parse=parse,
    emits={"task.defined": TASK_DEFINED},
)
