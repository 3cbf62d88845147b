"""Setup 7, 9, 11 and 13: a Windows feature is being switched on, is on, could not be, or waits for a restart.

Windows Sandbox is the optional feature `Containers-DisposableClientVM`. On a host where nobody needs it, its activation
is the first step of the abuse: 7, 13, a restart, then 9, with the client that asked (DISM, the Optional Features
dialog). Other features are context.

Fields (UserData, CbsUpdateChangeState): the provider's manifest names updateName, identifier, errorCode and client; the
order of the events is from memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, fact, kind, nonzero, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_KINDS = {
    7: "feature.change_started",
    9: "feature.enabled",
    11: "feature.failed",
    13: "feature.reboot_required",
}
_KEPT = ("containers", "hypervisor", "virtualmachineplatform", "hyper-v")
_FIELDS = {"update_name": str, "package_name": str, "client_id": str, "user_sid": str}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One step of switching a feature on."""
    name = pick(record, "UpdateName")
    fields: Made = {
        "update_name": name,
        "package_name": pick(record, "PackageIdentifier", "Identifier", "PackageName"),
        "client_id": pick(record, "Client", "ClientId"),
        "user_sid": record.user_sid or None,
    }
    if record.event_id == 11:
        fields["error_code"] = nonzero(pick(record, "ErrorCode", "Status"))
    kept = any(word in (name or "").casefold() for word in _KEPT)
    yield fact(_KINDS[record.event_id], record, source, fields, context=not kept)


ARTIFACT = EventArtifact(
    name="event_servicing",
    wants={"Setup": frozenset(_KINDS)},
    parse=parse,
    emits={
        "feature.change_started": kind(
            "Switching on Windows feature {update_name} began[, asked for by {client_id}]", _FIELDS
        ),
        "feature.enabled": kind("Windows feature {update_name} switched on[, asked for by {client_id}]", _FIELDS),
        "feature.failed": kind(
            "Windows feature {update_name} could not be switched on[, error {error_code}]",
            {**_FIELDS, "error_code": str},
        ),
        "feature.reboot_required": kind("Windows feature {update_name} needs a restart to be switched on", _FIELDS),
    },
    providers=frozenset({"Microsoft-Windows-Servicing"}),
)
