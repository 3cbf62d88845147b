"""The order of an event log's records: which numbers are missing, when the log was silent, where its clock ran back.

Nothing is decoded: number and time of every record stand in its header. Records are put in the order of their numbers,
which is that of writing, whatever chunk of the ring they lie in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

import numpy as np

from forensics.formats.evtx import WINDOW_CHUNKS
from forensics.formats.evtx_fallback import FileFacts
from forensics.formats.evtx_scan import FILE_HEAD, Scan, Window, scan
from forensics.formats.evtx_values import CHUNK
from forensics.times import FIRST_TICKS, LAST_TICKS

_MOST = 200  # of each kind of finding, the largest
_TICKS = 10_000_000


class Step(NamedTuple):
    """Two records that follow each other in the log: their numbers and times (FILETIME)."""

    before: int
    after: int
    left: int
    came: int


@dataclass(slots=True)
class Order:
    """What the numbers and times of a log say.

    `missing` are steps over numbers that no record has, `silent` those over a long time, `back` those to an earlier
    time. `damaged` counts stretches of which nobody knows what records they held. `due` is the number that the file's
    header says comes next, None where the header cannot be believed.
    """

    records: int = 0
    first: Step | None = None
    last: Step | None = None
    missing: list[Step] = field(default_factory=list)
    silent: list[Step] = field(default_factory=list)
    back: list[Step] = field(default_factory=list)
    damaged: int = 0
    due: int | None = None


def read_order(fh: BinaryIO, silence: int, back: int) -> Order:
    """Read a whole log; `silence` and `back` are seconds from which a step is told."""
    fh.seek(0)
    head = fh.read(FILE_HEAD)
    order = Order()
    if len(head) < FILE_HEAD:
        return order
    facts = FileFacts(head)
    dirty = facts.dirty or not facts.sound
    numbers: list[np.ndarray] = []
    stamps: list[np.ndarray] = []
    base = FILE_HEAD
    while raw := _read(fh, WINDOW_CHUNKS * CHUNK):
        window = Window.of(raw, base)
        found = scan(window, dirty=dirty)
        order.damaged += _damage(window, found)
        numbers.append(found.record_id)
        stamps.append(found.filetime)
        base += len(raw)
    if facts.sound:
        order.damaged += max(
            0, facts.chunks + (base - FILE_HEAD) // -CHUNK
        )  # of those that it counts, the ones cut off
    if numbers:
        _steps(order, np.concatenate(numbers), np.concatenate(stamps), (silence * _TICKS, back * _TICKS))
    order.due = facts.next_record if facts.sound and not facts.dirty else None
    return order


def _read(fh: BinaryIO, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (part := fh.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _damage(window: Window, found: Scan) -> int:
    """Chunks that are no chunks, zeroed ones before others, and stretches of chunks that no record claims."""
    zero = [window.is_zero(index) for index in range(window.count)]
    used = max((index for index in range(window.count) if not zero[index]), default=-1)
    odd = sum(zero[index] or not window.has_magic(index) for index in range(used))
    return odd + (used >= 0 and not window.has_magic(used)) + len(found.gaps)


def _steps(order: Order, numbers: np.ndarray, stamps: np.ndarray, limits: tuple[int, int]) -> None:
    """Sort the records by number, each number once, and look at what lies between neighbours."""
    sound = (numbers > 0) & (numbers < 2**62) & (stamps >= FIRST_TICKS) & (stamps < LAST_TICKS)
    unique, where = np.unique(numbers[sound], return_index=True)
    order.records = int(unique.size)
    if not unique.size:
        return
    times = stamps[sound][where].astype(np.int64)
    ids = unique.astype(np.int64)
    order.first = Step(int(ids[0]), int(ids[0]), int(times[0]), int(times[0]))
    order.last = Step(int(ids[-1]), int(ids[-1]), int(times[-1]), int(times[-1]))
    apart, passed = np.diff(ids), np.diff(times)
    order.missing = _largest(ids, times, apart, apart > 1)
    order.silent = _largest(ids, times, passed, passed >= limits[0])
    order.back = _largest(ids, times, -passed, passed <= -limits[1])


def _largest(ids: np.ndarray, times: np.ndarray, size: np.ndarray, chosen: np.ndarray) -> list[Step]:
    """The steps that were chosen, in order; of too many the largest."""
    places = np.flatnonzero(chosen)
    if places.size > _MOST:
        places = np.sort(places[np.argsort(-size[places], kind="stable")[:_MOST]])
    return [Step(int(ids[at]), int(ids[at + 1]), int(times[at]), int(times[at + 1])) for at in places.tolist()]
