"""The period of an event log by its record numbers: where it begins and ends, and where its stamps run back.

Records are numbered in the order of writing, whatever the clock shows. The earliest stamp of a log is its beginning
only while the clock runs on; once it is set back, records of later number have earlier stamps, and a log that was
cleared at 07:30 seems to hold something of 06:40. So the period is the time of the lowest number to that of the
highest. Of a log whose ring has wrapped around, or whose chunks come in parts, numbers are compared, not places.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from forensics.times import FIRST_TICKS, LAST_TICKS

BACK = 5 * 60 * 10_000_000  # ticks that a stamp lies before that of the record before it
_MOST_RUNS = 65536  # stretches of rising numbers that are remembered of a log
_MOST_STEPS = 20
_HIGHEST = 2**62
At = tuple[int, int]  # number and FILETIME of a record


@dataclass(slots=True)
class Period:
    """Lowest and highest record (number, FILETIME), and the earliest and latest stamp of any; None without a record.

    Records whose number or time is none are left out.
    """

    low: At | None = None
    high: At | None = None
    earliest: int | None = None
    latest: int | None = None
    _steps: list[tuple[At, At]] = field(default_factory=list)
    _runs: list[tuple[At, At]] = field(default_factory=list)

    def take(self, numbers: np.ndarray, stamps: np.ndarray) -> None:
        """Take in the records of a part of the file, in its order."""
        sound = (numbers > 0) & (numbers < _HIGHEST) & (stamps >= FIRST_TICKS) & (stamps < LAST_TICKS)
        if not sound.any():
            return
        ids, times = numbers[sound].astype(np.int64), stamps[sound].astype(np.int64)
        least, most = int(ids.argmin()), int(ids.argmax())
        low, high = (int(ids[least]), int(times[least])), (int(ids[most]), int(times[most]))
        self.low = low if self.low is None else min(low, self.low)
        self.high = high if self.high is None else max(high, self.high)
        self.earliest = min(int(times.min()), LAST_TICKS if self.earliest is None else self.earliest)
        self.latest = max(int(times.max()), self.latest or 0)
        rising = np.diff(ids) > 0
        for place in np.flatnonzero(rising & (np.diff(times) <= -BACK))[:_MOST_STEPS].tolist():
            self._steps.append(((int(ids[place]), int(times[place])), (int(ids[place + 1]), int(times[place + 1]))))
        starts = [0, *(np.flatnonzero(~rising) + 1)[:_MOST_RUNS].tolist()]
        for start, stop in zip(starts, [*starts[1:], len(ids)], strict=True):
            if len(self._runs) < _MOST_RUNS:
                first, last = (int(ids[start]), int(times[start])), (int(ids[stop - 1]), int(times[stop - 1]))
                self._runs.append((first, last))

    def back(self) -> list[tuple[At, At]]:
        """Where the stamp of a record lies five minutes or more before that of the one before it, in order."""
        runs = sorted(self._runs)
        between = [
            (one[1], two[0]) for one, two in pairwise(runs) if one[1][0] < two[0][0] and one[1][1] - two[0][1] >= BACK
        ]
        return sorted([*self._steps, *between])[:_MOST_STEPS]
