"""What stands in the autostart places of a Windows that nobody touched, as data (`autoruns_stock.yml`).

An entry is known by place, name and command together. Nothing is dropped because of it: it scores nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from forensics.rules import commands, load

# Where libraries and programs of Windows lie; a bare name is looked up there first, or only there.
_SYSTEM = r"(?:(?:%systemroot%|%windir%|[a-z]:\\windows|\\systemroot)\\(?:system32|syswow64|sysnative)\\)?"
LONGEST_SHOWN = 255  # characters: regedit shows no longer name of a value
LONGEST_KNOWN = 2048  # characters: no command of Windows is as long
_CARRIERS = frozenset({"mscoree.dll", "mscoree"})
_MACROS = {
    "<programs>": r"(?:[a-z]:\\program files(?: \(x86\))?|%programfiles(?:\(x86\))?%|%programw6432%)",
    "<sys>": _SYSTEM,
    "<dirs>": r"(?:\\(?!\.)[\w .()~+-]+)*",
    "<switches>": r"(?: [-/][\w:=.-]+)*",
}


@dataclass(frozen=True, slots=True)
class _Stock:
    what: str
    place: re.Pattern[str]
    entry: re.Pattern[str]
    command: re.Pattern[str]
    joined: bool  # it joins two programs, which nothing else that is known does


def stock(mechanism: str, location: str, name: str, command: str, carried: str = "") -> str | None:
    """Whose entry this is when its place, name and command are those of Windows or of a known product.

    `carried` is the assembly that .NET's own library loads for it, then that library says nothing; or only a class id.
    """
    loads = carried and not carried.startswith("{")
    if len(command) > LONGEST_KNOWN or (loads and commands.taken_apart(command).name in _CARRIERS):
        return None
    line = command.strip()
    # A stock entry may name its folder by a variable or in full, so either form may fit.
    forms = dict.fromkeys((line, commands.normal(line)))
    foreign = commands.foreign(line)
    for known in _known().get(mechanism, ()):
        # A log names key and value where a hive's row has the item of a list.
        placed = known.place.search(location) or known.place.search(f"{location}\\{name}")
        fits = placed and known.entry.search(name) and any(known.command.fullmatch(form) for form in forms)
        if fits and (known.joined or not foreign):
            return known.what
    return None


def dated_by_key(mechanism: str) -> bool:
    """Whether an entry's time is its key's last write, which its other values share."""
    return mechanism in ("run_key", "service") or mechanism in mechanisms()


_WRITTEN = {
    "registry": "key last written",
    "file": "file last changed",
    "wmi": "WMI record last written",
    "log": "logged",
}


def last_written(kind: str | None, mechanism: str) -> str:
    """What the time of an entry's last write says; cases of older versions do not tell whose time it is."""
    return _WRITTEN.get(kind or "", "key last written" if dated_by_key(mechanism) else "last write")


def mechanism_of(key_path: str, value_name: str) -> str | None:
    """Which mechanism a value that a log tells of belongs to, by the table; the key with the hive's root before it."""
    folded, name = key_path.casefold(), value_name.casefold()
    for key, values, mechanism in _places():
        if (not values or name in values) and key.search(folded):
            return mechanism
    return None


@cache
def _places() -> tuple[tuple[re.Pattern[str], frozenset[str], str], ...]:
    """The keys of the table as patterns; places whose entries are keys, not values, are left out."""
    found = []
    for item in (item for place in load("autoruns")["places"].values() for item in place):
        keys = item["key"] if isinstance(item["key"], list) else [item["key"]]
        values = frozenset(name.casefold() for name in item.get("values", ()))
        for key in keys if item.get("named") != "subkey" else ():
            pattern = re.escape(key.casefold()).replace(r"\*", r"[^\\]+")
            found.append((re.compile(rf"\\{pattern}$"), values, item["mechanism"]))
    return tuple(found)


@cache
def mechanisms() -> frozenset[str]:
    """The mechanisms of the table of places, and those that artifacts find by other ways."""
    table = load("autoruns")
    listed = {item["mechanism"] for place in table["places"].values() for item in place}
    return frozenset(listed | set(table["techniques"]))


@cache
def _known() -> dict[str, tuple[_Stock, ...]]:
    return {
        mechanism: tuple(_read(item) for item in items) for mechanism, items in load("autoruns_stock")["stock"].items()
    }


def expanded(pattern: str) -> str:
    """A pattern of the data with what its short words stand for."""
    for word, meant in _MACROS.items():
        pattern = pattern.replace(word, meant)
    return pattern


def _read(item: dict[str, str | list[str]]) -> _Stock:
    command = expanded(str(item.get("command", "")))
    if libraries := item.get("libraries"):
        names = "|".join(re.escape(name) for name in libraries)
        command = rf'"?{_SYSTEM}(?:{names})(?:\.dll)?"?'
    flags = re.IGNORECASE | re.DOTALL
    place, entry = str(item.get("place", "")), str(item.get("entry", ""))
    where, called, line = (re.compile(text, flags) for text in (place, entry, command))
    return _Stock(str(item["what"]), where, called, line, bool(item.get("joined")))
