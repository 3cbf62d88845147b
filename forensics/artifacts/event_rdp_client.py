"""TerminalServices-RDPClient 1024 to 1027, 1029, 1102, 1103 and 1105: this host's remote desktop client connected.

The window of Windows Sandbox is a remote desktop client. If it logs here, its connections are the time that somebody
looked at the sandbox, and 1029 says so by itself: it holds the hash of the user name, which for the account inside
every sandbox (WDAGUtilityAccount) is known. A server that is named by a GUID is a virtual machine on the host; a
published record of a Windows 11 host has one. That the Sandbox writes these events is inferred, none has been seen of
it. Other connections are context.

Sources: ids and the hash (Base64 of SHA256 of the UTF-16 name) from the event maps published for Eric Zimmerman's
EvtxECmd; fields from the provider's manifest. The logging account is the client's user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._evtx import Made, decimal, fact, guid, kind, known, pick, worker
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.formats.sandboxids import SANDBOX_USER, user_hash
from forensics.model import Fact, Source

_KINDS = {
    1024: "rdp_client.connecting",
    1025: "rdp_client.connected",
    1026: "rdp_client.disconnected",
    1027: "rdp_client.logged_on",
    1029: "rdp_client.user",
    1102: "rdp_client.transport_started",
    1103: "rdp_client.transport_connected",
    1105: "rdp_client.transport_disconnected",
}
_GUID = re.compile(r"\{?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}?")
_HASH = re.compile(r"[A-Za-z0-9+/]{43}=")
_SANDBOX = user_hash(SANDBOX_USER)
_WHO = {"user_sid": str, "pid": str}
_SERVER = {**_WHO, "destination_host": str, "vm_id": str}


def _server(record: Record) -> Made:
    server = known((pick(record, "Value") or "").strip())
    return {"destination_host": server, "vm_id": guid(server) if server and _GUID.fullmatch(server) else None}


def _user(record: Record) -> Made:
    match = _HASH.search(pick(record, "TraceMessage", "Value") or "")
    found = match.group() if match else None
    return {"user_hash": found, "target_user_name": SANDBOX_USER if found == _SANDBOX else None}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One step of a connection."""
    fields = worker(record)
    if record.event_id in (1024, 1102):
        fields |= _server(record)
    elif record.event_id == 1026:
        fields["result_code"] = decimal(pick(record, "Value"))
    elif record.event_id == 1027:
        fields |= {"target_user_domain": pick(record, "DomainName"), "session_id": decimal(pick(record, "SessionId"))}
    elif record.event_id == 1029:
        fields |= _user(record)
    kept = fields.get("vm_id") or fields.get("target_user_name")
    yield fact(_KINDS[record.event_id], record, source, fields, context=not kept)


ARTIFACT = EventArtifact(
    name="event_rdp_client",
    wants={"Microsoft-Windows-TerminalServices-RDPClient/Operational": frozenset(_KINDS)},
    parse=parse,
    emits={
        "rdp_client.connecting": kind("Remote desktop client connecting to {destination_host}", _SERVER, context=True),
        "rdp_client.connected": kind("Remote desktop client connected", _WHO, context=True),
        "rdp_client.disconnected": kind(
            "Remote desktop client disconnected[, reason {result_code}]", {**_WHO, "result_code": str}, context=True
        ),
        "rdp_client.logged_on": kind(
            "Remote desktop client logged on[ to domain {target_user_domain}][, session {session_id}]",
            {**_WHO, "target_user_domain": str, "session_id": str},
            context=True,
        ),
        "rdp_client.user": kind(
            "Remote desktop client's user name[ is {target_user_name}][, hash {user_hash}]",
            {**_WHO, "target_user_name": str, "user_hash": str},
            context=True,
        ),
        "rdp_client.transport_started": kind(
            "Remote desktop client opened its transport to {destination_host}", _SERVER, context=True
        ),
        "rdp_client.transport_connected": kind("Remote desktop client's transport connected", _WHO, context=True),
        "rdp_client.transport_disconnected": kind("Remote desktop client's transport ended", _WHO, context=True),
    },
    providers=frozenset({"Microsoft-Windows-TerminalServices-ClientActiveXCore"}),
)
