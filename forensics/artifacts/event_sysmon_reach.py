r"""Sysmon 8 and 10: a thread started in another process, and another process's memory opened.

Code is put into a running program by a thread of somebody else (8), and passwords are read out of lsass.exe by opening
its memory (10): both leave no file and no process start. Windows, debuggers, scanners and every manager of tasks do the
same all day, so only those are kept whose doer is a script host or lies outside the folders of Windows and of installed
programs, and of the second only reads of lsass.exe; all others are context. A doer that ran out of a share or a user's
folder may still be a product of that place.

Fields: Sysmon's schema, real records of both. 10 names the processes' ids `SourceProcessGUID`, 8 `SourceProcessGuid`.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, decimal, fact, file_name, guid, kind, known, named_account, number, pick
from forensics.artifacts.base import Deferral, EventArtifact, FieldType
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_installed, is_script_host

_KINDS = {8: "thread.started_elsewhere", 10: "process.opened"}
_READ = 0x10  # PROCESS_VM_READ
_LSASS = "lsass.exe"
_FIELDS: dict[str, FieldType] = {
    "user_name": str, "user_domain": str, "executable": str, "executable_name": str, "pid": str, "process_guid": str,
    "target_executable": str, "target_pid": str, "target_process_guid": str,
}  # fmt: skip


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One thread, or one opening."""
    image, target = known(record.data.get("SourceImage")), known(record.data.get("TargetImage"))
    fields: Made = {
        **named_account(known(record.data.get("SourceUser"))),
        "executable": image,
        "executable_name": file_name(image),
        "pid": decimal(record.data.get("SourceProcessId")),
        "process_guid": guid(pick(record, "SourceProcessGuid")),
        "target_executable": target,
        "target_pid": decimal(record.data.get("TargetProcessId")),
        "target_process_guid": guid(pick(record, "TargetProcessGuid")),
    }
    if record.event_id == 10:
        mask = known(record.data.get("GrantedAccess"))
        yield fact(
            _KINDS[10], record, source, {**fields, "access_mask": mask},
            context=not _reads_lsass(image or "", target or "", mask or ""),
        )  # fmt: skip
        return
    fields |= {
        "start_module": known(record.data.get("StartModule")),
        "start_function": known(record.data.get("StartFunction")),
    }
    yield fact(_KINDS[8], record, source, fields, context=not _is_foreign(image or "", target or ""))


def _is_foreign(image: str, target: str) -> bool:
    """A doer that nobody installed, or one that does what a script says, in a process other than its own program."""
    name = file_name(image) or ""
    own = name.casefold() == (file_name(target) or "").casefold()
    return bool(name) and not own and (is_script_host(name) or not is_installed(image))


def _reads_lsass(image: str, target: str, mask: str) -> bool:
    reads = bool((number(mask) or 0) & _READ)
    return reads and (file_name(target) or "").casefold() == _LSASS and _is_foreign(image, target)


ARTIFACT = EventArtifact(
    name="event_sysmon_reach",
    wants={"Microsoft-Windows-Sysmon/Operational": frozenset(_KINDS)},
    parse=parse,
    emits={
        "thread.started_elsewhere": kind(
            "{executable} started a thread in {target_executable}[ at {start_module}][!{start_function}]",
            {**_FIELDS, "start_module": str, "start_function": str},
            context=True,
        ),
        "process.opened": kind(
            "{executable} opened the process {target_executable}[ with access {access_mask}]",
            {**_FIELDS, "access_mask": str},
            context=True,
        ),
    },
    providers=frozenset({"Microsoft-Windows-Sysmon"}),
    defers={
        8: Deferral(_KINDS[8], ("SourceImage", "TargetImage"), "SourceProcessId", matters=_is_foreign),
        10: Deferral(
            _KINDS[10], ("SourceImage", "TargetImage", "GrantedAccess"), "SourceProcessId", matters=_reads_lsass
        ),
    },
)
