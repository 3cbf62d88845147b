"""Whether an autostart entry is gone: recovered from free cells, or deleted as a log saw it and in no hive or file now.

A deletion counts where it came after the last making that is recorded. Where a hive or file has the entry still, it was
made again, or the record is of another one of that name: the entry is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from forensics.sessions.persistence_commands import COMMANDED
from forensics.sessions.rows import Row

_DEFINES = frozenset({
    "task.defined", "task.cached", "service.configured", "autorun.configured", "mft.program_odd",
})  # fmt: skip
_MAKES = frozenset({
    "task.registered", "task.updated", "service.installed", "registry.value_set", "wmi.consumer_changed",
    "wmi.subscribed", "file.created",
})  # fmt: skip
_DELETES = frozenset({"task.deleted", "wmi.consumer_changed", "registry.key_changed"})


def gone(rows: Sequence[Row]) -> tuple[bool, datetime | None]:
    """(whether it is not there any more, when a log saw it being deleted)."""
    recovered = any(row.deleted for row in rows)
    if not recovered and any(row.kind in _DEFINES for row in rows):
        return False, None
    deletions = [row for row in rows if row.time and deletes(row)]
    last = max(deletions, key=lambda row: row.order, default=None)
    made = [row for row in rows if row.time and row.kind in _MAKES and not deletes(row) and COMMANDED not in row.fields]
    if last is None or any(row.order > last.order for row in made):
        return recovered, None
    return True, last.time


def deletes(row: Row) -> bool:
    """Whether a row is a log's record that an entry was deleted."""
    if row.kind not in _DELETES or "event_identifier" not in row.fields:
        return False
    return row.kind == "task.deleted" or row.get("action") in ("Deleted", "DeleteValue", "DeleteKey")
