r"""Which entry a registry value belongs to that a log saw being set.

Logs and hives name one place in different ways: `HKU\S-1-5-21-...-1001_Classes\CLSID\...` is the `CLSID\...` of
that user's `UsrClass.dat`, `HKLM\System\CurrentControlSet` one of the control sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from forensics.rules import load
from forensics.sessions.rows import Row, Rows

_ROOTS = (
    (re.compile(r"^(?:hku|hkey_users|\\registry\\user)\\s-[\d-]+_classes\\"), "classes\\"),
    (re.compile(r"^(?:hku|hkey_users|\\registry\\user)\\(?:s-[\d-]+|\.default)\\software\\"), ""),
    (re.compile(r"^(?:hku|hkey_users|\\registry\\user)\\(?:s-[\d-]+|\.default)\\"), "user\\"),
    (re.compile(r"^(?:hkcu|hkey_current_user)\\software\\"), ""),
    (re.compile(r"^(?:hkcu|hkey_current_user)\\"), "user\\"),
    (re.compile(r"^(?:hklm|hkey_local_machine|\\registry\\machine)\\software\\"), ""),
    (
        re.compile(
            r"^(?:hklm|hkey_local_machine|\\registry\\machine)\\system\\(?:currentcontrolset|controlset\d{3})\\"
        ),
        "system\\",
    ),
    (re.compile(r"^(?:hkcr|hkey_classes_root)\\"), "classes\\"),
)
_OF_USER = re.compile(r"^(?:hkcu|hkey_current_user|hku|hkey_users|\\registry\\user)\\", re.IGNORECASE)
_STARTUP = re.compile(r"\\start menu\\programs\\startup\\[^\\]+$", re.IGNORECASE)
_PROFILE = re.compile(r"^[a-z]:\\users\\([^\\]+)\\", re.IGNORECASE)
_Place = tuple[str, str, bool]  # key below its hive, value, whether it is a user's


def place_of(key_path: str, value_name: str) -> _Place:
    """One name for a value, whatever wrote it."""
    folded = key_path.casefold().replace("/", "\\").rstrip("\\")
    for root, stead in _ROOTS:
        if match := root.match(folded):
            folded = stead + folded[match.end() :]
            break
    return folded, value_name.casefold() or "(default)", _OF_USER.match(key_path) is not None


@dataclass(frozen=True, slots=True)
class Meant:
    """What a value of a known place is: see rules/autostart_values.yml."""

    mechanism: str
    key: re.Pattern[str]
    value: re.Pattern[str]
    of_user: bool
    remark: str
    named: str = ""

    def name_of(self, key_path: str) -> str:
        """What the entry is called; "" where it is the value's name."""
        return key_path.rpartition("\\")[2] if self.named == "key" else ""


@cache
def _values() -> tuple[Meant, ...]:
    return tuple(
        Meant(
            item["mechanism"],
            re.compile(item["key"]),
            re.compile(item["value"]),
            item["of_user"],
            item["remark"],
            item.get("named", ""),
        )
        for item in load("autostart_values")["values"]
    )


def meaning(key_path: str, value_name: str) -> Meant | None:
    """The autostart that a value is by its place alone; None for any other value."""
    key, value, of_user = place_of(key_path, value_name)
    fitting = (item for item in _values() if item.key.search(key) and item.value.search(value))
    return next((item for item in fitting if of_user or not item.of_user), None)


def sid_in(key_path: str) -> str:
    """The user's SID that a key's path names, folded; "" when it names none."""
    match = re.search(r"\\(s-1-(?:5-21|12-1)-[\d-]+)", key_path.casefold())
    return match.group(1) if match else ""


def by_place(entries: Mapping[tuple[str, str, str], Iterable[Row]]) -> dict[_Place, list[tuple[str, str, str]]]:
    """The entries that a hive holds, by the place of their values."""
    found: dict[_Place, list[tuple[str, str, str]]] = {}
    for key in sorted(entries):
        for row in entries[key]:
            if row.kind == "autorun.configured" and row.get("key_path") and not row.deleted:
                keys = found.setdefault(place_of(row.get("location"), row.get("value_name")), [])
                if key not in keys:
                    keys.append(key)
    return found


def startup_files(
    rows: Rows, entries: Mapping[tuple[str, str, str], Iterable[Row]]
) -> Iterator[tuple[tuple[str, str, str], Row]]:
    """Files that a log saw being written into a startup folder, each with the key of the entry that it makes.

    A file that is there still has an entry; one that is gone since makes its own.
    """
    known = {
        row.get("file_path").casefold(): key
        for key in sorted(entries)
        if key[0] == "startup_folder"
        for row in entries[key]
        if row.get("file_path")
    }
    for row in rows.of("file.created"):
        path = row.get("file_path").casefold()
        if _STARTUP.search(path) and not path.endswith("\\desktop.ini"):
            profile = _PROFILE.match(path)
            yield known.get(path, ("startup_folder", profile.group(1) if profile else "", path)), row
