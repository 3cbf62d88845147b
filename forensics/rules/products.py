r"""Autostarts of widespread products that general rules take for something worse, as data (`products.yml`).

A product is known by mechanism, place, name and the whole command together: its program in the folder where the vendor
installs it, the arguments that the vendor gives. Signatures are not checked, so a known product still weighs something,
more where users can write to its folder, and its reason says on what it rests. Nothing is dropped.

What a command cannot show is not excused: a name hidden from regedit, program text handed to MSBuild, what the $MFT
says of the file, a library that the command does not name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from forensics.rules import load
from forensics.rules.engine import Hit, hits, rules_of, total

_LONGEST = 1024  # characters: no command here is as long; profiles are told up to twice that
# A second command, the way out of a folder, cmd's escapes, what another line or a NUL hides.
_FOREIGN = re.compile(r"[&|;<>^`\r\n\x00]|(?:^|[\\/\s\"])\.\.(?:[\\/\s\"]|$)")
# Where the command is no command line: lines of a script, an extension and its address.
_OTHERWISE = {"powershell_profile": re.compile(r"\.\.|\x00"), "browser_policy": re.compile(r"[&|<>^`\s\x00]|\.\.")}
_OUTSIDE = ("hidden", "inline_task", "table_note")
_NAME = r"[\w+()~.-]+(?: [\w+()~.-]+)*"  # of a folder or file, also with spaces
_USER = rf"[a-z]:\\users\\(?!public\\){_NAME}"
_WORDS = {
    "<name>": _NAME,
    "<word>": r"[\w+()~.{}-]+",
    "<sub>": rf"(?:{_NAME}\\){{0,4}}",
    "<version>": r"\d+(?:\.\d+){0,4}",
    "<sys>": r"(?:(?:%systemroot%|%windir%|[a-z]:\\windows)\\(?:system32|syswow64)\\)?",
    "<system>": r"(?:%systemroot%|%windir%|[a-z]:\\windows)\\(?:system32|syswow64)\\",
    "<programs>": r"(?:[a-z]:\\program files(?: \(x86\))?|%programfiles(?:\(x86\))?%|%programw6432%)",
    "<data>": r"(?:[a-z]:\\programdata|%programdata%|%allusersprofile%)",
    "<user>": _USER,
    "<local>": rf"(?:{_USER}\\appdata\\local|%localappdata%)",
    "<roaming>": rf"(?:{_USER}\\appdata\\roaming|%appdata%)",
    # A name that only an organisation's own network resolves: one word, or below a domain that nobody can register.
    "<inside>": r"(?:[a-z0-9-]*[a-z][a-z0-9-]*|(?:[a-z0-9-]+\.)+(?:local|lan|corp|intra|intranet|internal))",
}
_WORD = re.compile("|".join(map(re.escape, _WORDS)))


@dataclass(frozen=True, slots=True)
class _Product:
    what: str
    kind: str
    mechanisms: frozenset[str]
    place: re.Pattern[str]
    entry: re.Pattern[str]
    command: re.Pattern[str]
    remark: re.Pattern[str]


def quieted(command: str, facts: Mapping[str, Any], found: list[Hit]) -> list[Hit]:
    """What rules found of an entry, or the one reason of a known product where that weighs less.

    `command` is the command as it was found, `facts` are those of rules/persistence.yml.
    """
    if not found or any(facts.get(name) for name in _OUTSIDE):
        return found
    known = product({**facts, "command": command})
    ours = hits(rules_of("products"), {**facts, **known, "command": command}) if known else []
    return ours if ours and total(ours) < total(found) else found


def product(facts: Mapping[str, Any]) -> dict[str, str] | None:
    """The facts `product` and `product_kind` of an entry of a known product; None for any other."""
    mechanism, name, location, remark = (
        str(facts.get(part) or "") for part in ("mechanism", "name", "location", "remark")
    )
    line = str(facts.get("command") or "").strip()
    if len(line) > _LONGEST or _odd(line, mechanism) or not _named(str(facts.get("library") or ""), line):
        return None
    for item in _products():
        if mechanism in item.mechanisms and item.entry.fullmatch(name) and _fits(item.command, line, name):
            # A log names key and value where a hive's row has the item of a list.
            placed = item.place.search(location) or item.place.search(f"{location}\\{name}")
            if placed and item.remark.search(remark):
                return {"product": item.what, "product_kind": item.kind}
    return None


def _fits(pattern: re.Pattern[str], line: str, name: str) -> bool:
    """Whether the command is the product's; what its group `own` meets has to be in the entry's name."""
    met = pattern.fullmatch(line)
    return met is not None and (met.groupdict().get("own") or "").casefold() in name.casefold()


def _odd(line: str, mechanism: str) -> bool:
    """Whether a command holds what no product's does."""
    return _OTHERWISE.get(mechanism, _FOREIGN).search(line) is not None


def _named(library: str, command: str) -> bool:
    """Whether a library that another artifact resolved is the one that the command names, or there is none."""
    return not library or library.casefold() in command.casefold() or "\\" not in library


@cache
def _products() -> Sequence[_Product]:
    return tuple(_read(item) for item in load("products")["products"])


def _read(item: Mapping[str, Any]) -> _Product:
    mechanisms = item["mechanism"] if isinstance(item["mechanism"], list) else [item["mechanism"]]
    parts = (_pattern(item.get(part, "")) for part in ("place", "entry", "command", "remark"))
    return _Product(item["what"], item["kind"], frozenset(mechanisms), *parts)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(_WORD.sub(lambda match: _WORDS[match.group()], text), re.IGNORECASE)
