"""SQLite databases (`ActivitiesCache.db`, `state.vscdb`, browser histories): the rows of their tables.

A database in use keeps its last changes in a file beside it, and SQLite writes when it opens either. So the database
and its journals are copied into a folder of this process, gone when it is closed, and SQLite reads the copy. Its input
is hostile: a view may never end, a schema may be made to call functions, a blob may be larger than memory. Only plain
tables are read, by statements made here; an authorizer forbids all else, and a budget of steps ends what takes too
long. Damage costs the rows that it hit: those before and those behind it are kept, and what is lost is said.
Format: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from forensics import leftovers
from forensics.formats import FormatError, sqlitescratch
from forensics.formats.sqlitescratch import ERRORS

SqlValue = None | int | float | str | bytes

VALUE_LIMIT = 1024 * 1024  # characters or bytes of one value; a timeline's payload has a few thousand
_MOST_DAMAGED = 1_000
_FUNCTIONS = frozenset({"substr", "typeof", "count"})
_ROWIDS = ("rowid", "_rowid_", "oid")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `rowid` is the number that SQLite knows it by (None in a table without), `values` by column name."""

    table: str
    rowid: int | None
    values: dict[str, SqlValue]


@dataclass(slots=True)
class Database:
    """An open database; made by `opened`.

    `state` says in words what was done with the journals, `problems` what is wrong with the file as a whole, `size` is
    how large it is with its journals applied.
    """

    connection: sqlite3.Connection
    tables: tuple[str, ...]
    state: str
    size: int
    problems: list[FormatError] = field(default_factory=list)

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table that are stored (generated ones are expressions, and are not evaluated)."""
        try:
            found = self.connection.execute(f"PRAGMA table_xinfo({_quoted(table)})").fetchall()
        except ERRORS:
            return ()
        return tuple(str(row[1]) for row in found if not row[6] and _is_sayable(row[1]))

    def count(self, table: str) -> int | None:
        """How many rows the table has by its smallest index, None when that cannot be told."""
        try:
            (number,) = self.connection.execute(f"SELECT count(*) FROM {_quoted(table)}").fetchone()
        except ERRORS:
            return None
        return int(number)

    def rows(self, table: str, wanted: Sequence[str] = ()) -> Iterator[Row | FormatError]:
        """The rows of a table in their order, with the wanted columns that it has (none named: all).

        A FormatError stands for rows that are lost, or for a value that was cut.
        """
        there = self.columns(table)
        known = {name.casefold() for name in wanted}
        chosen = [name for name in there if not known or name.casefold() in known]
        if table not in self.tables or not chosen:
            yield FormatError(f"no table {table} with these columns")
            return
        yield from _Reading(self, table, chosen, self._key(table, there)).rows()

    def _key(self, table: str, there: Sequence[str]) -> str:
        """The name that the row's number goes by, "" for a table without."""
        taken = {name.casefold() for name in there}
        name = next((name for name in _ROWIDS if name not in taken), "")
        if not name:
            return ""
        try:
            self.connection.execute(f"SELECT {name} FROM {_quoted(table)} LIMIT 0").fetchall()
        except ERRORS as error:
            return "" if "no such column" in str(error) else name
        return name


