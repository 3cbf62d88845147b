"""What the artifacts of autostart places share: the table that says where they are, and the row of an entry.

`rules/autoruns.yml` has the places of each artifact. A place is a pattern of keys and names of values; the engine
goes through the control sets (the current one first, others only where they differ), the 32-bit twins and the deleted
keys. An entry that Windows itself brings (`rules/autoruns_stock.yml`) is context: it is listed, and scores nothing.
The time is the key's last write: the entry was there then at the latest.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from forensics.artifacts._autostart import EMITS
from forensics.artifacts._registry import owner, place
from forensics.artifacts.base import FileInput, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key, RegValue
from forensics.formats.hostinfo import text_of
from forensics.model import Fact, make_fact
from forensics.rules import load
from forensics.rules.autoruns import LONGEST_SHOWN, stock
from forensics.rules.watch import is_watched

AUTORUN = EMITS
_PIECES = {
    "comma": re.compile(r'((?:"[^"]*"|[^,"])+)'),
    "space": re.compile(r'((?:"[^"]*"|[^\s,"])+)'),
}
_CLSID = re.compile(r"\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}", re.IGNORECASE)
_MOST_ITEMS = 4096
# Names of keys that stand in many places: alone they do not tell that a key whose way up is lost is an autostart's.
_COMMON = frozenset(
    ("control", "dns", "dhcpserver", "environment", "explorer", "parameters", "services", "setup", "system", "windows")
)


@dataclass(frozen=True, slots=True)
class Base:
    """Where the places of a hive begin: a control set, the root of SOFTWARE, or a user's Software key."""

    hive: Hive
    word: str  # SYSTEM | SOFTWARE | NTUSER | PROFILE (a user's hive from its root on) | SETUP (SYSTEM from its root on)
    path: str
    control_set: str | None = None

    def keys(self, pattern: str) -> Iterator[Key]:
        """The keys below the base that match, in the hive at hand."""
        yield from self.hive.glob(f"{self.path}\\{pattern}".strip("\\"))

    def live(self, path: str) -> Key | None:
        """The key below the base as it is now, whatever view is read."""
        return self.hive.live.key(f"{self.path}\\{path}".strip("\\"))

    def below(self, key: Key) -> str:
        """The key's path without the base, the same in every control set."""
        return key.path[len(self.path) :].lstrip("\\")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a place before it becomes a row. `place` is what stands behind the key in its location."""

    mechanism: str
    key: Key
    value_name: str | None
    name: str
    command: str
    place: str = ""
    enabled: bool | None = None
    target: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Spot:
    """One line of the table; see the head of rules/autoruns.yml."""

    mechanism: str
    hives: tuple[str, ...]
    keys: tuple[str, ...]
    values: tuple[str, ...]
    skip: tuple[str, ...]
    named: str
    split: str
    switch: str
    clsid: bool


Finder = Callable[[Base], Iterator[Entry]]


@cache
def spots(artifact: str) -> tuple[Spot, ...]:
    """The places of an artifact, in the order of the table."""
    return tuple(map(_spot, load("autoruns")["places"][artifact]))


def _spot(item: dict[str, object]) -> Spot:
    def texts(name: str) -> tuple[str, ...]:
        value = item.get(name, [])
        return tuple(str(part) for part in value) if isinstance(value, list) else (str(value),)

    keys = texts("key")
    if item.get("wow"):
        keys += tuple(_twin(key) for key in keys)
    return Spot(
        str(item["mechanism"]), texts("hives"), keys, tuple(text.casefold() for text in texts("values")),
        tuple(text.casefold() for text in texts("skip")), str(item.get("named", "value")), str(item.get("split", "")),
        str(item.get("switch", "")), bool(item.get("clsid")),
    )  # fmt: skip


def _twin(key: str) -> str:
    return key.replace("Classes\\", "Classes\\Wow6432Node\\") if key.startswith("Classes\\") else f"Wow6432Node\\{key}"


def autorun(name: str, *more: Finder, hives: frozenset[str]) -> RegistryArtifact:
    """An artifact of the table's places of this name and of what `more` finds."""
    return RegistryArtifact(name, hives, parser(name, *more), AUTORUN, deleted=True)


