r"""What a SQLite database no longer says: rows of known keys in superseded pages of its log, and in freed space.

A write-ahead log holds each changed page as it was after each transaction, until the log is used again from its
start; a row that was deleted since stands whole in an earlier page. In the database itself a deleted cell keeps its
bytes, but the first four, which become the chain of free blocks. Only rows of a table of two columns, text key and
value, are sought, by their keys: `ItemTable` of VS Code's `state.vscdb`. A record begins with the length of its
header, the serial types of key and value, then both. Format: https://www.sqlite.org/fileformat2.html (1.6 b-tree
pages, 2.1 records, 4 WAL).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

from forensics.formats import FormatError
from forensics.formats.sqlitejournal import HEADER, MAGIC

_LOG_MAGIC = frozenset({0x377F0682, 0x377F0683})
_LOG_HEADER, _FRAME_HEADER = 32, 24
_LEAF = 0x0D
_PAGE_SIZES = frozenset(1 << shift for shift in range(9, 17))
_MOST_BYTES = 512 * 1024 * 1024
_MOST_FOUND = 2_000
ROW, RECORD, FRAGMENT = "row", "record", "fragment"


class Page(NamedTuple):
    """The image of a page: where it is kept, the offset of its first byte there, and its bytes."""

    where: str
    offset: int
    data: bytes


class Remnant(NamedTuple):
    """A key and value found in a page image.

    `grade`: `row`: a whole row that the page counts; `record`: a whole record in freed space; `fragment`: the start of
    the record is overwritten, so that only its end can be relied on. `offset` is that of the key in the file.
    """

    key: str
    value: str
    where: str
    offset: int
    grade: str


def page_size(head: bytes) -> int:
    """The page size in a database's first bytes; raises FormatError when they are of none."""
    size = struct.unpack_from(">H", head, 16)[0] if len(head) >= HEADER and head.startswith(MAGIC) else 0
    size = 65536 if size == 1 else size
    if size not in _PAGE_SIZES:
        raise FormatError("no SQLite database: wrong signature or page size", 0)
    return size


def pages_of(main: BinaryIO) -> Iterator[Page]:
    """The pages of a database file; FormatError when it is none or larger than is looked through."""
    main.seek(0)
    size = page_size(main.read(HEADER))
    main.seek(0)
    number = 0
    while data := main.read(size):
        number += 1
        if number * size > _MOST_BYTES:
            raise FormatError(f"only the first {_MOST_BYTES} bytes were looked through for remnants")
        yield Page(f"page {number}", (number - 1) * size, data)


def frames_of(log: BinaryIO) -> Iterator[Page]:
    """The page images of a write-ahead log, in their order, whatever became of their transactions."""
    log.seek(0)
    head = log.read(_LOG_HEADER)
    if not head:
        return
    magic, _, size = struct.unpack_from(">III", head) if len(head) == _LOG_HEADER else (0, 0, 0)
    if magic not in _LOG_MAGIC or size not in _PAGE_SIZES:
        raise FormatError("no write-ahead log: wrong magic or page size", 0)
    number = 0
    while len(frame := log.read(_FRAME_HEADER + size)) > _FRAME_HEADER:
        number += 1
        if number * size > _MOST_BYTES:
            raise FormatError(f"only the first {_MOST_BYTES} bytes were looked through for remnants")
        (page,) = struct.unpack_from(">I", frame)
        older = ", of an earlier round" if frame[8:16] != head[16:24] else ""
        offset = _LOG_HEADER + (number - 1) * (_FRAME_HEADER + size) + _FRAME_HEADER
        yield Page(f"log frame {number}, page {page}{older}", offset, frame[_FRAME_HEADER:])


def remnants(pages: Iterable[Page], keys: Iterable[str], valid: Callable[[str], bool]) -> Iterator[Remnant]:
    """The rows of these keys in page images whose value `valid` accepts, live ones among them.

    Raises FormatError when there are more than can be of use.
    """
    names = sorted((key.encode() for key in keys), key=len, reverse=True)
    wanted, count = re.compile(b"|".join(map(re.escape, names))), 0
    for page in pages:
        starts = None
        for found in wanted.finditer(page.data):
            starts = _cells(page) if starts is None else starts
            remnant = _record(page, found.start(), found.group(), starts, valid)
            if remnant is None:
                continue
            count += 1
            if count > _MOST_FOUND:
                raise FormatError(f"more than {_MOST_FOUND} remnants, the rest is not read")
            yield remnant


def texts(pages: Iterable[Page], pattern: re.Pattern[bytes]) -> Iterator[Remnant]:
    """Texts of a shape in page images, as fragments: parts of a value that lies over several pages."""
    count = 0
    for page in pages:
        for found in pattern.finditer(page.data):
            count += 1
            if count > _MOST_FOUND:
                raise FormatError(f"more than {_MOST_FOUND} remnants, the rest is not read")
            text = found.group().decode("utf-8", "replace")
            yield Remnant("", text, page.where, page.offset + found.start(), FRAGMENT)


def _cells(page: Page) -> set[int]:
    """Where the cells begin that a leaf page of a table counts; empty for any other page."""
    data = page.data
    base = HEADER if page.offset == 0 and data.startswith(MAGIC) else 0
    if len(data) < base + 8 or data[base] != _LEAF:
        return set()
    (count,) = struct.unpack_from(">H", data, base + 3)
    count = min(count, (len(data) - base - 8) // 2)
    return set(struct.unpack_from(f">{count}H", data, base + 8))


def _record(page: Page, at: int, key: bytes, starts: set[int], valid: Callable[[str], bool]) -> Remnant | None:
    """The record whose key stands at `at`: its value's type is right before it, the rest of its head before that."""
    data = page.data
    for width in (1, 2, 3):
        kind = _ending(data, at, width)
        if kind is None or kind < 12:  # a number in its place: an entry of the index
            continue
        end = at + len(key) + (kind - 12) // 2
        if end > len(data):
            continue
        value = data[at + len(key) : end].decode("utf-8", "replace")
        if not valid(value):
            continue
        begin = _head(data, at - width, width, 13 + 2 * len(key))
        grade = FRAGMENT if begin is None else RECORD
        if begin is not None and any(begin - back in starts for back in range(2, 19)):
            grade = ROW
        return Remnant(key.decode(), value, page.where, page.offset + at, grade)
    return None


def _ending(data: bytes, end: int, width: int) -> int | None:
    """The variable-length number of `width` bytes that ends before `end`; None when these bytes are none."""
    part = data[max(0, end - width) : end]
    if len(part) < width or part[-1] >= 0x80 or any(byte < 0x80 for byte in part[:-1]):
        return None
    number = 0
    for byte in part:
        number = number << 7 | byte & 0x7F
    return number


def _head(data: bytes, end: int, value_width: int, key_type: int) -> int | None:
    """Where a record begins whose key's type ends before `end`; None when that or its header's length is not there."""
    for width in (1, 2):
        begin = end - width - 1
        if begin >= 0 and _ending(data, end, width) == key_type and data[begin] == 1 + width + value_width:
            return begin
    return None
