"""What is done to a described host's traces: clocks that are set, times that are stamped, logs and files that go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class Crash:
    """A boot after power loss or a crash (EventLog 6008, Kernel-Power 41); `alive` is the last sign of life before."""

    alive: datetime
    boot: datetime


@dataclass(frozen=True, kw_only=True)
class Wipe:
    """What an intruder did to a file after the last shadow copy was made: removed, or emptied, or a log cleared.

    `keep_events` is how many of the log's newest records a cleared log has.
    """

    path: str
    how: str
    channel: str = ""
    keep_events: int = 0


@dataclass(frozen=True, kw_only=True)
class Clock:
    """A time in which the host's clock ran `shift_seconds` off: what was recorded then has the wrong time.

    `start` and `end` are true times. Records stay in the order in which they were written.
    """

    start: datetime
    end: datetime
    shift_seconds: int

    def holds(self, moment: datetime) -> bool:
        """Whether the clock was off then."""
        return self.start <= moment < self.end

    def shown(self, moment: datetime) -> datetime:
        """What the clock showed."""
        return moment + timedelta(seconds=self.shift_seconds) if self.holds(moment) else moment


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """Times that a program set in a file's $STANDARD_INFORMATION at the moment `at`; those of its name stay true."""

    at: datetime
    birth: datetime
    mtime: datetime
