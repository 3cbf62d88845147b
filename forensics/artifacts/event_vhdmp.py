"""VHDMP-Operational: virtual disks opened, by which virtual machine, attached, detached and closed.

12 binds the storage folder of a sandbox (`...\\Containers\\Sandboxes\\<GUID>\\sandbox.vhdx`) to its machine's id, which
newer Windows versions make different from each other; 13 is an opening that failed. 1, 17 and 19 say that a disk came
online, 2, 18 and 20 that it went: CmService attaches the base layer so. 14 is the end of the handle that 12 names, 36
of what holds the disk; 30 to 35 trace the same without being explained. Disks that the host opens are context.

Fields: the provider's manifest and published event texts (12 to 20; of 36 VhdFile, VmId and Status; the others are
told with all they say), 1 and 2 from published records. That Windows Sandbox writes VmId, and that 36 ends its disk's
use, is inferred.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, everything, fact, flag, guid, kind, nonzero, pick, worker
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_KINDS = {12: "vm.disk_opened", 13: "vm.disk_failed", 36: "vm.disk_closed"}
_KINDS |= dict.fromkeys((1, 17, 19), "vm.disk_attached") | dict.fromkeys((2, 18, 20), "vm.disk_detached")
_KINDS |= dict.fromkeys((14, 30, 31, 32, 33, 34, 35), "vm.disk_traced")
_TYPES = {"1": "VHD", "2": "VHDX"}  # a .vmgs state file is opened as VHD
_NO_VM = "00000000-0000-0000-0000-000000000000"
_FIELDS = {"disk_path": str, "vm_id": str, "error_code": str, "user_sid": str, "pid": str}
_OPENED = {**_FIELDS, "disk_type": str, "read_only": bool, "disk_handle": str}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One step of a disk's use."""
    name = _KINDS[record.event_id]
    path = (pick(record, "VhdFile", "VhdFileName") or "").removeprefix("\\\\?\\").removeprefix("\\??\\")
    machine = guid(pick(record, "VmId"))
    fields: Made = {
        "disk_path": path,
        "vm_id": None if machine == _NO_VM else machine,
        "error_code": nonzero(pick(record, "Status")),
        **worker(record),
        **_more(record, name),
    }
    # A machine's own disks are few, and tell which machines are no sandbox; the host opens others all day.
    of_machine = machine not in (None, _NO_VM)
    yield fact(name, record, source, fields, context=not of_machine and not is_watched(path))


def _more(record: Record, name: str) -> Made:
    if name in ("vm.disk_opened", "vm.disk_failed"):
        kind_of_disk = pick(record, "VhdType")
        return {
            "disk_type": _TYPES.get(kind_of_disk or "", kind_of_disk),
            "read_only": flag(pick(record, "ReadOnly")),
            "disk_handle": nonzero(pick(record, "HandleContext")),
        }
    if name == "vm.disk_traced":
        return {"disk_handle": nonzero(pick(record, "HandleContext")), "event_data": everything(record)}
    if name in ("vm.disk_attached", "vm.disk_detached"):
        return {"disk_number": pick(record, "VhdDiskNumber"), "disk_instance": guid(pick(record, "VhdInstanceId"))}
    return {}


_SEEN = {**_FIELDS, "disk_number": str, "disk_instance": str}

ARTIFACT = EventArtifact(
    name="event_vhdmp",
    wants={"Microsoft-Windows-VHDMP-Operational": frozenset(_KINDS)},
    parse=parse,
    emits={
        "vm.disk_opened": kind(
            "Virtual disk opened: {disk_path}[ by virtual machine {vm_id}][, status {error_code}]",
            _OPENED,
            context=True,
        ),
        "vm.disk_failed": kind(
            "Virtual disk could not be opened: {disk_path}[ by virtual machine {vm_id}][, status {error_code}]",
            _OPENED,
            context=True,
        ),
        "vm.disk_closed": kind(
            "Virtual disk let go: {disk_path}[ by virtual machine {vm_id}][, status {error_code}]",
            _FIELDS,
            context=True,
        ),
        "vm.disk_attached": kind(
            "Virtual disk came online: {disk_path}[ as disk {disk_number}][ as {disk_instance}]", _SEEN, context=True
        ),
        "vm.disk_detached": kind(
            "Virtual disk went offline: {disk_path}[, disk {disk_number}][, {disk_instance}]", _SEEN, context=True
        ),
        "vm.disk_traced": kind(
            "Virtual disk traced, event {event_identifier}[: {disk_path}][: {event_data}]",
            {**_FIELDS, "disk_handle": str, "event_data": str},
            context=True,
        ),
    },
)
