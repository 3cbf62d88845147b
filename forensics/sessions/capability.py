"""Is Windows Sandbox switched on, and since when.

The Setup log (provider Servicing) writes 7, 13 and, after the boot, 9 for the feature Containers-DisposableClientVM.
A session that was seen says the same without a date.
"""

from __future__ import annotations

from collections.abc import Sequence

from forensics.model import CONFIRMED, SandboxCapability, SandboxSession
from forensics.sessions.rows import Row, Rows, because, ids_of, stamp

_FEATURE = "disposableclientvm"
_KINDS = ("feature.change_started", "feature.enabled", "feature.failed", "feature.reboot_required")
_SAYS = {
    "feature.change_started": "the change of the feature began",
    "feature.enabled": "the feature was switched on",
    "feature.failed": "switching the feature on failed",
    "feature.reboot_required": "the feature waits for a restart",
}


def capability(rows: Rows, sessions: Sequence[SandboxSession], host: str) -> SandboxCapability:
    """What the Setup log and the sessions say about the feature; `enabled` None when neither speaks."""
    found = [row for row in rows.of(*_KINDS) if _FEATURE in row.get("update_name").casefold()]
    switched = [row for row in found if row.kind == "feature.enabled"]
    evidence = [because(_sentence(row), [row]) for row in found]
    seen = [session for session in sessions if session.certainty == CONFIRMED and session.start]
    events = ids_of(found)
    if switched:
        return SandboxCapability(True, switched[-1].time, tuple(evidence), events, host)
    if seen and seen[0].start:
        evidence.append(f"it ran at {stamp(seen[0].start)} (session {seen[0].id}), so it was switched on then")
        return SandboxCapability(True, None, tuple(evidence), events, host)
    return SandboxCapability(None, None, tuple(evidence), events, host)


def _sentence(row: Row) -> str:
    client = f" by {row.get('client_id')}" if row.get("client_id") else ""
    return f"{stamp(row.time)}: {_SAYS[row.kind]}{client}" if row.time else f"{_SAYS[row.kind]}{client}"
