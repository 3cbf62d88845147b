"""Evidence in, Case out: the only file that knows every room.

    survey (a worker) -> host facts (a worker) -> one job a file (workers) -> kept facts -> sessions -> timeline -> Case

The parent process never parses evidence. Context facts stay on disk; they enter the timeline near a session or a
finding, or wholly with `all_events`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

from forensics import (
    advisory,
    apart,
    collect,
    guestwrites,
    handedprojects,
    jobs,
    logontally,
    reading,
    rulefolder,
    sessions,
    showing,
    targetbirths,
    targets,
    views,
)
from forensics.advisory.reach import sparse
from forensics.artifacts.base import Artifact, asked_for
from forensics.assembly import CaseBuilder
from forensics.case import Case
from forensics.descendants import MOST, family
from forensics.evidence.base import EvidenceError, Opening, guest_of
from forensics.evidence.several import each, joined
from forensics.intake import CONTEXT, KEPT, JobResult
from forensics.model import Coverage, Evidence, Fact, Host, PersistenceEntry, Problem, Source, Verdicts
from forensics.naming import Naming, guest_names, identify
from forensics.runinfo import bulk, evidence_files, first_part, hashes_of, run_info
from forensics.sessions.attempts import kept_going
from forensics.sessions.others import OTHER_MACHINE
from forensics.settings import Options as Options
from forensics.spool import SpoolReader, Window
from forensics.text import one_line
from forensics.timeline import order_key
from forensics.workers import Dead, Workers


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


def analyse(*evidence: str | Path, options: Options | None = None, progress: Progress | None = None) -> Case:
    """Analyse one host's evidence, or several pieces of evidence side by side, into one Case.

    Raises EvidenceError when nothing can be opened or holds a Windows installation, and SeveralError when a single
    piece of evidence holds several hosts (see `hosts.cases`). Among several pieces, one that cannot be opened costs
    only itself, as whatever is damaged inside does: it is in `case.problems` and `case.coverage`.
    """
    chosen, shown = options or Options(), progress or Silent()
    if not evidence:
        raise EvidenceError("no evidence was named")
    builder = CaseBuilder(chosen.start, chosen.end)
    began = time.monotonic()
    paths = [Path(path) for path in evidence]
    try:
        failed = [
            (path, name, error)
            for path, name in zip(paths, _names(paths), strict=True)
            if (error := _taken_in(path, name, chosen, shown, builder, alone=len(paths) == 1))
        ]
        _say_failed(failed, len(paths), builder)
        shown.stage("sorting the timeline")
        return builder.build(run_info(evidence, chosen.described(), began))
    except BaseException:
        builder.discard()
        raise


def _say_failed(failed: list[tuple[Path, str, EvidenceError]], of: int, builder: CaseBuilder) -> None:
    """What could not be opened stands in the case; raises EvidenceError when that is all there is."""
    if len(failed) == of:
        raise joined([error for _, _, error in failed])
    for path, name, error in failed:
        _not_opened(path, name, error, builder)


def _taken_in(
    path: Path, name: str, options: Options, progress: Progress, builder: CaseBuilder, *, alone: bool
) -> EvidenceError | None:
    """Analyse one piece of evidence, or all hosts in it, into the builder; gives why nothing of it could be opened."""

    def work(opening: Opening) -> None:
        _one(path, _with_host(name, opening.host), replace(options, opening=opening), progress, builder)

    if alone:
        work(options.opening)
        return None
    try:
        for host, outcome in each(options.opening, work):
            if isinstance(outcome, EvidenceError):
                _not_opened(path, _with_host(name, host), outcome, builder)
    except EvidenceError as error:
        return error
    return None


def _with_host(name: str, host: str | None) -> str:
    """The name of one host's part of a piece of evidence."""
    return f"{name}/{one_line(host)}" if host else name


def unopened(path: Path, host: str, error: EvidenceError, options: Options) -> Case:
    """The Case of a host that could not be opened: it says no more than that."""
    builder = CaseBuilder(options.start, options.end)
    _not_opened(path, _with_host(_names([path])[0], host), error, builder)
    return builder.build(run_info([path], options.described(), time.monotonic()))


def _not_opened(path: Path, name: str, error: EvidenceError, builder: CaseBuilder) -> None:
    """A piece of evidence that was asked for stands in the case, as one of which nothing was seen."""
    why = one_line(str(error), 1000)
    header = Evidence(name, str(path), "not opened", Host(unknown={"name": "the evidence could not be opened"}), 0)
    problem = Problem("not_opened", "evidence", Source(name, "", None, ""), why)
    builder.add_host(header, Verdicts(), [problem], collect.unseen(asked_for(carve=False), header.host.unknown["name"]))


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for each evidence: its (first) file's name, made unique when two are the same."""
    names: list[str] = []
    for path in paths:
        name = one_line(first_part(path.resolve()).name)
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    return names


