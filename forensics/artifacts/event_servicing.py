"""Setup 7 to 16: a Windows feature is being switched on or off, is, could not be, or waits for a restart.

Windows Sandbox is the optional feature `Containers-DisposableClientVM`. On a host where nobody needs it, its activation
is the first step of the abuse: 7, 13, a restart, then 9, with the client that asked (DISM, the Optional Features
dialog). 8, 14, 10 are the same way off, 12 its failure; 15 and 16 are of a removal with the feature's files (16 is in
one list of the manifest only). Switched off again after use is the other end of the abuse. Other features are context.

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
    8: "feature.disable_started",
    9: "feature.enabled",
    10: "feature.disabled",
    11: "feature.failed",
    12: "feature.disable_failed",
    13: "feature.reboot_required",
    14: "feature.disable_reboot_required",
    15: "feature.disabled",
    16: "feature.disable_failed",
}
_FAILURES, _REMOVALS = frozenset({11, 12, 16}), frozenset({15, 16})
_KEPT = ("containers", "hypervisor", "virtualmachineplatform", "hyper-v", "applicationguard")
_FIELDS = {"update_name": str, "package_name": str, "client_id": str, "user_sid": str}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One step of switching a feature on or off."""
    name = pick(record, "UpdateName")
    fields: Made = {
        "update_name": name,
        "package_name": pick(record, "PackageIdentifier", "Identifier", "PackageName"),
        "client_id": pick(record, "Client", "ClientId"),
        "user_sid": record.user_sid or None,
    }
    if record.event_id in _REMOVALS:
        fields["payload_removed"] = True
    if record.event_id in _FAILURES:
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
        "feature.disable_started": kind(
            "Switching off Windows feature {update_name} began[, asked for by {client_id}]", _FIELDS
        ),
        "feature.disabled": kind(
            "Windows feature {update_name} switched off[, its files removed{payload_removed:flag}]"
            "[, asked for by {client_id}]",
            {**_FIELDS, "payload_removed": bool},
        ),
        "feature.disable_failed": kind(
            "Windows feature {update_name} could not be switched off[, error {error_code}]",
            {**_FIELDS, "error_code": str, "payload_removed": bool},
        ),
        "feature.disable_reboot_required": kind(
            "Windows feature {update_name} needs a restart to be switched off", _FIELDS
        ),
    },
    providers=frozenset({"Microsoft-Windows-Servicing"}),
)
