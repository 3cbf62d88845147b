"""Sessions and persistence entries as timeline rows, so that an analyst in Timesketch sees them among the events.

Each start and each end is a row with a sentence; the colours of Timesketch's tags (`bad` red, `suspicious` orange)
follow the score. Times that are only bounds say so in `timestamp_desc`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from forensics.artifacts._wsb import folder_text
from forensics.artifacts.base import FieldType
from forensics.export._signs import Row, Timed, findings, rests_on, signs
from forensics.model import (
    HostingPeriod,
    PersistenceEntry,
    SandboxSession,
    SandboxSettings,
    TunnelClient,
    TunnelSession,
    Verdicts,
)
from forensics.rules.autoruns import last_written
from forensics.text import one_line
from forensics.times import iso, microseconds

BAD, SUSPICIOUS = 70, 40
_LIMIT = 400
_MOST_LINES = 100  # calls and writes in a row's fields; all of them are in sessions.json
_MOST_SAID = 3  # calls in a row's sentence

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
    "wsb_start_earliest": str,
    "wsb_start_latest": str,
    "wsb_end_earliest": str,
    "wsb_end_latest": str,
    "wsb_config_source": str,
    "wsb_networking": bool,
    "wsb_vgpu": bool,
    "wsb_memory_mb": int,
    "wsb_logon_command": str,
    "wsb_clipboard": bool,
    "wsb_protected_client": bool,
    "wsb_mapped_folders": tuple[str, ...],
    "wsb_cli_calls": tuple[str, ...],
    "wsb_cli_call_count": int,
    "wsb_host_writes": tuple[str, ...],
    "wsb_host_write_count": int,
    "tun_product": str,
    "per_name": str,
    "per_run_as": str,
    "per_made_by_sid": str,
    "per_made_by_source": str,
    "af_kind": str,
    "af_level": str,
    "af_sources": str,
    "af_innocent_causes": tuple[str, ...],
    "finding_rule": str,
    "finding_level": str,
    "per_trigger": str,
    "target_path": str,
    "target_exists": bool,
    "target_note": str,
    "target_sha256": str,
    "target_sha1": str,
    "target_hash_source": str,
    "target_signature": str,
    "target_signature_note": str,
    "target_signer": str,
    "target_signer_issuer": str,
    "target_signer_thumbprint": str,
    "target_signed_at": str,
    "publisher": str,
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
    """The rows of all verdicts that have a time, in no particular order.

    An autostart entry of score 0 is a matter of the list of entries: the timeline has the rows that it was made from.
    """
    for session in verdicts.sandbox_sessions:
        yield from _sandbox(session)
    for tunnel in verdicts.tunnel_sessions:
        yield from _tunnel(tunnel)
    for entry in (item for item in verdicts.persistence if item.score):
        yield from _persistence(entry)
    for kind, identity, moment, common in (*signs(verdicts.anti_forensics), *findings(verdicts.findings)):
        yield from _rows(kind, identity, [moment], common)


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
        **rests_on(entry.events),
    }


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
        **{f"wsb_{name}": iso(moment) if moment else None for name, moment in _bounds(session).items()},
        **(_settings(session.config) if session.config else {}),
        "wsb_cli_calls": [f"{_at(call.time)} {call.command_line}" for call in session.cli_calls[:_MOST_LINES]],
        "wsb_cli_call_count": len(session.cli_calls),
        "wsb_host_writes": [
            f"{iso(made.time)} {made.action} {made.path}" for made in session.host_writes[:_MOST_LINES]
        ],
        "wsb_host_write_count": len(session.host_writes),
    }
    yield from _rows("session", session.id, _sandbox_moments(session), common)


def _bounds(session: SandboxSession) -> dict[str, datetime | None]:
    return {
        "start_earliest": session.start_earliest, "start_latest": session.start_latest,
        "end_earliest": session.end_earliest, "end_latest": session.end_latest,
    }  # fmt: skip


def _at(moment: datetime | None) -> str:
    return iso(moment) if moment else "undated"


def _settings(config: SandboxSettings) -> Row:
    """The configuration in the fields that rows about configuration files have, in the same spelling."""
    return {
        "wsb_config_source": config.source,
        "wsb_networking": config.networking,
        "wsb_vgpu": config.vgpu,
        "wsb_memory_mb": config.memory_mb,
        "wsb_logon_command": config.logon_command,
        "wsb_clipboard": config.clipboard,
        "wsb_protected_client": config.protected_client,
        "wsb_mapped_folders": _folders(config),
    }


def _folders(config: SandboxSettings) -> list[str]:
    return [folder_text(folder) for folder in config.mapped_folders]


def _configured(config: SandboxSettings | None) -> str:
    """The configuration in a sentence: what takes it out of the guest's shell first."""
    if config is None:
        return "configuration not known"
    none = "logon command unknown" if "LogonCommand" in config.lost else "no logon command"
    parts = [f"runs {config.logon_command}" if config.logon_command else none]
    parts += [f"maps {text}" for text in _folders(config)]
    return f"configuration: {', '.join(parts)}"


