"""The catalogue of known log messages (`tunnel_messages.yml`): text in, meaning and values out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

# Longer messages are only looked at up to here: the patterns hold `.*`, and no known value is longer.
MATCH_LIMIT = 32 * 1024


class Meaning(NamedTuple):
    """What a message means. `event`: its name, `message` when only the text matters; `values`: the named parts.

    `keep`: worth a row even away from a session. `known`: the catalogue has it. `bare`: it is printed without a stamp,
    too, and then is a line of its own.
    """

    event: str
    values: dict[str, str]
    keep: bool = False
    note: str = ""
    known: bool = True
    bare: bool = False


UNKNOWN = Meaning("message", {}, known=False)


@dataclass(frozen=True, slots=True)
class _Entry:
    event: str
    pattern: re.Pattern[str]
    keep: bool
    note: str
    condition: str
    values: tuple[tuple[str, str], ...]
    bare: bool

    def match(self, text: str) -> Meaning | None:
        found = self.pattern.fullmatch(text)
        if not found:
            return None
        values = {name: value for name, value in found.groupdict().items() if value is not None}
        return Meaning(self.event, dict(self.values) | values, self.keep, self.note, bare=self.bare)


def _entry(data: dict[str, Any]) -> _Entry:
    return _Entry(
        data["event"],
        re.compile(data["pattern"]),
        bool(data.get("keep")),
        data.get("note", ""),
        data.get("module") or data.get("connection") or "",
        (("provider", data["provider"]),) if "provider" in data else (),
        bool(data.get("bare")),
    )


@cache
def _data() -> dict[str, list[Any]]:
    text = files("forensics.formats").joinpath("tunnel_messages.yml").read_text(encoding="utf-8")
    loaded: dict[str, list[Any]] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded


@cache
def _by_letter(part: str) -> dict[str, tuple[_Entry, ...]]:
    """The entries of a part by the first letter they can begin with; "" holds those that begin with anything."""
    entries = [_entry(item) for item in _data()[part]]
    letters = {entry.pattern.pattern[0] for entry in entries if entry.pattern.pattern[0].isalpha()}
    table = {letter: tuple(entry for entry in entries if _can_begin(entry, letter)) for letter in letters}
    table[""] = tuple(entry for entry in entries if not entry.pattern.pattern[0].isalpha())
    return table


def _can_begin(entry: _Entry, letter: str) -> bool:
    pattern = entry.pattern.pattern
    # A pattern with alternatives at the top level, or one that begins with a group or wildcard, may begin with any.
    return not pattern[0].isalpha() or "|" in pattern or pattern[0] == letter


def meaning(part: str, text: str, condition: str = "") -> Meaning:
    """What `text` means by the `cli` or `server` part; `condition` is the module or connection it came with."""
    text = text[:MATCH_LIMIT]
    table = _by_letter(part)
    for entry in table.get(text[:1], table[""] + _alternatives(part)):
        if entry.condition in ("", condition) and (found := entry.match(text)):
            return found
    return UNKNOWN


def bare_meaning(part: str, text: str) -> Meaning:
    """What a line without a stamp means by itself; UNKNOWN unless it is one of those that are printed so.

    Most lines of this kind only continue another one, so few patterns are tried.
    """
    text = text[:MATCH_LIMIT]
    table = _bare(part)
    if any(entry.match(text) for entry in table.get(text[:1], table[""])):
        found = meaning(part, text)
        return found if found.bare else UNKNOWN
    return UNKNOWN


@cache
def _bare(part: str) -> dict[str, tuple[_Entry, ...]]:
    table = {letter: tuple(entry for entry in found if entry.bare) for letter, found in _by_letter(part).items()}
    loose = (entry for entry in _alternatives(part) if entry.bare)
    return table | {"": tuple(dict.fromkeys((*table[""], *loose)))}


@cache
def _alternatives(part: str) -> tuple[_Entry, ...]:
    entries = {id(entry): entry for bucket in _by_letter(part).values() for entry in bucket}
    return tuple(entry for entry in entries.values() if "|" in entry.pattern.pattern)


@cache
def _banners() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(text) for text in _data()["banner"])


def is_banner(text: str) -> bool:
    """Whether this is a line of the licence banner that the CLI and the server print first."""
    return any(pattern.fullmatch(text[:MATCH_LIMIT]) for pattern in _banners())
