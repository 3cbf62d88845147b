from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from forensics import workers
from forensics.workers import MIB, Dead, Limits, Workers


def _nothing() -> None:
    pass


def _work(order: tuple[str, Any]) -> Any:
    what, value = order
    if what == "hang":
        while True:
            time.sleep(1)
    if what == "eat":
        return len([bytearray(16 * MIB) for _ in range(value)])
    if what == "die":
        os._exit(value)
    if what == "raise":
        raise OSError(value)
    return value


def test_a_job_that_hangs_is_killed_and_the_rest_goes_on() -> None:
    jobs = [(("hang", 0), 0), (("give", 1), 0), (("give", 2), 0)]
    with Workers(Limits(seconds=1.5, jobs=2), _nothing, ()) as pool:
        ends = {done.index: done.result for done in pool.run(_work, jobs)}
    assert isinstance(ends[0], Dead)
    assert ends[0].fault == "killed_timeout"
    assert (ends[1], ends[2]) == (1, 2)


@pytest.mark.skipif(not workers.address_space_is_limited(), reason="no RLIMIT_AS on this system")
def test_a_job_that_eats_memory_is_stopped() -> None:
    with Workers(Limits(memory=400 * MIB, jobs=1), _nothing, ()) as pool:
        ends = {done.index: done.result for done in pool.run(_work, [(("eat", 100), 0), (("give", 5), 0)])}
    assert isinstance(ends[0], Dead)
    assert ends[0].fault == "killed_memory"
    assert ends[1] == 5


def test_the_watcher_stops_a_hungry_job_where_there_is_no_rlimit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "address_space_is_limited", lambda: False)
    monkeypatch.setattr(workers, "_WATCH_SECONDS", 0.05)
    jobs = [(("eat", 10_000), 0), (("give", 5), 0)]
    with Workers(Limits(memory=3000 * MIB, jobs=1), _nothing, ()) as pool:
        monkeypatch.setattr(pool, "_limits", Limits(memory=200 * MIB))
        ends = {done.index: done.result for done in pool.run(_work, jobs)}
    assert isinstance(ends[0], Dead)
    assert ends[0].fault == "killed_memory"
    assert ends[1] == 5


@pytest.mark.parametrize("forked", [True, False])
def test_a_process_that_dies_costs_its_job(monkeypatch: pytest.MonkeyPatch, forked: bool) -> None:
    """Also where there is nothing that workers are forked from."""
    if not forked:
        monkeypatch.setattr(workers, "_serve", _refuse)
    with Workers(Limits(jobs=1), _nothing, ()) as pool:
        ends = {done.index: done.result for done in pool.run(_work, [(("die", 3), 0), (("give", 5), 0)])}
    assert ends[0] == Dead("crashed", "the process ended with code 3")
    assert ends[1] == 5


def _refuse() -> None:
    raise OSError("AF_UNIX path too long")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are not forked here")
def test_workers_are_forked_from_a_process_that_has_imported_all() -> None:
    with Workers(Limits(jobs=1), _nothing, ()) as pool:
        loaded = pool.one(_loaded, ())
    assert isinstance(loaded, set)
    assert {"forensics.artifacts.prefetch", "forensics.jobs", "dissect.target"} <= loaded


def _loaded(_: object) -> set[str]:
    return set(sys.modules)


def test_limits_grow_with_the_file_and_are_capped() -> None:
    limits = Limits(seconds=60, seconds_per_mib=1, most_seconds=900)
    assert limits.timeout(0) == 60
    assert limits.timeout(100 * MIB) == 160
    assert limits.timeout(10_000 * MIB) == 900


def _start_badly(marker: str) -> None:
    """An initializer that dies the first time."""
    path = Path(marker)
    if not path.exists():
        path.write_text("died")
        os._exit(9)


def test_a_worker_that_dies_at_its_start_is_replaced(tmp_path: Path) -> None:
    with Workers(Limits(jobs=1), _start_badly, (str(tmp_path / "marker"),)) as pool:
        ends = {done.index: done.result for done in pool.run(_work, [(("give", 1), 0), (("give", 2), 0)])}
    assert ends == {0: 1, 1: 2}


def test_workers_that_always_die_are_reported() -> None:
    with Workers(Limits(jobs=1), os._exit, (9,)) as pool:
        ends = [done.result for done in pool.run(_work, [(("give", 1), 0)])]
    assert [end.fault for end in ends if isinstance(end, Dead)] == ["crashed"]


def _never_opens() -> None:
    while True:
        time.sleep(1)


def test_evidence_that_never_opens_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool's own clock does not run while a worker starts."""
    monkeypatch.setattr(workers, "_LEAST_OPENING", 2.0)
    began = time.monotonic()
    with Workers(Limits(seconds=2, jobs=1), _never_opens, ()) as pool:
        end = pool.one(_work, ("give", 1))
    assert isinstance(end, Dead)
    assert end.fault == "killed_timeout"
    assert "opening the evidence did not end in 2 s" in end.detail
    assert time.monotonic() - began < 20
