"""The anchor of a sandbox session: one run of one virtual machine.

The host writes of every VM to several logs that know nothing of each other (Hyper-V-Compute 2000-2007, Worker 185xx,
VmSwitch 232/233, VHDMP 12, process starts of vmwp and cmproxyd). Rows are put together by the VM's GUID and cut into
runs; what else runs on the same machinery (WSL, Docker, Hyper-V machines, Application Guard, the container manager's
own template VMs) is told apart here. Event ids and their texts are sourced, their use by the Sandbox partly inferred.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from forensics.rules import load
from forensics.sessions.exits import Exits, image
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import Row, Rows, because
from forensics.sessions.sandbox_disk import (
    DISK_KINDS,
    in_old_layout,
    is_disk_trace,
    is_session_disk,
    seconds,
    storage_id,
)
from forensics.sessions.sandbox_kind import Strangers, judge
from forensics.sessions.texts import guid, machine_of_sid

_RUNNING = frozenset({"compute.started", "vm.started"})
_OPENING = _RUNNING | {"compute.created"}
_START = _OPENING | {
    "vm.nic_connected", "vm.disk_opened", "process.created", "file.created", "logon.succeeded", "usn.file_created",
    "mft.entry",
}  # fmt: skip
# Without a record of the start these say that it is being started or runs.
_SURE = frozenset({"compute.created", "vm.nic_connected", "process.created"})
# Only these open another run of an id: a disk is also opened to be looked at or cleaned up.
_CUTTING = _OPENING | {"process.created", "usn.file_created", "logon.succeeded"}
_STOP = frozenset({
    "compute.shut_down", "compute.terminated", "vm.turned_off", "vm.shut_down", "vm.nic_deleted", "process.exited",
    "usn.file_deleted",
})  # fmt: skip
_VM_KINDS = (
    "compute.created", "compute.started", "compute.shut_down", "compute.terminated", "compute.modified",
    "vm.nic_connected", "vm.nic_deleted", "vm.started", "vm.turned_off", "vm.shut_down", "vm.reset", "vm.disk_opened",
)  # fmt: skip
# 0xC0370103 means "accepted, running asynchronously": the normal answer of the compute service.
_LIMIT = 64 * 1024
_ADAPTER = re.compile(r'networkadapters/|"endpointid"')
_REMOVED = re.compile(r'"requesttype"\s*:\s*"remove"')
_SUCCESS = frozenset({"", "0", "0x0", "0x00000000", "0xc0370103"})


@dataclass(slots=True)
class VmRun:
    """One run of one VM. `verdict`: sandbox | open (nothing says what it is) | other; `marks` say why.

    `basis` are the rows that the marks rest on; some may belong to another run of the same VM.
    """

    vm_id: str | None
    rows: list[Row]
    verdict: str = "open"
    marks: list[str] = field(default_factory=list)
    basis: list[Row] = field(default_factory=list)
    by_disk: bool = False
    named: bool = False
    guarded: str = ""  # why it may as well be Application Guard's

    def _times(self, kinds: frozenset[str]) -> list[datetime]:
        return [row.time for row in self.rows if row.time and row.kind in kinds and not failed(row)]

    @property
    def start(self) -> datetime | None:
        """When the VM started: by 2001 or 18500, else its first trace of a start; None when only an end is left."""
        return min(self._times(_RUNNING) or self._times(_START), default=None)

    @property
    def earliest(self) -> datetime | None:
        """The first trace of the run."""
        return min(self._times(_START), default=None)

    @property
    def latest(self) -> datetime | None:
        """By then every log that tells of the start agrees that it ran; of a run without start its first trace.

        A disk or a logon alone does not say that the machine ran: then it is the next row that does, if there is one.
        """
        start = self.start
        if start is None:
            return min((row.time for row in self.rows if row.time), default=None)
        if not self._times(_RUNNING):
            return min((moment for moment in self._times(_SURE) if moment >= start), default=None)
        first: dict[str, datetime] = {}
        for row in self.rows:
            if row.time and row.kind in _RUNNING and not failed(row):
                first.setdefault(row.kind, row.time)
        near = [moment for moment in first.values() if moment - start <= seconds("launch_before")]
        return max([start, *near])

    @property
    def stops(self) -> list[Row]:
        """The rows that end the run: those after its last start."""
        last = max(self._times(_OPENING), default=self.start)
        return [row for row in self.rows if row.kind in _STOP and row.time and (last is None or row.time >= last)]

    @property
    def networked(self) -> list[Row]:
        """The rows that say a virtual network adapter was connected."""
        return [row for row in self.rows if row.kind == "vm.nic_connected"]

    @property
    def adapters(self) -> list[Row]:
        """The rows that say a network adapter was added to the machine's settings."""
        changed = [row for row in self.rows if row.kind == "compute.modified" and not failed(row)]
        texts = ((row, row.get("settings_json")[:_LIMIT].casefold()) for row in changed)
        return [row for row, text in texts if _ADAPTER.search(text) and not _REMOVED.search(text)]


