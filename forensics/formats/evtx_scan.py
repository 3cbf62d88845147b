"""Find every record of an event log without decoding it, and build a smaller log of only the wanted ones.

A chunk (64 KiB) is a header (512 bytes: magic `ElfChnk`, first and last record number and id, offset of the free space,
checksums, string and template tables) and a chain of records (magic `2a2a0000`, size, record id, FILETIME, BinXML,
size again). The BinXML of a record is a template instance whose value 3 is the event id, in manifest-based and classic
events alike; numpy reads it for all records of a window at once, so only wanted records are ever decoded.

Nothing here trusts a length: a chain that does not end exactly where the header says, or holds other ids than the
header says, is walked again slowly, skipping damaged bytes, and what lies between is reported as a `Gap`.

Structure: libyal's "Windows XML Event Log (EVTX) format" and Schuster, "Introducing the Microsoft Vista event log file
format" (DFRWS 2007).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from forensics.formats.evtx_values import CHUNK, SMALLEST, Flags, Ints, Longs, Views, event_ids

CHUNK_HEAD = 0x200
FILE_HEAD = 0x1000
CHUNK_MAGIC = b"ElfChnk\x00"
RECORD_MAGIC = 0x2A2A
FILLER = 0xFFFFFFFF  # the id of a record put where a damaged one stood, so that the decoder finds the next

_PAD = 64  # bytes behind the last chunk, so that reads at a record's very end stay inside
_RECORD = struct.Struct("<IIQQ")
_SIZE = struct.Struct("<I")
_NEVER = 2**64 - 1
# A valid time for the rebuilt records: a nonsense one makes the decoder give up the rest of the chunk. The real time
# is in the scan.
_ANY_TIME = 132_000_000_000_000_000
_EMPTY_BODY = b"\x0f\x01\x01\x00\x00"


class Gap(NamedTuple):
    """Bytes of a chunk in which records are lost: positions in the window, and the ids lost when they are known."""

    start: int
    stop: int
    first_id: int | None
    last_id: int | None

    @property
    def lost(self) -> int:
        """How many records are known to be lost here, at least one."""
        if self.first_id is None or self.last_id is None:
            return 1
        return self.last_id - self.first_id + 1


class Row(NamedTuple):
    """One record found by the slow walk; `torn`: its trailing size does not match."""

    start: int
    size: int
    record_id: int
    filetime: int
    torn: bool


class ChunkHead(NamedTuple):
    """What a chunk header claims. `sane` is False when the claims contradict themselves."""

    first_id: int
    last_id: int
    end: int
    sane: bool

    @property
    def claimed(self) -> int:
        """The number of records that the header claims, 0 when it is not sane."""
        return self.last_id - self.first_id + 1 if self.sane else 0


@dataclass(frozen=True, slots=True)
class Window:
    """Some chunks of a log in memory. `data` is padded; `base` is the file offset of its first byte."""

    data: bytearray
    count: int
    base: int

    @classmethod
    def of(cls, raw: bytes, base: int) -> Window:
        """A window over `raw`; a last chunk that is not whole is filled with zeros."""
        count = -(-len(raw) // CHUNK)
        data = bytearray(count * CHUNK + _PAD)
        data[: len(raw)] = raw
        return cls(data, count, base)

    def head(self, index: int) -> ChunkHead:
        """The claims of chunk `index`."""
        first, last = struct.unpack_from("<QQ", self.data, index * CHUNK + 0x18)
        (end,) = struct.unpack_from("<I", self.data, index * CHUNK + 0x30)
        fits = CHUNK_HEAD <= end <= CHUNK
        # A chunk without records has the highest numbers as ids; more ids than fit into a chunk are no claim either.
        sane = fits and 0 < first <= last < 2**63 and (last - first) * SMALLEST < CHUNK and self.has_magic(index)
        return ChunkHead(first, last, end if fits else CHUNK, sane)

    def has_magic(self, index: int) -> bool:
        """Whether chunk `index` begins as a chunk must."""
        return self.data.startswith(CHUNK_MAGIC, index * CHUNK)

    def is_empty(self, index: int) -> bool:
        """Whether the header of chunk `index` says that no record was written to it yet."""
        ids = struct.unpack_from("<QQ", self.data, index * CHUNK + 0x18)
        return self.has_magic(index) and ids == (_NEVER, _NEVER) and self.head(index).end == CHUNK_HEAD

    def is_zero(self, index: int) -> bool:
        """Whether chunk `index` is nothing but zeros."""
        return self.data.count(0, index * CHUNK, (index + 1) * CHUNK) == CHUNK


@dataclass(slots=True)
class Scan:
    """All records of a window in order of position, as parallel arrays.

    `start` is a position in the window, `stop` where the record's own bytes end, `bound` where its chunk's used bytes
    end, `event_id` is UNKNOWN for records of another shape (they have to be decoded to know).
    """

    start: Ints
    stop: Ints
    bound: Ints
    record_id: Longs
    filetime: Longs
    event_id: Ints
    torn: Flags
    gaps: list[Gap]

    @property
    def count(self) -> int:
        """The number of records found."""
        return int(self.start.size)

    @property
    def chunk(self) -> Ints:
        """The chunk index of each record."""
        return self.start // CHUNK


def scan(window: Window, *, dirty: bool = True) -> Scan:
    """Every record of the window's chunks, with its event id where the record has the usual shape.

    Records in a chunk whose header says that there are none belong to a `dirty` log that was still being written; in a
    log that was closed they are what an earlier use of the chunk left.
    """
    views = Views(window.data)
    usable = [index for index in range(window.count) if window.has_magic(index) or not window.is_zero(index)]
    if not dirty:
        usable = [index for index in usable if not window.is_empty(index)]
    heads = {index: window.head(index) for index in usable}
    fast = [index for index in usable if heads[index].sane]
    starts, broken = _walk_together(views, fast, heads)
    rows: list[Row] = []
    bounds: dict[int, int] = {index: index * CHUNK + heads[index].end for index in usable}
    gaps: list[Gap] = []
    for index in sorted(set(usable) - set(fast) | broken):
        found = _walk_alone(window, index, heads[index])
        rows += found.rows
        gaps += found.gaps
        bounds[index] = found.bound
    return _assemble(views, starts, rows, gaps, bounds)


def _walk_together(views: Views, chunks: list[int], heads: dict[int, ChunkHead]) -> tuple[Ints, set[int]]:
    """Follow the record chains of all `chunks` in step; chunks whose chain is not perfect are named as broken."""
    index = np.array(chunks, dtype=np.int64)
    at = index * CHUNK + CHUNK_HEAD
    end = np.array([number * CHUNK + heads[number].end for number in chunks], dtype=np.int64)
    found = np.zeros(index.size, dtype=np.int64)
    steps: list[Ints] = []
    broken: set[int] = set()
    live = np.arange(index.size)
    while live.size:
        here = at[live]
        size = views.long(here + 4)
        after = here + size
        good = (views.u32[here] == RECORD_MAGIC) & (size >= SMALLEST) & (after <= end[live])
        good &= views.u32[np.where(good, after - 4, here)] == size
        done = here == end[live]
        broken.update(index[live[~good & ~done]].tolist())
        steps.append(here[good & ~done])
        live = live[good & ~done]
        at[live] += views.long(at[live] + 4)
        found[live] += 1
    claims = np.array([heads[number].claimed for number in chunks], dtype=np.int64)
    broken.update(index[found != claims].tolist())
    broken.update(_unfinished(views, chunks, heads))
    starts = np.sort(np.concatenate(steps)) if steps else np.zeros(0, dtype=np.int64)
    return starts[~np.isin(starts // CHUNK, list(broken))] if broken else starts, broken


def _unfinished(views: Views, chunks: list[int], heads: dict[int, ChunkHead]) -> Iterator[int]:
    """Chunks with a record behind the stated end that goes on with the ids: the header was not yet written back."""
    for number in chunks:
        end = number * CHUNK + heads[number].end
        inside = end + SMALLEST < (number + 1) * CHUNK
        if inside and views.u32[end] == RECORD_MAGIC and int(views.u64[end + 8]) == heads[number].last_id + 1:
            yield number


class _Found(NamedTuple):
    rows: list[Row]
    gaps: list[Gap]
    bound: int


def _walk_alone(window: Window, index: int, head: ChunkHead) -> _Found:
    """Follow one chunk's chain, skipping damaged bytes up to the next record that can belong to the chunk."""
    data, begin, limit = window.data, index * CHUNK, (index + 1) * CHUNK
    at, end = begin + CHUNK_HEAD, begin + (head.end if window.has_magic(index) else CHUNK)
    rows: list[Row] = []
    gaps: list[Gap] = []
    while at + SMALLEST <= limit:
        row = _well_formed(data, at, limit)
        # Behind the stated end, or without a header, only what goes on with the ids belongs to the chain.
        trusted = head.sane and at < end
        if row is None and rows and not trusted:
            row = _unflushed(data, at, limit, rows[-1])
        if row and (trusted or not rows or _follows(rows[-1], row)):
            rows.append(row)
            at += row.size
            continue
        if not trusted:
            break
        resumed = _resume(data, at + 8, end, rows, head)
        torn = _torn(data, at, resumed, rows, head)
        if torn:
            rows.append(torn)
        else:
            gaps.append(_gap(rows, resumed, data, at, head))
        at = resumed
    if not head.sane and window.has_magic(index) and at < (end if head.end < CHUNK or not rows else at):
        gaps.append(Gap(at, end, None, None))  # the header is no help, but it says that there is more
    bound = max(at, min(end, limit)) if head.sane else at
    if head.sane and rows and rows[-1].record_id < head.last_id and not (gaps and gaps[-1].stop >= end):
        gaps.append(Gap(min(rows[-1].start + rows[-1].size, limit - 1), bound, rows[-1].record_id + 1, head.last_id))
    if not rows and not gaps and head.sane:
        gaps.append(Gap(begin + CHUNK_HEAD, end, head.first_id, head.last_id))
    return _Found(rows, gaps, bound)


