"""Virtual machines of a described host: what Hyper-V records of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A virtual disk that a virtual machine opens (VHDMP 12); `type` 1 is VHD or VMGS, 2 is VHDX."""

    time: datetime
    path: str
    type: int = 2
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A change of a running compute system (Hyper-V-Compute 2007); `json` as the event prints it."""

    time: datetime
    json: str


@dataclass(frozen=True, kw_only=True)
class Nic:
    """The network card of a virtual machine (VmSwitch 232 and 233)."""

    connected: datetime
    port: str
    switch: str
    switch_name: str
    deleted: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The life of one Hyper-V virtual machine as the host's logs see it. Absent moments write no event."""

    name: str
    id: str
    vm_name: str
    created: datetime
    started: datetime
    running: datetime | None = None
    logon: datetime | None = None
    turned_off: datetime | None = None
    terminated: datetime | None = None
    disks: tuple[Disk, ...] = ()
    settings: tuple[Setting, ...] = ()
    nic: Nic | None = None
    worker_pid: int = 0
    compute_pid: int = 0
