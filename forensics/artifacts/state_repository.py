r"""StateRepository-Machine.srd: which version of the Sandbox's Store package was installed for which account, and when.

The database behind the deployment of packages. It keeps an install time for each account, which the registry mostly
does not, and rows of removed versions for a while; the last changes are in the `-wal` beside it. An entry says that the
package was there for the account, not that a sandbox ran; one of the SYSTEM account is worth a look of its own.

Tables Package, PackageUser and PackageLocation: published for Autopsy's reader of installed apps; that PackageUser has
Package, User and InstallTime is in the symbols of the service. Table User, and that InstallTime is a FILETIME and the
SID a blob, are from memory: a value of another shape is not read, and the row is told without it.
https://markmckinnon-80619.medium.com/parse-the-appx-programs-in-autopsy-763d9017c4c
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from forensics.artifacts._appx import APPX_PACKAGE, FULL_NAME, is_package
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import FormatError, sqlitefile
from forensics.formats.sqlitefile import SqlValue
from forensics.formats.taskcache import sid_text
from forensics.model import Fact, Problem, Value, make_fact
from forensics.times import Moment, NoTime, from_filetime

_NAME = "state_repository"
_INSTALLED = "Installation Time"
_FOLDER = "ProgramData/Microsoft/Windows/AppRepository"
Values = Mapping[str, SqlValue]


class _Tables:
    """The rows of one database, and what was lost of them."""

    def __init__(self, given: FileInput, database: sqlitefile.Database) -> None:
        self.given, self.database = given, database
        self.problems: list[Problem] = []

    def rows(self, table: str, columns: tuple[str, ...]) -> Iterator[tuple[int | None, Values]]:
        """Rowid and values, by column names in lower case."""
        if table not in self.database.tables:
            return
        for row in self.database.rows(table, columns):
            if isinstance(row, FormatError):
                self.problems.append(Problem("bad_record", _NAME, self.given.source(table), str(row)))
            else:
                yield row.rowid, {name.casefold(): value for name, value in row.values.items()}


def parse(given: FileInput) -> Output:
    """One row for each account that has a package of the Sandbox, or for a package that no account has."""
    try:
        with sqlitefile.opened(given.fh, given.siblings) as database:
            for problem in database.problems:
                yield Problem("bad_record", _NAME, given.source(), str(problem))
            if "Package" not in database.tables:
                yield Problem("bad_record", _NAME, given.source(), "no table Package: not a database of packages")
                return
            tables = _Tables(given, database)
            yield from _packages(tables)
            yield from tables.problems
    except FormatError as error:
        yield Problem("unreadable", _NAME, given.source(), str(error))


def _packages(tables: _Tables) -> Iterator[Fact]:
    names: dict[SqlValue, str] = {}
    places: dict[SqlValue, str] = {}
    for rowid, values in tables.rows("Package", ("_PackageID", "PackageFullName")):
        name = values.get("packagefullname")
        if isinstance(name, str) and is_package(name):
            number = values.get("_packageid", rowid)
            names[number], places[number] = name, f"Package rowid {rowid}"
    if not names:
        return
    folders = _by_number(tables, "PackageLocation", "Package", "InstalledLocation")
    users = _by_number(tables, "User", "_UserID", "UserSid")
    held: set[SqlValue] = set()
    for rowid, values in tables.rows("PackageUser", ("Package", "User", "InstallTime")):
        package = values.get("package")
        if package in names:
            held.add(package)
            account = _account(users.get(values.get("user")))
            place = f"PackageUser rowid {rowid}"
            yield _row(tables, place, names[package], folders.get(package), account, _moment(values.get("installtime")))
    nobody = NoTime("no account has it", "")
    for package, name in names.items():
        if package not in held:
            yield _row(tables, places[package], name, folders.get(package), None, nobody)


def _by_number(tables: _Tables, table: str, key: str, column: str) -> dict[SqlValue, SqlValue]:
    return {
        values.get(key.casefold(), rowid): values.get(column.casefold())
        for rowid, values in tables.rows(table, (key, column))
    }


def _account(value: SqlValue) -> str | None:
    if isinstance(value, bytes):
        return sid_text(value)
    return value if isinstance(value, str) and value.startswith("S-1-") else None


def _moment(value: SqlValue) -> Moment:
    if isinstance(value, int) and 0 <= value < 1 << 64:
        return from_filetime(value)
    return NoTime("no install time that is a FILETIME", str(value))


def _row(tables: _Tables, place: str, name: str, folder: SqlValue, account: str | None, installed: Moment) -> Fact:
    match = FULL_NAME.match(name)
    fields: dict[str, Value | None] = {
        "package_full_name": name,
        "package_version": match.group(1) if match else None,
        "package_architecture": match.group(2) if match else None,
        "package_folder": folder if isinstance(folder, str) else None,
        "package_register": "StateRepository",
        "user_sid": account,
        "database_state": tables.database.state,
    }
    return make_fact("appx.package", tables.given.source(place), {_INSTALLED: installed}, fields)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(f"{_FOLDER}/StateRepository-Machine.srd", f"{_FOLDER}/Downlevel/StateRepository-Machine.srd"),
    parse=parse,
    emits={"appx.package": APPX_PACKAGE},
    siblings=("-wal", "-journal"),
)
