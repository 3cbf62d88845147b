"""Tunnels on the terminal: when hosted, when up at the relay, who came, what was run, saved and forwarded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from rich.console import Console, Group
from rich.text import Text

from forensics.show.entries import judged, listed, on_host, reasons, span
from forensics.show.terminal import Document, counted, heading, in_zone, line, moment, said, told
from forensics.text import one_line

_MOST = 6
_PART = "tunnel"


def print_tunnels(document: Document, zone: tzinfo, out: Console, *, full: bool) -> None:
    """The tunnels with their hosting periods, relay connections, clients, commands, files and ports."""
    out.print(heading("Code tunnels", len(document["tunnel_sessions"]), ""))
    for session in document["tunnel_sessions"]:
        head = judged(session)
        name = session["tunnel_name"] or session["tunnel_id"] or told("unnamed")
        head.append(one_line(f"  {name}"), style="bold cyan")
        head.append(f"  {session['product']}  {told('score')} {session['score']}", style="bold")
        head.append(one_line(on_host(document, session)))
        out.print(Group(head, *_about(session), *_lists(session, zone, full=full), *reasons(session, zone, full=full)))


def _about(session: Document) -> Iterator[Text]:
    counts = [
        _number(len(session["clients"]), "{n} client connection", "{n} client connections"),
        _number(len(session["files_saved"]), "{n} file saved", "{n} files saved"),
        _number(len(session["commands"]), "{n} command", "{n} commands"),
    ]
    unclear = [item for item in session["hosting"] if not (item["start"] or item.get("start_latest"))]
    times = told(" (times unknown)") if unclear and len(unclear) == len(session["hosting"]) else ""
    hosted = said("hosted {n}×", n=len(session["hosting"])) + times
    who = said("profile {who}", who=session["profile_user"] or told("unknown"))
    yield line(f"      {', '.join([who, hosted, *counts])}")
    account = " of ".join(item for item in (session.get("account"), session.get("provider")) if item)
    known = [said("account {account}", account=account)] if account else []
    known += [said("id {id}", id=session["tunnel_id"])] if session["tunnel_id"] and session["tunnel_name"] else []
    known += [said("cluster {cluster}", cluster=session["cluster"])] if session["cluster"] else []
    known += [said("data in {folder}", folder=session["data_dir"])] if session.get("data_dir") else []
    known += [told("unregistered")] if session["unregistered"] else []
    if known:
        yield line(f"      {', '.join(known)}")
    for other in session.get("linked_hosts", ()):
        by = other["by"].replace("_", " ")
        yield line(f"      linked  to {other['host']} by the {by} {other['value']}")


def _number(count: int, one: str, many: str) -> str:
    return said(one if count == 1 else many, n=count)


def _lists(session: Document, zone: tzinfo, *, full: bool) -> Iterator[Text]:
    most = 0 if full else _MOST
    lists = {
        "up": [_hosting(period, zone, full=full) for period in session["hosting"]],
        "relay": [
            f"{span(item, zone)}  {in_zone(item.get('end_reason') or '', zone)}" for item in _of(session, "relay")
        ],
        "client": [_client(client, zone) for client in session["clients"]],
        "ran": [f"{moment(item['time'], zone)}  {item['command']}  ({item['source']})" for item in session["commands"]],
        "saved": [_saved(item, zone, full=full) for item in session["files_saved"]],
        "port": [_port(item, zone) for item in session["ports_forwarded"]],
        "added": [f"{moment(item['time'], zone)}  extension {item['id']}" for item in _of(session, "extensions")],
    }
    for label, texts in lists.items():
        yield from listed(label, [text.rstrip() for text in texts], most, _PART)


def _of(session: Document, name: str) -> list[Document]:
    """A list that cases saved by older versions lack."""
    return session.get(name) or []


def _connection(item: Document, zone: tzinfo) -> str:
    return f"{span(item, zone)}  {in_zone(item.get('end_reason') or '', zone)}"


def _hosting(period: Document, zone: tzinfo, *, full: bool) -> str:
    whose = f"  as {period['user']}" if period.get("user") else ""
    text = f"{span(period, zone)}{_if_utc(period, zone)}{whose}  {in_zone(period['end_reason'] or '', zone)}"
    if not full:
        return text
    output = f"  output to {period['output_to']}" if period.get("output_to") else ""
    service = "  as a service" if period["as_service"] else ""
    return f"{text}{service}  {period['command_line'] or ''}{output}"


def _client(client: Document, zone: tzinfo) -> str:
    more = [counted(client["windows"], "window")] if client.get("windows") else []
    more += [counted(client["reconnects"], "reconnect")] if client.get("reconnects") else []
    more += ["another client had connected"] if client.get("second_client") else []
    beside = f"  {', '.join(more)}" if more else ""
    return f"{span(client, zone)}{_if_utc(client, zone)}  {client['end_kind'].replace('_', ' ')}{beside}"


def _if_utc(item: Document, zone: tzinfo) -> str:
    """The other reading of a log whose zone is undecided."""
    start, end = item.get("start_if_utc"), item.get("end_if_utc")
    if not (start or end):
        return ""
    return f" (if the log is in UTC: {moment(start, zone)} – {moment(end, zone)})"


def _saved(item: Document, zone: tzinfo, *, full: bool) -> str:
    digest = f"  SHA-256 {item['sha256']}" if full and item["sha256"] else ""
    return f"{moment(item['time'], zone)}  {item['path']}{digest}"


def _port(item: Document, zone: tzinfo) -> str:
    access = {True: "public", False: "private", None: "access unknown"}[item["public"]]
    return f"{moment(item['time'], zone)}  {item['port']} ({access})"
