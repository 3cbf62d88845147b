"""Shared fixtures: where the shipped evidence and the public samples are."""

from __future__ import annotations

import multiprocessing.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
