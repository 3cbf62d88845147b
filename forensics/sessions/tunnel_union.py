"""Several collections of one host: what each tells of one tunnel is put together, different tunnels stay apart.

A tunnel is told by its id at the service, so one data folder that was registered anew holds two. A collection without
an id (the log alone, say) belongs to the tunnel of that folder when only one is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from forensics.model import CONFIRMED, POSSIBLE, PROBABLE, HostingPeriod, TunnelClient, TunnelSession, Verdicts
from forensics.sessions.texts import norm
from forensics.sessions.tunnel_periods import HOST_DOWN, PROCESS_ENDED, window

Span = TypeVar("Span", HostingPeriod, TunnelClient)
_RANKS = (POSSIBLE, PROBABLE, CONFIRMED)
_RULE = re.compile(r"(TUN-\d+) \(([+-]\d+)\)")
_KEPT_ONCE = (
    "relay", "files_saved", "commands", "ports_forwarded", "extensions", "linked_hosts", "connection_tokens",
    "persistence", "attack", "events", "other_tunnel_ids",
)  # fmt: skip
_INFERRED = {None, PROCESS_ENDED, *HOST_DOWN}


def put_together(verdicts: Sequence[Verdicts]) -> list[Verdicts]:
    """The same verdicts, the tunnels of all as they are together: with the first, since each names its host."""
    if len(verdicts) < 2:
        return list(verdicts)
    sessions = tuple(united(entry for item in verdicts for entry in item.tunnel_sessions))
    return [replace(item, tunnel_sessions=() if place else sessions) for place, item in enumerate(verdicts)]


def united(sessions: Iterable[TunnelSession]) -> list[TunnelSession]:
    """One entry for each tunnel of each host, in the order of their first telling."""
    every = list(sessions)
    groups: dict[tuple[str, ...], list[TunnelSession]] = {}
    for session in sorted(every, key=lambda item: item.tunnel_id is None):
        groups.setdefault(_key(session, groups), []).append(session)
    found = [_union(group) for group in groups.values()]
    place = {session.id: index for index, session in reversed(list(enumerate(every)))}
    return [_with_rivals(item, found) for item in sorted(found, key=lambda item: place[item.id])]


def _key(session: TunnelSession, groups: dict[tuple[str, ...], list[TunnelSession]]) -> tuple[str, ...]:
    host = session.host.casefold()
    if session.tunnel_id:
        return host, session.tunnel_id
    mine = [key for key, group in groups.items() if len(key) == 2 and key[0] == host and _same_place(session, group[0])]
    return mine[0] if len(mine) == 1 else (host, session.id, "")


def _same_place(one: TunnelSession, two: TunnelSession) -> bool:
    if (one.product == "devtunnel") is not (two.product == "devtunnel"):
        return False
    if one.data_dir and two.data_dir:
        return norm(one.data_dir) == norm(two.data_dir)
    return bool(one.profile_user) and (one.profile_user or "").casefold() == (two.profile_user or "").casefold()


def _union(group: Sequence[TunnelSession]) -> TunnelSession:
    """The tellings of one tunnel as one; of what contradicts, what the collection that reaches furthest says."""
    unlike = [item for index, item in enumerate(group) if item not in group[:index]]
    if len(unlike) == 1:
        return group[0]
    newest_first = sorted(unlike, key=lambda item: -_reach(item))
    told: dict[str, Any] = {name: _chain(unlike, name) for name in _KEPT_ONCE}
    for name in ("profile_user", "tunnel_name", "tunnel_id", "cluster", "account", "provider", "data_dir"):
        told[name] = next((value for item in newest_first if (value := getattr(item, name))), None)
    merged = replace(unlike[0], **told)
    rules, reasons = _reasons(unlike)
    text = f"{len(unlike)} collections of this host tell of this tunnel: what each tells is put together"
    return replace(
        merged,
        id=next((item.id for item in unlike if item.tunnel_id), unlike[0].id),
        unregistered=any(item.unregistered for item in unlike),
        hosting=(
            *_merged_spans([*filter(_begin, _all(unlike, "hosting"))], window("same_start"), _one_period),
            *_without_times(unlike, "hosting"),
        ),
        clients=(
            *_merged_spans([*filter(_begin, _all(unlike, "clients"))], window("same_window"), _one_client),
            *_without_times(unlike, "clients"),
        ),
        commands=tuple(sorted(merged.commands, key=lambda item: (item.time is None, str(item.time)))),
        certainty=max((item.certainty for item in unlike), key=_RANKS.index),
        score=max(0, min(100, sum(rules.values()))),
        bytes_sent=max((item.bytes_sent for item in unlike if item.bytes_sent is not None), default=None),
        bytes_received=max((item.bytes_received for item in unlike if item.bytes_received is not None), default=None),
        reasons=(text, *reasons),
    )


def _reach(session: TunnelSession) -> float:
    times = [moment for item in session.hosting for moment in (item.start, item.end) if moment]
    times += [moment for item in session.clients for moment in (item.start, item.end) if moment]
    return max(times).timestamp() if times else 0.0


def _all(sessions: Sequence[TunnelSession], name: str) -> list[Any]:
    return [item for session in sessions for item in getattr(session, name)]


def _chain(sessions: Sequence[TunnelSession], name: str) -> tuple[Any, ...]:
    found = tuple(dict.fromkeys(_all(sessions, name)))
    return tuple(sorted(found)) if name in ("persistence", "attack", "connection_tokens") else found


def _reasons(sessions: Sequence[TunnelSession]) -> tuple[dict[str, int], list[str]]:
    """(weight by rule, all reasons); a rule that several collections fulfil counts once, but each basis is named."""
    rules: dict[str, int] = {}
    reasons: list[str] = []
    for text in dict.fromkeys(reason for session in sessions for reason in session.reasons):
        met = _RULE.match(text)
        if met and met[1] not in rules:
            rules[met[1]] = int(met[2])
        elif met:
            text = f"also, in another collection: {text.partition(': ')[2]}"
        reasons.append(text)
    return rules, reasons


def _merged_spans(spans: list[Span], slack: timedelta, join: Callable[[Span, Span], Span]) -> tuple[Span, ...]:
    """Spans that begin at the same time are one."""
    found: list[Span] = []
    for span in sorted(dict.fromkeys(spans), key=lambda item: (_begin(item) is None, str(_begin(item)))):
        last = found[-1] if found else None
        if last and last.start and span.start and span.start - last.start <= slack:
            found[-1] = join(last, span)
        else:
            found.append(span)
    return tuple(found)


def _without_times(sessions: Sequence[TunnelSession], name: str) -> list[Any]:
    """What has no time cannot be told apart from what another collection tells: the longest list of one counts."""
    lists = [[item for item in getattr(session, name) if not _begin(item)] for session in sessions]
    return max(lists, key=len, default=[])


def _begin(span: HostingPeriod | TunnelClient) -> datetime | None:
    return span.start or getattr(span, "start_latest", None)


def _one_period(one: HostingPeriod, two: HostingPeriod) -> HostingPeriod:
    """What either tells; an end that a record states goes before one that is inferred."""
    first, second = sorted((one, two), key=lambda item: (item.end is None, item.end_reason in _INFERRED))
    names = ("command_line", "pid", "as_service", "user", "output_to", "start_latest", "start_if_utc")
    more: dict[str, Any] = {name: getattr(second, name) for name in names if getattr(first, name) is None}
    known = [item.end_earliest for item in (one, two) if item.end_earliest]
    still = None if first.end else max(known, default=None)
    return replace(first, **more, end_earliest=still)


def _one_client(one: TunnelClient, two: TunnelClient) -> TunnelClient:
    first, second = sorted((one, two), key=lambda item: (item.end is None, item.end_kind == "unknown"))
    return replace(
        first,
        server_commit=first.server_commit or second.server_commit,
        windows=max(one.windows, two.windows),
        reconnects=max(one.reconnects, two.reconnects),
        second_client=one.second_client or two.second_client,
    )


def _with_rivals(session: TunnelSession, every: Sequence[TunnelSession]) -> TunnelSession:
    """The other tunnels that another collection of this host knows in the same place."""
    rivals = [other.tunnel_id for other in every if other.tunnel_id and other.tunnel_id != session.tunnel_id
              and session.tunnel_id and other.host.casefold() == session.host.casefold()
              and session.data_dir and other.data_dir
              and norm(session.data_dir) == norm(other.data_dir)]  # fmt: skip
    fresh = tuple(ident for ident in rivals if ident not in session.other_tunnel_ids)
    if not fresh:
        return session
    text = f"another collection of this host knows the tunnel {', '.join(fresh)} in the same data folder"
    reason = f"{text}: it was registered anew, or the file was exchanged"
    ids = tuple(sorted({*session.other_tunnel_ids, *fresh}))
    return replace(session, other_tunnel_ids=ids, reasons=(*session.reasons, reason))
