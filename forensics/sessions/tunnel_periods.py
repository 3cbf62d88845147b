"""When a tunnel was up, and when clients were connected to it.

The CLI's log is truncated at each start, so it tells of the last run; processes and the lock file tell of others. A
client is seen twice: on a channel of the relay, then on an rpc connection that asks for a server of its version, until
the connection is disposed of. The server's own logs know the editor's windows (first 8 characters of the reconnection
token), also of runs whose CLI log is gone. The client's address is in none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from forensics.model import HostingPeriod, TunnelClient
from forensics.rules import load
from forensics.sessions.exits import Exits
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import Row, because, stamp
from forensics.sessions.texts import basename, pid
from forensics.sessions.tunnel_bundle import LOG, PROCESS, SERVER, STATE, Bundle
from forensics.sessions.tunnel_call import servers_in


@cache
def window(name: str) -> timedelta:
    """A time window of rules/tunnel.yml."""
    return timedelta(seconds=load("tunnel")["windows"][name])


def once(rows: list[Row]) -> list[Row]:
    """Rows of which two files hold a copy (the desktop's log repeats the CLI's lines), each once."""
    found: dict[tuple[object, ...], Row] = {}
    for row in sorted(rows, key=lambda item: item.order):
        second = row.time.replace(microsecond=0) if row.time else None
        names = ("rpc_id", "channel_number", "connection_id", "port", "command_line", "reason")
        found.setdefault((row.kind, second, *(row.get(name) for name in names)), row)
    return list(found.values())


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
    rows: list[Row] = field(default_factory=list)

    def done(self) -> HostingPeriod:
        """The period as the model has it."""
        return HostingPeriod(self.start, self.end, self.reason, self.command_line, self.pid, self.as_service)


def hosting(bundle: Bundle, life: HostLife, exits: Exits) -> tuple[list[Period], list[str], list[Row]]:
    """(periods in order of time, reasons, rows used beyond the bundle's)."""
    periods = _from_log(bundle)
    extra = _from_processes(bundle, periods, exits)
    _from_lock(bundle, periods)
    reasons: list[str] = []
    for period in sorted(periods, key=_when):
        extra += _close(period, life, reasons)
    return sorted(periods, key=_when), reasons, extra


def _when(period: Period) -> tuple[bool, str]:
    return (period.start is None, period.start.isoformat() if period.start else "")


def _from_log(bundle: Bundle) -> list[Period]:
    """One period for each start in a log; what stands before the first start is a run whose start is lost."""
    periods: list[Period] = []
    by_file: dict[str, list[Row]] = {}
    for row in once(bundle.of(LOG)):
        if row.time and row.kind not in ("tunnel.service_registered", "tunnel.login"):
            by_file.setdefault(row.source.path, []).append(row)
    for path, rows in sorted(by_file.items()):
        current: Period | None = None
        for row in rows:
            if current is None or row.kind == "tunnel.host_started":
                current = Period(row.time, rows=[])
                current.as_service = True if basename(path) == "tunnel-service.log" else None
                periods.append(current)
            _log_row(current, row)
    return periods


def _log_row(period: Period, row: Row) -> None:
    period.rows.append(row)
    period.last_seen = row.time
    if row.kind == "tunnel.host_started" and row.get("command_line"):
        period.command_line = row.get("command_line")
        period.as_service = "internal-run" in row.get("command_line")
    if row.kind == "tunnel.host_stopped":
        period.end, period.reason = row.time, row.get("reason") or row.get("log_message") or None


def _from_processes(bundle: Bundle, periods: list[Period], exits: Exits) -> list[Row]:
    """Fill periods from process starts, and add those that no log tells of."""
    extra: list[Row] = []
    lock_pids = {pid(row.get("pid")) for row in bundle.of(STATE, "tunnel.lock")} - {None}
    for row, call in sorted(bundle.calls, key=lambda item: item[0].order):
        if not call.hosts or row.time is None:
            continue
        period = _at(periods, row.time)
        if period is None:
            period = Period(row.time)
            periods.append(period)
        period.rows.append(row)
        number = pid(row.get("pid"))
        if period.pid is None or number in lock_pids:
            period.pid = number
        # The log repeats the arguments behind the product's name; the process log has the line as it was.
        if all(item.kind != row.kind for item in period.rows[:-1]):
            period.command_line = row.get("command_line") or period.command_line
        period.as_service = call.as_service if period.as_service is None else period.as_service
        ends = exits.of(row) if number == period.pid else []
        if ends and period.end is None:
            period.end, period.reason = ends[0].time, "process ended"
        extra += ends
    return extra


def _from_lock(bundle: Bundle, periods: list[Period]) -> None:
    """The lock file names the last hosting process; its modification time is that process's start."""
    for row in bundle.of(STATE, "tunnel.lock"):
        number = pid(row.get("pid"))
        if row.meaning == "Content Modification Time" and row.time:
            period = _at(periods, row.time)
            if period is None:
                period = Period(row.time)
                periods.append(period)
            period.pid = number if period.pid is None else period.pid
            period.rows.append(row)
        elif row.time is None:
            open_ones = [period for period in sorted(periods, key=_when) if period.pid is None]
            if open_ones and all(period.pid != number for period in periods):
                open_ones[-1].pid = number


def _at(periods: list[Period], moment: datetime) -> Period | None:
    near = [item for item in periods if item.start and abs(item.start - moment) <= window("same_start")]
    return min(near, key=lambda item: abs(item.start - moment) if item.start else timedelta.max, default=None)


def _close(period: Period, life: HostLife, reasons: list[str]) -> list[Row]:
    """Say how the period ended when nothing in the log does."""
    if period.start is None or period.end is not None:
        return []
    closing = life.closing(period.last_seen or period.start)
    if closing:
        period.end = closing.time
        period.reason = "host crashed" if closing.kind == "crashed" else "host shut down or restarted"
        text = f"hosting since {stamp(period.start)} has no recorded end; the host went down at {stamp(closing.time)}"
        reasons.append(because(f"{text} (inference)", closing.rows))
        return list(closing.rows)
    if period.last_seen and period.last_seen > period.start:
        text = f"hosting since {stamp(period.start)}: its log ends at {stamp(period.last_seen)} without a stop"
        reasons.append(because(text, period.rows[-1:]))
    return []


def reconcile(periods: list[Period], connected: list[Client], life: HostLife) -> tuple[list[str], list[Row]]:
    """Correct periods that ended with one process although clients came later: (reasons, rows used).

    The first process of a hosting often starts a hidden second one and ends; without the CLI's log only that is seen.
    """
    reasons: list[str] = []
    extra: list[Row] = []
    starts = [period.start for period in periods if period.start]
    for period in periods:
        if period.start is None or period.end is None or period.reason != "process ended":
            continue
        following = min((start for start in starts if start > period.start), default=None)
        later = [client for client in connected
                 if period.end < client.start and (not following or client.start < following)
                 and not life.boot_between(period.end, client.start)]  # fmt: skip
        if not later:
            continue
        last = max(client.end or client.start for client in later)
        text = f"the process that began hosting ended at {stamp(period.end)}, but clients came until {stamp(last)}"
        reasons.append(because(f"{text}: hosting went on in another process", later[-1].rows))
        period.end, period.reason, period.last_seen = None, None, last
        extra += _close(period, life, reasons)
    return reasons, extra


@dataclass(slots=True)
class Client:
    """One client connection while it is put together."""

    start: datetime
    end: datetime | None = None
    commit: str | None = None
    end_kind: str = "unknown"
    rows: list[Row] = field(default_factory=list)

    def done(self) -> TunnelClient:
        """The client as the model has it."""
        return TunnelClient(self.start, self.end, self.commit, self.end_kind)


def clients(bundle: Bundle, periods: list[Period]) -> list[Client]:
    """The connections of the CLI's log, then windows of the server's logs that belong to none of them."""
    rows = once(bundle.of(LOG))
    found = _served(rows)
    taken = {row.id for client in found for row in client.rows}
    for row in rows:
        if row.kind == "tunnel.client_connected" and row.time and row.id not in taken:
            found.append(Client(row.time, rows=[row]))
    for client in found:
        _client_end(client, rows, periods)
    commits = {row.get("commit") for row in bundle.of(STATE, "tunnel.server_used")} - {""}
    single = commits.pop() if len(commits) == 1 else None
    for view in _windows(bundle):
        _merge(found, view, single)
    return sorted(found, key=lambda item: (item.start, [row.id for row in item.rows]))


def _served(rows: list[Row]) -> list[Client]:
    """Requests for a server, each with the newest channel before it that no other request took."""
    free = [row for row in rows if row.kind == "tunnel.client_connected" and row.time]
    found = []
    for row in rows:
        if row.kind != "tunnel.client_serving" or row.time is None:
            continue
        early = row.time - window("channel_to_rpc")
        before = [item for item in free if item.time and early <= item.time <= row.time]
        channel = before[-1] if before else None
        if channel:
            free.remove(channel)
        began = channel.time if channel and channel.time else row.time
        found.append(Client(began, commit=row.get("commit") or None, rows=[row, *([channel] if channel else [])]))
    return found


def _client_end(client: Client, rows: list[Row], periods: list[Period]) -> None:
    rpc = next((row.get("rpc_id") for row in client.rows if row.get("rpc_id")), "")
    restart = next((p.start for p in sorted(periods, key=_when) if p.start and p.start > client.start), None)
    for row in rows:
        if row.time is None or row.time < client.start or (restart and row.time >= restart):
            continue
        if row.kind == "tunnel.client_disconnected" and rpc and row.get("rpc_id") == rpc:
            client.end, client.end_kind = row.time, "disconnected"
        elif row.kind == "tunnel.host_stopped":
            client.end, client.end_kind = row.time, "tunnel_stopped"
        else:
            continue
        client.rows.append(row)
        return


@dataclass(slots=True)
class _View:
    """One editor window out of the server's logs."""

    start: datetime
    end: datetime | None
    end_kind: str
    commit: str | None
    rows: list[Row]


def _windows(bundle: Bundle) -> list[_View]:
    """Windows by connection id, of all copies of the server's log together."""
    by_id: dict[str, list[Row]] = {}
    for row in once([*bundle.of(SERVER), *(row for row in bundle.of(LOG) if row.kind.startswith("server."))]):
        if row.kind.startswith("server.window_") and row.time:
            by_id.setdefault(row.get("connection_id") or row.id, []).append(row)
    views = []
    for rows in by_id.values():
        opened = next((row for row in rows if row.kind == "server.window_opened"), None)
        if opened and opened.time:
            views.append(_view(opened.time, rows))
    return sorted(views, key=lambda view: (view.start, view.rows[0].id))


def _view(start: datetime, rows: list[Row]) -> _View:
    last = rows[-1]
    end, kind = None, "unknown"
    if last.kind == "server.window_closed":
        end, kind = last.time, "disconnected"
    elif last.kind == "server.window_expired":
        # The client was gone when the connection was lost; the server gave up waiting hours later.
        lost = [row.time for row in rows if row.kind == "server.window_lost"]
        end, kind = (lost[-1] if lost else last.time), "expired"
    elif last.kind == "server.window_lost":
        end = last.time
    commit = next((row.get("commit") for row in rows if row.get("commit")), "") or _commit_in(rows[0].source.path)
    return _View(start, end, kind, commit, rows)


def _commit_in(path: str) -> str | None:
    found = servers_in(path)
    return found[2] if found else None


def _merge(found: list[Client], view: _View, single: str | None) -> None:
    """Into the client that was connected when the window opened, else as a client of its own."""
    slack = window("same_window")
    inside = [
        client
        for client in found
        if client.start - slack <= view.start
        and (client.end is None or view.start <= client.end + slack)
        and not (client.end is None and any(client.start < other.start <= view.start for other in found))
    ]
    if not inside:
        found.append(Client(view.start, view.end, view.commit or single, view.end_kind, list(view.rows)))
        return
    client = max(inside, key=lambda item: item.start)
    client.rows += view.rows
    client.commit = client.commit or view.commit
    if client.end is None and view.end is not None:
        client.end, client.end_kind = view.end, view.end_kind


def server_starts(bundle: Bundle) -> list[Row]:
    """Process starts of the remote server, whose command line carries the connection token."""
    return [row for row in bundle.of(PROCESS) if "--connection-token" in row.get("command_line").casefold()]
