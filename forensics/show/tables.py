"""Coverage, problems, and what `inspect` and `verify` found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import tzinfo
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.text import Text

from forensics.model import LogSpan
from forensics.plain import from_plain
from forensics.rules import load
from forensics.show.terminal import (
    COLOURS,
    Document,
    console,
    counted,
    heading,
    in_zone,
    label_of,
    line,
    moment,
    print_table,
    said,
    told,
)
from forensics.text import one_line

if TYPE_CHECKING:
    from forensics.verify import Verification

_TOP = 8
_STATES = ("complete", "partial", "unreadable", "not_collected", "nothing_found")
_UNSEEN = ("unreadable", "partial", "not_collected")
_NAMED = 12  # artifacts that one line of the summary names
# Problems that change what the whole case means: never hidden behind the first eight.
_LOUD = frozenset({"not_opened", "several_computers"})


def print_coverage(document: Document, zone: tzinfo, out: Console) -> None:
    """The whole table; of several pieces of evidence, each row says which it is about."""
    several = len(document["evidence"]) > 1
    labels = {item["name"]: label_of(item) for item in document["evidence"]}
    rows = []
    columns = ("artifact", "state", "files", "parsed / claimed", "facts", "of it context", "detail")
    for row in document["coverage"]:
        cells = [row["artifact"], told(row["state"]), str(row["found"]), f"{row['parsed']} / {row['claimed']}",
                 str(row["facts"]), str(row["context"]), in_zone(detail_of(row["detail"]), zone)]  # fmt: skip
        whose = [row["evidence"], labels.get(row["evidence"], "")] if several else []
        style = COLOURS.get(row["state"], "")
        rows.append([Text(one_line(cell), style=style if cell is cells[1] else "") for cell in (*whose, *cells)])
    print_table(out, [told(column) for column in (("evidence", "host", *columns) if several else columns)], rows)
    _print_spans(document, zone, out, several=several)
    if any(row["state"] == "not_collected" for row in document["coverage"]):
        out.print(line("not collected is not clean; mirrortrace content export writes collector targets for it", "dim"))


def detail_of(text: str) -> str:
    """What is said of it, part by part."""
    return "; ".join(told(part) for part in text.split("; "))


def _print_spans(document: Document, zone: tzinfo, out: Console, *, several: bool) -> None:
    """The period of each event log, once however many artifacts read it: what lies outside, the log cannot tell."""
    spans = {
        (row["evidence"], item["path"]): item for row in document["coverage"] for item in row.get("spans", [])
    }  # fmt: skip
    if not spans:
        return
    rows = []
    columns = ("event log", "first record", "last record", "record ids")
    for (evidence, path), item in sorted(spans.items()):
        ids = "none" if item["first_record"] is None else f"{item['first_record']} to {item['last_record']}"
        cells = [path, moment(item["first"], zone), moment(item["last"], zone), ids]
        rows.append([Text(one_line(cell)) for cell in ([evidence, *cells] if several else cells)])
    print_table(out, [told(column) for column in (("evidence", *columns) if several else columns)], rows)
    for (_, path), item in sorted(spans.items()):
        if remark := from_plain(LogSpan, item).remark:
            out.print(line(f"{path.rpartition('/')[2]}: {in_zone(told(remark), zone)}"))


def coverage_lines(document: Document) -> Iterator[Text]:
    """One line for each piece of evidence, and what of it was not, or not wholly, looked at."""
    several = len(document["evidence"]) > 1
    for item in document["evidence"]:
        rows = [row for row in document["coverage"] if row["evidence"] == item["name"]]
        whose = f" of {item['name']}" if several else ""
        if several and label_of(item) != item["name"]:
            whose += f" (host {label_of(item)})"
        counted = Counter(row["state"] for row in rows)
        text = Text(one_line(f"{told('Coverage')}{whose}: "), style="bold")
        for state in _STATES:
            if counted[state]:
                text.append(f"{counted[state]} {told(state).replace('_', ' ')}  ", style=COLOURS[state])
        yield text
        yield from _unseen(rows)


def _unseen(rows: list[Document]) -> Iterator[Text]:
    """What was not, or not wholly, looked at: a line for each state, what answers this tool's questions first."""
    if not any(row["state"] in _UNSEEN for row in rows):
        return
    yield line(f"  {told('not, or not wholly, looked at (finding nothing there proves nothing)')}:")
    order = {name: place for place, name in enumerate(load("coverage")["first"])}
    for state in _UNSEEN:
        names = [row["artifact"] for row in rows if row["state"] == state]
        if not names:
            continue
        ranked = sorted(names, key=lambda name: (order.get(name, len(order)), name))
        more = len(ranked) - _NAMED
        shown = told("all of it") if len(names) == len(rows) else ", ".join(ranked[:_NAMED])
        words = said("… and {n} more: show {part}", n=more, part="coverage")
        rest = f" {words}" if more > 0 and len(names) < len(rows) else ""
        yield line(f"    {told(state).replace('_', ' ')}: {shown}{rest}", COLOURS[state])


