"""Which files of a $MFT or change journal are told (rules/filesystem.yml).

Asked for every record of a journal, so a folder's rules are found once and then remembered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from typing import Any

from forensics.rules import load

CREATED, DELETED, RENAMED, WRITTEN, LINKED = "created", "deleted", "renamed", "written", "linked"
_USUAL = (CREATED, DELETED, RENAMED)


@dataclass(frozen=True, slots=True)
class FileRule:
    """One rule; see the head of the YAML file for what its parts mean."""

    id: str
    what: str
    names: re.Pattern[str]
    folders: tuple[str, ...]
    unless: tuple[str, ...]
    actions: frozenset[str]
    context: bool
    content: bool
    rooted: bool
    example: str
    counterexample: str

    def holds_in(self, folder: str) -> bool:
        """Whether the rule applies in a folder (folded, with a backslash at both ends)."""
        inside = not self.folders or any(_lies(folder, text) for text in self.folders)
        return inside and not any(_lies(folder, text) for text in self.unless)


def _lies(folder: str, text: str) -> bool:
    return folder.endswith(text[:-1]) if text.endswith("\\$") else text in folder


def _glob(pattern: str) -> str:
    return "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)


def names_of(globs: Iterable[str]) -> re.Pattern[str]:
    """The pattern of some globs (`*` and `?`), to match a folded name wholly."""
    return re.compile("|".join(f"(?:{_glob(text.casefold())})" for text in globs), re.DOTALL)


def _rule(item: Mapping[str, Any]) -> FileRule:
    return FileRule(
        item["id"],
        item["what"],
        names_of(item.get("names", ["*"])),
        tuple(text.casefold() for text in item.get("folders", ())),
        tuple(text.casefold() for text in item.get("unless", ())),
        frozenset(item.get("actions", _USUAL)),
        bool(item.get("context", False)),
        bool(item.get("content", False)),
        bool(item.get("rooted", False)),
        item["example"],
        item["counterexample"],
    )


@cache
def file_rules() -> tuple[FileRule, ...]:
    """The rules in the order of the file."""
    return tuple(_rule(item) for item in load("filesystem")["rules"])


@cache
def _any_name(idents: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for the names of several rules: most files of a volume fail it and are done with."""
    patterns = [f"(?:{rule.names.pattern})" for rule in file_rules() if rule.id in idents]
    return re.compile("|".join(patterns) or r"(?!)", re.DOTALL)


@lru_cache(maxsize=65536)
def _rules_in(folder: str) -> tuple[re.Pattern[str], tuple[FileRule, ...]]:
    """The rules that apply in a folder, whatever the file's name, and a pattern for all their names."""
    text = "\\" + folder.casefold().strip("\\") + "\\"
    whole = folder.startswith("\\")
    rules = tuple(rule for rule in file_rules() if rule.holds_in(text) and (whole or not rule.rooted))
    return _any_name(tuple(rule.id for rule in rules)), rules


@cache
def folder_rule() -> FileRule:
    """The rule of files that are told for the folder they lie in: a sandbox could write to it."""
    item = load("filesystem")["second_look"]
    anything = [CREATED, DELETED, RENAMED, WRITTEN, LINKED]
    return _rule({"id": item["id"], "what": item["what"], "actions": anything, "example": "", "counterexample": ""})


@cache
def _scripts() -> re.Pattern[str]:
    return names_of(load("filesystem")["second_look"]["scripts"])


def is_script(folder: str, name: str) -> bool:
    """Whether a file is a script, whose content is wanted from a folder that a sandbox was given."""
    if _scripts().fullmatch(name.casefold()) is None:
        return False
    place = folder.casefold() + "\\"
    return not any(text in place for text in load("filesystem")["second_look"]["unless"])


@cache
def _payloads() -> tuple[str, ...]:
    return tuple(f".{name}" for name in load("sandbox")["payloads"])


def is_payload(name: str) -> bool:
    """Whether a file's name is that of a program, a script or an archive."""
    return name.casefold().endswith(_payloads())


@cache
def before_start() -> timedelta:
    """From how long before a sandbox's start on the scripts in its folders are wanted."""
    return timedelta(days=load("filesystem")["second_look"]["days_before"])


def rule_for(folder: str, name: str) -> FileRule | None:
    """The first rule for a file called `name` in `folder` (a path with backslashes, perhaps only its end)."""
    names, rules = _rules_in(folder)
    folded = name.casefold()
    if not names.fullmatch(folded):
        return None
    return next((rule for rule in rules if rule.names.fullmatch(folded)), None)
