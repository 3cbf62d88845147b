"""The verdicts of several hosts, or of several collections of one host, as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from forensics.model import SandboxCapability, Verdicts, to_plain
from forensics.plainjson import dumps
from forensics.sessions.tunnel_union import united

Entry = TypeVar("Entry")


def merge_verdicts(verdicts: Sequence[Verdicts]) -> Verdicts:
    """The verdicts of several hosts as one; every entry names its host already.

    There is one capability in a case: switched on when any host has it on, unknown when any host cannot tell, and its
    evidence says which host each sentence is about.
    """
    if len(verdicts) == 1:
        return verdicts[0]
    return Verdicts(
        sandbox_sessions=_once(entry for item in verdicts for entry in item.sandbox_sessions),
        sandbox_configs=_once(entry for item in verdicts for entry in item.sandbox_configs),
        sandbox_capability=_merge_capabilities([item.sandbox_capability for item in verdicts]),
        tunnel_sessions=_once(united(entry for item in verdicts for entry in item.tunnel_sessions)),
        persistence=_once(entry for item in verdicts for entry in item.persistence),
        anti_forensics=_once(entry for item in verdicts for entry in item.anti_forensics),
        findings=_once(entry for item in verdicts for entry in item.findings),
    )


def _once(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Each entry once: two collections of the same host tell of the same session in the same words."""
    found: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        plain = to_plain(entry)
        identity = plain.get("id") or dumps(plain)
        found.setdefault((plain.get("host") or "", identity), entry)
    return tuple(found.values())


def _merge_capabilities(capabilities: Sequence[SandboxCapability]) -> SandboxCapability:
    if not capabilities:
        return SandboxCapability()
    states = [item.enabled for item in capabilities]
    enabled = True if True in states else None if None in states else False
    on_times = [item.enabled_at for item in capabilities if item.enabled and item.enabled_at]
    evidence = tuple(f"{item.host}: {text}" for item in capabilities for text in item.evidence)
    events = tuple(identity for item in capabilities for identity in item.events)
    hosts = [item.host for item in capabilities if item.enabled == enabled]
    return SandboxCapability(enabled, min(on_times, default=None), evidence, events, hosts[0] if hosts else "")
