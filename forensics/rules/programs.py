"""Which program of VS Code a program is, by its name, path and the files that it loaded (rules/programs.yml)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from forensics.rules import load


class Role(NamedTuple):
    """What a program is, why, and whether that alone makes its rows worth keeping."""

    name: str
    reason: str
    watched: bool


class _Rule(NamedTuple):
    role: Role
    name: re.Pattern[str] | None
    files: re.Pattern[str] | None
    without: re.Pattern[str] | None


@cache
def _rules() -> tuple[_Rule, ...]:
    return tuple(
        _Rule(
            Role(row["role"], row["why"], row["watched"]),
            *(re.compile(row[part]) if part in row else None for part in ("name", "files", "without")),
        )
        for row in load("programs")["roles"]
    )


def role_of(name: str, files: Iterable[str] = ()) -> Role | None:
    """The role of a program of this file name that loaded `files` (its own path among them), None when it has none."""
    lowered, loaded = name.casefold(), [item[:4096].casefold() for item in files]
    for rule in _rules():
        if rule.name and not rule.name.fullmatch(lowered):
            continue
        if rule.files and not any(rule.files.search(item) for item in loaded):
            continue
        if rule.without and any(rule.without.search(item) for item in loaded):
            continue
        return rule.role
    return None
