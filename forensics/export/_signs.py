"""Signs of removed traces and findings as timeline rows: what `_sessions` makes rows of beside sessions and entries.

The id of each is a hash of what it is and of the events it rests on, so that it stays when evidence is added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from forensics.model import AntiForensic, Finding, stable_id
from forensics.rules import load

_MOST_EVENTS = 100
Row = dict[str, Any]
Timed = tuple[str, str, datetime, str]  # part of the row's id, what the time means, the time, the sentence
Parts = tuple[str, str, Timed, Row]  # the row's kind, its id, its time, its fields


def rests_on(events: tuple[str, ...]) -> Row:
    """The rows that a conclusion rests on: it has no source file of its own. All of them are in sessions.json."""
    return {"session_events": list(events[:_MOST_EVENTS]), "session_event_count": len(events)}


def signs(found: Iterable[AntiForensic]) -> Iterator[Parts]:
    """The dated signs; of two with the same events and time (parts of one silence) the later ones are numbered."""
    same: Counter[str] = Counter()
    for sign in found:
        if sign.time is None:
            continue
        identity = stable_id("anti-forensics", sign.host, sign.kind, sign.time, *sorted(sign.events))
        same[identity] += 1
        unique = identity if same[identity] == 1 else f"{identity}-{same[identity]}"
        causes = f"; innocent causes: {', '.join(sign.innocent_causes)}" if sign.innocent_causes else ""
        sentence = f"Traces may have been removed ({sign.kind.replace('_', ' ')}): {sign.detail}{causes}"
        yield "anti_forensics", unique, ("sign", "Event Time", sign.time, sentence), _fields(sign)


def _fields(sign: AntiForensic) -> Row:
    return {
        "tag": ["anti-forensics", *(f"attack.{technique.lower()}" for technique in sign.attack)],
        "hostname": sign.host,
        "username": sign.user,
        "session_attack": list(sign.attack),
        "af_kind": sign.kind,
        "af_level": sign.level,
        "af_sources": _sources(sign.kind),
        "af_innocent_causes": list(sign.innocent_causes),
        **rests_on(sign.events),
    }


def _sources(kind: str) -> str | None:
    """The places of Windows that a sign of this kind is found in, as the data has them."""
    known: Row = load("antiforensics").get(kind) or (load("tunnel")["removed"] if kind == "tunnel_removed" else {})
    return known.get("sources")


def findings(found: Iterable[Finding]) -> Iterator[Parts]:
    """The dated findings."""
    for finding in found:
        if finding.first is None:
            continue
        colour = {"critical": ["bad"], "high": ["bad"], "medium": ["suspicious"]}.get(finding.level, [])
        common = {
            "tag": [*colour, "finding"],
            "hostname": finding.host,
            "finding_rule": finding.rule,
            "finding_level": finding.level,
            "vm_id": finding.vm_id,
            **rests_on(finding.events),
        }
        identity = stable_id("finding", finding.host, finding.rule, *finding.events)
        sentence = f"Finding {finding.rule} ({finding.level}): {finding.why}"
        yield "finding", identity, ("first", "Start Time", finding.first, sentence), common
