"""Why a hosting ended, where a process alone says that it did; whether it comes back; what is not known of it.

The desktop program ends its tunnel's process and writes that its session was reset; `tunnel kill` asks the process that
hosts to go. Both leave only the end of a process in the logs of Windows.
"""

from __future__ import annotations

from collections.abc import Sequence

from forensics.sessions.looked import Looked
from forensics.sessions.rows import Row, because, stamp
from forensics.sessions.tunnel_bundle import OTHER, Bundle
from forensics.sessions.tunnel_periods import PROCESS_ENDED, Period, window

_SERVICE = "remotetunnelisservice"
_ENDS = ("process starts in the Security log", "boots and shutdowns in the System log")
_TRAFFIC = ("network use in SRUM",)


def told_to_end(bundle: Bundle, periods: Sequence[Period]) -> list[str]:
    """Give ends of processes their reason; returns what is to be said."""
    off = [row for row in bundle.of(OTHER, "vscode.tunnel_reset") if row.time]
    kills = [row for row, call in bundle.calls if call.verb == "kill" and row.time]
    reasons = []
    for period in periods:
        if period.end is None or period.reason != PROCESS_ENDED:
            continue
        for rows, said in ((off, "turned off in the desktop program"), (kills, "ended by `tunnel kill`")):
            near = [row for row in rows if row.time and abs(row.time - period.end) <= window("same_start")]
            if near:
                period.reason = said
                text = f"the process that hosted ended at {stamp(period.end)}: it was {said} (inference by time)"
                reasons.append(because(text, near))
                break
    return reasons


def comes_back(bundle: Bundle) -> str:
    """What the desktop program's state says of its tunnel as a service."""
    stated = [row for row in bundle.of(OTHER, "vscode.tunnel_state") if row.get("state_key").casefold() == _SERVICE]
    if not stated:
        return ""
    row = max(stated, key=lambda item: (item.time is not None, item.order))
    value = row.get("state_value").casefold()
    said = "the desktop program starts it again as a service" if value == "true" else (
        "the desktop program does not start it again by itself")  # fmt: skip
    return because(f"{said}: {row.get('state_key')} is {value} in its state", [row])


def open_ends(bundle: Bundle, periods: Sequence[Period], looked: Looked) -> list[str]:
    """Said of each hosting whose end nothing tells."""
    reasons = []
    for period in periods:
        if period.end or period.end_latest or period.start is None or _is_said(period):
            continue
        words = looked.told(_ENDS, period.start)
        text = f"when the hosting since {stamp(period.start)} ended is not known: no stop, no end of its process"
        rows: list[Row] = period.rows[:1] or bundle.every[:1]
        reasons.append(because(f"{text} and no later shutdown is recorded{words}", rows))
    return reasons


def _is_said(period: Period) -> bool:
    return period.last_seen is not None and period.start is not None and period.last_seen > period.start


def no_traffic(sent: int | None, periods: Sequence[Period], looked: Looked) -> str:
    """Why the bytes are not known."""
    if sent is not None or not looked.known:
        return ""
    if not any(period.start for period in periods):
        return "the bytes that were transferred are not known: no hosting has a time"
    words = looked.told(_TRAFFIC, None)
    return f"the bytes that were transferred are not known: no count of the hosting program is at hand{words}"