def survey_of(workers: Workers, path: Path, *, carve: bool = False) -> jobs.Survey:
    """What a worker finds in the evidence; raises EvidenceError when it cannot be opened."""
    found = workers.one(jobs.survey, collect.patterns(asked_for(carve=carve)))
    if isinstance(found, Dead):
        raise EvidenceError(f"{path} could not be listed: {found.detail}", integrity=True)
    if isinstance(found, EvidenceError):
        raise found
    return found


def _one(path: Path, name: str, options: Options, progress: Progress, builder: CaseBuilder) -> None:
    """Analyse one evidence into the builder."""
    artifacts = options.artifacts()
    spool = builder.spool_folder()
    progress.stage(f"opening {name}")
    opening = replace(options.opening, scratch=str(spool / "unpacked"))
    start = (str(path), name, opening, options.rules)
    with Workers(options.limits, jobs.start_worker, start, bulk(path)) as workers:
        survey = survey_of(workers, path, carve=opening.carve)
        known, notes = reading.with_zone(*_host(workers, survey, name), options.evidence_tz, name)
        machines, more = _guests(workers, survey, name)
        plan = collect.make_plan(
            survey.found, artifacts, spool, known, options.limits.processes(),
            defer=not options.all_events, guests=machines,
        )  # fmt: skip
        progress.stage(f"reading {name}", sum(job.work for job in plan.jobs))
        results, problems = reading.parse(workers, plan, progress, name)
        loose = any(item.loose for item in survey.found)
        own = [result for path, result in results.items() if not guest_of(path)]
        host, naming, named = identify(known, name, own, loose=loose)
        naming = replace(naming, guests=guest_names(machines, results.values()))
        problems = [*survey.problems, *notes, *more, *named, *problems]
        progress.stage(f"joining {name}")
        plan = plan.with_results(results)
        problems += _merged(workers, survey, plan, name)
        reach = partial(_coverage, survey, results=results, problems=problems, artifacts=artifacts)

        def look(found: Verdicts) -> Verdicts:
            who = (name, host, naming.label)
            found = handedprojects.with_projects(
                workers, found, who, lambda facts: builder.keep(facts, naming), problems
            )
            ground = _ground(plan.host(), naming, survey, problems)
            return targets.with_targets(workers, found, ground, lambda facts: builder.keep(facts, naming))

        with kept_going() as failed:
            verdicts = _join(workers, plan.host(), problems, (host, name, naming), builder, reach, look)
        problems += [Problem("join_failed", "evidence", Source(name, "", None, ""), text) for text in failed]
        inside = builder.keep(_read(_spools(plan.guests(), KEPT), problems, name), naming)
        verdicts = sessions.with_guests(verdicts, naming.guests, *inside, builder.kept())
        span = None if options.all_events else windows(verdicts, timedelta(minutes=options.context_minutes))
        problems += _context(workers, plan, span, options, (name, naming), builder)
    rows = _coverage(survey, plan, results, problems, artifacts)
    files, notices = evidence_files(path, survey.files, survey.stored)
    header = Evidence(name, str(path), survey.kind, host, len(results), hashes_of(files, survey.stored))
    told = [text for text in (rulefolder.notice(options.rules) if options.rules else "", *sparse(rows)) if text]
    told += sessions.clock_notices(verdicts.anti_forensics)
    builder.add_evidence_files(name, files, [*survey.notices, *notices, *told])
    hives = {path: result.hive for path, result in sorted(results.items()) if result.hive}
    builder.add_host(header, verdicts, reading.condensed(problems, name), rows, hives)
    builder.add_files(name, results.values())


def _ground(plan: collect.Plan, naming: Naming, survey: jobs.Survey, problems: Sequence[Problem]) -> targets.Ground:
    """What the files that autostart entries start are looked up in."""
    damaged = frozenset(problem.source.path for problem in problems if problem.artifact == "mft_entries")
    spools = [*_written(plan, KEPT), *_contexts(plan)]
    return targets.Ground(naming, plan.jobs, spools, damaged, survey.whole and not survey.hurt)


