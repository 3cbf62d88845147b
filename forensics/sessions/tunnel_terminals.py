"""What was started or run in a terminal of a tunnel, by the process id of its shell."""

from __future__ import annotations

from collections.abc import Sequence

from forensics.sessions.exits import Exits, image
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import Row, Rows
from forensics.sessions.texts import basename, pid
from forensics.sessions.tunnel_bundle import PROCESS, SHELL, Bundle

Shells = dict[int, list[tuple[Bundle, Row]]]


def terminals(rows: Rows) -> list[Row]:
    """Each start of PowerShell once, by what its log still holds of it: 400, the first 600, or its end alone."""
    found: dict[str, Row] = {}
    for kind in ("powershell.started", "powershell.provider_started", "powershell.stopped"):
        for row in rows.of(kind):
            ident = row.get("powershell_host_id")
            if ident or kind == "powershell.started":
                found.setdefault(ident or row.id, row)
    return sorted(found.values(), key=lambda row: row.order)


def add_typed(bundles: Sequence[Bundle], rows: Rows, exits: Exits, life: HostLife) -> None:
    """Add to each bundle what ran in its shells.

    4688 names the parent's id and image only; an id counts from the shell's start to its end or the next boot.
    """
    shells: Shells = {}
    for bundle in bundles:
        for row in bundle.of(PROCESS):
            number = pid(row.get("pid"))
            if number is not None and "shellintegration" in row.get("command_line").casefold():
                shells.setdefault(number, []).append((bundle, row))
    if not shells:
        return
    for row in rows.of("process.created"):
        _in_terminal(row, pid(row.get("parent_pid")), shells, exits, life)
    for row in rows.of("powershell.script_block"):
        _in_terminal(row, pid(row.get("pid")), shells, exits, life)


def _in_terminal(row: Row, number: int | None, shells: Shells, exits: Exits, life: HostLife) -> None:
    shell = row.get("parent_executable") if row.kind == "process.created" else ""
    for bundle, start in shells.get(number, ()) if number is not None else ():
        if row.time is None or start.time is None or row.time < start.time:
            continue
        ends = exits.of(start)
        over = bool(ends) and ends[0].time is not None and row.time > ends[0].time
        other = bool(shell) and basename(shell) != image(start)
        if not over and not other and not life.boot_between(start.time, row.time):
            bundle.typed[row.id] = row
            bundle.add(PROCESS if row.kind == "process.created" else SHELL, row)
            return
