"""Who stands behind a launch: who registered its task, what started the program that launched it, whose files it used.

A task that runs as SYSTEM names nobody; the record of its registration (4698, 106) and the command that made it do.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta

from forensics.model import Launch
from forensics.sessions.exits import image
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import People, Row, Rows, because, short, stamp
from forensics.sessions.sandbox_pieces import Draft
from forensics.sessions.texts import basename, pid

_MOST = 6  # generations of parents
# What every process descends from: no more is told above it.
_TOP = frozenset({"explorer.exe", "svchost.exe", "services.exe", "userinit.exe", "winlogon.exe", "wininit.exe"})
_CREATE = re.compile(r"(?:^|\s)[/-]create\b|register-scheduledtask|new-scheduledtask", re.IGNORECASE)
_PROFILE = re.compile(r"(?:^|[a-z]:|\})[\\/]users[\\/]([^\\/:*?\"<>|%]{1,64})(?=[\\/])", re.IGNORECASE)
_NOBODY = frozenset({"public", "default", "all users", "default user", "wdagutilityaccount"})
_TIMES_NAMED = 3  # paths of one profile that a loose hive names
_NEAR = timedelta(minutes=1)  # from the command that makes a task to the record of it


@dataclass(slots=True)
class Behind:
    """The launch completed, reasons, rows beyond the draft's own, and the command lines above the launch."""

    launch: Launch
    reasons: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    lines: tuple[str, ...] = ()


