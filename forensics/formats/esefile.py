"""ESE databases (`SRUDB.dat`, user access logs, search indexes): the rows of their tables, with typed values.

Read by libesedb, from the file as it is. A database whose service was running when it was copied is in dirty shutdown:
its last changes are still in log files beside it. Those are not replayed; the state is said, and what the pages hold is
read. Damage costs the rows that it hit. Format:
https://github.com/libyal/libesedb/blob/main/documentation/Extensible%20Storage%20Engine%20(ESE)%20Database%20File%20(EDB)%20format.asciidoc
and, for compressed values, Microsoft's published source of ESE (`compression.cxx`) and [MS-XCA] 2.4.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pyesedb

from forensics.formats import FormatError
from forensics.formats.esepacked import unpacked
from forensics.times import Moment, NoTime, from_filetime, from_ole

EseValue = None | bool | int | float | str | bytes | Moment

SIGNATURE = 0x89ABCDEF
STATES = {1: "just created", 2: "dirty", 3: "clean", 4: "being converted", 5: "force detached"}
MOST_ROWS = 5_000_000
_HEADER = 668
_MOST_DAMAGED = 1_000
_LEAST_ROW = 8  # bytes: no row is smaller, so a file cannot hold more of them
_COMPRESSED = 0x02
_MOST_TABLES = 10_000
# What pyesedb raises: OSError for any damage, the others for values that do not fit a Python object.
_ERRORS = (OSError, ValueError, OverflowError, MemoryError, SystemError, TypeError)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `number` is its place in the table's order, from 0, `values` by column name."""

    table: str
    number: int
    values: dict[str, EseValue]


@dataclass(slots=True)
class Database:
    """An open database; made by `opened`. `state` as in STATES, `problems` what is wrong with the file as a whole."""

    handle: Any
    size: int
    state: str
    problems: list[FormatError] = field(default_factory=list)

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables."""
        found = []
        for index in range(min(self.handle.number_of_tables, _MOST_TABLES)):
            try:
                found.append(str(self.handle.get_table(index).name or ""))
            except _ERRORS:
                continue  # `rows` says so when the table is asked for
        return tuple(name for name in found if name)

    def rows(self, table: str, wanted: Sequence[str] = ()) -> Iterator[Row | FormatError]:
        """The rows of a table in its order, with the wanted columns that it has (none named: all).

        A FormatError stands for a row that is lost; the last one tells how many of those that the tree claims.
        """
        try:
            found = self.handle.get_table_by_name(table)
            claimed = int(found.number_of_records) if found is not None else 0
        except _ERRORS as error:
            yield FormatError(f"the table {table} cannot be read: {_cause(error)}")
            return
        if found is None:
            yield FormatError(f"no table {table}")
            return
        yield from self._rows(table, found, claimed, frozenset(wanted))

    def _rows(self, name: str, table: Any, claimed: int, wanted: frozenset[str]) -> Iterator[Row | FormatError]:  # noqa: ANN401
        most, lost = min(claimed, MOST_ROWS, self.size // _LEAST_ROW), 0
        for number in range(most):
            try:
                yield Row(name, number, _values(table.get_record(number), wanted))
            except _ERRORS as error:
                lost += 1
                yield FormatError(f"{name} row {number} is lost: {_cause(error)}")
                if lost >= _MOST_DAMAGED:
                    break
        if lost or most < claimed:
            yield FormatError(f"{name}: {number + 1 - lost} of {claimed} rows could be read")


@contextmanager
def opened(stream: BinaryIO, size: int) -> Iterator[Database]:
    """The database in `stream`, which is `size` bytes large. Raises FormatError when it is none."""
    problems: list[FormatError] = []
    state = _state(stream, size, problems)
    stream.seek(0)
    handle = pyesedb.file()
    try:
        handle.open_file_object(stream)
    except _ERRORS as error:
        raise FormatError(f"the database cannot be opened: {_cause(error)}") from error
    try:
        yield Database(handle, size, state, problems)
    finally:
        handle.close()


def _state(stream: BinaryIO, size: int, problems: list[FormatError]) -> str:
    """The state in the header, or in its copy in the second page, and whether the file holds whole pages."""
    stream.seek(0)
    head = stream.read(_HEADER)
    if len(head) < _HEADER:
        raise FormatError(f"an ESE header takes {_HEADER} bytes, the file has {len(head)}")
    if struct.unpack_from("<I", head, 4)[0] != SIGNATURE:
        raise FormatError("no ESE database: wrong signature", 4)
    page_size: int = struct.unpack_from("<I", head, 236)[0] or 4096
    if size % page_size:
        problems.append(FormatError(f"truncated: {size} bytes are no whole number of pages of {page_size}"))
    number: int = struct.unpack_from("<I", head, 52)[0]
    return STATES.get(number, f"unknown ({number})")


def _values(record: Any, wanted: frozenset[str]) -> dict[str, EseValue]:  # noqa: ANN401
    values: dict[str, EseValue] = {}
    for entry in range(record.number_of_values):
        name = str(record.get_column_name(entry) or "")
        if not wanted or name in wanted:
            values[name] = _value(record, entry)
    return values


def _value(record: Any, entry: int) -> EseValue:  # noqa: ANN401
    """One value by its column's type; several values in one column stay bytes as they are stored."""
    kind = record.get_column_type(entry)
    if kind in _TEXTS and not record.is_multi_value(entry):
        if record.is_long_value(entry):
            return _text_of(record.get_value_data_as_long_value(entry))
        found = record.get_value_data_as_string(entry)
        return None if found is None else str(found)
    raw = record.get_value_data_as_long_value(entry).data if record.is_long_value(entry) else _raw(record, entry)
    if raw is None:
        return None
    decode = _DECODERS.get(kind)
    return decode(raw) if decode else bytes(raw)


