"""Through which of its stamps a clock is known to have run: what it passed while the host was off, it never showed.

A stretch between two settings says what the clock may have shown. Whether it did, records say: between two of one
stretch that are not far apart, with no start of the host between them, the clock ran. A machine that another system
shares comes up hours ahead and is set right at once: nothing of those hours was shown before.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

STARTS = frozenset({"system.kernel_started", "system.log_started"})
_SILENT = timedelta(hours=2)  # a host that runs writes more often than that [INF]


class Runs:
    """The moments of each stretch at which the clock is known to have run, and the starts of the host."""

    def __init__(self) -> None:
        self._points: dict[int, list[datetime]] = defaultdict(list)
        self._starts: dict[int | None, list[datetime]] = defaultdict(list)
        self._breaks: dict[int, list[datetime]] = {}

    def add(self, stretch: int, moment: datetime) -> None:
        """A record, or a setting, that is of this stretch for certain."""
        self._points[stretch].append(moment)

    def start(self, stretch: int | None, moment: datetime) -> None:
        """A start of the host in this stretch; None: in one or another, so that it counts in all."""
        self._starts[stretch].append(moment)

    def ordered(self) -> None:
        """To be called once everything is added."""
        for moments in (*self._points.values(), *self._starts.values()):
            moments.sort()
        for stretch, points in self._points.items():
            self._breaks[stretch] = [one for one, two in pairwise(points) if self._off(stretch, one, two)]

    def _off(self, stretch: int, low: datetime, high: datetime) -> bool:
        """Whether the host may have been off between two moments that follow each other."""
        starts = (self._starts.get(stretch, []), self._starts.get(None, []))
        return high - low > _SILENT or any(bisect_right(own, high) > bisect_right(own, low) for own in starts)

    def through(self, stretch: int, low: datetime, high: datetime | None = None) -> bool:
        """Whether the clock is known to have shown a stamp in this stretch, or all from one to another."""
        points, breaks, high = self._points.get(stretch, []), self._breaks.get(stretch, []), high or low
        before, after = bisect_right(points, low) - 1, bisect_left(points, high)
        if before < 0 or after == len(points):
            return False
        return bisect_left(breaks, points[before]) == bisect_left(breaks, points[after])


__all__ = ["STARTS", "Runs"]
