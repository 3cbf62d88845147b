r"""Remote desktop sessions on this host: LocalSessionManager 21 to 25, 39 and 40, RemoteConnectionManager 1149.

Who was at this desktop from where, in small logs that outlive the Security log by months and are often forgotten when
that is cleared. 21 and 25 name the address that a session came from; `LOCAL` is the keyboard in front of the machine.
1149 says that a client reached the logon (Microsoft calls it successful authentication; without network level
authentication nobody had proved anything yet: from memory). An address of the loopback network is a forwarded port, as
tunnelling tools make it, and one of a VPN gateway may stand for all its users. Local sessions are context.

Fields of 1149: a public record of Windows 7 (UserData `EventXML`: Param1 to Param3 are user, domain and address); those
of the other log (User, SessionID, Address) are from memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, fact, kind, named_account, pick
from forensics.artifacts.base import EventArtifact, FieldType
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_LOCAL = "local"
_SESSIONS = {
    21: "logged on", 22: "shell started", 23: "logged off", 24: "disconnected", 25: "reconnected",
    39: "disconnected by another session", 40: "disconnected",
}  # fmt: skip
_REACHED = 1149


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One step of a session, or one client that reached the logon."""
    if record.event_id == _REACHED:
        fields: Made = {
            "user_name": pick(record, "Param1"),
            "user_domain": pick(record, "Param2"),
            "source_ip": pick(record, "Param3"),
        }
        yield fact("rdp.client_reached", record, source, fields)
        return
    address = pick(record, "Address")
    remote = bool(address) and str(address).casefold() != _LOCAL
    fields = {
        **named_account(pick(record, "User")),
        "session_id": pick(record, "SessionID", "Session"),
        "source_ip": address,
        "action": _SESSIONS[record.event_id],
        "result_code": pick(record, "Reason"),
    }
    yield fact("rdp.session", record, source, fields, context=not remote)


_WHO: dict[str, FieldType] = {"user_name": str, "user_domain": str, "user_sid": str, "source_ip": str}

ARTIFACT = EventArtifact(
    name="event_rdp_sessions",
    wants={
        "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational": frozenset(_SESSIONS),
        "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational": frozenset({_REACHED}),
    },
    parse=parse,
    emits={
        "rdp.session": kind(
            "Session[ {session_id}][ of {user_name}] {action}[, from {source_ip}][, reason {result_code}]",
            {**_WHO, "session_id": str, "action": str, "result_code": str},
            context=True,
        ),
        "rdp.client_reached": kind(
            "Remote desktop client[ of {user_name}] reached the logon[, from {source_ip}]", _WHO
        ),
    },
)
