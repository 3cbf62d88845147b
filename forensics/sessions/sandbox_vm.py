"""The anchor of a sandbox session: one run of one virtual machine.

The host writes of every VM to several logs that know nothing of each other (Hyper-V-Compute 2000-2007, Worker 185xx,
VmSwitch 232/233, VHDMP 12, process starts of vmwp and cmproxyd). Rows are put together by the VM's GUID and cut into
runs; what else runs on the same machinery (WSL, Docker, Hyper-V machines, Application Guard, the container manager's
own template VMs) is told apart here. Event ids and their texts are sourced, their use by the Sandbox partly inferred.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from forensics.rules import load
from forensics.sessions.exits import Exits, image
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import Row, Rows, because
from forensics.sessions.texts import guid

_RUNNING = frozenset({"compute.started", "vm.started"})
_OPENING = _RUNNING | {"compute.created"}
_START = _OPENING | {"vm.nic_connected", "vm.disk_opened", "process.created", "file.created"}
# Only these open another run of an id: a disk is also opened to be looked at or cleaned up.
_CUTTING = _OPENING | {"process.created"}
_STOP = frozenset(
    {"compute.shut_down", "compute.terminated", "vm.turned_off", "vm.shut_down", "vm.nic_deleted", "process.exited"}
)
_VM_KINDS = (
    "compute.created", "compute.started", "compute.shut_down", "compute.terminated", "compute.modified",
    "vm.nic_connected", "vm.nic_deleted", "vm.started", "vm.turned_off", "vm.shut_down", "vm.reset", "vm.disk_opened",
)  # fmt: skip
# 0xC0370103 means "accepted, running asynchronously": the normal answer of the compute service.
_SUCCESS = frozenset({"", "0", "0x0", "0x00000000", "0xc0370103"})
_OWNER = re.compile(r'"Owner"\s*:\s*"([^"]{1,80})"', re.IGNORECASE)


@cache
def words() -> dict[str, Any]:
    """The `vm` part of rules/sandbox.yml with its patterns compiled."""
    data = dict(load("sandbox")["vm"])
    for name in ("session_disk", "storage_id", "template_disk"):
        data[name] = re.compile(data[name], re.IGNORECASE)
    return data


@cache
def seconds(name: str) -> timedelta:
    """A time window of rules/sandbox.yml."""
    return timedelta(seconds=load("sandbox")["windows"][name])


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
        """By then every log that tells of the start agrees that it ran; of a run without start its first trace."""
        start = self.start
        if start is None:
            return min((row.time for row in self.rows if row.time), default=None)
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


def failed(row: Row) -> bool:
    """Whether the compute service answered with an error."""
    return row.kind.startswith("compute.") and row.get("result_code").casefold() not in _SUCCESS


def is_session_disk(row: Row) -> bool:
    """Whether the row names a sandbox.vhdx or .vmgs below the container manager's session folders."""
    path = row.first("disk_path", "file_path").replace("/", "\\")
    return bool(words()["session_disk"].search(path))


def vm_runs(rows: Rows, life: HostLife, exits: Exits) -> list[VmRun]:
    """Every VM run of the host, in order of time, each with its verdict."""
    runs = []
    for members in _clusters(rows, exits).values():
        found = [VmRun(_spelling(part), part) for part in _cut(members, life)]
        for run in found:
            _judge(run, members)
        runs.extend(found)
    return sorted(_join_storage(runs), key=lambda run: run.rows[0].order)


def _clusters(rows: Rows, exits: Exits) -> dict[str, list[Row]]:
    clusters: dict[str, list[Row]] = defaultdict(list)
    storage: dict[str, str] = {}
    loose: list[tuple[str, Row]] = []
    for row in rows.of(*_VM_KINDS):
        key, place = _vm_key(row), _storage_id(row)
        if key:
            clusters[key].append(row)
            if place:
                storage.setdefault(place, key)
        elif place:
            loose.append((place, row))
    loose += [(place, row) for row in rows.of("file.created") if (place := _storage_id(row)) and is_session_disk(row)]
    for place, row in loose:
        clusters[storage.get(place, place)].append(row)
    for row in rows.of("process.created"):
        _add_process(row, clusters, exits)
    return {key: sorted(members, key=lambda row: row.order) for key, members in sorted(clusters.items())}


def _add_process(row: Row, clusters: dict[str, list[Row]], exits: Exits) -> None:
    names = load("sandbox")["names"]
    if image(row) not in names["worker"] and image(row) not in names["proxy"]:
        return
    ident = guid(row.get("command_line"))
    if ident:
        clusters[ident.casefold()] += [row, *exits.of(row)]


