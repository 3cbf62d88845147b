"""Evidence with thousands of tiny files: each is read, what they share is said once, one that kills costs itself."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forensics import collect, jobs, reading
from forensics.intake import JobResult
from forensics.model import Host, Problem, Source
from forensics.workers import Dead, Done
from tests.running import timeline

COUNT = 2_400
LINE = "[2024-12-05 09:05:20] info [tunnels::connections::relay_tunnel_host] Opened new client on channel 1\n"


def _archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for number in range(COUNT):
            target.writestr(f"C/Users/u{number}/NTUSER.DAT", b"")
        target.writestr("C/Users/a/.vscode/cli/tunnel-service.log", LINE)
        target.writestr("C/Windows/System32/config/SYSTEM", b"")
    return path


def test_what_thousands_of_files_share_is_listed_up_to_a_limit_and_counted(tmp_path: Path) -> None:
    run = timeline(_archive(tmp_path / "many.zip"), tmp_path / "case", "-q", "--all-events")
    assert run.code == 3
    problems = run.lines("problems.jsonl")
    said: dict[tuple[str, str], list[Any]] = {}
    for problem in problems:
        if problem["source"]["path"].endswith("NTUSER.DAT") or "more of the same" in problem["detail"]:
            said.setdefault((problem["fault"], problem["artifact"]), []).append(problem)
    assert said
    for alike in said.values():
        rest = [problem["detail"] for problem in alike if "more of the same" in problem["detail"]]
        assert len(alike) == reading.MOST_ALIKE + 1
        more = COUNT - reading.MOST_ALIKE  # and one where the empty SYSTEM is read by the same artifact
        assert rest[0].startswith((f"{more} more of the same", f"{more + 1} more of the same"))
    rows = {row["artifact"]: row for row in run.document()["coverage"]}
    assert rows["tunnel_log"]["facts"] >= 1
    assert max(row["found"] for row in rows.values()) >= COUNT  # and every file was looked at


class _Deadly:
    """Workers that die of one file."""

    def run(self, _: Any, orders: list[tuple[Any, int]]) -> Iterator[Done[Any]]:
        for index, (what, _size) in enumerate(orders):
            several = what if isinstance(what, tuple) else (what,)
            if any(job.path == "C:/bad" for job in several):
                yield Done(index, Dead("crashed", "the process ended with code -11"))
            elif isinstance(what, tuple):
                yield Done(index, [JobResult(job.path) for job in several])
            else:
                yield Done(index, JobResult(what.path))


class _Quiet:
    def advance(self, amount: int, path: str) -> None:
        """Nothing."""


@pytest.mark.parametrize("count", [10, reading._MANY + 500])
def test_one_file_that_kills_costs_itself_only(count: int) -> None:
    names = ["bad", *(f"f{number}" for number in range(count))]
    plan = collect.Plan(tuple(jobs.Job(f"C:/{name}", 1, ("tunnel_log",), "", Host()) for name in names), {})
    results, problems = reading.parse(_Deadly(), plan, _Quiet(), "x")  # type: ignore[arg-type]
    assert set(results) == {f"C:/{name}" for name in names}
    assert [(problem.fault, problem.source.path) for problem in problems] == [("crashed", "C:/bad")]


def test_large_files_are_never_put_together() -> None:
    sizes = [10, 1_000_000] * reading._MANY
    plan = [jobs.Job(f"C:/{at}", size, (), "", Host()) for at, size in enumerate(sizes)]
    batches = reading._batches(plan)
    assert sorted(job.path for batch in batches for job in batch) == sorted(job.path for job in plan)
    assert all(len(batch) == 1 for batch in batches if any(job.size > 100_000 for job in batch))
    assert len(batches) < len(plan)


def test_problems_that_differ_are_all_kept() -> None:
    several = [Problem("bad_record", "evidence", Source("x", f"C:/{at}", None, ""), f"no {at}") for at in range(3_000)]
    assert reading.condensed(several, "x") == several
