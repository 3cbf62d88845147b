"""What a person sees: the summary, the tables of `show`, progress on stderr and the log file.

Everything is rendered from the sessions document (the dictionary of `sessions.json`), so a saved case looks the same
as a fresh one. Strings of the evidence pass `text.one_line` and are never read as markup.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Console, Group
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from forensics.runinfo import without_secrets
from forensics.text import one_line
from forensics.times import from_iso

if TYPE_CHECKING:
    from forensics.case import Case
    from forensics.verify import Verification

Document = dict[str, Any]
_COLOURS = {"confirmed": "bold red", "probable": "yellow", "possible": "cyan", "complete": "green", "partial": "yellow",
            "unreadable": "bold red", "not_collected": "magenta", "nothing_found": "dim"}  # fmt: skip
_TOP = 8
_PIPE_WIDTH = 132
_MOST_REASONS = 6
_POINTS = re.compile(r"\(\+(\d+)\)")
_EVENT_IDS = re.compile(r" \[[0-9a-f]{16}[^\]]*\]$")


def zone_of(name: str) -> tzinfo:
    """The zone to show times in; raises ValueError for a name that the zone database does not know."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone name such as Asia/Tokyo") from None


def console(*, stderr: bool = False) -> Console:
    """A console that neither guesses at markup nor wraps to 80 columns in a pipe."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _PIPE_WIDTH
    return made


def moment(value: str | None, zone: tzinfo) -> str:
    """An ISO UTC string in the shown zone, to the second, with its offset; `?` for unknown."""
    parsed = from_iso(value) if value else None
    if not isinstance(parsed, datetime):
        return "?"
    local = parsed.astimezone(zone)
    offset = local.strftime("%z")
    return local.strftime("%Y-%m-%d %H:%M:%S") + ("Z" if zone is UTC else f"{offset[:3]}:{offset[3:]}")


class Log:
    """The run's log: one JSON object a line, so that no evidence string can forge an entry."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._began = time.monotonic()
        self.write("started", arguments=without_secrets(sys.argv))

    def write(self, what: str, **details: object) -> None:
        """Append one entry; does nothing without a log file."""
        if self._path is None:
            return
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                 "elapsed": round(time.monotonic() - self._began, 3), "what": what, **details}  # fmt: skip
        with self._path.open("a", encoding="utf-8", newline="\n") as handle:
            handle.write(json.dumps(entry, ensure_ascii=True, default=str) + "\n")

    def failed(self, error: BaseException) -> None:
        """Note why the run ended."""
        self.write("failed", error=f"{type(error).__name__}: {error}")

    def finished(self, case: Case) -> None:
        """Note the end with its problems."""
        for problem in case.problems:
            self.write("problem", fault=problem.fault, artifact=problem.artifact, path=problem.source.path,
                       locator=problem.source.locator, detail=problem.detail)  # fmt: skip
        self.write("finished", problems=len(case.problems), events=len(case.events))


class Shower:
    """Progress on stderr: bars on a terminal, nothing in a pipe or with --quiet."""

    def __init__(self, *, quiet: bool, log: Log | None = None) -> None:
        made = console(stderr=True)
        self._log = log or Log(None)
        self._bars = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(),
            TimeRemainingColumn(), console=made, transient=True, disable=quiet or not made.is_terminal,
        )  # fmt: skip
        self._task: Any = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def stage(self, text: str, total: int = 0) -> None:
        """Begin a stage; without a total its bar only moves."""
        self._log.write("stage", stage=text)
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(one_line(text, 60), total=total or None)

    def advance(self, amount: int, path: str) -> None:
        """Count a finished file."""
        self._log.write("file", path=path, size=amount)
        if self._task is not None:
            self._bars.update(self._task, advance=amount)


def summary(case: Case, output: Path, zone: tzinfo, *, verbose: bool) -> None:
    """The short answer after a run."""
    document = read_document(output)
    out = console()
    show_summary(document, zone, out)
    out.print(_problem_lines(document, verbose=verbose))
    out.print(Text(f"{len(case.events)} timeline rows, {len(case.undated)} undated facts. Written to {output}:"))
    names = sorted(path.name for path in output.iterdir() if path.is_file())
    out.print(Text("  " + "  ".join(names), style="dim"))


