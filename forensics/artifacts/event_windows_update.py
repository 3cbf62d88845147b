"""System 19, 43 and 44 of WindowsUpdateClient: the sandbox's Store app was downloaded and installed.

Windows Update names Store apps in its titles; one with MicrosoftWindows.WindowsSandbox tells when the sandbox of
Windows 11 24H2 came to a host or was renewed. Only titles that are watched are taken; the others say nothing about a
session.

Sources: such a title was published by a project that drives the sandbox; ids and fields are those of the provider's
manifest and of real records. A Windows 10 host's log has Store apps with all three ids, titled `<Store id>-<package
name>`; records of 44 of older builds have no title and cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, decimal, fact, guid, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_KINDS = {19: "update.installed", 43: "update.install_started", 44: "update.download_started"}
_FIELDS = {"update_name": str, "update_id": str, "update_revision": str, "user_sid": str}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One step of an update that matters."""
    title = pick(record, "updateTitle")
    if not title or not is_watched(title):
        return
    fields: Made = {
        "update_name": title,
        "update_id": guid(pick(record, "updateGuid")),
        "update_revision": decimal(pick(record, "updateRevisionNumber")),
        "user_sid": record.user_sid or None,
    }
    yield fact(_KINDS[record.event_id], record, source, fields)


ARTIFACT = EventArtifact(
    name="event_windows_update",
    wants={"System": frozenset(_KINDS)},
    parse=parse,
    emits={
        "update.installed": kind("Update installed: {update_name}", _FIELDS),
        "update.install_started": kind("Installation of update began: {update_name}", _FIELDS),
        "update.download_started": kind("Download of update began: {update_name}", _FIELDS),
    },
    providers=frozenset({"Microsoft-Windows-WindowsUpdateClient"}),
)
