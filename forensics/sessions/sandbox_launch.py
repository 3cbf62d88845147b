"""Who started a sandbox, and how: process starts, task events and wsb.exe calls put together to launch attempts.

One attempt leaves several rows: 4688 and Sysmon 1 of the same process, the task events 100/129/200, the client or
server process that follows. Execution artifacts (UserAssist, prefetch, BAM, the task cache's last run) are told apart
here by what they name; they are joined to sessions in `sandbox`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from forensics.rules import load
from forensics.sessions.exits import image
from forensics.sessions.rows import Row, Rows
from forensics.sessions.sandbox_calls import call_id, of_row, text_of, verb_of
from forensics.sessions.sandbox_disk import seconds
from forensics.sessions.texts import basename, pid, wsb_path

_TASK_RUNS = ("task.started", "task.process_created", "task.action_started")
_TASK_DEFINITIONS = ("task.defined", "task.cached", "task.registered", "task.updated")
_EXECUTIONS = ("userassist.run", "prefetch.run", "bam.run", "pca.launch", "app.process_created", "capability.used",
               "antivirus.process_seen")  # fmt: skip
# At these times a program ran that had begun before: when it began is not in them.
_ACTIVE = ("bam.run", "capability.used", "antivirus.process_seen")
_WRITTEN = ("usn.file_created", "usn.file_written")
_PREFETCH = re.compile(r"(windowssandbox[^\\]*)-[0-9a-f]{8}\.pf", re.IGNORECASE)
_SANDBOX_TEXT = re.compile(r"windowssandbox|\.wsb\b|\bwsb(?:\.exe)?\"?\s+start", re.IGNORECASE)


def role(row: Row) -> str:
    """What a row's program is to the Sandbox: launcher | cli | client | proxy | "" (something else)."""
    names = load("sandbox")["names"]
    written = _PREFETCH.fullmatch(row.get("file_name")) if row.kind in _WRITTEN else None
    image_name = written.group(1).casefold() if written else image(row)
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
    def scripted(self) -> bool:
        """Whether only a script that calls `wsb start` tells of it; that the line was reached is not recorded."""
        return bool(self.rows) and all(row.kind == "powershell.script_block" for row in self.rows)

    @property
    def primary(self) -> Row:
        """The process row that tells most: the launcher or wsb start, of two logs the one with the command line."""
        ranked = sorted(self.rows or self.tasks, key=lambda row: row.order)
        first = [row for row in ranked if role(row) in (self.kind, "launcher", "cli")] or ranked
        return next((row for row in first if row.get("command_line")), first[0])

    @property
    def command(self) -> str:
        """The command line of its first process, else the call in the script; "" when neither is recorded."""
        if not self.rows:
            return ""
        found = next((call.line for call in of_row(self.primary) if call.verb == "start"), "")
        return found if self.scripted else self.primary.get("command_line") or found

    @property
    def pids(self) -> set[int]:
        """The process ids of its processes."""
        return {number for row in self.rows if (number := pid(row.get("pid"))) is not None}

    @property
    def ident(self) -> str | None:
        """The id that `wsb start --id` asked for."""
        return next((found for row in self.rows if (found := self._ident(row))), None)

    @staticmethod
    def _ident(row: Row) -> str | None:
        if row.kind == "process.created":
            return call_id(row.get("command_line"))
        return next((call.ident for call in of_row(row) if call.verb == "start"), None)

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
    for row in rows.of("powershell.script_block", "powershell.command"):
        if verb_of(text_of(row)) and any(call.verb == "start" for call in of_row(row)):
            _add_script(found, row)
    for row in task_runs(rows):
        _add_task(found, row)
    for row in processes:
        if role(row) == "client":
            _add_client(found, row)
    return sorted(found, key=lambda attempt: (attempt.time, attempt.primary.id))


def executions(rows: Rows) -> list[Row]:
    """What remembers that a sandbox program ran, apart from the event logs."""
    found = [row for row in rows.of(*_EXECUTIONS) if row.time and role(row)]
    found += [row for row in rows.of(*_WRITTEN) if row.time and _PREFETCH.fullmatch(row.get("file_name"))]
    # The task cache keeps the last run of a task; other times of the same fact are of its definition.
    cached = [row for row in rows.of("task.cached") if row.time and row.meaning == "Launch Time"]
    return found + [row for row in cached if _SANDBOX_TEXT.search(row.text())]


def is_late(row: Row) -> bool:
    """Whether an execution's time is not that of a start: the program ran by then, or had run.

    BAM keeps the last activity, a prefetch file is written after the start, and a call that is no `start` needs a
    sandbox that runs. A program that held the microphone ran from before until after; that it does so for the whole
    session is inferred.
    """
    return row.kind in (*_ACTIVE, "process.created", *_WRITTEN)


def is_activity(row: Row) -> bool:
    """Whether an execution's time may lie anywhere in the run: BAM's last activity, a device's use."""
    return row.kind in _ACTIVE


def is_hearsay(row: Row) -> bool:
    """Whether the time is that of a line which tells of a program that ran by then, and may be over."""
    return row.kind == "antivirus.process_seen"


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


def _add_script(found: list[Attempt], row: Row) -> None:
    """To the wsb.exe that it started, else an attempt of its own (process starts are not recorded everywhere)."""
    if row.time is None:
        return
    for attempt in found:
        if attempt.kind == "cli" and timedelta(0) <= attempt.time - row.time <= seconds("task_process"):
            attempt.rows.append(row)
            return
    found.append(Attempt("cli", row.time, [row]))


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
