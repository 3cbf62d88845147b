"""Remote-access tools that left something on the host: one finding for each, for information.

That such a program is here accuses nobody. The question it puts is whether its owner knows of it.
"""

from __future__ import annotations

from collections import defaultdict

from forensics.model import Finding
from forensics.sessions.rows import Row, Rows, because, ids_of, stamp

_KIND = "remote_tool.present"
_SHOWN = 5


def findings(rows: Rows, label: str) -> list[Finding]:
    """One finding for each tool: as what it was found, and the earliest time of it."""
    tools: dict[str, list[Row]] = defaultdict(list)
    for row in rows.of(_KIND):
        tools[row.get("tool_name")].append(row)
    return [_finding(name, found, label) for name, found in sorted(tools.items())]


def _finding(name: str, found: list[Row], label: str) -> Finding:
    places = dict.fromkeys(f"{row.get('found_as')} {_place(row)}".strip() for row in found)
    listed = ", ".join(list(places)[:_SHOWN]) + (f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else "")
    times = [row.time for row in found if row.time]
    since = f", first trace {stamp(min(times))}" if times else ""
    gone = "; some of it was deleted" if any(row.deleted for row in found) else ""
    why = (
        f"{name}, with which this machine can be worked on from elsewhere, was installed or used: {listed}{since}{gone}"
    )
    return Finding(_KIND, "informational", because(why, found), ids_of(found), label)


def _place(row: Row) -> str:
    return row.first("service_name", "product_name", "file_path")
