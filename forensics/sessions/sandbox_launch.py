"""Who started a sandbox, and how: process starts, task events and wsb.exe calls put together to launch attempts.

One attempt leaves several rows: 4688 and Sysmon 1 of the same process, the task events 100/129/200, the client or
server process that follows. Execution artifacts (UserAssist, prefetch, BAM, the task cache's last run) are told apart
here by what they name; they are joined to sessions in `sandbox`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from forensics.rules import load
from forensics.sessions.exits import image
from forensics.sessions.rows import Row, Rows
from forensics.sessions.sandbox_vm import seconds
from forensics.sessions.texts import basename, guid, pid, wsb_path

_TASK_RUNS = ("task.started", "task.process_created", "task.action_started")
_TASK_DEFINITIONS = ("task.defined", "task.cached", "task.registered", "task.updated")
_EXECUTIONS = ("userassist.run", "prefetch.run", "bam.run")
_SANDBOX_TEXT = re.compile(r"windowssandbox|\.wsb\b|\bwsb(?:\.exe)?\"?\s+start", re.IGNORECASE)


@cache
def _verb_pattern() -> re.Pattern[str]:
    verbs = "|".join(sorted(load("sandbox")["verbs"], key=len, reverse=True))
    return re.compile(rf'(?:^|[\s"\\/&|;(])wsb(?:\.exe)?"?\s+(?:--raw\s+)?({verbs})\b', re.IGNORECASE)


def verb_of(command_line: str) -> str | None:
    """The verb of a wsb.exe call by its full name (aliases resolved), None when the text is none."""
    match = _verb_pattern().search(command_line[: 32 * 1024])
    return load("sandbox")["verbs"][match.group(1).casefold()] if match else None


def call_id(command_line: str) -> str | None:
    """The `--id` of a wsb.exe call, folded."""
    match = re.search(r'--id[= ]+"?\{?([0-9a-f-]{36})', command_line, re.IGNORECASE)
    found = guid(match.group(1)) if match else None
    return found.casefold() if found else None


def role(row: Row) -> str:
    """What a row's program is to the Sandbox: launcher | cli | client | proxy | "" (something else)."""
    names = load("sandbox")["names"]
    image_name = image(row)
    for part in ("launcher", "cli", "client", "proxy"):
        if image_name in names[part]:
            return part
    text = row.first("executable", "executable_name", "file_name").casefold()
    if any(package in text for package in names["packages"]) or image_name in names["shortcuts"]:
        return "launcher"
    return ""


@dataclass(slots=True)
class Attempt:
    """One attempt to start a sandbox. `kind`: launcher | cli | task | client (only a follow-up process is known)."""

    kind: str
    time: datetime
    rows: list[Row] = field(default_factory=list)
    tasks: list[Row] = field(default_factory=list)

    @property
    def every(self) -> list[Row]:
        """All rows of the attempt."""
        return [*self.rows, *self.tasks]

    @property
    def primary(self) -> Row:
        """The process row that tells most: the launcher or wsb start, of two logs the one with the command line."""
        ranked = sorted(self.rows or self.tasks, key=lambda row: row.order)
        first = [row for row in ranked if role(row) in (self.kind, "launcher", "cli")] or ranked
        return next((row for row in first if row.get("command_line")), first[0])

    @property
    def pids(self) -> set[int]:
        """The process ids of its processes."""
        return {number for row in self.rows if (number := pid(row.get("pid"))) is not None}

    @property
    def ident(self) -> str | None:
        """The id that `wsb start --id` asked for."""
        return next((found for row in self.rows if (found := call_id(row.get("command_line")))), None)

    @property
    def wsb(self) -> str | None:
        """The .wsb file that the attempt names."""
        return next((found for row in self.rows if (found := wsb_path(row.get("command_line")))), None)


def attempts(rows: Rows) -> list[Attempt]:
    """Every launch attempt of the host, in order of time."""
    found: list[Attempt] = []
    processes = [row for row in rows.of("process.created") if row.time]
    for row in processes:
        kind = role(row)
        if kind == "launcher" or (kind == "cli" and verb_of(row.get("command_line")) == "start"):
            _add_process(found, row, kind)
    for row in task_runs(rows):
        _add_task(found, row)
    for row in processes:
        if role(row) == "client":
            _add_client(found, row)
    return sorted(found, key=lambda attempt: (attempt.time, attempt.primary.id))


