"""Windows Timeline (`ActivitiesCache.db`): what a user opened and how long each program was in front, for 30 days.

Names the `.wsb` that was opened and by which program, with the seconds that the Sandbox window or VS Code was in use,
from a file of the user's own that nobody thinks of when logs are cleared. Rows that the user removed stay in
`ActivityOperation` until they expire, and `Activity_PackageId` keeps the program's name when both are gone: such a
remnant is told with its expiry, mostly 30 days after the activity. Text that was copied stands in rows of type 10 when
clipboard history is synchronised. The last changes are in the `-wal` beside the database. Windows 10 1803 and later;
Windows 11 no longer shows the timeline and writes less. The meaning of types and states is others' finding
(rules/activities.yml).
https://github.com/kacos2000/WindowsTimeline (tables and payloads),
https://learn.microsoft.com/uwp/api/windows.applicationmodel.useractivities
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from forensics.artifacts._registry import file_name, resolved
from forensics.artifacts.base import FieldType, FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, guardedjson, sqlitefile
from forensics.model import Fact, Problem, Source, Value, make_fact
from forensics.rules import load
from forensics.rules.watch import is_watched
from forensics.times import Moment, NoTime, from_unix, iso

_NAME = "activities_cache"
_TABLES = ("Activity", "ActivityOperation")
_PACKAGES = "Activity_PackageId"
_COLUMNS = (
    "Id", "AppId", "AppActivityId", "ActivityType", "ActivityStatus", "OperationType", "Payload", "OriginalPayload",
    "ClipboardPayload", "StartTime", "EndTime", "LastModifiedTime", "LastModifiedOnClient", "ExpirationTime",
    "CreatedInCloud", "PlatformDeviceId", "Group", "Tag",
)  # fmt: skip
_TEXT_LIMIT = 4_000
_ID_LIMIT = 64  # bytes: an identity is a GUID


def parse(given: FileInput) -> Output:
    """One row for each activity, with its start, end and last change; one for each remnant that names a program."""
    try:
        with sqlitefile.opened(given.fh, given.siblings) as database:
            for problem in database.problems:
                yield _lost(given.source(), problem)
            if _TABLES[0] not in database.tables:
                yield _lost(given.source(), FormatError("no table Activity: not a database of the timeline"))
            known: set[bytes] = set()
            for table in _TABLES:
                if table in database.tables:
                    yield from _activities(given, database, table, known)
            if _PACKAGES in database.tables:
                yield from _remnants(given, database, known)
    except FormatError as error:
        yield Problem("unreadable", _NAME, given.source(), str(error))


def _lost(source: Source, error: FormatError) -> Problem:
    return Problem("bad_record", _NAME, source, str(error))


def _activities(given: FileInput, database: sqlitefile.Database, table: str, known: set[bytes]) -> Output:
    for row in database.rows(table, _COLUMNS):
        if isinstance(row, FormatError):
            yield _lost(given.source(table), row)
            continue
        if isinstance(identity := row.values.get("Id"), bytes):
            known.add(identity[:_ID_LIMIT])
        yield from _activity(given, database.state, row)


def _activity(given: FileInput, state: str, row: sqlitefile.Row) -> Iterator[Fact | Problem]:
    source = given.source(f"{row.table} rowid {row.rowid}")
    values, told = row.values, dict[str, Any]()
    for column in ("AppId", "Payload", "OriginalPayload", "ClipboardPayload"):
        try:
            told[column] = _json(values.get(column))
        except FormatError as error:
            yield _lost(source, FormatError(f"{column}: {error}"))
    payload = _dict(told.get("Payload")) or _dict(told.get("OriginalPayload"))
    fields: dict[str, Value | None] = {
        **_program(_names(told.get("AppId"))),
        **_described(payload),
        **_numbers(values),
        "clipboard_text": _clipboard(told.get("ClipboardPayload")),
        "activity_id": _hex(values.get("Id")),
        "activity_group": _text(values.get("Group")),
        "platform_device_id": _text(values.get("PlatformDeviceId")),
        "profile_user": given.profile,
        "database_state": state,
    }
    for column, meaning in (("LastModifiedOnClient", "modified_on_client"), ("ExpirationTime", "expires_at"),
                            ("CreatedInCloud", "created_in_cloud")):  # fmt: skip
        moment = _moment(values.get(column))
        fields[meaning] = None if isinstance(moment, NoTime) else iso(moment)
    times: dict[str, Moment | None] = {
        "Start Time": _moment(values.get("StartTime")),
        "End Time": _moment(values.get("EndTime")),
        "Content Modification Time": _moment(values.get("LastModifiedTime")),
    }
    texts = [text for text in fields.values() if isinstance(text, str)]
    yield make_fact("activity.recorded", source, times, fields, context=not is_watched(*texts))


def _remnants(given: FileInput, database: sqlitefile.Database, known: set[bytes]) -> Output:
    """Programs of activities that are in neither table any more, where they bear on a session."""
    told: set[tuple[bytes, str]] = set()
    for row in database.rows(_PACKAGES, ("ActivityId", "Platform", "PackageName", "ExpirationTime")):
        if isinstance(row, FormatError):
            yield _lost(given.source(_PACKAGES), row)
            continue
        identity, name = row.values.get("ActivityId"), _text(row.values.get("PackageName"))
        identity = identity[:_ID_LIMIT] if isinstance(identity, bytes) else None
        if identity is None or identity in known or not is_watched(name) or (identity, name) in told:
            continue
        told.add((identity, name))
        fields: dict[str, Value | None] = {
            **_program({str(row.values.get("Platform")).casefold(): name}),
            "activity_id": identity.hex(),
            "profile_user": given.profile,
            "database_state": database.state,
        }
        expiry = {"Expiration Time": _moment(row.values.get("ExpirationTime"))}
        yield make_fact("activity.remnant", given.source(f"{_PACKAGES} rowid {row.rowid}"), {**expiry}, fields)


def _json(value: sqlitefile.SqlValue) -> Any:  # noqa: ANN401  # what the column holds
    """The JSON in a column; None where there is none."""
    data = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return guardedjson.loads(data) if isinstance(data, bytes) and data.strip(b"\x00 ") else None


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: object) -> dict[str, str]:
    """What the program is called, by the kind of name; `AppId` is a list of pairs."""
    found: dict[str, str] = {}
    for item in value if isinstance(value, list) else []:
        entry = _dict(item)
        name, platform = _text(entry.get("application")), _text(entry.get("platform")).casefold()
        if name and platform not in found:
            found[platform] = name
    return found


def _program(names: Mapping[str, str]) -> dict[str, Value | None]:
    """The best name as it is stored, and the program's path where one of the names is one."""
    order: list[str] = load("activities")["platforms"]
    ranked = sorted(names, key=lambda kind: (order.index(kind) if kind in order else len(order), kind))
    paths = [names[kind] for kind in ranked if names[kind].casefold().endswith(".exe")]
    path = resolved(paths[0]) if paths else None
    best = names[ranked[0]] if ranked else None
    return {"application": best, "executable": path, "executable_name": file_name(path) if path else None}


