"""Evidence that may hold several hosts: a Case for each of them, and what is in each, by name."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from forensics import collect, jobs, leftovers
from forensics.artifacts.base import asked_for
from forensics.case import Case
from forensics.evidence.base import EvidenceError, Opening
from forensics.evidence.several import each
from forensics.model import Host
from forensics.pipeline import Options, Progress, analyse, survey_of, unopened
from forensics.runinfo import bulk
from forensics.sessions.tunnel_links import linked
from forensics.text import one_line
from forensics.workers import Workers

_NAME_LENGTH = 80


def cases(
    *evidence: str | Path, options: Options | None = None, progress: Progress | None = None
) -> Iterator[tuple[str, Case]]:
    """As `analyse`, but one piece of evidence that holds several hosts gives a Case for each, with a folder name.

    The name is "" where there is one Case. A host that cannot be opened gives a Case that says so; EvidenceError is
    raised only when nothing could be opened.
    """
    chosen = options or Options()
    if len(evidence) != 1:
        yield "", analyse(*evidence, options=chosen, progress=progress)
        return
    path = Path(evidence[0])
    taken: set[str] = set()

    def work(opening: Opening) -> Case:
        return analyse(path, options=replace(chosen, opening=opening), progress=progress)

    for host, outcome in each(chosen.opening, work):
        case = unopened(path, host, outcome, chosen) if isinstance(outcome, EvidenceError) else outcome
        yield _folder_name(host, taken) if host else "", case


def link(made: Sequence[tuple[Case, Path]]) -> None:
    """Name in each case the other hosts of the run with the same tunnel; `made` are all cases with their folders.

    This can only be told when the last host is done: the document of a case that it changes is written again.
    """
    from forensics.export import sessions_json

    for (case, place), verdicts in zip(made, linked([case.verdicts for case, _ in made]), strict=True):
        if verdicts is not case.verdicts:
            case.verdicts = verdicts
            part = place / "sessions.json.part"
            sessions_json.write(case, part)
            part.replace(place / "sessions.json")


def _folder_name(host: str, taken: set[str]) -> str:
    """A name for the case folder of a host: what every file system takes."""
    flags = re.ASCII if not host.isprintable() else 0
    plain = re.sub(r"[^\w.-]+", "_", one_line(host), flags=flags).strip("._") or "host"
    name, count = plain[:_NAME_LENGTH], 1
    while name.casefold() in taken:
        count += 1
        name = f"{plain[:_NAME_LENGTH]}_{count}"
    taken.add(name.casefold())
    return name


def inspect(path: str | Path, options: Options | None = None) -> dict[str, Any]:
    """What the evidence is and which artifacts are present. SeveralError where it holds several.

    The evidence is opened and searched, surviving sandbox disks in it too, so that their files are counted; of the
    files that are found none is parsed.
    """
    chosen, location = options or Options(), Path(path)
    artifacts = asked_for(carve=chosen.opening.carve)
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix()) as scratch:
        opening = replace(chosen.opening, scratch=scratch)
        start = (str(location), location.name, opening)
        with Workers(replace(chosen.limits, jobs=1), jobs.start_worker, start, bulk(location)) as workers:
            survey = survey_of(workers, location, carve=opening.carve)
    plan = collect.make_plan(survey.found, artifacts, Path("unused"), Host())
    present = {artifact.name: sum(artifact.name in job.artifacts for job in plan.jobs) for artifact in artifacts}
    return {
        "evidence": f"{location}/{opening.host}" if opening.host else str(location),
        "kind": survey.kind,
        "files": len(survey.found),
        "artifacts": [
            {"artifact": artifact.name, "files": present[artifact.name], "sought": list(collect.sought(artifact))}
            for artifact in artifacts
        ],
        "notices": list(survey.notices),
        "problems": [{"path": item.source.path, "fault": item.fault, "detail": item.detail}
                     for item in survey.problems],
    }  # fmt: skip