def parser(name: str, *more: Finder) -> Callable[[Hive, FileInput], Output]:
    """The parser that makes a row of every entry in the places of an artifact, and of what `more` finds."""

    def find(base: Base) -> Iterator[Entry]:
        yield from of_table(name, base)
        for finder in more:
            yield from finder(base)

    def parse(hive: Hive, given: FileInput) -> Output:
        live = bases(hive.live) if hive.deleted else ()
        seen = {_said(base, entry) for base in live for entry in find(base)}
        person = owner(given) if _of_user(hive) else (None, None)
        for base in bases(hive):
            for entry in find(base):
                said = _said(base, entry)
                if said is None or said not in seen:
                    seen.add(said)
                    yield row(given, base, entry, person)
        for entry in _lost_places(name, hive):
            yield row(given, Base(hive, "", ""), entry, person)

    return parse


def _said(base: Base, entry: Entry) -> tuple[object, ...] | None:
    """What an entry says apart from its control set; None where there is only one place for it."""
    if base.control_set is None:
        return None
    return base.below(entry.key).casefold(), entry.value_name, entry.name, entry.command, entry.enabled, entry.target


def _of_user(hive: Hive) -> bool:
    return not hive.live.control_sets() and hive.live.key("Software") is not None


def bases(hive: Hive) -> Iterator[Base]:
    """Where to look in a hive: each control set, or its root, or a user's root and Software key."""
    if hive.live.control_sets():
        for control_set in hive.control_sets():
            yield Base(hive, "SYSTEM", control_set, control_set)
        yield Base(hive, "SETUP", "")
    elif _of_user(hive):
        yield Base(hive, "NTUSER", "Software")
        yield Base(hive, "PROFILE", "")
    else:
        yield Base(hive, "SOFTWARE", "")


def of_table(artifact: str, base: Base) -> Iterator[Entry]:
    """The entries of an artifact's places below a base."""
    for spot in spots(artifact):
        if base.word in spot.hives:
            for pattern in spot.keys:
                for key in base.keys(pattern):
                    yield from _of_key(spot, base, key)


def _lost_places(artifact: str, hive: Hive) -> Iterator[Entry]:
    """The entries of recovered keys whose way up is lost, by what is left of their path.

    A key is taken for one of a place when all its remaining names fit the place's last ones and one of them is telling.
    """
    for key in hive.unplaced():
        names = [name.casefold() for name in key.path.split("\\")[1:]]
        for spot in spots(artifact):
            if any(_fits(names, pattern.casefold().split("\\")) for pattern in spot.keys):
                yield from _of_key(spot, Base(hive, "", ""), key)
                break


def _fits(names: list[str], pattern: list[str]) -> bool:
    ends = list(zip(reversed(names), reversed(pattern), strict=False))
    telling = any(wanted not in _COMMON and "*" not in wanted for _, wanted in ends)
    return telling and all(fnmatch.fnmatchcase(name, wanted) for name, wanted in ends)


def _of_key(spot: Spot, base: Base, key: Key) -> Iterator[Entry]:
    if spot.named == "subkey":
        for below in key.subkeys():
            yield _with_library(spot, base, Entry(spot.mechanism, below, None, below.name, below.name))
        return
    for value in key.values():
        name = value.name.casefold()
        if (spot.values and name not in spot.values) or name in spot.skip:
            continue
        if not value.name and not value.raw:
            continue  # an empty default value is no entry
        for entry in _of_value(spot, base, key, value):
            yield _with_library(spot, base, entry)


