"""WinNat/Oper 1001, 1005, 1017, 1018, 1019 and 1022: flows of guests through the host, and the NATs themselves.

Traffic of a sandbox leaves the host through its NAT and shows in no process's connections: where this channel was
switched on (it is off by default, from memory), it holds the guest's address and the address it talked to, flow by
flow. Flows are context; source is the guest's side, translated the host's.

Fields: the provider's manifest. Addresses are binary SOCKADDR structures (assumed from name and length: the manifest
says only binary), read as such or, where they are text, as address and port. That AddressPrefix holds the address's
bytes in network order is assumed likewise.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from forensics.artifacts._evtx import Made, decimal, fact, guid, kind, number, pick
from forensics.artifacts.base import Deferral, EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_FLOWS = {1001: "nat.flow_opened", 1017: "nat.flow_opened", 1005: "nat.flow_closed", 1018: "nat.flow_closed"}
_INSTANCES = {1019: "nat.instance_created", 1022: "nat.instance_deleted"}
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
_INET, _INET6 = 2, 23  # AF_INET and AF_INET6 of Windows
_SIDES = {
    "source": "InternalSrcAddr",
    "destination": "InternalDstAddr",
    "translated": "ExternalSrcAddr",
}
_FLOW = {
    "source_ip": str, "source_port": str, "destination_ip": str, "destination_port": str, "translated_ip": str,
    "translated_port": str, "protocol": str,
}  # fmt: skip
_INSTANCE = {"nat_name": str, "network_prefix": str, "compartment_id": str, "routing_domain_id": str}


def _endpoint(text: str | None) -> tuple[str | None, str | None]:
    """Address and port of a SOCKADDR in hexadecimal, or of a text `address:port`."""
    try:
        raw = bytes.fromhex(text or "")
    except ValueError:
        return _written(text or "")
    family = int.from_bytes(raw[:2], "little")
    port = str(int.from_bytes(raw[2:4], "big"))
    if family == _INET and len(raw) >= 8:
        return str(IPv4Address(raw[4:8])), port
    if family == _INET6 and len(raw) >= 24:
        return str(IPv6Address(raw[8:24])), port
    return None, None


def _written(text: str) -> tuple[str | None, str | None]:
    host, colon, port = text.rpartition(":")
    try:
        address = ip_address(host.strip("[]") if colon else text.strip())
    except ValueError:
        return None, None
    return str(address), port if colon and port.isdecimal() and len(port) <= 5 else None


def _flow(record: Record) -> Made:
    protocol = decimal(pick(record, "TransportProtocol"))
    fields: Made = {"protocol": _PROTOCOLS.get(protocol or "", protocol)}
    for side, name in _SIDES.items():
        fields[f"{side}_ip"], fields[f"{side}_port"] = _endpoint(pick(record, name))
    return fields


def _instance(record: Record) -> Made:
    prefix = number(pick(record, "AddressPrefix", "ExternalIPInterfaceAddressPrefix"))
    length = number(pick(record, "PrefixLength", "ExternalIPInterfaceAddressPrefixLength"))
    network = None
    if prefix and prefix < 2**32 and length is not None and length <= 32:
        network = f"{IPv4Address(prefix.to_bytes(4, 'little'))}/{length}"
    return {
        "nat_name": pick(record, "InstanceName"),
        "network_prefix": network,
        "compartment_id": decimal(pick(record, "CompartmentId")),
        "routing_domain_id": guid(pick(record, "InternalRoutingDomainId")),
    }


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One flow or instance."""
    if record.event_id in _FLOWS:
        yield fact(_FLOWS[record.event_id], record, source, _flow(record), context=True)
    else:
        yield fact(_INSTANCES[record.event_id], record, source, _instance(record), context=True)


_TEXT = "[{protocol} ]{source_ip}[:{source_port}] to {destination_ip}[:{destination_port}][ as {translated_ip}]"

ARTIFACT = EventArtifact(
    name="event_winnat",
    wants={"Microsoft-Windows-WinNat/Oper": frozenset(_FLOWS) | frozenset(_INSTANCES)},
    parse=parse,
    emits={
        "nat.flow_opened": kind(f"NAT flow opened: {_TEXT}", _FLOW, context=True),
        "nat.flow_closed": kind(f"NAT flow closed: {_TEXT}", _FLOW, context=True),
        "nat.instance_created": kind("NAT {nat_name} created[ for {network_prefix}]", _INSTANCE, context=True),
        "nat.instance_deleted": kind("NAT {nat_name} deleted[ for {network_prefix}]", _INSTANCE, context=True),
    },
    providers=frozenset({"Microsoft-Windows-WinNat"}),
    defers={event: Deferral(name) for event, name in _FLOWS.items()},
)
