"""Event records that a log no longer counts as its own: behind the used bytes of a chunk, and inside other records.

Windows writes a chunk from a buffer that it does not clear, and does not clear a chunk that it uses again: behind the
stated end, and in chunks whose header says that they are empty, records of earlier times stay readable. So what was
overwritten, rolled out of the log or cleared may still be there. The published way to hide a record (a neighbour's size
is made to cover it) leaves it whole too.

A record is found by its form: magic, a multiple of 8 as place and size, the size repeated at its end, plausible id and
time. It can be read only while the two templates that it was written with still lie where it says; a record holds the
first four bytes of each template's GUID, so one that was overwritten with another template is known. Without this
check the values of one event come out under the names of another (seen in public logs: Sysmon's UtcTime says
`CreateKey`), and everything else about such a record looks right.

    strong       both templates are the record's own, and EventRecordID is the number in the record's header
    weak         both templates are its own, but the numbers differ (left by a log that an export had numbered anew),
                 or the names `EventData` and `Data` were overwritten and are put in their places by the form
    header only  the content cannot be read any more; number, time and mostly the event id are known

What the log has live, or gives twice, is given once: by EventRecordID and SystemTime, which a live record has in places
that can be read without decoding, and by number and time of the record's header.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from forensics.formats import FormatError
from forensics.formats.evtx_fast import fast
from forensics.formats.evtx_record import Names, Record, load, to_record
from forensics.formats.evtx_scan import CHUNK_HEAD, FILE_HEAD, RECORD_MAGIC, Scan, Window, rebuild, scan
from forensics.formats.evtx_values import (
    CHUNK,
    FRAGMENT,
    SMALLEST,
    TEMPLATE,
    UNKNOWN,
    Ints,
    Longs,
    Views,
    event_ids,
    identities,
)

STRONG, WEAK = "strong", "weak"
MOST = 20_000  # remnants of one part that are looked at; the rest are counted
RETRIES = 500  # single second tries where the decoder gave up the records behind one

_WINDOW = 64 * CHUNK
_EARLIEST, _LATEST = 119_600_064_000_000_000, 159_468_480_000_000_000  # FILETIME: 1980, 2106
_MOST_ID = 2**48
_BINXML = 0x21  # the type of a value that is itself BinXML
_LONG, _DESCRIPTOR, _INSTANCE = struct.Struct("<I"), struct.Struct("<HH"), struct.Struct("<II")
_NAME = re.compile(r"[A-Za-z_][\w. -]*(?:@(?!Name)[A-Za-z_][\w.-]*)?", re.ASCII)
_PARTS = frozenset(
    ("#attributes", "System", "EventData", "UserData", "ProcessingErrorData", "RenderingInfo", "BinaryEventData",
     "DebugData")
)  # fmt: skip
_SYSTEM = frozenset(
    ("#attributes", "Provider", "EventID", "Version", "Level", "Task", "Opcode", "Keywords", "TimeCreated",
     "EventRecordID", "Correlation", "Execution", "Channel", "Computer", "Security", "EventSourceName")
)  # fmt: skip

Key = tuple[int, int]
Pairs = tuple[Longs, Longs]


class Recovered(NamedTuple):
    """A record that was read although the log does not count it: its grade, and the record that it lies in."""

    record: Record
    grade: str
    inside: int | None


@dataclass(slots=True)
class Leftover:
    """What is left of records that cannot be read: how many by event id (UNKNOWN where even that is gone), and when.

    `skipped` are those that were not looked at for their number.
    """

    events: dict[int, int] = field(default_factory=dict)
    first: int = 0
    last: int = 0
    skipped: int = 0

    def add(self, event_id: int, filetime: int) -> None:
        """Count one."""
        self.events[event_id] = self.events.get(event_id, 0) + 1
        self.first = min(self.first or filetime, filetime)
        self.last = max(self.last, filetime)


class _Remnant(NamedTuple):
    """A well-formed record that is not live; `named` are its EventRecordID and SystemTime, zeros where not known.

    `inside` is the id of the sound live record around it, 0 without.
    """

    offset: int
    size: int
    record_id: int
    filetime: int
    event_id: int
    number: int
    created: int
    inside: int

    @property
    def keys(self) -> set[Key]:
        """What tells it from other records: number and time of its header, and those of its event."""
        own = {(self.record_id, self.filetime)}
        return own | {(self.number, self.created)} if self.number else own


class Slack:
    """Collects remnants window by window, cheaply; `read` gives the wanted ones, once all of the part was seen.

    `span` are the file offsets between which this part of the log is read: other parts are asked what they have, so
    that all parts together give a record once.
    """

    def __init__(self, wanted: frozenset[int] | None, span: tuple[int, int], *, dirty: bool) -> None:
        self._wanted = None if wanted is None else wanted | {UNKNOWN}
        self._span = span
        self._dirty = dirty
        self._rows: list[_Remnant] = []
        self._live: list[Pairs] = []
        self._renumbered = False
        self._retries = RETRIES
        self.leftover = Leftover()

    def take(self, window: Window, found: Scan) -> None:
        """Look at one window with the records that are live in it."""
        views = Views(window.data)
        self._live += self._pairs(views, found)
        at = _well_formed(views, window.count, found)
        room = MOST - len(self._rows)
        if not at.size or not room:
            self.leftover.skipped += at.size
            return
        rows = _remnants(views, at, window.base, found)
        if self._wanted is not None:
            rows = [row for row in rows if row.inside or row.event_id in self._wanted]
        self._rows += rows[:room]
        self.leftover.skipped += len(rows[room:])

    def read(self, fh: BinaryIO) -> Iterator[Recovered | FormatError]:
        """The records that can be read, in file order; a FormatError for each that a live record was made to hide."""
        keys = {key for row in self._rows for key in row.keys}
        known = _among(self._live, keys)
        rows = [row for row in self._rows if not row.keys & known]
        if rows:
            known |= self._elsewhere(fh, {key for row in rows for key in row.keys})
        left: dict[Key, _Remnant] = {}
        for base, group in groupby(rows, lambda row: row.offset - (row.offset - FILE_HEAD) % CHUNK):
            window = Window.of(_read(fh, base, CHUNK), base)
            fresh = [row for row in group if not row.keys & known]
            records = self._decoded(window, [row for row in fresh if _has_its_templates(window.data, row, base)])
            for row in fresh:
                if row.keys & known:
                    continue
                if row.inside and (row.record_id, row.filetime) not in left:
                    yield FormatError(f"record {row.record_id} is hidden inside record {row.inside}", row.offset)
                left.setdefault((row.record_id, row.filetime), row)
                if (record := records.get(row)) is not None:
                    known |= row.keys
                    yield record
        for row in left.values():
            if not row.keys & known:
                self.leftover.add(row.event_id, row.filetime)

    def _pairs(self, views: Views, found: Scan) -> list[Pairs]:
        """Numbers and times of live records: the header's, and the event's own where a log was numbered anew."""
        own = (found.record_id, found.filetime)
        first = np.flatnonzero(np.diff(found.chunk, prepend=-1))
        numbers, _ = identities(views, found.start[first], found.stop[first])
        if not self._renumbered and not ((numbers != found.record_id[first]) & (numbers > 0)).any():
            return [own]
        self._renumbered = True
        return [own, identities(views, found.start, found.stop)]

    def _elsewhere(self, fh: BinaryIO, keys: set[Key]) -> set[Key]:
        """Which of these the other parts of the log give: live anywhere, or left over in the parts before."""
        begin, stop = self._span
        known: set[Key] = set()
        end = fh.seek(0, 2)
        for base in [*range(FILE_HEAD, begin, _WINDOW), *range(stop, end, _WINDOW)]:
            window = Window.of(_read(fh, base, min(_WINDOW, (begin if base < begin else end) - base)), base)
            views = Views(window.data)
            at = _well_formed(views, window.count)
            there = (views.u64[at + 8].astype(np.uint64), views.u64[at + 16].astype(np.uint64))
            if not self._renumbered and not _among([there], keys):
                continue
            found = scan(window, dirty=self._dirty)
            known |= _among(self._pairs(views, found), keys)
            if base < begin:
                for row in _remnants(views, np.setdiff1d(at, found.start), base, found):
                    if row.keys & keys and _has_its_templates(window.data, row, base):
                        known |= row.keys
        return known

    def _decoded(self, window: Window, rows: list[_Remnant]) -> dict[_Remnant, Recovered]:
        """The rows of one chunk that the decoder can read."""
        found = _decode(window, rows)
        for row in rows:
            if row not in found and len(rows) > 1 and self._retries:
                self._retries -= 1
                found |= _decode(window, [row])
        return found


def _read(fh: BinaryIO, at: int, size: int) -> bytes:
    """`size` bytes, fewer only at the end of the file."""
    fh.seek(at)
    parts: list[bytes] = []
    while size > 0 and (part := fh.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _well_formed(views: Views, chunks: int, found: Scan | None = None) -> Ints:
    """Where records begin that are not live: by magic, place, the size said twice, and a plausible id and time."""
    at = np.flatnonzero(views.u32[: chunks * CHUNK : 8] == RECORD_MAGIC).astype(np.int64) * 8
    at = at if found is None else np.setdiff1d(at, found.start, assume_unique=True)
    at = at[at % CHUNK >= CHUNK_HEAD]
    size = views.long(at + 4)
    at = at[(size >= SMALLEST) & (size % 8 == 0) & (at % CHUNK + size <= CHUNK)]
    stop = at + views.long(at + 4)
    whole = views.long(stop - 4) == stop - at
    if found is not None and found.count:
        # Where a record was made to cover this one, its own size stands at the end of both.
        around = _around(found, at)
        whole |= (at < found.stop[around]) & (stop == found.stop[around])
    at = at[whole]
    number, time = views.u64[at + 8], views.u64[at + 16]
    result: Ints = at[(number > 0) & (number < _MOST_ID) & (time > _EARLIEST) & (time < _LATEST)]
    return result


def _around(found: Scan, at: Ints) -> Ints:
    """The index of the last live record that begins before each position."""
    result: Ints = np.maximum(np.searchsorted(found.start, at, side="right") - 1, 0)
    return result


def _remnants(views: Views, at: Ints, base: int, found: Scan) -> list[_Remnant]:
    size = views.long(at + 4)
    number, created = identities(views, at, at + size)
    inside = np.zeros(at.size, dtype=np.uint64)
    if found.count:
        before = _around(found, at)
        hidden = (found.start[before] < at) & (at < found.stop[before]) & ~found.torn[before]
        inside = np.where(hidden, found.record_id[before], inside)
    columns = (at + base, size, views.u64[at + 8], views.u64[at + 16], event_ids(views, at, at + size), number, created)
    return [_Remnant(*row) for row in zip(*(column.tolist() for column in (*columns, inside)), strict=True)]


def _among(pairs: Iterable[Pairs], keys: set[Key]) -> set[Key]:
    """Those of the keys that are among the pairs."""
    numbers = np.array(sorted({number for number, _ in keys}), dtype=np.uint64)
    found: set[Key] = set()
    for left, right in pairs if keys else ():
        hits = np.isin(left, numbers)
        found.update(zip(left[hits].tolist(), right[hits].tolist(), strict=True))
    return found & keys


def _decode(window: Window, rows: list[_Remnant]) -> dict[_Remnant, Recovered]:
    """The rows as the fast decoder reads them, where all names in them are sound."""
    found: dict[_Remnant, Recovered] = {}
    log = rebuild(window, _as_scan(rows, window.base), np.ones(len(rows), dtype=np.bool_)) if rows else b""
    for index, text in fast(log, len(rows)) if rows else ():
        row = rows[index] if index < len(rows) else None
        if row is not None and (taken := _take(text, row)) is not None:
            found[row] = taken
    return found


def _take(text: str, row: _Remnant) -> Recovered | None:
    """The record of the decoder's JSON with its grade; None when its names cannot be relied on."""
    try:
        document, mended = _mended(load(text, strict=False))
    except (ValueError, RecursionError):
        return None
    record = to_record(document, row.record_id, row.filetime, row.offset)
    if record is None or record.event_record_id != (row.number or None) or not _is_sound(document, record):
        return None
    own = record.event_record_id == record.record_id and not mended
    return Recovered(record, STRONG if own else WEAK, row.inside or None)


