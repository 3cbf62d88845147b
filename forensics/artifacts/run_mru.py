"""What a user typed: the Run dialog (RunMRU), Explorer's address bar (TypedPaths), its search box (WordWheelQuery).

A person who starts Windows Sandbox by hand with `wsb start ...` or `WindowsSandbox.exe x.wsb` in the Run dialog leaves
the whole command line here, also where process starts are not audited; a typed path or search shows that somebody
knew where a `.wsb` lay. A command was confirmed with OK, which is an attempt to run it; a path or search term alone
runs nothing. Only the newest entry of each key has a time.

RunMRU ends each command with `\\1` (shown without it) and keeps the order as letters in MRUList; TypedPaths counts
url1, url2, ... from the newest; WordWheelQuery holds UTF-16 in binary values, ordered by MRUListEx.
https://github.com/libyal/winreg-kb/blob/main/docs/sources/explorer-keys/Most-recently-used.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts import _mru
from forensics.artifacts._registry import lost, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.formats.hive_values import string
from forensics.model import Fact, Problem, make_fact
from forensics.rules.watch import is_watched

_NAME = "run_mru"
_EXPLORER = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\"
_URL = re.compile(r"url(\d{1,9})", re.IGNORECASE)
_SHOWN_END = "\\1"


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every command, path and search term that is left."""
    for name, reader in (("RunMRU", _commands), ("TypedPaths", _paths), ("WordWheelQuery", _searches)):
        key = hive.key(_EXPLORER + name)
        if key is not None:
            yield from reader(given, key)
    for key in hive.unplaced():  # the letters and url numbers are too common to know a lost key by them
        if key.name.casefold() == "runmru":
            yield from _commands(given, key)


def _commands(given: FileInput, key: Key) -> Iterator[Fact | Problem]:
    places = _mru.letters(key.value("MRUList"))
    for value in key.values():
        if len(value.name) == 1:
            text = string(value.raw).removesuffix(_SHOWN_END)
            yield _row(given, key, value, ("typed.command", "command_line"), text, places.get(value.name))


def _paths(given: FileInput, key: Key) -> Iterator[Fact | Problem]:
    for value in key.values():
        match = _URL.fullmatch(value.name)
        if match:
            yield _row(given, key, value, ("typed.path", "typed_path"), string(value.raw), int(match[1]))


def _searches(given: FileInput, key: Key) -> Iterator[Fact | Problem]:
    places = _mru.numbers(key.value("MRUListEx"))
    for value in key.values():
        if value.name.isdecimal():
            text = value.raw[: len(value.raw) & ~1].decode("utf-16-le", "surrogatepass").partition("\x00")[0]
            yield _row(given, key, value, ("typed.search", "search_text"), text, places.get(int(value.name[:9])))


def _row(
    given: FileInput, key: Key, value: RegValue, what: tuple[str, str], text: str, position: int | None
) -> Fact | Problem:
    kind, field = what
    source = place(given, key, value.name)
    if not text:
        return lost(_NAME, source, FormatError(value.lost or "an entry without text"))
    return make_fact(
        kind,
        source,
        {_mru.WRITTEN: _mru.moment(key, position)},
        {field: text, **_mru.about(given, key, value.name, position)},
        context=not is_watched(text),
    )


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"NTUSER"}),
    parse=parse,
    emits={
        "typed.command": Kind(
            "Run dialog: {command_line}[, place {order} of the recent ones][ (user {profile_user})]",
            {"command_line": str, **_mru.FIELDS},
            context=True,
            data_type="windows:registry:mrulist",
        ),
        "typed.path": Kind(
            "Typed into Explorer's address bar: {typed_path}[, place {order} of the recent ones][ (user "
            "{profile_user})]",
            {"typed_path": str, **_mru.FIELDS},
            context=True,
        ),
        "typed.search": Kind(
            "Searched for in Explorer: {search_text}[, place {order} of the recent ones][ (user {profile_user})]",
            {"search_text": str, **_mru.FIELDS},
            context=True,
            data_type="windows:registry:mrulistex",
        ),
    },
    deleted=True,
)
