"""The joins over time: events of one host in, what happened out.

Each part is a function of the rows alone: no file, no clock, no order of arrival. Windows, weights and lists of names
are data in `forensics/rules`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from forensics.model import Coverage, Event, Fact, Host, Verdicts
from forensics.rules.ranking import gravest_first
from forensics.sessions.antiforensics import anti_forensics
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
    entries = persistence(rows, host, label)
    looked = Looked(coverage)
    sandboxes = Sandboxes(rows, host, label, life, looked)
    sessions = sandboxes.sessions()
    found = sandboxes.findings() + capability_findings(rows, label)
    found += tuple(remote_tool_findings(rows, label))
    tunnels = Tunnels(rows, host, label, life, entries, looked)
    hosted = tunnels.sessions()
    leads = tunnels.findings(hosted)
    found += others(rows, life, [*sessions, *found], label)
    found += (*lead_findings(rows, label), *sideload_findings(rows, label))
    found += sigma_findings(rows, label)
    words = ClockWords(rows, Clock(rows))
    return Verdicts(
        sandbox_sessions=words.sandboxes(sessions),
        sandbox_configs=sandboxes.configurations(),
        sandbox_capability=capability(rows, sessions, label),
        tunnel_sessions=words.tunnels(hosted),
        persistence=entries,
        anti_forensics=words.signs(
            (
                *anti_forensics(rows, host, label, sandboxes.removed, looked=looked, files=prefetch),
                *tunnels.removed,
            )
        ),
        findings=gravest_first(words.findings(dated(item, rows) for item in (*found, *leads))),
    )


def scored_targets(events: Sequence[Event], undated: Sequence[Fact], host: Host, evidence_name: str) -> tuple[str, ...]:
    """The files that the autostart entries start which score, the highest score first."""
    entries = persistence(Rows(events, undated), host, host.name or evidence_name)
    return tuple(dict.fromkeys(entry.target for entry in entries if entry.score and entry.target))


def write_areas(events: Sequence[Event], undated: Sequence[Fact], host: Host, evidence_name: str) -> list[Area]:
    """The host folders that sandboxes were given, with the times: changes in writable ones are wanted, and scripts."""
    rows = Rows(events, undated)
    return Sandboxes(rows, host, host.name or evidence_name, HostLife(rows)).write_areas()
