"""Shared fixtures: where the shipped evidence and the public samples are."""

from __future__ import annotations

import json
import multiprocessing.util
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.running import Run

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT.parent / "shared" / "samples"


@pytest.fixture(scope="session")
def samples() -> Path:
    """The public sample files; tests that need them skip, saying so, where the folder is absent."""
    if not SAMPLES.is_dir():
        pytest.skip("public sample files are not beside the project")
    return SAMPLES


@pytest.fixture(scope="session")
def testdata() -> Path:
    """What the project built itself and ships."""
    return ROOT / "testdata"


@pytest.fixture(scope="session", autouse=True)
def _own_scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A temporary folder of our own: what other runs on this machine left behind is none of ours to talk about."""
    tmp_path_factory.getbasetemp()  # stays where pytest keeps it
    multiprocessing.util.get_temp_dir()  # is cleared up at the very end
    before, tempfile.tempdir = tempfile.gettempdir(), None
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        patch.setenv("TMPDIR", folder)
        patch.delenv("COLUMNS", raising=False)  # xdist sets it; a pipe has no width
        tempfile.tempdir = folder
        yield
        tempfile.tempdir = before


@pytest.fixture(scope="session", autouse=True)
def _first_worker(_own_scratch: None) -> None:
    """The process that workers are forked from is started where what they write to the terminal is noticed."""
    import pebble

    from forensics import workers
    from tests.running import noticed

    with noticed():
        workers.started_from()
    pebble.CONSTS.sleep_unit = 0.02  # how long its loops sleep: a pool that ends waits for them, and tests end many


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The run over a layout of the shipped host with no options: made once for all tests, who only read its case."""
    top = tmp_path_factory.getbasetemp()
    top = top.parent if "PYTEST_XDIST_WORKER" in os.environ else top  # what all processes of these tests share
    return lambda name: _once(top / f"shipped-{name}", name)


def _once(folder: Path, name: str) -> Run:
    from tests.running import LAYOUTS, Run, timeline

    told, patience = folder / "run.json", time.monotonic() + 90
    try:
        folder.mkdir()
    except FileExistsError:  # it is made, or another process is at it
        while not told.exists() and time.monotonic() < patience:
            time.sleep(0.1)
    if told.exists():
        return Run(*json.loads(told.read_text(encoding="utf-8")), folder / "case")
    case = folder / ("case" if not (folder / "case").exists() else f"case-{os.getpid()}")
    run = timeline(LAYOUTS[name], case)
    if case.name == "case":
        (folder / "being").write_text(json.dumps([run.code, run.out, run.err]), encoding="utf-8")
        (folder / "being").replace(told)
    return run