def problem_lines(document: Document, *, verbose: bool) -> Group:
    """What could not be read; what concerns the whole case comes first."""
    problems = sorted(document["problems"], key=lambda item: item["fault"] not in _LOUD)
    if not problems:
        return Group(Text(told("Problems: none"), style="bold green"))
    loud = sum(problem["fault"] in _LOUD for problem in problems)
    lines = [heading("Problems", len(problems), "")]
    lines[0].stylize("yellow")
    for index, problem in enumerate(problems if verbose else problems[: max(_TOP, loud)]):
        lines.append(line(f"  {_problem(problem)}", "bold red" if index < loud else ""))
    if len(problems) > _TOP and not verbose:
        more = said("… {n} more in problems.jsonl", n=len(problems) - max(_TOP, loud))
        lines.append(Text(f"  {more}", style="dim"))
    return Group(*lines)


def _problem(problem: Document) -> str:
    source = problem["source"]
    place = source["path"] or source["evidence"]
    place = f"{place} [{source['locator']}]" if source["locator"] else place
    return f"{problem['fault']}  {problem['artifact']}  {place}: {problem['detail']}"


def inspection(found: Document) -> None:
    """Print what `inspect` found."""
    out = console()
    out.print(line(f"{found['evidence']}: {found['kind']}, {counted(found['files'], 'file')} of interest", "bold"))
    rows = []
    for row in found["artifacts"]:
        style = "" if row["files"] else "dim"
        more = f" and {len(row['sought']) - 2} more" if len(row["sought"]) > 2 else ""
        cells = (row["artifact"], str(row["files"]), ", ".join(row["sought"][:2]) + more)
        rows.append([Text(one_line(cell), style=style) for cell in cells])
    print_table(out, ("artifact", "files", "sought"), rows)
    for text in found["notices"]:
        out.print(line(f"Note: {text}", "yellow"))
    for problem in found["problems"]:
        out.print(line(f"{problem['fault']}  {problem['path']}: {problem['detail']}", "yellow"))


def verification(found: Verification) -> None:
    """Print what `verify` found."""
    out = console()
    out.print(line(f"{found.evidence}: {found.kind}, {found.size:,} bytes", "bold"))
    for name, text in found.computed.items():
        stored = found.stored.get(name)
        same = "as stored" if not found.damaged else "as stored, though damaged chunks are in it as they could be read"
        word = "nothing stored" if stored is None else same if stored == text else f"stored is {stored}"
        out.print(line(f"{name.upper():6} {text}  {word}"))
    for fault in found.faults:
        out.print(line(fault, "red"))
    for text in found.unread:
        out.print(line(text, "magenta"))
    for note in found.notes:
        out.print(line(note))
    out.print(line(_verdict(found), "bold"))


def _verdict(found: Verification) -> str:
    if found.faults:
        return (
            f"DOES NOT MATCH: {counted(len(found.faults), 'fault')}; {found.compared} hashes or checksums were compared"
        )
    if found.unread:
        return (
            f"NOT WHOLLY VERIFIED: {len(found.unread)} files or folders could not be read; {found.compared} hashes hold"
        )
    if found.compared:
        return f"verified: {found.compared} hashes or checksums compared, all of them hold"
    return "NOT VERIFIED: read to its end, but the evidence stores no hash to compare with"