def _well_formed(data: bytearray, at: int, limit: int) -> Row | None:
    if at + SMALLEST > limit:
        return None
    magic, size, record_id, filetime = _RECORD.unpack_from(data, at)
    if magic != RECORD_MAGIC or size < SMALLEST or at + size > limit:
        return None
    if _SIZE.unpack_from(data, at + size - 4)[0] != size:
        return None
    return Row(at, size, record_id, filetime, torn=False)


def _unflushed(data: bytearray, at: int, limit: int, before: Row) -> Row | None:
    """The record that Windows was writing: the next one in every respect, but its size is not yet repeated."""
    if at + SMALLEST > limit:
        return None
    magic, size, record_id, filetime = _RECORD.unpack_from(data, at)
    if magic != RECORD_MAGIC or size < SMALLEST or size % 8 or at + size > limit:
        return None
    row = Row(at, size, record_id, filetime, torn=True)
    return row if _SIZE.unpack_from(data, at + size - 4)[0] == 0 and _follows(before, row) else None


def _follows(before: Row, row: Row) -> bool:
    return row.record_id == before.record_id + 1 and row.filetime >= before.filetime


def _resume(data: bytearray, at: int, end: int, rows: list[Row], head: ChunkHead) -> int:
    """Where the chain goes on after damage: a whole record with an id that is still to come, else the end."""
    lowest = rows[-1].record_id if rows else head.first_id - 1
    while (at := data.find(b"\x2a\x2a\x00\x00", at, end)) >= 0:
        row = _well_formed(data, at, end)
        if row and lowest < row.record_id <= head.last_id:
            return at
        at += 4
    return end


