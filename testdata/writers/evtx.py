"""Writes Windows XML event logs (.evtx) record by record, in flat memory, the way Windows lays them out.

A file header, then 64 KiB chunks, each with its checksums, the heads of its hash tables of names and templates, and
its records. Layout: the public description by libyal (libevtx), checked against real logs.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from testdata.writers.binxml import FRAGMENT, FRAGMENT_HEADER, ChunkTables, Template, filetime
from testdata.writers.event_layout import EventSpec, Layout, inner_values, is_live, system_values

__all__ = ["EventSpec", "Layout", "LogWriter"]

CHUNK_SIZE, HEADER_SIZE, RECORDS_START = 0x10000, 0x1000, 0x200
_RECORD_HEAD = struct.Struct("<4sIQQ")
_TIME = struct.Struct("<Q")
_IDENTITY, _OFFSET = struct.Struct("<QQ"), struct.Struct("<I")
_REFERENCE = b"\x0c\x01"
_NEVER = 0xFFFFFFFFFFFFFFFF


@dataclass(slots=True)
class _Chunk:
    tables: ChunkTables
    body: bytearray
    first_number: int
    first_id: int
    last_id: int = 0
    last_offset: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class _Form:
    """A finished record with the places that change when it is written again. Holds its spec so the id stays taken."""

    spec: EventSpec
    outer: Template
    inner: Template
    record: bytes
    time_at: int
    id_at: int
    inner_at: int


def _record(record_id: int, written: int, binxml: bytes) -> bytes:
    size = -(-(len(binxml) + _RECORD_HEAD.size + 4) // 8) * 8
    body = binxml.ljust(size - _RECORD_HEAD.size - 4, b"\0")
    return _RECORD_HEAD.pack(b"**\0\0", size, record_id, written) + body + _OFFSET.pack(size)


class LogWriter:
    """Writes one log to a path or a binary file that can seek. Use as a context manager or call `close`.

    `first_record` is the id of the first record; setting `next_id` between records leaves a gap. `dirty` marks the
    file as one that Windows had open; `claimed_chunks` makes the header name fewer chunks than there are, as the
    header of a live log does; `spare_chunks` appends zeroed chunks, as Windows allocates ahead. `exported` gives the
    records the form of an exported log (see `is_live`).
    """

    def __init__(
        self,
        target: Path | str | BinaryIO,
        channel: str,
        *,
        first_record: int = 1,
        dirty: bool = False,
        claimed_chunks: int | None = None,
        exported: bool = False,
        spare_chunks: int = 0,
    ) -> None:
        self._own = isinstance(target, str | Path)
        # Open until close(), which __exit__ calls.
        self._file: BinaryIO = Path(target).open("wb") if isinstance(target, str | Path) else target  # noqa: SIM115
        self._start = self._file.tell()
        self._file.write(bytes(HEADER_SIZE))
        self.channel = channel
        self.next_id = first_record
        self._closed, self._exported = False, exported
        self._forms: dict[int, _Form] = {}
        self._flags = 1 if dirty else 0
        self._claimed, self._spare = claimed_chunks, spare_chunks
        self._number, self._chunk_ends = 1, [first_record]
        self._chunk = self._fresh()

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, spec: EventSpec, *, written: datetime | None = None) -> int:
        """Append a record and return its id; `written` is the header's time (default: the event's own).

        Raises ValueError for a record that no chunk can hold.
        """
        outer, inner = spec.layout.outer(self.channel, spec.computer), spec.layout.inner
        values = inner_values(spec, self._exported)
        tables = self._chunk.tables
        need = 400 + len(values) + len(spec.layout.provider) * 2 + 2 * len(self.channel)
        need += (outer not in tables.templates) * outer.worst + (inner not in tables.templates) * inner.worst
        if len(self._chunk.body) + need > CHUNK_SIZE - RECORDS_START and self._chunk.count:
            self._flush()
            need = 400 + len(values) + outer.worst + inner.worst
        if need > CHUNK_SIZE - RECORDS_START:
            raise ValueError(f"a record of {need} bytes does not fit into a chunk")
        record_id = self.next_id
        binxml = self._binxml(spec, record_id, outer, inner, values)
        self._take(record_id, _record(record_id, filetime(written or spec.time), binxml))
        return record_id

    def write_like(self, spec: EventSpec, time: datetime) -> int:
        """Append `spec` as of another time; many times faster than `write` when the same spec object comes again.

        Made for filling logs to a size: where the chunk knows both templates, only the record id, the times and the
        two template offsets differ from one such record to the next.
        """
        form = self._forms.get(id(spec))
        if form is None:
            form = self._forms[id(spec)] = self._form(spec)
        outer = self._chunk.tables.templates.get(form.outer)
        inner = self._chunk.tables.templates.get(form.inner)
        full = len(self._chunk.body) + len(form.record) > CHUNK_SIZE - RECORDS_START
        if outer is None or inner is None or full:
            return self.write(dataclasses.replace(spec, time=time))
        record, record_id, stamp = bytearray(form.record), self.next_id, filetime(time)
        _IDENTITY.pack_into(record, 8, record_id, stamp)
        _TIME.pack_into(record, form.time_at, stamp)
        _TIME.pack_into(record, form.id_at, record_id)
        _OFFSET.pack_into(record, _RECORD_HEAD.size + 10, outer)
        _OFFSET.pack_into(record, form.inner_at, inner)
        self._take(record_id, record)
        return record_id

    def _form(self, spec: EventSpec) -> _Form:
        outer, inner = spec.layout.outer(self.channel, spec.computer), spec.layout.inner
        descriptors, data = system_values(spec, self.channel, 0)
        fragment = (b"" if is_live(spec.layout, self._exported) else FRAGMENT_HEADER) + _REFERENCE + inner.id + bytes(4)
        values = inner_values(spec, self._exported)
        last = (len(fragment) + len(values) + 1 | FRAGMENT << 16).to_bytes(4, "little")
        head = FRAGMENT_HEADER + _REFERENCE + outer.id + bytes(4) + descriptors + last
        start = _RECORD_HEAD.size + len(head)
        time_at = start + len(spec.layout.constants[0])
        id_at = time_at + 8 + (16 if spec.activity else 0) + 8
        record = _record(0, 0, b"".join((head, data, fragment, values, b"\0\0")))
        return _Form(spec, outer, inner, record, time_at, id_at, start + len(data) + len(fragment) - 4)

    def _binxml(self, spec: EventSpec, record_id: int, outer: Template, inner: Template, values: bytes) -> bytes:
        tables, layout = self._chunk.tables, spec.layout
        base = RECORDS_START + len(self._chunk.body) + _RECORD_HEAD.size + 4
        head = tables.instance(outer, base)
        descriptors, data = system_values(spec, self.channel, record_id)
        # The inner instance is the last value: its place is known once the values before it are.
        start = base + len(head) + len(descriptors) + 4 + len(data)
        prefix = b"" if is_live(layout, self._exported) else FRAGMENT_HEADER
        fragment = prefix + tables.instance(inner, start + len(prefix)) + values + b"\0"
        last = (len(fragment) | FRAGMENT << 16).to_bytes(4, "little")
        return b"".join((FRAGMENT_HEADER, head, descriptors, last, data, fragment, b"\0"))

    def _take(self, record_id: int, record: bytes | bytearray) -> None:
        chunk = self._chunk
        chunk.last_offset = RECORDS_START + len(chunk.body)
        chunk.body += record
        chunk.first_id = chunk.first_id if chunk.count else record_id
        chunk.last_id = record_id
        chunk.count += 1
        self._number += 1
        self.next_id = record_id + 1

    def _fresh(self) -> _Chunk:
        return _Chunk(ChunkTables(), bytearray(), self._number, self.next_id)

    def _flush(self, flags: int = 0) -> None:
        chunk = self._chunk
        free = RECORDS_START + len(chunk.body)
        numbers = (chunk.first_number, self._number - 1, chunk.first_id, chunk.last_id)
        if not chunk.count:
            numbers, chunk.last_offset = (1, _NEVER, _NEVER, _NEVER), 0
        head = struct.pack("<8s4Q4I", b"ElfChnk\0", *numbers, 128, chunk.last_offset, free, zlib.crc32(chunk.body))
        head = head.ljust(120, b"\0")
        heads = chunk.tables.heads()
        checksum = zlib.crc32(heads, zlib.crc32(head))
        self._file.write(head + struct.pack("<II", flags, checksum) + heads + chunk.body.ljust(CHUNK_SIZE - 512, b"\0"))
        self._chunk_ends.append(self.next_id)
        self._chunk = self._fresh()

    def close(self) -> None:
        """Write the last chunk and the file header; a file that was handed in stays open, at its end."""
        if self._closed:
            return
        self._closed = True
        if self._chunk.count or len(self._chunk_ends) == 1:
            self._flush(self._flags)
        self._file.write(bytes(CHUNK_SIZE * self._spare))
        end = self._file.tell()
        claimed = len(self._chunk_ends) - 1 if self._claimed is None else self._claimed
        next_id = self._chunk_ends[min(claimed, len(self._chunk_ends) - 1)]
        last = max(claimed - 1, 0)
        head = struct.pack("<8s3QIHHHH", b"ElfFile\0", 0, last, next_id, 128, 1, 3, HEADER_SIZE, claimed)
        head = head.ljust(120, b"\0")
        self._file.seek(self._start)
        self._file.write(head + struct.pack("<II", self._flags, zlib.crc32(head)))
        self._file.seek(end)
        if self._own:
            self._file.close()
