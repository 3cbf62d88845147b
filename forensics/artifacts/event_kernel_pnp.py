"""Kernel-PnP/Configuration 400, 410 and 430: a virtual disk or a device of the machines' bus was set up on the host.

When the container manager attaches a disk to build or repair what sandboxes start from, a "Microsoft Virtual Disk"
arrives; a bug report of the product noticed one for each start. So these are times at which the Sandbox may have been
prepared or started, on a host whose other logs are gone; every mounted image makes them as well. All are context, and
other devices are left out. That sandboxes leave them is from memory and that report.

400: a driver was set up; 410: the device started; 430: more is to be installed. Fields: the provider's manifest.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._devices import is_virtual
from forensics.artifacts._evtx import Made, fact, kind, nonzero, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_STEPS = {400: "was set up", 410: "started", 430: "needs more to be installed"}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One step of a device that may belong to a sandbox."""
    device = pick(record, "DeviceInstanceId") or ""
    if not is_virtual(device):
        return
    fields: Made = {
        "device_id": device,
        "device_step": _STEPS[record.event_id],
        "driver_name": pick(record, "DriverName"),
        "parent_device_id": pick(record, "ParentDeviceInstanceId"),
        "service_name": pick(record, "ServiceName"),
        "error_code": nonzero(pick(record, "Status")),
    }
    yield fact("device.configured", record, source, fields, context=True)


ARTIFACT = EventArtifact(
    name="event_kernel_pnp",
    wants={"Microsoft-Windows-Kernel-PnP/Configuration": frozenset(_STEPS)},
    parse=parse,
    emits={
        "device.configured": kind(
            "Device {device_id} {device_step}[, driver {driver_name}][, status {error_code}]",
            {
                "device_id": str, "device_step": str, "driver_name": str, "parent_device_id": str,
                "service_name": str, "error_code": str,
            },
            context=True,
        )
    },
    providers=frozenset({"Microsoft-Windows-Kernel-PnP"}),
)  # fmt: skip
