"""Processes that host a tunnel, each with what belongs to it: its end, its account, where its output went.

The first process of a hosting often starts the same program again, hidden (`VSCODE_CLI_DID_LAUNCH_AS_HIDDEN_PROCESS` is
in its environment only, so both command lines are equal), and ends: the two are one run, that of the second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile

from forensics.sessions.exits import Exits, image
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import People, Row, Rows
from forensics.sessions.texts import basename, pid, split_command
from forensics.sessions.tunnel_bundle import Bundle
from forensics.sessions.tunnel_call import TunnelCall, output_of
from forensics.sessions.tunnel_tasks import STARTED, action_end

_TWIN = timedelta(seconds=5)  # within which two logs tell of one process
_CTRL_C = 0xC000013A  # STATUS_CONTROL_C_EXIT


@dataclass(slots=True)
class Run:
    """One process, or a launcher with the process that it left running."""

    start: datetime
    call: TunnelCall
    rows: list[Row]
    pid: int | None
    ends: list[Row] = field(default_factory=list)
    launcher: list[Row] = field(default_factory=list)

    @property
    def first(self) -> Row:
        """The row of the process that stays: the process log has its line as it was."""
        return next((row for row in self.rows if row.kind == "process.created"), self.rows[0])

    @property
    def end(self) -> datetime | None:
        """When that process ended."""
        return self.ends[0].time if self.ends else None

    @property
    def every(self) -> list[Row]:
        """All its process starts."""
        return [*self.launcher, *self.rows]

    def end_reason(self) -> str:
        """What the exit code says of the end."""
        codes = {pid(row.get("result_code")) for row in self.ends if row.get("result_code")}
        return "Ctrl-C received (exit code 0xC000013A)" if _CTRL_C in codes else "process ended"


class Runs:
    """Finds the runs of a bundle, and what is known of each, among the rows of the host."""

    def __init__(self, rows: Rows, people: People, life: HostLife, exits: Exits, near: timedelta) -> None:
        self._people, self._life, self._exits, self._near = people, life, exits, near
        self._by_pid: dict[int, list[Row]] = defaultdict(list)
        self._scripts: dict[int, list[Row]] = defaultdict(list)
        for row in rows.of("process.created"):
            _index(self._by_pid, row)
        for row in rows.of("powershell.script_block"):
            _index(self._scripts, row)
        self.ends_recorded = bool(rows.of("process.exited"))
        self._desktop = rows.of("vscode.cli_ended")
        self._tasks = (rows.of("task.action_completed"), rows.of(STARTED))

    def of(self, bundle: Bundle) -> list[Run]:
        """The runs of its hosting processes, in order; a process that two logs tell of is one."""
        found: list[Run] = []
        for row, call in sorted(bundle.calls, key=lambda item: item[0].order):
            if not call.hosts or row.time is None:
                continue
            number = pid(row.get("pid"))
            recent = _since(found, row.time - _TWIN)
            twin = next((run for run in recent if self._same(run, row, number)), None)
            if twin:
                twin.rows.append(row)
                twin.pid = number if twin.pid is None else twin.pid
                continue
            found.append(Run(row.time, call, [row], number))
        for run in found:
            ends = [end for row in run.rows for end in (self._exits.of(row) or self._ended(row))]
            run.pid = next((pid(end.get("pid")) for end in ends), None) if run.pid is None else run.pid
            run.ends = sorted({end.id: end for end in ends}.values(), key=lambda item: item.order)
        return self._chained(found)

    @staticmethod
    def _same(run: Run, row: Row, number: int | None) -> bool:
        if number is None or run.pid is None:  # the desktop's log names no process when it starts one
            kinds = {row.kind, *(item.kind for item in run.rows)}
            return len(kinds) > 1 and basename(run.call.executable) == basename(program_of(row))
        return run.pid == number and image(run.first) == image(row)

    def _ended(self, row: Row) -> list[Row]:
        """What the desktop's log, or that of tasks, says of the end of a process that it started."""
        if row.kind == STARTED:
            return action_end(row, *self._tasks, self._life)
        if row.kind != "vscode.cli_spawned":
            return []
        later = (end for end in self._desktop if end.source.path == row.source.path and end.order > row.order
                 and end.get("cli_call") == row.get("cli_call"))  # fmt: skip
        return [end for end in (next(later, None),) if end is not None]

    def _chained(self, runs: list[Run]) -> list[Run]:
        """A launcher and the same program that it started are one."""
        found: list[Run] = []
        for run in runs:
            parents = {pid(row.get("parent_pid")) for row in run.rows} - {None}
            recent = _since(found, run.start - self._near)
            launcher = next((item for item in recent
                             if item.pid in parents and image(item.first) == image(run.first)), None)  # fmt: skip
            if launcher:
                launcher.launcher += launcher.rows
                launcher.rows, launcher.pid, launcher.ends = run.rows, run.pid, run.ends
            else:
                found.append(run)
        return found

    def user(self, run: Run) -> str | None:
        """The account that the process ran as."""
        return next((name for row in run.rows if (name := self._people.of(row)[0])), None)

    def output(self, run: Run) -> tuple[str | None, list[Row]]:
        """(the file that its output was sent to, what says so): only the shell that started it knows."""
        for row in run.every:
            if path := output_of(row.get("parent_command_line")):
                return path, [row]
            for parent in self._before(self._by_pid, row):
                if "tunnel" in parent.get("command_line").casefold() and (
                    path := output_of(parent.get("command_line"))
                ):
                    return path, [parent]
            for script in self._before(self._scripts, row):
                near = script.time is not None and row.time is not None and row.time - script.time <= self._near
                if near and "tunnel" in script.get("script_text").casefold():
                    line = next((text for text in script.get("script_text").splitlines() if "tunnel" in text), "")
                    if path := output_of(line):
                        return path, [script]
        return None, []

    def _before(self, index: dict[int, list[Row]], row: Row) -> Iterable[Row]:
        """Rows of the process that was the parent's id before that moment, the newest first."""
        number = pid(row.get("parent_pid"))
        for other in reversed(index.get(number, [])) if number is not None else ():
            if other.time and row.time and other.time <= row.time and not self._life.boot_between(other.time, row.time):
                yield other


def program_of(row: Row) -> str:
    """The program of a process row, or of a line that names it."""
    return row.first("executable") or split_command(row.get("command_line"))[0]


def _since(runs: list[Run], moment: datetime) -> Iterable[Run]:
    """The runs that began since a moment, of a list in order, the newest first."""
    return takewhile(lambda run: run.start >= moment, reversed(runs))


def _index(index: dict[int, list[Row]], row: Row) -> None:
    number = pid(row.get("pid"))
    if number is not None:
        index[number].append(row)
