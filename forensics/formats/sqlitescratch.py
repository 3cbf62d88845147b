"""A SQLite database from evidence as a scratch copy with its journals applied, and the limits under which it is read.

SQLite writes when it opens a database: it applies the journals beside it, removes them, makes an index of the log. So
the database and what lies beside it are copied into a folder of this process first, gone when the database is closed.
What was applied is held against what the journals claim. Format: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from forensics.formats import FormatError, sqlitejournal

# What sqlite3 raises over damage: its own errors, numbers that Python does not take, messages that are no UTF-8.
ERRORS = (sqlite3.Error, OverflowError, UnicodeError)
FILE_LIMIT = 8 * 1024**3
_BLOCK = 4 * 1024 * 1024
_EVERY = 10_000  # steps of SQLite's machine between two looks at the budget
_LEAST_STEPS, _STEPS_OF_A_BYTE = 50_000_000, 50
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 64 * 1024 * 1024,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 10,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 250_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 10,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


@dataclass(slots=True)
class Copy:
    """The copy at `place`, `size` bytes large; `state` says in words what was done with the journals.

    `logged`: pages of a write-ahead log are in it that the file itself does not have.
    """

    place: Path
    size: int
    state: str = "no journal"
    logged: bool = False
    problems: list[FormatError] = field(default_factory=list)


def copied(main: BinaryIO, beside: Mapping[str, BinaryIO], folder: Path) -> Copy:
    """Copy a database into `folder` and apply its journals (`-wal`, `-journal`). Raises FormatError."""
    copy = Copy(folder / "copy.db", 0)
    copy.size = _write(main, copy.place)
    with copy.place.open("rb") as handle:
        head = handle.read(sqlitejournal.HEADER)
    if head and head[: len(sqlitejournal.MAGIC)] != sqlitejournal.MAGIC:
        raise FormatError("no SQLite database: wrong signature", 0)
    _apply(copy, head, beside)
    copy.size = copy.place.stat().st_size
    _check_size(copy)
    return copy


def _write(stream: BinaryIO, place: Path) -> int:
    """Copy a stream to a new file; gives its size."""
    stream.seek(0)
    try:
        with place.open("xb") as target:
            while block := stream.read(_BLOCK):
                if target.tell() + len(block) > FILE_LIMIT:
                    raise FormatError(f"larger than the {FILE_LIMIT} bytes that are copied")
                target.write(block)
            return target.tell()
    except OSError as error:
        raise FormatError(f"the scratch copy cannot be made: {error}") from error


def _apply(copy: Copy, head: bytes, beside: Mapping[str, BinaryIO]) -> None:
    if not head:
        raise FormatError("the file is empty")  # SQLite drops a log beside it
    if "-wal" in beside:
        _apply_log(copy, beside["-wal"])
    elif sqlitejournal.uses_log(head):
        copy.state = "no write-ahead log was beside it"
    if "-journal" in beside and not sqlitejournal.uses_log(head):
        _apply_journal(copy, beside["-journal"])


def _apply_log(copy: Copy, log: BinaryIO) -> None:
    """Let SQLite write the log's pages into the copy, and hold their number against what the log claims."""
    place = copy.place.with_name(copy.place.name + "-wal")
    size = _write(log, place)
    if not size:
        copy.state = "the write-ahead log beside it is empty"
        return
    try:
        with place.open("rb") as handle:
            claimed = sqlitejournal.frames_of(handle, size)
    except FormatError as error:
        place.unlink()
        copy.problems.append(FormatError(f"the write-ahead log cannot be applied: {error}"))
        copy.state = "the write-ahead log was not applied"
        return
    applied = _checkpoint(copy.place)
    copy.logged = applied > 0
    copy.state = f"{applied} pages of the write-ahead log were applied"
    if claimed.whole > claimed.committed:
        copy.state += f", {claimed.whole - claimed.committed} of an unfinished transaction were not"
    if applied < claimed.committed:
        why = f"only {applied} of the {claimed.committed} committed pages of the write-ahead log are sound"
        copy.problems.append(FormatError(why))
    if claimed.rest:
        copy.problems.append(FormatError(f"the write-ahead log is cut: it ends with {claimed.rest} bytes of a page"))


def _checkpoint(place: Path) -> int:
    """Write the log's pages into the copy; how many there were."""
    try:
        with closing(sqlite3.connect(place, isolation_level=None)) as connection:
            guard(connection, 0)
            connection.execute("PRAGMA writable_schema=ON")  # a damaged schema is no reason not to apply the log
            connection.execute("PRAGMA synchronous=OFF")
            row = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            return max(0, int(row[1]))
    except ERRORS:
        return 0


def _apply_journal(copy: Copy, journal: BinaryIO) -> None:
    """Leave a rollback journal for SQLite to apply, unless it would lead SQLite elsewhere."""
    place = copy.place.with_name(copy.place.name + "-journal")
    size = _write(journal, place)
    with place.open("rb") as handle:
        hot, leads_away = sqlitejournal.is_hot(handle, size), sqlitejournal.names_super_journal(handle, size)
    copy.state = "an unfinished transaction was rolled back by its journal"
    if hot and not leads_away:
        return
    place.unlink()
    copy.state = "no unfinished transaction in its journal"
    if hot:
        copy.state = "the rollback journal was not applied"
        why = "the rollback journal belongs to a transaction over several databases and was not applied"
        copy.problems.append(FormatError(why))


def _check_size(copy: Copy) -> None:
    """A header whose count of pages is current tells whether the file was cut."""
    with copy.place.open("rb") as handle:
        head = handle.read(sqlitejournal.HEADER)
    if len(head) < sqlitejournal.HEADER:
        copy.problems.append(FormatError(f"truncated: the header alone takes {sqlitejournal.HEADER} bytes"))
        return
    page_size = struct.unpack_from(">H", head, 16)[0]
    pages = struct.unpack_from(">I", head, 28)[0]
    claimed = pages * (65536 if page_size == 1 else page_size)
    if head[24:28] == head[92:96] and claimed > copy.size:
        copy.problems.append(FormatError(f"truncated: the header claims {claimed} bytes, the file has {copy.size}"))


def guard(connection: sqlite3.Connection, size: int) -> None:
    """The limits under which the copy is looked at."""
    steps = (_LEAST_STEPS + _STEPS_OF_A_BYTE * size) // _EVERY
    for name, limit in _LIMITS.items():
        connection.setlimit(name, limit)
    budget = iter(range(steps))
    connection.set_progress_handler(lambda: next(budget, None) is None, _EVERY)
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
