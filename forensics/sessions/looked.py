"""How far the evidence could be looked at, asked when a session says that something is not there.

"Nothing found", "not collected" and "could not be read" are three different things, and a log that begins after a
session says nothing of it either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from forensics.model import Coverage
from forensics.sessions.rows import stamp
from forensics.sessions.texts import basename

# What a reader calls the sources, with the artifacts that read them.
SOURCES = {
    "process starts in the Security log": "event_process_audit",
    "process starts of Sysmon": "event_sysmon",
    "prefetch": "prefetch",
    "UserAssist": "userassist",
    "BAM": "bam",
    "the Hyper-V compute log": "event_compute",
    "the Hyper-V worker log": "event_vm_worker",
    "the virtual disk log": "event_vhdmp",
    "the logs of virtual switches": "event_vmswitch",
    "the change journal": "usn_journal",
    "the master file table": "mft_entries",
    "boots and shutdowns in the System log": "event_system_power",
    ".wsb files": "wsb_files",
    "the CLI's log": "tunnel_log",
    "the server's logs": "remoteagent_log",
    "the server's console log": "tunnel_server_log",
    "network use in SRUM": "srum",
}
LAUNCH = ("process starts in the Security log", "process starts of Sysmon")
PERSON = (*LAUNCH, "UserAssist", "BAM")
MACHINE = ("the Hyper-V compute log", "the Hyper-V worker log", "the virtual disk log", "the change journal")
ENDS = (*MACHINE[:2], "the change journal", "boots and shutdowns in the System log")
SWITCH = "the logs of virtual switches"
FILES = (".wsb files", "the master file table", "the change journal")

NOT_COLLECTED, UNREADABLE, NOTHING = "not collected", "could not be read", "nothing found"


class Looked:
    """The coverage of one host's evidence; empty where nobody gave it, and then nothing is claimed."""

    def __init__(self, coverage: Sequence[Coverage] = ()) -> None:
        self._rows = {row.artifact: row for row in coverage}

    @property
    def known(self) -> bool:
        """Whether it is known at all how far the evidence could be looked at."""
        return bool(self._rows)

    def state(self, artifact: str) -> str:
        """The state of an artifact's coverage; "" where nobody gave it."""
        row = self._rows.get(artifact)
        return row.state if row else ""

    def word(self, source: str, moment: datetime | None) -> str:
        """What became of a source of SOURCES that has no row about `moment`; "" where that is not known."""
        row = self._rows.get(SOURCES[source])
        if row is None:
            return ""
        if row.state == "not_collected":
            return NOT_COLLECTED
        if row.state == "unreadable":
            return UNREADABLE
        reach = _reach(row, moment)
        partly = ", of what could be read" if row.state == "partial" else ""
        return reach or NOTHING + partly

    def covers(self, source: str, moment: datetime | None, log: str) -> bool:
        """Whether that log of a source (by its file name) was read and holds records from before and after `moment`."""
        row = self._rows.get(SOURCES[source])
        return (
            row is not None
            and moment is not None
            and any(
                span.first and span.last and span.first <= moment <= span.last and basename(span.path) == log
                for span in row.spans
            )
        )

    def told(self, sources: Iterable[str], moment: datetime | None) -> str:
        """The words of several sources, as a list in brackets; "" where nothing is known."""
        words = [(source, word) for source in sources if (word := self.word(source, moment))]
        return f" ({'; '.join(f'{source}: {word}' for source, word in words)})" if words else ""


def _reach(row: Coverage, moment: datetime | None) -> str:
    """Said of logs that do not hold the moment; "" of one that does, and of what is no log."""
    if not row.spans or moment is None:
        return ""
    held = [(span.first, span.until) for span in row.spans if span.first and span.until]
    if not held:
        return "collected, without a record"
    if any(first <= moment <= last for first, last in held):
        return ""
    return f"collected, from {stamp(min(first for first, _ in held))} to {stamp(max(last for _, last in held))} only"
