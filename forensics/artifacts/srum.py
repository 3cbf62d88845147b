"""SRUM (`SRUDB.dat`): which program of which user sent and received how many bytes, hour by hour, for 30 to 60 days.

The one place on a host that tells the volume of a tunnel: its traffic is the CLI's own (inferred: the relay connection
is in that process, not in the server's), so an hour in which `code-tunnel.exe` sent a gigabyte is an exfiltration with
its size and hour. It names programs that are gone since, and it needs no log. Whether a sandbox guest's traffic stands
under any of the host's programs is unknown. A row is written when its period ends, by the hour or at shutdown: what it
counts happened before its time. Rows of other programs are counted and left out, since there may be hundreds of
thousands (rules/srum.yml). The service keeps the file open, so a copy of a running host is in dirty shutdown: its logs
are not replayed, and the last hour may be missing.
Tables and their columns: https://github.com/libyal/esedb-kb/blob/main/documentation/System%20Resource%20Usage%20Monitor%20(SRUM).asciidoc
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from forensics.artifacts._registry import file_name
from forensics.artifacts.base import FieldType, FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, esefile
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules import load
from forensics.rules.watch import is_watched
from forensics.times import Moment, NoTime, iso

_NAME = "srum"
_IDS = "SruDbIdMapTable"
_USAGE = "{D10CA2FE-6FCF-4F6D-848E-B2E99266FA89}"
_NETWORK = "{973F5D5C-1D90-4944-BE8E-24B94231A174}"
_KINDS = {_NETWORK: "srum.network_usage", _USAGE: "srum.application_usage"}
_USER = 3  # the kind of id whose content is a SID; the others are names
_NUMBERS = {
    "BytesSent": "bytes_sent",
    "BytesRecvd": "bytes_received",
    "ForegroundBytesRead": "foreground_bytes_read",
    "ForegroundBytesWritten": "foreground_bytes_written",
    "BackgroundBytesRead": "background_bytes_read",
    "BackgroundBytesWritten": "background_bytes_written",
}
_COLUMNS = ("AutoIncId", "TimeStamp", "AppId", "UserId", "InterfaceLuid", *_NUMBERS)
_RECORDED = "Recorded Time"
# `!!name!linker time!hash!` is a program that SRUM knows without a path.
_NAMED = re.compile(r"^!!([^!]{1,260})!")


@dataclass(slots=True)
class _Tally:
    """What a table holds and how much of it is left out; `nameless` are rows of a program that the ids do not name."""

    rows: int = 0
    left_out: int = 0
    nameless: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def take(self, moment: Moment) -> None:
        self.rows += 1
        if isinstance(moment, datetime):
            self.first = min(self.first or moment, moment)
            self.last = max(self.last or moment, moment)


@dataclass(slots=True)
class _Ids:
    """What the numbers in the tables stand for."""

    names: dict[int, str] = field(default_factory=dict)
    sids: dict[int, str] = field(default_factory=dict)


def parse(given: FileInput) -> Output:
    """One row for each period of a program that matters or may; one for each table with what it spans."""
    try:
        with esefile.opened(given.fh, given.size) as database:
            if database.state != "clean":
                why = f"the database is {database.state}: its log files are not replayed, the last rows may be missing"
                yield Problem("dirty_not_replayed", _NAME, given.source(), why)
            for problem in database.problems:
                yield _lost(given, problem)
            ids = _Ids()
            yield from _fill(given, database, ids)
            for table in _KINDS:
                yield from _table(given, database, table, ids)
    except FormatError as error:
        yield Problem("unreadable", _NAME, given.source(), str(error))


def _lost(given: FileInput, error: FormatError) -> Problem:
    return Problem("bad_record", _NAME, given.source(), str(error))


def _fill(given: FileInput, database: esefile.Database, ids: _Ids) -> Iterator[Problem]:
    for row in database.rows(_IDS):
        if isinstance(row, FormatError):
            yield _lost(given, row)
            continue
        number, kind, blob = (row.values.get(name) for name in ("IdIndex", "IdType", "IdBlob"))
        if not isinstance(number, int):
            continue
        if not isinstance(blob, bytes):
            ids.names[number] = ""  # the ids of "no program" and "no user" have no content
        elif kind == _USER:
            if sid := sid_of(blob):
                ids.sids[number] = sid
        else:
            ids.names[number] = blob.decode("utf-16-le", "replace").rstrip("\x00")


def sid_of(raw: bytes) -> str | None:
    """A binary SID as text, None when it is none."""
    if len(raw) < 8 or raw[0] != 1 or len(raw) != 8 + 4 * raw[1]:
        return None
    authority = int.from_bytes(raw[2:8], "big")
    return "-".join(["S-1", str(authority), *map(str, struct.unpack_from(f"<{raw[1]}I", raw, 8))])


def _table(given: FileInput, database: esefile.Database, table: str, ids: _Ids) -> Output:
    if table not in database.tables:
        return
    tally = _Tally()
    for row in database.rows(table, _COLUMNS):
        if isinstance(row, FormatError):
            yield _lost(given, row)
            continue
        yield from _row(given, database.state, row, ids, tally)
    fields: dict[str, Value | None] = {
        "table_name": table,
        "database_state": database.state,
        "record_count": tally.rows,
        "records_told": tally.rows - tally.left_out,
        "records_without_name": tally.nameless,
        "first_record_time": iso(tally.first) if tally.first else None,
        "last_record_time": iso(tally.last) if tally.last else None,
    }
    none = NoTime("a table as a whole has no time", "")
    yield make_fact("srum.table", given.source(table), {_RECORDED: none}, fields, context=True)


def _row(given: FileInput, state: str, row: esefile.Row, ids: _Ids, tally: _Tally) -> Iterator[Fact]:
    moment = row.values.get("TimeStamp")
    moment = moment if isinstance(moment, datetime | NoTime) else NoTime("no time in the row", "")
    tally.take(moment)
    program, user = row.values.get("AppId"), row.values.get("UserId")
    name = ids.names.get(program) if isinstance(program, int) else None
    weight = _weight(name or "")
    if not weight:
        tally.left_out += 1
        tally.nameless += name is None
        return
    sid = ids.sids.get(user) if isinstance(user, int) else None
    luid = row.values.get("InterfaceLuid")
    fields: dict[str, Value | None] = {
        **_program(name or ""),
        "user_sid": sid,
        "user_name": next((item.name for item in given.host.users if sid and item.sid == sid), None),
        "interface_luid": f"0x{luid & 0xFFFFFFFFFFFFFFFF:016x}" if isinstance(luid, int) else None,
        "database_state": state,
    }
    for column, meaning in _NUMBERS.items():
        if isinstance(number := row.values.get(column), int):
            fields[meaning] = number
    locator = f"{row.table} AutoIncId {row.values.get('AutoIncId')!r}"
    yield make_fact(_KINDS[row.table], given.source(locator), {_RECORDED: moment}, fields, context=weight == "context")


def _program(name: str) -> dict[str, Value | None]:
    """The name as it is stored, and the program that it means: a device path, or a name of a program without path."""
    if "\\" in name:
        return {"application": name, "executable": name, "executable_name": file_name(name)}
    named = _NAMED.match(name)
    return {"application": name, "executable_name": named.group(1) if named else None}


@cache
def _weight(name: str) -> str:
    """`kept`, `context` or "" by the program's name: the same few hundred names stand in all rows."""
    if is_watched(name):
        return "kept"
    program = (_program(name).get("executable_name") or name) if name else ""
    return "context" if str(program).casefold() in load("srum")["context_programs"] else ""


