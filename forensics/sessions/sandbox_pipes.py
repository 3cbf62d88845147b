"""Whose sandbox it was by the name of its service's pipe, where nothing else names the account.

The service of the Store app's Sandbox listens on `\\wsandbox\\<GUID>`, a hash of the SID of the user it works for
(sourced, see `formats.sandboxids`): of the accounts that a host lists at most one fits. That the pipe of a session is
the one that was made or opened while it ran is inferred.
"""

from __future__ import annotations

from dataclasses import replace

from forensics.formats.sandboxids import pipe_guid
from forensics.sessions.rows import People, Row, Rows, because
from forensics.sessions.sandbox_disk import seconds
from forensics.sessions.sandbox_origin import Origin
from forensics.sessions.sandbox_pieces import Draft

_ROLE = "sandbox service"


class Pipes:
    """The pipes of the sandbox service whose user the host knows."""

    def __init__(self, rows: Rows, people: People) -> None:
        self._people = people
        owners = {pipe_guid(sid): sid for sid in people.sids()}
        found = (row for row in rows.of("pipe.created", "pipe.opened") if row.time and row.get("pipe_role") == _ROLE)
        self._owned = [(row, owners[name]) for row in found if (name := row.get("pipe_guid").upper()) in owners]

    def complete(self, draft: Draft, origin: Origin) -> Origin:
        """The origin with the account that the pipes of the run name, if it has none and they agree."""
        if origin.launch.user or origin.launch.user_sid:
            return origin
        near = [(row, sid) for row, sid in self._owned if _within(draft, row)]
        if len({sid for _, sid in near}) != 1:
            return origin
        user, sid = self._people.complete("", near[0][1])
        rows = [row for row, _ in near]
        text = f"the user is {user or sid}: the sandbox service's pipe bears this account's hash"
        text += " (that it is this session's pipe is inference)"
        launch = replace(origin.launch, user=user, user_sid=sid)
        return Origin(launch, [*origin.reasons, because(text, rows)], [*origin.rows, *rows])


def _within(draft: Draft, row: Row) -> bool:
    """Whether the pipe was made or opened in the run, or just before the first trace of it."""
    if row.time is None:
        return False
    return draft.covers(row.time) or draft.first - seconds("execution_before") <= row.time <= draft.first
