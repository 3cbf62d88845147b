"""Security 4688 and 4689: every program start and end, where process auditing is switched on.

The most direct record of a launch: Windows Sandbox given its configuration inline, `wsb.exe`, `code tunnel`, MSBuild on
an XML project, `wevtutil cl`. The command line is only there when the policy "Include command line in process creation
events" is set, the parent's path since Windows 10 1607 (event version 2). 4688 names the creator as subject; the new
process runs as the target account when that differs.

Fields: https://learn.microsoft.com/previous-versions/windows/it-pro/windows-10/security/threat-protection/auditing/
event-4688 and event-4689.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import account, decimal, fact, file_name, known, target
from forensics.artifacts._evtx_kinds import PROCESS_CREATED, PROCESS_EXITED
from forensics.artifacts.base import Deferral, EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_INTEGRITY = {"4096": "Low", "8192": "Medium", "8448": "Medium Plus", "12288": "High", "16384": "System"}


def _created(record: Record, source: Source) -> Fact:
    data = record.data
    creator, runs_as = account(record), account(record, "Target")
    executable, command = known(data.get("NewProcessName")), known(data.get("CommandLine"))
    parent = known(data.get("ParentProcessName"))
    fields = {
        **(runs_as or creator),
        **target(record),
        **({name.replace("user_", "creator_") if name != "logon_id" else "creator_logon_id": text
            for name, text in creator.items()} if runs_as else {}),
        "executable": executable,
        "executable_name": file_name(executable),
        "command_line": command,
        "pid": decimal(data.get("NewProcessId")),
        "parent_executable": parent,
        "parent_pid": decimal(data.get("ProcessId")),
        "integrity_level": _INTEGRITY.get(data.get("MandatoryLabel", "").rpartition("-")[2]),
    }  # fmt: skip
    watched = is_watched(executable or "", command or "", parent or "")
    return fact("process.created", record, source, fields, context=not watched)


def _exited(record: Record, source: Source) -> Fact:
    executable = known(record.data.get("ProcessName"))
    fields = {
        **account(record),
        "executable": executable,
        "executable_name": file_name(executable),
        "pid": decimal(record.data.get("ProcessId")),
        "result_code": known(record.data.get("Status")),
    }
    return fact("process.exited", record, source, fields, context=True)


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One process start or end."""
    yield _created(record, source) if record.event_id == 4688 else _exited(record, source)


ARTIFACT = EventArtifact(
    name="event_process_audit",
    wants={"Security": frozenset({4688, 4689})},
    parse=parse,
    emits={"process.created": PROCESS_CREATED, "process.exited": PROCESS_EXITED},
    providers=frozenset({"Microsoft-Windows-Security-Auditing"}),
    defers={
        4688: Deferral(
            "process.created", ("NewProcessName", "CommandLine", "ParentProcessName"), "NewProcessId", "ProcessId"
        ),
        4689: Deferral("process.exited", pid="ProcessId"),
    },
)
