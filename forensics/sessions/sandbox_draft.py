"""Putting the pieces of one sandbox run together: the VM's run, the launch attempts, what remembers an execution.

A draft is anchored on the VM; where no log tells of a VM on the launch; where there is neither on the execution
artifacts alone. Several pieces of one run never become two sessions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from forensics.rules import load
from forensics.sessions.exits import Exits, image
from forensics.sessions.hostlife import Closing, HostLife
from forensics.sessions.rows import People, Row, Rows, because
from forensics.sessions.sandbox_launch import Attempt, attempts, call_id, calls, executions, role, verb_of
from forensics.sessions.sandbox_vm import VmRun, seconds, vm_runs

# Verbs of wsb.exe that say nothing about a running sandbox.
_IDLE = frozenset({"list", "ip"})
Ranked = tuple[timedelta, datetime, "Draft"]


@dataclass(slots=True)
class Draft:
    """One sandbox run before judgement."""

    run: VmRun | None = None
    attempts: list[Attempt] = field(default_factory=list)
    executions: list[Row] = field(default_factory=list)
    calls: list[Row] = field(default_factory=list)
    proxies: list[Row] = field(default_factory=list)
    ends: list[Row] = field(default_factory=list)
    closing: Closing | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def launch(self) -> Attempt | None:
        """The attempt that started the run: the first one."""
        return min(self.attempts, key=lambda item: (item.time, item.primary.id), default=None)

    def _moments(self) -> list[datetime]:
        return [row.time for row in self.executions if row.time]

    @property
    def start(self) -> datetime | None:
        """The VM's start, else the launch, else the first execution."""
        if self.run and self.run.start:
            return self.run.start
        return self.launch.time if self.launch else min(self._moments(), default=None)

    @property
    def earliest(self) -> datetime | None:
        """The first trace of the start. None: only the end of the run is left."""
        start = self.start
        if start is None:
            return None
        first = [self.launch.time] if self.launch else []
        if self.run and self.run.earliest:
            first.append(self.run.earliest)
        return min([start, *first])

    @property
    def latest(self) -> datetime | None:
        """By then it ran for certain."""
        start = self.start
        if start is None:
            return self.run.latest if self.run else None
        if self.run and self.run.latest:
            return max(start, self.run.latest)
        follow = [row.time for row in self.launch.rows if row.time and role(row) == "client"] if self.launch else []
        return max([start, *follow, *([] if self.launch else self._moments())])

    @property
    def last_stop(self) -> datetime | None:
        """The last row that ends the run."""
        return max((row.time for row in self.ends if row.time), default=None)

    @property
    def until(self) -> datetime | None:
        """The end as far as it is known: a stop, or what closed everything."""
        return self.last_stop or (self.closing.time if self.closing else None)

    @property
    def first(self) -> datetime:
        """Where the draft stands in time (every draft has at least one dated row)."""
        anchor = self.earliest or self.latest
        if anchor is None:
            raise ValueError("a draft without a dated row")
        return anchor

    def covers(self, moment: datetime) -> bool:
        """Does `moment` lie in the run? A run of unknown end counts as open for 12 hours."""
        return self.first <= moment <= (self.until or self.first + seconds("cli_open"))


