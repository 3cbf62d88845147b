"""All files of one evidence through the workers: one job a file, many tiny files together, what died said.

A hostile archive may hold a hundred thousand empty files under wanted names. Each is read, but not each is worth a
round trip to a worker of its own, and a problem that all of them share is listed for the first thousand and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from forensics import collect, jobs
from forensics.formats.hostinfo import with_stated_zone
from forensics.intake import Count, JobResult
from forensics.model import Host, Problem, Source
from forensics.workers import Dead, Workers

_MANY = 2_000  # jobs; fewer run one by one, each on its own
_TINY = 64 * 1024
_TOGETHER = 100
MOST_ALIKE = 1_000


def with_zone(host: Host, notes: list[Problem], zone: str, name: str) -> tuple[Host, list[Problem]]:
    """The host with the zone that the examiner states, as far as it tells none itself."""
    if not zone:
        return host, notes
    host, conflict = with_stated_zone(host, zone)
    said = [Problem("zone_conflict", "evidence", Source(name, "", None, ""), conflict)] if conflict else []
    return host, [*notes, *said]


def parse(workers: Workers, plan: collect.Plan, progress: Any, name: str) -> tuple[dict[str, JobResult], list[Problem]]:  # noqa: ANN401  # pipeline.Progress
    """Run every job; gives the results by path and the problems in an order that no worker decides."""
    results: dict[str, JobResult] = {}
    problems: list[Problem] = []
    for job, outcome in _outcomes(workers, plan.jobs):
        progress.advance(job.work, job.path)
        if isinstance(outcome, Dead):
            merged = results.setdefault(job.path, JobResult(job.path))
            merged.add(JobResult(job.path, counts={item: Count() for item in job.artifacts}))
            source = Source(
                name, job.path, None, "" if job.part[1] == 1 else f"part {job.part[0] + 1} of {job.part[1]}"
            )
            problems.extend(Problem(outcome.fault, item, source, outcome.detail) for item in job.artifacts)
            continue
        results.setdefault(job.path, JobResult(job.path)).add(outcome)
        problems.extend(outcome.problems)
        if outcome.dropped_problems:
            why = f"{outcome.dropped_problems} more problems of this file are not listed"
            problems.append(Problem("budget", "evidence", Source(name, job.path, outcome.sha256, ""), why))
    problems.sort(key=lambda item: (item.source.path, item.artifact, item.source.locator, item.fault, item.detail))
    return results, problems


def _outcomes(workers: Workers, plan: Sequence[jobs.Job]) -> Iterator[tuple[jobs.Job, JobResult | Dead]]:
    """Every job with its outcome. Where tiny files died together, each is tried alone: only the guilty one is lost."""
    batches = _batches(plan)
    alone: list[jobs.Job] = []
    for done in workers.run(jobs.run_jobs, [(batch, sum(job.work for job in batch)) for batch in batches]):
        batch = batches[done.index]
        if isinstance(done.result, Dead) and len(batch) > 1:
            alone.extend(batch)
        elif isinstance(done.result, Dead):
            yield batch[0], done.result
        else:
            yield from zip(batch, done.result, strict=True)
    for last in workers.run(jobs.run_job, [(job, job.work) for job in alone]) if alone else ():
        yield alone[last.index], last.result


def _batches(plan: Sequence[jobs.Job]) -> list[tuple[jobs.Job, ...]]:
    """One job each, in the plan's order; when there are very many, tiny files together."""
    if len(plan) <= _MANY:
        return [(job,) for job in plan]
    tiny = [job for job in plan if job.size <= _TINY]
    large = [(job,) for job in plan if job.size > _TINY]
    return large + [tuple(tiny[at : at + _TOGETHER]) for at in range(0, len(tiny), _TOGETHER)]


def condensed(problems: Sequence[Problem], name: str) -> list[Problem]:
    """The problems, those that very many files share word for word as the first of them and a count of the others."""
    seen: dict[tuple[str, str, str], int] = {}
    kept: list[Problem] = []
    for problem in problems:
        key = (problem.fault, problem.artifact, problem.detail)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= MOST_ALIKE:
            kept.append(problem)
    for (fault, artifact, detail), count in seen.items():
        if count > MOST_ALIKE:
            why = f"{count - MOST_ALIKE} more of the same, not listed one by one: {detail}"
            kept.append(Problem(fault, artifact, Source(name, "", None, ""), why))
    return kept