def _done(session: SandboxSession) -> str:
    """What was called and written, as far as a sentence goes."""
    said = [call.command_line for call in session.cli_calls if call.verb != "start"]
    more = f" and {len(said) - _MOST_SAID} more" if len(said) > _MOST_SAID else ""
    calls = f"calls: {' | '.join(said[:_MOST_SAID])}{more}" if said else ""
    count = len(session.host_writes)
    if not count:
        return calls
    first = session.host_writes[0].path
    others = f" and {_counted(count - 1, 'more')}" if count > 1 else ""
    return _joined(calls, f"{_counted(count, 'host write')}: {first}{others}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 or noun == "more" else f"{count} {noun}s"


def _sandbox_moments(session: SandboxSession) -> Iterator[Timed]:
    launch = session.launch
    judged = f"{session.certainty}, score {session.score}"
    by = f"by {launch.user or launch.user_sid or 'an unknown user'}"
    how = f"launch: {launch.method}" + (f" {launch.task_name}" if launch.task_name else "")
    details = _joined(
        how, launch.command_line, _network(session.networked), _done(session), _configured(session.config),
        _because(session.reasons),
    )  # fmt: skip
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
        return
    unknown = f"Windows Sandbox session: when it ended is not known ({judged}); {how}"
    if session.end_earliest:
        yield "end-earliest", "End Time (earliest)", session.end_earliest, f"{unknown}; it still ran at this time"
    if session.end_latest:
        yield "end-latest", "End Time (latest)", session.end_latest, f"{unknown}; it was over by this time"


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
        "username": entry.made_by,  # who acted, as in every row; the account it runs as is another one
        "per_made_by_sid": entry.made_by_sid,
        "per_made_by_source": entry.made_by_source,
        "per_run_as": entry.user,
        "mechanism": entry.mechanism,
        "location": entry.location,
        "per_name": entry.name,
        "command_line": entry.command,
        "per_trigger": entry.trigger,
        "target_path": entry.target,
        "target_exists": entry.target_exists,
        "target_note": entry.target_note,
        "target_sha256": entry.target_sha256,
        "target_sha1": entry.target_sha1,
        "target_hash_source": entry.target_hash_source,
        "target_signature": entry.target_signature,
        "target_signature_note": entry.target_signature_note,
        "target_signer": entry.target_signer,
        "target_signer_issuer": entry.target_signer_issuer,
        "target_signer_thumbprint": entry.target_signer_thumbprint,
        "target_signed_at": iso(entry.target_signed_at) if entry.target_signed_at else None,
        "publisher": entry.target_publisher,
    }
    yield from _rows("persistence", entry.id, _persistence_moments(entry), common)


def _persistence_moments(entry: PersistenceEntry) -> Iterator[Timed]:
    state = ", deleted" if entry.deleted else ""
    kind = entry.mechanism.replace("_", " ")
    what = f"Persistence ({kind}, score {entry.score}{state}): {entry.name} in {entry.location}"
    details = _joined(
        f"runs {entry.command}" if entry.command else "",
        f"made by {entry.made_by} ({entry.made_by_source})" if entry.made_by else "",
        f"trigger: {entry.trigger}" if entry.trigger else "",
        _because(entry.reasons),
    )  # fmt: skip
    if entry.first_seen:
        # The registry dates keys, not values: a Run value was there by then, whichever value of its key was written.
        seen = "there at this time at the latest" if entry.first_seen_bound else "first seen"
        seen += f", by {entry.first_seen_source}" if entry.first_seen_source else ""
        yield "seen", "First Seen", entry.first_seen, f"{what} {seen}; {details}"
    if entry.last_write and entry.last_write != entry.first_seen:
        written = last_written(entry.last_write_kind, entry.mechanism)
        yield "write", "Content Modification Time", entry.last_write, f"{what}: {written}; {details}"