class Drafter:
    """Builds the drafts of one host."""

    def __init__(self, rows: Rows, life: HostLife, people: People) -> None:
        self.rows, self.life, self.people = rows, life, people
        self.exits = Exits(rows, life)
        self.drafts: list[Draft] = []
        self.unattributed: list[VmRun] = []
        guard = load("sandbox")["names"]["application_guard"]
        self._guard_starts = [row.time for row in rows.of("process.created") if row.time and image(row) in guard]

    def build(self) -> list[Draft]:
        """All drafts in order of time."""
        free = self._runs(attempts(self.rows))
        for draft in self.drafts:
            self._close(draft)
        for attempt in free:
            self._attempt(attempt)
        found = executions(self.rows)
        self._executions([row for row in found if role(row) != "proxy"])
        self._proxies([row for row in found if role(row) == "proxy"])
        self._calls()
        for draft in self.drafts:
            self._close(draft)
        return sorted(self.drafts, key=lambda item: (item.first, every(item)[0].id))

    def _runs(self, waiting: list[Attempt]) -> list[Attempt]:
        """Give every VM run its launch; runs that are nobody's sandbox fall out. Returns the attempts left over."""
        runs = [run for run in vm_runs(self.rows, self.life, self.exits) if run.verdict != "other"]
        for run, attempt, why in _matched(runs, waiting):
            self.drafts.append(Draft(run, [attempt], notes=[why]))
        started = {id(draft.run) for draft in self.drafts}
        for run in runs:
            if id(run) in started:
                continue
            if run.verdict == "sandbox" and not self._application_guard(run):
                self.drafts.append(Draft(run))
            elif run.verdict == "open":
                self.unattributed.append(run)
        used = {id(attempt) for draft in self.drafts for attempt in draft.attempts}
        return [attempt for attempt in waiting if id(attempt) not in used]

    def _application_guard(self, run: VmRun) -> bool:
        """Whether Application Guard, which shares disks and services with the Sandbox, started this VM."""
        start, reach = run.start, seconds("launch_before")
        return start is not None and any(abs(moment - start) <= reach for moment in self._guard_starts)

    def _attempt(self, attempt: Attempt) -> None:
        """A launch without a VM of its own: part of a running session of the same user, or a session by itself."""
        user = self.people.of(attempt.primary)[1]
        for draft in self.drafts:
            theirs = self.people.of(draft.launch.primary)[1] if draft.launch else None
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

    def _executions(self, found: list[Row]) -> None:
        rest = []
        for row in found:
            draft = self._nearest(row)
            if draft:
                draft.executions.append(row)
            else:
                rest.append(row)
        for cluster in _clusters(rest):
            self.drafts.append(Draft(executions=cluster))

    def _nearest(self, row: Row) -> Draft | None:
        """The draft whose start the execution fits; for BAM also its end, for wsb.exe any time of the run."""
        if row.time is None:
            return None
        ranked: list[Ranked] = []
        for draft in self.drafts:
            early, late = draft.first - seconds("execution_before"), draft.latest or draft.first
            within = early <= row.time <= late + seconds("execution_after")
            within = within or any(abs(row.time - item.time) <= seconds("execution_before") for item in draft.attempts)
            if row.kind == "bam.run" and draft.last_stop:
                within = within or early <= row.time <= draft.last_stop + seconds("execution_after")
            if role(row) == "cli":
                within = within or draft.covers(row.time)
            if within:
                ranked.append((abs(row.time - (draft.start or draft.first)), draft.first, draft))
        return min(ranked, key=lambda item: item[:2])[2] if ranked else None

    def _proxies(self, remembered: list[Row]) -> None:
        """One cmproxyd runs for each VM of the container manager: it supports a session, it never makes one."""
        created = [row for row in self.rows.of("process.created") if row.time and role(row) == "proxy"]
        known = {row.id for draft in self.drafts if draft.run for row in draft.run.rows}
        for row in [*created, *remembered]:
            draft = self._nearest(row) if row.id not in known else None
            if draft:
                draft.proxies.append(row)

    def _calls(self) -> None:
        """wsb.exe calls to the session whose id they name, else to the one that runs at that time."""
        loose: list[Row] = []
        for row in calls(self.rows):
            wanted = call_id(row.get("command_line") or row.get("script_text"))
            draft = next((item for item in self.drafts if wanted and wanted in _idents(item)), None)
            if draft is None and row.time:
                open_now = [item for item in self.drafts if item.covers(row.time) and self._same_user(item, row)]
                draft = max(open_now, key=lambda item: item.first, default=None)
            (draft.calls if draft else loose).append(row)
        # exec, share and the like need a running sandbox: the calls are what is left of it.
        started = [row for row in loose if row.kind == "process.created"]
        telling = [row for row in started if verb_of(row.get("command_line")) not in _IDLE]
        self.drafts += [Draft(executions=cluster, calls=list(cluster)) for cluster in _clusters(telling)]

    def _same_user(self, draft: Draft, row: Row) -> bool:
        mine = self.people.of(row)[1]
        theirs = self.people.of(draft.launch.primary)[1] if draft.launch else None
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
            asked = [row for row in draft.calls if verb_of(row.get("command_line")) == "stop"]
            found = [*self._process_ends(draft), *asked]
        unique = {row.id: row for row in found}.values()
        draft.ends = [row for row in unique if row.time and row.time >= start and (limit is None or row.time <= limit)]
        draft.closing = None if draft.ends else self.life.closing(start)

    def _process_ends(self, draft: Draft) -> Iterable[Row]:
        """Ends of the client, server and cmproxyd; the launcher's own end only if nothing followed it."""
        started = [row for attempt in draft.attempts for row in attempt.rows if row.kind == "process.created"]
        parts = [row for row in [*started, *draft.proxies] if role(row) in ("client", "proxy")]
        lived = seconds("follow_up")
        for row in parts or [row for row in started if role(row) == "launcher"]:
            for end in self.exits.of(row):
                # The Store version's launcher hands over and ends at once: that is no end of a session.
                if parts or (row.time and end.time and end.time - row.time > lived):
                    yield end