def read_document(case_dir: Path) -> Document:
    """The sessions document of a saved case; raises OSError or ValueError when it is not one."""
    document = json.loads((case_dir / "sessions.json").read_text(encoding="utf-8"))
    if not isinstance(document, dict) or "schema" not in document:
        raise ValueError("sessions.json is not a sessions document")
    return document


def part_of(case_dir: Path, part: str) -> Any:  # noqa: ANN401  # a piece of JSON
    """The piece of the saved document that `show PART` is about."""
    document = read_document(case_dir)
    pieces = {
        "sandbox": ("sandbox_sessions", "sandbox_configs", "sandbox_capability"),
        "tunnel": ("tunnel_sessions",),
        "persistence": ("persistence",),
        "coverage": ("coverage",),
        "problems": ("problems",),
    }
    if part == "summary":
        return document
    return {name: document[name] for name in pieces[part]}


def show_part(document: Document, part: str, zone: tzinfo) -> None:
    """Print one part of a saved case."""
    out = console()
    if part == "summary":
        show_summary(document, zone, out)
        out.print(_problem_lines(document, verbose=False))
    elif part == "sandbox":
        _print_sandbox(document, zone, out, full=True)
    elif part == "tunnel":
        _print_tunnels(document, zone, out, full=True)
    elif part == "persistence":
        out.print(_persistence_lines(document["persistence"], zone, full=True))
    elif part == "coverage":
        out.print(_coverage_table(document["coverage"]))
    else:
        out.print(_problem_lines(document, verbose=True))


def show_summary(document: Document, zone: tzinfo, out: Console) -> None:
    """Host, sessions, persistence, signs of wiping, coverage."""
    for host in document.get("hosts") or [document["host"]]:
        out.print(_host_line(host))
    _print_sandbox(document, zone, out, full=False)
    _print_tunnels(document, zone, out, full=False)
    entries = [entry for entry in document["persistence"] if entry["score"] > 0]
    out.print(_heading("Persistence", len(entries), _autostarts(document["persistence"])))
    if entries:
        top = sorted(entries, key=lambda entry: -entry["score"])[:_TOP]
        out.print(_persistence_lines(top, zone, full=False))
    if document["anti_forensics"]:
        out.print(_heading("Traces removed", len(document["anti_forensics"]), ""))
        for sign in document["anti_forensics"][:_TOP]:
            out.print(_line(f"  {moment(sign['time'], zone)}  {sign['kind']}: {sign['detail']}"))
    out.print(_coverage_line(document["coverage"]))


def _autostarts(entries: Sequence[Document]) -> str:
    gone = sum(1 for entry in entries if entry.get("deleted"))
    more = f", {gone} more recovered from deleted keys" if gone else ""
    return f"{len(entries) - gone} autostart entries in all{more}"


def _heading(title: str, count: int, note: str) -> Text:
    text = Text(f"{title}: {count}", style="bold")
    return text.append(f"  ({note})", style="not bold dim") if note else text


def _line(text: str, style: str = "") -> Text:
    return Text(one_line(text), style=style)


def _host_line(host: Document) -> Text:
    name = host.get("name") or "unknown host"
    known = [host.get("os"), f"build {host['build']}" if host.get("build") else None, host.get("timezone")]
    text = Text("Host ", style="bold").append(one_line(name), style="bold cyan")
    text.append("  " + one_line(", ".join(item for item in known if item) or "version and zone unknown"))
    people = [
        user["name"]
        for user in host.get("users", [])
        if user.get("name") and (user.get("sid") or "").startswith("S-1-5-21")
    ]
    return text.append(one_line(f"  users: {', '.join(people)}"), style="dim") if people else text


def _span(item: Document, zone: tzinfo) -> str:
    start = item["start"] or item.get("start_earliest")
    return f"{moment(start, zone)} – {moment(item['end'], zone)}"


