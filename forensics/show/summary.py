"""The short answer after a run, and the list of autostart entries in its full form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.text import Text

from forensics.export.run_json import row_counts
from forensics.rules.autoruns import last_written
from forensics.show.advisory import print_short
from forensics.show.entries import on_host, reasons
from forensics.show.findings import print_leads, print_machines
from forensics.show.sandboxes import print_sandbox
from forensics.show.tables import coverage_lines, problem_lines
from forensics.show.terminal import Document, console, counted, heading, in_zone, line, moment, told
from forensics.show.tunnels import print_tunnels
from forensics.text import one_line

if TYPE_CHECKING:
    from forensics.case import Case

_TOP = 8


def summary(document: Document, case: Case, output: Path, zone: tzinfo, *, verbose: bool) -> None:
    """The short answer after a run."""
    out = console()
    show_summary(document, zone, out)
    out.print(problem_lines(document, verbose=verbose))
    print_notices(case.run.get("notices", ()), out, several=len(case.evidence) > 1)
    out.print(line(f"{_counted(row_counts(case))} Written to {output}:"))
    names = sorted(path.name for path in output.iterdir() if path.is_file())
    out.print(Text("  " + "  ".join(names), style="dim"))


def print_notices(notices: Iterable[Document], out: Console, *, several: bool) -> None:
    """What the run had to tell that is no problem: copies not read, media not checked, disks of guests."""
    for item in notices:
        whose = f"{item['evidence']}: " if several else ""
        out.print(line(f"Note: {whose}{item['text']}", "yellow"))


def _counted(counts: dict[str, int]) -> str:
    """How many rows there are, as the files count them."""
    left = counts["session_rows_outside"]
    outside = f"; {left} more {'lies' if left == 1 else 'lie'} outside --start and --end" if left else ""
    return (
        f"{counted(counts['timeline_rows'], 'timeline row')} ({counted(counts['events'], 'event')}, "
        f"{counted(counts['session_rows'], 'row')} of sessions, persistence, removed traces and findings{outside}), "
        f"{counted(counts['undated'], 'undated fact')}."
    )


def show_summary(document: Document, zone: tzinfo, out: Console, language: str = "en") -> None:
    """Host, sessions, other machines, persistence, signs of wiping, findings, coverage."""
    for item in document["evidence"]:
        out.print(_host_line(item, several=len(document["evidence"]) > 1))
    print_sandbox(document, zone, out, full=False)
    print_machines(document, zone, out)
    print_tunnels(document, zone, out, full=False)
    entries = [entry for entry in document["persistence"] if entry["score"] > 0]
    out.print(heading("Persistence", len(entries), _autostarts(document["persistence"])))
    top = sorted(entries, key=lambda entry: -entry["score"])[:_TOP]
    print_persistence(document, top, zone, out, full=False)
    if (more := len(entries) - _TOP) > 0:
        out.print(Text(f"  … {more} more: show persistence", style="dim"))
    if document["anti_forensics"]:
        out.print(heading("Traces removed", len(document["anti_forensics"]), ""))
        for sign in document["anti_forensics"][:_TOP]:
            level = f" ({told(sign['level'])})" if "level" in sign else ""
            said = f"{sign['kind']}{level}: {in_zone(told(sign['detail']), zone)}{on_host(document, sign)}"
            out.print(line(f"  {moment(sign['time'], zone)}  {said}"))
        if (more := len(document["anti_forensics"]) - _TOP) > 0:
            out.print(Text(f"  … {more} more in sessions.json", style="dim"))
    print_leads(document, zone, out)
    print_short(document, out, language)
    for text in coverage_lines(document):
        out.print(text)


def _autostarts(entries: Sequence[Document]) -> str:
    gone = sum(1 for entry in entries if entry.get("deleted"))
    more = f", {gone} more recovered from deleted keys" if gone else ""
    return f"{counted(len(entries) - gone, 'autostart entry', 'autostart entries')} in all{more}"


def _zone(host: Document) -> str | None:
    why = host.get("unknown", {}).get("timezone")  # also where an examiner stated one
    return f"{host['timezone']} ({why})" if host.get("timezone") and why else host.get("timezone")


def _host_line(evidence: Document, *, several: bool) -> Text:
    host = evidence["host"]
    known = [host.get("os"), f"build {host['build']}" if host.get("build") else None, _zone(host)]
    text = Text("Host ", style="bold").append(one_line(host.get("name") or "unknown host"), style="bold cyan")
    if said := host.get("unknown", {}).get("name"):  # also where a name was inferred
        text.append(one_line(f" ({said})"), style="yellow")
    text.append("  " + one_line(", ".join(item for item in known if item) or "version and zone unknown"))
    people = [
        user["name"]
        for user in host.get("users", [])
        if user.get("name") and (user.get("sid") or "").startswith("S-1-5-21")
    ]
    text.append(one_line(f"  users: {', '.join(people)}") if people else "", style="dim")
    return text.append(one_line(f"  from {evidence['name']}"), style="dim") if several else text


def _seen(entry: Document, zone: tzinfo) -> str:
    """When the entry was first there, if that is not the time of its key, which the line tells in any case."""
    if entry["first_seen"] != entry["last_write"]:
        word = told("there by" if entry.get("first_seen_bound") else "first seen")
        return f"  {word} {moment(entry['first_seen'], zone)}"
    return "" if entry["mechanism"] == "run_key" or not entry["first_seen"] else f"  {told('first seen and')}"


def print_persistence(
    document: Document, entries: Sequence[Document], zone: tzinfo, out: Console, *, full: bool
) -> None:
    """An entry's lines: what and when, its command, what sets it off; with its reasons in the full form."""
    for entry in entries:
        head = Text("  ").append(f"score {entry['score']:>3}", style="bold yellow" if entry["score"] else "dim")
        head.append(one_line(f"  {told(entry['mechanism'])}  "), style="dim").append(
            one_line(entry["name"]), style="bold"
        )
        whose = f"  as {entry['user']}" if entry["user"] else ""
        whose += f"  {told('deleted')}" if entry.get("deleted") else ""
        whose += _seen(entry, zone)
        # The registry dates keys, not values: every entry of a Run key has the time of the youngest change to any.
        what = told(last_written(entry.get("last_write_kind"), entry["mechanism"]))
        whose += " " if whose.endswith(told("first seen and")) else "  "
        written = f"{whose}{what} {moment(entry['last_write'], zone)}{on_host(document, entry)}"
        out.print(head.append(one_line(written), style="dim"))
        if entry["command"]:
            out.print(line(f"      {one_line(entry['command'], 0 if full else 240)}"))
        if entry.get("trigger"):
            out.print(line(f"      {told('trigger')}: {one_line(entry['trigger'], 0 if full else 240)}"))
        if full:
            if entry.get("first_seen") and entry.get("first_seen_source"):
                out.print(line(f"      {told('first seen by')}: {one_line(told(entry['first_seen_source']), 0)}"))
            if entry.get("made_by"):
                out.print(line(f"      {told('made by')}: {one_line(made_by(entry), 0)}"))
            if target := _target(entry) or _no_file(entry):
                out.print(line(f"      {told('target')}: {one_line(target, 0)}"))
            out.print(Group(*reasons(entry, zone, full=True)))


