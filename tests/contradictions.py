"""The contract of the checklist: no "no" stands beside a row, a session, an entry or a finding that says otherwise.

Looked for here by words and kinds, not by the tool's own rules, in all that a case wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from tests.running import Run

Row = dict[str, Any]
_PROGRAM = re.compile(
    r"(?:^|[\\/\"'\s])(?:code(?:-insiders|-tunnel)?|devtunnel)\.exe\b|vscode[_-]cli|tunnel service internal-run"
)
_TEXTS = {
    "vscode.present": _PROGRAM,
    "tunnel.traffic": re.compile(r"\btunnels\.api\.visualstudio\.com|\bdevtunnels\.ms\b"),
    "antivirus.weakened": re.compile(r"(?:add|set)-mppreference.{0,200}(?:exclusion|disable)"),
    "firewall.opened": re.compile(r"advfirewall.{0,40}add\s+rule|new-netfirewallrule"),
    "rdp.enabled": re.compile(r"fdenytsconnections.{0,80}/d 0\b"),
    "web.scripts": re.compile(r"\\(?:inetpub|wwwroot|htdocs|webapps)\\.{0,200}\.(?:aspx|asp|ashx|php|jsp)\b"),
}
_KINDS = {
    "logs.erased": ("log.cleared",),
    "antivirus.detected": ("antivirus.detected", "antivirus.acted"),
    "office.macros": ("office.document_trusted",),
    "office.outside": ("office.document_trusted",),
    "firewall.opened": ("firewall.rule_added",),
    "rdp.enabled": ("rdp.client_reached",),
    "sandbox.enabled": ("sandbox.started",),
}
_OTHER = ("session", "persistence", "finding", "anti_forensics")  # rows that repeat what the document has


def _text(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False).replace("\\\\", "\\").replace('\\"', '"').casefold()


def _rows(run: Run) -> list[Row]:
    rows = [*run.lines("timeline.jsonl"), *run.lines("undated.jsonl")]
    return [row for row in rows if row.get("kind") not in _OTHER]


def _concluded(document: Any) -> dict[str, list[str]]:  # a JSON document
    """What the joins say, by the question whose "no" it forbids."""
    signs, findings = document["anti_forensics"], document["findings"]
    tunnels = [item["id"] for item in document["tunnel_sessions"]]
    named = [
        item["name"]
        for item in document["persistence"]
        if _PROGRAM.search(_text(item)) or any(reason.startswith("PER-02 ") for reason in item["reasons"])
    ]
    log = re.compile(r"log_|record|clearing|audit_|events_lost|driver_unloaded|journal_")
    sandboxes = [item["id"] for item in document["sandbox_sessions"]]
    capability = document["sandbox_capability"]
    return {
        "vscode.present": [*tunnels, *named, *(item["rule"] for item in findings if _PROGRAM.search(_text(item)))],
        "tunnel.traffic": tunnels,
        "sandbox.used": [*sandboxes, *(item["rule"] for item in findings if item["rule"].startswith("sandbox."))],
        "sandbox.enabled": [text for text in capability["evidence"] if capability["enabled"]],
        "logs.erased": [item["kind"] for item in signs if log.match(item["kind"])],
        "antivirus.weakened": [
            item["kind"] for item in signs if item["kind"].startswith(("protection", "exclusion"))
        ],
        "web.scripts": [item["rule"] for item in findings if re.search(r"(?:^|\.)web", item["rule"])],
        "autostart.suspicious": [item["name"] for item in document["persistence"] if item["score"] > 20],
    }  # fmt: skip


def _from_elsewhere(row: Row) -> bool:
    return str(row.get("kind", "")).startswith(("logon.", "rdp.")) and row.get("source_ip", "-") not in ("-", "LOCAL")


_ROWS: dict[str, Callable[[Row], bool]] = {
    "logon.remote": _from_elsewhere,
    "rdp.enabled": lambda row: bool(row.get("kind") == "rdp.session" and _from_elsewhere(row)),
}


def contradictions(run: Run, denied: Collection[str] = ()) -> list[str]:
    """The answers that are "no" (or are `denied`) each with what says otherwise; none, if the contract is kept."""
    document = run.document()
    no = {item["id"] for item in document["advisory"] if item["answer"] == "no"} | set(denied)
    return list(_found(no, _concluded(document), _rows(run)))


def _found(no: Collection[str], concluded: dict[str, list[str]], rows: list[Row]) -> Iterator[str]:
    texts = {ident: pattern for ident, pattern in _TEXTS.items() if ident in no}
    for ident in no:
        yield from (f"{ident}: {what}" for what in concluded.get(ident, ()))
    for row in rows:
        kind, text = row.get("kind"), _text(row)
        yield from (f"{ident}: {text}" for ident, pattern in texts.items() if pattern.search(text))
        yield from (f"{ident}: {text}" for ident in no if kind in _KINDS.get(ident, ()))
        yield from (f"{ident}: {text}" for ident, says in _ROWS.items() if ident in no and says(row))


__all__ = ["contradictions"]
