"""Why a part of a session is not known: what would tell of it, and what became of that."""

from __future__ import annotations

from forensics.model import Launch
from forensics.sessions.looked import FILES, LAUNCH, MACHINE, PERSON, Looked
from forensics.sessions.rows import because
from forensics.sessions.sandbox_certainty import followed
from forensics.sessions.sandbox_pieces import Draft
from forensics.sessions.sandbox_removed import Removals


def launch_unknown(draft: Draft, launch: Launch, looked: Looked) -> list[str]:
    """Reasons for a method, or an account, that nothing tells."""
    moment = draft.start or draft.latest
    found = []
    if launch.method == "unknown":
        where = looked.told(LAUNCH, moment) if draft.launch is None else ""
        rows = draft.launch.every if draft.launch else []
        text = "what is recorded of the launch does not tell" if rows else "no start of its launcher is recorded"
        found.append(because(f"how it was started is not known: {text}{where}", rows))
    if not (launch.user or launch.user_sid):
        found.append(f"whose it was is not known: no record names its account{looked.told(PERSON, moment)}")
    return found


def config_unknown(draft: Draft, launch: Launch, looked: Looked) -> str:
    """The reason for a configuration that nothing suggests."""
    named = "its launch names none" if draft.launch and launch.command_line else "no recorded launch names one"
    near = "none is known to have been opened or changed when it began"
    return f"its configuration is not known: {named}, and {near}{looked.told(FILES, draft.start or draft.latest)}"


def lost(path: str, draft: Draft, removals: Removals, looked: Looked) -> str:
    """Why the content of a configuration that a launch names is not known."""
    if removals.of(path, draft.first):
        return "it was removed, and what it said could not be recovered"
    where = looked.told(FILES[:1], None)
    return f"this file is not in the evidence{where or ' (deleted, or not collected)'}"


def no_machine(draft: Draft, looked: Looked, *, logged: bool) -> str:
    """Say that nothing shows that a launch became a machine; `logged`: whether the evidence has logs of machines."""
    if followed(draft):
        return ""
    where = looked.told(MACHINE, draft.start or draft.latest)
    if not where:
        where = (
            " (its logs of machines tell of others)" if logged else " (no row of a log of machines is in the evidence)"
        )
    return because(
        f"the program started; no trace of a virtual machine is recorded{where}",
        draft.launch.every if draft.launch else draft.executions,
    )
