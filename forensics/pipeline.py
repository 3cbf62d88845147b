"""Evidence in, Case out: the only file that knows every room.

    survey (a worker) -> host facts (a worker) -> one job a file (workers) -> kept facts -> sessions -> timeline -> Case

The parent process never parses evidence. Context facts stay on disk; they enter the timeline near a session or a
finding, or wholly with `all_events`.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from forensics import collect, jobs, leftovers, reading, sessions, showing, views
from forensics.artifacts.base import all_artifacts
from forensics.assembly import CaseBuilder, label_of
from forensics.case import Case
from forensics.descendants import MOST, family
from forensics.evidence.base import EvidenceError, Opening, SeveralError
from forensics.intake import CONTEXT, KEPT
from forensics.model import Coverage, Evidence, Fact, Host, PersistenceEntry, Problem, Source, Verdicts
from forensics.runinfo import input_hashes, run_info
from forensics.spool import SpoolReader, Window
from forensics.text import one_line
from forensics.timeline import order_key
from forensics.workers import Dead, Limits, Workers


class Progress(Protocol):
    """What the pipeline tells while it works; the CLI shows it, a library user may ignore it."""

    def stage(self, text: str, total: int = 0) -> None:
        """A new stage begins; `total` is its size in bytes when known."""

    def advance(self, amount: int, path: str) -> None:
        """`amount` more bytes are done; `path` is the file that ended."""


class Silent:
    """A Progress that says nothing."""

    def stage(self, text: str, total: int = 0) -> None:
        """Nothing."""

    def advance(self, amount: int, path: str) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to analyse: minutes of context around sessions, the span shown, limits of the workers."""

    context_minutes: float = 15.0
    all_events: bool = False
    start: datetime | None = None
    end: datetime | None = None
    limits: Limits = field(default_factory=Limits)
    opening: Opening = field(default_factory=Opening)

    def described(self) -> dict[str, Any]:
        """The options as JSON material, without secrets."""
        return {
            "context_minutes": self.context_minutes,
            "all_events": self.all_events,
            "start": self.start.isoformat() if self.start else None,
            "end": self.end.isoformat() if self.end else None,
            "os_volume": self.opening.volume,
            "shadow_copies": self.opening.snapshots,
            "host": self.opening.host,
            "limits": {
                "seconds": self.limits.seconds,
                "seconds_per_mib": self.limits.seconds_per_mib,
                "most_seconds": self.limits.most_seconds,
                "memory": self.limits.memory,
                "jobs": self.limits.processes(),
            },
        }


def analyse(*evidence: str | Path, options: Options | None = None, progress: Progress | None = None) -> Case:
    """Analyse one host's evidence, or several hosts side by side, into one Case.

    Raises EvidenceError when a path cannot be opened or holds no Windows installation; whatever is damaged inside
    costs only itself and is in `case.problems` and `case.coverage`.
    """
    chosen, shown = options or Options(), progress or Silent()
    if not evidence:
        raise EvidenceError("no evidence was named")
    builder = CaseBuilder(chosen.start, chosen.end)
    began = time.monotonic()
    try:
        names = _names([Path(path) for path in evidence])
        for path, name in zip(evidence, names, strict=True):
            _one(Path(path), name, chosen, shown, builder)
        shown.stage("sorting the timeline")
        return builder.build(run_info(evidence, chosen.described(), began))
    except BaseException:
        builder.discard()
        raise


def cases(
    *evidence: str | Path, options: Options | None = None, progress: Progress | None = None
) -> Iterator[tuple[str, Case]]:
    """As `analyse`, but one piece of evidence that holds several hosts gives a Case for each, with a folder name.

    The name is "" where there is one Case.
    """
    chosen = options or Options()
    try:
        whole = analyse(*evidence, options=chosen, progress=progress)
    except SeveralError as error:
        if len(evidence) != 1 or chosen.opening.host is not None:
            raise
        hosts = error.hosts
    else:
        yield "", whole
        return
    taken: set[str] = set()
    for host in hosts:
        own = replace(chosen, opening=replace(chosen.opening, host=host))
        try:
            yield _folder_name(host, taken), analyse(*evidence, options=own, progress=progress)
        except SeveralError as error:  # a container among them that holds several itself
            for inner in error.hosts:
                deeper = replace(chosen, opening=replace(chosen.opening, host=inner))
                yield _folder_name(inner, taken), analyse(*evidence, options=deeper, progress=progress)


def _folder_name(host: str, taken: set[str]) -> str:
    """A name for the case folder of a host: what every file system takes."""
    plain = (
        re.sub(r"[^\w.-]+", "_", one_line(host), flags=re.ASCII if not host.isprintable() else 0).strip("._") or "host"
    )
    name, count = plain[:80], 1
    while name.casefold() in taken:
        count += 1
        name = f"{plain[:80]}_{count}"
    taken.add(name.casefold())
    return name


