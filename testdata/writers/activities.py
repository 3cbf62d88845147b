"""Writes the database of Windows Timeline (`ActivitiesCache.db`) with SQLite itself, as the service does.

Tables and columns as Windows 10 1903 and later have them (documented by kacos2000/WindowsTimeline and in plaso's
parser): identities are GUIDs as bytes, times whole seconds of Unix, `AppId` and payloads JSON. The service keeps the
database in WAL mode, so what happened last lies in the `-wal` only, whose random salt is another in each build.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_COMMON = (
    "[AppId] TEXT NOT NULL, [PackageIdHash] TEXT, [AppActivityId] TEXT, [ActivityType] INT NOT NULL, "
    "{status}[ParentActivityId] GUID, [Tag] TEXT, [Group] TEXT, [MatchId] TEXT, [LastModifiedTime] DATETIME NOT NULL, "
    "[ExpirationTime] DATETIME, [Payload] BLOB, [Priority] INT, {local}[PlatformDeviceId] TEXT, "
    "[CreatedInCloud] DATETIME, [StartTime] DATETIME, [EndTime] DATETIME, [LastModifiedOnClient] DATETIME, "
    "{vector}[GroupAppActivityId] TEXT, [ClipboardPayload] BLOB, [EnterpriseId] TEXT, [OriginalPayload] BLOB, "
    "[OriginalLastModifiedOnClient] DATETIME, [ETag] INT NOT NULL"
)
SCHEMA = (
    "CREATE TABLE [Activity]([Id] GUID PRIMARY KEY NOT NULL, "
    + _COMMON.format(status="[ActivityStatus] INT NOT NULL, ", local="[IsLocalOnly] INT, ", vector="")
    + ")",
    "CREATE TABLE [ActivityOperation]([OperationOrder] INTEGER PRIMARY KEY ASC NOT NULL, [Id] GUID NOT NULL, "
    "[OperationType] INT NOT NULL, "
    + _COMMON.format(
        status="", local="[CreatedTime] DATETIME, [Attachments] TEXT, ", vector="[CorrelationVector] TEXT, "
    )
    + ")",
    "CREATE TABLE [Activity_PackageId]([ActivityId] GUID NOT NULL, [Platform] TEXT NOT NULL, "
    "[PackageName] TEXT NOT NULL, [ExpirationTime] DATETIME NOT NULL)",
    "CREATE TABLE [Metadata]([Key] TEXT PRIMARY KEY NOT NULL, [Value] TEXT)",
    "CREATE VIEW [SmartLookup] AS SELECT [Id], [AppId], [Payload] FROM [Activity]",
)
_KEPT_DAYS = 30


@dataclass(frozen=True)
class Activity:
    """One activity. `kind` 5: opened, 6: in use (`seconds`), 10: clipboard (`clipboard`). `names` by platform."""

    start: datetime
    names: Mapping[str, str] = field(hash=False)
    kind: int = 5
    display_text: str = ""
    app: str = ""
    uri: str = ""
    description: str = ""
    end: datetime | None = None
    seconds: int | None = None
    clipboard: str = ""
    status: int = 1
    operation: int | None = None

    @property
    def identity(self) -> bytes:
        """The activity's GUID, the same on every build."""
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{self.start}{self.names}{self.kind}{self.display_text}").bytes_le

    @property
    def expires(self) -> int:
        """When the service forgets it."""
        return int((self.start + timedelta(days=_KEPT_DAYS)).timestamp())


def build(activities: Sequence[Activity], gone: Sequence[Activity] = (), in_log: int = 0) -> tuple[bytes, bytes]:
    """The database and its `-wal`. The last `in_log` activities are in the log only; of `gone` only names are left."""
    with TemporaryDirectory() as scratch:
        place = Path(scratch) / "ActivitiesCache.db"
        with closing(sqlite3.connect(place, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous=OFF")
            database.execute("PRAGMA page_size=4096")
            database.execute("PRAGMA journal_mode=WAL")
            for statement in SCHEMA:
                database.execute(statement)
            early = len(activities) - in_log
            for item in gone:
                _put_names(database, item)
            _put_all(database, activities[:early])
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            _put_all(database, activities[early:])
            return place.read_bytes(), place.with_name(place.name + "-wal").read_bytes()


def _put_all(database: sqlite3.Connection, activities: Sequence[Activity]) -> None:
    for item in activities:
        database.execute("BEGIN")
        _put(database, item)
        _put_names(database, item)
        database.execute("COMMIT")


def _put(database: sqlite3.Connection, item: Activity) -> None:
    start = int(item.start.timestamp())
    values: dict[str, Any] = {
        "Id": item.identity,
        "AppId": json.dumps([{"application": name, "platform": kind} for kind, name in item.names.items()]),
        "ActivityType": item.kind,
        "LastModifiedTime": start + 2,
        "LastModifiedOnClient": start + 1,
        "ExpirationTime": item.expires,
        "Payload": json.dumps(_payload(item)).encode(),
        "Priority": 1,
        "PlatformDeviceId": "b8a9f7f0c1",
        "CreatedInCloud": 0,
        "StartTime": start,
        "EndTime": int(item.end.timestamp()) if item.end else 0,
        "ETag": start % 100_000,
    }
    if item.clipboard:
        content = base64.b64encode(item.clipboard.encode()).decode()
        values["ClipboardPayload"] = json.dumps([{"content": content, "formatName": "Text"}]).encode()
    if item.operation is None:
        table, own = "Activity", {"ActivityStatus": item.status, "IsLocalOnly": 0}
    else:
        table, own = "ActivityOperation", {"OperationType": item.operation}
    values |= own
    columns = ", ".join(f"[{name}]" for name in values)
    marks = ", ".join("?" for _ in values)
    database.execute(f"INSERT INTO [{table}]({columns}) VALUES ({marks})", tuple(values.values()))


def _put_names(database: sqlite3.Connection, item: Activity) -> None:
    for kind, name in item.names.items():
        row = (item.identity, kind, name, item.expires)
        database.execute("INSERT INTO [Activity_PackageId] VALUES (?, ?, ?, ?)", row)


def _payload(item: Activity) -> dict[str, Any]:
    if item.seconds is not None:
        return {
            "type": "UserEngaged",
            "reportingApp": "ShellActivityMonitor",
            "activeDurationSeconds": item.seconds,
            "shellContentDescription": {"MergedGap": 600},
            "userTimezone": "Asia/Tokyo",
        }
    told = {"displayText": item.display_text, "activationUri": "ms-shellactivity:", "appDisplayName": item.app,
            "description": item.description, "contentUri": item.uri, "backgroundColor": "black"}  # fmt: skip
    return {name: text for name, text in told.items() if text}
