"""Signs in the event logs as such: a service that stopped, numbers that are missing, silences, late beginnings.

What a log says of itself is held against the others: silence counts where other logs wrote on, a stop of the service
where Windows did not stop, a late beginning where the log is far from its maximum size.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from forensics.rules import load
from forensics.sessions.rows import Row, stamp
from forensics.sessions.wiped_signs import Found, Scene, usual, weakened
from forensics.text import worded
from forensics.times import Moment, from_iso

Span = tuple[datetime, datetime]
_CHUNK = 65536
_SAME = timedelta(minutes=1)
_WELL_INSIDE = timedelta(minutes=10)
_FIRST_STARTS = timedelta(hours=48)
_LEAST_TRACES = 3
_COVERED = "inside record"  # how what is hidden inside another record says where it was found
_NAMED = 10
_CLASSIC = ("security", "system", "application")
# Rows of other sources than logs whose times show that the host was in use.
_TRACES = (
    "usn.file_created", "usn.file_written", "usn.file_renamed", "usn.file_deleted", "prefetch.run", "userassist.run",
    "bam.run",
)  # fmt: skip


def log_signs(scene: Scene) -> Iterator[Found]:
    """Every sign that the logs themselves give."""
    yield from _stopped(scene)
    logs = _logs(scene)
    traces = [row for row in scene.rows.of(*_TRACES) if row.time] if logs else []
    for log in logs:
        yield from _gaps(scene, log)
        yield from _back(scene, log)
        yield from _young(scene, log)
        yield from _silent(scene, log, [other for other in logs if other is not log], traces)
    yield from _hidden(scene)
    yield from _lost(scene)


def _logs(scene: Scene) -> list[Row]:
    """The rows about logs: of one that is live and in shadow copies the live one."""
    rows = scene.rows.of("log.described")
    live = {row.source.path.casefold() for row in rows if not row.snapshot}
    return [row for row in rows if not row.snapshot or row.source.path.casefold() not in live]


def _stopped(scene: Scene) -> Iterator[Found]:
    """6006 and 1100 of one stop are one sign."""
    told: datetime | None = None
    rows = scene.rows.of("system.log_stopped", "log.service_stopped")
    for row in rows:
        if row.time is None or scene.went_down(row) is not False or (told and row.time - told <= _SAME):
            continue
        told = row.time
        boot = scene.life.next_boot(row.time)
        same = [item for item in rows if item.time and abs(item.time - row.time) <= _SAME]
        until = stamp(boot.time) if boot and boot.time else "the end"
        yield scene.sign("log_service_stopped", row, [*same, *([boot] if boot else [])], until=until)


def _gaps(scene: Scene, log: Row) -> Iterator[Found]:
    missing = log.fields.get("missing_records", 0)
    gaps = log.fields.get("record_gaps", ())
    if not missing or not isinstance(gaps, tuple):
        return
    numbers = [_numbers(gap) for gap in gaps]
    sizes = [high - low for low, high in numbers]
    largest = gaps[sizes.index(max(sizes))] if gaps else "at its end"
    channel = log.get("log_channel").casefold()
    recovered_rows = [row for row in scene.rows.recovered() if row.get("channel").casefold() == channel]
    found = [row for row in recovered_rows if _in_one(row, numbers)]
    damaged = log.fields.get("damaged_parts", 0)
    damage = f"; {damaged} parts of the file are damaged or zeroed and may have held them" if damaged else ""
    recovered = f"; {len(found)} of them were recovered from slack" if found else ""
    stated = _at(log, from_iso(largest.rpartition(", ")[2].partition(" to ")[0]))
    yield scene.sign(
        "record_gap", stated, [log, *found], count=str(missing), channel=log.get("log_channel"),
        gaps=str(max(len(gaps), 1)), largest=largest, damage=damage, recovered=recovered,
    )  # fmt: skip


def _at(log: Row, moment: Moment) -> Row:
    """The row about a log at the time of what is told of it, not of the log's beginning; that where it has no time."""
    return replace(log, time=moment) if isinstance(moment, datetime) else log


