"""A second look at the files that autostart entries hand to MSBuild, whatever they are called and wherever they lie.

MSBuild takes any file for a project. Projects are sought under the usual endings and places (`msbuild_projects`); one
that is called `a.txt`, or lies deep in Program Files, is read here because a command names it. What it holds counts as
it does for the others (rule PER-60).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from forensics.artifacts import msbuild_projects
from forensics.artifacts.base import FileInput
from forensics.evidence.base import DAMAGE, live_path, reason
from forensics.jobs import opened
from forensics.model import Event, Fact, Host, PersistenceEntry, Problem, Source, Verdicts
from forensics.rules.engine import hits, rules_of
from forensics.safety import safe_fact
from forensics.sessions.persistence_targets import resolved
from forensics.sessions.projects import told
from forensics.sessions.rows import Row, Rows, because
from forensics.targetplaces import Place, locate
from forensics.workers import Dead, Workers

MOST_FILES = 200
_RULE = "PER-60"
_WORD = re.compile(r'"([^"]+)"|([^\s",;]+)')
_MOST_COMMAND, _MOST_WORDS = 8 * 1024, 64

Keep = Callable[[Iterable[Fact]], tuple[list[Event], list[Fact]]]


@dataclass(frozen=True, slots=True)
class Order:
    """A file to read as a project, and what its rows say of where they are from."""

    place: Place
    evidence: str
    host: Host


def with_projects(
    workers: Workers, verdicts: Verdicts, who: tuple[str, Host, str], keep: Keep, problems: list[Problem]
) -> Verdicts:
    """The verdicts with what the projects hold that entries name and that were not read as projects before.

    `who`: the evidence's name, the host, and what its rows are called.
    """
    evidence, host, label = who
    wanted = {entry.id: handed(entry) for entry in verdicts.persistence if entry.host == label and _asks(entry)}
    paths = tuple(dict.fromkeys(path for found in wanted.values() for path in found))
    if not paths:
        return verdicts
    if len(paths) > MOST_FILES:
        detail = f"{len(paths)} files are handed to MSBuild: {len(paths) - MOST_FILES} were not looked at"
        problems.append(Problem("budget", "msbuild_projects", Source(evidence, "", None, ""), detail))
    places = workers.one(locate, tuple((path, False) for path in paths[:MOST_FILES]))
    at_hand = {} if isinstance(places, Dead) else {path: item for path, item in places.items() if not item.why}
    orders = [(path, Order(place, evidence, host)) for path, place in at_hand.items()]
    rows: dict[str, list[Row]] = {}
    for done in workers.run(read, [(order, order.place.size) for _, order in orders]):
        path, order = orders[done.index]
        if isinstance(done.result, Dead):
            problems.append(Problem(done.result.fault, "msbuild_projects", _source(order), done.result.detail))
            continue
        facts, lost = done.result
        problems += lost
        rows[path] = Rows(*keep(facts)).of("msbuild.inline_task") if facts else []
    judged = [_judged(entry, [row for path in wanted.get(entry.id, ()) for row in rows.get(path, ())])
              for entry in verdicts.persistence]  # fmt: skip
    judged.sort(key=lambda item: (-item.score, item.mechanism, item.name.casefold(), item.id))
    return replace(verdicts, persistence=tuple(judged))


def _asks(entry: PersistenceEntry) -> bool:
    named = "msbuild" in (entry.command or "").casefold()
    return named and not any(text.startswith(f"{_RULE} ") for text in entry.reasons)


def handed(entry: PersistenceEntry) -> list[str]:
    """The files with a place of their own that an MSBuild command names."""
    found: list[str] = []
    for count, match in enumerate(_WORD.finditer((entry.command or "")[:_MOST_COMMAND])):
        word = match.group(1) or match.group(2)
        if count >= _MOST_WORDS:
            break
        path = resolved(word, None) if "\\" in word.replace("/", "\\")[1:] else None
        if path and path.rpartition("\\")[2].casefold() not in ("msbuild.exe", "msbuild", "cmd.exe"):
            found.append(path)
    return found


def read(order: Order) -> tuple[list[Fact], list[Problem]]:
    """In the workers: the inline tasks of one file."""
    evidence = opened()
    facts, problems = list[Fact](), list[Problem]()
    try:
        with evidence.open(order.place.path) as handle:
            given = FileInput(
                live_path(order.place.path), handle, order.place.size, evidence.digests(handle).sha256, order.evidence,
                order.host, None, evidence.times(order.place.path),
            )  # fmt: skip
            for item in msbuild_projects.parse(given):
                if isinstance(item, Problem):
                    problems.append(item)
                elif not item.context:  # a developer's harmless task is no finding here either
                    facts.append(safe_fact(item))
    except DAMAGE as error:
        problems.append(
            Problem("unreadable", "msbuild_projects", _source(order), f"could not be read: {reason(error)}")
        )
    return facts, problems


def _source(order: Order) -> Source:
    return Source(order.evidence, live_path(order.place.path), None, "")


def _judged(entry: PersistenceEntry, rows: Sequence[Row]) -> PersistenceEntry:
    """The entry with the code that its project holds."""
    rule = [item for item in rules_of("persistence") if item.id == _RULE]
    found = hits(rule, {"inline_task": told(list(rows))}) if rows else []
    if not found:
        return entry
    return replace(
        entry,
        score=min(100, entry.score + sum(hit.weight for hit in found)),
        reasons=(*entry.reasons, *(because(str(hit), rows) for hit in found)),
        attack=tuple(sorted({*entry.attack, *(item for hit in found for item in hit.attack)})),
        events=tuple(dict.fromkeys((*entry.events, *(row.id for row in rows)))),
    )
