"""When the host went down and came up: nothing that ran before a boot still runs after it.

From the System log: 6005/6006 (event log service started/stopped, that is boot and shutdown), 1074 (shutdown asked
for), 41 and 6008 (the last shutdown was not clean; both are written at the boot that follows).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta

from forensics.sessions.rows import Row, Rows
from forensics.times import from_iso

# 41 and 6008 are written within the first minutes of the boot after the crash.
_CRASH_REPORT = timedelta(minutes=15)
# From the shutdown request to the stop of the event log; services that hang may take minutes.
_SHUTDOWN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Closing:
    """How a boot closes what was still open: `kind` crashed | host_shutdown | unknown, and what says so.

    `time` is the best known moment (the shutdown, or when the host was last alive), `latest` the boot after it.
    """

    time: datetime
    latest: datetime
    kind: str
    rows: tuple[Row, ...]


class HostLife:
    """Boots and shutdowns of the host, to be asked about a moment."""

    def __init__(self, rows: Rows) -> None:
        self._boots = [row for row in rows.of("system.log_started") if row.time]
        self._times = [row.time for row in self._boots if row.time]
        self._crashes = [row for row in rows.of("system.crashed") if row.time]
        self._stops = [row for row in rows.of("system.log_stopped") if row.time]
        self._requests = [row for row in rows.of("system.shutdown_requested") if row.time]

    def next_boot(self, moment: datetime) -> Row | None:
        """The first boot after `moment` that the System log holds."""
        index = bisect_right(self._times, moment)
        return self._boots[index] if index < len(self._boots) else None

    def boot_between(self, earlier: datetime, later: datetime) -> bool:
        """Whether the host booted in between."""
        boot = self.next_boot(earlier)
        return boot is not None and boot.time is not None and boot.time <= later

    def closing(self, moment: datetime) -> Closing | None:
        """What ended everything that ran at `moment`: a shutdown or crash, seen by the next boot."""
        boot = self.next_boot(moment)
        if boot is None or boot.time is None:
            # Evidence taken after a shutdown (a disk image) has no boot any more, but may have the stop.
            stop = next((row for row in self._stops if row.time and row.time >= moment), None)
            return Closing(stop.time, stop.time, "host_shutdown", (stop,)) if stop and stop.time else None
        crash = self._crash(boot.time)
        if crash:
            return Closing(_last_alive(crash, moment, boot.time), boot.time, "crashed", (boot, crash))
        stop = self._last(self._stops, moment, boot.time)
        request = self._last(self._requests, moment, boot.time)
        if stop and stop.time:
            return Closing(stop.time, boot.time, "host_shutdown", tuple(row for row in (request, stop, boot) if row))
        if request:
            return Closing(boot.time, boot.time, "host_shutdown", (request, boot))
        return Closing(boot.time, boot.time, "unknown", (boot,))

    def shutting_down(self, moment: datetime) -> tuple[Row, ...]:
        """The request before and the log stop after `moment`, when both lie within one shutdown; else nothing."""
        request = self._within(self._requests, moment - _SHUTDOWN, moment)
        stop = self._within(self._stops, moment, moment + _SHUTDOWN)
        return (request, stop) if request and stop else ()

    def _crash(self, boot: datetime) -> Row | None:
        """What reports a crash before this boot; 6008, which knows the last sign of life, before 41."""
        early, late = boot - timedelta(minutes=1), boot + _CRASH_REPORT
        following = self.next_boot(boot)
        if following and following.time:
            late = min(late, following.time - timedelta(minutes=1))
        reports = [row for row in self._crashes if row.time and early <= row.time <= late]
        return next((row for row in reports if row.get("last_alive_time")), reports[0] if reports else None)

    @staticmethod
    def _within(rows: list[Row], start: datetime, end: datetime) -> Row | None:
        return next((row for row in rows if row.time and start <= row.time <= end), None)

    @staticmethod
    def _last(rows: list[Row], start: datetime, end: datetime) -> Row | None:
        return next((row for row in reversed(rows) if row.time and start <= row.time <= end), None)


def _last_alive(crash: Row, moment: datetime, boot: datetime) -> datetime:
    """The time that 6008 keeps of the last sign of life, when it fits; else the boot, the latest possible end."""
    alive = from_iso(crash.get("last_alive_time"))
    return alive if isinstance(alive, datetime) and moment <= alive <= boot else boot
