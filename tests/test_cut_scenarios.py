"""One file of every artifact that the scenarios have something for, cut at many offsets: no exception escapes.

`test_truncation` does so for the shipped evidence and says what must stay; here are the parsers without a file there.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from forensics import collect, jobs
from forensics.artifacts.base import asked_for
from forensics.evidence.members import Member, MemberTree
from forensics.evidence.opened import OpenedEvidence
from forensics.jobs import Job
from forensics.model import Host
from testdata.host import scenario
from testdata.render import render

HOSTS = (
    "tunnel-desktop", "tunnel-devtunnel", "tunnel-renamed-task", "sandbox-crash", "persistence-planted", "wiped-host",
)  # fmt: skip
WHERE = Host("X", None, None, "Tokyo Standard Time", -540, ())
SMALL = 600  # bytes; below, every cut is made


def _holding(path: str, data: bytes) -> OpenedEvidence:
    tree = MemberTree("C:")
    tree.add(path, Member(tuple(path.split("/")), len(data), partial(io.BytesIO, data), {}))
    return OpenedEvidence("cut", "folder", [tree])


def _firsts(spool: Path) -> Iterator[tuple[str, bytes, Job]]:
    """The first file that each artifact wants."""
    artifacts, done = asked_for(carve=False), set[str]()
    for name in HOSTS:
        for full, file in render(scenario(name)).items():
            path = str(full).replace("\\", "/").removeprefix("C:/")
            found = _holding(path, file.data).find(collect.patterns(artifacts))
            for job in collect.make_plan(found, artifacts, spool, WHERE, defer=False).jobs:
                if not set(job.artifacts) <= done:
                    done |= set(job.artifacts)
                    yield path, file.data, job


def test_no_exception_escapes_a_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = set()
    for path, data, job in _firsts(tmp_path):
        size = len(data)
        cuts = range(size) if size < SMALL else sorted(random.Random(path).sample(range(size), 20))
        for cut in cuts:
            monkeypatch.setattr(jobs, "_evidence", _holding(path, data[:cut]))
            result = jobs.run_job(job)
            assert [item for item in result.problems if item.fault == "parser_failed"] == [], f"{path} cut at {cut}"
        artifacts |= set(job.artifacts)
    assert len(artifacts) > 150
