"""Sessions and persistence entries as timeline rows, so that an analyst in Timesketch sees them among the events.

Each start and each end is a row with a sentence; the colours of Timesketch's tags (`bad` red, `suspicious` orange)
follow the score. Times that are only bounds say so in `timestamp_desc`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from forensics.artifacts.base import FieldType
from forensics.model import (
    AntiForensic,
    HostingPeriod,
    PersistenceEntry,
    SandboxSession,
    TunnelClient,
    TunnelSession,
    Verdicts,
)
from forensics.text import one_line
from forensics.times import iso, microseconds

BAD, SUSPICIOUS = 70, 40
_LIMIT = 400
_MOST_EVENTS = 100
Row = dict[str, Any]
Timed = tuple[str, str, datetime, str]  # part of the row's id, what the time means, the time, the sentence

# The fields of these rows; names shared with artifacts mean the same and have the same type there.
FIELDS: dict[str, FieldType] = {
    "session_score": int,
    "session_certainty": str,
    "session_reasons": tuple[str, ...],
    "session_attack": tuple[str, ...],
    "session_events": tuple[str, ...],
    "session_event_count": int,
    "wsb_method": str,
    "wsb_end_kind": str,
    "wsb_path": str,
    "tun_product": str,
    "per_name": str,
    "af_kind": str,
    "af_innocent_causes": tuple[str, ...],
    "vm_id": str,
    "task_name": str,
    "tunnel_name": str,
    "tunnel_id": str,
    "tunnel_cluster": str,
    "account": str,
    "profile_user": str,
    "mechanism": str,
    "location": str,
    "command_line": str,
}


def rows(verdicts: Verdicts) -> Iterator[Row]:
    """The rows of all verdicts that have a time, in no particular order."""
    for session in verdicts.sandbox_sessions:
        yield from _sandbox(session)
    for tunnel in verdicts.tunnel_sessions:
        yield from _tunnel(tunnel)
    for entry in verdicts.persistence:
        yield from _persistence(entry)
    for index, sign in enumerate(verdicts.anti_forensics):
        yield from _anti_forensic(sign, index)


def _judgement(entry: SandboxSession | TunnelSession | PersistenceEntry, *tags: str) -> Row:
    """What every judged entry brings: score, reasons, ATT&CK ids, and tags out of them."""
    colour = ["bad"] if entry.score >= BAD else ["suspicious"] if entry.score >= SUSPICIOUS else []
    return {
        "tag": [*colour, *tags, *(f"attack.{technique.lower()}" for technique in entry.attack)],
        "hostname": entry.host,
        "session_uid": [entry.id],
        "session_score": entry.score,
        "session_reasons": list(entry.reasons),
        "session_attack": list(entry.attack),
        **_rests_on(entry.events),
    }


def _rests_on(events: tuple[str, ...]) -> Row:
    """The rows that a conclusion rests on: it has no source file of its own. All of them are in sessions.json."""
    return {"session_events": list(events[:_MOST_EVENTS]), "session_event_count": len(events)}


def _rows(kind: str, identity: str, moments: Iterable[Timed], common: Row) -> Iterator[Row]:
    for part, meaning, moment, sentence in moments:
        yield {
            **common,
            "message": one_line(sentence, _LIMIT),
            "datetime": iso(moment),
            "timestamp": microseconds(moment),
            "timestamp_desc": meaning,
            "data_type": f"mirrortrace:{kind}",
            "kind": kind,
            "event_uid": f"{identity}-{part}",
        }


def _joined(*parts: str | None) -> str:
    return "; ".join(part for part in parts if part)


def _network(networked: bool | None) -> str:
    return {True: "network on", False: "network off", None: "network unknown"}[networked]


def _because(reasons: tuple[str, ...]) -> str:
    return f"because {', '.join(reasons)}" if reasons else ""


def _sandbox(session: SandboxSession) -> Iterator[Row]:
    launch = session.launch
    common = {
        **_judgement(session, "wsb"),
        "username": launch.user or launch.user_sid,
        "session_certainty": session.certainty,
        "wsb_method": launch.method,
        "wsb_end_kind": session.end_kind,
        "wsb_path": launch.wsb_path,
        "vm_id": session.vm_id,
        "task_name": launch.task_name,
        "command_line": launch.command_line,
    }
    yield from _rows("session", session.id, _sandbox_moments(session), common)


def _sandbox_moments(session: SandboxSession) -> Iterator[Timed]:
    launch = session.launch
    judged = f"{session.certainty}, score {session.score}"
    by = f"by {launch.user or launch.user_sid or 'an unknown user'}"
    how = f"launch: {launch.method}" + (f" {launch.task_name}" if launch.task_name else "")
    details = _joined(how, launch.command_line, _network(session.networked), _because(session.reasons))
    if session.start:
        yield "start", "Start Time", session.start, f"Windows Sandbox session started {by} ({judged}); {details}"
    elif session.start_earliest:
        text = f"Windows Sandbox session started {by} not before this time ({judged}); {details}"
        yield "start", "Start Time (earliest)", session.start_earliest, text
    elif session.start_latest:
        text = f"Windows Sandbox session started {by} not after this time ({judged}); {details}"
        yield "start", "Start Time (latest)", session.start_latest, text
    if session.end:
        text = f"Windows Sandbox session ended: {session.end_kind.replace('_', ' ')} ({judged}); {how}"
        yield "end", "End Time", session.end, text


def _tunnel(session: TunnelSession) -> Iterator[Row]:
    common = {
        **_judgement(session, "vscode-tunnel"),
        "username": session.profile_user,
        "session_certainty": session.certainty,
        "tun_product": session.product,
        "profile_user": session.profile_user,
        "tunnel_name": session.tunnel_name,
        "tunnel_id": session.tunnel_id,
        "tunnel_cluster": session.cluster,
        "account": session.account,
    }
    for index, period in enumerate(session.hosting):
        moments = _hosting_moments(session, period, f"host{index}")
        yield from _rows("session", session.id, moments, {**common, "command_line": period.command_line})
    for index, client in enumerate(session.clients):
        yield from _rows("session", session.id, _client_moments(session, client, f"client{index}"), common)


def _tunnel_name(session: TunnelSession) -> str:
    name = session.tunnel_name or session.tunnel_id or "without a known name"
    owner = f" of {session.profile_user}" if session.profile_user else ""
    return f"{session.product} tunnel {name}{owner}"


def _hosting_moments(session: TunnelSession, period: HostingPeriod, part: str) -> Iterator[Timed]:
    judged = f"{session.certainty}, score {session.score}"
    if period.start:
        details = _joined(period.command_line, "as a service" if period.as_service else "", _because(session.reasons))
        text = f"Hosting of the {_tunnel_name(session)} started ({judged}); {details}"
        yield f"{part}-start", "Start Time", period.start, text
    if period.end:
        text = f"Hosting of the {_tunnel_name(session)} ended: {period.end_reason or 'reason unknown'} ({judged})"
        yield f"{part}-end", "End Time", period.end, text


def _client_moments(session: TunnelSession, client: TunnelClient, part: str) -> Iterator[Timed]:
    if client.start:
        server = f"; server commit {client.server_commit}" if client.server_commit else ""
        text = f"A remote client connected through the {_tunnel_name(session)}{server}"
        yield f"{part}-start", "Start Time", client.start, text
    if client.end:
        text = f"A remote client of the {_tunnel_name(session)} left: {client.end_kind.replace('_', ' ')}"
        yield f"{part}-end", "End Time", client.end, text


def _persistence(entry: PersistenceEntry) -> Iterator[Row]:
    common = {
        **_judgement(entry, "persistence"),
        "username": entry.user,
        "mechanism": entry.mechanism,
        "location": entry.location,
        "per_name": entry.name,
        "command_line": entry.command,
    }
    yield from _rows("persistence", entry.id, _persistence_moments(entry), common)


def _persistence_moments(entry: PersistenceEntry) -> Iterator[Timed]:
    state = ", deleted" if entry.deleted else ""
    kind = entry.mechanism.replace("_", " ")
    what = f"Persistence ({kind}, score {entry.score}{state}): {entry.name} in {entry.location}"
    details = _joined(f"runs {entry.command}" if entry.command else "", _because(entry.reasons))
    if entry.first_seen:
        # The registry dates keys, not values: a Run value was there by then, whichever value of its key was written.
        by_key = entry.mechanism == "run_key" and entry.first_seen == entry.last_write
        seen = "there at this time at the latest: its key was last written" if by_key else "first seen"
        yield "seen", "First Seen", entry.first_seen, f"{what} {seen}; {details}"
    if entry.last_write and entry.last_write != entry.first_seen:
        written = "its key was last written" if entry.mechanism in ("run_key", "service") else "last written"
        yield "write", "Content Modification Time", entry.last_write, f"{what}: {written}; {details}"


def _anti_forensic(sign: AntiForensic, index: int) -> Iterator[Row]:
    if sign.time is None:
        return
    common = {
        "tag": ["anti-forensics"],
        "hostname": sign.host,
        "af_kind": sign.kind,
        "af_innocent_causes": list(sign.innocent_causes),
        **_rests_on(sign.events),
    }
    causes = f"; innocent causes: {', '.join(sign.innocent_causes)}" if sign.innocent_causes else ""
    sentence = f"Traces may have been removed ({sign.kind.replace('_', ' ')}): {sign.detail}{causes}"
    identity = f"anti-forensics-{sign.kind}-{index}"
    yield from _rows("anti_forensics", identity, [("sign", "Event Time", sign.time, sentence)], common)