def _mended(document: object) -> tuple[object, bool]:
    """The document, and whether `EventData` and `Data` had to be put for names of which later bytes left nothing.

    Names of elements stand where they were first used in the chunk, in the template itself or long before it. What
    has one `Name` each, and nothing else, is the data of an event, whatever its elements are called.
    """
    event = document.get("Event") if isinstance(document, dict) else None
    odd = [name for name in event if name not in _PARTS] if isinstance(event, dict) else []
    if not isinstance(event, dict) or len(odd) != 1 or "EventData" in event or "UserData" in event:
        return document, False
    data: dict[str, Any] = {}
    names, part = Names(), event[odd[0]]
    for name, child in part.items() if isinstance(part, dict) else (("", part),):
        if name == "#attributes":
            continue
        about = child.get("#attributes") if isinstance(child, dict) else None
        if not isinstance(about, dict) or about.keys() != {"Name"} or not child.keys() <= {"#attributes", "#text"}:
            return document, False
        data[names.free(str(about["Name"]), data)] = child.get("#text")
    rest = {name: value for name, value in event.items() if name != odd[0]}
    return {"Event": {**rest, "EventData": data}}, True


def _as_scan(rows: list[_Remnant], base: int) -> Scan:
    start = np.array([row.offset - base for row in rows], dtype=np.int64)
    stop = start + np.array([row.size for row in rows], dtype=np.int64)
    ids = np.array([row.record_id for row in rows], dtype=np.uint64)
    return Scan(start, stop, stop, ids, ids, start, np.zeros(len(rows), dtype=np.bool_), [])


