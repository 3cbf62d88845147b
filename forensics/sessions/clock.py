"""What the host's clock showed: stretches between two settings, stamps that occurred more than once, and their order.

Between two settings the clock runs through a stretch of stamps. Where stretches overlap, a stamp is of one as well as
of the other: nothing in it says which. Records of one log are numbered in the order of writing, as are those of the
change journal; one between two of known stretches is of a stretch between theirs. So some stamps can be told apart,
and the others are said to be ambiguous. Which of two clocks was right, no record says.

Settings are Security 4616 and System 1; one that neither tells is inferred where the stamps of these two logs run back,
and implied where the next one begins before the stamp that the last led to (an empty battery, while the host was off).
Sleep, hibernation and time zones set no clock back: all stamps are UTC, and a clock that stood still goes forward.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

from forensics.rules import load
from forensics.sessions.clock_runs import STARTS, Runs
from forensics.sessions.rows import Row, Rows
from forensics.times import from_iso

_SAME = timedelta(seconds=10)  # old and new time of one setting, as two logs have them
_FIRST_STARTS = timedelta(hours=48)
_TELL = ("security", "system")
_BEGIN, _END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_FIRST_USN = "0"
_MAX = re.compile(r"\$max$")  # the stream with the journal's settings, beside that of its entries
_MOST = 2000  # settings of one host; a machine with more has no clock worth the name


@dataclass(slots=True)
class Setting:
    """The clock was set from `old` to `new`; `numbers` are its records by log file, none where it is inferred.

    `implied`: nothing tells of it but that the next setting begins at a stamp before the one that the last led to. The
    clock went back from `old` or later, to `new` or earlier.
    """

    old: datetime
    new: datetime
    rows: list[Row] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    implied: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """A stamp that occurred more than once: in which time that was so, and how often.

    `later` is how much later than at first it may have been, or (where `told`) was: 0 when it was the first time.
    `sure` is false where nothing shows that the clock came so far again, or that it ran through the stamp before.
    """

    start: datetime
    end: datetime
    times: int
    later: timedelta
    told: bool
    sure: bool


class Clock:
    """The clock of one host, asked about rows and stamps."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        least = timedelta(minutes=load("antiforensics")["clock"]["least_minutes"])
        known = [item for item in _recorded(rows) if abs(item.new - item.old) >= least]
        known += _inferred(rows, known)
        back = any(item.new < item.old for item in known) and len(known) <= _MOST
        self.settings = _joined(_in_order(known), rows) if back else []
        self._ahead = _sums(self.settings)
        self.settings = self.settings if self._ahead else []
        starts = [_BEGIN, *(item.new for item in self.settings)]
        ends = [*(item.old for item in self.settings), _END]
        self._stretches = list(zip(starts, ends, strict=True))
        self._own = {row.id: number for number, item in enumerate(self.settings) for row in item.rows}
        self._edges = sorted({moment for stretch in self._stretches for moment in stretch})
        self._known: dict[tuple[int, bool], list[int]] = {}
        self._before: dict[str, list[tuple[int, int]]] = {}
        self._after: dict[str, list[tuple[int, int]]] = {}
        self._latest, self._runs, self._stamps = _BEGIN, Runs(), list[datetime]()
        if self.settings:
            self._anchor()
            self._follow()

    def sure(self, number: int) -> bool:
        """Whether the clock is known to have come to the end of a stretch: of the last one later stamps must tell."""
        return number < len(self.settings) or self._latest > self.settings[-1].old

    def twice(self, setting: Setting) -> tuple[datetime, datetime] | None:
        """The stamps that a setting back made occur again."""
        number = self.settings.index(setting) + 1 if setting in self.settings else 0
        if not number or setting.new >= setting.old:
            return None
        shared = self._shared(number)
        return (min(low for _, low, _ in shared), max(high for _, _, high in shared)) if shared else None

    def both(self, setting: Setting) -> bool:
        """Whether the clock is known to have run through all of what a setting back made occur again, both times."""
        number, span = self.settings.index(setting) + 1, self.twice(setting)
        if span is None or not self.sure(number):
            return False
        return all(self._runs.through(one, low, high) for one, low, high in self._shared(number))

    def _shared(self, number: int) -> list[tuple[int, datetime, datetime]]:
        """What earlier stretches have in common with one: which, from when, to when."""
        start, end = self._stretches[number]
        shared = [(one, max(start, low), min(end, high)) for one, (low, high) in enumerate(self._stretches[:number])]
        return [item for item in shared if item[1] < item[2]]

    def skipped(self, setting: Setting) -> tuple[datetime, datetime] | None:
        """The stamps that a setting forward passed over, which the clock never showed: no record has one of them.

        None where the clock ever went back unseen: how far it had come then, nothing says.
        """
        if any(item.implied for item in self.settings):
            return None
        number = self.settings.index(setting) + 1 if setting in self.settings else 0
        high = max((end for _, end in self._stretches[:number]), default=setting.new)
        shown = bisect_left(self._stamps, setting.new) > bisect_right(self._stamps, high)
        return (high, setting.new) if high < setting.new and not shown else None

    def doubt(self, moment: datetime | None, rows: Iterable[Row] = (), beside: timedelta = timedelta()) -> Doubt | None:
        """Why a stamp leaves open when it was; `rows` are those that have it, whose numbers may tell.

        Of one act `beside` is how far apart its rows may lie: a command and what it did are of one stretch.
        """
        could = self._could(moment) if moment and self.settings else []
        if moment is None or len(could) < 2:
            return None
        start = max(self._stretches[one][0] for one in could[1:])
        end = min(self._stretches[one][1] for one in could)
        left = self._left_of(moment, rows, could, beside)
        told = len(left) == 1
        later = self._ahead[left[-1]] - self._ahead[could[0]]
        sure = self.sure(could[-1]) and all(self._runs.through(one, moment) for one in could[:-1])
        return Doubt(start, end, len(could), later, told, sure)

    def place(
        self, moment: datetime | None, rows: Iterable[Row] = (), beside: timedelta = timedelta()
    ) -> datetime | None:
        """A stamp by the clock as it ran before it was set: what puts things in order, as far as that is known.

        Of several stretches it is put into the first through which the clock is known to have run, else into the last:
        that one began with a setting, at which the host was on.
        """
        if moment is None or not self.settings:
            return moment
        could = self._could(moment)
        left = self._left_of(moment, rows, could, beside) or could
        try:
            return moment + self._ahead[next((one for one in left if self._runs.through(one, moment)), left[-1])]
        except OverflowError:
            return moment

    def _left_of(self, moment: datetime, rows: Iterable[Row], could: list[int], beside: timedelta) -> list[int]:
        """What the row that tells most leaves open: one of the stamp itself before those beside it."""
        near = [row for row in rows if row.time and abs(row.time - moment) <= beside]
        return min((self._left(row, could) for row in near), key=len, default=could)

    def _could(self, moment: datetime) -> list[int]:
        """The stretches that a stamp may be of; in none, the one that began last before it."""
        place = bisect_left(self._edges, moment)
        key = (place, self._edges[place] == moment)
        if key not in self._known:
            found = [number for number, (start, end) in enumerate(self._stretches) if start <= moment <= end]
            began = [(start, number) for number, (start, _) in enumerate(self._stretches) if start <= moment]
            self._known[key] = found or [max(began)[1]]
        return self._known[key]

    def _left(self, row: Row, could: list[int]) -> list[int]:
        """Those of the stretches that the row's number leaves open; all where numbers contradict."""
        if row.id in self._own and row.time:
            own = self._own[row.id]
            setting = self.settings[own]
            return [own + (abs(row.time - setting.new) <= abs(row.time - setting.old))]
        key, count = _numbered(row)
        if count is None:
            return could
        after, before = self._after.get(key, []), self._before.get(key, [])
        place = bisect_left(after, (count, -1)) - 1
        least = after[place][1] if place >= 0 else 0
        place = bisect_right(before, (count, len(self._stretches)))
        most = before[place][1] if place < len(before) else len(self._stretches)
        return could[bisect_left(could, least) : bisect_right(could, most)] or could

    def _anchor(self) -> None:
        """What is known of the numbers of each log: up to which stretch all before one are, from which all after."""
        before: dict[str, list[tuple[int, int]]] = defaultdict(list)
        after: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, setting in enumerate(self.settings):
            for key, count in setting.numbers.items():
                before[key].append((count, number))
                after[key].append((count, number + 1))
        for row, log, place in _written(self._rows):
            if row.kind == "clock.changed" or row.time is None:
                continue
            self._latest = max(self._latest, row.time)
            could = self._could(row.time)
            before[log].append((place, could[-1]))
            after[log].append((place, could[0]))
        ends = (from_iso(row.get("last_record_time")) for row in self._rows.of("log.described"))
        self._latest = max(self._latest, *(moment for moment in ends if isinstance(moment, datetime)), _BEGIN)
        for key, items in before.items():
            self._before[key] = _running(sorted(items, reverse=True), lowest=True)[::-1]
            self._after[key] = _running(sorted(after[key]), lowest=False)

    def _follow(self) -> None:
        """Through which stamps of each stretch the clock ran, by the records that are of one alone."""
        for number, setting in enumerate(self.settings):
            if not setting.implied:
                self._runs.add(number, setting.old)
                self._runs.add(number + 1, setting.new)
        for row, _, _ in _written(self._rows):
            if row.time is None or row.kind == "clock.changed":
                continue
            self._stamps.append(row.time)
            left = self._left(row, self._could(row.time))
            if len(left) == 1:
                self._runs.add(left[0], row.time)
            if row.kind in STARTS:
                self._runs.start(left[0] if len(left) == 1 else None, row.time)
        self._stamps.sort()
        self._runs.ordered()


