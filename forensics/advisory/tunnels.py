"""What the joins made of tunnels, as answers: whether the program is or was there, and whether it spoke to its relay.

A session that rests on an autostart entry alone proves no program, one that hosted by inference no traffic; but no
"no" stands beside either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from forensics.advisory.hits import moment
from forensics.locales import quoted, say
from forensics.model import Finding, PersistenceEntry, Said, TunnelSession, Verdicts
from forensics.sessions.rows import short

_SURE = ("confirmed", "probable")
_SHOWN = 200


@dataclass(slots=True)
class Heard:
    """`found`: it is so; `weak`: something speaks of it, which is too little for a yes and too much for a no."""

    found: bool = False
    weak: bool = False
    why: list[Said] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def add(self, said: Said, events: Iterable[str], *, sure: bool) -> None:
        """Take in one thing that speaks of it."""
        self.found |= sure
        self.weak |= not sure
        self.why.append(said)
        self.events += events


def programs(question: Mapping[str, Any], verdicts: Verdicts) -> Heard:
    """Sessions, autostart entries and findings that speak of VS Code's command line or devtunnel, under any name."""
    heard = Heard()
    for item in verdicts.tunnel_sessions:
        heard.add(_session("tunnel.session", item), item.events, sure=item.certainty in _SURE)
    pattern = re.compile(question["names"])
    for entry in verdicts.persistence:
        if _names_one(entry, pattern):
            heard.add(_entry(entry), entry.events, sure=entry.target_exists is True)
    for finding in verdicts.findings:
        if pattern.search(f"{finding.rule}\n{finding.why}".casefold()):
            heard.add(_finding(finding), finding.events, sure=False)
    return heard


def traffic(verdicts: Verdicts) -> Heard:
    """Tunnels that were connected to their relay, as their log or a counter of bytes tells; the others only speak."""
    heard = Heard()
    for item in verdicts.tunnel_sessions:
        sure = bool(item.relay or item.bytes_sent or item.bytes_received)
        key = "tunnel.session" if sure else "tunnel.inferred" if item.hosting or item.clients else "tunnel.prepared"
        heard.add(_session(key, item), item.events, sure=sure)
    return heard


def _names_one(entry: PersistenceEntry, pattern: re.Pattern[str]) -> bool:
    text = f"{entry.name}\n{entry.command or ''}\n{entry.target or ''}".casefold()
    return bool(pattern.search(text)) or any(reason.startswith("PER-02 ") for reason in entry.reasons)


def _session(key: str, item: TunnelSession) -> Said:
    return say(
        key, time=moment(_first(item)), product=item.product, name=item.tunnel_name or item.tunnel_id or "?",
        who=item.profile_user or "?", score=item.score, certainty=quoted(item.certainty),
    )  # fmt: skip


def _first(item: TunnelSession) -> datetime | None:
    periods: Sequence[Any] = (*item.hosting, *item.clients)
    return min(_starts(periods), default=None)


def _starts(periods: Iterable[Any]) -> Iterator[datetime]:
    return (period.start for period in periods if period.start)


def _entry(item: PersistenceEntry) -> Said:
    there = {True: "entry.target_there", False: "entry.target_gone", None: "entry.target_unknown"}[item.target_exists]
    return say(
        "vscode.entry", time=moment(item.first_seen or item.last_write), mechanism=quoted(item.mechanism),
        name=short(item.name, _SHOWN), command=short(item.command or "?", _SHOWN), there=say(there),
        deleted=say("vscode.entry_deleted") if item.deleted else Said("", ""),
    )  # fmt: skip


def _finding(item: Finding) -> Said:
    return say("finding", time=moment(item.first), rule=item.rule, level=quoted(item.level), what=quoted(item.why))


__all__ = ["Heard", "programs", "traffic"]
