"""A run that is told to end goes with its scratch folders and workers; one that is killed is named by the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT
from tests.running import LAYOUTS, tool, workers_of

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no such signals")


def _started(tmp_path: Path, *before: str) -> tuple[subprocess.Popen[bytes], Path]:
    """A run with a temporary folder of its own, once its scratch folder and a worker are there."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [*before, sys.executable, "-m", "forensics", "timeline", str(LAYOUTS["velociraptor"])]
    process = subprocess.Popen(
        [*command, "-o", str(tmp_path / "case"), "-q"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(scratch)}, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if any(scratch.glob("mirrortrace-*")) and workers_of(process.pid):
            return process, scratch
        time.sleep(0.02)
    raise AssertionError("it ended before it could be told to")


def _end(process: subprocess.Popen[bytes], number: int, times: int) -> tuple[int, list[psutil.Process]]:
    children = psutil.Process(process.pid).children(recursive=True)
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.05)
    code = process.wait(60)
    return code, psutil.wait_procs(children, timeout=30)[1]


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_run_that_is_told_to_end_leaves_nothing(tmp_path: Path, number: int, times: int) -> None:
    process, scratch = _started(tmp_path)
    code, alive = _end(process, number, times)
    assert (code, alive) == (128 + number, [])
    assert list(scratch.glob("mirrortrace-*")) == []
    assert not (tmp_path / "case").exists()


def test_nohup_stays_what_it_is(tmp_path: Path) -> None:
    process, _ = _started(tmp_path, "nohup")
    code, _ = _end(process, signal.SIGHUP, 1)
    assert code == 0
    assert (tmp_path / "case/sessions.json").exists()


def test_what_a_killed_run_left_is_named_by_the_next(tmp_path: Path) -> None:
    process, scratch = _started(tmp_path)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)
    left = sorted(path for path in scratch.glob("mirrortrace-*") if path.is_dir())
    assert left
    old = time.time() - 2 * 24 * 3600  # a run elsewhere, whose number is nobody's here, may be at work in a younger one
    for path in (item for folder in left for item in (*folder.iterdir(), folder)):
        os.utime(path, (old, old))
    done = tool("timeline", LAYOUTS["velociraptor"], "-o", tmp_path / "case", env={"TMPDIR": str(scratch)})
    assert f"killed runs left scratch folders, remove them: {', '.join(map(str, left))}" in done.stderr
    assert all(path.is_dir() for path in left), "evidence may be in them: a person removes them"
