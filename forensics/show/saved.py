"""Saved cases: one case folder, or a folder of them as evidence of several hosts gives."""

from __future__ import annotations

import json
from datetime import tzinfo
from pathlib import Path

from rich.text import Text

from forensics.show.advisory import print_advisory
from forensics.show.findings import gravest, print_findings, print_machines, print_refused, print_unasked
from forensics.show.persistence import print_persistence, worst
from forensics.show.sandboxes import print_sandbox
from forensics.show.sources import places_of
from forensics.show.stock import every_entry
from forensics.show.summary import print_notices, show_summary
from forensics.show.tables import print_coverage, problem_lines
from forensics.show.terminal import Document, console, speaking
from forensics.show.tunnels import print_tunnels
from forensics.show.wiping import print_wiping, strongest_first
from forensics.text import one_line

_SESSIONS, _RUN = "sessions.json", "run.json"
_PIECES = {
    "sandbox": ("sandbox_sessions", "sandbox_configs", "sandbox_capability"),
    "tunnel": ("tunnel_sessions",),
    "persistence": ("persistence",),
    "wiping": ("anti_forensics",),
    "findings": ("findings",),
    "advisory": ("advisory",),
    "coverage": ("coverage",),
    "problems": ("problems",),
}


# What comes first in the lists that are shown; cases of older versions have them otherwise.
_ORDERS = {"persistence": worst, "wiping": strongest_first, "findings": gravest}


def read_document(case_dir: Path) -> Document:
    """The sessions document of a saved case; raises OSError or ValueError when it is not one."""
    document = json.loads((case_dir / _SESSIONS).read_text(encoding="utf-8"))
    if not isinstance(document, dict) or "schema" not in document:
        raise ValueError("sessions.json is not a sessions document")
    return document


def saved_cases(folder: Path) -> list[tuple[str, Document]]:
    """The case that a folder is (its name is then ""), or the cases in it, by the names of their folders.

    Raises OSError or ValueError when there is none, or one of them cannot be read.
    """
    if (folder / _SESSIONS).exists():
        return [("", read_document(folder))]
    inside = sorted(place.parent for place in folder.glob(f"*/{_SESSIONS}"))
    return [(place.name, read_document(place)) for place in inside] or [("", read_document(folder))]


def piece_of(document: Document, part: str) -> Document:
    """The piece of a document that `show PART` is about."""
    if part == "summary":
        return document
    piece = {name: document.get(name, []) for name in _PIECES[part]}
    order = _ORDERS.get(part)
    return {name: order(entries) for name, entries in piece.items()} if order else piece


def as_json(cases: list[tuple[str, Document]], part: str = "summary") -> str:
    """One case as it is; several as a list, each with the name of its folder as `case`."""
    if len(cases) == 1 and not cases[0][0]:
        found: Document | list[Document] = piece_of(cases[0][1], part)
    else:
        found = [{"case": name, **piece_of(document, part)} for name, document in cases]
    return json.dumps(found, ensure_ascii=False, indent=2)


def _notices(case_dir: Path, document: Document) -> list[Document]:
    """The notices of the run, which are no part of the sessions document; that they cannot be read is one, too."""
    try:
        run = json.loads((case_dir / _RUN).read_text(encoding="utf-8"))
        return [{"evidence": str(item["evidence"]), "text": str(item["text"])} for item in run.get("notices", ())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        text = f"{_RUN} is missing or damaged: what else the run had to tell is not known"
        return [{"evidence": item["name"], "text": text} for item in document["evidence"][:1]]


def _rules(case_dir: Path) -> list[Document]:
    """The user's rules that were not evaluated; none where the run had no rules, or its record cannot be read."""
    try:
        run = json.loads((case_dir / _RUN).read_text(encoding="utf-8"))
        rules = run["options"].get("rules") or {}
        wanted = ("file", "title", "why")
        return [{name: str(item[name]) for name in wanted} for item in rules.get("not_evaluated", ())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def with_every_entry(folder: Path, cases: list[tuple[str, Document]]) -> list[tuple[str, Document]]:
    """The same cases with every autostart entry, those of Windows itself too.

    Raises CaseError (a ValueError) when a file of a case is missing or damaged.
    """
    return [(name, {**document, "persistence": every_entry(folder / name, document)}) for name, document in cases]


def show_part(
    folder: Path, cases: list[tuple[str, Document]], part: str, zone: tzinfo, language: str = "en"
) -> None:  # fmt: skip
    """Print one part of each of these cases, which `saved_cases` found in `folder`."""
    with speaking(language):
        _show_part(folder, cases, part, zone, language)


def _show_part(folder: Path, cases: list[tuple[str, Document]], part: str, zone: tzinfo, language: str) -> None:
    out = console()
    for name, document in cases:
        if name:
            out.print(Text(one_line(f"== {name} =="), style="bold reverse"))
        if part == "summary":
            show_summary(document, zone, out, language)
            out.print(problem_lines(document, verbose=False))
            several = len(document["evidence"]) > 1
            print_notices(_notices(folder / name, document), zone, out, several=several)
        elif part == "sandbox":
            print_sandbox(document, zone, out, full=True)
            print_machines(document, zone, out)
        elif part == "tunnel":
            print_tunnels(document, zone, out, full=True)
        elif part == "persistence":
            entries = worst(document["persistence"])
            places = places_of(folder / name, {event for entry in entries for event in entry["events"]})
            print_persistence(document, entries, zone, out, full=True, places=places)
        elif part == "wiping":
            print_wiping(document, zone, out)
        elif part == "findings":
            print_findings(document, zone, out)
            print_refused(_rules(folder / name), out)
            print_unasked(document, out)
        elif part == "advisory":
            print_advisory(document, zone, out, language)
        elif part == "coverage":
            print_coverage(document, zone, out)
        else:
            out.print(problem_lines(document, verbose=True))
