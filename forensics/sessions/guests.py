"""What a surviving disk tells of the inside of a sandbox, put beside the session that it belongs to.

The rows of a guest are another machine's: they take no part in what is concluded about the host. Up to 23H2 a disk's
folder has the GUID of the machine itself (published); from 24H2 that of its storage, which only a record that names
both binds to the machine. A disk that fits no session, or more than one, stays with its rows in the timeline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from forensics.model import Event, Fact, SandboxSession, Verdicts
from forensics.sessions.rows import Row, because, ids_of, of_event, of_fact, stamp
from forensics.sessions.sandbox_disk import storage_id

_MOST = 500  # rows that one session lists; the others stand in the timeline


def with_guests(
    verdicts: Verdicts, guests: Mapping[str, str], inside: Sequence[Event], undated: Sequence[Fact],
    kept: Iterable[Event],
) -> Verdicts:  # fmt: skip
    """The verdicts with the kept rows of each guest (`guests`: its name by its drive) at its session.

    `kept` are the host's own rows, by which a session's events are looked up.
    """
    if not guests:
        return verdicts
    rows = [*map(of_event, inside), *map(of_fact, undated)]
    by_id = {event.id: event for event in kept}
    sessions = list(verdicts.sandbox_sessions)
    for drive, name in sorted(guests.items()):
        if (at := _session_of(_folder(drive), sessions, by_id)) is not None:
            mine = [row for row in rows if row.source.path.partition("/")[0] == drive]
            sessions[at] = _told(sessions[at], drive, name, sorted(mine, key=lambda row: row.order))
    return replace(verdicts, sandbox_sessions=tuple(sessions))


def _folder(drive: str) -> str:
    return drive.partition("-")[2].rstrip(":")


def _session_of(folder: str, sessions: Sequence[SandboxSession], rows: Mapping[str, Event]) -> int | None:
    """The one session of that machine, else the one of whose rows some lie in that folder."""
    same = [at for at, session in enumerate(sessions) if (session.vm_id or "").strip("{}").casefold() == folder]
    same = same or [
        at
        for at, session in enumerate(sessions)
        if any(ident in rows and storage_id(of_event(rows[ident])) == folder for ident in session.events)
    ]
    return same[0] if len(same) == 1 else None


def _told(session: SandboxSession, drive: str, name: str, rows: list[Row]) -> SandboxSession:
    who = f" ({name})" if name else ""
    text = f"its disk survived and was read as {drive}{who}: {len(rows)} rows of the guest are kept"
    times = [row.time for row in rows if row.time]
    if times:
        text += f", from {stamp(times[0])} to {stamp(times[-1])}"
    if len(rows) > _MOST:
        text += f"; the first {_MOST} are listed here"
    reasons = (*session.reasons, because(text, rows))
    events = tuple(dict.fromkeys((*session.events, *ids_of(rows[:_MOST]))))
    return replace(session, reasons=reasons, events=events)
