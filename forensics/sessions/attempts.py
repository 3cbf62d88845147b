"""A join that fails costs what it would have told, and neither the timeline nor the other joins.

Evidence is hostile, and a join sees what parsers let through. Inside `kept_going` a fault of one part is noted and an
empty answer given; elsewhere (tests, a library's own use of a join) it is raised as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Result = TypeVar("Result")
_FAILED: ContextVar[list[str] | None] = ContextVar("failed", default=None)


@contextmanager
def kept_going() -> Iterator[list[str]]:
    """What failed inside, in words; whoever opens it has to report that."""
    failed: list[str] = []
    before = _FAILED.set(failed)
    try:
        yield failed
    finally:
        _FAILED.reset(before)


def any_failed() -> bool:
    """Whether a part failed so far: then nothing may be denied."""
    return bool(_FAILED.get())


def attempt(what: str, make: Callable[[], Result], empty: Result) -> Result:
    """What `make` gives, or `empty` and a note where it fails."""
    failed = _FAILED.get()
    if failed is None:
        return make()
    try:
        return make()
    except Exception as error:  # noqa: BLE001  # a fault of one join must not cost the case
        failed.append(f"{what}: {type(error).__name__}: {error}")
        return empty


def attempts(what: str, make: Callable[[], tuple[Result, ...]]) -> tuple[Result, ...]:
    """The same of what has several items: none where it fails."""
    nothing: tuple[Result, ...] = ()
    return attempt(what, make, nothing)
