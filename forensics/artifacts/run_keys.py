"""Run keys: commands that Windows starts at logon, the commonest way of coming back.

`code tunnel service install` writes the value `Visual Studio Code Tunnel` under the user's Run key. A value whose name
begins with NUL is invisible to regedit and to most tools (SharpHide), one longer than regedit can show as well; such
names are kept and tagged `hidden_name`.
The time is the key's last write, shared by all its values: the entry was there at that time at the latest, not
necessarily written then. `enabled` comes from StartupApproved, where Task Manager keeps the user's choice.
A removed entry stays in the hive's free cells until they are used again. Where its key is no longer known, a recovered
value is told as such (`registry.value_recovered`) when it names something watched.
https://learn.microsoft.com/windows/win32/setupapi/run-and-runonce-registry-keys
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from forensics.artifacts._autostart import EMITS, is_hidden
from forensics.artifacts._registry import RECOVERED, owner, place, recovered_values
from forensics.artifacts.base import FileInput, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, make_fact
from forensics.rules import load

_COMMON = frozenset({"setup"})  # keys of this name stand in many places: alone it says nothing
_APPROVED = "Microsoft\\Windows\\CurrentVersion\\Explorer\\StartupApproved"


@dataclass(frozen=True, slots=True)
class _Place:
    """One autostart key: as the hive has it, as Windows names it, and where its values are switched off."""

    path: str
    location: str
    depth: int
    values: tuple[str, ...]
    approved: str


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every value of every autostart key of a SOFTWARE or NTUSER hive; recovered values of unknown keys."""
    of_user = hive.live.key("Software") is not None
    user, sid = owner(given) if of_user else (None, None)
    for spot in _places(of_user=of_user):
        key = hive.key(spot.path)
        if key is None:
            continue
        for holder in _holders(key) if spot.depth else (key,):
            yield from _entries(hive, given, spot, holder, user, sid)
    names = {spot.path.rpartition("\\")[2].lower() for spot in _places(of_user=of_user) if not spot.values} - _COMMON
    for key in hive.unplaced():
        if key.name.lower() in names:
            yield from _entries(hive, given, _Place(key.path, key.path, 0, (), ""), key, user, sid)
        else:
            yield from recovered_values(given, key)


def _holders(key: Key) -> Iterator[Key]:
    """The sections of RunOnceEx, and the libraries that a section loads first (`Depend`)."""
    for section in key.subkeys():
        yield section
        yield from (below for below in section.subkeys() if below.name.casefold() == "depend")


def _places(*, of_user: bool) -> Iterator[_Place]:
    prefix, root = ("Software\\", "HKCU") if of_user else ("", "HKLM\\SOFTWARE")
    for entry in load("registry")["run_keys"]:
        for twin in ("", "Wow6432Node\\"):
            path = f"{prefix}{twin}{entry['key']}"
            switch = "Run32" if twin else "Run"
            approved = f"{prefix}{_APPROVED}\\{switch}" if entry["key"].endswith("CurrentVersion\\Run") else ""
            values = tuple(entry.get("values", ()))
            yield _Place(path, f"{root}\\{path}", int(entry.get("depth", 0)), values, approved)


def _entries(hive: Hive, given: FileInput, spot: _Place, key: Key, user: str | None, sid: str | None) -> Iterator[Fact]:
    approved = hive.key(spot.approved) if spot.approved else None
    for value in key.values():
        if spot.values and value.name.lower() not in spot.values:
            continue
        if not value.name and not value.raw:
            continue  # an empty default value is no entry
        location = f"{spot.location}{key.path[len(spot.path) :]}"
        yield make_fact(
            "autorun.configured",
            place(given, key, value.name),
            {"Content Modification Time": key.last_write},
            {
                "mechanism": "run_key",
                "location": location,
                "entry_name": value.name or "(Default)",
                "command_line": value.text(),
                "key_path": key.path,
                "value_name": value.name,
                "enabled": _enabled(approved, value),
                "profile_user": user,
                "user_sid": sid,
                "reason": value.lost,
            },
            tags=("hidden_name",) if is_hidden(value.name) else (),
        )


def _enabled(approved: Key | None, value: RegValue) -> bool | None:
    """StartupApproved keeps a flag byte: odd means switched off. None when the user never touched the entry."""
    flag = approved.value(value.name) if approved else None
    return None if flag is None or not flag.raw else not flag.raw[0] & 1


ARTIFACT = RegistryArtifact(
    name="run_keys",
    hives=frozenset({"SOFTWARE", "NTUSER"}),
    parse=parse,
    emits={
        **EMITS,
        **RECOVERED,
    },
    deleted=True,
)
