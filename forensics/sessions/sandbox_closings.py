"""A session's disk that was let go: an end where no record of a stop is left.

VHDMP 36 (closed, with file and machine), 2, 18 and 20 (went offline) and 14 (a handle was closed, by the number that 12
gave it), and Sysmon 23 and 26, which tell of the deletion of the disk. Fields are sourced; that the Sandbox's disk is
let go when the machine ends is inferred, and so no bound of the end from below comes of it.
"""

from __future__ import annotations

from datetime import datetime

from forensics.sessions.rows import Row, Rows
from forensics.sessions.sandbox_disk import is_session_disk, seconds, storage_id
from forensics.sessions.sandbox_vm import VmRun

CLOSINGS = frozenset({"vm.disk_closed", "vm.disk_detached", "vm.disk_traced", "file.deleted"})
_HANDLE_CLOSED = "14"


def closings(run: VmRun, rows: Rows, limit: datetime | None) -> list[Row]:
    """The last letting go of the run's disks before `limit`; nothing so near the start that it is the disk's making."""
    start = run.start or run.latest
    if start is None:
        return []
    places = {place for row in run.rows if (place := storage_id(row))}
    handles = {row.get("disk_handle") for row in run.rows if row.kind == "vm.disk_opened" and is_session_disk(row)}
    late = [
        row for row in rows.of(*sorted(CLOSINGS))
        if row.time and row.time > start + seconds("follow_up") and (limit is None or row.time <= limit)
        and (_of_disk(row, places) or _of_handle(row, handles - {""}))
    ]  # fmt: skip
    again = [row.time for row in rows.of("vm.disk_opened") if row not in run.rows and row.get("disk_handle") in handles]
    reused = min((time for time in again if time and time > start), default=None)
    late = [row for row in late if row.kind != "vm.disk_traced" or reused is None or (row.time and row.time < reused)]
    last = max((row.time for row in late if row.time), default=None)
    return [row for row in late if row.time and last and last - row.time <= seconds("execution_before")]


def _of_disk(row: Row, places: set[str]) -> bool:
    return row.kind != "vm.disk_traced" and is_session_disk(row) and storage_id(row) in places


def _of_handle(row: Row, handles: set[str]) -> bool:
    traced = row.kind == "vm.disk_traced" and row.get("event_identifier") == _HANDLE_CLOSED
    return traced and row.get("disk_handle") in handles