def _written(rows: Rows) -> Iterable[tuple[Row, str, int]]:
    """The rows with a number and the stamp at which it was given: row, log or journal, number."""
    for row in rows.numbered():
        log, place = _numbered(row)
        own = row.meaning == "Creation Time" or row.kind.startswith("usn.")
        if place is not None and row.time is not None and own and not row.recovered_from:
            yield row, log, place


def _running(items: list[tuple[int, int]], *, lowest: bool) -> list[tuple[int, int]]:
    choose = min if lowest else max
    numbers = accumulate((number for _, number in items), choose)
    return [(count, number) for (count, _), number in zip(items, numbers, strict=True)]


def _numbered(row: Row) -> tuple[str, int | None]:
    """The log or journal of a row, and its number there; the journal's beginning came before all that is in it."""
    number = row.get("record_number") or row.get("usn") or (_FIRST_USN if _begins_journal(row) else "")
    return _MAX.sub("$j", row.source.path.casefold()), int(number) if number.isdecimal() and len(number) < 20 else None


def _begins_journal(row: Row) -> bool:
    return row.kind == "usn.journal_made" or (row.kind == "usn.journal" and row.meaning == "Start Time")


def _recorded(rows: Rows) -> list[Setting]:
    """The settings that records tell of; two records of one setting are one."""
    found: list[Setting] = []
    for row in rows.of("clock.changed"):
        old, new = from_iso(row.get("old_time")), from_iso(row.get("new_time"))
        if not isinstance(old, datetime) or not isinstance(new, datetime):
            continue
        same = next((item for item in found[-_NEAR:] if abs(item.old - old) <= _SAME and abs(item.new - new) <= _SAME),
                    None)  # fmt: skip
        if same is None:
            found.append(same := Setting(old, new))
        same.rows.append(row)
        key, number = _numbered(row)
        if number is not None:
            same.numbers.setdefault(key, number)
    return found


