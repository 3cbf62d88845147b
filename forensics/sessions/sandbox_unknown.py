"""Why a part of a session is not known: what would tell of it, and what became of that."""

from __future__ import annotations

from forensics.model import Launch
from forensics.sessions.looked import FILES, LAUNCH, MACHINE, PERSON, Looked
from forensics.sessions.rows import because
from forensics.sessions.sandbox_certainty import followed
from forensics.sessions.sandbox_pieces import Draft
from forensics.sessions.sandbox_removed import Removals

BY_DEFAULT = "no configuration file is named: the defaults apply"


def launch_unknown(draft: Draft, launch: Launch, looked: Looked) -> list[str]:
    """Reasons for a method, or an account, that nothing tells."""
    moment = draft.start or draft.latest
    found = []
    if launch.method == "unknown" and draft.launch is None:
        where = looked.told(LAUNCH, moment)
        desk = [row for row in draft.executions if row.kind == "userassist.run"]
        if desk:
            text = "with what it was started is not known: UserAssist counts a start from the desktop, without what was"
            found.append(because(f"{text} opened, and no start of its launcher is recorded{where}", desk))
        else:
            found.append(f"how it was started is not known: no start of its launcher is recorded{where}")
    elif launch.method == "unknown" and draft.launch:
        line = "its line names no file" if launch.command_line else "its command line is not recorded"
        text = f"by what it was started is not told: {line}, and no task, wsb.exe or app of the Store is seen in it"
        found.append(because(text, draft.launch.every))
    if not (launch.user or launch.user_sid):
        found.append(f"whose it was is not known: no record names its account{looked.told(_silent(draft), moment)}")
    return found


def _silent(draft: Draft) -> list[str]:
    """The sources that would name an account, without those that have a row which names none."""
    kinds = {row.kind for row in draft.executions}
    told = {name for kind, name in (("userassist.run", "UserAssist"), ("bam.run", "BAM")) if kind in kinds}
    return [source for source in PERSON if source not in told]


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