class Persons:
    """Asks the rows of one host who stands behind a launch."""

    def __init__(self, rows: Rows, life: HostLife, people: People) -> None:
        self._rows, self._life, self._people = rows, life, people
        self._by_pid: dict[int, list[Row]] = defaultdict(list)
        for row in rows.of("process.created"):
            number = pid(row.get("pid"))
            if row.time and number is not None:
                self._by_pid[number].append(row)

    def behind(self, draft: Draft, launch: Launch) -> Behind:
        """What the evidence has of them."""
        found = Behind(launch)
        self._registered(draft, found)
        if draft.launch and draft.launch.rows:
            primary = draft.launch.primary
            above = self._above(primary)
            lines = [row.get("command_line") or row.get("executable") for row in above]
            found.lines = tuple(dict.fromkeys([primary.get("parent_command_line"), *lines]))
            if above and not (len(above) == 1 and image(above[0]) in _TOP):
                found.reasons.append(because(f"what started it: {_chain(above)}", above))
                found.rows += above
        self._candidate(draft, found)
        return found

    def _above(self, row: Row) -> list[Row]:
        """The recorded parents of a process, the nearest first."""
        found: list[Row] = []
        while len(found) < _MOST and (parent := self._parent(row)) is not None and parent not in found:
            found.append(parent)
            if image(parent) in _TOP:
                break
            row = parent
        return found

    def _parent(self, row: Row) -> Row | None:
        """Process ids are used again: the last start of that id and image before the child, since the last boot."""
        number, name = pid(row.get("parent_pid")), basename(row.get("parent_executable"))
        if number is None or row.time is None:
            return None
        for other in reversed(self._by_pid.get(number, ())):
            if other.time is None or other.time > row.time or other.id == row.id or pid(other.get("pid")) != number:
                continue
            if self._life.boot_between(other.time, row.time) or (name and image(other) != name):
                return None
            return other
        return None

    def _registered(self, draft: Draft, found: Behind) -> None:
        """Who registered the task that launched it."""
        task = found.launch.task_name
        if not task:
            return
        same = [row for row in self._rows.of("task.registered", "task.updated") if _task(row) == _key(task)]
        same = [row for row in same if row.time and row.time <= draft.first]
        made = self._made(task, same, draft)
        tellers = [*same, *made]
        persons = list(dict.fromkeys(person for row in tellers if any(person := self._people.of(row))))
        if not persons:
            return
        # The log of tasks has the name alone: it is the account of that name that another record has in full.
        full = next((person for person in persons if person[1]), persons[0])
        others = [name or sid or "" for name, sid in persons if full[0] != name and full[1] != sid]
        first = min((row.time for row in tellers if row.time), default=None)
        text = f"the task {task} was registered by {full[0] or full[1]}" + (f" at {stamp(first)}" if first else "")
        text += f", and changed by {', '.join(dict.fromkeys(others))}" if others else ""
        commands = [row for row in made if row.kind == "process.created"]
        text += f": {short(commands[0].get('command_line'))}" if commands else ""
        chain = self._above(commands[0]) if commands else []
        found.reasons.append(because(text, [*made, *same]))
        if chain and not (len(chain) == 1 and image(chain[0]) in _TOP):
            found.reasons.append(because(f"what started that command: {_chain(chain)}", chain))
        found.rows += [*same, *made, *chain]
        found.launch = replace(found.launch, registered_by=full[0], registered_by_sid=full[1])

    def _made(self, task: str, recorded: list[Row], draft: Draft) -> list[Row]:
        """The commands that make a task of that name, near the record of it where there is one."""
        name = basename(task)
        lines = (
            row for row in self._rows.of("process.created", "powershell.script_block")
            if row.time and row.time <= draft.first
        )  # fmt: skip
        found = [
            row for row in lines
            if name in (text := row.first("command_line", "script_text").casefold()) and _CREATE.search(text)
        ]  # fmt: skip
        near = [row for row in found if any(_close(row, other) for other in recorded)]
        return near or found[-1:]

    def _candidate(self, draft: Draft, found: Behind) -> None:
        """Whose it may be where no record names the account: the owner of the profile that its files lie in."""
        launch = found.launch
        if launch.user or launch.user_sid:
            return
        match = _PROFILE.search(launch.wsb_path or "")
        if match and match.group(1).casefold() not in _NOBODY:
            name, sid = self._people.complete(match.group(1), "")
            found.reasons.append(
                f"it may be {name}'s: the configuration lies in that profile (inference: others can read it as well)"
            )
            found.launch = replace(launch, candidate_user=name, candidate_user_sid=sid)
            return
        if not self._of_program(draft, found):
            self._of_hive(draft, found)

    def _of_program(self, draft: Draft, found: Behind) -> bool:
        """By a shortcut or program in a profile that an account's own record names."""
        for row in draft.executions:
            match = (
                _PROFILE.search(row.first("executable", "executable_name")) if row.kind == "userassist.run" else None
            )
            if match and match.group(1).casefold() not in _NOBODY:
                name, sid = self._people.complete(match.group(1), "")
                found.reasons.append(
                    because(f"it may be {name}'s: what was started lies in that profile (inference)", [row])
                )
                found.launch = replace(found.launch, candidate_user=name, candidate_user_sid=sid)
                return True
        return False

    def _of_hive(self, draft: Draft, found: Behind) -> None:
        """Of a hive that lies outside a profile: the one profile that its other paths name again and again."""
        hives = {row.source.path for row in draft.executions if row.kind == "userassist.run"}
        counts: dict[str, list[Row]] = defaultdict(list)
        for row in self._rows.in_files(hives):
            for name in {match.casefold() for match in _PROFILE.findall(row.text())} - _NOBODY:
                counts[name].append(row)
        often = sorted(counts.items(), key=lambda item: (-len(item[1]), item[0]))
        if not often or len(often[0][1]) < _TIMES_NAMED or (len(often) > 1 and len(often[1][1]) * 2 > len(often[0][1])):
            return
        folder, rows = often[0]
        spelled = next(name for name in _PROFILE.findall("\n".join(_plain(rows[0]))) if name.casefold() == folder)
        name, sid = self._people.complete(spelled, "")
        text = f"it may be {name}'s: {len(rows)} entries of the same hive name C:\\Users\\{spelled} (inference)"
        found.reasons.append(because(text, rows))
        found.rows += rows[:4]
        found.launch = replace(found.launch, candidate_user=name, candidate_user_sid=sid)


def _plain(row: Row) -> list[str]:
    """Every text of a row as it is spelled."""
    texts: list[str] = []
    for value in row.fields.values():
        texts += [value] if isinstance(value, str) else value if isinstance(value, tuple) else []
    return texts


def _chain(above: list[Row]) -> str:
    shown = (short(row.get("command_line") or row.get("executable"), 120) for row in reversed(above))
    return " > ".join(shown)


def _task(row: Row) -> str:
    return _key(row.get("task_name"))


def _key(name: str) -> str:
    return name.replace("/", "\\").strip("\\").casefold()


def _close(one: Row, two: Row) -> bool:
    return one.time is not None and two.time is not None and abs(one.time - two.time) <= _NEAR
