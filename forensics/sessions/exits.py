"""Which recorded process end belongs to which recorded process start."""

from __future__ import annotations

from collections import defaultdict

from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import Row, Rows
from forensics.sessions.texts import basename, pid


class Exits:
    """The process.exited rows, to be asked for the end of one process.created row.

    Process ids are reused: the end is the first one of that id and image after the start and before the next boot.
    """

    def __init__(self, rows: Rows, life: HostLife) -> None:
        self._life = life
        self._by_guid: dict[str, Row] = {}
        self._by_pid: dict[tuple[str, int], list[Row]] = defaultdict(list)
        for row in rows.of("process.exited"):
            number = pid(row.get("pid"))
            if row.get("process_guid"):
                self._by_guid.setdefault(row.get("process_guid").casefold(), row)
            if number is not None:
                self._by_pid[image(row), number].append(row)

    def of(self, start: Row) -> list[Row]:
        """The end of the process in each log that holds it: none, one, or one by Sysmon and one by 4689."""
        if start.time is None:
            return []
        found = [row for row in (self._by_guid.get(start.get("process_guid").casefold()),) if row is not None]
        number = pid(start.get("pid"))
        if number is not None:
            later = (row for row in self._by_pid.get((image(start), number), ()) if row.time and row.time >= start.time)
            first = next(later, None)
            if first and first.time and not self._life.boot_between(start.time, first.time):
                found.append(first)
        return list({row.id: row for row in found}.values())


def image(row: Row) -> str:
    """The file name of a process row's image, folded."""
    return basename(row.first("executable", "executable_name"))