def every(draft: Draft) -> list[Row]:
    """All rows that the draft was built from, in order, each once."""
    rows = [*(draft.run.rows if draft.run else ()), *draft.executions, *draft.calls, *draft.proxies, *draft.ends]
    rows += [row for attempt in draft.attempts for row in attempt.every]
    if draft.closing:
        rows += draft.closing.rows
    return sorted({row.id: row for row in rows}.values(), key=lambda row: row.order)


def _idents(draft: Draft) -> set[str]:
    found = {draft.run.vm_id.casefold()} if draft.run and draft.run.vm_id else set()
    return found | {attempt.ident for attempt in draft.attempts if attempt.ident}


def _matched(runs: list[VmRun], waiting: list[Attempt]) -> list[tuple[VmRun, Attempt, str]]:
    """Pairs of VM run and launch: by the id that `wsb start` asked for, then nearest in time, known sandboxes first."""
    pairs = []
    for run_number, run in enumerate(runs):
        for number, attempt in enumerate(waiting):
            if run.start is None:
                continue
            gap = run.start - attempt.time
            named = bool(run.vm_id) and attempt.ident == (run.vm_id or "").casefold()
            near = -seconds("launch_after") <= gap <= seconds("launch_before")
            if near or (named and abs(gap) <= seconds("cli_open")):
                pairs.append((not named, run.verdict != "sandbox", abs(gap), run_number, number))
    found, runs_used, attempts_used = [], set(), set()
    for by_time, _, _, run_number, number in sorted(pairs):
        if run_number in runs_used or number in attempts_used:
            continue
        runs_used.add(run_number)
        attempts_used.add(number)
        why = "the launch and the VM are joined by " + ("their times" if by_time else "the id that wsb start was given")
        found.append((runs[run_number], waiting[number], because(why, waiting[number].every)))
    return found


def _clusters(rest: list[Row]) -> list[list[Row]]:
    """Executions without a session, those of one run together; cmproxyd and the like are not among them."""
    found: list[list[Row]] = []
    for row in sorted(rest, key=lambda item: item.order):
        last = found[-1] if found else []
        gap = row.time - last[-1].time if last and row.time and last[-1].time else None
        only_cli = role(row) == "cli" and all(role(item) == "cli" for item in last)
        limit = seconds("cli_only") if only_cli else seconds("execution_merge")
        if gap is not None and gap <= limit:
            last.append(row)
        else:
            found.append([row])
    return found
