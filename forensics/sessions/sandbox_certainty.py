"""How sure a sandbox session is, counted in kinds of evidence that different components write.

confirmed: two independent kinds of evidence of the thing itself, that is of the VM's run, or of the execution;
probable: one, alone or plus a fitting launch, or a machine that only an inference tells from one of Application Guard;
possible: of a machine that may as well be Application Guard's. A run of wsb.exe whose verb is not recorded counts as
none.
"""

from __future__ import annotations

from forensics.model import CONFIRMED, POSSIBLE, PROBABLE
from forensics.sessions.rows import Row, because
from forensics.sessions.sandbox_calls import text_of, verb_of
from forensics.sessions.sandbox_disk import seconds
from forensics.sessions.sandbox_guard import Told
from forensics.sessions.sandbox_launch import is_activity, role
from forensics.sessions.sandbox_pieces import Draft

# Which component of Windows writes the row. 4688 and Sysmon 1 see the same kernel notification: one kind.
_CLASSES = {
    "compute.": "Hyper-V compute log",
    "vm.nic_": "virtual switch events",
    "vm.disk_": "virtual disk log",
    "vm.": "Hyper-V worker log",
    "process.": "process events",
    "file.": "Sysmon file creation",
    "task.cached": "task cache",
    "task.": "Task Scheduler log",
    "prefetch.": "prefetch",
    "userassist.": "UserAssist",
    "bam.": "BAM",
    "pca.": "Program Compatibility Assistant",
    "capability.": "capability access",
    "app.": "packaged app log",
    "antivirus.": "Defender's log",
    "powershell.command": "PowerShell's record of commands",
    "logon.": "logon events",
    # The journal and the table are written by one driver: one kind.
    "usn.": "file system records",
    "mft.": "file system records",
}

_GUARD = "Application Guard uses the same service and disks; nothing here tells them apart"
_INFERRED = "that it was no machine of Application Guard is inferred"
_BARE = "what wsb.exe was asked for is not recorded, it may have been no more than `wsb list`"
_LATE = "the last activity lies minutes or more after the start of a run of unknown end, it may be that of a later run"


def kind_of_evidence(row: Row) -> str:
    """The name of the component that wrote the row, "" for rows that do not show a run."""
    if row.kind.startswith("usn.") and row.get("file_name").casefold().endswith(".pf"):
        return "prefetch"  # the journal saw the prefetcher write, which is no witness beside it
    return next((name for prefix, name in _CLASSES.items() if row.kind.startswith(prefix)), "")


def classes(rows: list[Row]) -> dict[str, list[Row]]:
    """Rows by kind of evidence."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        name = kind_of_evidence(row)
        if name:
            found.setdefault(name, []).append(row)
    return dict(sorted(found.items()))


def certainty(draft: Draft, told: Told, opened: list[Row]) -> tuple[str, list[str]]:
    """(word, reasons) of a draft; `told` says what tells its machine from one of Application Guard.

    `opened` are rows of a .wsb that was opened or read as it began, which only the Sandbox has a use for.
    """
    machine = classes([*(draft.run.rows if draft.run else ()), *draft.proxies])
    attempts = [row for attempt in draft.attempts for row in attempt.every]
    remembered = [*attempts, *draft.executions]
    bare, late = [row for row in remembered if _bare_cli(row)], [row for row in remembered if _loose(draft, row)]
    execution = classes([row for row in remembered if row not in bare and row not in late])
    launched = bool(draft.attempts or draft.calls or draft.executions)
    if machine and not launched and not told.apart:
        return _like_guard(machine, opened)
    apart = [told.says()] if told.apart and not launched and told.text else []
    apart += _left_out(machine | execution, bare, late)
    if apart and told.text and machine and not launched:
        return PROBABLE, [_says("probable", f"of the virtual machine; {_INFERRED}", machine), *apart]
    if len(machine) >= 2:
        return CONFIRMED, [_says("confirmed", "of the virtual machine", machine), *apart]
    if len(execution) >= 2 and followed(draft):
        return CONFIRMED, [_says("confirmed", "of the run of its programs", execution), *apart]
    both = machine | execution
    what = "alone" if len(both) == 1 else "of the launch alone"
    if machine and execution and len(both) > 1:
        what = "of the virtual machine and of a fitting launch"
    return PROBABLE, [_says("probable", what, both), *apart]


def _left_out(counted: dict[str, list[Row]], bare: list[Row], late: list[Row]) -> list[str]:
    """Say which kinds are not counted although the session has rows of them."""
    found = []
    for rows, why in ((bare, _BARE), (late, _LATE)):
        kinds = {name: group for name, group in classes(rows).items() if name not in counted}
        if kinds:
            text = f"not counted: {', '.join(kinds)} ({why})"
            found.append(because(text, [row for group in kinds.values() for row in group]))
    return found


def _like_guard(machine: dict[str, list[Row]], opened: list[Row]) -> tuple[str, list[str]]:
    """Of a machine that may be Application Guard's as well."""
    if opened:
        text = (
            "the Sandbox rather than Application Guard, which has no use for it: a .wsb was read or changed as it began"
        )
        why = because(f"{text} (inference)", opened)
        return PROBABLE, [_says("probable", f"of the virtual machine; {_GUARD} but a .wsb", machine), why]
    return POSSIBLE, [
        _says("possible: Windows Sandbox or Application Guard", f"of the virtual machine; {_GUARD}", machine)
    ]


def followed(draft: Draft) -> bool:
    """Whether anything beyond the launcher tells of a machine: its VM, the client or server, a call that needs one."""
    parts = [*(row for attempt in draft.attempts for row in attempt.rows), *draft.executions]
    if draft.run or draft.proxies or any(role(row) == "client" or row.kind == "capability.used" for row in parts):
        return True
    # The classic launcher lives as long as its window (inference).
    lived = draft.last_stop and draft.start and draft.last_stop - draft.start > seconds("follow_up")
    return bool(lived) or any(call.verb not in ("start", "list", "ip") for call in draft.calls)


def _bare_cli(row: Row) -> bool:
    """A remembered run of wsb.exe, which may have been no more than `wsb list`."""
    return role(row) == "cli" and not verb_of(text_of(row))


def _loose(draft: Draft, row: Row) -> bool:
    """A last activity hours after the start of a run without a known end: it may be that of a later run."""
    if not is_activity(row) or row.time is None or draft.start is None or draft.last_stop:
        return False
    return row.time - draft.start > seconds("execution_after")


def _says(word: str, what: str, found: dict[str, list[Row]]) -> str:
    rows = [group[0] for group in found.values()]
    kinds = "1 kind" if len(found) == 1 else f"{len(found)} kinds"
    return because(f"{word}: {kinds} of evidence {what} ({', '.join(found)})", rows)
