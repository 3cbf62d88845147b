"""Putting the pieces of one sandbox run together: the VM's run, the launch attempts, what remembers an execution.

Several pieces of one run never become two sessions, and what belongs to nobody's sandbox becomes none.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from forensics.rules import load
from forensics.sessions.exits import Exits, image
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import People, Row, Rows, because
from forensics.sessions.sandbox_calls import Call, calls
from forensics.sessions.sandbox_closings import closings
from forensics.sessions.sandbox_disk import seconds
from forensics.sessions.sandbox_guard import Guard
from forensics.sessions.sandbox_launch import Attempt, attempts, definitions, executions, role
from forensics.sessions.sandbox_pieces import Draft, every
from forensics.sessions.sandbox_remembered import Memory
from forensics.sessions.sandbox_vm import VmRun, vm_runs


class Drafter:
    """Builds the drafts of one host."""

    def __init__(self, rows: Rows, life: HostLife, people: People) -> None:
        self.rows, self.life, self.people = rows, life, people
        self.exits = Exits(rows, life)
        self.drafts: list[Draft] = []
        self.unattributed: list[VmRun] = []
        self.loose_calls: list[Call] = []  # calls of wsb.exe that fit no session, none of them a recorded start
        self.loose_runs: list[Row] = []  # runs of wsb.exe that fit none, their verbs unknown
        self.guard = Guard(rows)

    def build(self) -> list[Draft]:
        """All drafts in order of time."""
        free = self._runs(attempts(self.rows))
        for draft in self.drafts:
            self._close(draft)
        for attempt in free:
            if not attempt.scripted:  # that a script has the line does not say that it was reached
                self._attempt(attempt)
        memory = Memory(self.rows, self.life, self.people, self.drafts, self._close)
        memory.join()
        self.loose_runs = memory.loose
        self._calls()
        for draft in self.drafts:
            self._close(draft)
        return sorted(self.drafts, key=lambda item: (item.first, every(item)[0].id))

    def _runs(self, waiting: list[Attempt]) -> list[Attempt]:
        """Give every VM run its launch; runs that are nobody's sandbox fall out. Returns the attempts left over."""
        runs = [run for run in vm_runs(self.rows, self.life, self.exits) if run.verdict != "other"]
        for run, attempt, why in _matched(runs, waiting, self.exits):
            self.drafts.append(Draft(run, [attempt], notes=[why]))
        started = {id(draft.run) for draft in self.drafts}
        for run in runs:
            if id(run) in started:
                continue
            if run.verdict == "sandbox" and self.guard.started(run):
                continue
            told = self.guard.of(run)
            if run.verdict == "sandbox" and told.apart is False:
                run.guarded = told.says()
                run.basis += told.rows
                self.unattributed.append(run)
            elif run.verdict == "sandbox" and not self._template_after_boot(run):
                self.drafts.append(Draft(run))
            elif not _logon_only(run):
                self.unattributed.append(run)
        used = {id(attempt) for draft in self.drafts for attempt in draft.attempts}
        return [attempt for attempt in waiting if id(attempt) not in used]

    def _template_after_boot(self, run: VmRun) -> bool:
        """Whether the container manager may have started it for itself: just after a boot, and nobody launched it.

        After updates the manager boots a machine to save its state (inference). What has a disk of a session or a
        network adapter is none; nor is any on a host where a task starts the Sandbox, perhaps at boot.
        """
        start, reach = run.start, seconds("template_boot")
        if start is None or run.by_disk or run.networked or not self.life.boot_between(start - reach, start):
            return False
        launched = (row.time for row in executions(self.rows) if role(row) != "proxy")
        near = any(time and abs(time - start) <= seconds("launch_before") for time in launched)
        if near or definitions(self.rows):
            return False
        text = "it began just after a boot and no launch is recorded: perhaps a template (inference)"
        run.marks.append(because(text, run.rows[:1]))
        return True

    def _attempt(self, attempt: Attempt) -> None:
        """A launch without a VM of its own: part of a running session of the same user, or a session by itself."""
        user = self.people.of(attempt.primary)[1]
        for draft in self.drafts:
            theirs = draft.sid(self.people)
            fits = user is None or theirs is None or user == theirs
            # A session of unknown end proves nothing about a launch hours later, but its window may open late.
            sure = draft.run is not None and draft.until is not None
            if fits and draft.covers(attempt.time) and (sure or attempt.kind == "client"):
                draft.attempts.append(attempt)
                if attempt.kind != "client":
                    text = "a further launch while it ran (one instance per user is allowed; no second VM is seen)"
                    draft.notes.append(because(text, attempt.every))
                return
        draft = Draft(None, [attempt])
        self._close(draft)
        self.drafts.append(draft)

    def _calls(self) -> None:
        """wsb.exe calls to the session whose id they name, else to the one that runs at that time.

        What fits none makes none: exec, share, connect and stop need a sandbox that runs, but that they found one is
        not recorded, nor when it began.
        """
        for call in calls(self.rows):
            draft = self._named(call) or self._open_for(call)
            if draft is None:
                self.loose_calls.append(call)
                continue
            if call.ident and not draft.asked():
                draft.learned.add(call.ident)
            draft.calls.append(call)

    def _named(self, call: Call) -> Draft | None:
        """The session that has the call's id; of several with one id the one that runs then."""
        same = [draft for draft in self.drafts if call.ident and call.ident in draft.idents()]
        moment = call.time
        if moment is None:  # a typed line has no time: where the id was used once it is clear
            return same[0] if len(same) == 1 else None
        return next((draft for draft in same if draft.covers(moment)), same[0] if same else None)

    def _open_for(self, call: Call) -> Draft | None:
        """The latest session of that user that runs at the call's time, unless it was given another id."""
        moment = call.time
        if moment is None:
            return None
        fit = [
            draft for draft in self.drafts
            if draft.covers(moment) and self._same_user(draft, call.row) and not (call.ident and draft.asked())
        ]  # fmt: skip
        return max(fit, key=lambda item: item.first, default=None)

    def _same_user(self, draft: Draft, row: Row) -> bool:
        mine, theirs = self.people.of(row)[1], draft.sid(self.people)
        return mine is None or theirs is None or mine == theirs

    def _close(self, draft: Draft) -> None:
        """Find what ended the run: its own stop rows before the next boot, else the boot."""
        start = draft.start or draft.latest
        if start is None:
            return
        boot = self.life.next_boot(start)
        limit = boot.time if boot else None
        found = list(draft.run.stops) if draft.run else []
        if not found:
            asked = [call.row for call in draft.calls if call.verb == "stop"]
            found = [*self._process_ends(draft), *asked] or self._task_ends(draft)
        if not found and draft.run:
            found = closings(draft.run, self.rows, limit)
        unique = {row.id: row for row in found}.values()
        draft.ends = [row for row in unique if row.time and row.time >= start and (limit is None or row.time <= limit)]
        draft.closing = None if draft.ends else self.life.closing(start)

    def _process_ends(self, draft: Draft) -> Iterable[Row]:
        """Ends of the client, server and cmproxyd; the launcher's own end only if nothing followed it."""
        started = [row for attempt in draft.attempts for row in attempt.rows if row.kind == "process.created"]
        parts = [row for row in [*started, *draft.proxies] if role(row) in ("client", "proxy")]
        # Closing the window does not end what wsb started; its server lives as long as the machine.
        parts = [row for row in parts if image(row) in load("sandbox")["names"]["server"]] or parts
        lived = seconds("follow_up")
        # Of a launch that nothing followed its own exit is the end, however soon.
        alone = draft.run is None and not draft.proxies and not any(role(row) == "client" for row in draft.executions)
        for row in parts or [row for row in started if role(row) == "launcher"]:
            for end in self.exits.of(row):
                # The Store version's launcher hands over and ends at once: that is no end of a session.
                if parts or alone or (row.time and end.time and end.time - row.time > lived):
                    yield end

    def _task_ends(self, draft: Draft) -> list[Row]:
        """When the task's action ended whose last start the task cache keeps, if it lived longer than a handover."""
        if draft.run or draft.launch:
            return []
        begun = {
            (row.source.path, row.source.locator): row.time for row in draft.executions if row.kind == "task.cached"
        }
        found = []
        for row in self.rows.of("task.cached") if begun else ():
            start = begun.get((row.source.path, row.source.locator))
            if row.meaning == "End Time" and row.time and start and row.time - start > seconds("follow_up"):
                found.append(row)
        return found


