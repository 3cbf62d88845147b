"""A second look at the files that autostart entries hand to MSBuild, whatever they are called and wherever they lie.

MSBuild takes any file for a project. Projects are sought under the usual endings and places (`msbuild_projects`); one
that is called `a.txt`, or lies deep in Program Files, is read here because a command names it
(`sessions/persistence_built.py`). What it holds counts as it does for the others (rule PER-60).

A command may name a file of any size, so there is a budget: what lies beyond it is a problem row, never a wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from forensics.artifacts import msbuild_projects
from forensics.artifacts.base import FileInput
from forensics.evidence.base import DAMAGE, live_path, reason
from forensics.formats.textfile import decode
from forensics.jobs import opened
from forensics.model import Event, Fact, Host, PersistenceEntry, Problem, Source, Verdicts
from forensics.rules.engine import hits, rules_of
from forensics.rules.ranking import worst_first
from forensics.safety import safe_fact
from forensics.sessions.persistence import NOTHING
from forensics.sessions.persistence_built import FOLDER, words
from forensics.sessions.projects import told
from forensics.sessions.rows import Row, Rows, because
from forensics.targetplaces import Place, locate
from forensics.workers import Dead, Workers

MOST_FILES = 200
MOST_HASHED = 64 * 1024 * 1024  # bytes: no project is as large; of a larger file the tasks alone are sought
MOST_READ = 512 * 1024 * 1024  # bytes of all these files together
_SOUGHT = 256 * 1024 * 1024  # as far as msbuild_projects reads one
_RESPONSE = 64 * 1024
_IN_A_FOLDER = ("*proj", "*.sln")
_RULE = "PER-60"

Keep = Callable[[Iterable[Fact]], tuple[list[Event], list[Fact]]]
Places = dict[str, list[Place]]


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
    wanted = {entry.id: entry.built for entry in verdicts.persistence if entry.host == label and _asks(entry)}
    paths = tuple(dict.fromkeys(path for found in wanted.values() for path in found))
    if not paths:
        return verdicts
    if len(paths) > MOST_FILES:
        detail = f"{len(paths)} files are handed to MSBuild: {len(paths) - MOST_FILES} were not looked at"
        problems.append(Problem("budget", "msbuild_projects", Source(evidence, "", None, ""), detail))
    places = workers.one(sought, paths[:MOST_FILES])
    if isinstance(places, Dead):
        problems.append(Problem(places.fault, "msbuild_projects", Source(evidence, "", None, ""), places.detail))
        return verdicts
    distinct = dict.fromkeys(place for found in places.values() for place in found)
    orders = _affordable([Order(place, evidence, host) for place in distinct], problems)
    rows = _rows(workers, orders, keep, problems)
    judged = [_judged(entry, [row for path in wanted.get(entry.id, ()) for place in places.get(path, ())
                              for row in rows.get(place, ())]) for entry in verdicts.persistence]  # fmt: skip
    return replace(verdicts, persistence=worst_first(judged))


def _asks(entry: PersistenceEntry) -> bool:
    return bool(entry.built) and not any(text.startswith(f"{_RULE} ") for text in entry.reasons)


def _affordable(orders: Sequence[Order], problems: list[Problem]) -> list[Order]:
    """The files that are read, small ones first; a problem for each that is not, or not as a whole."""
    kept, left = list[Order](), MOST_READ
    for order in sorted(orders, key=lambda item: item.place.size):
        cost = min(order.place.size, _SOUGHT)
        if cost > left:
            detail = f"{order.place.size} bytes are handed to MSBuild: not read, {MOST_READ} bytes of others were"
            problems.append(Problem("budget", "msbuild_projects", _source(order), detail))
            continue
        if order.place.size > MOST_HASHED:
            detail = f"{order.place.size} bytes are handed to MSBuild: not hashed, and sought through up to {_SOUGHT}"
            problems.append(Problem("budget", "msbuild_projects", _source(order), detail))
        left -= cost
        kept.append(order)
    return kept


def _rows(workers: Workers, orders: Sequence[Order], keep: Keep, problems: list[Problem]) -> dict[Place, list[Row]]:
    rows: dict[Place, list[Row]] = {}
    for done in workers.run(read, [(order, min(order.place.size, _SOUGHT)) for order in orders]):
        order = orders[done.index]
        if isinstance(done.result, Dead):
            problems.append(Problem(done.result.fault, "msbuild_projects", _source(order), done.result.detail))
            continue
        facts, lost = done.result
        problems += lost
        rows[order.place] = Rows(*keep(facts)).of("msbuild.inline_task") if facts else []
    return rows


def sought(paths: tuple[str, ...]) -> Places:
    """In the workers: where these files lie, those that an @file names and those of a folder among them."""
    named = {path: [path] for path in paths if not path.startswith("@") and not path.endswith(FOLDER)}
    named |= {path: _in_response(path[1:]) for path in paths if path.startswith("@")}
    at_hand = locate(tuple((item, False) for item in dict.fromkeys(item for found in named.values() for item in found)))
    places = {
        path: [place for item in found if (place := at_hand.get(item)) and not place.why]
        for path, found in named.items()
    }
    return places | {path: _in_folder(path.removesuffix(FOLDER)) for path in paths if path.endswith(FOLDER)}


def _in_response(path: str) -> list[str]:
    """The files that a file of arguments names."""
    place = locate(((path, False),)).get(path)
    if place is None or place.why:
        return []
    try:
        with opened().open(place.path) as handle:
            text = decode(handle.read(_RESPONSE)).text
    except DAMAGE:
        return []
    # One argument a line; paths in it are relative to the folder MSBuild runs in, or written with the file's own.
    found = words(" ".join(text.split()), [path.rpartition("\\")[0]], None)
    return [item for item in found if not item.startswith("@") and not item.endswith(FOLDER)][:MOST_FILES]


def _in_folder(folder: str) -> list[Place]:
    drive, _, rest = folder.replace("\\", "/").partition("/")
    if set("*?[") & set(rest):
        return []
    globs = {f"{rest}/{end}" if rest else end: ["msbuild_projects"] for end in _IN_A_FOLDER}
    try:
        found = [item for item in opened().find(globs) if item.path.partition("/")[0].casefold() == drive.casefold()]
    except DAMAGE:
        return []
    return [Place(item.path, item.size) for item in found[:MOST_FILES]]


def read(order: Order) -> tuple[list[Fact], list[Problem]]:
    """In the workers: the inline tasks of one file."""
    evidence = opened()
    facts, problems = list[Fact](), list[Problem]()
    try:
        with evidence.open(order.place.path) as handle:
            sha256 = evidence.digests(handle).sha256 if order.place.size <= MOST_HASHED else None
            given = FileInput(
                live_path(order.place.path), handle, order.place.size, sha256, order.evidence,
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
        reasons=(*(text for text in entry.reasons if text != NOTHING), *(because(str(hit), rows) for hit in found)),
        attack=tuple(sorted({*entry.attack, *(item for hit in found for item in hit.attack)})),
        events=tuple(dict.fromkeys((*entry.events, *(row.id for row in rows)))),
    )
