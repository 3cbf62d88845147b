"""Is Windows Sandbox switched on, since when, by whom, off again, and what was it allowed to do.

Logs decide first: Setup (7, 13, restart, 9; off: 8, 14, 10, 15) and CBS.log. Without them the state of the system does:
WindowsSandbox.exe in System32 (public scripts test for it), the feature's package and classes in the registry. A
session that was seen is the last word: it cannot run while the feature is off. What contradicts the conclusion is said.
`enabled_at` is when it was last switched on, also when it is off since; without a log it is inferred from the change
journal, the file's name or the registry, and the evidence says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from forensics.model import CONFIRMED, Finding, SandboxCapability, SandboxSession
from forensics.sessions import capability_evidence as told
from forensics.sessions.capability_evidence import Statement
from forensics.sessions.rows import Rows, because, ids_of, stamp


def capability(rows: Rows, sessions: Sequence[SandboxSession], host: str) -> SandboxCapability:
    """What all evidence says about the feature; `enabled` None when nothing does."""
    logs = [*told.setup_log(rows), *told.cbs_log(rows)]
    state = [*told.packages(rows), *told.program(rows), *told.classes(rows)]
    about = [*told.commands(rows), *told.policies(rows), *told.store(rows), *told.crashes(rows)]
    decided = _in_order(item for item in logs if item.on is not None)
    ran = [session for session in sessions if session.certainty == CONFIRMED and session.start]
    if not decided and not ran and not any(item.on is not None for item in state):
        state += told.absence(rows)
    enabled = _by_logs(decided, ran) if decided else _by_state(state, ran)
    since = _since_logs(decided) if any(item.on for item in decided) else _since_state(state) if enabled else None
    every = [*_in_order(logs), *state, *about]
    evidence = [because(item.text, item.rows) for item in every]
    evidence += _inferred(since, decided, state)
    evidence += _sessions(decided, ran)
    evidence += [f"contradiction: {text}" for text in _contradictions(enabled, decided, state, ran)]
    evidence += [f"contradiction: {text}" for text in _against_policies(rows, sessions)]
    return SandboxCapability(enabled, since, tuple(evidence), ids_of(told.rows_of(every)), host)


def findings(rows: Rows, host: str) -> tuple[Finding, ...]:
    """Configurations that open with another program than Windows Sandbox."""
    found = []
    for row in told.overridden(rows):
        whose = f" of {row.get('profile_user')}" if row.get("profile_user") else ""
        gone = ", since deleted" if row.deleted else ""
        why = (
            f"the command for sandbox configurations{whose} is not that of Windows{gone}: {row.get('command_line')} "
            f"({row.get('key_path')}); a tool may have set it, or it runs in place of the Sandbox"
        )
        found.append(Finding("sandbox.class_overridden", "medium", why, ids_of([row]), host))
    return tuple(found)


def _in_order(items: Iterator[Statement] | Sequence[Statement]) -> list[Statement]:
    """By time; what has none stands first, as it can decide least."""
    dated = [(item.time is not None, item.time.timestamp() if item.time else 0.0, item) for item in items]
    return [item for *_, item in sorted(dated, key=lambda entry: entry[:2])]


def _last_start(ran: Sequence[SandboxSession]) -> datetime | None:
    return max((session.start for session in ran if session.start), default=None)


def _by_logs(decided: Sequence[Statement], ran: Sequence[SandboxSession]) -> bool | None:
    """The last word of the logs, unless a session ran after it."""
    last, start = decided[-1], _last_start(ran)
    if not last.on and start and last.time and start > last.time:
        return True
    return last.on


def _by_state(state: Sequence[Statement], ran: Sequence[SandboxSession]) -> bool | None:
    """Without a log: a session, the program's file and the package; classes only when those say nothing."""
    if ran:
        return True
    for source in (told.FILE, told.PACKAGE):
        found = {item.on for item in state if item.source == source and item.on is not None}
        if found:
            return True in found
    changes = _in_order(item for item in state if item.source == told.CHANGE and item.on is not None)
    if changes:
        return changes[-1].on
    return True if any(item.on for item in state if item.source == told.CLASS) else None


