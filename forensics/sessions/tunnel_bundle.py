"""All rows of one tunnel put together: a tunnel is one data folder of one profile, or one dev tunnel.

The state files, the CLI's log, its server's logs, process starts, the Run value and PowerShell's log each name the data
folder, or at least the profile it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from forensics.model import PersistenceEntry
from forensics.sessions.rows import Row
from forensics.sessions.tunnel_call import TunnelCall

(STATE, LOG, SERVER, PROCESS, SAVED, SHELL, FILES, TRACE, NETWORK, RUN, OTHER) = (
    "state files of the CLI", "log of the CLI", "log of its server", "process events", "editor's file history",
    "PowerShell log", "records of the file system ($MFT, change journal)", "remembered runs of its programs",
    "names of the service looked up or connected to by its process", "autostart entry", "other",
)  # fmt: skip


def line_of(row: Row) -> int:
    """The line of its file that a row comes from; 0 of what has no lines."""
    number = row.source.locator.rpartition(" ")[2]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 12 else 0


def log_order(row: Row) -> tuple[object, ...]:
    """Sort key of lines: a log tells whole seconds, within one its own order counts."""
    return (row.order[0], row.source.path, line_of(row), row.id)


@dataclass(slots=True)
class Bundle:
    """The rows of one tunnel, by kind of evidence; `key` is the data folder made comparable.

    `stated`: some row names the data folder; otherwise it is where the program keeps it unless told otherwise.
    """

    key: str
    data_dir: str
    product: str
    profile: str | None
    stated: bool = False
    parts: dict[str, dict[str, Row]] = field(default_factory=dict)
    calls: list[tuple[Row, TunnelCall]] = field(default_factory=list)
    entries: list[PersistenceEntry] = field(default_factory=list)
    typed: dict[str, Row] = field(default_factory=dict)

    def add(self, part: str, row: Row) -> None:
        """Take a row in as evidence of that kind."""
        self.parts.setdefault(part, {})[row.id] = row

    def drop(self, part: str, rows: Iterable[Row]) -> None:
        """Give up rows that turned out to be of something else."""
        for row in rows:
            self.parts.get(part, {}).pop(row.id, None)

    def of(self, part: str, *kinds: str) -> list[Row]:
        """Its rows of one kind of evidence, narrowed to some kinds of rows."""
        rows = sorted(self.parts.get(part, {}).values(), key=lambda row: row.order)
        return [row for row in rows if not kinds or row.kind in kinds]

    def take(self, other: Bundle) -> None:
        """All that another bundle has, of which it is known to be the same tunnel."""
        for part, rows in other.parts.items():
            self.parts.setdefault(part, {}).update(rows)
        self.calls = sorted([*self.calls, *other.calls], key=lambda item: item[0].order)
        self.entries += other.entries
        self.typed |= other.typed

    @property
    def every(self) -> list[Row]:
        """All rows."""
        return [row for rows in self.parts.values() for row in rows.values()]
