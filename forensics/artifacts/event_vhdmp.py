"""VHDMP-Operational 12: a virtual disk was opened, and by which virtual machine.

Binds the storage folder of a sandbox (`...\\Containers\\Sandboxes\\<GUID>\\sandbox.vhdx`) to its machine's id, which
newer Windows versions make different from each other. Disks of other machines are context.

Fields: the provider's manifest (VirtualDiskHandleCreateStop); that Windows Sandbox writes VmId is inferred.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, fact, flag, guid, kind, nonzero, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_TYPES = {"1": "VHD", "2": "VHDX"}  # a .vmgs state file is opened as VHD
_NO_VM = "00000000-0000-0000-0000-000000000000"


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One opening of a disk."""
    path = (pick(record, "VhdFile", "VhdFileName") or "").removeprefix("\\\\?\\").removeprefix("\\??\\")
    machine = guid(pick(record, "VmId"))
    kind_of_disk = pick(record, "VhdType")
    fields: Made = {
        "disk_path": path,
        "vm_id": None if machine == _NO_VM else machine,
        "disk_type": _TYPES.get(kind_of_disk or "", kind_of_disk),
        "read_only": flag(pick(record, "ReadOnly")),
        "error_code": nonzero(pick(record, "Status")),
        "user_sid": record.user_sid or None,
        "pid": str(record.process_id) if record.process_id is not None else None,
    }
    # A machine's own disks are few, and tell which machines are no sandbox; the host opens others all day.
    of_machine = machine not in (None, _NO_VM)
    yield fact("vm.disk_opened", record, source, fields, context=not of_machine and not is_watched(path))


ARTIFACT = EventArtifact(
    name="event_vhdmp",
    wants={"Microsoft-Windows-VHDMP-Operational": frozenset({12})},
    parse=parse,
    emits={
        "vm.disk_opened": kind(
            "Virtual disk opened: {disk_path}[ by virtual machine {vm_id}][, status {error_code}]",
            {
                "disk_path": str, "vm_id": str, "disk_type": str, "read_only": bool, "error_code": str,
                "user_sid": str, "pid": str,
            },
            context=True,
        )
    },
)  # fmt: skip
