"""The joins over time: events of one host in, what happened out.

Each part is a function of the rows alone: no file, no clock, no order of arrival. Windows, weights and lists of names
are data in `forensics/rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from forensics.model import (
    AntiForensic,
    Coverage,
    Event,
    Fact,
    Finding,
    Host,
    PersistenceEntry,
    SandboxCapability,
    SandboxConfig,
    SandboxSession,
    TunnelSession,
    Verdicts,
)
from forensics.rules.ranking import gravest_first
from forensics.sessions.antiforensics import anti_forensics
from forensics.sessions.attempts import attempt, attempts
from forensics.sessions.capability import capability
from forensics.sessions.capability import findings as capability_findings
from forensics.sessions.clock import Clock
from forensics.sessions.clock_words import ClockWords
from forensics.sessions.clock_words import clock_notices as clock_notices
from forensics.sessions.guests import with_guests as with_guests
from forensics.sessions.hostlife import HostLife
from forensics.sessions.leads import findings as lead_findings
from forensics.sessions.looked import Looked
from forensics.sessions.others import dated, others
from forensics.sessions.persistence import persistence
from forensics.sessions.remote_tools import findings as remote_tool_findings
from forensics.sessions.rows import Rows
from forensics.sessions.sandbox import Sandboxes
from forensics.sessions.sandbox_removed import Removal
from forensics.sessions.sandbox_writes import Area
from forensics.sessions.sideload import findings as sideload_findings
from forensics.sessions.sigma_matches import sigma_findings
from forensics.sessions.tunnel import Tunnels


def build(
    events: Sequence[Event], host: Host, evidence_name: str, undated: Sequence[Fact] = (),
    coverage: Sequence[Coverage] = (), prefetch: Collection[str] = (),
) -> Verdicts:  # fmt: skip
    """What the kept events and undated facts of one host amount to.

    Verdicts name their events by id; an undated fact's id is `event_id` without time and meaning. `host` on each
    verdict is the host's own name, else `evidence_name`. `coverage` says how far the evidence could be looked at;
    without it no reason tells "nothing found" from "not collected". `prefetch` are the names of the prefetch files.
    """
    rows = Rows(events, undated)
    label = host.name or evidence_name
    life = HostLife(rows)
    looked = Looked(coverage)
    entries = attempts("persistence", lambda: persistence(rows, host, label))
    boxes = attempt("sandbox sessions", lambda: _sandboxes(rows, host, label, life, looked), _NO_SANDBOXES)
    tunnels = attempt("tunnel sessions", lambda: _tunnels(rows, host, label, life, entries, looked), _NO_TUNNELS)
    found = (*boxes[2], *_findings(rows, label))
    other = attempts("other machines", lambda: others(rows, life, [*boxes[0], *found], label))
    signs = attempts(
        "removed traces", lambda: anti_forensics(rows, host, label, boxes[3], looked=looked, files=prefetch)
    )
    bare = Verdicts(
        sandbox_sessions=boxes[0],
        sandbox_configs=boxes[1],
        sandbox_capability=attempt("capability", lambda: capability(rows, boxes[0], label), SandboxCapability()),
        tunnel_sessions=tunnels[0],
        persistence=entries,
        anti_forensics=(*signs, *tunnels[2]),
        findings=gravest_first(dated(item, rows) for item in (*found, *other, *tunnels[1])),
    )
    return attempt("the clock", lambda: _by_clock(bare, rows), bare)


_Sandboxes = tuple[
    tuple[SandboxSession, ...], tuple[SandboxConfig, ...], tuple[Finding, ...], tuple[tuple[Removal, str], ...]
]
_Finder = Callable[[Rows, str], Iterable[Finding]]
_NO_SANDBOXES: _Sandboxes = ((), (), (), ())
_TunnelParts = tuple[tuple[TunnelSession, ...], tuple[Finding, ...], tuple[AntiForensic, ...]]
_NO_TUNNELS: _TunnelParts = ((), (), ())


def _sandboxes(rows: Rows, host: Host, label: str, life: HostLife, looked: Looked) -> _Sandboxes:
    """Sessions, configurations, findings, and what was removed."""
    sandboxes = Sandboxes(rows, host, label, life, looked)
    return sandboxes.sessions(), sandboxes.configurations(), sandboxes.findings(), tuple(sandboxes.removed)


def _tunnels(
    rows: Rows, host: Host, label: str, life: HostLife, entries: tuple[PersistenceEntry, ...], looked: Looked
) -> _TunnelParts:
    """Sessions, findings, and signs that a tunnel's traces were removed."""
    tunnels = Tunnels(rows, host, label, life, entries, looked)
    hosted = tunnels.sessions()
    return hosted, tuple(tunnels.findings(hosted)), tuple(tunnels.removed)


def _findings(rows: Rows, label: str) -> Iterator[Finding]:
    """What no session owns, each kind for itself."""
    for what, find in _FINDERS.items():
        yield from attempts(what, partial(_listed, find, rows, label))


def _listed(find: _Finder, rows: Rows, label: str) -> tuple[Finding, ...]:
    return tuple(find(rows, label))


_FINDERS: dict[str, _Finder] = {
    "feature findings": capability_findings, "remote tools": remote_tool_findings, "attack findings": lead_findings,
    "sideloading": sideload_findings, "Sigma findings": sigma_findings,
}  # fmt: skip


def _by_clock(bare: Verdicts, rows: Rows) -> Verdicts:
    """The same with what the host's clock does to their times."""
    words = ClockWords(rows, Clock(rows))
    return replace(
        bare,
        sandbox_sessions=words.sandboxes(bare.sandbox_sessions),
        tunnel_sessions=words.tunnels(bare.tunnel_sessions),
        anti_forensics=words.signs(bare.anti_forensics),
        findings=gravest_first(words.findings(bare.findings)),
    )


def scored_targets(events: Sequence[Event], undated: Sequence[Fact], host: Host, evidence_name: str) -> tuple[str, ...]:
    """The files that the autostart entries start which score, the highest score first."""
    label = host.name or evidence_name
    entries = attempts("files of autostarts", lambda: persistence(Rows(events, undated), host, label))
    return tuple(dict.fromkeys(entry.target for entry in entries if entry.score and entry.target))


def write_areas(events: Sequence[Event], undated: Sequence[Fact], host: Host, evidence_name: str) -> list[Area]:
    """The host folders that sandboxes were given, with the times: changes in writable ones are wanted, and scripts."""
    rows = Rows(events, undated)
    label = host.name or evidence_name
    return attempt("folders of sandboxes", lambda: Sandboxes(rows, host, label, HostLife(rows)).write_areas(), [])