def _is_sound(document: object, record: Record) -> bool:
    """Whether all names are names: they stand elsewhere in the chunk and may be gone where the templates are not."""
    event = document.get("Event") if isinstance(document, dict) else None
    system = event.get("System") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(system, dict) or not record.channel or not record.provider:
        return False
    return event.keys() <= _PARTS and system.keys() <= _SYSTEM and all(map(_NAME.fullmatch, record.data))


def _has_its_templates(data: bytearray, row: _Remnant, base: int) -> bool:
    """Whether the templates of the System part and of the event's data are where the record says, and are its own."""
    start, stop = row.offset - base, row.offset - base + row.size
    try:
        values = _outer(data, start, stop)
        if values is None:
            return False
        inner = next((at for kind, at, _ in values if kind == _BINXML), None)
        if inner is None:
            return True
        inner += 4 if _LONG.unpack_from(data, inner)[0] == FRAGMENT else 0
        return data[inner] != TEMPLATE or _is_own(data, inner, start)
    except (struct.error, IndexError):
        return False


def _outer(data: bytearray, start: int, stop: int) -> list[tuple[int, int, int]] | None:
    """The values of the System part's template as (type, position, size); None when the template is not its own."""
    token = start + 28
    if _LONG.unpack_from(data, token - 4)[0] != FRAGMENT or data[token] != TEMPLATE or not _is_own(data, token, start):
        return None
    at = token + 10
    if _LONG.unpack_from(data, token + 6)[0] == at % CHUNK:
        at += 24 + _LONG.unpack_from(data, at + 20)[0]
    (count,) = _LONG.unpack_from(data, at)
    place = at + 4 + 4 * count
    values: list[tuple[int, int, int]] = []
    if place > stop:
        return None
    for number in range(count):
        size, kind = _DESCRIPTOR.unpack_from(data, at + 4 + 4 * number)
        values.append((kind & 0xFF, place, size))
        place += size
    return values if place <= stop else None


def _is_own(data: bytearray, token: int, start: int) -> bool:
    """Whether the template that the instance at `token` names is where it says: it holds the GUID that begins so."""
    identity, offset = _INSTANCE.unpack_from(data, token + 2)
    begin = start - start % CHUNK
    return CHUNK_HEAD <= offset <= CHUNK - 24 and bool(_LONG.unpack_from(data, begin + offset + 4)[0] == identity)