def _logon_only(run: VmRun) -> bool:
    """Whether nothing but the worker's logon tells of it: every machine of every product has one."""
    return all(row.kind == "logon.succeeded" for row in run.rows)


def _over(attempt: Attempt, run: VmRun, start: datetime, exits: Exits) -> bool:
    """Whether a launcher was over as the machine began or soon after, and left neither client nor server behind.

    Not when the machine stopped with it.
    """
    if attempt.kind != "launcher" or any(role(row) == "client" for row in attempt.rows):
        return False
    started = [row for row in attempt.rows if row.kind == "process.created" and role(row) == "launcher"]
    ends = [end.time for row in started for end in exits.of(row) if end.time]
    stopped = min((row.time for row in run.stops if row.time), default=None)
    return any(
        end < start + seconds("follow_up") and (stopped is None or stopped - end > seconds("execution_before"))
        for end in ends
    )


def _matched(runs: list[VmRun], waiting: list[Attempt], exits: Exits) -> list[tuple[VmRun, Attempt, str]]:
    """Pairs of VM run and launch: by the id that `wsb start` asked for, then nearest in time.

    Known sandboxes come first, and launches that still ran before those that were over.
    """
    pairs = []
    for run_number, run in enumerate(runs):
        for number, attempt in enumerate(waiting):
            if run.start is None:
                continue
            gap = run.start - attempt.time
            named = bool(run.vm_id) and attempt.ident == (run.vm_id or "").casefold()
            near = -seconds("launch_after") <= gap <= seconds("launch_before")
            if near or (named and abs(gap) <= seconds("cli_open")):
                over = _over(attempt, run, run.start, exits)
                pairs.append((not named, run.verdict != "sandbox", over, abs(gap), run_number, number))
    found, runs_used, attempts_used = [], set(), set()
    for by_time, _, _, _, run_number, number in sorted(pairs):
        if run_number in runs_used or number in attempts_used:
            continue
        runs_used.add(run_number)
        attempts_used.add(number)
        why = "the launch and the VM are joined by " + ("their times" if by_time else "the id that wsb start was given")
        found.append((runs[run_number], waiting[number], because(why, waiting[number].every)))
    return found
