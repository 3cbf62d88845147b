"""Is a hive consistent, and if not, bring it up to date with its transaction logs LOG1 and LOG2.

Since Windows 8.1 changes rest in the logs for up to an hour: a hive copied from a running or crashed machine lacks
what happened last. The header says so: two sequence numbers that differ, or a wrong checksum. python-registry applies
the logs (its result is byte-identical to two other implementations); here is decided which logs may be applied, since
a log of another hive or of an older state would damage the data. Format of hives and logs:
https://github.com/msuhanov/regf/blob/master/Windows%20registry%20file%20format%20specification.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key
from io import BytesIO
from typing import Any

from Registry.RegistryLog import RegistryLog
from Registry.RegistryParse import HvLEBlock, ParseException, REGFBlock, RegistryException

from forensics.formats import FormatError
from forensics.formats.hive_marvin import marvin32

CLEAN, REPLAYED, DIRTY = "clean", "replayed", "dirty_not_replayed"
STATES = (CLEAN, REPLAYED, DIRTY)
_HEADER = 512
_BINS = 0x1000
_LOG_TYPES = (1, 2, 6)
_NAME = slice(0x30, 0x70)  # the tail of the hive's path; the same in the hive and in its logs
# What RegistryLog raises on damage: its own errors, reads past the end, an unknown file type, no entry at all.
_LOG_ERRORS = (RegistryException, struct.error, ValueError)


@dataclass(slots=True)
class Replay:
    """The bytes to read from, how they came to be, and what stood in the way."""

    data: bytes
    state: str
    problems: list[FormatError] = field(default_factory=list)


class _Entry(HvLEBlock):  # type: ignore[misc]  # python-registry has no types
    """A log entry that is hashed by our own arithmetic: the library's takes seconds for a log of some megabytes."""

    def marvin32_hash(self, buf: bytes) -> int:
        return marvin32(buf)

    def next(self) -> _Entry:
        return _Entry(self._buf, self._offset_next_hvle, self.parent())


class _LogHeader(REGFBlock):  # type: ignore[misc]
    """The header of a log, whose entries are such entries."""

    def log_entries(self) -> Iterator[_Entry]:
        expected = self.hive_sequence2()
        entry = _Entry(self._buf, self.first_log_entry_offset(), self)
        while entry.sequence() == expected and entry.validate_log_entry():
            yield entry
            if not entry.has_next():
                return
            entry, expected = entry.next(), (expected + 1) & 0xFFFFFFFF


class _BoundedLog(RegistryLog):  # type: ignore[misc]  # python-registry has no types
    """A log whose pages must lie inside it and near the hive: a page offset of 4 GiB would fill the memory."""

    def __init__(self, primary: BytesIO, log: bytes, limit: int) -> None:
        primary.seek(0)
        super().__init__(primary, BytesIO(log))
        self._regf = _LogHeader(log, 0, False)
        self._limit = limit
        self._left = len(log)

    def write_dirty_page(self, dirty_page_reference: Any, dirty_page: Any) -> None:  # noqa: ANN401
        size = dirty_page_reference.size()
        self._left -= size
        if dirty_page_reference.offset() + _BINS + size > self._limit or self._left < 0:
            raise ParseException("a page lies outside the hive")
        if len(dirty_page.data()) != size:
            raise ParseException("a page is cut off")
        super().write_dirty_page(dirty_page_reference, dirty_page)


def inconsistency(data: bytes) -> str:
    """Why the header says that the hive is not up to date; "" when it is. Raises FormatError on no header."""
    if len(data) < _HEADER:
        raise FormatError(f"a hive header takes {_HEADER} bytes, the file has {len(data)}")
    try:
        header = REGFBlock(data, 0, False)
    except RegistryException as error:
        raise FormatError("not a registry hive: no regf signature", 0) from error
    if header.unpack_dword(0x1C) in _LOG_TYPES:
        raise FormatError("a transaction log, not a hive", 0x1C)
    if not header.validate_checksum():
        return "the header checksum is wrong"
    if not header.validate_sequence_numbers():
        return f"sequence numbers {header.hive_sequence1()} and {header.hive_sequence2()} differ"
    return ""


def replay(data: bytes, logs: Sequence[bytes] = ()) -> Replay:
    """The hive with its logs applied where that is needed and possible."""
    why = inconsistency(data)
    if not why:
        return Replay(data, CLEAN)
    problems: list[FormatError] = []
    primary = BytesIO(data)
    limit = len(data) + sum(map(len, logs))
    usable = _usable(data, logs, primary, limit, problems)
    recovered = _apply(usable, primary, problems)
    if recovered is not None:
        return Replay(recovered, REPLAYED, problems)
    collected = any(raw.strip(b"\x00") for raw in logs)
    detail = "no usable transaction log" if collected else "its transaction logs are missing or empty"
    problems.insert(0, FormatError(f"hive is dirty ({why}) and was not replayed: {detail}"))
    return Replay(data, DIRTY, problems)


def _usable(
    data: bytes, logs: Sequence[bytes], primary: BytesIO, limit: int, problems: list[FormatError]
) -> list[_BoundedLog]:
    """The logs that belong to this hive and are not older than it, in the order to apply them."""
    found: list[_BoundedLog] = []
    for number, raw in enumerate(logs, 1):
        if not raw.strip(b"\x00"):
            continue  # Windows keeps an unused log empty
        if raw[:4] == b"regf" and raw[_NAME] != data[_NAME]:
            problems.append(FormatError(f"transaction log {number} belongs to another hive"))
            continue
        try:
            log = _BoundedLog(primary, raw, limit)
            eligible = log.is_eligible_log()
        except _LOG_ERRORS as error:
            problems.append(FormatError(f"transaction log {number} cannot be used: {error}"))
            continue
        if eligible:
            found.append(log)
        else:
            problems.append(FormatError(f"transaction log {number} is older than the hive"))
    return sorted(found, key=cmp_to_key(_order))


def _order(one: _BoundedLog, other: _BoundedLog) -> int:
    """Negative when `one` is applied first (the sequence numbers may have overflowed)."""
    return -1 if one.is_starting_log(other) else 1


def _apply(logs: list[_BoundedLog], primary: BytesIO, problems: list[FormatError]) -> bytes | None:
    """Apply the first log, then those that continue it; what one log breaks is undone."""
    sequence: int | None = None
    good: bytes | None = None
    for log in logs:
        before = primary.getvalue()
        try:
            step = log.recover_hive() if sequence is None else log.recover_hive_continue((sequence + 1) & 0xFFFFFFFF)
        except _LOG_ERRORS as error:
            problems.append(FormatError(f"a transaction log could not be applied: {error}"))
            primary.seek(0)
            primary.truncate()
            primary.write(before)
            continue
        if step is None:
            problems.append(FormatError(f"a transaction log does not continue sequence {sequence}: not applied"))
            continue
        sequence, good = step, primary.getvalue()
    return good
