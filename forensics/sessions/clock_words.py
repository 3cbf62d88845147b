"""What verdicts say where the clock showed a time more than once, and in which order signs then stand.

A sign, a bound of a session or a finding whose stamp occurred twice says so, and how far off the stamp may be; where a
record's number tells which of both it was, it says that. A sign that the clock was set says after which record it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from forensics.clockmarks import SETTINGS, TWICE
from forensics.model import AntiForensic, Finding, SandboxSession, TunnelSession
from forensics.sessions.clock import Clock, Doubt, Setting
from forensics.sessions.rows import Row, Rows, because, stamp

_LAST = datetime.max.replace(tzinfo=UTC)
_MOST = 10  # bounds of one session that are told one by one
_ACT = timedelta(seconds=10)  # rows of one sign that lie so near are of one act
_HOUR, _MINUTE = 3600, 60


class ClockWords:
    """The clock of a host, put into its verdicts; without a clock that was set back nothing changes."""

    def __init__(self, rows: Rows, clock: Clock) -> None:
        self._rows, self._clock = rows, clock

    def signs(self, signs: Sequence[AntiForensic]) -> tuple[AntiForensic, ...]:
        """The signs in their order, as far as numbers tell it, undated ones last, each with what is to be remarked."""
        placed = [(self._clock.place(sign.time, self._rows.named(sign.events), _ACT) or _LAST, sign) for sign in signs]
        return tuple(self._sign(sign) for _, sign in sorted(placed, key=lambda item: item[0]))

    def findings(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """Each finding, with a remark where its first or last event has a stamp that occurred twice."""
        return tuple(self._finding(item) for item in findings)

    def sandboxes(self, sessions: Iterable[SandboxSession]) -> tuple[SandboxSession, ...]:
        """Each session, with a reason for each bound whose stamp occurred twice."""
        return tuple(
            replace(item, reasons=(*item.reasons, *self._reasons(_of_sandbox(item), item.events))) for item in sessions
        )

    def tunnels(self, sessions: Iterable[TunnelSession]) -> tuple[TunnelSession, ...]:
        """The same for tunnels: of their hosting and their clients."""
        return tuple(
            replace(item, reasons=(*item.reasons, *self._reasons(_of_tunnel(item), item.events))) for item in sessions
        )

    def _reasons(self, bounds: Iterable[tuple[str, datetime | None]], events: Sequence[str]) -> list[str]:
        if not self._clock.settings:
            return []
        rows, said = self._rows.named(events), []
        for what, moment in bounds:
            if moment and (doubt := self._clock.doubt(moment, rows)):
                own = [row for row in rows if row.time == moment]
                said.append(because(f"{what} {stamp(moment)}{_remark(doubt)}", own))
        return list(dict.fromkeys(said))[:_MOST]

    def _finding(self, item: Finding) -> Finding:
        rows = self._rows.named(item.events) if self._clock.settings else []
        doubts = (self._clock.doubt(moment, rows) for moment in (item.first, item.last))
        doubt = next((one for one in doubts if one), None)
        return replace(item, why=item.why + _remark(doubt)) if doubt else item

    def _sign(self, sign: AntiForensic) -> AntiForensic:
        rows = self._rows.named(sign.events) if self._clock.settings else []
        if sign.kind in SETTINGS:
            return replace(sign, detail=sign.detail + self._of_setting(sign, rows))
        doubt = self._clock.doubt(sign.time, rows, _ACT)
        return replace(sign, detail=sign.detail + _remark(doubt)) if doubt else sign

    def _of_setting(self, sign: AntiForensic, rows: Sequence[Row]) -> str:
        """After what the clock was set back, and which stamps it made occur twice."""
        idents = {row.id for row in rows}
        told = [item for item in self._clock.settings if any(row.id in idents for row in item.rows)]
        if sign.kind == "clock_back":  # what records tell is said at their own sign
            told = [
                item for item in self._clock.settings if not item.rows and item.old == sign.time and not item.implied
            ]
        return "".join(self._after(item) + self._twice(item) + self._skipped(item) for item in told)

    def _twice(self, setting: Setting) -> str:
        span = self._clock.twice(setting)
        if span is None:
            return ""
        return f" (the clock {_showed(self._clock.both(setting))} {stamp(span[0])} to {stamp(span[1])} twice)"

    def _skipped(self, setting: Setting) -> str:
        span = self._clock.skipped(setting)
        return f" (the clock never showed {stamp(span[0])} to {stamp(span[1])})" if span else ""

    def _after(self, setting: Setting) -> str:
        """The record before a setting back in its own log: what stands there came first, whatever the stamps say."""
        own = next((row for row in setting.rows if _number(row) and setting.new < setting.old), None)
        if own is None:
            return ""
        before = [row for row in self._rows.numbered() if row.source.path == own.source.path and row.time
                  and not row.recovered_from and 0 < _number(row) < _number(own)]  # fmt: skip
        last = max(before, key=_number, default=None)
        cleared = max((row for row in before if row.kind == "log.cleared"), key=_number, default=None)
        row = cleared or last
        if row is None or row.time is None or own.time is None or row.time <= own.time:
            return ""
        what = "its clearing in record" if cleared else "record"
        return (f" (record {_number(own)} of the {own.get('channel')} log, after {what} {_number(row)} of "
                f"{stamp(row.time)}: at {stamp(setting.old)} by the clock before)")  # fmt: skip


def clock_notices(signs: Iterable[AntiForensic]) -> list[str]:
    """What the signs that the clock was set say of every row of the timeline: which stamps occurred twice."""
    found = (match for sign in signs if sign.kind in SETTINGS and (match := TWICE.search(sign.detail)))
    later = "any row with such a stamp may be later than it says"
    return [f"the clock of this host {match['showed']} {match['span']} twice: {later}" for match in found]


def _number(row: Row) -> int:
    text = row.get("record_number")
    return int(text) if text.isdecimal() and len(text) < 20 else 0


def _showed(sure: bool) -> str:
    return "showed" if sure else "may have shown"


def _remark(doubt: Doubt) -> str:
    often = "twice" if doubt.times == 2 else f"{doubt.times} times"
    shown = f" (the clock {_showed(doubt.sure)} {stamp(doubt.start)} to {stamp(doubt.end)} {often}: "
    if not doubt.told:
        return f"{shown}this may have been {_long(doubt.later)} later than it says)"
    if not doubt.later:
        return f"{shown}by the order of records this was the first time)"
    return f"{shown}by the order of records this was {_long(doubt.later)} later than the first time)"


def _long(span: timedelta) -> str:
    seconds = round(abs(span).total_seconds())
    hours, minutes = seconds // _HOUR, seconds % _HOUR // _MINUTE
    parts = [f"{hours} h"] if hours else []
    parts += [f"{minutes} min"] if minutes else []
    return " ".join(parts) or f"{seconds} s"


def _of_sandbox(item: SandboxSession) -> Iterator[tuple[str, datetime | None]]:
    yield from _bounds("start", item.start, item.start_earliest, item.start_latest)
    yield from _bounds("end", item.end, item.end_earliest, item.end_latest)


def _bounds(name: str, moment: datetime | None, *others: datetime | None) -> Iterator[tuple[str, datetime | None]]:
    yield f"the {name}", moment
    if moment is None:
        yield from ((f"a bound of the {name}", other) for other in others)


def _of_tunnel(item: TunnelSession) -> Iterator[tuple[str, datetime | None]]:
    for period in item.hosting:
        yield from (("the start of hosting", period.start), ("the end of hosting", period.end))
    for client in item.clients:
        yield from (("the start of a client", client.start), ("the end of a client", client.end))


__all__ = ["ClockWords", "clock_notices"]
