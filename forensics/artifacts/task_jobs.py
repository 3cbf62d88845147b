r"""Scheduled tasks of the old scheduler: `.job` files below `Windows\Tasks`.

`at` and programs that use the old interface still leave them on Windows 10 and 11 beside the task proper, and nobody
looks there: a task that starts Windows Sandbox with a configuration is as good in one. The file has the command, its
arguments, who made it, what sets it off and the last run, in local time: the host's zone is assumed, and without it no
time is given. The account that it runs as is not in it. Format: [MS-TSCH] 2.4; see `formats/taskjob.py`.
"""

from __future__ import annotations

from datetime import datetime

from forensics.artifacts._tasks import TASK_DEFINED
from forensics.artifacts._tunnel import times
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import FormatError, taskjob
from forensics.formats.taskjob import Job
from forensics.model import Problem, Value, make_fact
from forensics.times import Moment, NoTime, checked

_NAME = "task_jobs"


def _ran(given: FileInput, moment: datetime) -> Moment:
    raw = moment.isoformat(sep=" ")
    if given.zone is None:
        return NoTime("local time, and the zone of the host is not known", raw)
    return checked(moment.replace(tzinfo=given.zone), raw)


def _fields(given: FileInput, job: Job) -> dict[str, Value | None]:
    name = given.path.rpartition("/")[2]
    notes = (*job.notes, *((f"comment: {job.comment}",) if job.comment else ()))
    return {
        "task_name": "\\" + name.rpartition(".")[0],
        "task_author": job.author,
        "task_trigger": "; ".join(job.triggers),
        "task_hidden": job.hidden,
        "enabled": not job.disabled,
        "task_notes": notes,
        "task_malformed": bool(job.notes),
        "mechanism": "scheduled_task",
        "action_kind": "Exec",
        "executable": job.command,
        "command_line": " ".join(text for text in (job.command, job.arguments) if text),
        "working_directory": job.working_directory,
        "result_code": None if job.exit_code is None else f"0x{job.exit_code:08x}",
    }


def parse(given: FileInput) -> Output:
    """One row for the task, a problem for what is cut or damaged in it."""
    try:
        job = taskjob.read(given.read(taskjob.SIZE_LIMIT))
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))
        return
    if job.notes:
        yield Problem("bad_record", _NAME, given.source(), "; ".join(job.notes))
    moments: dict[str, Moment | None] = {**times(given)}
    if job.last_run:
        moments["Launch Time"] = _ran(given, job.last_run)
    yield make_fact("task.defined", given.source(), moments, _fields(given, job))


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("Windows/Tasks/*.job",),
    parse=parse,
    emits={"task.defined": TASK_DEFINED},
)