def inspect(path: str | Path, options: Options | None = None) -> dict[str, Any]:
    """What the evidence is and which artifacts are present; nothing is parsed."""
    chosen, location = options or Options(), Path(path)
    artifacts = all_artifacts()
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix()) as scratch:
        opening = replace(chosen.opening, scratch=scratch)
        start = (str(location), location.name, opening)
        with Workers(replace(chosen.limits, jobs=1), jobs.start_worker, start) as workers:
            survey = _survey(workers, location)
    plan = collect.make_plan(survey.found, artifacts, Path("unused"), Host())
    present = {artifact.name: sum(artifact.name in job.artifacts for job in plan.jobs) for artifact in artifacts}
    return {
        "evidence": str(location),
        "kind": survey.kind,
        "files": len(survey.found),
        "artifacts": [
            {"artifact": artifact.name, "files": present[artifact.name], "sought": list(collect.sought(artifact))}
            for artifact in artifacts
        ],
        "problems": [{"path": item.source.path, "fault": item.fault, "detail": item.detail}
                     for item in survey.problems],
    }  # fmt: skip


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for each evidence: its file name, made unique when two are the same."""
    names: list[str] = []
    for path in paths:
        name = one_line(path.resolve().name)
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    return names


def _survey(workers: Workers, path: Path) -> jobs.Survey:
    found = workers.one(jobs.survey, collect.patterns(all_artifacts()))
    if isinstance(found, Dead):
        raise EvidenceError(f"{path} could not be listed: {found.detail}", integrity=True)
    if isinstance(found, EvidenceError):
        raise found
    return found


def _one(path: Path, name: str, options: Options, progress: Progress, builder: CaseBuilder) -> None:
    """Analyse one evidence into the builder."""
    artifacts = all_artifacts()
    spool = builder.spool_folder()
    progress.stage(f"opening {name}")
    opening = replace(options.opening, scratch=str(spool / "unpacked"))
    with Workers(options.limits, jobs.start_worker, (str(path), name, opening)) as workers:
        survey = _survey(workers, path)
        host, notes = _host(workers, survey, name)
        plan = collect.make_plan(
            survey.found, artifacts, spool, host, options.limits.processes(), defer=not options.all_events
        )
        progress.stage(f"reading {name}", sum(job.work for job in plan.jobs))
        results, problems = reading.parse(workers, plan, progress, name)
        problems = [*survey.problems, *notes, *problems]
        progress.stage(f"joining {name}")
        plan = plan.with_results(results)
        problems += _merged(workers, survey, plan, name)
        verdicts = _join(workers, plan, problems, host, name, builder)
        span = None if options.all_events else windows(verdicts, timedelta(minutes=options.context_minutes))
        problems += _context(workers, plan, span, options, label_of(host, name), builder)
    rows = collect.coverage(
        artifacts, plan.jobs, results, problems,
        blocked=survey.blocked, hurt=survey.hurt, whole=survey.kind.endswith("image"),
    )  # fmt: skip
    header = Evidence(name, str(path), survey.kind, host, len(results), input_hashes(path))
    hives = {path: result.hive for path, result in sorted(results.items()) if result.hive}
    builder.add_host(header, verdicts, reading.condensed(problems, name), rows, hives)
    builder.add_files(name, results.values())


def _merged(workers: Workers, survey: jobs.Survey, plan: collect.Plan, name: str) -> list[Problem]:
    """Let rows that shadow copies repeat stand once."""
    orders = views.groups(survey.found, plan.jobs)
    problems: list[Problem] = []
    for done in workers.run(views.merge_views, [(order, 0) for order in orders]):
        source = Source(name, ", ".join(view.name for view in orders[done.index]), None, "")
        if isinstance(done.result, Dead):
            why = f"rows of shadow copies were not compared: {done.result.detail}"
            problems.append(Problem(done.result.fault, "evidence", source, why))
        else:
            problems.extend(Problem("spool", "evidence", source, why) for why in done.result)
    return problems


def _join(
    workers: Workers, plan: collect.Plan, problems: list[Problem], host: Host, name: str, builder: CaseBuilder
) -> Verdicts:
    """Keep what bears on sessions, with what descends from it, and conclude."""
    label = label_of(host, name)
    events, undated = builder.keep(_read(_spools(plan, KEPT), problems, name), label)
    kin = family((path for path, _ in _contexts(plan)), events)
    if kin.cut:
        why = f"more than {MOST} rows of processes that descend from watched ones; the rest is context"
        problems.append(Problem("budget", "evidence", Source(name, "", None, ""), why))
    noted = [replace(fact, context=False) for fact in _recalled(workers, plan, kin.noted, problems, name)]
    more, _ = builder.keep([*kin.facts, *noted], label)
    return sessions.build(sorted([*events, *more], key=order_key), host, name, undated)


def _recalled(
    workers: Workers, plan: collect.Plan, noted: dict[Path, tuple[int, ...]], problems: list[Problem], name: str
) -> list[Fact]:
    """The facts of records that were put off and turned out to matter, read by the workers."""
    orders = [showing.Recall(job, noted[path]) for path, job in _contexts(plan) if path in noted]
    paths: list[Path] = []
    for done in workers.run(showing.recall, [(order, order.job.work) for order in orders]):
        source = Source(name, orders[done.index].job.path, orders[done.index].job.sha256, "")
        if isinstance(done.result, Dead):
            problems.append(Problem(done.result.fault, "evidence", source, f"a second look: {done.result.detail}"))
            continue
        paths += done.result[0]
        problems.extend(Problem("bad_record", "evidence", source, why) for why in done.result[1])
    return list(_read(sorted(paths), problems, name))


def _context(
    workers: Workers, plan: collect.Plan, span: list[Window] | None, options: Options, label: str, builder: CaseBuilder
) -> list[Problem]:
    """Let the workers choose and sort the context that is shown."""
    shown = None if span is None else tuple(span)
    orders = [showing.Showing(job, shown, label, options.start, options.end) for _, job in _contexts(plan)]
    problems: list[Problem] = []
    for done in workers.run(showing.show_context, [(order, order.job.work) for order in orders]):
        job = orders[done.index].job
        source = Source(label, job.path, job.sha256, "")
        if isinstance(done.result, Dead):
            problems.append(Problem(done.result.fault, "evidence", source, f"choosing context: {done.result.detail}"))
            continue
        builder.add_context(Path(done.result.path) if done.result.path else None, done.result.undated)
        problems.extend(Problem("spool", "evidence", source, why) for why in done.result.lost)
    return problems


def _host(workers: Workers, survey: jobs.Survey, name: str) -> tuple[Host, list[Problem]]:
    hives = collect.host_hives(survey.found)
    sizes = {item.path: item.size for item in survey.found}
    answer = workers.one(jobs.host_facts, hives, sum(sizes[path] for path in hives.values()))
    if isinstance(answer, Dead):
        source = Source(name, ", ".join(hives.values()), None, "")
        unknown = dict.fromkeys(("name", "os", "build", "timezone", "users"), answer.detail)
        return Host(unknown=unknown), [Problem(answer.fault, "evidence", source, f"host facts: {answer.detail}")]
    return answer, []


def _read(paths: Iterable[Path], problems: list[Problem], name: str) -> Iterator[Fact]:
    for path in paths:
        reader = SpoolReader(path)
        yield from reader
        problems.extend(Problem("spool", "evidence", Source(name, path.name, None, ""), text) for text in reader.lost)


def _spools(plan: collect.Plan, suffix: str) -> list[Path]:
    """The spools that were written, by file and part, so that parts of one log follow each other."""
    return [path for path, _ in _written(plan, suffix)]


def _contexts(plan: collect.Plan) -> list[tuple[Path, jobs.Job]]:
    """The context spools with their jobs, in the same order."""
    return _written(plan, CONTEXT)


def _written(plan: collect.Plan, suffix: str) -> list[tuple[Path, jobs.Job]]:
    """The folders are listed once: asking for each of a hundred thousand names takes longer than reading the files."""
    there = {str(path) for top in {Path(job.spool).parent for job in plan.jobs} for path in top.iterdir()}
    return [(Path(job.spool + suffix), job) for job in plan.ordered() if job.spool + suffix in there]


def windows(verdicts: Verdicts, margin: timedelta) -> list[Window]:
    """The spans around sessions and findings in which context is shown.

    A tunnel may be up for weeks: its context is around its starts, ends, clients and commands, not all that lies
    between. Persistence counts where it scores (rules/persistence.yml), by the time it was first seen (deleted: last
    written).
    """
    spans: list[tuple[datetime | None, datetime | None]] = [
        (sandbox.start or sandbox.start_earliest, sandbox.end) for sandbox in verdicts.sandbox_sessions
    ]
    for tunnel in verdicts.tunnel_sessions:
        spans.extend((period.start, None) for period in tunnel.hosting)
        spans.extend((period.end, None) for period in tunnel.hosting)
        spans.extend((client.start, client.end) for client in tunnel.clients)
        spans.extend((command.time, None) for command in tunnel.commands)
        spans.extend((saved.time, None) for saved in tunnel.files_saved)
    spans.extend((_known_at(entry), None) for entry in verdicts.persistence if entry.score)
    spans.extend((sign.time, None) for sign in verdicts.anti_forensics)
    return [(start - margin, (end or start) + margin) for start, end in spans if start]


def _known_at(entry: PersistenceEntry) -> datetime | None:
    """When an entry was made; of a deleted one, where nobody noted that, when its key was last written."""
    return entry.first_seen or (entry.last_write if entry.deleted else None)


__all__ = ["Coverage", "Options", "Progress", "analyse", "cases", "inspect"]
