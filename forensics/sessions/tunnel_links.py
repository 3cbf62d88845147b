"""The same tunnel on several hosts of one run: by its id, or by the token that its servers are started with.

An id belongs to one account at the service, so two hosts with one id were hosted by one hand. The token is a hash
of the id: a process on one host ties to the file on another. A client may have sent a token of its own, so that equal
tokens link and different ones say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from forensics.model import LinkedHost, TunnelSession, Verdicts
from forensics.sessions.tunnel_identity import tokens_of


def linked(verdicts: Sequence[Verdicts]) -> list[Verdicts]:
    """The same verdicts, each tunnel with the other hosts that it is known on; the order of hosts does not matter."""
    every = [session for item in verdicts for session in item.tunnel_sessions]
    index: dict[str, list[TunnelSession]] = {}
    for session in every:
        for key in _keys(session):
            index.setdefault(key, []).append(session)
    found = []
    for item in verdicts:
        sessions = tuple(_with_links(session, index) for session in item.tunnel_sessions)
        found.append(replace(item, tunnel_sessions=sessions) if sessions != item.tunnel_sessions else item)
    return found


def _keys(session: TunnelSession) -> set[str]:
    """What a session can be linked by."""
    return _tokens(session) | ({f"id {session.tunnel_id}"} if session.tunnel_id else set())


def _with_links(session: TunnelSession, index: dict[str, list[TunnelSession]]) -> TunnelSession:
    like = (other for key in _keys(session) for other in index[key])
    links = {link for other in like if other.host.casefold() != session.host.casefold()
             for link in _links(session, other)}  # fmt: skip
    known = {(link.host, link.by, link.value) for link in session.linked_hosts}
    links |= set(session.linked_hosts)
    fresh = sorted(links, key=lambda link: (link.host, link.by, link.value))
    new = [link for link in fresh if (link.host, link.by, link.value) not in known]
    reasons = [f"the same tunnel is known on host {link.host} by its {link.by.replace('_', ' ')}" for link in new]
    return replace(session, linked_hosts=tuple(fresh), reasons=(*session.reasons, *dict.fromkeys(reasons)))


def _links(session: TunnelSession, other: TunnelSession) -> list[LinkedHost]:
    links = []
    if session.tunnel_id and session.tunnel_id == other.tunnel_id:
        links.append(LinkedHost(other.host, "tunnel_id", session.tunnel_id))
    same = _tokens(session) & _tokens(other) & {*session.connection_tokens, *other.connection_tokens}
    links += [LinkedHost(other.host, "connection_token", token) for token in sorted(same)]
    return links


def _tokens(session: TunnelSession) -> set[str]:
    """The tokens of its servers, and those that a server of its id would have."""
    return {*session.connection_tokens, *(tokens_of(session.tunnel_id) if session.tunnel_id else ())}
