"""Every autostart entry of a saved case: those that were judged, and those that are Windows' own.

What an installation of Windows brings is context: no entry of the sessions document. Its rows stand in `stock.jsonl`,
and from them entries are put together as the run itself does it.
"""

from __future__ import annotations

from pathlib import Path

from forensics.case import Case
from forensics.model import Aside, Event, Fact, Host, Source, to_plain
from forensics.sessions.persistence import persistence
from forensics.sessions.rows import Rows
from forensics.show.terminal import Document
from forensics.timeline import events_of, order_key, undated_of


def every_entry(case_dir: Path, document: Document) -> list[Document]:
    """The judged entries and behind them all others, each with the same members.

    `events` of the others are ids of rows that the timeline has with `--all-events`; `sources` say where they are.
    """
    case = Case.load(case_dir)
    judged = document["persistence"]
    known = {entry["id"] for entry in judged}
    hosts = {item.host.name or item.name: item.host for item in case.evidence}
    found: list[Document] = []
    for label in sorted({item.host for item in case.stock}):
        found += _entries([item for item in case.stock if item.host == label], hosts.get(label, Host(name=label)))
    return [*judged, *(entry for entry in found if entry["id"] not in known)]


def _entries(stock: list[Aside], host: Host) -> list[Document]:
    events: list[Event] = []
    undated: list[Fact] = []
    places: dict[str, Source] = {}
    for item in stock:
        events += events_of(item.fact, item.host, safe=True)
        if row := undated_of(item.fact, item.host):
            undated.append(item.fact)
            places[row.id] = item.fact.source
    events.sort(key=order_key)
    places |= {event.id: event.source for event in events}
    rows = Rows(events, undated)
    return [
        {**to_plain(entry), "sources": [to_plain(places[uid]) for uid in entry.events if uid in places]}
        for entry in persistence(rows, host, stock[0].host)
    ]
