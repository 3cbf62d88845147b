"""One evidence file is one job in a process that can be killed.

Decoders run native code over hostile bytes: one flipped bit can hang it beyond the reach of any signal handler, another
can make it ask for gigabytes. So every job runs in a process of its own (pebble), with a wall-clock limit that ends in
a kill and a memory limit: RLIMIT_AS where the system honours it, else a watcher in the parent that kills a process
whose resident memory grows past the limit. A job that dies costs its file and is reported; the pool goes on with a new
process, which opens the evidence itself.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from pebble import ProcessExpired, ProcessPool

from forensics import leftovers
from forensics.signals import uninterrupted

MIB = 1024 * 1024
_WATCH_SECONDS = 0.5
_ATTEMPTS = 3
_LEAST_OPENING = 30.0  # seconds: a loaded machine takes some to start a worker
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may use: seconds = base + per MiB of the file (capped), bytes of address space, processes at once."""

    seconds: float = 60.0
    seconds_per_mib: float = 1.0
    most_seconds: float = 900.0
    memory: int = 2048 * MIB
    jobs: int = 0

    def timeout(self, size: int) -> float:
        """The wall-clock limit of a job over a file of `size` bytes."""
        return min(self.seconds + self.seconds_per_mib * size / MIB, self.most_seconds)

    def opening(self, size: int) -> float:
        """The wall-clock limit of opening evidence of `size` bytes, which may have to be unpacked first (no cap)."""
        return max(self.seconds, _LEAST_OPENING) + self.seconds_per_mib * size / MIB

    def processes(self) -> int:
        """How many worker processes run at once (default: one a core, at most 8)."""
        return self.jobs or max(1, min(os.cpu_count() or 1, 8))


@dataclass(frozen=True, slots=True)
class Dead:
    """A job that was killed. `fault`: killed_timeout | killed_memory | crashed."""

    fault: str
    detail: str


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """One finished job: its index in the submitted list, and its result or how it died."""

    index: int
    result: Result | Dead


def address_space_is_limited() -> bool:
    """Whether RLIMIT_AS exists and is honoured here (macOS accepts and ignores it, Windows has none)."""
    return sys.platform.startswith(("linux", "freebsd"))


def started_from() -> Any:  # noqa: ANN401  # the contexts have no type in common that tells what they can start
    """How workers are started: forked from a process that has imported what they need, else each by itself.

    That process runs nothing but imports, so that a fork of it is as clean as a new interpreter; starting a worker
    takes a tenth of the time. On macOS what system libraries do behind our back does not survive a fork.
    """
    if not _forks_are_clean():
        return multiprocessing.get_context("spawn")
    try:
        _serve()
    except OSError:  # its socket cannot be made: the path of the temporary folder may be too long
        return multiprocessing.get_context("spawn")
    return multiprocessing.get_context("forkserver")


def _forks_are_clean() -> bool:
    return sys.platform.startswith("linux")


def _serve() -> None:
    """Start the process that workers are forked from, once; it looks for no module in the current folder."""
    from multiprocessing import forkserver

    forkserver.set_forkserver_preload(["forensics.preloaded"])
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        with uninterrupted():
            forkserver.ensure_running()
    finally:
        del os.environ["PYTHONSAFEPATH"]
        if before is not None:
            os.environ["PYTHONSAFEPATH"] = before