def _reasons(item: Document, *, full: bool) -> list[Text]:
    """The reasons; in the short form what scored and what decided come first, without the event ids."""
    if full:
        return [_line(f"      · {reason}", "dim") for reason in item["reasons"]]
    ranked = sorted(item["reasons"], key=_rank)
    lines = [_line(f"      · {_EVENT_IDS.sub('', reason)}", "dim") for reason in ranked[:_MOST_REASONS]]
    more = len(ranked) - len(lines)
    return [*lines, _line(f"      · … {more} more reasons", "dim")] if more > 0 else lines


def _rank(reason: str) -> tuple[int, int]:
    points = _POINTS.search(reason)
    if points:
        return 0, -int(points.group(1))
    return (1, 0) if reason.startswith(("confirmed", "probable", "possible")) else (2, 0)


def _print_sandbox(document: Document, zone: tzinfo, out: Console, *, full: bool) -> None:
    capability = document["sandbox_capability"]
    enabled = {True: "feature switched on", False: "feature off", None: "feature state unknown"}[capability["enabled"]]
    since = f" since {moment(capability['enabled_at'], zone)}" if capability.get("enabled_at") else ""
    out.print(_heading("Windows Sandbox sessions", len(document["sandbox_sessions"]), enabled + since))
    for session in document["sandbox_sessions"]:
        out.print(_sandbox_lines(session, zone, full=full))
    used = {session["config"]["source"] for session in document["sandbox_sessions"] if session["config"]}
    configs = document["sandbox_configs"]
    unused = configs if full else [item for item in configs if item["score"] >= 40 and item["source"] not in used]
    for config in unused:
        out.print(_line(f"  configuration {config['source']} (score {config['score']})"))
        out.print(Group(*_reasons(config, full=full)))


def _sandbox_lines(session: Document, zone: tzinfo, *, full: bool) -> Group:
    launch = session["launch"]
    network = {True: "networked", False: "no network", None: "network unknown"}[session["networked"]]
    head = Text("  ").append(session["certainty"], style=_COLOURS.get(session["certainty"], ""))
    head.append(f"  {_span(session, zone)}  score {session['score']}", style="bold")
    who = launch.get("user") or launch.get("user_sid") or "unknown user"
    how = f"by {launch['method']}, as {who}, {network}, end: {session['end_kind']}"
    what = launch.get("wsb_path") or launch.get("command_line") or ""
    lines = [head, _line(f"      {how}{': ' + what if what else ''}")]
    return Group(*lines, *_reasons(session, full=full))


def _print_tunnels(document: Document, zone: tzinfo, out: Console, *, full: bool) -> None:
    out.print(_heading("Code tunnels", len(document["tunnel_sessions"]), ""))
    for session in document["tunnel_sessions"]:
        head = Text("  ").append(session["certainty"], style=_COLOURS.get(session["certainty"], ""))
        name = session["tunnel_name"] or session["tunnel_id"] or "unnamed"
        head.append(one_line(f"  {name}"), style="bold cyan")
        head.append(f"  {session['product']}  score {session['score']}", style="bold")
        whose = session["profile_user"] or "unknown"
        counts = (f"profile {whose}, hosted {len(session['hosting'])}×, {len(session['clients'])} client connections, "
                  f"{len(session['files_saved'])} files saved, {len(session['commands'])} commands")  # fmt: skip
        out.print(head)
        out.print(_line(f"      {counts}"))
        for period in session["hosting"]:
            out.print(_line(f"      up      {_span(period, zone)}  {period['end_reason'] or ''}"))
        for client in session["clients"]:
            out.print(_line(f"      client  {_span(client, zone)}  {client['end_kind']}"))
        out.print(Group(*_reasons(session, full=full)))


def _persistence_lines(entries: Sequence[Document], zone: tzinfo, *, full: bool) -> Group:
    """Two lines an entry (what and when, then its command); with its reasons in the full form."""
    lines: list[Text] = []
    for entry in entries:
        head = Text("  ").append(f"score {entry['score']:>3}", style="bold yellow" if entry["score"] else "dim")
        head.append(one_line(f"  {entry['mechanism']}  "), style="dim").append(one_line(entry["name"]), style="bold")
        whose = f"  as {entry['user']}" if entry["user"] else ""
        whose += "  deleted" if entry.get("deleted") else ""
        lines += [head.append(one_line(f"{whose}  last write {moment(entry['last_write'], zone)}"), style="dim")]
        if entry["command"]:
            lines.append(_line(f"      {one_line(entry['command'], 0 if full else 240)}"))
        lines += _reasons(entry, full=True) if full else []
    return Group(*lines)