def _coverage(
    survey: jobs.Survey, plan: collect.Plan, results: dict[str, JobResult], problems: Sequence[Problem],
    artifacts: tuple[Artifact, ...],
) -> list[Coverage]:  # fmt: skip
    return collect.coverage(
        artifacts, plan.host().jobs, results, problems,
        blocked=[item for item in survey.blocked if not guest_of(item.path)],
        folders=[item for item in survey.folders if not guest_of(item[0])], whole=survey.whole, hurt=survey.hurt,
    )  # fmt: skip


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
    workers: Workers, plan: collect.Plan, problems: list[Problem], who: tuple[Host, str, Naming],
    builder: CaseBuilder, reach: apart.Reach, look: apart.Look,
) -> Verdicts:  # fmt: skip
    """Keep what bears on sessions, with what descends from it, and conclude; of several machines, for each alone.

    `look` completes what is concluded by a second look at the evidence.
    """
    host, name, naming = who
    events, undated = builder.keep(_read(_spools(plan, KEPT), problems, name), naming)
    kin = family((path for path, _ in _contexts(plan)), events)
    if kin.cut:
        why = f"more than {MOST} rows of processes that descend from watched ones; the rest is context"
        problems.append(Problem("budget", "evidence", Source(name, "", None, ""), why))
    noted = [replace(fact, context=False) for fact in _recalled(workers, plan, kin.noted, problems, name)]
    more, _ = builder.keep([*kin.facts, *noted], naming)
    events = sorted([*events, *more], key=order_key)
    tables = [job for job in plan.ordered() if guestwrites.is_file_table(job.path)]
    spools = [path for path, job in _contexts(plan) if job in tables]
    areas = sessions.write_areas(events, undated, host, name) if tables else []
    left, lost = guestwrites.left_by_guests(workers, tables, spools, areas, name)
    problems += [problem for problem in lost if problem not in problems]  # a broken table is broken twice
    named = sessions.scored_targets(events, undated, host, name) if spools else ()
    more, late = builder.keep([*left, *targetbirths.births(spools, named)], naming)
    undated = [*undated, *late]
    events = sorted([*events, *more], key=order_key)
    counted, places, read = logontally.counted(workers, _contexts(plan), problems, name)
    shown, _ = builder.keep([*read, *_recalled(workers, plan, places, problems, name)], naming)
    logons = advisory.Logons(shown, counted)
    if not naming.apart:
        files = collect.prefetch_files(plan)
        return advisory.concluded(events, host, naming.label, undated, reach(plan), logons, files, look)
    return apart.concluded(plan, (host, naming), events, undated, logons, reach, look)


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
    workers: Workers, plan: collect.Plan, span: list[Window] | None, options: Options, who: tuple[str, Naming],
    builder: CaseBuilder,
) -> list[Problem]:  # fmt: skip
    """Let the workers choose and sort the context that is shown."""
    shown = None if span is None else tuple(span)
    name, naming = who
    orders = [showing.Showing(job, shown, naming, options.start, options.end) for _, job in _contexts(plan)]
    problems: list[Problem] = []
    for done in workers.run(showing.show_context, [(order, order.job.work) for order in orders]):
        job = orders[done.index].job
        source = Source(name, job.path, job.sha256, "")
        if isinstance(done.result, Dead):
            problems.append(Problem(done.result.fault, "evidence", source, f"choosing context: {done.result.detail}"))
            continue
        rows = Path(done.result.path) if done.result.path else None
        builder.add_context(rows, done.result.undated, done.result.stock)
        problems.extend(Problem("spool", "evidence", source, why) for why in done.result.lost)
    return problems


def _guests(workers: Workers, survey: jobs.Survey, name: str) -> tuple[dict[str, Host], list[Problem]]:
    """What the hives in surviving sandbox disks say of their machines, by their drive."""
    drives = sorted({drive for item in survey.found if (drive := guest_of(item.path))})
    told = {drive: _host(workers, survey, name, drive) for drive in drives}
    return {drive: host for drive, (host, _) in told.items()}, [item for _, notes in told.values() for item in notes]


def _host(
    workers: Workers, survey: jobs.Survey, name: str, drive: str = "C:"
) -> tuple[Host, list[Problem]]:  # fmt: skip
    hives = collect.host_hives(survey.found, drive)
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
    between; so may a machine that nothing attributes. Persistence counts where it scores (rules/persistence.yml), by
    the time it was first seen (deleted: last written).
    """
    spans: list[tuple[datetime | None, datetime | None]] = [
        (sandbox.start or sandbox.start_earliest or sandbox.start_latest, sandbox.end)
        for sandbox in verdicts.sandbox_sessions
    ]
    for tunnel in verdicts.tunnel_sessions:
        spans.extend((period.start, None) for period in tunnel.hosting)
        spans.extend((period.end, None) for period in tunnel.hosting)
        spans.extend((client.start, client.end) for client in tunnel.clients)
        spans.extend((command.time, None) for command in tunnel.commands)
        spans.extend((saved.time, None) for saved in tunnel.files_saved)
    spans.extend((_known_at(entry), None) for entry in verdicts.persistence if entry.score)
    spans.extend((sign.time, None) for sign in verdicts.anti_forensics)
    told = [item for item in verdicts.findings if item.rule != OTHER_MACHINE]
    spans.extend((moment, None) for item in told for moment in (item.first, item.last))
    return [(start - margin, (end or start) + margin) for start, end in spans if start]


def _known_at(entry: PersistenceEntry) -> datetime | None:
    """When an entry was made; of a deleted one, where nobody noted that, when its key was last written."""
    return entry.first_seen or (entry.last_write if entry.deleted else None)


__all__ = ["Options", "Progress", "analyse", "survey_of", "unopened"]
