"""The short answer after a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from forensics.export.run_json import row_counts
from forensics.show.advisory import print_short
from forensics.show.findings import print_leads, print_machines
from forensics.show.persistence import print_persistence, worst
from forensics.show.sandboxes import print_sandbox
from forensics.show.tables import coverage_lines, problem_lines
from forensics.show.terminal import Document, console, counted, heading, in_zone, line, said, speaking, told
from forensics.show.tunnels import print_tunnels
from forensics.show.wiping import print_strongest
from forensics.text import one_line

if TYPE_CHECKING:
    from forensics.case import Case

_TOP = 8


def summary(
    document: Document, case: Case, output: Path, zone: tzinfo, language: str = "en", *, verbose: bool
) -> None:  # fmt: skip
    """The short answer after a run."""
    with speaking(language):
        _summary(document, case, output, zone, language, verbose=verbose)


def _summary(document: Document, case: Case, output: Path, zone: tzinfo, language: str, *, verbose: bool) -> None:
    out = console()
    show_summary(document, zone, out, language)
    out.print(problem_lines(document, verbose=verbose))
    print_notices(case.run.get("notices", ()), zone, out, several=len(case.evidence) > 1)
    out.print(line(f"{_counted(row_counts(case))} {said('Written to {folder}:', folder=output)}"))
    names = sorted(path.name for path in output.iterdir() if path.is_file())
    out.print(Text("  " + "  ".join(names), style="dim"))


def print_notices(notices: Iterable[Document], zone: tzinfo, out: Console, *, several: bool) -> None:
    """What the run had to tell that is no problem: copies not read, media not checked, disks of guests."""
    for item in notices:
        whose = f"{item['evidence']}: " if several else ""
        out.print(line(f"{told('Note')}: {whose}{in_zone(told(item['text']), zone)}", "yellow"))


def _counted(counts: dict[str, int]) -> str:
    """How many rows there are, as the files count them."""
    left = counts["session_rows_outside"]
    outside = said(
        "; 1 more lies outside --start and --end" if left == 1 else "; {n} more lie outside --start and --end", n=left
    )
    return said(
        "{rows} ({events}, {own} of sessions, persistence, removed traces and findings{outside}), {undated}.",
        rows=_number(counts["timeline_rows"], "timeline row"), events=_number(counts["events"], "event"),
        own=_number(counts["session_rows"], "row"), outside=outside if left else "",
        undated=_number(counts["undated"], "undated fact"),
    )  # fmt: skip


def _number(count: int, noun: str) -> str:
    return said(f"1 {noun}" if count == 1 else f"{{n}} {noun}s", n=count)


def show_summary(document: Document, zone: tzinfo, out: Console, language: str = "en") -> None:
    """Host, sessions, other machines, persistence, signs of wiping, findings, coverage."""
    for item in document["evidence"]:
        out.print(_host_line(item, several=len(document["evidence"]) > 1))
    print_sandbox(document, zone, out, full=False)
    print_machines(document, zone, out)
    print_tunnels(document, zone, out, full=False)
    entries = [entry for entry in document["persistence"] if entry["score"] > 0]
    out.print(heading("Persistence", len(entries), _autostarts(document["persistence"])))
    print_persistence(document, worst(entries)[:_TOP], zone, out, full=False)
    if (more := len(entries) - _TOP) > 0:
        out.print(Text(f"  {said('… {n} more: show {part}', n=more, part='persistence')}", style="dim"))
    print_strongest(document, zone, out)
    print_leads(document, zone, out)
    print_short(document, out, language)
    for text in coverage_lines(document):
        out.print(text)


def _autostarts(entries: Sequence[Document]) -> str:
    gone = sum(1 for entry in entries if entry.get("deleted"))
    more = f", {gone} more recovered from deleted keys" if gone else ""
    return f"{counted(len(entries) - gone, 'autostart entry', 'autostart entries')} beside Windows' own{more}"


def _zone(host: Document) -> str | None:
    why = host.get("unknown", {}).get("timezone")  # also where an examiner stated one
    return f"{host['timezone']} ({why})" if host.get("timezone") and why else host.get("timezone")


def _host_line(evidence: Document, *, several: bool) -> Text:
    host = evidence["host"]
    build = told(f"build {host['build']}") if host.get("build") else None
    known = [told(host["os"]) if host.get("os") else None, build, _zone(host)]
    text = Text(f"{told('Host')} ", style="bold").append(
        one_line(host.get("name") or told("unknown host")), style="bold cyan"
    )
    if why := host.get("unknown", {}).get("name"):  # also where a name was inferred
        text.append(one_line(f" ({told(why)})"), style="yellow")
    text.append("  " + one_line(", ".join(item for item in known if item) or told("version and zone unknown")))
    people = [
        user["name"]
        for user in host.get("users", [])
        if user.get("name") and (user.get("sid") or "").startswith("S-1-5-21")
    ]
    text.append(one_line(f"  {told('users')}: {', '.join(people)}") if people else "", style="dim")
    return text.append(one_line(f"  {said('from {name}', name=evidence['name'])}"), style="dim") if several else text
