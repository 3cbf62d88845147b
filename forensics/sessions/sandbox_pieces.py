"""One sandbox run before judgement: its pieces, and what they say of start and end.

A draft is anchored on the VM; where no log tells of a VM on the launch; where there is neither on the execution
artifacts alone. Times that say when a program was last active (BAM, a prefetch file that was written) bound the start
from above and never are it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from forensics.sessions.hostlife import Closing
from forensics.sessions.rows import People, Row
from forensics.sessions.sandbox_calls import Call
from forensics.sessions.sandbox_disk import seconds
from forensics.sessions.sandbox_launch import Attempt, is_activity, is_late, role
from forensics.sessions.sandbox_vm import VmRun


@dataclass(slots=True)
class Draft:
    """One sandbox run before judgement."""

    run: VmRun | None = None
    attempts: list[Attempt] = field(default_factory=list)
    executions: list[Row] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    learned: set[str] = field(default_factory=set)
    proxies: list[Row] = field(default_factory=list)
    ends: list[Row] = field(default_factory=list)
    closing: Closing | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def launch(self) -> Attempt | None:
        """The attempt that started the run: the first one."""
        return min(self.attempts, key=lambda item: (item.time, item.primary.id), default=None)

    def _begun(self) -> list[datetime]:
        """The times at which executions began, as far as they are known."""
        return [row.time for row in self.executions if row.time and not is_late(row) and role(row) != "cli"]

    @property
    def wordless(self) -> list[Row]:
        """The runs of wsb.exe, of unknown verb, that came before it began: perhaps one of them was `start`."""
        start = self.start
        runs = [row for row in self.executions if role(row) == "cli" and not is_activity(row)]
        return [row for row in runs if start and row.time and row.time <= start]

    @property
    def active(self) -> list[Row]:
        """The rows that say a program of the Sandbox was still active, or had been by then."""
        return [row for row in self.executions if row.time and is_late(row) and role(row) != "cli"]

    @property
    def start(self) -> datetime | None:
        """The VM's start, else the launch, else the first execution."""
        if self.run and self.run.start:
            return self.run.start
        return self.launch.time if self.launch else min(self._begun(), default=None)

    @property
    def earliest(self) -> datetime | None:
        """The first trace of the start. None: only the end of the run, or a last activity, is left."""
        start = self.start
        if start is None:
            return None
        begun = [*self._begun(), *(row.time for row in self.wordless if row.time)]
        first = [self.launch.time] if self.launch and self.launch.kind != "client" else begun
        first += [self.launch.time] if self.launch else []
        if self.run and self.run.earliest:
            first.append(self.run.earliest)
        return min([start, *first])

    @property
    def latest(self) -> datetime | None:
        """By then it ran for certain; None when of the start no more than a disk or a logon is known."""
        start = self.start
        if start is None:
            known = [self.run.latest] if self.run and self.run.latest else []
            return min([*known, *(row.time for row in self.active if row.time)], default=None)
        if self.run and self.run.latest:
            return max(start, self.run.latest)
        follow = [row.time for row in self.launch.rows if row.time and role(row) == "client"] if self.launch else []
        if self.run:
            # The client has a machine to show: where only a disk tells of the start, its last activity is a bound.
            follow += [row.time for row in self.active if row.time and is_activity(row) and role(row) == "client"]
            return min((moment for moment in follow if moment >= start), default=None)
        return max([start, *follow, *([] if self.launch else self._begun())])

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

    def idents(self) -> set[str]:
        """The ids that calls may name it by, folded."""
        found = {self.run.vm_id.casefold()} if self.run and self.run.vm_id else set()
        return found | self.learned | self.asked()

    def asked(self) -> set[str]:
        """The ids that `wsb start` asked for."""
        return {attempt.ident for attempt in self.attempts if attempt.ident}

    def sid(self, people: People) -> str | None:
        """The SID of the account that it ran as, None when nothing tells."""
        if self.launch:
            return people.of(self.launch.primary)[1]
        # Which account the log of packaged programs writes under is not known.
        rows = (row for row in self.executions if row.kind != "app.process_created")
        return next((sid for row in rows if (sid := people.of(row)[1])), None)


def every(draft: Draft) -> list[Row]:
    """All rows that the draft was built from, in order, each once."""
    rows = [
        *(draft.run.rows if draft.run else ()),
        *draft.executions,
        *(call.row for call in draft.calls),
        *draft.proxies,
        *draft.ends,
    ]
    rows += [row for attempt in draft.attempts for row in attempt.every]
    if draft.closing:
        rows += draft.closing.rows
    return sorted({row.id: row for row in rows}.values(), key=lambda row: row.order)
