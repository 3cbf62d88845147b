"""When a tunnel was hosted: from the CLI's log, processes, its lock file, and the file system's records of these.

The CLI's log is truncated at each start, so it tells of the last run only; processes, the lock file's times and the
change journal tell of others. A second process that finds a tunnel running attaches to it and hosts nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from operator import itemgetter

from forensics.model import HostingPeriod
from forensics.rules import load
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import Row, because, stamp
from forensics.sessions.texts import basename, pid
from forensics.sessions.tunnel_bundle import FILES, LOG, STATE, Bundle, log_order
from forensics.sessions.tunnel_runs import Run, Runs
from forensics.times import from_iso

PROCESS_ENDED = "process ended"
HOST_DOWN = ("host crashed", "host shut down or restarted")
# Lines that only a process that hosts writes; a login, an account or a registration is also written by others.
_UP = frozenset(
    f"tunnel.{name}"
    for name in (
        "host_started", "host_stopped", "created", "relay_connected", "relay_lost", "client_connected",
        "client_serving", "server_started", "client_disconnected", "port_forwarded", "port_closed", "command_spawned",
    )
)  # fmt: skip
_ATTACHED = ("starting as client to singleton", "connected to an existing tunnel process")
_LOCK_TIMES = ("Creation Time", "Content Modification Time")


@cache
def window(name: str) -> timedelta:
    """A time window of rules/tunnel.yml."""
    return timedelta(seconds=load("tunnel")["windows"][name])


def once(rows: list[Row]) -> list[Row]:
    """Rows of which two files hold a copy (the desktop's log repeats the CLI's lines), each once."""
    found: dict[tuple[object, ...], Row] = {}
    for row in sorted(rows, key=log_order):
        second = row.time.replace(microsecond=0) if row.time else None
        names = ("rpc_id", "channel_number", "connection_id", "port", "command_line", "reason")
        found.setdefault((row.kind, second, *(row.get(name) for name in names)), row)
    return list(found.values())


def other_reading(rows: list[Row], moment: datetime | None) -> datetime | None:
    """The reading of a moment as UTC, where the zone of the log that tells it is undecided."""
    told = (row.get("log_time_if_utc") for row in rows if row.time == moment and moment is not None)
    return next((other for text in told if text and isinstance(other := from_iso(text), datetime)), None)


@dataclass(slots=True)
class Period:
    """One hosting period while it is put together."""

    start: datetime | None
    end: datetime | None = None
    reason: str | None = None
    command_line: str | None = None
    pid: int | None = None
    as_service: bool | None = None
    last_seen: datetime | None = None
    user: str | None = None
    output_to: str | None = None
    start_latest: datetime | None = None
    end_latest: datetime | None = None
    run: Run | None = None
    began_earlier: bool = False  # the first line at hand is no start
    rows: list[Row] = field(default_factory=list)

    def done(self) -> HostingPeriod:
        """The period as the model has it."""
        still = None if self.end or self.last_seen == self.start else self.last_seen
        return HostingPeriod(
            self.start, self.end, self.reason, self.command_line, self.pid, self.as_service, self.user, self.output_to,
            self.start_latest, still, other_reading(self.rows, self.start), other_reading(self.rows, self.end),
            None if self.end else self.end_latest,
        )  # fmt: skip

    def covers(self, moment: datetime) -> bool:
        """Whether it is known to have been up then; an end that nothing tells is taken as none."""
        return self.start is not None and self.start <= moment and (self.end is None or moment < self.end)


class Hosting:
    """Puts the hosting periods of one bundle together."""

    def __init__(self, bundle: Bundle, life: HostLife, runs: Runs) -> None:
        self._bundle, self._life, self._runs = bundle, life, runs
        self.periods: list[Period] = []
        self._begun: list[tuple[datetime, int]] = []  # starts with their places in `periods`, sorted
        self._indexed = 0
        self.reasons: list[str] = []
        self.extra: list[Row] = []

    def build(self) -> Hosting:
        """Find all periods, in order of time."""
        self._from_log()
        for run in self._runs.of(self._bundle):
            self._from_run(run)
        self._from_lock()
        self._from_files()
        for period in self.in_order():
            if not self._is_gone(period):
                self.extra += close(period, self._life, self.reasons)
            period.user = period.user or self._bundle.profile
        self.periods = self.in_order()
        return self

    def _is_gone(self, period: Period) -> bool:
        """Whether the lock was deleted before the host went down: hosting was over by then, nobody knows since when."""
        if period.start is None or period.end is not None:
            return False
        closing = self._life.closing(period.last_seen or period.start)
        for row in self._bundle.of(FILES, "usn.file_deleted"):
            lock = basename(row.get("file_path")).endswith(".lock")
            if lock and row.time and row.time > period.start and (closing is None or row.time < closing.time):
                text = f"the lock was deleted at {stamp(row.time)}: the hosting since {stamp(period.start)} was over"
                self.reasons.append(because(f"{text} by then (inference); when it ended is not recorded", [row]))
                period.end_latest = row.time
                return True
        return False

    def in_order(self) -> list[Period]:
        """The periods by their starts; those without one last."""
        return sorted(self.periods, key=when)

    def _from_log(self) -> None:
        """One period for each start in a log; what stands before the first start is a run whose start is lost."""
        by_file: dict[str, list[Row]] = {}
        for row in once(self._bundle.of(LOG)):
            if row.time:
                by_file.setdefault(row.source.path, []).append(row)
        for path, rows in sorted(by_file.items()):
            current: Period | None = None
            for row in rows:
                again = current is not None and _registers_anew(current, row)
                if again and current is not None:
                    self._anew(current, row)
                if row.kind == "tunnel.host_started" or again or (current is None and row.kind in _UP):
                    current = Period(row.time)
                    current.as_service = True if basename(path) == "tunnel-service.log" else None
                    current.began_earlier = row.kind != "tunnel.host_started"
                    self.periods.append(current)
                if current is not None:
                    self._log_row(current, row)

    def _anew(self, period: Period, row: Row) -> None:
        """Two runs in one log: the desktop's goes on, and so does a redirection that appends."""
        if period.end is None:
            period.end_latest = row.time
        if row.time:
            text = f"the log registers a tunnel anew at {stamp(row.time)}: another run hosts since then (inference)"
            self.reasons.append(because(text, [row]))

    def _log_row(self, period: Period, row: Row) -> None:
        if row.kind not in _UP and row.kind != "tunnel.log_message" and not row.kind.startswith("server."):
            return
        if row.get("log_message").casefold().startswith(_ATTACHED):
            self._attached(period.start, [row])
            self.periods = [item for item in self.periods if item is not period]
        period.rows.append(row)
        period.last_seen = row.time
        if row.kind == "tunnel.host_started" and row.get("command_line"):
            period.command_line = row.get("command_line")
            period.as_service = "internal-run" in row.get("command_line")
        if row.kind == "tunnel.host_stopped":
            period.end, period.reason = row.time, row.get("reason") or row.get("log_message") or None

    def _attached(self, moment: datetime | None, rows: list[Row]) -> None:
        text = f"a process started at {stamp(moment)}" if moment else "a process"
        self.reasons.append(because(f"{text} while the tunnel was hosted already: it attached and hosts nothing", rows))

    def _from_run(self, run: Run) -> None:
        """Fill a period from a process, or add the one that no log tells of."""
        period = self._at(run.start) or self._begun_by(run)
        if period is None:
            running = self._running(run.start)
            if running and run.pid not in self._lock_pids(run.start):
                self._attached(run.start, run.rows)
                running.rows += run.every
                return
            period = Period(run.start)
            self.periods.append(period)
        period.rows += run.every
        self.extra += run.ends
        if period.began_earlier and period.start and run.start < period.start:
            period.start, period.began_earlier = run.start, False
        if period.run is None or run.pid in self._lock_pids(None):
            period.run, period.pid = run, run.pid
        # The log repeats the arguments behind the product's name; the process log has the line as it was.
        if run is period.run:
            period.command_line = run.first.get("command_line") or period.command_line
            period.user = self._runs.user(run)
            period.output_to, told = self._runs.output(run)
            self.extra += told
            if run.ends and (period.end is None or period.reason == PROCESS_ENDED):
                period.end, period.reason = run.end, run.end_reason()
        period.as_service = run.call.as_service if period.as_service is None else period.as_service
        if run.launcher:
            text = f"the process that began hosting at {stamp(run.start)} started the same program again, hidden"
            self.reasons.append(because(f"{text}; hosting went on in that one", run.every))

    def _begun_by(self, run: Run) -> Period | None:
        """The period whose log begins later than this process did, while it ran: a login may stand in between."""
        later = [period for period in self.periods if period.began_earlier and period.start
                 and run.start <= period.start and (run.end is None or period.start <= run.end)
                 and not self._life.boot_between(run.start, period.start)]  # fmt: skip
        return min(later, key=when, default=None)

    def _running(self, moment: datetime) -> Period | None:
        """The period that is known to go on at a moment: its end comes later, or ends are recorded and its is not."""
        for period in self.periods:
            if period.start is None or not period.covers(moment) or period.start == moment:
                continue
            if self._life.boot_between(period.start, moment):
                continue
            if period.end or (period.last_seen and period.last_seen >= moment):
                return period
            if period.run and self._runs.ends_recorded:
                return period
        return None

    def _lock_pids(self, moment: datetime | None) -> set[int | None]:
        """The process that the lock names; at a moment only when the lock was written about then."""
        rows = self._bundle.of(STATE, "tunnel.lock")
        if moment:
            rows = [row for row in rows if row.meaning == _LOCK_TIMES[1] and row.time
                    and abs(row.time - moment) <= window("start_to_lock")]  # fmt: skip
        return {pid(row.get("pid")) for row in rows} - {None}

    def _from_lock(self) -> None:
        """The lock file names the last hosting process; its times are the starts of the first and of the last one."""
        rows = self._bundle.of(STATE, "tunnel.lock")
        changed = {row.source.path: row.time for row in rows if row.meaning == _LOCK_TIMES[1] and row.time}
        for row in rows:
            number, last = pid(row.get("pid")), changed.get(row.source.path)
            if row.time is None:
                open_ones = [period for period in self.in_order() if period.pid is None]
                if open_ones and all(period.pid != number for period in self.periods):
                    open_ones[-1].pid = number
            elif row.meaning == _LOCK_TIMES[1]:
                period = self._locked(row, number)
                period.pid = number if period.pid is None else period.pid
            elif last and row.meaning == _LOCK_TIMES[0] and row.time < last:
                self._made(row, row.time)

    def _made(self, row: Row, moment: datetime) -> None:
        """The birth of the lock: a period of its own only where more than a file's time tells of it."""
        early, late = window("same_start"), window("start_to_lock")
        near = next((item for item in self.periods
                     if item.start and item.start - early <= moment <= item.start + late), None)  # fmt: skip
        if near:
            near.rows.append(row)
            return
        text = f"the lock file was made at {stamp(moment)}: it was first hosted then (inference by a file's time)"
        self.reasons.append(because(text, [row]))

    def _locked(self, row: Row, number: int | None) -> Period:
        """The period that a write of the lock at that time belongs to; a new one where none is known."""
        moment = row.time
        assert moment is not None
        same = [period for period in self.periods if number is not None and period.pid == number
                and period.covers(moment) and not self._life.boot_between(period.start or moment, moment)]  # fmt: skip
        soon = [period for period in self.periods if period.covers(moment)
                and moment - (period.start or moment) <= window("start_to_lock")]  # fmt: skip
        period = next(iter(same), None) or self._at(moment) or next(iter(soon), None)
        if period is None:
            period = Period(moment)
            self.periods.append(period)
            text = f"hosting since {stamp(moment)} is known by the lock file's time (inference)"
            self.reasons.append(because(text, [row]))
        period.rows.append(row)
        return period

    def _from_files(self) -> None:
        """The change journal and the file table know writes of the lock of which the file itself tells no more."""
        rows = self._bundle.of(FILES)
        for row in rows:
            written = row.kind in ("usn.file_created", "usn.file_written") or (
                row.kind == "mft.entry" and row.meaning == _LOCK_TIMES[1]
            )
            if not basename(row.get("file_path")).endswith(".lock") or not written or row.time is None:
                continue
            if self._at(row.time) or any(item.end and item.covers(row.time) for item in self.periods):
                continue
            known = len(self.periods)
            period = self._locked(row, None)
            if len(self.periods) > known:
                logs = [item for item in rows if basename(item.get("file_path")) == "tunnel-service.log" and item.time
                        and abs(item.time - row.time) <= window("same_start")]  # fmt: skip
                period.as_service = True if logs else None
                period.rows += logs

    def _at(self, moment: datetime) -> Period | None:
        """The period whose start is the nearest, by an index of them: a log may tell of tens of thousands."""
        for place in range(self._indexed, len(self.periods)):
            if start := self.periods[place].start:
                insort(self._begun, (start, place))
        self._indexed = len(self.periods)
        first = bisect_left(self._begun, moment - window("same_start"), key=itemgetter(0))
        last = bisect_right(self._begun, moment + window("same_start"), key=itemgetter(0))
        near = min(self._begun[first:last], key=lambda item: (abs(item[0] - moment), item[1]), default=None)
        return self.periods[near[1]] if near else None


