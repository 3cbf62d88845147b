"""Writes VS Code's `state.vscdb` and its write-ahead log as they lie while the program runs.

The database is one table of keys and values (schema of `src/vs/base/parts/storage/node/storage.ts`). It is made by
SQLite itself. What is told as `later` stays in the log: each step is a transaction that no checkpoint has taken over,
so a key that one step sets and the next removes is nowhere but in a page image that the log still holds.
"""

from __future__ import annotations

import sqlite3
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

PAGE = 4096
_HEADER, _FRAME = 32, 24
_LITTLE = 0x377F0682
# SQLite draws the salts by chance; the same story shall give the same bytes.
_SALTS = b"mirrored"
_SCHEMA = "CREATE TABLE ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)"
Step = Mapping[str, str | None]


class Database(NamedTuple):
    """The two files."""

    main: bytes
    wal: bytes


def build(settled: Mapping[str, str], later: Sequence[Step] = ()) -> Database:
    """Keys that the database itself holds, and the changes that only its log holds (a value of None removes a key)."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "state.vscdb"
        with closing(sqlite3.connect(path, isolation_level=None)) as made:
            made.execute(f"PRAGMA page_size = {PAGE}")
            made.execute("PRAGMA user_version = 1")
            made.execute(_SCHEMA)
            _apply(made, settled)
            if not later:
                made.close()
                return Database(path.read_bytes(), b"")
            made.execute("PRAGMA journal_mode = WAL")
        with closing(sqlite3.connect(path, isolation_level=None)) as made:
            made.execute("PRAGMA wal_autocheckpoint = 0")
            for step in later:
                _apply(made, step)
            return Database(path.read_bytes(), _salted(path.with_name(path.name + "-wal").read_bytes()))


def _apply(database: sqlite3.Connection, step: Step) -> None:
    database.execute("BEGIN")
    for key, value in step.items():
        if value is None:
            database.execute("DELETE FROM ItemTable WHERE key = ?", (key,))
        else:
            database.execute("INSERT INTO ItemTable VALUES (?, ?)", (key, value))
    database.execute("COMMIT")


def _salted(log: bytes) -> bytes:
    """The log with fixed salts and the checksums that go with them (https://www.sqlite.org/fileformat2.html, 4.2)."""
    order = "<" if struct.unpack_from(">I", log)[0] == _LITTLE else ">"
    head = log[:16] + _SALTS
    state = _summed((0, 0), head, order)
    out = [head + struct.pack(">II", *state)]
    for frame in _frames(log):
        about, page = frame[:8], frame[_FRAME:]
        state = _summed(state, about + page, order)
        out.append(about + _SALTS + struct.pack(">II", *state) + page)
    return b"".join(out)


def _frames(log: bytes) -> Iterator[bytes]:
    for start in range(_HEADER, len(log), _FRAME + PAGE):
        yield log[start : start + _FRAME + PAGE]


def _summed(state: tuple[int, int], data: bytes, order: str) -> tuple[int, int]:
    first, second = state
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