def _described(payload: Mapping[str, Any]) -> dict[str, Value | None]:
    """What the payload says for the timeline's card, and the seconds in use."""
    uri = _text(payload.get("contentUri")) or _text(payload.get("description"))
    seconds = payload.get("activeDurationSeconds")
    return {
        "display_text": _text(payload.get("displayText")),
        "application_display_name": _text(payload.get("appDisplayName")),
        "opened_path": _path_of(uri),
        "active_seconds": seconds if isinstance(seconds, int) and not isinstance(seconds, bool) else None,
        "user_time_zone": _text(payload.get("userTimezone")),
    }


def _path_of(uri: str) -> str:
    """`file:///C:/x%20y?VolumeId=...` as the path that it names; anything else as it is."""
    if not uri.casefold().startswith("file:"):
        return uri
    place = uri[5:].partition("?")[0].lstrip("/") if uri[5:].startswith("///") else uri[5:].partition("?")[0]
    return unquote(place, errors="replace").replace("/", "\\")


def _numbers(values: Mapping[str, sqlitefile.SqlValue]) -> dict[str, Value | None]:
    known = load("activities")
    kind, status = (_number(values.get(name)) for name in ("ActivityType", "ActivityStatus"))
    return {
        "activity_type": kind,
        "activity_meaning": known["types"].get(kind),
        "activity_status": status,
        "activity_state": known["statuses"].get(status),
        "operation_type": _number(values.get("OperationType")),
    }


def _clipboard(value: object) -> str | None:
    """The copied text: a list of formats, each in base64."""
    texts = []
    for item in value if isinstance(value, list) else []:
        content = _text(_dict(item).get("content"))
        try:
            texts.append(base64.b64decode(content, validate=True).decode("utf-8", "replace"))
        except (binascii.Error, ValueError):
            texts.append(content)
    return "\n".join(text for text in texts if text)[:_TEXT_LIMIT] or None


def _text(value: object) -> str:
    return value[:_TEXT_LIMIT] if isinstance(value, str) else ""


def _hex(value: object) -> str | None:
    return value[:_ID_LIMIT].hex() if isinstance(value, bytes) else _text(value) or None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _moment(value: sqlitefile.SqlValue) -> Moment:
    if isinstance(value, int | float):
        return from_unix(value)
    return NoTime("not set", "") if value is None else NoTime("not a number", repr(value)[:40])


_WHAT: dict[str, FieldType] = {
    "application": str,
    "executable": str,
    "executable_name": str,
    "activity_id": str,
    "profile_user": str,
    "database_state": str,
}
ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("Users/*/AppData/Local/ConnectedDevicesPlatform/*/ActivitiesCache.db",),
    siblings=("-wal", "-journal"),
    parse=parse,
    emits={
        "activity.recorded": Kind(
            "Windows Timeline[ of {profile_user}][: {activity_meaning}][: {display_text}][ ({opened_path})]"
            "[ by {application}][, {active_seconds} s in use][, state {activity_state}]",
            {
                **_WHAT,
                "display_text": str,
                "application_display_name": str,
                "opened_path": str,
                "active_seconds": int,
                "user_time_zone": str,
                "activity_type": int,
                "activity_meaning": str,
                "activity_status": int,
                "activity_state": str,
                "operation_type": int,
                "clipboard_text": str,
                "activity_group": str,
                "platform_device_id": str,
                "modified_on_client": str,
                "expires_at": str,
                "created_in_cloud": str,
            },
            context=True,
            data_type="windows:timeline:generic",
        ),
        "activity.remnant": Kind(
            "An activity of {application} that is gone from the Windows Timeline[ of {profile_user}] was to expire",
            _WHAT,
        ),
    },
)
