"""RecentDocs: the `.wsb` files that a user opened through Explorer, newest first.

A Windows Sandbox configuration opened by a person leaves its name here even after the file is gone. Only the newest
entry of a key has a time: the key's last write. `Explorer\\RecentDocs\\.wsb` holds the last files of that kind; the
key above it holds the last files of all kinds, which survives a deleted subkey, so its `.wsb` entries are read too.
https://github.com/libyal/winreg-kb/blob/main/docs/sources/explorer-keys/Most-recently-used.md
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts import _mru
from forensics.artifacts._registry import lost, owner, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.formats.hive_values import string
from forensics.formats.shellitems import item_list
from forensics.model import Fact, Problem, make_fact

_NAME = "recent_docs"
_RECENT = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\RecentDocs"
_SUFFIX = ".wsb"


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every `.wsb` file named in the two keys, the same name once each; then in recovered values."""
    for path in (f"{_RECENT}\\{_SUFFIX}", _RECENT):
        key = hive.key(path)
        if key is not None:
            yield from _rows(given, key)
    for key in hive.unplaced():
        yield from _rows(given, key)


def _rows(given: FileInput, key: Key) -> Iterator[Fact | Problem]:
    order = _mru.numbers(key.value("MRUListEx"))
    for value in key.values():
        if not value.name.isdecimal():
            continue
        name = string(value.raw)
        if name.casefold().endswith(_SUFFIX):
            yield _fact(given, key, value, name, order)
        elif not name and key.name.casefold() == _SUFFIX:
            yield lost(_NAME, place(given, key, value.name), FormatError("an entry without a file name"))


def _fact(given: FileInput, key: Key, value: RegValue, name: str, order: dict[int, int]) -> Fact:
    position = order.get(int(value.name))
    user, sid = owner(given)
    return make_fact(
        "recent.document",
        place(given, key, value.name),
        {_mru.WRITTEN: _mru.moment(key, position)},
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
    end = next((at for at in range(0, len(raw) - 1, 2) if not raw[at] and not raw[at + 1]), len(raw))
    found = item_list(raw, end + 2).items
    return found[0].name or None if found else None


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
