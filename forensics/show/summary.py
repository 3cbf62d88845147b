"""The short answer after a run, and the lists of sessions and autostart entries in their full form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.text import Text

from forensics.export.run_json import row_counts
from forensics.show.tables import coverage_lines, problem_lines
from forensics.show.terminal import COLOURS, Document, console, heading, in_zone, label_of, line, moment
from forensics.text import one_line

if TYPE_CHECKING:
    from forensics.case import Case

_TOP = 8
_MOST_REASONS = 6
_POINTS = re.compile(r"\(\+(\d+)\)")
_EVENT_IDS = re.compile(r" \[[0-9a-f]{16}[^\]]*\]$")
_JUDGED = ("sandbox_sessions", "sandbox_configs", "tunnel_sessions", "persistence", "anti_forensics")


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
    outside = f"; {left} more lie outside --start and --end" if left else ""
    return (
        f"{counts['timeline_rows']} timeline rows ({counts['events']} events, {counts['session_rows']} rows of "
        f"sessions, persistence and removed traces{outside}), {counts['undated']} undated facts."
    )


def show_summary(document: Document, zone: tzinfo, out: Console) -> None:
    """Host, sessions, persistence, signs of wiping, coverage."""
    for item in document["evidence"]:
        out.print(_host_line(item, several=len(document["evidence"]) > 1))
    print_sandbox(document, zone, out, full=False)
    print_tunnels(document, zone, out, full=False)
    entries = [entry for entry in document["persistence"] if entry["score"] > 0]
    out.print(heading("Persistence", len(entries), _autostarts(document["persistence"])))
    top = sorted(entries, key=lambda entry: -entry["score"])[:_TOP]
    print_persistence(document, top, zone, out, full=False)
    if document["anti_forensics"]:
        out.print(heading("Traces removed", len(document["anti_forensics"]), ""))
        for sign in document["anti_forensics"][:_TOP]:
            said = f"{sign['kind']}: {in_zone(sign['detail'], zone)}{_on(document, sign)}"
            out.print(line(f"  {moment(sign['time'], zone)}  {said}"))
        if (more := len(document["anti_forensics"]) - _TOP) > 0:
            out.print(Text(f"  … {more} more in sessions.json", style="dim"))
    for text in coverage_lines(document):
        out.print(text)


def _autostarts(entries: Sequence[Document]) -> str:
    gone = sum(1 for entry in entries if entry.get("deleted"))
    more = f", {gone} more recovered from deleted keys" if gone else ""
    return f"{len(entries) - gone} autostart entries in all{more}"


def _on(document: Document, entry: Document) -> str:
    """Which host an entry is about, where the case is about more than one."""
    labels = {label_of(item) for item in document["evidence"]}
    labels |= {other["host"] for part in _JUDGED for other in document[part]}
    return f"  on {entry['host']}" if len(labels) > 1 else ""


def _host_line(evidence: Document, *, several: bool) -> Text:
    host = evidence["host"]
    known = [host.get("os"), f"build {host['build']}" if host.get("build") else None, host.get("timezone")]
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


def _span(item: Document, zone: tzinfo) -> str:
    start = moment(item["start"] or item.get("start_earliest"), zone)
    if not (item["start"] or item.get("start_earliest")) and item.get("start_latest"):
        start = f"before {moment(item['start_latest'], zone)}"
    return f"{start} – {moment(item['end'], zone)}"


def _reasons(item: Document, zone: tzinfo, *, full: bool) -> list[Text]:
    """The reasons; in the short form what scored and what decided come first, without the event ids."""
    if full:
        return [line(f"      · {in_zone(reason, zone)}", "dim") for reason in item["reasons"]]
    ranked = sorted(item["reasons"], key=_rank)
    shown = [_EVENT_IDS.sub("", reason) for reason in ranked[:_MOST_REASONS]]
    lines = [line(f"      · {in_zone(reason, zone)}", "dim") for reason in shown]
    more = len(ranked) - len(lines)
    return [*lines, line(f"      · … {more} more reasons", "dim")] if more > 0 else lines


def _rank(reason: str) -> tuple[int, int]:
    points = _POINTS.search(reason)
    if points:
        return 0, -int(points.group(1))
    return (1, 0) if reason.startswith(("confirmed", "probable", "possible")) else (2, 0)


def print_sandbox(document: Document, zone: tzinfo, out: Console, *, full: bool) -> None:
    """The sandbox sessions, and configurations that no session used."""
    capability = document["sandbox_capability"]
    enabled = {True: "feature switched on", False: "feature off", None: "feature state unknown"}[capability["enabled"]]
    since = f" since {moment(capability['enabled_at'], zone)}" if capability.get("enabled_at") else ""
    note = f"{enabled}{since}{_on(document, capability) if capability.get('host') else ''}"
    out.print(heading("Windows Sandbox sessions", len(document["sandbox_sessions"]), one_line(note)))
    for session in document["sandbox_sessions"]:
        out.print(_sandbox_lines(document, session, zone, full=full))
    used = {session["config"]["source"] for session in document["sandbox_sessions"] if session["config"]}
    configs = document["sandbox_configs"]
    unused = configs if full else [item for item in configs if item["score"] >= 40 and item["source"] not in used]
    for config in unused:
        out.print(line(f"  configuration {config['source']} (score {config['score']}){_on(document, config)}"))
        out.print(Group(*_reasons(config, zone, full=full)))


def _sandbox_lines(document: Document, session: Document, zone: tzinfo, *, full: bool) -> Group:
    launch = session["launch"]
    network = {True: "networked", False: "no network", None: "network unknown"}[session["networked"]]
    head = Text("  ").append(session["certainty"], style=COLOURS.get(session["certainty"], ""))
    head.append(f"  {_span(session, zone)}  score {session['score']}", style="bold")
    head.append(one_line(_on(document, session)))
    who = launch.get("user") or launch.get("user_sid") or "unknown user"
    how = f"by {launch['method']}, as {who}, {network}, end: {session['end_kind']}"
    what = launch.get("wsb_path") or launch.get("command_line") or ""
    lines = [head, line(f"      {how}{': ' + what if what else ''}")]
    return Group(*lines, *_reasons(session, zone, full=full))


def print_tunnels(document: Document, zone: tzinfo, out: Console, *, full: bool) -> None:
    """The tunnels with their hosting periods and clients."""
    out.print(heading("Code tunnels", len(document["tunnel_sessions"]), ""))
    for session in document["tunnel_sessions"]:
        head = Text("  ").append(session["certainty"], style=COLOURS.get(session["certainty"], ""))
        name = session["tunnel_name"] or session["tunnel_id"] or "unnamed"
        head.append(one_line(f"  {name}"), style="bold cyan")
        head.append(f"  {session['product']}  score {session['score']}", style="bold")
        head.append(one_line(_on(document, session)))
        whose = session["profile_user"] or "unknown"
        counts = (f"profile {whose}, hosted {len(session['hosting'])}×, {len(session['clients'])} client connections, "
                  f"{len(session['files_saved'])} files saved, {len(session['commands'])} commands")  # fmt: skip
        out.print(head)
        out.print(line(f"      {counts}"))
        for period in session["hosting"]:
            out.print(line(f"      up      {_span(period, zone)}  {in_zone(period['end_reason'] or '', zone)}"))
        for client in session["clients"]:
            out.print(line(f"      client  {_span(client, zone)}  {client['end_kind']}"))
        out.print(Group(*_reasons(session, zone, full=full)))


def print_persistence(
    document: Document, entries: Sequence[Document], zone: tzinfo, out: Console, *, full: bool
) -> None:
    """Two lines an entry (what and when, then its command); with its reasons in the full form."""
    for entry in entries:
        head = Text("  ").append(f"score {entry['score']:>3}", style="bold yellow" if entry["score"] else "dim")
        head.append(one_line(f"  {entry['mechanism']}  "), style="dim").append(one_line(entry["name"]), style="bold")
        whose = f"  as {entry['user']}" if entry["user"] else ""
        whose += "  deleted" if entry.get("deleted") else ""
        # The registry dates keys, not values: every entry of a Run key has the time of the youngest change to any.
        what = "key last written" if entry["mechanism"] in ("run_key", "service") else "last write"
        written = f"{whose}  {what} {moment(entry['last_write'], zone)}{_on(document, entry)}"
        out.print(head.append(one_line(written), style="dim"))
        if entry["command"]:
            out.print(line(f"      {one_line(entry['command'], 0 if full else 240)}"))
        if full:
            out.print(Group(*_reasons(entry, zone, full=True)))
