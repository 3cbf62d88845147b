"""What a boot after power loss leaves in the System log: 6008, which knows the last sign of life, and 41."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from testdata.host import Crash, EventRecord, Host
from testdata.local import local_text

_POWER = "Microsoft-Windows-Kernel-Power"
_MARK = "\u200e"  # stands before each part of the date, as in real records


def crash_events(host: Host, crash: Crash) -> Iterator[EventRecord]:
    """41 and 6008, both written within seconds of the boot; the text of 6008 is local, its binary data has both."""
    local = crash.alive.astimezone(ZoneInfo(host.zone))
    date = local_text(host, crash.alive, f"{_MARK}%Y/{_MARK}%m/{_MARK}%d")
    told = {"time": local_text(host, crash.alive, "%H:%M:%S"), "date": date, "a": "", "b": "", "uptime": "22913"}
    raw = _system_time(local) + _system_time(crash.alive.astimezone(UTC))
    yield EventRecord(channel="System", provider="EventLog", id=6008, time=crash.boot, data={**told, "raw": raw})
    yield EventRecord(
        channel="System", provider=_POWER, id=41, time=crash.boot + timedelta(seconds=3), user_sid="S-1-5-18", data={}
    )


def _system_time(moment: datetime) -> bytes:
    day = (moment.weekday() + 1) % 7
    return struct.pack("<8H", moment.year, moment.month, day, moment.day, moment.hour, moment.minute, moment.second, 0)
