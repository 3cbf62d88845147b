"""Ctrl-C is the parent's business: it stops its workers itself, and none of them may die talking."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Start processes and threads that Ctrl-C does not reach; a terminal sends it to all of a group at once.

    The mask of signals is handed down to what is started meanwhile. A Ctrl-C that comes in between is heard at the
    end: a process whose start is broken off half-way would say so. Windows has no such mask: there a worker that is
    just starting may still print where it was.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it comes with the first process, and lifts the mask of the thread it starts in
    with _postponed():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _postponed() -> Iterator[None]:
    """Keep a Ctrl-C until the end: another thread of a library may take it in spite of the main thread's mask."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or handler is None:
        yield
        return
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if heard:
            signal.raise_signal(signal.SIGINT)
