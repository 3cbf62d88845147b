"""System 7045 and Security 4697: a service was installed.

A service is a way to come back and a way to run as SYSTEM: remote execution tools leave one, and `code tunnel service
install` on other platforms does too. 7045 is written on every host, 4697 only with its auditing switched on; both tell
the binary's command line and the account.

Fields: real 7045 records; Microsoft's description of event 4697.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import USER, account, fact, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

# 4697 writes the numbers of the registry, 7045 English words on every language of Windows.
_START = {"0": "boot start", "1": "system start", "2": "auto start", "3": "demand start", "4": "disabled"}

_FIELDS = {
    **USER, "service_name": str, "command_line": str, "service_account": str, "start_type": str, "service_type": str,
}  # fmt: skip


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One installation."""
    fields = account(record)
    start = pick(record, "StartType", "ServiceStartType")
    fields["user_sid"] = fields.get("user_sid") or record.user_sid or None
    fields |= {
        "service_name": pick(record, "ServiceName"),
        "command_line": pick(record, "ImagePath", "ServiceFileName"),
        "service_account": pick(record, "AccountName", "ServiceAccount"),
        "start_type": _START.get(start or "", start),
        "service_type": pick(record, "ServiceType"),
    }
    yield fact("service.installed", record, source, fields)


ARTIFACT = EventArtifact(
    name="event_service_installed",
    wants={"System": frozenset({7045}), "Security": frozenset({4697})},
    parse=parse,
    emits={
        "service.installed": kind(
            "Service installed: {service_name}[, running {command_line}][, as {service_account}][, {start_type}]",
            _FIELDS,
        )
    },
    providers=frozenset({"Service Control Manager", "Microsoft-Windows-Security-Auditing"}),
)