class _Reading:
    """One pass over a table: forward to the end, and after damage that cannot be stepped over backward from the end."""

    def __init__(self, database: Database, table: str, columns: Sequence[str], key: str) -> None:
        self._connection, self._database = database.connection, database
        self._table, self._columns, self._key = table, list(columns), key
        self._parsed = 0
        self._last: int | None = None
        self._left = 2 * database.size + VALUE_LIMIT  # twice what it can hold: damage has rows read again

    def rows(self) -> Iterator[Row | FormatError]:
        """All that can be read."""
        whole = True
        try:
            for item in self._forward():
                whole = whole and isinstance(item, Row)
                yield item
        except FormatError as error:
            whole, self._parsed = False, self._parsed - 1
            yield error
        claimed = None if whole else self._database.count(self._table)
        if claimed is not None and claimed > self._parsed:
            yield FormatError(f"{self._table}: {self._parsed} of {claimed} rows could be read")

    def _forward(self) -> Iterator[Row | FormatError]:
        for _ in range(_MOST_DAMAGED):
            try:
                yield from self._run("ASC", self._last)
            except ERRORS as error:
                if "interrupted" in str(error):
                    yield FormatError(f"{self._table}: takes too many steps, given up after {self._parsed} rows")
                    return
                behind = self._next()
                if behind is None or (self._last is not None and behind <= self._last):
                    yield from self._backward(error)
                    return
                yield from self._alone(behind)
                self._last = behind
                continue
            return
        yield FormatError(f"{self._table}: more than {_MOST_DAMAGED} damaged rows, the rest is not read")

    def _next(self) -> int | None:
        """The number of the row that failed; None where not even that can be read."""
        if not self._key:
            return None
        try:
            found = self._connection.execute(*self._select(self._key, "ASC", self._last, None, "LIMIT 1")).fetchone()
        except ERRORS:
            return None
        return None if found is None else int(found[0])

    def _alone(self, number: int) -> Iterator[Row | FormatError]:
        """One row by its number: sqlite3 steps ahead, so the sound row before damage fails with it in a run."""
        try:
            found = list(self._run("ASC", number - 1, None, "LIMIT 1"))
        except ERRORS as error:
            found = [FormatError(f"{self._table} row {number} is lost: {error}")]
        yield from found

    def _backward(self, error: Exception) -> Iterator[Row | FormatError]:
        """The rows behind the damage, last first, down to the other side of it."""
        first, lowest = self._last, None
        for more in ("", "LIMIT 1") if self._key else ():
            with suppress(*ERRORS):
                for item in self._run("DESC", first, lowest, more):
                    lowest = item.rowid if isinstance(item, Row) else lowest
                    yield item
        if not self._key:
            yield FormatError(f"{self._table}: what lies behind the first {self._parsed} rows is lost: {error}")
            return
        start = "the start" if first is None else f"row {first}"
        end = "the end" if lowest is None else f"row {lowest}"
        yield FormatError(f"{self._table}: what lies between {start} and {end} is lost: {error}")

    def _run(
        self, direction: str, above: int | None, below: int | None = None, more: str = ""
    ) -> Iterator[Row | FormatError]:
        cuts = (
            f"CASE typeof({name}) WHEN 'text' THEN substr({name},1,{VALUE_LIMIT + 1}) "
            f"WHEN 'blob' THEN substr({name},1,{VALUE_LIMIT + 1}) ELSE {name} END"
            for name in map(_quoted, self._columns)
        )
        columns = ", ".join([self._key or "NULL", *cuts])
        rising, before = direction == "ASC", above if direction == "ASC" else below
        for number, *values in self._connection.execute(*self._select(columns, direction, above, below, more)):
            if number is not None:
                if before is not None and (number <= before if rising else number >= before):
                    raise sqlite3.DatabaseError("rows are out of order")
                before = number
                self._last = number if rising else self._last
            self._parsed += 1
            yield from self._row(number, values)

    def _row(self, number: int | None, values: list[SqlValue]) -> Iterator[Row | FormatError]:
        place = f"row {number}" if number is not None else f"row {self._parsed} in order"
        kept: dict[str, SqlValue] = {}
        for name, value in zip(self._columns, values, strict=True):
            if isinstance(value, str | bytes) and len(value) > VALUE_LIMIT:
                yield FormatError(f"{self._table} {place}: {name} was cut after {VALUE_LIMIT}")
                value = value[:VALUE_LIMIT]
            self._left -= len(value) if isinstance(value, str | bytes) else 0
            kept[name] = value
        if self._left < 0:  # a megabyte of pages as the value of each of a thousand rows
            raise FormatError(f"{self._table} {place}: the rows hold more than the file, the rest is not read")
        yield Row(self._table, number, kept)

    def _select(
        self, columns: str, direction: str, above: int | None, below: int | None, more: str
    ) -> tuple[str, tuple[int, ...]]:
        bounds = {f"{self._key} > ?": above, f"{self._key} < ?": below}
        given = {text: bound for text, bound in bounds.items() if bound is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        order = f"ORDER BY {self._key} {direction}" if self._key else ""
        return f"SELECT {columns} FROM {_quoted(self._table)} {where} {order} {more}", tuple(given.values())


@contextmanager
def opened(main: BinaryIO, beside: Mapping[str, BinaryIO] | None = None) -> Iterator[Database]:
    """The database in `main`, with its journals by suffix (`-wal`, `-journal`), over a scratch copy.

    Raises FormatError when it is none. What cannot be used of the journals is in the database's `problems`.
    """
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix(), ignore_cleanup_errors=True) as folder:
        copy = sqlitescratch.copied(main, beside or {}, Path(folder))
        try:
            connection, tables = _connected(copy)
        except FormatError as error:
            if not copy.logged:
                raise
            copy = _without_log(main, Path(folder), error)
            connection, tables = _connected(copy)
        with closing(connection):
            yield Database(connection, tables, copy.state, copy.size, copy.problems)


def _without_log(main: BinaryIO, folder: Path, error: FormatError) -> sqlitescratch.Copy:
    """The file itself, where its log turned it into something that cannot be read."""
    again = folder / "again"
    again.mkdir()
    copy = sqlitescratch.copied(main, {}, again)
    copy.state = "the write-ahead log was not applied"
    copy.problems.append(FormatError(f"read without its write-ahead log, since with it {error}"))
    return copy


def _connected(copy: sqlitescratch.Copy) -> tuple[sqlite3.Connection, tuple[str, ...]]:
    """A connection and the names of the plain tables; a damaged schema is read as far as it goes."""
    connection = sqlite3.connect(copy.place, isolation_level=None)
    try:
        sqlitescratch.guard(connection, copy.size)
        try:
            tables = _tables(connection)
        except ERRORS as error:
            copy.problems.append(FormatError(f"the database is damaged: {error}"))
            connection.execute("PRAGMA writable_schema=ON")  # with it, SQLite goes on behind what it cannot read
            tables = _tables(connection)
        connection.set_authorizer(_authorize)
    except ERRORS as error:
        connection.close()
        raise FormatError(f"the database cannot be read: {error}") from error
    return connection, tables


def _tables(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The plain tables: no views and no virtual ones, whatever kind the schema gives for them."""
    rows = connection.execute("SELECT type, name, rootpage, sql FROM sqlite_master ORDER BY rowid")
    return tuple(
        name
        for kind, name, root, sql in rows
        if kind == "table" and isinstance(name, str) and isinstance(root, int) and root > 0
        and isinstance(sql, str) and sql[:12].upper() == "CREATE TABLE"
    )  # fmt: skip


def _authorize(action: int, first: str | None, _second: str | None, _base: str | None, source: str | None) -> int:
    """Reading plain tables is allowed, and the functions of our own statements; `source` is a view or trigger."""
    allowed = source is None and (
        action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
        or (action == sqlite3.SQLITE_FUNCTION and (_second or "").casefold() in _FUNCTIONS)
        or (action == sqlite3.SQLITE_PRAGMA and first == "table_xinfo")
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _is_sayable(name: object) -> bool:
    """Whether a statement can name it: no bytes that are no UTF-8, no NUL."""
    return isinstance(name, str) and "\x00" not in name and not any("\ud800" <= sign <= "\udfff" for sign in name)