def calls(rows: Rows) -> list[Row]:
    """The wsb.exe calls of any verb: process starts, and script blocks that hold one."""
    found = [row for row in rows.of("process.created") if row.time and role(row) == "cli"]
    found = [row for row in found if verb_of(row.get("command_line"))]
    return found + [row for row in rows.of("powershell.script_block") if row.time and verb_of(row.get("script_text"))]


def executions(rows: Rows) -> list[Row]:
    """What remembers that a sandbox program ran, apart from the event logs."""
    found = [row for row in rows.of(*_EXECUTIONS) if row.time and role(row)]
    # The task cache keeps the last run of a task; other times of the same fact are of its definition.
    cached = [row for row in rows.of("task.cached") if row.time and row.meaning == "Launch Time"]
    return found + [row for row in cached if _SANDBOX_TEXT.search(row.text())]


def definitions(rows: Rows) -> list[Row]:
    """The rows that define a task which starts a sandbox."""
    return [row for row in rows.of(*_TASK_DEFINITIONS) if _SANDBOX_TEXT.search(row.text())]


def task_runs(rows: Rows) -> list[Row]:
    """The rows that say a task started a sandbox: by what they name, or by the name of such a task."""
    known = {row.get("task_name").casefold() for row in definitions(rows)} - {""}
    return [
        row
        for row in rows.of(*_TASK_RUNS)
        if row.time and (row.get("task_name").casefold() in known or _SANDBOX_TEXT.search(row.text()))
    ]


def opener_of(attempt: Attempt, rows: Rows) -> list[Row]:
    """Programs that opened the same .wsb by its association just before (`cmd /c start x.wsb`)."""
    wanted, openers = attempt.wsb, load("sandbox")["names"]["openers"]
    if not wanted:
        return []
    early = attempt.time - seconds("task_process")
    return [
        row
        for row in rows.of("process.created")
        if row.time and early <= row.time <= attempt.time and image(row) in openers
        and basename(wsb_path(row.get("command_line")) or "") == basename(wanted)
    ]  # fmt: skip


def _add_process(found: list[Attempt], row: Row, kind: str) -> None:
    if row.time is None:
        return
    number, parent = pid(row.get("pid")), pid(row.get("parent_pid"))
    for attempt in reversed(found):
        gap = row.time - attempt.time
        same = number in attempt.pids if number is not None else attempt.kind == kind
        if attempt.kind == kind and same and gap <= seconds("same_process"):
            break
        if parent is not None and parent in attempt.pids and gap <= seconds("follow_up"):
            break
    else:
        attempt = Attempt(kind, row.time)
        found.append(attempt)
    attempt.rows.append(row)


def _add_task(found: list[Attempt], row: Row) -> None:
    """To the process that the task started (by id and time, else by time alone), else an attempt of its own."""
    if row.time is None:
        return
    number, name = pid(row.get("pid")), row.get("task_name").casefold()
    ranked: list[tuple[bool, timedelta, datetime, Attempt]] = []
    for attempt in found:
        gap = abs(attempt.time - row.time)
        other = {item.get("task_name").casefold() for item in attempt.tasks} - {name}
        if gap <= seconds("task_process") and not other:
            by_id = row.kind == "task.process_created" and number is not None and number in attempt.pids
            ranked.append((not by_id, gap, attempt.time, attempt))
    if ranked:
        attempt = min(ranked, key=lambda item: item[:3])[3]
    else:
        attempt = Attempt("task", row.time)
        found.append(attempt)
    attempt.tasks.append(row)


def _add_client(found: list[Attempt], row: Row) -> None:
    if row.time is None:
        return
    parent = pid(row.get("parent_pid"))
    near = [item for item in found if timedelta(0) <= row.time - item.time <= seconds("follow_up")]
    if near:
        attempt = max(near, key=lambda item: (parent is not None and parent in item.pids, item.time))
    else:
        attempt = Attempt("client", row.time)
        found.append(attempt)
    attempt.rows.append(row)