def failed(row: Row) -> bool:
    """Whether the compute service answered with an error."""
    return row.kind.startswith("compute.") and row.get("result_code").casefold() not in _SUCCESS


def vm_runs(rows: Rows, life: HostLife, exits: Exits) -> list[VmRun]:
    """Every VM run of the host, in order of time, each with its verdict."""
    runs = []
    strangers = Strangers(rows)
    for ident, members in _clusters(rows, exits).items():
        what = judge(ident, members, strangers)
        for part in _cut(members, life):
            marks = [*what.marks, *_says_of_id(part)]
            runs.append(VmRun(_spelling(part), part, what.verdict, marks, list(what.basis), what.by_disk, what.named))
    return sorted(_join_storage(runs), key=lambda run: run.rows[0].order)


def _clusters(rows: Rows, exits: Exits) -> dict[str, list[Row]]:
    clusters: dict[str, list[Row]] = defaultdict(list)
    storage: dict[str, str] = {}
    loose: list[tuple[str, Row]] = []
    for row in rows.of(*_VM_KINDS):
        key, place = _vm_key(row), storage_id(row)
        if key:
            clusters[key].append(row)
            if place:
                storage.setdefault(place, key)
        elif place:
            loose.append((place, row))
    for place, row in [*loose, *_disk_traces(rows)]:
        clusters[storage.get(place, place)].append(row)
    for ident, row in _workers(rows):
        clusters[ident.casefold()] += [row, *exits.of(row)]
    return {key: sorted(members, key=lambda row: row.order) for key, members in sorted(clusters.items())}


def _disk_traces(rows: Rows) -> Iterator[tuple[str, Row]]:
    """Rows about a session's disk that name no machine, with the id of its storage folder."""
    for row in rows.of("file.created"):
        if (place := storage_id(row)) and is_session_disk(row):
            yield place, row
    for row in rows.of(*DISK_KINDS):
        if row.time and (place := storage_id(row)) and is_disk_trace(row):
            yield place, row


def _workers(rows: Rows) -> Iterator[tuple[str, Row]]:
    """Starts and logons of the processes that work for one machine, with its id.

    The worker runs as `NT VIRTUAL MACHINE\\<machine>`, whose SID is made of the machine's id (from memory).
    """
    names = load("sandbox")["names"]
    for row in rows.of("process.created"):
        if image(row) in names["worker"] or image(row) in names["proxy"]:
            sids = (machine_of_sid(row.get(name)) for name in ("target_user_sid", "user_sid"))
            ident = guid(row.get("command_line")) or next((found for found in sids if found), None)
            if ident:
                yield ident, row
    for row in rows.of("logon.succeeded"):
        if ident := _logon_of(row):
            yield ident, row


