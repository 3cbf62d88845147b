"""What is known of names on the network that bear on tunnels (rules/hosts.yml).

The warning behind this project lists them to be looked for wherever a host keeps names; so every artifact that has a
name or an address asks here, and `rules.watch` keeps rows by the same list.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

from forensics.rules import load


class KnownHost(NamedTuple):
    """A name of the list: what it is, and whether it is a signal by itself."""

    name: str
    meaning: str
    signal: bool


@cache
def _known() -> dict[str, KnownHost]:
    rows = load("hosts")["hosts"]
    return {row["name"].casefold(): KnownHost(row["name"], row["meaning"], row["signal"]) for row in rows}


@lru_cache(maxsize=4096)
def known_host(name: str) -> KnownHost | None:
    """The entry of the list that `name` is, or lies below; the longest one when there are several."""
    rest = name.strip().strip(".").casefold()[:255]
    while rest:
        if found := _known().get(rest):
            return found
        rest = rest.partition(".")[2]
    return None


def host_meaning(name: str | None) -> str | None:
    """What a name on the network has to do with tunnels, None when nothing is known."""
    found = known_host(name or "")
    return found.meaning if found else None


@cache
def signals() -> tuple[str, ...]:
    """The texts that keep a row by themselves: names of hosts, and parts of addresses."""
    names = tuple(host.name for host in _known().values() if host.signal)
    return tuple(text.casefold() for text in (*names, *load("hosts")["urls"]))


@cache
def signal_patterns() -> tuple[str, ...]:
    """The regular expressions over lowered text that keep a row."""
    return tuple(load("hosts")["url_patterns"])
