r"""Each important event log as a whole: where it begins, which record numbers it lacks, when it was silent.

Windows numbers the records of a log and goes on counting when the log is cleared or overwritten from its beginning. So
numbers that are missing amid a log whose bytes are sound were taken out of it (a filtered export looks the same, a
damaged part too: the row says whether there is one), a log that begins with a high number while it is far from its
maximum size was cleared, and one that falls silent while others keep writing was stopped. Times that run back while
the numbers go on show that the clock was set. No record is decoded for this; it is read from the records' headers.

Of the logs that exist on every host and of those that a case rests on, each gives one row, dated by its first record.
`record_gaps` are `before-after: count missing, time to time`, `silences` and `clock_steps` pairs of times;
`clock_step_records` are the numbers `before-after` of the latter.
Format: libyal, "Windows XML Event Log (EVTX) format"; see formats/evtx_order.py.
"""

from __future__ import annotations

from datetime import datetime

from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats.evtx_order import Step, read_order
from forensics.model import Value, make_fact
from forensics.times import from_filetime, iso

SILENCE = 6 * 3600  # seconds without a record from which it is told
BACK = 5 * 60  # seconds that a time lies before that of the record before it
_LOGS = "Windows/System32/winevt/Logs"
_NAMES = (
    "Security",
    "System",
    "Application",
    "Microsoft-Windows-PowerShell%4Operational",
    "Microsoft-Windows-Sysmon%4Operational",
    "Microsoft-Windows-TaskScheduler%4Operational",
    "Microsoft-Windows-Windows Defender%4Operational",
    "Microsoft-Windows-Hyper-V-Compute-Operational",
    "Microsoft-Windows-Hyper-V-Worker-Admin",
)


def parse(given: FileInput) -> Output:
    """One row for a log that holds a record; what is damaged in it is said by the artifacts that decode it."""
    order = read_order(given.fh, SILENCE, BACK)
    if order.first is None or order.last is None:
        return
    lost = sum(step.after - step.before - 1 for step in order.missing)
    behind = (order.due or 0) - order.last.after - 1
    fields: dict[str, Value | None] = {
        "log_channel": given.path.rpartition("/")[2].rpartition(".")[0].replace("%4", "/"),
        "first_record_number": str(order.first.before),
        "last_record_number": str(order.last.after),
        "last_record_time": _text(order.last.came),
        "record_count": order.records,
        "missing_records": lost + max(behind, 0) if behind < 2**31 else lost,
        "record_gaps": tuple(_gap(step) for step in order.missing),
        "silences": tuple(_pair(step) for step in order.silent),
        "clock_steps": tuple(_pair(step) for step in order.back),
        "clock_step_records": tuple(f"{step.before}-{step.after}" for step in order.back),
        "damaged_parts": order.damaged,
        "log_size": given.size,
    }
    yield make_fact("log.described", given.source(), {"Start Time": from_filetime(order.first.left)}, fields)


def _text(ticks: int) -> str:
    moment = from_filetime(ticks)
    return iso(moment) if isinstance(moment, datetime) else ""


def _pair(step: Step) -> str:
    return f"{_text(step.left)}/{_text(step.came)}"


def _gap(step: Step) -> str:
    count = step.after - step.before - 1
    return f"{step.before}-{step.after}: {count} missing, {_text(step.left)} to {_text(step.came)}"


ARTIFACT = FileArtifact(
    name="event_log_order",
    paths=tuple(f"{_LOGS}/{name}.evtx" for name in _NAMES),
    parse=parse,
    emits={
        "log.described": Kind(
            "Event log {log_channel} begins with record {first_record_number}: {record_count} records up to "
            "{last_record_number} of {last_record_time}[, {missing_records} numbers missing]",
            {
                "log_channel": str,
                "first_record_number": str,
                "last_record_number": str,
                "last_record_time": str,
                "record_count": int,
                "missing_records": int,
                "record_gaps": tuple[str, ...],
                "silences": tuple[str, ...],
                "clock_steps": tuple[str, ...],
                "clock_step_records": tuple[str, ...],
                "damaged_parts": int,
                "log_size": int,
            },
        )
    },
)
