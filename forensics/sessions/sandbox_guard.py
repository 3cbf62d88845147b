"""Whether a machine may be one of Application Guard, which shares the Sandbox's service, folder and names of disks.

Told apart by what only one of them has: a name or owner, a launch, the programs of each (`hvsimgr.exe` and the like),
the feature and its files. Where Application Guard's own manager is not on the host it cannot have started anything.
That it is not part of Windows from 24H2 on, hence has no disk in the layout of that version, is from memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from forensics.rules import load
from forensics.sessions.exits import image
from forensics.sessions.rows import Row, Rows, because
from forensics.sessions.sandbox_disk import in_new_layout, is_session_disk, seconds
from forensics.sessions.sandbox_launch import executions, role
from forensics.sessions.sandbox_vm import VmRun
from forensics.sessions.texts import norm

# What tells of a run of its programs; the other kinds name a file that is or was there, or a change of the feature.
_RUNS = ("process.created", "prefetch.run", "bam.run", "userassist.run")
_FILES = ("mft.entry", "usn.file_created", "usn.file_renamed", "usn.file_linked", "shimcache.entry", "amcache.file")
_FEATURE = ("feature.change_started", "feature.enabled", "feature.disabled")
_PROGRAM = "\\windows\\system32\\windowssandbox.exe"


@dataclass(slots=True)
class Told:
    """Whether a machine is told from Application Guard, in words, with the rows: `apart` None where nothing tells."""

    apart: bool | None = None
    text: str = ""
    rows: list[Row] = field(default_factory=list)

    def says(self) -> str:
        """The reason, "" where nothing tells."""
        return because(self.text, self.rows) if self.text else ""


class Guard:
    """What one host's evidence has of Application Guard."""

    def __init__(self, rows: Rows) -> None:
        names = load("sandbox")["names"]["application_guard"]
        runs = [row for row in rows.of(*_RUNS) if image(row) in names]
        self._starts = [row.time for row in runs if row.time]
        files = [row for row in rows.of(*_FILES) if image(row) in names or norm(row.get("file_path")) in _paths(names)]
        self.seen = [*runs, *files, *_feature(rows)]
        self._missing = [] if self.seen else _missing(rows)
        mine = (row for row in executions(rows) if row.time and role(row) != "proxy")
        self._mine = [row.time for row in mine if row.time]

    def started(self, run: VmRun) -> bool:
        """Whether Application Guard started this machine.

        Where programs of both are remembered at that time the nearer one is taken for the starter.
        """
        start = run.start
        if start is None or run.named:
            return False
        guard, own = _nearest(self._starts, start), _nearest(self._mine, start)
        return guard is not None and guard <= seconds("launch_before") and (own is None or guard <= own)

    def of(self, run: VmRun) -> Told:
        """What tells the machine from one of Application Guard, beside a launch."""
        disks = [row for row in run.rows if is_session_disk(row)]
        if run.named:
            return Told(apart=True)
        if disks and all(in_new_layout(row) for row in disks):
            text = "not Application Guard's: its disk lies in the layout from 24H2 on, which has none (from memory)"
            return Told(apart=True, text=text, rows=disks)
        if self._missing:
            text = (
                "not Application Guard's: the master file table has WindowsSandbox.exe in System32 and no program of "
                "Application Guard (inference: as it is now, so it was then)"
            )
            return Told(apart=True, text=text, rows=self._missing)
        own = _nearest(self._mine, run.start) if run.start else None
        if self.seen and (own is None or own > seconds("launch_before")):
            text = "Application Guard, which uses the same service and disks, is or was on this host"
            return Told(apart=False, text=text, rows=self.seen)
        return Told()


def _paths(names: list[str]) -> frozenset[str]:
    return frozenset(f"\\windows\\system32\\{name}" for name in names)


def _feature(rows: Rows) -> list[Row]:
    """The steps of switching the feature on or off, and its package where that is installed."""
    words, on = load("features")["guard"], load("features")["on_states"]
    found = [row for row in rows.of(*_FEATURE) if _names(row.get("update_name"), words)]
    packages = (row for row in rows.of("feature.package") if row.get("package_state") in on)
    return [*found, *(row for row in packages if _names(row.get("package_name"), words))]


def _names(text: str, words: list[str]) -> bool:
    folded = text.casefold()
    return any(word in folded for word in words)


def _missing(rows: Rows) -> list[Row]:
    """The entries of WindowsSandbox.exe in a file table without damage: where that is told, Guard's would be."""
    whole = {row.source.path for row in rows.of("mft.table") if row.get("missing_parts") in ("", "0")}
    return [
        row for row in rows.of("mft.entry")
        if norm(row.get("file_path")) == _PROGRAM and row.fields.get("file_deleted") is not True
        and row.source.path in whole and not row.snapshot
    ]  # fmt: skip


def _nearest(moments: list[datetime], start: datetime) -> timedelta | None:
    return min((abs(moment - start) for moment in moments), default=None)
