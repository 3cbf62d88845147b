"""Entries that the host's Windows does not start any more.

Intruders' tools and old installers write to places that a version of Windows has long given up. Such an entry shows
that somebody was there, but nothing comes back by it: it must not stand before one that starts at the next boot
(`rules/ranking.py` sees to that).
"""

from __future__ import annotations

import re
from dataclasses import replace

from forensics.model import Host, PersistenceEntry
from forensics.rules import load
from forensics.rules.engine import Hit, hits, rules_of

_BUILD = re.compile(r"\d{4,5}")


def with_inertness(entry: PersistenceEntry, host: Host) -> PersistenceEntry:
    """The entry, said to be inert where this Windows ignores its place; a host of unknown build starts everything."""
    build = _BUILD.match(host.build or "")
    if build is None or not entry.score:
        return entry
    facts = {
        "mechanism": entry.mechanism, "name": entry.name, "location": entry.location, "command": entry.command,
        "build": int(build.group()),
    }  # fmt: skip
    for hit in hits(rules_of("inert"), facts):
        if _is_open(hit):
            entry = replace(entry, reasons=(*entry.reasons, f"perhaps inert: {hit.why}"))
        else:
            said = f"inert on this Windows: {hit.why}; the score counts up to {load('inert')['most']}"
            entry = replace(entry, reasons=(*entry.reasons, said), inert=hit.why)
    return entry


def _is_open(hit: Hit) -> bool:
    return any(item["id"] == hit.rule and item.get("may") for item in load("inert")["rules"])
