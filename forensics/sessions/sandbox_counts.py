"""Runs of the Sandbox's programs that are counted and not dated.

UserAssist and prefetch count every run and date the last one, or the last eight; the taskbar's counts have no times.
What is counted beyond the dates is a run at a time that nobody kept: it may be that of a session which other evidence
tells of, or of one that nothing else does. A switch to a window says that it was open, not how often it ran.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from forensics.model import Finding
from forensics.sessions.rows import People, Row, Rows, because, ids_of
from forensics.sessions.sandbox_launch import role
from forensics.sessions.texts import basename

_KINDS = {"userassist.run": "UserAssist", "prefetch.run": "prefetch"}
_PARTS = ("launcher", "client", "cli")
_WINDOW = {"AppSwitched": "switches to its window", "AppBadgeUpdated": "changes of its badge", "AppLaunch": "starts"}


@dataclass(slots=True)
class Counts:
    """Reasons about counts, with their rows."""

    reasons: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


def counted(executions: list[Row], rows: Rows) -> Counts:
    """A reason for each artifact of a session that counts more runs than it dates."""
    told = Counts()
    done: set[tuple[str, str]] = set()
    for row in executions:
        count, name = row.fields.get("run_count"), _KINDS.get(row.kind, "")
        if not name or not isinstance(count, int) or role(row) not in _PARTS or _place(row) in done:
            continue
        done.add(_place(row))
        same = [other for other in rows.of(row.kind) if _place(other) == _place(row) and other.time]
        dated = {other.time for other in same}
        if count > len(dated):
            text = f"{name} counts {count} runs of {_program(row)}, of which {len(dated)} {_are(len(dated))} dated"
            told.reasons.append(because(f"{text}: when the others were it does not keep", same))
            told.rows += same
    return told


def undated(rows: Rows, people: People, label: str) -> list[Finding]:
    """The counts that have no time at all: no session is made of them."""
    found = []
    for row in rows.of("userassist.run"):
        count = row.fields.get("run_count")
        if row.time is None and isinstance(count, int) and count and role(row) in _PARTS:
            runs = f"{count} run{'s' if count > 1 else ''}"
            found.append(_finding(row, people, label, f"UserAssist counts {runs} of {_program(row)}"))
    for row in rows.of("taskbar.used"):
        count, what = row.fields.get("use_count"), _WINDOW.get(row.get("taskbar_action"))
        if isinstance(count, int) and count and what and role(row) in _PARTS:
            text = f"the taskbar (FeatureUsage) counts {count} {what} of {_program(row)}"
            found.append(_finding(row, people, label, text))
    return found


def _finding(row: Row, people: People, label: str, text: str) -> Finding:
    name, sid = people.of(row)
    by = f" for {name or sid}" if name or sid else ""
    why = f"{text}{by}, without a time: it ran at least once; whether in a session that is listed is not recorded"
    return Finding("sandbox.runs_counted", "informational", because(why, [row]), ids_of([row]), label)


def _place(row: Row) -> tuple[str, str]:
    """What one count is kept in: a registry value, or a prefetch file, whose runs have places of their own."""
    return row.source.path, row.source.locator if row.kind == "userassist.run" else ""


def _program(row: Row) -> str:
    return basename(row.first("executable_name", "executable"))


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
