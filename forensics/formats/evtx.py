"""Windows event logs: every record that is wanted, and a count of every record that is there.

A log of 500 MB holds some 700,000 records, of which an investigation wants a few thousand. So the log is read in
windows of some chunks, the event id of each record is found without decoding (`evtx_scan`), and only wanted records
reach the Rust decoder. What it refuses is tried once more with python-evtx (`evtx_fallback`). The header's chunk count
and dirty flag are told, not trusted: a log taken from a running machine holds more chunks than its header says.

The decoder may hang or use much memory on hostile input: run a LogReader only where it can be killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np

from forensics.formats import FormatError
from forensics.formats.evtx_checks import ChecksumError, Seal, seal_of
from forensics.formats.evtx_fallback import FileFacts, decode, guarded
from forensics.formats.evtx_fast import fast as _fast
from forensics.formats.evtx_period import Period
from forensics.formats.evtx_record import Record, load, to_record
from forensics.formats.evtx_scan import FILE_HEAD, Scan, Window, rebuild, scan
from forensics.formats.evtx_slack import Leftover, Recovered, Slack
from forensics.formats.evtx_values import CHUNK, UNKNOWN, Flags

__all__ = ["LogReader", "Record", "Tally", "channel_of"]

WINDOW_CHUNKS = 64  # 4 MiB: large enough for numpy to pay, small enough for any machine
SWALLOW_BELOW = 0.6  # above this share of wanted records, skipping the others costs more than it saves
FALLBACK_BUDGET = 5000  # records for python-evtx (about 200 a second), the rest are reported as lost
_DETAILS = 200


@dataclass(slots=True)
class Tally:
    """What a log claims to hold and what was found; complete after iteration.

    `claimed` counts the records of which chunk headers, the record chain or ids left out say that they existed,
    `parsed` those that were decoded or skipped as unwanted. `details` are sentences for a person, `jumps` the record
    ids (before, after) between which ids are missing with no damaged bytes in between: filtered exports, a lost chunk,
    or records cut out on purpose. `unkept` chunks have no checksums, `old` ones have some that are older than the last
    records (the log was in use when it was copied).
    """

    claimed: int = 0
    parsed: int = 0
    chunks: int = 0
    bad_chunks: int = 0
    unkept: int = 0
    old: int = 0
    dirty: bool = False
    first_record: int | None = None
    last_record: int | None = None
    period: Period = field(default_factory=Period)
    details: list[str] = field(default_factory=list)
    jumps: list[tuple[int, int]] = field(default_factory=list)

    def note(self, detail: str) -> None:
        """Add a sentence, up to a limit."""
        if len(self.details) < _DETAILS:
            self.details.append(detail)
        elif len(self.details) == _DETAILS:
            self.details.append("more of the same kind")


class _Rows:
    """What the scan knows of each record, as plain lists: taking single numbers out of arrays is slow."""

    def __init__(self, window: Window, found: Scan, end: int) -> None:
        self.offset: list[int] = (found.start + window.base).tolist()
        self.chunk: list[int] = found.chunk.tolist()
        self.record_id: list[int] = found.record_id.tolist()
        self.filetime: list[int] = found.filetime.tolist()
        self.event_id: list[int] = found.event_id.tolist()
        self.torn: list[bool] = found.torn.tolist()
        # A record whose own size reaches past the end of a cut file: what is decoded beyond it would be padding.
        sizes = {at: int.from_bytes(window.data[at + 4 : at + 8], "little") for at in found.start[found.torn].tolist()}
        self.cut = {at + window.base for at, size in sizes.items() if size <= CHUNK and at + size + window.base > end}


class LogReader:
    """The records of one log: iterate it, then read `tally`.

    `wanted` are the event ids to decode, None for all. Iteration yields a `Record` for each of them and a `FormatError`
    for each loss (a record, a damaged stretch, a chunk), with its file offset; it goes on after each. A ChecksumError
    says that a chunk is not what was written; records out of it are given, marked.

    `part` (index, count) reads one of several parts of equal size, so that a large log can be shared out: records of
    all parts together are those of the whole, and only the last part compares with the file header's claims.

    `defer` (event id, the decoder's JSON, file offset) may take a sound record off: where it says True the record
    counts as read and is not given. `only` are the file offsets of the records to give, for a second reading.
    With `slack`, records that the log does not count as its own are looked for too; after iteration, `recovered` gives
    those that can be read.
    """

    def __init__(
        self,
        fh: BinaryIO,
        wanted: frozenset[int] | None = None,
        window: int = WINDOW_CHUNKS,
        part: tuple[int, int] = (0, 1),
        *,
        defer: Callable[[int, str, int], bool] | None = None,
        only: frozenset[int] | None = None,
        slack: bool = False,
    ) -> None:
        self._fh = fh
        self._wanted = wanted
        self._ids = None if wanted is None else np.array(sorted(wanted), dtype=np.int64)
        self._window = window
        self._part = part
        self._defer = defer
        self._only = None if only is None else np.array(sorted(only), dtype=np.int64)
        self._looks_for_slack = slack
        self._slack: Slack | None = None
        self.tally = Tally()

    def __iter__(self) -> Iterator[Record | FormatError]:
        self.tally = Tally()
        self._budget = FALLBACK_BUDGET
        self._previous: int | None = None  # the last record id of the chunk before
        self._empty: list[int] = []  # zeroed chunks since then
        self._fh.seek(0)
        head = self._fh.read(FILE_HEAD)
        if len(head) < FILE_HEAD:
            yield FormatError("empty file" if not head else "cut inside the file header", 0)
            return
        facts = FileFacts(head)
        self.tally.dirty = facts.dirty
        if not facts.magic:
            self.tally.note("the file header's magic is wrong")
        elif not facts.sound:
            self.tally.note("the file header's checksum does not hold")
        base, stop = self._span()
        # What a header says whose checksum does not hold is not to be believed.
        self._dirty = facts.dirty or not facts.sound
        self._slack = Slack(self._wanted, (base, stop), dirty=self._dirty) if self._looks_for_slack else None
        self._fh.seek(base)
        while base < stop and (raw := self._read(min(self._window * CHUNK, stop - base))):
            yield from self._read_window(Window.of(raw, base), base + len(raw))
            base += len(raw)
        if self._part[0] + 1 == self._part[1]:
            yield from self._closing(facts, base)

    def recovered(self) -> Iterator[Recovered | FormatError]:
        """Wanted records that were read although the log does not count them, each once, none that is live.

        A FormatError tells of a record that is hidden inside another. To be asked for after iteration.
        """
        if self._slack is not None:
            yield from self._slack.read(self._fh)

    @property
    def leftover(self) -> Leftover:
        """What is left of wanted records that cannot be read any more; complete after `recovered`."""
        return Leftover() if self._slack is None else self._slack.leftover

    def _span(self) -> tuple[int, int]:
        """Where this part begins and ends, on borders of chunks; the last part has no end but the file's."""
        index, count = self._part
        chunks = -(-max(self._fh.seek(0, 2) - FILE_HEAD, 0) // CHUNK)
        begin = FILE_HEAD + chunks * index // count * CHUNK
        return begin, FILE_HEAD + chunks * (index + 1) // count * CHUNK

    def _read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end of the file (a reader over an image may return less at a time)."""
        parts: list[bytes] = []
        while size > 0 and (part := self._fh.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _read_window(self, window: Window, end: int) -> Iterator[Record | FormatError]:
        self._broken: set[int] = set()  # chunks of this window whose checksum fails
        found = scan(window, dirty=self._dirty)
        if self._slack is not None:
            self._slack.take(window, found)
        yield from self._chunks(window, found, end)
        yield from self._gaps(window, found, end)
        self._jumps(found)
        self.tally.parsed += found.count
        keep = self._keep(found, window.base)
        if keep.any():
            yield from self._decode(window, found, keep, end)

    def _keep(self, found: Scan, base: int) -> Flags:
        """The records to decode: wanted ones, and those whose id only decoding can tell."""
        if self._only is not None:
            return np.isin(found.start + base, self._only)
        if self._ids is None:
            return np.ones(found.count, dtype=np.bool_)
        keep = np.isin(found.event_id, self._ids) | (found.event_id == UNKNOWN)
        return np.ones(found.count, dtype=np.bool_) if keep.sum() > SWALLOW_BELOW * found.count else keep

    def _chunks(self, window: Window, found: Scan, end: int) -> Iterator[FormatError]:
        """The state of every chunk of the window: what is wrong with it, and what it claims."""
        count = np.bincount(found.chunk, minlength=window.count)
        first = np.searchsorted(found.chunk, np.arange(window.count))
        for index in range(window.count):
            offset = window.base + index * CHUNK
            here = int(count[index])
            if not window.has_magic(index):
                yield from self._without_magic(window, index, here)
                continue
            self.tally.chunks += 1
            self.tally.claimed += max(window.head(index).claimed, here)
            if offset + CHUNK <= end:
                yield from self._checksums(window, index, found)
            if here:
                begin = int(first[index])
                yield from self._after_zeros(int(found.record_id[begin]))
                head = window.head(index)
                self._previous = head.last_id if head.sane else int(found.record_id[begin + here - 1])

    def _without_magic(self, window: Window, index: int, records: int) -> Iterator[FormatError]:
        offset = window.base + index * CHUNK
        if window.is_zero(index):
            self._empty.append(offset)
            return
        self.tally.chunks += 1
        self.tally.bad_chunks += 1
        self.tally.claimed += max(records, 1)
        said = f"{records} records read without its header" if records else "no record found in it"
        self.tally.note(f"chunk at 0x{offset:x}: magic is wrong, {said}")
        yield FormatError(f"chunk without its magic, {said}", offset)

    def _after_zeros(self, next_id: int) -> Iterator[FormatError]:
        """Zeroed chunks before a chunk with records: lost, unless the ids go on without a hole."""
        empty, self._empty = self._empty, []
        if not empty or self._previous is None or next_id == self._previous + 1:
            if empty:
                self.tally.note(f"{len(empty)} zeroed chunks at 0x{empty[0]:x}, no record id is missing there")
            return
        # When the log has wrapped around, ids fall here and nothing tells how many records the chunks held.
        known = next_id - self._previous - 1 if next_id > self._previous else 0
        self.tally.bad_chunks += len(empty)
        self.tally.claimed += max(known, len(empty))
        ids = f"{self._previous + 1} to {next_id - 1}"
        which = f"record ids {ids} are missing" if known else "number of records unknown"
        self.tally.note(f"{len(empty)} zeroed chunks at 0x{empty[0]:x}: {which}")
        yield FormatError(f"{len(empty)} zeroed chunks amid the log, {which}", empty[0])

    def _checksums(self, window: Window, index: int, found: Scan) -> Iterator[ChecksumError]:
        seal = seal_of(window.data, index, in_use=self.tally.dirty)
        self.tally.unkept += seal.unkept
        self.tally.old += seal.old
        if seal.faults:
            offset = window.base + index * CHUNK
            self.tally.bad_chunks += 1
            self._broken.add(index)
            why = self._changed(seal, found, index)
            self.tally.note(f"chunk at 0x{offset:x}: {why}")
            yield ChecksumError(why, offset)

    def _changed(self, seal: Seal, found: Scan, index: int) -> str:
        """What a failed checksum means, and what may hide there: an id that was changed is not asked for."""
        here = found.chunk == index
        why = f"checksum of {' and '.join(seal.faults)} does not hold: changed after it was written, or damaged; "
        if not here.any():
            return f"{why}no record in it"
        ids = found.record_id[here]
        why += f"{ids.size} records in it, {int(ids.min())} to {int(ids.max())}"
        if self._ids is None:
            return why
        ignored = int((~np.isin(found.event_id[here], self._ids) & (found.event_id[here] != UNKNOWN)).sum())
        return f"{why}, of them {ignored} with event ids that nothing asks for, if those are the ids they had"

    def _gaps(self, window: Window, found: Scan, end: int) -> Iterator[FormatError]:
        for gap in found.gaps:
            start = window.base + gap.start
            what = f"damaged bytes up to 0x{window.base + gap.stop:x}"
            if window.base + gap.stop > end:
                what = "file ends inside a chunk"
            elif gap.start >= gap.stop:
                what = "chain of records breaks off"
            which = f"records {gap.first_id} to {gap.last_id} lost" if gap.first_id else "number of records unknown"
            self.tally.note(f"0x{start:x}: {what}, {which}")
            yield FormatError(f"{what}, {which}", min(start, end))

    def _jumps(self, found: Scan) -> None:
        """Note the record ids of this window, and where they do not go on by one inside a chunk."""
        if not found.count:
            return
        low, high = int(found.record_id.min()), int(found.record_id.max())
        self.tally.first_record = min(low, self.tally.first_record) if self.tally.first_record is not None else low
        self.tally.last_record = max(high, self.tally.last_record or 0)
        self.tally.period.take(found.record_id, found.filetime)
        same = found.chunk[1:] == found.chunk[:-1]
        whole = found.start[1:] == found.stop[:-1]
        odd = same & whole & ~found.torn[:-1] & (found.record_id[1:] != found.record_id[:-1] + np.uint64(1))
        for index in np.flatnonzero(odd)[: _DETAILS - len(self.tally.jumps)].tolist():
            self.tally.jumps.append((int(found.record_id[index]), int(found.record_id[index + 1])))

    def _decode(self, window: Window, found: Scan, keep: Flags, end: int) -> Iterator[Record | FormatError]:
        """Decode the kept records; those the fast decoder did not give are tried one by one."""
        rows = _Rows(window, found, end)
        awaited = {index for index in np.flatnonzero(keep).tolist() if not self._unwanted(rows.event_id[index])}
        for index, text in _fast(rebuild(window, found, keep), int(keep.sum())):
            if index not in awaited:
                continue
            if self._put_off(rows, index, text):
                awaited.discard(index)
                continue
            try:
                document = load(text)
            except (ValueError, RecursionError):
                continue
            awaited.discard(index)
            item = self._item(document, rows, index)
            if item is not None:
                yield item
        yield from self._slow(window, rows, sorted(awaited))

    def _unwanted(self, event_id: int) -> bool:
        return self._wanted is not None and event_id != UNKNOWN and event_id not in self._wanted

    def _put_off(self, rows: _Rows, index: int, text: str) -> bool:
        if self._defer is None or rows.torn[index] or rows.event_id[index] == UNKNOWN:
            return False
        if rows.chunk[index] in self._broken:
            return False  # its facts are marked now
        return rows.offset[index] not in rows.cut and self._defer(rows.event_id[index], text, rows.offset[index])

    def _slow(self, window: Window, rows: _Rows, missing: list[int]) -> Iterator[Record | FormatError]:
        chunk, number = None, -1
        for index in missing:
            said, offset = f"record {rows.record_id[index]}", rows.offset[index]
            if not self._budget:
                self.tally.parsed -= 1
                yield FormatError(f"{said} was not tried, too many before it failed", offset)
                continue
            self._budget -= 1
            if chunk is None or number != rows.chunk[index]:
                number = rows.chunk[index]
                chunk = guarded(window.data, number)
            try:
                document = decode(chunk, offset - window.base)
            except FormatError as error:
                self.tally.parsed -= 1
                self.tally.note(f"{said} {error}")
                yield FormatError(f"{said} {error}", offset)
                continue
            self.tally.note(f"{said} at 0x{offset:x} was read by the slow decoder only")
            item = self._item(document, rows, index)
            if item is not None:
                yield item

    def _item(self, document: object, rows: _Rows, index: int) -> Record | FormatError | None:
        offset, record_id = rows.offset[index], rows.record_id[index]
        if offset in rows.cut:
            self.tally.parsed -= 1
            return FormatError(f"record {record_id} is cut by the end of the file", offset)
        record = to_record(document, record_id, rows.filetime[index], offset)
        if record is None:
            self.tally.parsed -= 1
            return FormatError(f"record {record_id} decodes to no event", offset)
        if self._wanted is not None and record.event_id not in self._wanted:
            return None
        if rows.chunk[index] in self._broken:
            record = replace(record, checksum_failed=True)
        if rows.torn[index]:
            self.tally.note(f"record {record_id} at 0x{offset:x}: its two sizes differ, its text may be damaged")
        return record

    def _closing(self, facts: FileFacts, end: int) -> Iterator[FormatError]:
        """Compare the file header's claims with what was there."""
        there = -(-(end - FILE_HEAD) // CHUNK)
        if facts.sound and facts.chunks > there:
            self.tally.claimed += facts.chunks - there
            self.tally.note(f"the file header counts {facts.chunks} chunks, the file ends after {there}")
            yield FormatError(f"file is cut: its header counts {facts.chunks} chunks, {there} are there", end)
        last = self.tally.last_record or 0
        lost = facts.next_record - 1 - last
        if facts.sound and not facts.dirty and 0 < lost < 2**32 and self._empty:
            self.tally.claimed += lost
            self.tally.bad_chunks += 1
            which = f"records {last + 1} to {facts.next_record - 1}"
            self.tally.note(f"zeroed chunks from 0x{self._empty[0]:x} on: {which} are missing")
            yield FormatError(f"zeroed chunk, {which} are missing", self._empty[0])
        if not facts.magic and not self.tally.chunks:
            yield FormatError("not an event log: neither its header nor any chunk has the magic", 0)


def channel_of(fh: BinaryIO) -> str | None:
    """The channel of the log: that of its first record that can be decoded and names one; None without any."""
    for item in LogReader(fh, None, window=1):
        if isinstance(item, Record) and item.channel:
            return item.channel
    return None
