"""The database of packages: built by SQLite itself, read a second time by a reader that shares no code with ours."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dissect.database.sqlite3 import SQLite3

from forensics.artifacts.base import FileInput
from forensics.artifacts.state_repository import ARTIFACT
from forensics.model import Fact, Host, Problem
from forensics.times import to_filetime
from tests.artifacts.registry_inputs import sorted_out

SANDBOX = "MicrosoftWindows.WindowsSandbox_0.5.3.0_x64__cw5n1h2txyewy"
OLDER = "MicrosoftWindows.WindowsSandbox_0.4.31.0_x64__cw5n1h2txyewy"
CALCULATOR = "Microsoft.WindowsCalculator_11.2210.0.0_x64__8wekyb3d8bbwe"
WHEN = datetime(2024, 12, 4, 1, 2, 11, tzinfo=UTC)
SYSTEM = bytes.fromhex("010100000000000512000000")
TABLES = (
    "CREATE TABLE Package(_PackageID INTEGER PRIMARY KEY NOT NULL, PackageFullName TEXT, PackageType INTEGER)",
    "CREATE TABLE PackageLocation(_PackageLocationID INTEGER PRIMARY KEY, Package INTEGER, InstalledLocation TEXT)",
    "CREATE TABLE User(_UserID INTEGER PRIMARY KEY, UserSid BLOB)",
    "CREATE TABLE PackageUser(_PackageUserID INTEGER PRIMARY KEY, Package INTEGER, User INTEGER, InstallTime INTEGER)",
)
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "Package": [(4, CALCULATOR, 1), (7, SANDBOX, 1), (9, OLDER, 1)],
    "PackageLocation": [(1, 7, f"C:\\Program Files\\WindowsApps\\{SANDBOX}")],
    "User": [(2, SYSTEM), (3, b"\x01\x05cut")],
    "PackageUser": [(10, 4, 2, 1), (11, 7, 2, to_filetime(WHEN)), (12, 7, 3, "yesterday")],
}


def build(folder: Path, tables: tuple[str, ...] = TABLES) -> bytes:
    path = folder / "x.srd"
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in tables:
            connection.execute(statement)
            name = statement.split("(")[0].rpartition(" ")[2]
            for row in ROWS[name]:
                connection.execute(f"INSERT INTO {name} VALUES ({','.join('?' * len(row))})", row)
    return path.read_bytes()


def parse(data: bytes) -> tuple[list[Fact], list[Problem]]:
    path = "C:/ProgramData/Microsoft/Windows/AppRepository/StateRepository-Machine.srd"
    given = FileInput(path, io.BytesIO(data), len(data), None, "test", Host(), None)
    return sorted_out(ARTIFACT, list(ARTIFACT.parse(given)))


def test_who_has_the_sandbox_since_when(tmp_path: Path) -> None:
    data = build(tmp_path)
    facts, problems = parse(data)
    assert problems == []
    system, unknown, older = facts
    assert system.times == {"Installation Time": WHEN}
    assert {name: value for name, value in system.fields.items() if name != "database_state"} == {
        "package_full_name": SANDBOX, "package_version": "0.5.3.0", "package_architecture": "x64",
        "package_folder": f"C:\\Program Files\\WindowsApps\\{SANDBOX}", "package_register": "StateRepository",
        "user_sid": "S-1-5-18",
    }  # fmt: skip
    assert ("user_sid" in unknown.fields, unknown.times) == (False, {})
    assert unknown.no_times == {"Installation Time": "no install time that is a FILETIME (yesterday)"}
    assert (older.fields["package_version"], older.no_times["Installation Time"]) == (
        "0.4.31.0", "no account has it",
    )  # fmt: skip
    independent = SQLite3(io.BytesIO(data))
    rows = [row for row in independent.table("PackageUser").rows() if row.Package == 7]
    assert [row.InstallTime for row in rows] == [to_filetime(WHEN), "yesterday"]


def test_other_databases(tmp_path: Path) -> None:
    facts, (problem,) = parse(build(tmp_path, TABLES[1:]))
    assert (facts, problem.fault) == ([], "bad_record")
    folder = tmp_path / "few"
    folder.mkdir()
    facts, problems = parse(build(folder, TABLES[:1]))
    assert ([fact.fields["package_version"] for fact in facts], problems) == (["0.5.3.0", "0.4.31.0"], [])


def test_cut_and_damaged(tmp_path: Path) -> None:
    data = build(tmp_path)
    for length in range(0, len(data), 997):
        _, problems = parse(data[:length])
        assert problems
    parse(data[:4096] + b"\xff" * 4096 + data[8192:])
