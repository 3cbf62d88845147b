"""When a sandbox ended: by its own stop records, else by what ended everything on the host, with bounds.

A disk that is there, or the record of one, has the time of its last write: the machine still ran then (inference). So
does a last activity of its programs. Both are bounds of the end from below and never the end itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from forensics.sessions.hostlife import HostLife
from forensics.sessions.looked import ENDS, Looked
from forensics.sessions.rows import Row, Rows, because, stamp
from forensics.sessions.sandbox_closings import CLOSINGS
from forensics.sessions.sandbox_disk import is_session_disk, seconds, storage_id
from forensics.sessions.sandbox_launch import is_activity, is_hearsay
from forensics.sessions.sandbox_pieces import Draft
from forensics.sessions.sandbox_vm import disk_only

_CLOSED = {"crashed": "after a crash", "host_shutdown": "after a shutdown"}
_DISKS = ("mft.entry", "sandbox.disk_survived", "sandbox.state_survived")
_AFTER = CLOSINGS | {"usn.file_deleted"}
_WRITTEN = "Content Modification Time"


@dataclass(slots=True)
class End:
    """The end, `kind` as a session has it, its bounds, the reasons, and the rows beyond the draft's own."""

    time: datetime | None
    kind: str
    why: list[str]
    earliest: datetime | None = None
    latest: datetime | None = None
    rows: list[Row] = field(default_factory=list)


def end_of(draft: Draft, rows: Rows, life: HostLife, looked: Looked) -> End:
    """What the evidence says of the end."""
    alive = _written(draft, rows)
    found = _stopped(draft, life) if draft.last_stop else _closed(draft, alive, looked)
    if found.earliest is None:
        _bound(found, draft, alive)
    # Beside a stop of its own the last write says nothing: the disk is closed after it.
    if alive and all(row.kind in _AFTER for row in draft.ends):
        found.why.append(_told(alive))
        found.rows += alive
    return found


def _bound(found: End, draft: Draft, alive: list[Row]) -> None:
    """From below: by the last write of its disk, and by the last activity of its programs.

    A program outlives its machine by the moment that it takes to close, so its activity is a bound some seconds early.
    """
    wrote = max((row.time for row in alive if row.time), default=None)
    active = _active(draft)
    last = max((row.time for row in active if row.time), default=None)
    closing = seconds("execution_before")
    if last is None or (wrote is not None and wrote >= last - closing):
        found.earliest = wrote
        return
    found.earliest = max(last - closing, draft.start) if draft.start else last - closing
    if found.time is None:
        text = f"its programs were last active at {stamp(last)}; they outlive their machine by seconds (inference)"
        found.why.append(because(f"ended not before {stamp(found.earliest)}: {text}", _at(last, active)))


def _at(moment: datetime, rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.time == moment]


def _stopped(draft: Draft, life: HostLife) -> End:
    end = draft.last_stop
    if end is None:
        raise ValueError("a draft without a stop")
    # The disk is let go or deleted after the end: no bound from below.
    first = min((row.time for row in draft.ends if row.time and row.kind not in _AFTER), default=None)
    names = ", ".join(dict.fromkeys(row.kind for row in draft.ends))
    text = f"end {stamp(end)}: the last of {names}{_inferred(draft.ends)}"
    if going_down := life.shutting_down(end):
        why = because(f"{text}, while the host shut down", [*draft.ends, *going_down])
        return End(end, "host_shutdown", [why], first, end, list(going_down))
    return End(end, "stopped", [because(text, draft.ends)], first, end)


def _closed(draft: Draft, alive: list[Row], looked: Looked) -> End:
    """Without a stop: closed by the next boot where logs of the machine should hold a stop."""
    closing = draft.closing
    if closing is None:
        where = looked.told(ENDS, draft.start or draft.latest)
        return End(None, "unknown", [f"end unknown: no stop is recorded, nor a later shutdown or boot{where}"])
    kind = _CLOSED.get(closing.kind, "for an unknown cause")
    if draft.run is None or _removed(draft, alive):
        text = f"end unknown, not later than {stamp(closing.latest)} (host down or booted {kind})"
        if draft.run:
            text += ": its disk is deleted, at a time that its record does not have"
        return End(None, "unknown", [because(text, closing.rows)], latest=closing.latest)
    until = "" if closing.latest == closing.time else f", the boot at {stamp(closing.latest)} at the latest"
    text = f"no stop is recorded; closed by the host's restart {kind}: {stamp(closing.time)}{until}"
    early = closing.time if closing.kind == "crashed" and closing.time < closing.latest else None
    return End(closing.time, closing.kind, [because(text, closing.rows)], early, closing.latest)


def _removed(draft: Draft, alive: list[Row]) -> bool:
    """Whether nothing but the file table tells of the machine, and its disk is deleted there."""
    rows = draft.run.rows if draft.run else []
    deleted = [row for row in rows if row.fields.get("file_deleted") is True]
    return bool(deleted) and disk_only(rows) and not any(_survives(row) for row in alive)


def _survives(row: Row) -> bool:
    return row.fields.get("file_deleted") is not True


def _written(draft: Draft, rows: Rows) -> list[Row]:
    """The last writes of the session's disk that its file or its record in the file table has."""
    if draft.run is None:
        return []
    places = {place for row in draft.run.rows if (place := storage_id(row))}
    if draft.run.vm_id:
        places.add(draft.run.vm_id.casefold())
    found = (row for row in rows.of(*_DISKS) if row.time and row.meaning == _WRITTEN and is_session_disk(row))
    late = draft.last_stop or (draft.closing.latest if draft.closing else None)
    return [
        row for row in found
        if storage_id(row) in places and row.time and row.time > draft.first and (late is None or row.time <= late)
    ]  # fmt: skip


def _active(draft: Draft) -> list[Row]:
    """Last activities of its programs before its end; of an open run none that may be a later run's."""
    start, rows = draft.start, [row for row in draft.executions if is_activity(row) and not is_hearsay(row)]
    late = draft.last_stop or (start + seconds("execution_after") if start else None)
    return [row for row in rows if row.time and (start is None or row.time >= start) and (not late or row.time <= late)]


def _told(alive: list[Row]) -> str:
    moment = max(row.time for row in alive if row.time)
    at_last = [row for row in alive if row.time == moment]
    which = "which is still there" if any(_survives(row) for row in at_last) else "which is deleted now"
    text = f"still alive at {stamp(moment)}: its disk, {which}, was last written then"
    return because(
        f"{text} (inference: while the machine ran, or as it was closed; the time of a file may also be set)", at_last
    )


def _inferred(ends: list[Row]) -> str:
    """What is inferred when nothing but these rows tells of the end."""
    kinds = {row.kind for row in ends}
    if kinds == {"task.cached"}:
        return " (inference: the task's action, the launcher, lives as long as the classic Sandbox's window)"
    if kinds <= CLOSINGS - {"file.deleted"}:
        return " (inference: the session's disk is let go when it ends)"
    if kinds <= _AFTER:
        return " (inference: the session's disk is deleted when it ends)"
    return ""
