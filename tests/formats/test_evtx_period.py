"""The period of a log by record numbers, whatever the clock shows and whatever order the chunks come in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from forensics.formats.evtx_period import Period
from forensics.intake import JobResult
from forensics.model import ClockStep, LogSpan
from forensics.times import to_filetime

ZERO = datetime(2025, 2, 3, 7, 30, tzinfo=UTC)


def ticks(minutes: float) -> int:
    return to_filetime(ZERO + timedelta(minutes=minutes))


def taken(*parts: list[tuple[int, float]]) -> Period:
    period = Period()
    for part in parts:
        numbers = np.array([number for number, _ in part], dtype=np.uint64)
        stamps = np.array([ticks(minutes) for _, minutes in part], dtype=np.uint64)
        period.take(numbers, stamps)
    return period


def test_a_clock_set_back_makes_no_log_begin_earlier() -> None:
    period = taken([(20311, 0), (20312, -50), (20313, 40)])
    assert (period.low, period.high) == ((20311, ticks(0)), (20313, ticks(40)))
    assert period.earliest == ticks(-50)
    assert period.back() == [((20311, ticks(0)), (20312, ticks(-50)))]


def test_small_corrections_are_no_step() -> None:
    assert taken([(1, 0), (2, -4.9), (3, 1)]).back() == []


def test_a_ring_that_wrapped_around_is_put_in_order_of_numbers() -> None:
    """The newest chunk lies first; that its stamps are later than those of the next one is no clock set back."""
    period = taken([(91, 90), (92, 91), (11, 0), (12, 1)], [(13, 2), (14, 3)])
    assert (period.low, period.high) == ((11, ticks(0)), (92, ticks(91)))
    assert period.back() == []


def test_a_step_between_two_windows_is_found_in_any_order() -> None:
    wanted = [((12, ticks(20)), (13, ticks(-40)))]
    assert taken([(11, 10), (12, 20)], [(13, -40), (14, -30)]).back() == wanted
    assert taken([(13, -40), (14, -30), (11, 10), (12, 20)]).back() == wanted


def test_numbers_and_times_that_are_none_count_nothing() -> None:
    period = Period()
    period.take(np.array([0, 2**63, 5], dtype=np.uint64), np.array([ticks(0), ticks(1), 3], dtype=np.uint64))
    assert (period.low, period.high, period.back()) == (None, None, [])


def test_parts_of_a_log_are_joined_by_number() -> None:
    early, late = ZERO - timedelta(hours=1), ZERO
    whole = JobResult("a.evtx", span=LogSpan("a.evtx", early, early, 50, 60, early, early))
    whole.add(JobResult("a.evtx", span=LogSpan("a.evtx", late, late, 1, 49, late, late)))
    step = ClockStep(50, late, early)
    assert whole.span == LogSpan("a.evtx", late, early, 1, 60, early, late, (step,))
    assert whole.span.until == late
    assert "stamps before 2025-02-03 07:30:00.000 UTC are of later records" in whole.span.remark
