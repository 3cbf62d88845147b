"""Takes event records apart into BinXML tokens, for holding the writer's records against real ones.

Independent of the writer: nothing here imports it. Offsets are relative to the chunk.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

CHUNK, HEADER, RECORDS = 0x10000, 0x1000, 0x200
FRAGMENT = 0x21


class Raw(NamedTuple):
    """One record of a chunk."""

    chunk: bytes
    offset: int
    size: int
    id: int


class Instance(NamedTuple):
    """A template instance: its tokens, its values as (type, bytes), and where each value stands."""

    tokens: list[str]
    values: list[tuple[int, bytes]]
    offsets: list[int]


def records(log: bytes) -> Iterator[Raw]:
    for start in range(HEADER, len(log) - CHUNK + 1, CHUNK):
        chunk = log[start : start + CHUNK]
        if chunk[:8] != b"ElfChnk\0":
            continue
        (free,) = struct.unpack_from("<I", chunk, 48)
        offset = RECORDS
        while offset + 28 <= min(free, CHUNK) and chunk[offset : offset + 4] == b"**\0\0":
            size, number = struct.unpack_from("<IQ", chunk, offset + 4)
            if size < 28:
                break
            yield Raw(chunk, offset, size, number)
            offset += size


def outer(record: Raw) -> Instance:
    return instance(record.chunk, record.offset + 24)


def inner(record: Raw) -> Instance:
    whole = outer(record)
    kind, _ = whole.values[-1] if len(whole.values) == 20 else whole.values[17]
    assert kind == FRAGMENT
    return instance(record.chunk, whole.offsets[-1] if len(whole.values) == 20 else whole.offsets[17])


def instance(chunk: bytes, offset: int) -> Instance:
    if chunk[offset] == 0x0F:
        offset += 4
    assert chunk[offset] == 0x0C
    (definition,) = struct.unpack_from("<I", chunk, offset + 6)
    offset += 10
    (size,) = struct.unpack_from("<I", chunk, definition + 20)
    tokens = list(_tokens(chunk, definition + 24, definition + 24 + size))
    if definition == offset:
        offset += 24 + size
    (count,) = struct.unpack_from("<I", chunk, offset)
    heads = [struct.unpack_from("<HBB", chunk, offset + 4 + 4 * index) for index in range(count)]
    offset += 4 + 4 * count
    values, offsets = [], []
    for length, kind, _ in heads:
        values.append((kind, chunk[offset : offset + length]))
        offsets.append(offset)
        offset += length
    return Instance(tokens, values, offsets)


def stored_names(chunk: bytes) -> Iterator[tuple[int, int, str]]:
    """Each name of the hash table as (bucket, stored hash, name)."""
    for bucket, head in enumerate(struct.unpack_from("<64I", chunk, 0x80)):
        while head:
            following, hashed, _ = struct.unpack_from("<IHH", chunk, head)
            yield bucket, hashed, _name(chunk, head)[0]
            assert following < head
            head = following


def stored_templates(chunk: bytes) -> Iterator[tuple[int, int]]:
    """Each template of the hash table as (bucket, offset)."""
    for bucket, head in enumerate(struct.unpack_from("<32I", chunk, 0x180)):
        while head:
            yield bucket, head
            (following,) = struct.unpack_from("<I", chunk, head)
            assert following < head
            head = following


def _name(chunk: bytes, offset: int) -> tuple[str, int]:
    (count,) = struct.unpack_from("<H", chunk, offset + 6)
    return chunk[offset + 8 : offset + 8 + 2 * count].decode("utf-16-le"), 10 + 2 * count


def _named(chunk: bytes, offset: int) -> tuple[str, int]:
    (at,) = struct.unpack_from("<I", chunk, offset)
    text, length = _name(chunk, at)
    return text, offset + 4 + (length if at == offset + 4 else 0)


def _tokens(chunk: bytes, offset: int, end: int) -> Iterator[str]:
    closes = []
    while offset < end:
        token = chunk[offset]
        sort, more = token & 0x3F, "+" if token & 0x40 else ""
        if sort == 0x0F:
            yield "fragment"
            offset += 4
        elif sort == 1:
            dependency, size = struct.unpack_from("<HI", chunk, offset + 1)
            closes.append(offset + 7 + size)
            text, offset = _named(chunk, offset + 7)
            offset += 4 if more else 0
            yield f"<{text} {dependency:x}{more}"
        elif sort == 6:
            text, offset = _named(chunk, offset + 1)
            yield f"@{text}{more}"
        elif sort == 5:
            (count,) = struct.unpack_from("<H", chunk, offset + 2)
            yield "=" + chunk[offset + 4 : offset + 4 + 2 * count].decode("utf-16-le")
            offset += 4 + 2 * count
        elif sort in (0x0D, 0x0E):
            index, kind = struct.unpack_from("<HB", chunk, offset + 1)
            yield f"%{index}:{kind:x}{'?' if sort == 0x0E else ''}"
            offset += 4
        elif sort in (0, 2, 3, 4):
            offset += 1
            if sort in (3, 4):
                assert closes.pop() == offset, "an element's size is wrong"
            yield ("end", "", ">", "/>", "</>")[sort]
        else:
            raise AssertionError(f"token {token:#x} at {offset:#x}")
    assert not closes
