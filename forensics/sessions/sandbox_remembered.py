"""What remembers that a program of the Sandbox ran: to the run that it belongs to, else a run by itself.

UserAssist, prefetch and the task cache keep when a program began. BAM keeps when it was last active, which is mostly
when it ended: its time lies in or at the end of the run that began last before it, never at a start. A prefetch file is
written some ten seconds after the program's start (from memory of Windows' habit). The use of a microphone shows that
the program ran from its start to its end, no more; that it spans the session is inferred.

A run of wsb.exe whose verb nobody recorded makes no session: it may have listed or stopped one. It goes to the run
that it fits, as a bound of its start where it came just before, else it is left over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from forensics.rules import load
from forensics.sessions.exits import image
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import People, Row, Rows, because, short, stamp
from forensics.sessions.sandbox_disk import seconds
from forensics.sessions.sandbox_launch import executions, is_activity, is_hearsay, is_late, role
from forensics.sessions.sandbox_pieces import Draft
from forensics.sessions.texts import basename, split_command

Ranked = tuple[timedelta, datetime, Draft]


class Memory:
    """Gives the execution artifacts of a host to its drafts, and makes drafts of those that are left over.

    `close` finds what ended a draft; it is asked for every new one, since later artifacts need to know.
    """

    def __init__(
        self, rows: Rows, life: HostLife, people: People, drafts: list[Draft], close: Callable[[Draft], None]
    ) -> None:
        self.rows, self.life, self.people = rows, life, people
        self.drafts, self.close = drafts, close
        self.loose: list[Row] = []  # runs of wsb.exe that fit no session

    def join(self) -> None:
        """Starts first, then what was written soon after one, then last activities."""
        found = executions(self.rows)
        programs = [row for row in found if role(row) not in ("proxy", "cli")]
        self._starts([row for row in programs if not is_late(row)])
        self._starts([row for row in programs if is_late(row) and not is_activity(row)])
        active = [row for row in programs if is_activity(row)]
        # A use that belongs to no run is one by itself, and its end lies in that.
        self._activities([row for row in active if row.meaning == "Start Time"])
        self._activities([row for row in active if row.meaning != "Start Time"])
        self._wordless([*(row for row in found if role(row) == "cli"), *wordless(self.rows)])
        self._proxies([row for row in found if role(row) == "proxy"])

    def _add(self, cluster: list[Row]) -> None:
        draft = Draft(executions=cluster, notes=[note for row in cluster if (note := _inferred(row))])
        self.close(draft)
        self.drafts.append(draft)

    def _starts(self, found: list[Row]) -> None:
        rest = []
        for row in found:
            draft = self._nearest(row)
            if draft is None:
                rest.append(row)
                continue
            draft.executions.append(row)
            if note := _inferred(row):
                draft.notes.append(note)
        for cluster in clusters(rest):
            self._add(cluster)

    def _wordless(self, found: list[Row]) -> None:
        """Runs of wsb.exe without their verb: to the session of that time, else left over."""
        for row in sorted(found, key=lambda item: item.order):
            sid = self.people.of(row)[1]
            draft = self._running(row, sid) if is_activity(row) else self._nearest(row) or self._begun_after(row, sid)
            if draft is None:
                self.loose.append(row)
            else:
                draft.executions.append(row)

    def _begun_after(self, row: Row, sid: str | None) -> Draft | None:
        """The session that began soon after wsb.exe ran, as that of `wsb start` does."""
        moment = row.time
        if moment is None:
            return None
        soon = (item for item in self.drafts if moment <= item.first <= moment + seconds("follow_up"))
        return min((item for item in soon if self._same(item, sid)), key=lambda item: item.first, default=None)

    def _nearest(self, row: Row, *, machine: bool = False) -> Draft | None:
        """The draft whose start the execution fits; for wsb.exe, and a window's log record, any time of the run.

        `machine`: rather one whose virtual machine is recorded.
        """
        if row.time is None:
            return None
        ranked: list[Ranked] = []
        for draft in self.drafts:
            early, late = draft.first - seconds("execution_before"), draft.latest or draft.first
            within = early <= row.time <= late + seconds("execution_after")
            within = within or any(abs(row.time - item.time) <= seconds("execution_before") for item in draft.attempts)
            within = within or (_at_any_time(row) and draft.covers(row.time))
            if within:
                ranked.append((_distance(draft, row.time), draft.first, draft))
        if machine:
            ranked = [item for item in ranked if item[2].run] or ranked
        if row.kind == "userassist.run":
            ranked = [item for item in ranked if self._same(item[2], self.people.of(row)[1])] or ranked
        return min(ranked, key=lambda item: item[:2])[2] if ranked else None

    def _activities(self, found: list[Row]) -> None:
        rest: dict[str, list[Row]] = defaultdict(list)
        for row in found:
            sid = self.people.of(row)[1]
            draft = self._running(row, sid)
            if draft is None:
                rest[sid or ""].append(row)
                continue
            draft.executions.append(row)
            if note := _inferred(row):
                draft.notes.append(note)
            elif not draft.last_stop and row.time:
                name = basename(row.first("executable", "executable_name"))
                text = (
                    f"{name} was last active at {stamp(row.time)}: it ran until then or later (inference); no end is "
                    "taken from it"
                )
                draft.notes.append(because(text, [row]))
        for _, rows in sorted(rest.items()):
            for cluster in clusters(rows):
                self._add(cluster)

    def _running(self, row: Row, sid: str | None, *, anybody: bool = False) -> Draft | None:
        """The draft of that account that began last before the row's time, and can have run until then."""
        moment = row.time
        if moment is None:
            return None
        fit = [item for item in self.drafts if (anybody or self._same(item, sid)) and self._reaches(item, moment)]
        return max(fit, key=lambda item: item.first, default=None)

    def _same(self, draft: Draft, sid: str | None) -> bool:
        theirs = draft.sid(self.people)
        return sid is None or theirs is None or sid == theirs

    def _reaches(self, draft: Draft, moment: datetime) -> bool:
        if moment < draft.first - seconds("execution_before"):
            return False
        if draft.last_stop:
            return moment <= draft.last_stop + seconds("execution_after")
        within = moment - draft.first <= seconds("active_after")
        return within and not self.life.boot_between(draft.first, moment)

    def _proxies(self, remembered: list[Row]) -> None:
        """One cmproxyd runs for each VM of the container manager: it supports a session, it never makes one."""
        created = [row for row in self.rows.of("process.created") if row.time and role(row) == "proxy"]
        known = {row.id for draft in self.drafts if draft.run for row in draft.run.rows}
        for row in [*created, *remembered]:
            if row.id in known:
                continue
            draft = self._running(row, None, anybody=True) if is_activity(row) else self._nearest(row, machine=True)
            if draft:
                draft.proxies.append(row)