def _numbers(gap: str) -> tuple[int, int]:
    before, _, after = gap.partition(":")[0].partition("-")
    return int(before), int(after)


def _in_one(row: Row, gaps: list[tuple[int, int]]) -> bool:
    number = row.get("record_number")
    return number.isdecimal() and any(low < int(number) < high for low, high in gaps)


def _pairs(log: Row, name: str) -> list[Span]:
    texts = log.fields.get(name, ())
    pairs = [text.partition("/") for text in texts] if isinstance(texts, tuple) else []
    moments = [(from_iso(one), from_iso(two)) for one, _, two in pairs]
    return [(one, two) for one, two in moments if isinstance(one, datetime) and isinstance(two, datetime)]


def _back(scene: Scene, log: Row) -> Iterator[Found]:
    """Only the logs that are always written to are asked: others have records that were made long before.

    The first starts of an installation (a log from record 1 on) run back by themselves, when the time zone is set.
    """
    fresh = log.time is not None and log.get("first_record_number") == "1"
    steps = [step for step in _pairs(log, "clock_steps") if not (fresh and _at_first(log, step))]
    if log.get("log_channel").casefold() not in _CLASSIC[:2] or not steps:
        return
    before, after = max(steps, key=lambda item: item[0] - item[1])
    changes = [
        row for row in scene.rows.of("clock.changed") if row.time and any(_near(row.time, step) for step in steps)
    ]
    settled = [row.time for row in changes if row.time and scene.of_time_service(row)]
    known = all(any(_near(moment, step) for moment in settled) for step in steps)
    sign = scene.sign(
        "clock_back", _at(log, before), [log, *changes], channel=log.get("log_channel"), count=str(len(steps)),
        before=stamp(before), after=stamp(after),
    )  # fmt: skip
    yield weakened(sign, known)


def _at_first(log: Row, step: Span) -> bool:
    return log.time is not None and step[0] - log.time <= _FIRST_STARTS


def _near(moment: datetime, step: Span) -> bool:
    return any(abs(moment - item) <= _WELL_INSIDE for item in step)


def _end(log: Row) -> datetime | None:
    moment = from_iso(log.get("last_record_time"))
    return moment if isinstance(moment, datetime) else None


def _spoken(log: Row, span: Span) -> timedelta:
    """How much of a span a log wrote in: its period without its silences."""
    end = _end(log)
    if log.time is None or end is None:
        return timedelta()
    start, stop = max(span[0], log.time), min(span[1], end)
    if start >= stop:
        return timedelta()
    silent = [(max(start, low), min(stop, high)) for low, high in _pairs(log, "silences")]
    return (stop - start) - sum((high - low for low, high in silent if high > low), timedelta())


def _silent(scene: Scene, log: Row, others: list[Row], traces: list[Row]) -> Iterator[Found]:
    settings = load("antiforensics")["silences"]
    hours = {name.casefold(): number for name, number in settings["hours"].items()}
    channel = log.get("log_channel")
    least, count = hours.get(channel.casefold()), log.fields.get("record_count", 0)
    if least is None or not isinstance(count, int) or count < settings["least_records"]:
        return
    found = []
    tails = list(_tail(log, others))
    ends = timedelta(hours=settings["ends"].get(channel, least))
    for span in [*_pairs(log, "silences"), *tails]:
        if span[1] - span[0] < timedelta(hours=least):
            continue
        enough = min((span[1] - span[0]) / 2, ends if span in tails else timedelta.max)
        spoke = [other for other in others if _spoken(other, span) >= enough]
        used = [] if spoke else _used(traces, span)
        if spoke or used:
            names = ", ".join(other.get("log_channel") for other in spoke)
            witness = f"the {names} log wrote on" if spoke else f"{len(used)} other traces are of that time"
            found.append((span, witness, [log, *spoke, *used]))
    if len(found) > settings["most"]:
        return
    for span, witness, rows in found:
        parts = {"start": stamp(span[0]), "end": stamp(span[1]), "witness": witness}
        yield scene.sign("log_silent", _at(log, span[0]), rows, channel=channel, **parts)