def _start(memory: int, marks: str, initializer: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Set the limits of a new worker, then let it open the evidence; its mark lies in `marks` as long as that takes."""
    mark = Path(marks) / str(os.getpid())
    mark.touch()
    if address_space_is_limited():
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    initializer(*arguments)
    mark.unlink(missing_ok=True)


class Workers:
    """A pool of killable processes that share nothing but their initializer's arguments."""

    def __init__(
        self, limits: Limits, initializer: Callable[..., None], arguments: tuple[Any, ...], opening: int = 0
    ) -> None:
        self._limits = limits
        self._opening = limits.opening(opening)
        self._marks = TemporaryDirectory(prefix=leftovers.prefix())
        self._stuck = False
        self._initializer = initializer
        self._arguments = arguments
        self._pool = self._new_pool()
        self._stop = threading.Event()
        self._over: set[int] = set()
        threading.Thread(target=self._watch, daemon=True).start()

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._limits.processes(),
            context=started_from(),
            initializer=_start,
            initargs=(self._limits.memory, self._marks.name, self._initializer, self._arguments),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._end()
        self._marks.cleanup()

    def run(self, function: Callable[[Any], Result], jobs: Sequence[tuple[Any, int]]) -> Iterator[Done[Result]]:
        """Run `function(argument)` for every (argument, file size); yield each as it ends, in no fixed order."""
        left = list(range(len(jobs)))
        for attempt in range(_ATTEMPTS):
            with uninterrupted():  # the pool starts with its first job
                waiting = {
                    self._pool.schedule(
                        function, args=(jobs[index][0],), timeout=self._limits.timeout(jobs[index][1])
                    ): index
                    for index in left
                }
            left = []
            for future in as_completed(waiting):
                index = waiting[future]
                try:
                    yield Done(index, self._outcome(future, jobs[index][1]))
                except BrokenProcessPool:  # a worker died while it was starting: the pool has to be made anew
                    left.append(index)
            if not left:
                return
            if self._stuck:
                break
            if attempt + 1 < _ATTEMPTS:
                self._renew()
        why = Dead("crashed", f"its worker died at the start, {_ATTEMPTS} times")
        if self._stuck:
            why = Dead("killed_timeout", f"opening the evidence did not end in {self._opening:.0f} s")
            self._renew()
        for index in left:
            yield Done(index, why)

    def _renew(self) -> None:
        self._end()
        self._pool = self._new_pool()

    def _end(self) -> None:
        """End the pool; every result that is wanted has been taken by now.

        Its processes are told at once: the pool itself drops its locks first and then ends one process after the other,
        so that one that is still starting would find no lock and die with a traceback on the terminal.
        """
        self._pool.stop()
        for process in self._processes():
            process.terminate()
        self._pool.join()

    def _processes(self) -> list[Any]:
        """The pool's processes; `active_children` would ask each whether it lives, and take its exit code away."""
        manager = getattr(getattr(self._pool, "_pool_manager", None), "worker_manager", None)
        return list(getattr(manager, "workers", {}).values())

    def one(self, function: Callable[[Any], Result], argument: Any, size: int = 0) -> Result | Dead:  # noqa: ANN401
        """Run a single job to its end."""
        return next(iter(self.run(function, [(argument, size)]))).result

    def _outcome(self, future: Any, size: int) -> Any:  # noqa: ANN401
        try:
            return future.result()
        except TimeoutError:
            return Dead("killed_timeout", f"killed after {self._limits.timeout(size):.0f} s without an end")
        except ProcessExpired as error:
            if error.pid in self._over:
                return Dead("killed_memory", f"killed: more than {self._limits.memory // MIB} MiB of memory")
            return Dead("crashed", f"the process ended with code {error.exitcode}")
        except MemoryError:
            return Dead("killed_memory", f"stopped: more than {self._limits.memory // MIB} MiB of memory")
        except CancelledError:
            return Dead("crashed", "cancelled")

    def _watch(self) -> None:
        """Kill workers that are stuck at the start, and those with too much memory where the system does not do it."""
        while not self._stop.wait(_WATCH_SECONDS):
            self._end_stuck()
            if not address_space_is_limited():
                self._end_greedy()

    def _end_stuck(self) -> None:
        """The pool's own clock does not run while a worker opens the evidence: what never ends there would hold all."""
        for child in self._processes():
            try:
                began = (Path(self._marks.name) / str(child.pid)).stat().st_mtime
            except OSError:
                continue
            if time.time() - began > self._opening:
                self._stuck = True
                child.kill()

    def _end_greedy(self) -> None:
        import psutil

        for child in self._processes():
            try:
                resident = psutil.Process(child.pid).memory_info().rss
            except psutil.Error:
                continue
            if resident > self._limits.memory and child.pid:
                self._over.add(child.pid)
                child.kill()
