"""Every shipped file, cut at many offsets: no exception escapes, and the facts before the cut stay.

The files are those of the shipped KAPE folder, parsed by the very code of a worker over bytes in memory.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
from functools import lru_cache
from pathlib import Path

import pytest

from forensics import collect, jobs
from forensics.artifacts.base import all_artifacts
from forensics.evidence.members import Member, MemberTree
from forensics.evidence.opened import OpenedEvidence
from forensics.formats import FormatError
from forensics.formats.evtx import LogReader
from forensics.intake import CONTEXT, KEPT, JobResult
from forensics.model import Host, User
from forensics.spool import SpoolReader, encode_fact
from tests.running import LAYOUTS

TOP = LAYOUTS["kape"] / "C"
HOST = Host(
    "WS-TANAKA", None, None, "Tokyo Standard Time", -540, (User("S-1-5-21-1-2-3-1001", "田中", "C:\\Users\\田中"),)
)
CHUNK = 0x10000


def _files() -> list[str]:
    tree = MemberTree("C:")
    for path in sorted(TOP.rglob("*")):
        if path.is_file():
            parts = path.relative_to(TOP).parts
            tree.add("/".join(parts), Member(parts, path.stat().st_size, lambda: io.BytesIO(b""), {}))
    found = OpenedEvidence("x", "folder", [tree]).find(collect.patterns(all_artifacts()))
    plan = collect.make_plan(found, all_artifacts(), Path("x"), Host())
    return sorted(job.path for job in plan.jobs)


FILES = _files()


def _parse(path: str, data: bytes, spool: Path) -> tuple[set[str], JobResult]:
    """The facts (without the file's hash, which a cut changes) and the result of one job over `data`."""
    tree = MemberTree("C:")
    name = path.removeprefix("C:/")
    tree.add(name, Member(tuple(name.split("/")), len(data), lambda: io.BytesIO(data), {}))
    jobs._evidence = OpenedEvidence("cut", "folder", [tree])
    found = jobs._evidence.find(collect.patterns(all_artifacts()))
    (job,) = [
        item for item in collect.make_plan(found, all_artifacts(), spool, HOST, defer=False).jobs if item.path == path
    ]
    result = jobs.run_job(job)
    lines = set()
    for suffix in (KEPT, CONTEXT):
        file = Path(job.spool + suffix)
        if file.exists():
            lines |= {re.sub(r'"[0-9a-f]{64}"', "null", encode_fact(fact)) for fact in SpoolReader(file)}
            file.unlink()
    return lines, result


def _cuts(path: str, size: int) -> list[int]:
    chance = random.Random(path)  # the same cuts in every run
    some = {0, 1, size - 1, size // 2, *(chance.randrange(size) for _ in range(10))}
    if path.endswith(".evtx"):
        some |= {offset + step for offset in range(0x1000, size, CHUNK) for step in (0, 200)}
    return sorted(cut for cut in some if 0 <= cut < size)[:24]


@pytest.mark.parametrize("path", FILES, ids=[path.rpartition("/")[2] for path in FILES])
def test_a_cut_file_costs_what_was_cut(path: str, tmp_path: Path) -> None:
    data = (TOP / path.removeprefix("C:/")).read_bytes()
    whole, result = _parse(path, data, tmp_path)
    assert [problem for problem in result.problems if problem.fault == "parser_failed"] == []
    for cut in _cuts(path, len(data)):
        facts, result = _parse(path, data[:cut], tmp_path)
        assert [problem for problem in result.problems if problem.fault == "parser_failed"] == [], f"cut at {cut}"
        must = _before(path, data, cut, whole)
        shown = _essence if path.endswith(".log") else str  # how the zone was found may depend on the last line
        assert set(map(shown, must)) <= set(map(shown, facts)), f"cut at {cut} lost facts before it"
        if path.endswith(".evtx"):
            about = {fact for fact in facts if json.loads(fact)[2] == "log.described"}  # says what the cut log holds
            assert facts - about <= whole, f"cut at {cut} invented facts"


def _before(path: str, data: bytes, cut: int, whole: set[str]) -> set[str]:
    """The facts of the whole file that lie in units that the cut left complete."""
    if path.endswith(".evtx"):
        kept = {number for number, end in _chunk_ends(data) if end <= cut}
        return {fact for fact in whole if int(_locator(fact, "record")) in kept}
    if path.endswith(("_history.txt", "log.txt")):
        return set()  # their dates and users depend on the whole file
    if path.endswith(".log"):
        lines = data[:cut].count(b"\n")
        return {fact for fact in whole if int(_locator(fact, "line")) < lines}
    return set()


@lru_cache(maxsize=1)
def _chunk_ends(data: bytes) -> list[tuple[int, int]]:
    """Every record of a log, with where its chunk ends."""
    records = [item for item in LogReader(io.BytesIO(data), None) if not isinstance(item, FormatError)]
    return [(item.record_id, (item.offset - 0x1000) // CHUNK * CHUNK + 0x1000 + CHUNK) for item in records]


def _essence(fact: str) -> str:
    times, meanings, kind, _, path, _, locator, *_ = json.loads(fact)
    return f"{times} {meanings} {kind} {path} {locator}"


def _locator(fact: str, word: str) -> str:
    match = re.search(rf'"{word} (\d+)', fact)
    return match.group(1) if match else str(10**9)


def test_a_log_of_several_parts_is_read_and_hashed_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "PART_SIZE", 1 << 20)
    monkeypatch.setattr(jobs, "_IN_MEMORY", 4 << 20)
    path = "C:/Windows/System32/winevt/Logs/Security.evtx"
    data = (TOP / path.removeprefix("C:/")).read_bytes()
    data += data[0x1000:] * (5 * 1024 * 1024 // len(data))  # beyond what a job reads into memory, in two parts
    tree = MemberTree("C:")
    name = path.removeprefix("C:/")
    tree.add(name, Member(tuple(name.split("/")), len(data), lambda: io.BytesIO(data), {}))
    jobs._evidence = OpenedEvidence("large", "folder", [tree])
    found = jobs._evidence.find(collect.patterns(all_artifacts()))
    plan = collect.make_plan(found, all_artifacts(), tmp_path, HOST, processes=2)
    results = [jobs.run_job(job) for job in plan.jobs]
    assert len(results) == 2
    assert {result.sha256 for result in results} == {hashlib.sha256(data).hexdigest()}
    assert [problem for result in results for problem in result.problems] == []
    reader = LogReader(io.BytesIO(data), frozenset())
    assert list(reader) == []
    counts = [result.counts["event_process_audit"] for result in results]
    assert sum(count.parsed for count in counts) == reader.tally.parsed
