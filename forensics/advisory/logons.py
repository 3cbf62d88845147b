"""Logons from other machines, grouped by the address they came from.

The warning says that one LAN-side address of a VPN device may hide many users, and that the loopback address appeared
as a source: a port that a tool forwards. So both are marked, and what came from an address is told together.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from forensics.advisory.hits import marks
from forensics.locales import say
from forensics.logontally import REMOTE_TYPES, LogonSource
from forensics.model import Said
from forensics.rules import load
from forensics.sessions.rows import Row, Rows, short, stamp

_KINDS = ("rdp.session", "rdp.client_reached", "logon.succeeded", "logon.explicit")
_MANY_USERS = 3
_GATEWAYS = (1, 254)  # last octets that gateways are usually given
_SHOWN = 8
_MOST_EVENTS = 20  # of one address


@dataclass(slots=True)
class _Source:
    what: Counter[str] = field(default_factory=Counter)
    users: Counter[str] = field(default_factory=Counter)
    times: list[datetime] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def add(self, what: str, user: str, count: int, times: Iterable[datetime | None]) -> None:
        self.what[what] += count
        self.users[user or "?"] += count
        self.times += [moment for moment in times if moment]


def remote(rows: Rows, counted: Iterable[LogonSource] = ()) -> tuple[list[Said], list[str]]:
    """A sentence for each source address, the busiest first, and the rows behind them.

    What was `counted` is not counted by its rows again: they are only some of it.
    """
    sources: dict[str, _Source] = defaultdict(_Source)
    known = list(counted)
    for item in known:
        sources[item.address].add(item.manner, item.user, item.count, (item.first, item.last))
    told_of = {(item.address, item.manner) for item in known}
    for row in rows.of(*_KINDS):
        if told := _told(row):
            address, what = told
            if told not in told_of:
                sources[address].add(what, row.first("target_user_name", "user_name"), 1, [row.time])
            sources[address].events.append(row.id)
    ranked = sorted(sources.items(), key=lambda item: (-sum(item[1].what.values()), item[0]))
    most = load("advisory")["most_hits"]
    said = [_sentence(address, source) for address, source in ranked[:most]]
    if len(ranked) > most:
        said.append(say("hit.more", count=len(ranked) - most))
    return said, [ident for _, source in ranked for ident in source.events[:_MOST_EVENTS]]


def _told(row: Row) -> tuple[str, str] | None:
    """Address and manner of a logon from elsewhere; None for one at the machine itself."""
    address = row.get("source_ip").strip()
    if address.casefold() in ("", "-", "local"):
        return None
    if row.kind == "logon.succeeded":
        kind = row.get("logon_type")
        return (address, f"4624 type {kind}") if kind in REMOTE_TYPES else None
    if row.kind == "logon.explicit":
        return address, "4648"
    action = row.get("action")
    return address, f"RDP {action}" if action else "RDP 1149"


def _sentence(address: str, source: _Source) -> Said:
    users = [f"{name} ({count})" for name, count in source.users.most_common(_SHOWN)]
    more = f" +{len(source.users) - _SHOWN}" if len(source.users) > _SHOWN else ""
    return say(
        "logon.source",
        address=short(address, 60),
        count=sum(source.what.values()),
        what=", ".join(f"{name}: {count}" for name, count in sorted(source.what.items())),
        first=stamp(min(source.times)) if source.times else "?",
        last=stamp(max(source.times)) if source.times else "?",
        users=", ".join(users) + more,
        marks=marks(list(_marks(address, source.users))),
    )


def _marks(address: str, users: Iterable[str]) -> Iterator[str]:
    try:
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return
    plain = getattr(found, "ipv4_mapped", None) or found
    if plain.is_loopback:
        yield "loopback"
    elif len(set(users)) >= _MANY_USERS or (plain.version == 4 and plain.packed[-1] in _GATEWAYS):
        yield "gateway"