def _distance(draft: Draft, moment: datetime) -> timedelta:
    """How far a moment is from the run's start, or from the start of one of its programs."""
    begun = [row.time for attempt in draft.attempts for row in attempt.rows if row.time]
    return min(abs(moment - time) for time in (draft.start or draft.first, *begun))


def _at_any_time(row: Row) -> bool:
    """Whether the program may start at any time of a run: wsb.exe, and the window of one that runs already."""
    if row.kind == "app.process_created" and image(row) in load("sandbox")["names"]["window"]:
        return True
    return role(row) == "cli"


def _inferred(row: Row) -> str:
    """What is inferred of an execution of this kind, "" where nothing is."""
    if row.time is None:
        return ""
    name = basename(row.first("executable_name", "executable"))
    if row.kind == "app.process_created":
        text = f"the log of packaged programs tells of a start of {name} at {stamp(row.time)}"
        return because(f"{text} (that it does so of the Sandbox's programs is inference)", [row])
    if is_hearsay(row):
        text = f"Defender's log tells at {stamp(row.time)} that {name} ran: by then it had begun (inference)"
        return because(text, [row])
    if row.kind != "capability.used":
        return ""
    edge = "from" if row.meaning == "Start Time" else "until"
    text = f"{name} used {short(row.get('capability'))} {edge} {stamp(row.time)}: it ran then"
    return because(f"{text} (that this is the session's span is inference)", [row])


def wordless(rows: Rows) -> list[Row]:
    """The recorded starts of wsb.exe whose command line is not recorded (auditing keeps none unless told to)."""
    started = (row for row in rows.of("process.created") if row.time and role(row) == "cli")
    return [row for row in started if not split_command(row.get("command_line"))[1]]


def clusters(rest: Iterable[Row]) -> list[list[Row]]:
    """Executions without a session, those of one run together; cmproxyd and the like are not among them."""
    found: list[list[Row]] = []
    for row in sorted(rest, key=lambda item: item.order):
        last = found[-1] if found else []
        gap = row.time - last[-1].time if last and row.time and last[-1].time else None
        if gap is not None and gap <= seconds("execution_merge"):
            last.append(row)
        else:
            found.append([row])
    return found
