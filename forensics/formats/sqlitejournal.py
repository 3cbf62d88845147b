"""What lies beside a SQLite database: the write-ahead log (`-wal`) or the rollback journal (`-journal`).

SQLite applies them itself. Here is only what it does not tell: how much of a log it ought to have applied, and whether
a journal is one that must not be shown to it. A rollback journal may name a super-journal, the record of a transaction
over several databases, by a path: SQLite looks at that path on the machine it runs on and deletes the file there. A
journal from evidence that names one is therefore left out. Format: https://www.sqlite.org/fileformat2.html (sections 3
and 4), https://www.sqlite.org/atomiccommit.html (section 5).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from forensics.formats import FormatError

MAGIC = b"SQLite format 3\x00"
HEADER = 100
_LOG_MAGIC = frozenset({0x377F0682, 0x377F0683})
_JOURNAL_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_LOG_HEADER, _FRAME_HEADER = 32, 24
_PAGE_SIZES = frozenset(1 << shift for shift in range(9, 17))


@dataclass(frozen=True, slots=True)
class LogFrames:
    """What a write-ahead log claims to hold.

    `whole` are the frames of its present round, one page each, `committed` those up to the last one that ends a
    transaction (SQLite applies these and no more), `older` the frames behind them, left over from an earlier round,
    `rest` the bytes behind the last whole frame: a log that was not cut has none.
    """

    whole: int
    committed: int
    older: int
    rest: int


def frames_of(log: BinaryIO, size: int) -> LogFrames:
    """Count the frames of a log by their headers; raises FormatError when it is none."""
    log.seek(0)
    head = log.read(_LOG_HEADER)
    if len(head) < _LOG_HEADER:
        raise FormatError(f"a write-ahead log begins with {_LOG_HEADER} bytes, this one has {len(head)}")
    magic, _, page_size = struct.unpack_from(">III", head)
    if magic not in _LOG_MAGIC or page_size not in _PAGE_SIZES:
        raise FormatError("no write-ahead log: wrong magic or page size", 0)
    count, rest = divmod(size - _LOG_HEADER, _FRAME_HEADER + page_size)
    whole = committed = older = 0
    for number in range(count):
        log.seek(_LOG_HEADER + number * (_FRAME_HEADER + page_size))
        frame = log.read(_FRAME_HEADER)
        if frame[8:16] != head[16:24] or older:
            older += 1
            continue
        whole += 1
        if struct.unpack_from(">I", frame, 4)[0]:
            committed = whole
    return LogFrames(whole, committed, older, rest)


def is_hot(journal: BinaryIO, size: int) -> bool:
    """Whether a rollback journal holds a transaction that was not finished (a finished one is empty or zeroed)."""
    journal.seek(0)
    return size > 512 and journal.read(len(_JOURNAL_MAGIC)) == _JOURNAL_MAGIC


def names_super_journal(journal: BinaryIO, size: int) -> bool:
    """Whether a rollback journal ends with the name of a super-journal."""
    if size < len(_JOURNAL_MAGIC) + 16:
        return False
    journal.seek(size - len(_JOURNAL_MAGIC))
    return journal.read(len(_JOURNAL_MAGIC)) == _JOURNAL_MAGIC


def uses_log(head: bytes) -> bool:
    """Whether a database's header says that it is written through a write-ahead log."""
    return len(head) >= HEADER and head[18] == 2 and head[19] == 2