def _text_of(value: Any) -> str | None:  # noqa: ANN401
    found = value.get_data_as_string()
    return None if found is None else str(found)


def _raw(record: Any, entry: int) -> bytes | None:  # noqa: ANN401
    raw = record.get_value_data(entry)
    if raw and record.get_value_data_flags(entry) & _COMPRESSED:
        return unpacked(bytes(raw))
    return raw if raw is None else bytes(raw)


def _number(layout: str) -> Callable[[bytes], EseValue]:
    size = struct.calcsize(layout)

    def decode(raw: bytes) -> EseValue:
        if len(raw) != size:
            raise ValueError(f"a value of {size} bytes has {len(raw)}")
        found: int | float = struct.unpack(layout, raw)[0]
        return found

    return decode


def moment(raw: bytes) -> Moment:
    """A value of type DateTime. By definition an OLE date, but some programs store a FILETIME in it.

    As doubles, FILETIMEs of our time are next to zero, so the two cannot be taken for one another.
    """
    if len(raw) != 8:
        return NoTime("a date takes 8 bytes", raw.hex())
    days: float = struct.unpack("<d", raw)[0]
    return from_ole(days) if not -1e-6 < days < 1e-6 else from_filetime(struct.unpack("<Q", raw)[0])


def _guid(raw: bytes) -> EseValue:
    return f"{{{uuid.UUID(bytes_le=raw)}}}".upper()


_KINDS = pyesedb.column_types
_TEXTS = frozenset({_KINDS.TEXT, _KINDS.LARGE_TEXT})
_DECODERS: dict[int, Callable[[bytes], EseValue]] = {
    _KINDS.BOOLEAN: lambda raw: raw != b"\x00",
    _KINDS.INTEGER_8BIT_UNSIGNED: _number("<B"),
    _KINDS.INTEGER_16BIT_SIGNED: _number("<h"),
    _KINDS.INTEGER_16BIT_UNSIGNED: _number("<H"),
    _KINDS.INTEGER_32BIT_SIGNED: _number("<i"),
    _KINDS.INTEGER_32BIT_UNSIGNED: _number("<I"),
    _KINDS.INTEGER_64BIT_SIGNED: _number("<q"),
    _KINDS.CURRENCY: _number("<q"),
    _KINDS.FLOAT_32BIT: _number("<f"),
    _KINDS.DOUBLE_64BIT: _number("<d"),
    _KINDS.DATE_TIME: moment,
    _KINDS.GUID: _guid,
}


def _cause(error: BaseException) -> str:
    """The library reports the whole chain of calls; the first sentence after the function's name says what is wrong."""
    text = " ".join(str(error).split())
    return text.partition(". ")[2].partition(". ")[0] or text or type(error).__name__