def _logon_of(row: Row) -> str | None:
    """The machine whose worker logged on."""
    if row.get("target_user_domain").casefold() == "nt virtual machine" and guid(row.get("target_user_name")):
        return guid(row.get("target_user_name"))
    return machine_of_sid(row.get("target_user_sid"))


def _vm_key(row: Row) -> str | None:
    """The VM's id folded; the id of a container, which is no GUID, as it is. All zero: opened by the host itself.

    A NIC of a VM is named `<VM>--<port>`; the host's own adapters on a virtual switch have no such name.
    """
    if "nic_name" in row.fields and "--" not in row.get("nic_name"):
        return None
    text = row.get("vm_id").strip("{}[] ").casefold() or (guid(row.get("nic_name").partition("--")[0]) or "").casefold()
    if not text or not text.strip("0-"):
        return None
    return guid(text) or text


def _cut(members: list[Row], life: HostLife) -> list[list[Row]]:
    """One list per run: a start after a stop (by more than a restart takes) or after a boot opens the next one."""
    runs: list[list[Row]] = [[]]
    stopped: datetime | None = None
    for row in members:
        current = runs[-1]
        if current and row.time and row.kind in _CUTTING and not failed(row):
            last = current[-1].time
            over = stopped is not None and row.time - stopped > seconds("rerun_gap")
            if over or (last is not None and life.boot_between(last, row.time)):
                runs.append([])
                stopped = None
        runs[-1].append(row)
        if row.kind in _STOP and row.time:
            stopped = row.time
    return runs


def _spelling(part: list[Row]) -> str | None:
    """The VM id as the logs spell it, else that of the folder in the older layout.

    A run known by its disk in the newer layout alone has none: the storage's id may differ.
    """
    for row in part:
        found = row.get("vm_id") if guid(row.get("vm_id")) else row.get("nic_name").partition("--")[0]
        if not found and row.kind == "process.created":
            found = row.get("command_line") if guid(row.get("command_line")) else ""
        if guid(found):
            return guid(found)
    for row in part:
        if worker := _logon_of(row) or machine_of_sid(row.get("user_sid")):
            return worker
    return next((_folder_id(row) for row in part if in_old_layout(row) and storage_id(row)), None)


def _folder_id(row: Row) -> str | None:
    return (storage_id(row) or "").upper() or None


def _says_of_id(part: list[Row]) -> list[str]:
    """Say when the id is no more than that of the storage folder."""
    if not disk_only(part) or not any(in_old_layout(row) for row in part):
        return []
    text = "the machine's id is that of its storage folder (so in the layout up to 23H2, by one published dump)"
    return [because(text, [row for row in part if in_old_layout(row)])]


def disk_only(rows: list[Row]) -> bool:
    """Whether nothing but the disk tells of the machine: no row names its id."""
    return all(not guid(row.get("vm_id")) and row.kind in ("file.created", "vm.disk_opened", *DISK_KINDS)
               for row in rows)  # fmt: skip


def _join_storage(runs: list[VmRun]) -> list[VmRun]:
    """A run known by its disk alone is the same as a VM without disk that starts at the same time."""
    alone = [run for run in runs if disk_only(run.rows) and run.start]
    taken: set[int] = set()
    for run in alone:
        near = [
            (abs(other.start - run.start), other.rows[0].order, other)
            for other in runs
            if not disk_only(other.rows) and other.verdict != "other" and other.start and run.start
            and not _has_disk(other) and abs(other.start - run.start) <= seconds("storage_join")
        ]  # fmt: skip
        if near:
            other = min(near, key=lambda item: item[:2])[2]
            other.rows = sorted([*other.rows, *run.rows], key=lambda row: row.order)
            other.verdict, other.by_disk = "sandbox", True
            text = "the disk and the VM are joined by their time (the disk names no VM)"
            other.marks += [*run.marks[:1], because(text, run.rows)]
            taken.add(id(run))
    return [run for run in runs if id(run) not in taken]


def _has_disk(run: VmRun) -> bool:
    return any(is_session_disk(row) for row in run.rows)
