"""Ctrl-C is the parent's business: it stops its workers itself, and none of them may die talking."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Start processes and threads that Ctrl-C does not reach; a terminal sends it to all of a group at once.

    The mask of signals is handed down to what is started meanwhile; a Ctrl-C comes through at the end. Windows has no
    such mask: there a worker that is just starting may still print where it was.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it comes with the first process, and lifts the mask of the thread it starts in
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
