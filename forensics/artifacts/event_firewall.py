"""Windows Firewall 2004 to 2006, 2052, 2071, 2073, 2097 and 2099: a rule was added, changed or deleted.

A rule that lets port 47000 in was this group's way to its backdoor, and the host network service adds a pair of rules
(`HNS Container Networking - ...`) for each network it makes for sandboxes, WSL and containers (rules/firewall.yml).
A rule for `code.exe` or `node.exe` says that somebody let them listen: a tunnel only goes out, and needs none.
Those, rules for watched programs, and rules that let somebody in and were not made by Windows' own services are kept,
the rest is context. That a sandbox's first network leaves such an event is from memory.

Fields: the provider's manifest; 2004, 2005 and 2006 up to Windows 10, the others since Windows 11. 6 and 17 are the
IANA numbers of TCP and UDP, action 3 allows and 2 blocks, direction 1 is in (published descriptions of 2004).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from forensics.artifacts._evtx import Made, decimal, fact, file_name, flag, kind, nonzero, pick
from forensics.artifacts.base import Deferral, EventArtifact, FieldType
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules import load
from forensics.rules.watch import is_watched

_KINDS = {
    2004: "firewall.rule_added",
    2071: "firewall.rule_added",
    2097: "firewall.rule_added",
    2005: "firewall.rule_changed",
    2073: "firewall.rule_changed",
    2099: "firewall.rule_changed",
    2006: "firewall.rule_deleted",
    2052: "firewall.rule_deleted",
}
_DELETED = frozenset({2006, 2052})
_ABOUT = ("RuleName", "ModifyingApplication", "ApplicationPath", "LocalPorts", "Direction", "Action")
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_IN, _ALLOW = "1", "3"
_DIRECTIONS = {"1": "in", "2": "out"}
_ACTIONS = {"2": "block", "3": "allow"}
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "256": "any"}
_BASE: dict[str, FieldType] = {
    "rule_id": str, "rule_name": str, "changed_by": str, "user_sid": str, "error_code": str,
}  # fmt: skip
_RULE: dict[str, FieldType] = {
    **_BASE, "executable": str, "executable_name": str, "service_name": str, "direction": str, "protocol": str,
    "local_ports": str, "remote_ports": str, "local_addresses": str, "remote_addresses": str, "action": str,
    "enabled": bool,
}  # fmt: skip


@cache
def _ports() -> frozenset[int]:
    return frozenset(load("firewall")["ports"])


def _opens(ports: str) -> bool:
    """Whether the port list of a rule (`443,47000-47010`) holds one that matters."""
    for match in _PORTS.finditer(ports[:4096]):
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        if any(first <= port <= last for port in _ports()):
            return True
    return False


def _lets_in(direction: str, action: str, changed_by: str) -> bool:
    """Whether a rule lets somebody in that Windows' own services did not make."""
    made_by = (file_name(changed_by) or "").casefold()
    let_in = decimal(direction) == _IN and decimal(action) == _ALLOW
    return let_in and made_by not in load("firewall")["own_programs"]


def matters(
    name: str, changed_by: str = "", program: str = "", ports: str = "", direction: str = "", action: str = ""
) -> bool:  # fmt: skip
    """Whether a rule of this name, program, ports and direction is worth keeping by itself."""
    if _lets_in(direction, action, changed_by):
        return True
    lowered = name.casefold()
    known_name = any(text in lowered for text in load("firewall")["rule_names"])
    known_program = (file_name(program) or "").casefold() in load("firewall")["programs"]
    return known_name or known_program or _opens(ports) or is_watched(name, changed_by, program)


def _rule(record: Record) -> Made:
    program = pick(record, "ApplicationPath")
    direction, action = decimal(pick(record, "Direction")), decimal(pick(record, "Action"))
    protocol = decimal(pick(record, "Protocol"))
    return {
        "executable": program,
        "executable_name": file_name(program),
        "service_name": pick(record, "ServiceName"),
        "direction": _DIRECTIONS.get(direction or "", direction),
        "protocol": _PROTOCOLS.get(protocol or "", protocol),
        "local_ports": pick(record, "LocalPorts"),
        "remote_ports": pick(record, "RemotePorts"),
        "local_addresses": pick(record, "LocalAddresses"),
        "remote_addresses": pick(record, "RemoteAddresses"),
        "action": _ACTIONS.get(action or "", action),
        "enabled": flag(pick(record, "Active")),
    }


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One change of a rule."""
    fields: Made = {
        "rule_id": pick(record, "RuleId"),
        "rule_name": pick(record, "RuleName"),
        "changed_by": pick(record, "ModifyingApplication"),
        "user_sid": pick(record, "ModifyingUser"),
        "error_code": nonzero(pick(record, "ErrorCode")),
    }
    about = _ABOUT[:2] if record.event_id in _DELETED else _ABOUT
    if record.event_id not in _DELETED:
        fields |= _rule(record)
    kept = matters(*(record.data.get(name, "") for name in about))
    yield fact(_KINDS[record.event_id], record, source, fields, context=not kept)


_TEXT = "{rule_name}[ ({action} {direction})][, {protocol}][ port {local_ports}][, for {executable}][, by {changed_by}]"

ARTIFACT = EventArtifact(
    name="event_firewall",
    wants={"Microsoft-Windows-Windows Firewall With Advanced Security/Firewall": frozenset(_KINDS)},
    parse=parse,
    emits={
        "firewall.rule_added": kind(f"Firewall rule added: {_TEXT}", _RULE, context=True),
        "firewall.rule_changed": kind(f"Firewall rule changed: {_TEXT}", _RULE, context=True),
        "firewall.rule_deleted": kind("Firewall rule deleted: {rule_name}[, by {changed_by}]", _BASE, context=True),
    },
    providers=frozenset({"Microsoft-Windows-Windows Firewall With Advanced Security"}),
    defers={
        event: Deferral(name, _ABOUT[:2] if event in _DELETED else _ABOUT, matters=matters)
        for event, name in _KINDS.items()
    },
)