def _tail(log: Row, others: list[Row]) -> Iterator[Span]:
    """The time from the log's last record to that of the log that goes on longest."""
    end, last = _end(log), max((end for other in others if (end := _end(other))), default=None)
    if end is not None and last is not None and last > end:
        yield end, last


def _used(traces: list[Row], span: Span) -> list[Row]:
    """Rows that show that the host was in use well inside a span, when there are enough of them and of two kinds."""
    low, high = span[0] + _WELL_INSIDE, span[1] - _WELL_INSIDE
    start = bisect_left(traces, low, key=lambda row: row.time or low)
    rows = traces[start : bisect_right(traces, high, key=lambda row: row.time or high)]
    kinds = {row.kind.partition(".")[0] for row in rows}
    return rows[:20] if len(rows) >= _LEAST_TRACES and len(kinds) > 1 else []


def _young(scene: Scene, log: Row) -> Iterator[Found]:
    channel = log.get("log_channel").casefold()
    if channel not in _CLASSIC or log.time is None or _told_otherwise(scene, channel, log.time):
        return
    configured = [row for row in scene.rows.of("log.configured") if row.get("log_channel").casefold() == channel]
    sizes = [size for row in configured if isinstance(size := row.fields.get("maximum_bytes"), int)]
    size, first = log.fields.get("log_size", 0), log.get("first_record_number")
    installed = next((row for row in scene.rows.of("host.described") if row.meaning == "Installation Time"), None)
    late = load("antiforensics")["young_after_hours"]
    if first != "1":
        # One that reached its usual size may have wrapped there, and was given more room since.
        if not sizes or not isinstance(size, int) or size + 2 * _CHUNK >= min(*sizes, usual(channel)["size"]):
            return
        why = f"though it has {size} bytes and the oldest records are overwritten from {min(sizes)} bytes on"
        rows = [log, *configured]
    elif installed is not None and installed.time and log.time - installed.time > timedelta(hours=late):
        why = f"though Windows was installed on {stamp(installed.time)}"
        rows = [log, installed]
    else:
        return
    yield scene.sign(
        "log_young", log, rows, channel=log.get("log_channel"), first=first, start=stamp(log.time), why=why
    )


def _told_otherwise(scene: Scene, channel: str, start: datetime) -> bool:
    """Whether a clearing or an archive explains where a log begins; each is told for itself."""
    rows = scene.rows.of("log.cleared", "log.archived")
    same = [row for row in rows if (row.get("cleared_channel") or "Security").casefold() == channel]
    return any(row.time is not None and abs(row.time - start) <= _SAME for row in same)


def _hidden(scene: Scene) -> Iterator[Found]:
    """Records that another one was made to cover, once for each log: no reader of the log shows them."""
    logs: dict[str, list[Row]] = {}
    for row in scene.rows.recovered():
        if row.recovered_from.startswith(_COVERED):
            logs.setdefault(row.source.path, []).append(row)
    for path, rows in logs.items():
        stated = replace(rows[0], fields={**rows[0].fields, "recovered_from": ""})
        parts = {"count": str(len(rows)), "path": path, "numbers": ", ".join(_number(row) for row in rows[:_NAMED])}
        yield scene.sign("record_hidden", stated, rows, **parts)


def _number(row: Row) -> str:
    return row.get("record_number") or "?"


def _lost(scene: Scene) -> Iterator[Found]:
    """1101 and Sysmon 255, each kind once: they come in crowds."""
    dropped, failed = scene.rows.of("log.events_dropped"), scene.rows.of("sysmon.failed")
    if dropped:
        told = worded("the Security log says {n} times that audit events were dropped", {"n": len(dropped)})
        yield scene.sign("events_lost", dropped[0], dropped, told=told)
    if failed:
        why = failed[0].get("reason") or "without words"
        told = worded("Sysmon reports {n} errors ({why})", {"n": len(failed), "why": why})
        yield scene.sign("events_lost", failed[0], failed, told=told)