def _registers_anew(period: Period, row: Row) -> bool:
    """Whether a tunnel is created after this run was up already, which a run does once, at its start."""
    if row.kind != "tunnel.created" or "Creating tunnel" not in row.get("log_message"):
        return False
    return any(item.kind in _UP - {"tunnel.host_started"} for item in period.rows)


def when(period: Period) -> tuple[bool, str]:
    """Sort key of periods."""
    moment = period.start or period.start_latest
    return (moment is None, moment.isoformat() if moment else "")


def close(period: Period, life: HostLife, reasons: list[str]) -> list[Row]:
    """Say how the period ended when nothing in the log does."""
    if period.start is None or period.end is not None:
        return []
    closing = life.closing(period.last_seen or period.start)
    if closing:
        period.end = closing.time
        period.reason = HOST_DOWN[0] if closing.kind == "crashed" else HOST_DOWN[1]
        text = f"hosting since {stamp(period.start)} has no recorded end; the host went down at {stamp(closing.time)}"
        reasons.append(because(f"{text} (inference)", closing.rows))
        return list(closing.rows)
    if period.last_seen and period.last_seen > period.start:
        text = f"hosting since {stamp(period.start)}: its log ends at {stamp(period.last_seen)} without a stop"
        reasons.append(because(text, period.rows[-1:]))
    return []
