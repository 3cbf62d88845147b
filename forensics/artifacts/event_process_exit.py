"""ProcessExitMonitor 3000 and 3001: a program that is watched for its end ended, and what was started because of it.

The registry's `SilentProcessExit` starts a program whenever another one ends without a fault (T1546.012); pointed at
lsass.exe it writes that process's memory to a file (T1003.001). The log names both and outlives the key: 3000 tells
that a monitored program ended, 3001 that another one ended it. On in the Application log as soon as the key is set.

Fields: real records of 3001, whose elements have no names of meaning (`param1` the watched program, `param2` who ended
it, `param3` the exit code); 3000 has the first alone (from memory).
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import fact, file_name, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One end of a watched program."""
    watched, by = pick(record, "param1"), pick(record, "param2") if record.event_id == 3001 else None
    yield fact(
        "process.exit_monitored",
        record,
        source,
        {
            "executable": watched,
            "executable_name": file_name(watched),
            "ended_by": by,
            "result_code": pick(record, "param3"),
        },
    )


ARTIFACT = EventArtifact(
    name="event_process_exit",
    wants={"Application": frozenset({3000, 3001})},
    parse=parse,
    emits={
        "process.exit_monitored": kind(
            "The end of {executable} was watched for[, ended by {ended_by}]",
            {"executable": str, "executable_name": str, "ended_by": str, "result_code": str},
        )
    },
    providers=frozenset({"Microsoft-Windows-ProcessExitMonitor"}),
)