_NEAR = 8  # settings before one, in order of stamps, that may be the same


def _inferred(rows: Rows, known: Collection[Setting]) -> list[Setting]:
    """Settings that nothing tells of but stamps that run back; not those of the first starts of an installation."""
    found: list[Setting] = []
    for log in rows.of("log.described"):
        if log.get("log_channel").casefold() not in _TELL or log.snapshot:
            continue
        fresh = log.time if log.get("first_record_number") == "1" else None
        for old, new, number in _steps(log):
            if fresh and old - fresh <= _FIRST_STARTS:
                continue
            told = [*known, *found]
            if not any(item.new < item.old and item.new - _SAME <= new and old <= item.old + _SAME for item in told):
                found.append(Setting(old, new, [], {log.source.path.casefold(): number} if number else {}))
    return found


def _steps(log: Row) -> Iterable[tuple[datetime, datetime, int]]:
    """Where the stamps of a log run back: before, after, number of the first record after (0: not known)."""
    texts, numbers = log.fields.get("clock_steps", ()), log.fields.get("clock_step_records", ())
    if not isinstance(texts, tuple):
        return
    known = numbers if isinstance(numbers, tuple) and len(numbers) == len(texts) else ("",) * len(texts)
    for text, number in zip(texts, known, strict=True):
        one, _, two = text.partition("/")
        old, new, after = from_iso(one), from_iso(two), number.rpartition("-")[2]
        if isinstance(old, datetime) and isinstance(new, datetime):
            yield old, new, int(after) if after.isdecimal() else 0


