r"""Autostarts that only logs tell of, beside tasks, services and registry values: BITS jobs, Winsock, the logon screen.

Each of these rows joins the entry of that name which a hive, a file or a queue holds, and is one by itself else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from forensics.rules import load
from forensics.sessions.rows import Row, Rows
from forensics.sessions.texts import basename

_SYSTEM = re.compile(r"(?:^|\\)windows\\(?:system32|syswow64)\\[^\\]+$", re.IGNORECASE)  # what that screen starts
# Whatever its place, what these start is in the place of such a program: a shim led the start elsewhere.
_STARTER = re.compile(r"(?:^|\\)windows\\system32\\(?:utilman|winlogon|atbroker)\.exe$", re.IGNORECASE)
_LOCAL = re.compile(r"^(?:file:/{2,3})?(?:[a-z]:[\\/]|\\\\[^\\]|%\w+%)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Logged:
    """One row of a log with the entry that it tells of."""

    mechanism: str
    name: str
    row: Row
    remark: str


def logged(rows: Rows) -> Iterator[Logged]:
    """Every such row, those of one mechanism in order."""
    yield from _bits(rows)
    for row in rows.of("winsock.provider_added"):
        by = row.get("executable") or "a program that is not named"
        remark = f"a layered provider that {by} put into the network stack; its library is not in the log"
        yield Logged("winsock", row.get("entry_name"), row, remark)
    for row in rows.of("process.created"):
        if really := posing(row):
            yield Logged("accessibility_replaced", basename(row.get("executable")), row, f"is really {really}")


def _bits(rows: Rows) -> Iterator[Logged]:
    """Jobs that copy a file within the machine: nobody needs BITS for that, but a job has to end to start its command.

    BITS logs neither the command nor, up to Windows 8, the id of a job that is made: those are joined by name.
    """
    transfers = [row for row in rows.of("bits.transfer") if _LOCAL.match(row.get("url"))]
    titles = {row.get("bits_job").casefold(): row for row in transfers}
    for row in (*transfers, *rows.of("bits.job")):
        first = titles.get(row.get("bits_job").casefold())
        if first is None or not _one_job(first, row):
            continue
        what = f"copies a file of this machine ({first.get('url')}), as a job does that is made for its command"
        job = f"; job {first.get('bits_job_id')}" if first.get("bits_job_id") else ""
        yield Logged("bits_job", row.get("bits_job"), row, f"{what}; which command it starts is not in this log{job}")


def _one_job(one: Row, two: Row) -> bool:
    return not one.get("bits_job_id") or not two.get("bits_job_id") or one.get("bits_job_id") == two.get("bits_job_id")


def posing(row: Row) -> str | None:
    """What a program of the logon screen really is by its version resource, when that is another program."""
    table = load("attacks")["logon_screen"]
    name = basename(row.get("executable"))
    if name not in table["programs"]:
        return None
    if not _SYSTEM.search(row.get("executable")) and not _STARTER.search(row.get("parent_executable")):
        return None
    original = row.get("original_file_name").casefold().removesuffix(".mui")
    if original in table["shells"]:
        return f"{original} by its version resource"
    description = row.get("file_description")
    return f"the program {description!r} by its version resource" if description in table["descriptions"] else None