def _since_logs(decided: Sequence[Statement]) -> datetime | None:
    """The last time it was switched on: the Setup log's where it has it, else the first of CBS.log's last run."""
    off = max((item.time for item in decided if item.on is False and item.time), default=None)
    on = [item for item in decided if item.on]
    later = [item for item in on if off is None or (item.time and item.time > off)] or on[-1:]
    exact = [item for item in later if item.source == told.SETUP]
    return exact[-1].time if exact else later[0].time


def _since_state(state: Sequence[Statement]) -> datetime | None:
    """An approximate time: of the change journal, then of the file's name, then of the classes."""
    for source in (told.CHANGE, told.FILE, told.CLASS):
        moments = [item.time for item in state if item.source == source and item.on and item.time]
        if moments:
            return max(moments) if source == told.CHANGE else min(moments)
    return None


def _inferred(since: datetime | None, decided: Sequence[Statement], state: Sequence[Statement]) -> list[str]:
    if since is None or any(item.on for item in decided):
        return []
    rows = told.rows_of(item for item in state if item.on and item.time == since)
    text = f"{stamp(since)} as the time of switching on is an inference: no log that was read says when it was"
    return [because(text, rows)]


def _sessions(decided: Sequence[Statement], ran: Sequence[SandboxSession]) -> list[str]:
    """A session as evidence, where no log says that the feature is on."""
    if any(item.on for item in decided) or not ran or not ran[0].start:
        return []
    return [f"it ran at {stamp(ran[0].start)} (session {ran[0].id}), so it was switched on then"]


def _contradictions(
    enabled: bool | None, decided: Sequence[Statement], state: Sequence[Statement], ran: Sequence[SandboxSession]
) -> Iterator[str]:
    """What speaks against the conclusion."""
    last, start = (decided[-1] if decided else None), _last_start(ran)
    if last and last.on is False and last.time and start and start > last.time:
        yield f"a session ran at {stamp(start)}, after the feature was switched off: a later switch is not in the logs"
    first = next((item for item in decided if item.time), None)
    early = next((session for session in ran if first and first.on and _before(session, first)), None)
    if early and early.start:
        yield f"a session ({early.id}) ran at {stamp(early.start)}, before the first time that a log says it was on"
    for item in state:
        against = item.on is not None and enabled is not None and item.on != enabled
        if against and item.source in (told.FILE, told.PACKAGE):
            yield because(f"it is judged {'on' if enabled else 'off'}, but {item.text}", item.rows)
        elif against and item.source == told.CLASS and not decided:
            yield because(f"it is judged off, but {item.text}", item.rows)


def _before(session: SandboxSession, item: Statement) -> bool:
    return session.start is not None and item.time is not None and session.start < item.time


def _against_policies(rows: Rows, sessions: Sequence[SandboxSession]) -> Iterator[str]:
    """Sessions that did what a policy forbids: the policy came later, or did not hold."""
    forbidden = {row.get("policy_name").casefold(): row for row in rows.of("sandbox.policy") if _holds(row.fields)}
    network, folders = forbidden.get("allownetworking"), forbidden.get("allowmappedfolders")
    for session in sessions:
        if network and session.networked:
            yield because(f"session {session.id} was networked, which {_said(network.time)}", [network])
        if folders and session.config and session.config.mapped_folders:
            yield because(f"session {session.id} was to map folders, which {_said(folders.time)}", [folders])


def _holds(fields: dict[str, str | int | bool | tuple[str, ...]]) -> bool:
    return fields.get("policy_forbids") is True and "deleted_grade" not in fields


def _said(moment: datetime | None) -> str:
    written = f" (written {stamp(moment)})" if moment else ""
    return f"a policy forbids{written}: it was set later or did not hold"
