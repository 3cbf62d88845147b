"""Machines that ran and are no sandbox, with why: a host without sessions is otherwise told as if nothing had run.

WSL, Docker, Application Guard, machines of Hyper-V's manager and the container manager's own templates leave the same
events as a sandbox. Which of them a machine is, is judged in `sandbox_kind`; here it is only put into words, one
finding for each cause, so that an investigator can disagree with it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from forensics.model import Finding, SandboxSession
from forensics.sessions.exits import Exits
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import Row, Rows, because, ids_of, short, stamp
from forensics.sessions.sandbox_disk import disk_of, words
from forensics.sessions.sandbox_vm import VmRun, vm_runs
from forensics.sessions.texts import guid

OTHER_MACHINE = "machine.other"
_MACHINE_RULES = (OTHER_MACHINE, "sandbox.unattributed_vm")
_OWNER = re.compile(r'"Owner"\s*:\s*"([^"]{1,80})"', re.IGNORECASE)
NO_SANDBOX, STARTED = "a machine that is no sandbox: ", "; it started"  # around the cause
_MOST = 8  # machines that one finding spells out


def dated(finding: Finding, rows: Rows) -> Finding:
    """The finding with the times of its events (where it has none of its own), and what they tell of its machine."""
    named = rows.named(finding.events)
    times = [row.time for row in named if row.time]
    known = finding
    if finding.first is None:
        known = replace(finding, first=min(times, default=None), last=max(times, default=None))
    if finding.rule not in _MACHINE_RULES:
        return known
    machines = {found.casefold(): found for row in named if (found := _machine_of(row))}
    return replace(
        known,
        vm_id=next(iter(machines.values())) if len(machines) == 1 else None,
        networked=True if any(row.kind == "vm.nic_connected" for row in named) else None,
    )


def _machine_of(row: Row) -> str | None:
    return guid(row.get("vm_id")) or guid(row.get("nic_name").partition("--")[0])


def others(
    rows: Rows, life: HostLife, told: Iterable[SandboxSession | Finding], label: str
) -> tuple[Finding, ...]:  # fmt: skip
    """One finding for each cause for which machines are no sandbox; `told`: what tells of the other machines."""
    taken = {ident for item in told for ident in item.events}
    manager = words()["manager"]
    managed = {
        found.casefold()
        for row in rows.of_channel(manager["channel"], manager["ids"])
        if (found := guid(row.get("vm_id")) or guid(row.text()))
    }
    causes: dict[str, list[VmRun]] = defaultdict(list)
    for run in vm_runs(rows, life, Exits(rows, life)):
        if not any(row.id in taken for row in run.rows):
            causes[_cause(run, managed)].append(run)
    return tuple(_finding(cause, runs, label) for cause, runs in causes.items())


def _finding(cause: str, runs: list[VmRun], label: str) -> Finding:
    listed = ", ".join(f"{_when(run)} ({short(run.vm_id or 'without an id', 60)})" for run in runs[:_MOST])
    more = f" and {len(runs) - _MOST} more" if len(runs) > _MOST else ""
    times = "" if len(runs) == 1 else f" {len(runs)} times"
    basis = [row for run in runs for row in run.rows]
    why = because(f"{NO_SANDBOX}{cause}{STARTED}{times}: {listed}{more}", basis)
    return Finding(OTHER_MACHINE, "informational", why, ids_of(basis), label)


def _when(run: VmRun) -> str:
    moment = run.start or run.latest
    return stamp(moment) if moment else "at an unknown time"


def _cause(run: VmRun, managed: set[str]) -> str:
    """Why the machine is none, in the order in which `sandbox_kind.judge` and the drafter decide."""
    if run.verdict == "sandbox":
        return "programs of Application Guard, whose machines have disks of the same kind, ran nearest to its start"
    if run.verdict == "open":
        return "nothing but a logon of its worker is recorded, which may be of any machine"
    if (run.vm_id or "").casefold() in managed:
        return "Hyper-V's own manager has a record of its setup or deletion (a Sandbox has none: inference)"
    if any(words()["template_disk"].search(disk_of(row)) for row in run.rows):
        return "its disk is a template that the container manager keeps for sandboxes to come"
    return _by_label(run) or _by_place(run)


def _by_label(run: VmRun) -> str:
    word = words()
    own = {*word["sandbox_names"], *word["sandbox_owners"], *word["neutral_names"]}
    names = {
        name.strip() for row in run.rows for name in [row.get("vm_name"), *_OWNER.findall(row.get("settings_json"))]
    }
    foreign = sorted(name for name in names if name.casefold() not in own and not guid(name))
    if foreign:
        kept = {name.casefold() for name in foreign} & set(word["template_owners"])
        what = " (the container manager, for itself)" if kept else ""
        told = ", ".join(short(name, 60) for name in foreign)
        return f"its name or owner is {told}{what}, while a Sandbox's is WindowsSandbox or Madrid"
    switches = {row.get("switch_name").strip() for row in run.rows}
    wired = sorted(name for name in switches if name.casefold() in word["foreign_switches"])
    return f"it was connected to the switch {', '.join(wired)}" if wired else ""


def _by_place(run: VmRun) -> str:
    word = words()
    disks = sorted({disk for row in run.rows if (disk := disk_of(row))})
    known = [disk for disk in disks if any(part in disk.casefold() for part in word["foreign_disks"])]
    if known or disks:
        return f"its disk is {short((known or disks)[0])}"
    if any(_machine_of(row) for row in run.rows):
        return "its settings are those of another product's, or another machine's records name it as their template"
    return "its id is that of a container, which is no machine of its own"