def _coverage_table(rows: Sequence[Document]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("artifact", "state", "files", "parsed / claimed", "facts", "of it context", "detail"):
        table.add_column(column, overflow="fold")
    for row in rows:
        cells = (row["artifact"], row["state"], str(row["found"]), f"{row['parsed']} / {row['claimed']}",
                 str(row["facts"]), str(row["context"]), row["detail"])  # fmt: skip
        style = _COLOURS.get(row["state"], "")
        table.add_row(*(Text(one_line(cell), style=style if index == 1 else "") for index, cell in enumerate(cells)))
    return table


def _coverage_line(rows: Sequence[Document]) -> Text:
    counted = Counter(row["state"] for row in rows)
    text = Text("Coverage: ", style="bold")
    order = ("complete", "partial", "unreadable", "not_collected", "nothing_found")
    for state in order:
        if counted[state]:
            text.append(f"{counted[state]} {state.replace('_', ' ')}  ", style=_COLOURS[state])
    missing = [row["artifact"] for row in rows if row["state"] in ("not_collected", "unreadable", "partial")]
    if missing:
        text.append(one_line(f"\n  not clean but unseen: {', '.join(missing)}").replace("\\n", "\n"), style="not bold")
    return text


def _problem_lines(document: Document, *, verbose: bool) -> Group:
    problems = document["problems"]
    if not problems:
        return Group(Text("Problems: none", style="bold green"))
    lines = [Text(f"Problems: {len(problems)}", style="bold yellow")]
    for problem in problems if verbose else problems[:_TOP]:
        source = problem["source"]
        place = f"{source['path']} [{source['locator']}]" if source["locator"] else source["path"]
        lines.append(_line(f"  {problem['fault']}  {problem['artifact']}  {place}: {problem['detail']}"))
    if len(problems) > _TOP and not verbose:
        lines.append(Text(f"  … {len(problems) - _TOP} more in problems.jsonl", style="dim"))
    return Group(*lines)


def inspection(found: Document) -> None:
    """Print what `inspect` found."""
    out = console()
    out.print(_line(f"{found['evidence']}: {found['kind']}, {found['files']} files of interest", "bold"))
    table = Table(box=None, pad_edge=False)
    for column in ("artifact", "files", "sought"):
        table.add_column(column, overflow="fold")
    for row in found["artifacts"]:
        style = "" if row["files"] else "dim"
        more = f" and {len(row['sought']) - 2} more" if len(row["sought"]) > 2 else ""
        cells = (row["artifact"], str(row["files"]), ", ".join(row["sought"][:2]) + more)
        table.add_row(*(Text(one_line(cell), style=style) for cell in cells))
    out.print(table)
    for problem in found["problems"]:
        out.print(_line(f"{problem['fault']}  {problem['path']}: {problem['detail']}", "yellow"))


def verification(found: Verification) -> None:
    """Print what `verify` found."""
    out = console()
    out.print(_line(f"{found.evidence}: {found.kind}, {found.size:,} bytes", "bold"))
    for name, text in found.computed.items():
        stored = found.stored.get(name)
        word = "nothing stored" if stored is None else "as stored" if stored == text else f"stored is {stored}"
        out.print(_line(f"{name.upper():6} {text}  {word}"))
    for fault in found.faults:
        out.print(_line(fault, "red"))
    for text in found.unread:
        out.print(_line(text, "magenta"))
    for note in found.notes:
        out.print(_line(note))
    verdict = "DOES NOT MATCH" if found.faults else "verified" if found.compared else "nothing to compare with"
    if found.unread and not found.faults:
        verdict = "could not read all of it"
    counts = f"{found.compared} comparisons, {len(found.faults)} faults, {len(found.unread)} could not be read"
    out.print(_line(f"{verdict}: {counts}", "bold"))
