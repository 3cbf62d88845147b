"""RecentDocs: the `.wsb` files that a user opened through Explorer, newest first.

A Windows Sandbox configuration opened by a person leaves its name here even after the file is gone. Only the newest
entry of a key has a time: the key's last write. `Explorer\\RecentDocs\\.wsb` holds the last files of that kind; the
key above it holds the last files of all kinds, which survives a deleted subkey, so its `.wsb` entries are read too.
https://github.com/libyal/winreg-kb/blob/main/docs/sources/explorer-keys/Most-recently-used.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from forensics.artifacts._registry import lost, owner, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.formats.hive_values import string
from forensics.model import Fact, Problem, make_fact
from forensics.times import Moment, NoTime

_NAME = "recent_docs"
_RECENT = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\RecentDocs"
_SUFFIX = ".wsb"
_EXTENSION = b"\x04\x00\xef\xbe"  # signature of the shell item's extension block that holds the long name
_NAME_PLACES = {3: 20, 7: 38, 8: 42, 9: 46}  # where the long name stands in it, by the block's version


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every `.wsb` file named in the two keys, the same name once each; then in recovered values."""
    for path in (f"{_RECENT}\\{_SUFFIX}", _RECENT):
        key = hive.key(path)
        if key is not None:
            yield from _rows(given, key)
    for key in hive.unplaced():
        yield from _rows(given, key)


def _rows(given: FileInput, key: Key) -> Iterator[Fact | Problem]:
    order = _order(key.value("MRUListEx"))
    for value in key.values():
        if not value.name.isdecimal():
            continue
        name = string(value.raw)
        if name.casefold().endswith(_SUFFIX):
            yield _fact(given, key, value, name, order)
        elif not name and key.name.casefold() == _SUFFIX:
            yield lost(_NAME, place(given, key, value.name), FormatError("an entry without a file name"))


def _order(value: RegValue | None) -> dict[int, int]:
    """Entry number to its place in the list, 1 for the newest; an entry may be missing from the list."""
    raw = value.raw if value else b""
    numbers = struct.unpack(f"<{len(raw) // 4}I", raw[: len(raw) & ~3])
    places: dict[int, int] = {}
    for position, number in enumerate(numbers, 1):
        if number == 0xFFFFFFFF:
            break
        places.setdefault(number, position)
    return places


def _fact(given: FileInput, key: Key, value: RegValue, name: str, order: dict[int, int]) -> Fact:
    position = order.get(int(value.name))
    user, sid = owner(given)
    moment: Moment = key.last_write
    if position != 1:
        moment = NoTime("only the newest entry of the list has a time", "")
    return make_fact(
        "recent.document",
        place(given, key, value.name),
        {"Content Modification Time": moment},
        {
            "file_name": name,
            "value_data": _link_name(value.raw),
            "order": position,
            "profile_user": user,
            "user_sid": sid,
            "key_path": key.path,
            "value_name": value.name,
        },
    )


def _link_name(raw: bytes) -> str | None:
    """The name of the shortcut in the Recent folder, from the shell item behind the file name."""
    place_of = raw.find(_EXTENSION)
    if place_of < 4:
        return None
    size, version = struct.unpack_from("<HH", raw, place_of - 4)
    skip = _NAME_PLACES.get(version)
    block = raw[place_of - 4 : place_of - 4 + size]
    return string(block[skip : len(block) - 2]) or None if skip else None


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"NTUSER"}),
    parse=parse,
    emits={
        "recent.document": Kind(
            "{file_name} was opened through Explorer[, place {order} of the recent ones][ (user {profile_user})]",
            {
                "file_name": str,
                "value_data": str,
                "order": int,
                "profile_user": str,
                "user_sid": str,
                "key_path": str,
                "value_name": str,
            },
            data_type="windows:registry:mrulistex",
        )
    },
    deleted=True,
)
