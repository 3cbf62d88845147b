"""When the tunnel was connected to its relay: only then can a client have reached the host.

The CLI pings the relay every 60 seconds. Where its log is detailed enough to show that, a longer silence means that the
host slept, or had no network, while the connection still counted as up.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from forensics.model import RelayPeriod
from forensics.sessions.rows import Row, because, stamp
from forensics.sessions.tunnel_bundle import LOG, Bundle
from forensics.sessions.tunnel_periods import Period, once, window
from forensics.text import worded

_PING = ("sent liveness ping", "received liveness pong")


@dataclass(slots=True)
class _Up:
    start: datetime
    end: datetime | None = None
    reason: str | None = None


def relay(bundle: Bundle, periods: list[Period]) -> tuple[tuple[RelayPeriod, ...], list[str]]:
    """(the connections in order, what is to be said of them)."""
    rows = [row for row in once(bundle.of(LOG)) if row.time]
    times = [row.time for row in rows if row.time]
    found: list[_Up] = []
    tries: list[Row] = []
    for row in rows:
        current = found[-1] if found and found[-1].end is None else None
        if row.kind == "tunnel.relay_connected" and current is None and row.time:
            found.append(_Up(row.time))
        elif row.kind == "tunnel.relay_lost" and current:
            current.end, current.reason = row.time, row.get("reason") or row.get("log_message") or None
        elif row.kind == "tunnel.relay_lost":
            tries.append(row)
        elif row.kind in ("tunnel.host_stopped", "tunnel.host_started") and current:
            current.end = row.time if row.kind == "tunnel.host_stopped" else None
            current.reason = row.get("reason") or row.get("log_message") or None
            if row.kind == "tunnel.host_started":
                current.end, current.reason = _before(rows, times, row), "the log goes on with another start"
    for item in found:
        _closed(item, periods)
    reasons = [_lost(rows, tries)] if len(found) > 1 else []
    reasons += _silences(rows, found)
    return tuple(RelayPeriod(item.start, item.end, item.reason) for item in found), [text for text in reasons if text]


def _before(rows: list[Row], times: list[datetime], row: Row) -> datetime | None:
    """The time of the last other row at or before one; `times` are those of the rows."""
    place = bisect_right(times, row.time) - 1 if row.time else -1
    if place >= 0 and rows[place] is row:
        place -= 1
    return times[place] if place >= 0 else None


def _closed(item: _Up, periods: list[Period]) -> None:
    """A connection cannot outlive its process."""
    if item.end is None:
        around = next((period for period in periods if period.covers(item.start)), None)
        if around and around.end:
            item.end, item.reason = around.end, around.reason


def _lost(rows: list[Row], tries: list[Row]) -> str:
    lost = [row for row in rows if row.kind == "tunnel.relay_lost"]
    more = worded("; {n} attempts to come back failed", {"n": len(tries)}) if tries else ""
    return because(f"the tunnel lost its relay and came back{more}", lost)


def _silences(rows: list[Row], found: list[_Up]) -> list[str]:
    """Gaps in a log whose pings are at hand."""
    chatty = {row.source.path for row in rows if row.get("log_message").casefold().startswith(_PING)}
    reasons = []
    for path in sorted(chatty):
        own = [row for row in rows if row.source.path == path]
        for before, after in pairwise(own):
            if before.time is None or after.time is None or after.kind == "tunnel.host_started":
                continue
            up = any(item.start <= before.time and (item.end is None or item.end >= after.time) for item in found)
            if up and after.time - before.time > window("liveness"):
                text = f"the log is silent from {stamp(before.time)} to {stamp(after.time)} although it pings its relay"
                reasons.append(because(f"{text} every minute: the host slept or had no network then", [before, after]))
    return reasons
