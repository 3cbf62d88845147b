"""Events as the timeline makes them, built by hand: a small host with sandboxes, tunnels and what looks like them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from forensics.model import Coverage, Event, Fact, Host, LogSpan, Source, User, Value, Verdicts, event_id
from forensics.sessions import build

DEV = "S-1-5-21-1-2-3-1001"
SYSTEM = "S-1-5-18"
HOST = Host(
    name="WS-1",
    users=(User(DEV, "田中", "C:\\Users\\田中"), User("S-1-5-21-1-2-3-1002", "佐藤", "C:\\Users\\佐藤")),
)
VM = "6C1D2F0A-7B1E-4C35-9E0C-2B0D8C4F7A11"
VM2 = "B2E80D57-0C4A-49D1-8A6F-51F0C9E3D240"
VM3 = "0F3AD6D1-9B1C-47C2-8F2E-8C2D1B0E4A55"
SYSTEM32 = "C:\\Windows\\System32\\"
DAY = datetime(2024, 12, 2, 3, 30, tzinfo=UTC)
MIRRORFACE: dict[str, Value] = {
    "wsb_networking": True,
    "wsb_memory_mb": 1024,
    "wsb_logon_command": "C:\\Users\\WDAGUtilityAccount\\Host\\Public\\AppData\\msiexec.bat",
    "wsb_clipboard": True,
    "wsb_protected_client": False,
    "wsb_mapped_folders": ("C:\\Users -> C:\\Users\\WDAGUtilityAccount\\Host (rw)",),
    "wsb_defaults": ("vGPU", "ClipboardRedirection"),
}


def at(seconds: float) -> datetime:
    """A moment so many seconds after the day's beginning."""
    return DAY + timedelta(seconds=seconds)


class Scene:
    """Collects events; every record gets a place of its own, as in a log."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.undated: list[Fact] = []
        self._count = 0

    def add(
        self, kind: str, seconds: float, *, path: str = "", meaning: str = "Creation Time", **fields: Value
    ) -> Event:
        """One event."""
        self._count += 1
        log = {"process.": "Security", "system.": "System", "task.": "TaskScheduler"}
        channel = next((name for prefix, name in log.items() if kind.startswith(prefix)), "Log")
        source = Source(
            "case", path or f"C:/Windows/System32/winevt/Logs/{channel}.evtx", "ab" * 32, f"record {self._count}"
        )
        if not path:
            fields = {"event_identifier": 1, "channel": channel, **fields}
        ident = event_id(kind, at(seconds), meaning, source, fields)
        user = fields.get("user_name", "")
        event = Event(ident, at(seconds), meaning, kind, kind, "WS-1", str(user), source, fields)
        self.events.append(event)
        return event

    def file(self, kind: str, path: str, times: dict[str, float], locator: str = "", **fields: Value) -> list[Event]:
        """The events of one fact with several times, or an undated fact when it has none."""
        source = Source("case", path, "cd" * 32, locator)
        if not times:
            self.undated.append(Fact(kind, source, {}, fields))
        made = [
            Event(
                event_id(kind, at(sec), meaning, source, fields),
                at(sec),
                meaning,
                kind,
                kind,
                "WS-1",
                "",
                source,
                fields,
            )
            for meaning, sec in times.items()
        ]
        self.events += made
        return made

    def process(self, seconds: float, image: str, command: str = "", **fields: Value) -> Event:
        """A program start as 4688 has it."""
        path = image if "\\" in image else SYSTEM32 + image
        person: dict[str, Value] = {
            "user_sid": DEV,
            "user_name": "田中",
            "parent_executable": "C:\\Windows\\explorer.exe",
        }
        return self.add(
            "process.created", seconds, executable=path, command_line=command or path, **{**person, **fields}
        )

    def vm(self, start: float, end: float | None, vm_id: str = VM, *, nic: bool = False, disk: bool = True) -> None:
        """A sandbox VM's life in every log that tells of it; without `end` nothing says that it stopped."""
        self.add("compute.created", start, vm_id=vm_id, result_code="0xc0370103")
        if disk:
            folder = f"C:\\ProgramData\\Microsoft\\Windows\\Containers\\Sandboxes\\{vm_id}"
            self.add("vm.disk_opened", start + 0.2, vm_id=vm_id, disk_path=f"{folder}\\sandbox.vhdx")
        self.process(start + 0.4, "vmwp.exe", f"vmwp.exe {vm_id}", user_sid=SYSTEM, user_name="WS-1$", pid="3000")
        self.add("compute.started", start + 0.5, vm_id=vm_id, result_code="0x00000000")
        if nic:
            self.add(
                "vm.nic_connected", start + 0.7, vm_id=vm_id, nic_name=f"{vm_id}--{VM3}", switch_name="Default Switch"
            )
        self.add("vm.started", start + 0.9, vm_id=vm_id, vm_name=vm_id)
        if end is not None:
            self.add("vm.turned_off", end, vm_id=vm_id, vm_name=vm_id)
            self.add("compute.terminated", end + 0.5, vm_id=vm_id, result_code="0x00000000")

    def journal(self, action: str, seconds: float, path: str, **fields: Value) -> Event:
        """A row of the change journal: `action` created | written | renamed | deleted."""
        self._count += 1
        meaning = {"deleted": "Content Deletion Time", "created": "Creation Time"}.get(
            action, "Metadata Modification Time"
        )
        about: dict[str, Value] = {"file_path": path, "file_name": path.rpartition("\\")[2]} if path else {}
        (event,) = self.file(
            f"usn.file_{action}", "C:/$Extend/$J", {meaning: seconds}, f"USN {self._count}", **{**about, **fields}
        )
        return event

    def disk(self, start: float, end: float | None, folder: str, ident: str = VM) -> None:
        """A session's disk and state file as the change journal has them, nothing else."""
        place = f"C:\\ProgramData\\Microsoft\\Windows\\Containers\\{folder}\\{ident}"
        for offset, name in enumerate(("sandbox.vhdx", "sandbox.vmgs")):
            self.journal("created", start + offset / 10, f"{place}\\{name}")
            if end is not None:
                self.journal("deleted", end + offset / 10, f"{place}\\{name}")

    def remembered(self, kind: str, seconds: float, name: str = "WindowsSandbox.exe", **fields: Value) -> Event:
        """An execution artifact: userassist.run, prefetch.run or bam.run."""
        self._count += 1
        path = {
            "prefetch.run": f"C:/Windows/Prefetch/{name.upper()}-1.pf",
            "userassist.run": "C:/Users/田中/NTUSER.DAT",
        }
        program = "executable_name" if kind == "prefetch.run" else "executable"
        (event,) = self.file(
            kind, path.get(kind, "C:/Windows/System32/config/SYSTEM"), {"Last Time Executed": seconds},
            f"entry {self._count}", **{program: name, **fields},
        )  # fmt: skip
        return event

    def boot(self, seconds: float) -> Event:
        """6005."""
        return self.add("system.log_started", seconds)

    def build(self, coverage: Sequence[Coverage] = ()) -> Verdicts:
        """What the joins conclude."""
        return build(self.events, HOST, "case", self.undated, coverage)


def looked(artifact: str, state: str, *spans: tuple[float, float] | None, log: str = "System") -> Coverage:
    """How far an artifact could be looked at; a span of a log in seconds, None for a log without a record."""
    logs = tuple(
        LogSpan(f"C:/{log}.evtx", at(span[0]), at(span[1])) if span else LogSpan(f"C:/{log}.evtx") for span in spans
    )
    return Coverage(artifact, (), len(spans), 0, 0, 0, 0, state, spans=logs)
