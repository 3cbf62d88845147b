r"""Firewall rules in SYSTEM: the networks that Windows made for guests, and rules that somebody made for an intruder.

The Host Network Service adds a pair of rules (`HNS Container Networking - DNS (UDP-In) - <network> - 0`) for each
network of guests and never removes it, so the list is a history of such networks; that of the Default Switch, which the
Sandbox uses, is `C08CB7B8-9B3C-408E-8E30-5E16A3AEB444`, that of WSL `790E58B4-7939-4434-9358-89AE7DDBE87F` (public
listings). A rule that lets port 47000 in or names a watched program is a door that was opened: the port is published
for MirrorFace from memory only. Rules of editors and of `node.exe` are context: what runs in a tunnel's terminal may
listen beyond the host, while the tunnel itself only calls out. Other rules (some 500) are not told. All rules share one
key, so the time is that of the last change of any.

Format: `v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=47000|App=...|Name=...|`, [MS-GPFAS] 2.2.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from forensics.artifacts._registry import file_name, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Value, make_fact
from forensics.rules import load
from forensics.rules.watch import is_watched
from forensics.times import Moment

_RULES = "Services\\SharedAccess\\Parameters\\FirewallPolicy\\FirewallRules"
_HNS = re.compile(
    r"^HNS Container Networking - .{1,60}? - \{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.IGNORECASE
)
_PROTOCOLS = {"1": "ICMP", "6": "TCP", "17": "UDP", "58": "ICMPv6"}
_LIMIT = 16 * 1024


class _Rule(NamedTuple):
    """One rule: its fields by lower-case name; a name that comes again (several ports) keeps all its values."""

    value: RegValue
    fields: dict[str, list[str]]

    def get(self, name: str) -> str:
        """All values of a field."""
        return ", ".join(self.fields.get(name, ()))


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for each rule that matters, of every control set; the same rule of an older set is not told again."""
    seen: set[tuple[str, str]] = set()
    for control_set in hive.control_sets():
        key = hive.key(f"{control_set}\\{_RULES}")
        for value in key.values() if key else ():
            text = value.text()
            if key and (value.name, text) not in seen:
                seen.add((value.name, text))
                yield from _row(given, key, _read(value, text), control_set)
    for key in hive.unplaced():
        for value in key.values():
            text = value.text()
            if text.startswith("v2.") and "|Action=" in text:
                yield from _row(given, key, _read(value, text), None)


def _read(value: RegValue, text: str) -> _Rule:
    fields: dict[str, list[str]] = {}
    for part in text[:_LIMIT].split("|"):
        name, equals, data = part.partition("=")
        if equals:
            fields.setdefault(name.casefold(), []).append(data)
    return _Rule(value, fields)


def _row(given: FileInput, key: Key, rule: _Rule, control_set: str | None) -> Iterator[Fact]:
    network = _HNS.match(rule.get("name")) or _HNS.match(rule.value.name)
    kept = _matters(rule)
    if not network and not kept and not _of_editor(rule):
        return
    active = rule.get("active").casefold()
    fields: dict[str, Value | None] = {
        "rule_name": rule.get("name"),
        "rule_action": rule.get("action"),
        "rule_direction": rule.get("dir"),
        "enabled": active == "true" if active in ("true", "false") else None,
        "protocol": _PROTOCOLS.get(rule.get("protocol"), rule.get("protocol")),
        "local_ports": rule.get("lport"),
        "remote_ports": rule.get("rport"),
        "remote_addresses": ", ".join(filter(None, (rule.get("ra4"), rule.get("ra6")))),
        "executable": rule.get("app"),
        "service_name": rule.get("svc"),
        "network_id": network.group(1).upper() if network else None,
        "network_meaning": _meaning(network.group(1)) if network else None,
        "control_set": control_set,
        "key_path": key.path,
        "value_name": rule.value.name,
    }
    times: dict[str, Moment | None] = {"Content Modification Time": key.last_write}
    source = place(given, key, rule.value.name)
    yield make_fact("firewall.rule", source, times, fields, context=network is not None or not kept)


def _matters(rule: _Rule) -> bool:
    ports = {port.strip() for text in rule.fields.get("lport", ()) for port in text.split(",")}
    if ports & {str(port) for port in load("firewall")["ports"]}:
        return True
    return is_watched(rule.get("app"), rule.get("name"), rule.value.name)


def _of_editor(rule: _Rule) -> bool:
    return any(file_name(program).casefold() in load("firewall")["programs"] for program in rule.fields.get("app", ()))


def _meaning(network: str) -> str | None:
    names: dict[str, str] = load("firewall")["networks"]
    return names.get(network.upper())


ARTIFACT = RegistryArtifact(
    name="hns_firewall_rules",
    hives=frozenset({"SYSTEM"}),
    parse=parse,
    emits={
        "firewall.rule": Kind(
            "Firewall rule {rule_name}[: {rule_action}][ {rule_direction}][, {protocol}][ port {local_ports}]"
            "[, program {executable}][, network of {network_meaning}]",
            {
                "rule_name": str,
                "rule_action": str,
                "rule_direction": str,
                "enabled": bool,
                "protocol": str,
                "local_ports": str,
                "remote_ports": str,
                "remote_addresses": str,
                "executable": str,
                "service_name": str,
                "network_id": str,
                "network_meaning": str,
                "control_set": str,
                "key_path": str,
                "value_name": str,
            },
        )
    },
    deleted=True,
)
