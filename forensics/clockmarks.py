"""The tag of rows whose stamp the clock of their host showed more than once: a reader of the timeline sees it there.

Which stamps these are is known only when the joins are done, so rows are tagged when the case is put together. Where a
record's number tells which time it was, the row is tagged nevertheless: its place in the timeline is that of its stamp.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from forensics.model import AntiForensic
from forensics.plainjson import dumps
from forensics.plainjson import quick as loads
from forensics.store import HOST, TAGS
from forensics.times import from_iso, microseconds

AMBIGUOUS = "clock_ambiguous"
SETTINGS = ("time_changed", "clock_back")  # the signs that a clock was set, which say what it then showed again
TWICE = re.compile(r" \(the clock (?P<showed>showed|may have shown) (?P<span>[-:. \d]+ UTC to [-:. \d]+ UTC) twice\)")
_CUT = 999  # microseconds that the words of a sign leave out at the end of a span


class Marks:
    """The stamps that occurred more than once, host by host, out of the signs that their clocks were set."""

    def __init__(self, signs: Iterable[AntiForensic]) -> None:
        self._spans: dict[str, list[tuple[int, int]]] = {}
        for host, start, end in _spans(signs):
            self._spans.setdefault(host, []).append((start, end + _CUT))
        every = [span for spans in self._spans.values() for span in spans]
        self._first, self._last = min((low for low, _ in every), default=0), max((high for _, high in every), default=0)

    def covers(self, host: str, ticks: int) -> bool:
        """Whether the clock of the host showed this time (microseconds) more than once."""
        return any(low <= ticks <= high for low, high in self._spans.get(host, ()))

    def tagged(self, lines: Iterable[str]) -> Iterator[str]:
        """Stored rows, those in question with the tag; the others are passed on unread."""
        return (self._line(line) for line in lines) if self._spans else iter(lines)

    def _line(self, line: str) -> str:
        ticks = int(line[1 : line.index(",")])  # every row begins with its time
        if not self._first <= ticks <= self._last:
            return line
        row = loads(line)
        if not self.covers(row[HOST], ticks):
            return line
        row[TAGS] = [*row[TAGS], AMBIGUOUS]
        return dumps(row)


def _spans(signs: Iterable[AntiForensic]) -> Iterator[tuple[str, int, int]]:
    """Host, first and last stamp in microseconds, the last three digits cut."""
    for sign in signs:
        match = TWICE.search(sign.detail) if sign.kind in SETTINGS else None
        ends = [from_iso(text) for text in match["span"].split(" to ")] if match else []
        start, end = ends if len(ends) == 2 else (None, None)
        if isinstance(start, datetime) and isinstance(end, datetime):
            yield sign.host, microseconds(start), microseconds(end)


def default_tags(tags: tuple[str, ...], about: str) -> tuple[str, ...]:
    """The tags of a row, with the thing that it is about where nothing else is tagged."""
    return tags if set(tags) - {AMBIGUOUS} else (about, *tags)