def _torn(data: bytearray, at: int, resumed: int, rows: list[Row], head: ChunkHead) -> Row | None:
    """A record whose beginning is right and whose size or end is not: worth a try, its text may be whole."""
    magic, _, record_id, filetime = _RECORD.unpack_from(data, at)
    lowest = rows[-1].record_id if rows else head.first_id - 1
    if magic != RECORD_MAGIC or resumed - at < SMALLEST or not lowest < record_id <= head.last_id:
        return None
    return Row(at, resumed - at, record_id, filetime, torn=True)


def _gap(rows: list[Row], resumed: int, data: bytearray, at: int, head: ChunkHead) -> Gap:
    first = rows[-1].record_id + 1 if rows else head.first_id
    last = head.last_id
    if resumed < (at // CHUNK) * CHUNK + head.end:
        last = _RECORD.unpack_from(data, resumed)[2] - 1
    if first > last:
        return Gap(at, resumed, None, None)
    return Gap(at, resumed, first, last)


def _assemble(views: Views, starts: Ints, rows: list[Row], gaps: list[Gap], bounds: dict[int, int]) -> Scan:
    """The arrays out of the perfect chains (`starts`) and the rows of the damaged ones."""
    slow = np.array([row.start for row in rows], dtype=np.int64)
    start = np.concatenate((starts, slow))
    size = np.concatenate((views.long(starts + 4), np.array([row.size for row in rows], dtype=np.int64)))
    torn = np.concatenate((np.zeros(starts.size, dtype=np.bool_), np.array([row.torn for row in rows], dtype=np.bool_)))
    order = np.argsort(start, kind="stable")
    start, stop, torn = start[order], (start + size)[order], torn[order]
    limits = np.full(max(bounds, default=0) + 1, 0, dtype=np.int64)
    for index, bound in bounds.items():
        limits[index] = bound
    return Scan(
        start=start,
        stop=stop,
        bound=limits[start // CHUNK] if start.size else start,
        record_id=views.u64[start + 8].astype(np.uint64),
        filetime=views.u64[start + 16].astype(np.uint64),
        event_id=event_ids(views, start, stop),
        torn=torn,
        gaps=gaps,
    )


def rebuild(window: Window, found: Scan, keep: Flags) -> bytes:
    """A log of the chunks that hold kept records; each kept record swallows all bytes up to the next kept one.

    Nothing moves inside a chunk, so offsets to strings and templates stay valid, also into swallowed records. The
    header tables of strings and templates are emptied: decoders only use them to read ahead, and a loop in them makes
    them hang. A record's id is replaced by its index in `found`, so that every decoded record is known exactly.
    """
    kept = np.flatnonzero(keep)
    chunks, slot = np.unique(found.chunk[kept], return_inverse=True)
    whole = np.frombuffer(window.data, dtype=np.uint8)[: window.count * CHUNK].reshape(window.count, CHUNK)
    data = bytearray(FILE_HEAD + chunks.size * CHUNK)
    data[FILE_HEAD:] = whole[chunks].tobytes()
    _write_file_head(data, int(chunks.size))
    shift = FILE_HEAD + (slot - chunks[slot]) * CHUNK
    begin = found.start[kept] + shift
    following = np.append(begin[1:], 0)
    last_of_chunk = np.append(slot[1:] != slot[:-1], True)
    stop = np.where(last_of_chunk, found.bound[kept] + shift, following)
    for number in range(chunks.size):
        first = int(np.searchsorted(slot, number))
        _write_chunk_head(data, number, int(begin[first]), int(stop[np.searchsorted(slot, number, side="right") - 1]))
    views = Views(data)
    size = (stop - begin).astype(np.uint32)
    views.u32[begin + 4] = size
    views.u32[stop - 4] = size
    views.u64[begin + 8] = kept.astype(np.uint64)
    views.u64[begin + 16] = np.uint64(_ANY_TIME)
    views.u32[begin] = RECORD_MAGIC
    return bytes(data)


def _write_file_head(data: bytearray, chunks: int) -> None:
    struct.pack_into("<8sQQQIHHHH", data, 0, b"ElfFile\x00", 0, chunks - 1, FILLER, 0x80, 1, 3, FILE_HEAD, chunks)


def _write_chunk_head(data: bytearray, number: int, first: int, stop: int) -> None:
    at = FILE_HEAD + number * CHUNK
    # The highest possible last id: the decoder must stop at the end of the data, not at an id.
    struct.pack_into("<8sQQQQIII", data, at, CHUNK_MAGIC, 0, 2**64 - 1, 0, 2**64 - 1, 0x80, 0, stop - at)
    data[at + 0x34 : at + CHUNK_HEAD] = bytes(CHUNK_HEAD - 0x34)
    gap = first - at - CHUNK_HEAD
    if gap >= SMALLEST + len(_EMPTY_BODY):
        _RECORD.pack_into(data, at + CHUNK_HEAD, RECORD_MAGIC, gap, FILLER, _ANY_TIME)
        data[at + CHUNK_HEAD + 24 : at + CHUNK_HEAD + 24 + len(_EMPTY_BODY)] = _EMPTY_BODY
        _SIZE.pack_into(data, first - 4, gap)