def made_by(entry: Document) -> str:
    """Whose account made an entry, and the records that say so."""
    source = f" ({entry['made_by_source']})" if entry.get("made_by_source") else ""
    return f"{entry['made_by']}{source}"


def _target(entry: Document) -> str:
    """The file that an entry starts, and what the evidence has of it."""
    if not entry.get("target") or not (entry["score"] or entry.get("target_note") or entry.get("target_exists")):
        return ""
    found = [told({True: "there", False: "not there", None: ""}[entry.get("target_exists")])]
    digest = next((name for name in ("sha256", "sha1") if entry.get(f"target_{name}")), "")
    if digest:
        source = entry.get("target_hash_source")
        found.append(f"{digest.upper().replace('SHA', 'SHA-')} {entry[f'target_{digest}']}")
        found[-1] += told(f" (by {source})") if source and source != "the file" else ""
    found.append(_signature(entry))
    note = "; ".join(told(part) for part in (entry.get("target_note") or "").split("; "))
    return ": ".join(item for item in (", ".join(item for item in (entry["target"], *found) if item), note) if item)


def _no_file(entry: Document) -> str:
    """Why an entry that scores starts no file that could be looked for."""
    note = entry.get("target_note") if entry["score"] and not entry.get("target") else None
    return told(note) if note else ""


def _signature(entry: Document) -> str:
    """What the signature in the file is worth; nothing of a file that can have none."""
    state = entry.get("target_signature") or ""
    if not state or (state == "not_checked" and not entry.get("target_signature_note")):
        return ""
    by = f" by {entry['target_signer']}" if entry.get("target_signer") else ""
    why = f" ({entry['target_signature_note']})" if entry.get("target_signature_note") else ""
    return told(f"signature {state.replace('_', ' ')}{by}{why}")