_COMMON: dict[str, FieldType] = {
    "application": str,
    "executable": str,
    "executable_name": str,
    "user_sid": str,
    "user_name": str,
    "database_state": str,
}
ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("Windows/System32/sru/SRUDB.dat",),
    parse=parse,
    emits={
        "srum.network_usage": Kind(
            "{application} sent {bytes_sent} and received {bytes_received} bytes in the period that ended"
            "[, user {user_sid}]",
            {**_COMMON, "interface_luid": str, "bytes_sent": int, "bytes_received": int},
            context=True,
            data_type="windows:srum:network_usage",
        ),
        "srum.application_usage": Kind(
            "{application} was running in the period that ended[, user {user_sid}]",
            {
                **_COMMON,
                "foreground_bytes_read": int,
                "foreground_bytes_written": int,
                "background_bytes_read": int,
                "background_bytes_written": int,
            },
            context=True,
            data_type="windows:srum:application_usage",
        ),
        "srum.table": Kind(
            "SRUM table {table_name} holds {record_count} rows[ from {first_record_time}][ to {last_record_time}]",
            {
                "table_name": str,
                "database_state": str,
                "record_count": int,
                "records_told": int,
                "records_without_name": int,
                "first_record_time": str,
                "last_record_time": str,
            },
            context=True,
        ),
    },
)