def _of_value(spot: Spot, base: Base, key: Key, value: RegValue) -> Iterator[Entry]:
    switched = _switch(base, spot.switch, key)
    shown = value.name or "(Default)"
    if spot.named == "name":  # the value's name is what is loaded, its data is of no account
        yield Entry(spot.mechanism, key, value.name, shown, shown, enabled=switched, reason=value.lost)
        return
    for item in pieces(value, spot.split):
        found = Entry(spot.mechanism, key, value.name, shown, item, "", switched, reason=value.lost)
        if spot.named == "key":
            found = replace(found, name=key.name, place=f"\\{shown}" if len(spot.values) > 1 else "")
        elif spot.named == "item" and item:
            found = replace(found, name=item, place=f"\\{shown}")
        yield found


def pieces(value: RegValue, split: str = "") -> Iterator[str]:
    """The texts of a value one by one, without empty ones; data that was lost is one empty text."""
    data = value.data
    texts = data if isinstance(data, tuple) else (value.text(),)
    if value.lost and not value.raw:
        yield ""
    for text in texts[:_MOST_ITEMS]:
        parts = _PIECES[split].findall(text) if split else (text,)
        yield from (part for part in map(str.strip, parts[:_MOST_ITEMS]) if part.strip('" '))


def _switch(base: Base, name: str, key: Key) -> bool | None:
    """Whether a number beside the entry, now, switches it on; None where the place has none or it is not there."""
    live = base.live(base.below(key)) if name else None
    value = live.value(name) if live else None
    return None if value is None or not isinstance(value.data, int) else bool(value.data)


def _with_library(spot: Spot, base: Base, entry: Entry) -> Entry:
    """An entry that names a COM class gets the class's library as its command, as far as this hive has the class."""
    if not spot.clsid or not (named := _CLSID.search(entry.command)):
        return entry
    classes = "Classes\\Wow6432Node" if "wow6432node" in entry.key.path.casefold() else "Classes"
    server = base.live(f"{classes}\\CLSID\\{named.group()}\\InprocServer32")
    library = text_of(server, "")
    # mscoree.dll only carries the assembly that CodeBase or Assembly names.
    inner = text_of(server, "CodeBase") or text_of(server, "Assembly")
    target = inner if library and inner and library.casefold().endswith("mscoree.dll") else named.group()
    return replace(entry, command=library or named.group(), target=target)


def hidden(*names: str | None) -> bool:
    """Whether regedit does not show one of these names, or shows it cut: a NUL in it, or too long."""
    return any(name is not None and ("\x00" in name or len(name) > LONGEST_SHOWN) for name in names)


def row(given: FileInput, base: Base, entry: Entry, person: tuple[str | None, str | None]) -> Fact:
    """The row of an entry; what Windows itself brings there is context."""
    user, sid = person
    location = _root(base) + entry.key.path + entry.place
    ours = stock(entry.mechanism, location, entry.name, entry.command, entry.target or "") is not None
    watched = is_watched(entry.name, entry.command, entry.target or "")
    return make_fact(
        "autorun.configured",
        place(given, entry.key, entry.value_name),
        {"Content Modification Time": entry.key.last_write},
        {
            "mechanism": entry.mechanism,
            "location": location,
            "entry_name": entry.name,
            "command_line": entry.command,
            "target_path": entry.target,
            "key_path": entry.key.path,
            "value_name": entry.value_name,
            "enabled": entry.enabled,
            "control_set": base.control_set,
            "profile_user": user,
            "user_sid": sid,
            "reason": entry.reason,
        },
        tags=("hidden_name",) if hidden(entry.value_name, entry.key.name) else (),
        context=ours and not watched,
    )


def _root(base: Base) -> str:
    if not base.word:
        return ""  # the key's path begins in the unknown
    return {"SYSTEM": "HKLM\\SYSTEM\\", "SETUP": "HKLM\\SYSTEM\\", "SOFTWARE": "HKLM\\SOFTWARE\\"}.get(
        base.word, "HKCU\\"
    )
