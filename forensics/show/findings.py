"""Findings on the terminal: machines that nothing attributes, machines that are no sandbox, calls without a session."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import tzinfo

from rich.console import Console
from rich.text import Text

from forensics.artifacts.sigma_rules import NAME as RULES
from forensics.rules.ranking import gravity
from forensics.sessions.others import NO_SANDBOX, OTHER_MACHINE, STARTED
from forensics.show.entries import EVENT_IDS, on_host
from forensics.show.tables import detail_of
from forensics.show.terminal import Document, heading, in_zone, line, moment, said, told
from forensics.show.wiping import print_number
from forensics.text import one_line

_TOP = 8
_UNATTRIBUTED = "sandbox.unattributed_vm"
# As sessions/sigma_matches.py words it; the title is whatever the rule's author wrote.
_SIGMA = re.compile(r"Sigma rule .+?\.ya?ml(?:#\d+)?, (?P<title>.+?)(?: \([\w., ]+\))?, matches \d+ records?\b")
_LISTS = (
    (_UNATTRIBUTED, "Machines that nothing attributes", "each may have been a sandbox whose other traces are gone"),
    (OTHER_MACHINE, "Machines that ran and are no sandbox", "by cause; show findings has their events"),
)


def print_machines(document: Document, zone: tzinfo, out: Console) -> None:
    """Machines beside the sessions, in the short form: without them a host where they ran looks as if nothing had."""
    for rule, title, note in _LISTS:
        _short(document, [item for item in document["findings"] if item["rule"] == rule], (title, note), zone, out)


def print_leads(document: Document, zone: tzinfo, out: Console) -> None:
    """The other findings in the short form."""
    machines = {rule for rule, _, _ in _LISTS}
    rest = [item for item in document["findings"] if item["rule"] not in machines]
    _short(document, gravest(rest), ("Other findings", ""), zone, out)


def print_unasked(document: Document, out: Console) -> None:
    """The logs that the user's rules ask and that are missing or silent: a rule about them could not find anything."""
    for row in document["coverage"]:
        if row["artifact"] == RULES and row["state"] != "complete" and row["detail"]:
            whose = f" ({row['evidence']})" if len(document["evidence"]) > 1 else ""
            out.print(Text(told("Logs that the rules ask"), style="bold").append(one_line(f"{whose}:"), style="bold"))
            out.print(line(f"  {detail_of(row['detail'])}", "magenta"))


def print_refused(rules: list[Document], out: Console) -> None:
    """The user's rules that were not evaluated: that they found nothing says nothing."""
    if not rules:
        return
    out.print(heading("Rules not evaluated", len(rules), "that they are not among the findings says nothing"))
    for item in rules:
        named = f"  {item['title']}" if item["title"] else ""
        out.print(line(f"  {item['file']}{named}  · {item['why']}"))


def gravest(findings: Iterable[Document]) -> list[Document]:
    """The findings by their level, then by time, undated ones last."""
    return sorted(findings, key=_rank)


def _rank(item: Document) -> tuple[int, bool, str]:
    return gravity(item["level"]), not item.get("first"), item.get("first") or ""


def _short(document: Document, found: list[Document], words: tuple[str, str], zone: tzinfo, out: Console) -> None:
    if not found:
        return
    out.print(heading(words[0], len(found), words[1]))
    for item in found[:_TOP]:
        why = EVENT_IDS.sub("", item["why"])
        why = _cause(item, why) if item["rule"] == OTHER_MACHINE else told(why)
        text = one_line(f"  {_times(item, zone)}{_network(item)}  {in_zone(why, zone)}", 420)
        out.print(line(f"{text}{on_host(document, item)}"))
    if (more := len(found) - _TOP) > 0:
        out.print(Text(f"  {said('… and {n} more: show {part}', n=more, part='findings')}", style="dim"))


def _cause(item: Document, why: str) -> str:
    """The cause without the words around it, which the heading says for all."""
    cause = why.removeprefix(NO_SANDBOX).rpartition(STARTED)[0]
    return f"{told(cause)}{'' if item.get('vm_id') is None else '  ' + item['vm_id']}" if cause else told(why)


def _times(item: Document, zone: tzinfo) -> str:
    first, last = item.get("first"), item.get("last")
    return moment(first, zone) if first == last else f"{moment(first, zone)} – {moment(last, zone)}"


def _network(item: Document) -> str:
    if item["rule"] != _UNATTRIBUTED:
        return ""
    return "  " + told("networked" if item.get("networked") else "no adapter recorded")


def _title(item: Document) -> str:
    """The rule's name; of a Sigma rule its title, with the id behind it."""
    sigma = _SIGMA.match(item["why"])
    return f"{sigma['title']}  (Sigma {item['rule']})" if sigma else str(item["rule"])


def print_findings(document: Document, zone: tzinfo, out: Console) -> None:
    """All findings, the gravest first, each with its whole sentence; what was wiped is only counted."""
    print_number(document, out)
    out.print(heading("Findings", len(document["findings"]), "rules that matched beside the sessions"))
    for item in gravest(document["findings"]):
        grave = gravity(item["level"]) < gravity("low")
        head = Text(f"  {told(item['level'])}", style="bold yellow" if grave else "bold")
        head.append(one_line(f"  {_title(item)}  {_times(item, zone)}{_network(item)}{on_host(document, item)}"))
        out.print(head)
        if item.get("vm_id"):
            out.print(line(f"      {told('machine')} {item['vm_id']}"))
        out.print(line(f"      · {in_zone(told(item['why']), zone)}", "dim"))
