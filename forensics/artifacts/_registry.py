"""What the registry artifacts share: places in a hive, whose hive it is, and what looks like Windows' own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache

from forensics.artifacts.base import FileInput, Kind
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key
from forensics.model import Fact, Problem, Source, make_fact
from forensics.rules import commands, load
from forensics.rules.watch import is_watched

# The folders of %SystemRoot% where programs of Windows lie directly; deeper ones include some that users can write.
_STOCK_FOLDER = re.compile(
    r"^(?:[a-z]:\\windows\\|%systemroot%\\|%windir%\\|\\systemroot\\)?"
    r"(?:system32|syswow64)\\(?:drivers\\|wbem\\|driverstore\\filerepository\\[^\\]+\\)?[^\\]+$"
)
_WRITTEN = "Content Modification Time"
_UNQUOTED = re.compile(r"^.*?\.(?:exe|sys|dll|com|bat|cmd|scr|ps1|vbs|js)(?=\s|$)", re.IGNORECASE)


RECOVERED = {
    "registry.value_recovered": Kind(
        "Registry value {value_name} of {key_path}[: {value_data}]",
        {"key_path": str, "value_name": str, "value_type": str, "value_data": str},
    )
}


def place(given: FileInput, key: Key | str, value_name: str | None = None) -> Source:
    """The Source of a key or value: `Key\\Path\\ValueName`, the default value as `(Default)`.

    Of a recovered one it says so: `Key\\Path\\ValueName (deleted, reachable_parent, offset 0x1a0)`.
    """
    path, mark = (key, "") if isinstance(key, str) else (key.path, key.mark(value_name))
    return given.source((path if value_name is None else f"{path}\\{value_name or '(Default)'}") + mark)


def recovered_values(given: FileInput, key: Key) -> Iterator[Fact]:
    """The values of a recovered key of unknown place that name something watched: told without saying what they did."""
    for value in key.values():
        text = value.text()
        if is_watched(value.name, text):
            yield make_fact(
                "registry.value_recovered",
                place(given, key, value.name),
                {_WRITTEN: key.last_write},
                {
                    "key_path": key.path,
                    "value_name": value.name or "(Default)",
                    "value_type": value.type_name,
                    "value_data": text or value.lost,
                },
            )


def tells(hive: Hive, key: Key) -> bool:
    """Whether a key is there to be told: always in a live hive; among recovered ones not when it is only a way to one.

    A live key stands among them without a time and without values of its own, as far as none of these was deleted.
    """
    return not hive.deleted or isinstance(key.last_write, datetime) or next(key.values(), None) is not None


def lost(artifact: str, source: Source, error: FormatError) -> Problem:
    """A value that could not be decoded, as a stored row."""
    return Problem("bad_record", artifact, source, str(error))


def owner(given: FileInput) -> tuple[str | None, str | None]:
    """Profile folder name and SID of the user whose hive this is; the SID only when ProfileList knows the folder."""
    path = _plain(given.path)
    best = ""
    sid: str | None = None
    for user in given.host.users:
        profile = _plain(user.profile or "")
        if profile and path.startswith(profile + "/") and len(profile) > len(best):
            best, sid = profile, user.sid
    name = given.profile
    if name is None and best:
        name = best.rpartition("/")[2]
    return name, sid


def _plain(path: str) -> str:
    """A path without its drive, with forward slashes, in lower case."""
    text = path.replace("\\", "/").casefold().rstrip("/")
    text = re.sub(r"^(?:%systemdrive%|[a-z]:)", "", text)
    return re.sub(r"^(?:%systemroot%|%windir%)", "/windows", text)


def image_of(command: str) -> str:
    """The program at the start of a command line, quotes and `\\??\\` removed."""
    text = command.strip().removeprefix("\\??\\")
    if text.startswith('"'):
        return text[1:].partition('"')[0].removeprefix("\\??\\")
    match = _UNQUOTED.match(text[:4096])
    return match.group() if match else text.partition(" ")[0]


def file_name(path: str) -> str:
    """The last component of a Windows path."""
    return path.replace("/", "\\").rpartition("\\")[2]


def resolved(path: str) -> str:
    """A path whose front is the GUID of a known folder (rules/known_folders.yml), with that folder's place."""
    folder = load("known_folders").get(path[:38].upper()) if path.startswith("{") else None
    return folder + path[38:] if folder else path


@cache
def _interpreters() -> frozenset[str]:
    return frozenset(load("registry")["interpreters"])


def looks_stock(command: str) -> bool:
    """Whether the command starts a program out of Windows' own folder that is no interpreter.

    Only the path is known here, not the file: a replaced system file looks stock as well. So this decides what is
    kept as context, never what is harmless.
    """
    if commands.foreign(command):
        return False
    program = commands.taken_apart(command)
    image = program.executable.casefold()
    if ":" in image[2:] or not _STOCK_FOLDER.match(image):
        return False
    return program.name not in _interpreters() and f"{program.name}.exe" not in _interpreters()
