"""Local time of a described host: many logs of Windows programs have no zone and mean the host's own."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from testdata.host import Host

_MARK = re.compile(r"@(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)@")


def local_text(host: Host, moment: datetime, pattern: str) -> str:
    """`moment` on the host's wall clock, written with strftime's `pattern` (`%3f` gives milliseconds)."""
    local = moment.astimezone(ZoneInfo(host.zone))
    return local.strftime(pattern.replace("%3f", f"{local.microsecond // 1000:03d}"))


def with_local_times(host: Host, text: str, pattern: str) -> str:
    """`text` with each mark `@<ISO time>@` replaced by that time on the host's wall clock."""
    return _MARK.sub(lambda match: local_text(host, datetime.fromisoformat(match.group(1)), pattern), text)
