"""Every autostart entry of a saved case: those that were judged, and those that are Windows' own.

What an installation of Windows brings is context: no entry of the sessions document, but rows of the timeline where
these are in it. From the rows that a case holds its entries are put together as the run itself does it.
"""

from __future__ import annotations

import json
from pathlib import Path

from forensics.artifacts.base import all_artifacts
from forensics.case import Case
from forensics.model import Fact, Host, to_plain
from forensics.sessions.persistence import persistence
from forensics.sessions.rows import Rows
from forensics.show.terminal import Document

DEFINING = frozenset({"autorun.configured", "service.configured", "task.defined", "task.cached"})


def every_entry(case_dir: Path, document: Document) -> list[Document]:
    """The judged entries and behind them the others that the case has rows of, each with the same members."""
    case = Case.load(case_dir)
    events = [event for event in case.events if event.kind in DEFINING]
    undated = [item for item in case.undated if item.kind in DEFINING]
    judged = document["persistence"]
    told = {uid for entry in judged for uid in entry["events"]}
    known = {entry["id"] for entry in judged}
    hosts = {item.host.name or item.name: item.host for item in case.evidence}
    found: list[Document] = []
    for label in sorted({event.host for event in events} | {item.host for item in undated}):
        facts = [Fact(item.kind, item.source, {}, item.fields) for item in undated if item.host == label]
        rows = Rows([event for event in events if event.host == label], facts)
        entries = persistence(rows, hosts.get(label, Host(name=label)), label)
        found += [to_plain(entry) for entry in entries if entry.id not in known and not told & set(entry.events)]
    return [*judged, *found]


def left_out(case_dir: Path, document: Document) -> int:
    """How many rows of autostart places are context that the case may lack; 0 when it was made with every row."""
    run = json.loads((case_dir / "run.json").read_text(encoding="utf-8"))
    if run["options"].get("all_events"):
        return 0
    names = {artifact.name for artifact in all_artifacts() if DEFINING & set(artifact.emits)}
    return sum(row["context"] for row in document["coverage"] if row["artifact"] in names)