def _in_order(settings: list[Setting]) -> list[Setting]:
    """In order of the numbers of the log that tells most of them; others by the stamps at which they were made."""
    counted: dict[str, int] = defaultdict(int)
    for item in settings:
        for key in item.numbers:
            counted[key] += 1
    first = max(sorted(counted), key=lambda key: counted[key], default="")
    ordered = sorted((item for item in settings if first in item.numbers), key=lambda item: item.numbers[first])
    for item in sorted((item for item in settings if first not in item.numbers), key=lambda item: item.new):
        ordered.insert(_position(item, ordered), item)
    return ordered


def _position(item: Setting, ordered: list[Setting]) -> int:
    """Behind the last one with a lower number in a common log; else before the first that begins later."""
    for place in range(len(ordered), 0, -1):
        shared = item.numbers.keys() & ordered[place - 1].numbers.keys()
        if any(ordered[place - 1].numbers[key] < item.numbers[key] for key in shared):
            return place
    return next((place for place, other in enumerate(ordered) if other.old > item.old), len(ordered))


def _joined(settings: list[Setting], rows: Rows) -> list[Setting]:
    """The settings, with those back in between without which the next could not begin where it does."""
    if all(one.new <= two.old for one, two in pairwise(settings)):
        return settings
    logs: dict[str, list[tuple[int, datetime]]] = defaultdict(list)
    for row, log, place in _written(rows):
        if row.time is not None and row.kind != "clock.changed":
            logs[log].append((place, row.time))
    for items in logs.values():
        items.sort()
    joined = settings[:1]
    for one, two in pairwise(settings):
        joined += [two] if one.new <= two.old else [_missing(one, two, logs), two]
    return joined


def _missing(one: Setting, two: Setting, logs: dict[str, list[tuple[int, datetime]]]) -> Setting:
    """How far the clock went back at least between two settings, by the records between theirs."""
    between: list[datetime] = []
    for key in one.numbers.keys() & two.numbers.keys():
        items = logs.get(key, [])
        low, high = bisect_right(items, (one.numbers[key], _END)), bisect_left(items, (two.numbers[key], _BEGIN))
        between += [moment for _, moment in items[low:high]]
    old = max(one.new, *(moment for moment in between if moment >= one.new), _BEGIN)
    new = min(two.old, *(moment for moment in between if moment <= two.old), _END)
    return Setting(old, new, implied=True)


def _sums(settings: list[Setting]) -> list[timedelta]:
    """By how much the clock was set back before each stretch; none where that is beyond any number."""
    try:
        return [timedelta(), *accumulate(item.old - item.new for item in settings)]
    except OverflowError:
        return []


__all__ = ["Clock", "Doubt", "Setting"]
