"""A sandbox session's disk over its parent, as a host leaves it that lost power: made of real NTFS volumes."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from testdata.render import Rendered
from testdata.writers import ntfs, vhdx
from testdata.writers.evtx import LogWriter
from testdata.writers.hive import HiveWriter
from testdata.writers.providers import event

GUID = "F05A8D27-B3C1-4E94-86D2-1A7E4F90C35B"
CONTAINERS = "ProgramData/Microsoft/Windows/Containers"
DISK = f"{CONTAINERS}/Sandboxes/{GUID}/sandbox.vhdx"
PARENT = f"{CONTAINERS}/BaseImages/8E2B7C41-0D5F-4A96-B3C8-71F2E5A90D64/Snapshot/SnapshotSandbox.vhdx"
GUEST = "A8DC5139-5E6D-4"
DRIVE = f"guest-{GUID.casefold()}:"
LINKAGE = UUID("83ed8c63-0000-4000-8000-00000000000a")
RAN = datetime(2025, 2, 3, 5, 41, 7, 118204, tzinfo=UTC)
WHEN = ntfs.Times(RAN, RAN, RAN, RAN)
SIZE = 24 << 20


def at_host(path: str) -> str:
    """As Windows names it."""
    return "C:\\" + path.replace("/", "\\")


@cache
def volumes() -> tuple[bytes, bytes]:
    """The volume of the base and of the session: the base lacks what was written in the guest."""
    with TemporaryDirectory() as scratch:
        image = Path(scratch) / "volume.img"
        logs, profile = "Windows/System32/winevt/Logs", "Users/WDAGUtilityAccount/Desktop"
        config = "Windows/System32/config"
        steps = [name for path in (logs, profile, config) for name in above(path)]
        told = ntfs.Description({}, dict.fromkeys(steps, WHEN), WHEN, 0x1234)
        known = ntfs.build(image, SIZE, told)
        base = image.read_bytes()
        wsb = b"<Configuration><Networking>Disable</Networking></Configuration>"
        ntfs.change(
            image, told, known,
            {f"{logs}/Security.evtx": _log(Path(scratch)), f"{profile}/nested.wsb": wsb, f"{config}/SYSTEM": _system()},
        )  # fmt: skip
        return base, image.read_bytes()


def above(path: str) -> list[str]:
    """The folder and all above it, the outermost first."""
    parts = path.split("/")
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def _log(folder: Path) -> bytes:
    place = folder / "Security.evtx"
    with LogWriter(place, "Security") as log:
        log.write(event("Security", 4688, RAN, computer=GUEST, data={
            "SubjectUserSid": "S-1-5-21-1-2-3-504", "SubjectUserName": "WDAGUtilityAccount",
            "SubjectDomainName": GUEST, "SubjectLogonId": 0x1234, "NewProcessId": 0x900,
            "NewProcessName": "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", "ProcessId": 0x800,
            "CommandLine": "code.exe tunnel --accept-server-license-terms", "ParentProcessName": "C:\\cmd.exe",
        }))  # fmt: skip
    return place.read_bytes()


def _system() -> bytes:
    writer = HiveWriter("ROOT", RAN, "\\SystemRoot\\System32\\Config\\SYSTEM")
    for key, name, kind, data in (
        ("Select", "Current", 4, 1),
        ("ControlSet001\\Control\\ComputerName\\ComputerName", "ComputerName", 1, GUEST),
        ("ControlSet001\\Services\\Beacon", "ImagePath", 2, "C:\\Users\\Public\\code-tunnel.exe tunnel service"),
        ("ControlSet001\\Services\\Beacon", "Type", 4, 16),
        ("ControlSet001\\Services\\Beacon", "Start", 4, 2),
    ):
        writer.key(key, RAN)
        writer.value(key, name, kind, data)
    return writer.build()


def child(*, log: UUID = UUID(int=0), linkage: UUID = LINKAGE) -> bytes:  # noqa: B008  # immutable
    """The session's disk: only what differs from its parent."""
    base, session = volumes()
    paths = {"parent_linkage": f"{{{linkage}}}", "relative_path": "..\\wrong.vhdx",
             "absolute_win32_path": at_host(PARENT)}  # fmt: skip
    return vhdx.build(session, paths, base, log=log)


def parent() -> bytes:
    """The disk that it stands on."""
    return vhdx.build(volumes()[0], data_write=LINKAGE)


def rendered(data: bytes) -> Rendered:
    """As a file of a scenario."""
    return Rendered(data, WHEN)
