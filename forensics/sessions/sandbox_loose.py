"""What tells of a sandbox, or of a machine, and is no session: virtual machines of unknown kind, calls of wsb.exe.

`wsb exec`, `share`, `connect` and `stop` need a sandbox that runs; where nothing but the call is recorded, neither its
start nor that the call found one is, and a run of wsb.exe whose verb is not recorded may have been `wsb list`.
"""

from __future__ import annotations

from collections import defaultdict

from forensics.model import Finding
from forensics.sessions.rows import People, Row, because, ids_of, short, stamp
from forensics.sessions.sandbox_calls import Call, listed, shares_told
from forensics.sessions.sandbox_disk import seconds
from forensics.sessions.sandbox_vm import VmRun

_IDLE = frozenset({"list", "ip"})  # verbs that ask and change nothing
_MOST = 8  # calls that one finding spells out


def machine(run: VmRun, label: str) -> Finding:
    """A VM run that nothing attributes: it may be a sandbox whose other traces are gone."""
    name = run.vm_id or "without an id"
    when = f" at {stamp(run.latest)}" if run.latest else ""
    marks = "".join(f"; {mark}" for mark in run.marks)
    what = (
        "nothing says whether it was Windows Sandbox, WSL, Docker or another machine: neither disk, owner nor a "
        "launch is recorded"
    )
    if run.guarded:
        what = f"it was Windows Sandbox or Application Guard: neither owner nor a launch is recorded; {run.guarded}"
    why = f"a virtual machine ({name}) ran{when}; {what}{marks}"
    # What tells of Application Guard, or of the judgement, is not of the time of the run.
    times = [row.time for row in run.rows if row.time]
    return Finding(
        "sandbox.unattributed_vm", "informational", why, ids_of([*run.rows, *run.basis]), label,
        first=min(times, default=None), last=max(times, default=None),
    )  # fmt: skip


def calls_alone(calls: list[Call], people: People, label: str) -> list[Finding]:
    """The calls that belong to no session, those of one id together."""
    groups: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        groups[call.ident or f"{stamp(call.time) if call.time else ''} {call.row.id}"].append(call)
    return [_called(group, people, label) for group in groups.values()]


def _called(group: list[Call], people: People, label: str) -> Finding:
    users = dict.fromkeys(name for call in group if (name := people.of(call.row)[0]))
    told = listed(group)
    lines = "; ".join(
        f"{stamp(item.time) if item.time else 'undated'} {short(item.command_line)}" for item in told[:_MOST]
    )
    more = f" and {len(told) - _MOST} more" if len(told) > _MOST else ""
    acts = [call for call in group if call.verb not in _IDLE]
    what = (
        "it needs a sandbox that runs; that it found one is not recorded, nor when that one began"
        if any(call.verb != "start" for call in acts)
        else "that this line was reached is not recorded" if acts else "it asks, and changes nothing"
    )  # fmt: skip
    shares = "".join(f"; {text}" for text in shares_told(group))
    by = f" by {', '.join(users)}" if users else ""
    why = f"wsb.exe was called{by}, and no session is recorded that it fits: {lines}{more}; {what}{shares}"
    return Finding(
        "sandbox.cli_calls", "medium" if acts else "informational", why, ids_of(call.row for call in group), label
    )


def runs_alone(rows: list[Row], people: People, label: str) -> list[Finding]:
    """The runs of wsb.exe that belong to no session and whose verbs are unknown, near ones together."""
    groups: list[list[Row]] = []
    for row in sorted(rows, key=lambda item: item.order):
        last = groups[-1][-1].time if groups else None
        if last and row.time and row.time - last <= seconds("cli_only"):
            groups[-1].append(row)
        else:
            groups.append([row])
    return [_ran(group, people, label) for group in groups]


def _ran(group: list[Row], people: People, label: str) -> Finding:
    users = dict.fromkeys(name for row in group if (name := people.of(row)[0]))
    by = f" by {', '.join(users)}" if users else ""
    times = [row.time for row in group if row.time]
    when = stamp(times[0]) + (f" to {stamp(times[-1])}" if times[-1] != times[0] else "")
    why = because(
        f"wsb.exe ran{by} ({when}), with what verb is not recorded: it may have started, driven, stopped or only "
        "listed sandboxes; no session is recorded that it fits",
        group,
    )
    return Finding("sandbox.cli_ran", "low", why, ids_of(group), label)
