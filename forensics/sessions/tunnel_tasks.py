"""Runs of a tunnel that only the log of Task Scheduler tells: 129 names the process, 201 says when its action ended.

The command line stands in the task's definition alone, so a run counts where the program is the one that is defined.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import Row, Rows
from forensics.sessions.texts import basename
from forensics.sessions.tunnel_bundle import PROCESS, Bundle
from forensics.sessions.tunnel_call import TunnelCall

STARTED = "task.process_created"


def task_name(row: Row) -> str:
    """A task's path as it can be compared: the definition and the log spell it differently."""
    return row.first("task_name", "entry_name").replace("/", "\\").strip("\\").casefold()


def add_task_runs(bundle: Bundle, call: TunnelCall, defined: Iterable[Row], rows: Rows) -> None:
    """Add the processes that the tasks of these rows started, as calls of what the tasks are defined with."""
    names = {task_name(row) for row in defined if row.kind.startswith("task.")} - {""}
    for row in rows.of(STARTED) if names else ():
        if task_name(row) in names and basename(row.get("executable")) == basename(call.executable):
            bundle.calls.append((row, call))
            bundle.add(PROCESS, row)


def action_end(row: Row, ends: Sequence[Row], starts: Sequence[Row], life: HostLife) -> list[Row]:
    """The end of the action that started a task's process: the first of that task before it started again."""
    if row.kind != STARTED or row.time is None:
        return []
    name = task_name(row)
    again = next((item.time for item in starts if item.time and item.time > row.time and task_name(item) == name), None)
    for end in ends:
        if end.time and end.time >= row.time and task_name(end) == name:
            over = (again is not None and end.time > again) or life.boot_between(row.time, end.time)
            return [] if over else [end]
    return []