def _vm_key(row: Row) -> str | None:
    """The VM's id folded; the id of a container, which is no GUID, as it is. All zero: opened by the host itself.

    A NIC of a VM is named `<VM>--<port>`; the host's own adapters on a virtual switch have no such name.
    """
    if "nic_name" in row.fields and "--" not in row.get("nic_name"):
        return None
    text = row.get("vm_id").strip("{}[] ").casefold()
    if not text or not text.strip("0-"):
        return None
    return guid(text) or text


def _storage_id(row: Row) -> str | None:
    match = words()["storage_id"].search(row.first("disk_path", "file_path").replace("/", "\\"))
    return match.group(1).casefold() if match else None


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
    """The VM id as the logs spell it; a run known by its disk alone has none (the storage id may differ from 24H2)."""
    for row in part:
        found = row.get("vm_id") if guid(row.get("vm_id")) else ""
        if not found and row.kind == "process.created":
            found = row.get("command_line")
        if found:
            return guid(found)
    return None


def _judge(run: VmRun, members: list[Row]) -> None:
    """Say what the VM is, from all that is known of its id."""
    word = words()
    disks = [row for row in members if row.first("disk_path", "file_path")]
    session = [row for row in disks if is_session_disk(row)]
    template = [row for row in disks if word["template_disk"].search(row.get("disk_path").replace("/", "\\"))]
    owned = _labels(members)
    if session:
        run.verdict = "sandbox"
        run.marks.append(because("a session disk of the Sandbox was opened", session))
        run.basis += session
    elif template or _managed(owned) or _foreign(members, disks, owned):
        run.verdict = "other"
    elif named := [row for label, row in owned if label in word["sandbox_names"] + word["sandbox_owners"]]:
        run.verdict = "sandbox"
        run.marks.append(because("the VM is named or owned as Windows Sandbox", named))
        run.basis += named


def _labels(members: Iterable[Row]) -> list[tuple[str, Row]]:
    """The names and owners that rows give a VM, folded."""
    found = []
    for row in members:
        found += [(match.casefold(), row) for match in _OWNER.findall(row.get("settings_json"))]
        name = row.get("vm_name").casefold().strip()
        if name and not guid(name):
            found.append((name, row))
    return found


def _managed(owned: list[tuple[str, Row]]) -> bool:
    """Whether the container manager keeps the VM for itself, as a template of sandboxes to come."""
    return any(label in words()["template_owners"] for label, _ in owned)


def _foreign(members: list[Row], disks: list[Row], owned: list[tuple[str, Row]]) -> bool:
    """Whether it is WSL, Docker, or a machine that somebody set up in Hyper-V."""
    word = words()
    own_names = word["sandbox_names"] + word["sandbox_owners"] + word["neutral_names"]
    if any(label not in own_names for label, _ in owned):
        return True
    if any(row.get("switch_name").casefold().strip() in word["foreign_switches"] for row in members):
        return True
    text = "\n".join(row.first("disk_path", "file_path").casefold() for row in disks)
    text += "\n".join(row.get("settings_json").casefold().replace("\\\\", "\\") for row in members)
    if any(part in text for part in word["foreign_disks"]):
        return True
    # A container (its id is no GUID), or a machine whose disks all lie elsewhere.
    own_disks = [row for row in disks if "\\containers\\" in row.get("disk_path").casefold().replace("/", "\\")]
    return not guid(next((row.get("vm_id") or row.get("command_line") for row in members), "")) or (
        bool(disks) and not own_disks
    )


def _join_storage(runs: list[VmRun]) -> list[VmRun]:
    """A run known by its disk alone is the same as a VM without disk that starts at the same time."""
    alone = [run for run in runs if run.vm_id is None and run.start]
    taken: set[int] = set()
    for run in alone:
        near = [
            (abs(other.start - run.start), other.rows[0].order, other)
            for other in runs
            if other.vm_id and other.verdict != "other" and other.start and run.start and not _has_disk(other)
            and abs(other.start - run.start) <= seconds("storage_join")
        ]  # fmt: skip
        if near:
            other = min(near, key=lambda item: item[:2])[2]
            other.rows = sorted([*other.rows, *run.rows], key=lambda row: row.order)
            other.verdict = "sandbox"
            other.marks += [*run.marks, "the disk and the VM are joined by their time (the disk names no VM)"]
            taken.add(id(run))
    return [run for run in runs if id(run) not in taken]


def _has_disk(run: VmRun) -> bool:
    return any(is_session_disk(row) for row in run.rows)
