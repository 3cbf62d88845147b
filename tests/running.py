"""Run the tool as a person does: the whole command, its files, its words and its exit code."""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest

from forensics.cli import main
from tests.conftest import ROOT
from tests.folding import unfolded

BUILT = ROOT / "testdata/evidence/ws-tanaka"
KAPE_FOLDER = BUILT / "kape/WS-TANAKA"
LAYOUTS = {
    "e01": BUILT / "e01/ws-tanaka.E01",
    "kape": BUILT / "kape/WS-TANAKA",
    "velociraptor": next(iter(sorted((BUILT / "velociraptor").glob("*.zip"))), BUILT / "velociraptor/missing.zip"),
}


@dataclass(frozen=True)
class Run:
    """The outcome of one call."""

    code: int
    out: str
    err: str
    case: Path

    def document(self) -> Any:
        """The sessions document that was written."""
        return json.loads((self.case / "sessions.json").read_text(encoding="utf-8"))

    def lines(self, name: str) -> list[Any]:
        """The objects of a JSON-lines file of the case, those of the timeline with every field by its name."""
        text = (self.case / name).read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.split("\n") if line]
        return [unfolded(row) for row in rows] if name == "timeline.jsonl" else rows


def tool(
    *arguments: object, env: dict[str, str] | None = None, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Call `mirrortrace` with these arguments.

    The command runs in this process, its workers in processes of their own as ever. With `env` (added to the
    environment) or `before` (run first in the process) all of it is a process, as when a person calls it.
    """
    words = [str(item) for item in arguments]
    if env is None and before is None:
        return _here(words)
    command = [sys.executable, "-m", "forensics", *words]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, check=False, timeout=170,
        env={**os.environ, **(env or {})}, preexec_fn=before,
    )  # fmt: skip


def _here(words: list[str]) -> subprocess.CompletedProcess[str]:
    """Call the command in this process: starting an interpreter and importing takes longer than a small run itself."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code: object = 0
    with noticed() as noise, redirect_stdout(out), redirect_stderr(err), chdir(ROOT), _own_state(words):
        try:
            main(words, prog_name="python -m forensics")
        except SystemExit as ended:
            code = ended.code
        except BaseException:  # noqa: BLE001  # what an interpreter does with it
            traceback.print_exc(file=err)
            code = 1
    if isinstance(code, str):
        code, _ = 1, err.write(f"{code}\n")
    texts = [item.buffer.getvalue().decode().replace(os.linesep, "\n") for item in (out, err)]  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(words, int(code or 0), texts[0], texts[1] + "".join(noise))  # type: ignore[call-overload]


@contextmanager
def _own_state(words: list[str]) -> Iterator[None]:
    """What the command sets for its process is as it was, afterwards."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handlers = {number: signal.getsignal(number) for number in numbers}
    given, sys.argv = sys.argv, ["mirrortrace", *words]
    try:
        yield
    finally:
        sys.argv = given
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def noticed() -> Iterator[list[str]]:
    """What processes write to the terminal behind Python's back, workers above all, is in the list afterwards.

    The process that workers are forked from keeps the terminal that it was started with: the first to come here (see
    `conftest`) gives it one that is looked at.
    """
    noise: list[str] = []
    descriptor, path = _terminal()
    size, kept = path.stat().st_size, os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield noise
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        with path.open("rb") as handle:
            handle.seek(size)
            noise.append(handle.read().decode(errors="replace"))


@cache
def _terminal() -> tuple[int, Path]:
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "terminal"
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), path


def obedient() -> Callable[[], None] | None:
    """What makes a new process obey file permissions: nothing for a user, for the superuser giving up the right not to.

    Another user would not do: where the interpreter lies in a private folder, only its owner can start it.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    if not sys.platform.startswith("linux"):
        pytest.skip("the superuser may read everything")
    library = ctypes.CDLL(None, use_errno=True)

    def give_up() -> None:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if library.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
                os._exit(97)

    return give_up


def timeline(
    evidence: object, case: Path, *more: object, env: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Run:  # fmt: skip
    """Run the main job; with one worker process unless told otherwise, since tests themselves run side by side."""
    if "--jobs" not in more:
        more = (*more, "--jobs", 1)
    done = tool("timeline", evidence, "-o", case, *more, env=env, before=before)
    return Run(done.returncode, done.stdout, done.stderr, case)


def workers_of(pid: int) -> list[psutil.Process]:
    """The worker processes of a run: those that it started, or that were forked for it."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            parent = process.parent()
            forked = parent is not None and "forkserver" in " ".join(parent.cmdline())
            if forked or "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
    return found


def fingerprint(top: Path) -> dict[str, str]:
    """Name, size and hash of every file below a path."""
    files = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
