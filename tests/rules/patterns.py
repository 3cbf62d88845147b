"""Texts that a pattern matches, made out of the pattern itself, and every pattern of the rules' data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from forensics.rules import autoruns, load

_PARSER = import_module("re._parser")
_CATEGORIES = {"CATEGORY_DIGIT": "1", "CATEGORY_WORD": "w", "CATEGORY_SPACE": " ", "CATEGORY_NOT_SPACE": "x",
               "CATEGORY_NOT_DIGIT": "x", "CATEGORY_NOT_WORD": " "}  # fmt: skip
_NEEDS = re.compile(r"[\\^$(\[|*+]")
_PLAIN = frozenset({"why", "example", "counterexample", "id", "name", "what", "detail", "text"})


def samples(pattern: str, most: int = 24) -> list[str]:
    """Texts that the pattern matches as a whole: each branch once, each repetition at its least and a little more."""
    tree = _PARSER.parse(pattern, re.IGNORECASE)
    found = (_text(tree, choice, more) for choice in range(most // 2) for more in (0, 1))
    return [text for text in dict.fromkeys(found) if re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL)]


def _text(tree: Any, choice: int, more: int) -> str:
    return "".join(_part(str(kind), value, choice, more) for kind, value in tree)


def _part(kind: str, value: Any, choice: int, more: int) -> str:
    if kind == "LITERAL":
        return chr(value)
    if kind == "NOT_LITERAL":
        return "x" if chr(value) != "x" else "y"
    if kind == "ANY":
        return "x"
    if kind == "IN":
        return _member(value)
    if kind == "BRANCH":
        branches = value[1]
        return _text(branches[choice % len(branches)], choice, more)
    if kind == "SUBPATTERN":
        return _text(value[3], choice, more)
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        least, highest, part = value
        return _text(part, choice, more) * min(int(highest), int(least) + more)
    return ""  # anchors and what is looked at


def _member(value: Any) -> str:
    kinds = [(str(kind), item) for kind, item in value]
    if kinds[0][0] == "NEGATE":
        return next(sign for sign in "xy1 " if not re.match(_class(kinds[1:]), sign))
    kind, item = kinds[0]
    if kind == "RANGE":
        return chr(item[0])
    return _CATEGORIES[str(item)] if kind == "CATEGORY" else chr(item)


def _class(kinds: list[tuple[str, Any]]) -> str:
    words = {"CATEGORY_SPACE": "\\s", "CATEGORY_WORD": "\\w", "CATEGORY_DIGIT": "\\d"}
    parts = []
    for kind, item in kinds:
        if kind == "RANGE":
            parts.append(f"{re.escape(chr(item[0]))}-{re.escape(chr(item[1]))}")
        else:
            parts.append(words[str(item)] if kind == "CATEGORY" else re.escape(chr(item)))
    return f"[{''.join(parts)}]"


def of_file(name: str) -> Iterator[tuple[str, str]]:
    """(which, pattern) of every text in a rules file that is a regular expression."""
    yield from dict.fromkeys((f"{name} {which}", pattern) for which, pattern in _walk(load(name), ""))


def _walk(part: Any, which: str) -> Iterator[tuple[str, str]]:
    if isinstance(part, dict):
        which = str(part.get("id") or part.get("name") or part.get("what") or which)
        for key, value in part.items():
            if key not in _PLAIN:
                yield from _walk(value, f"{which} {key}" if isinstance(value, str) else which)
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _walk(item, which)
    elif isinstance(part, str) and _NEEDS.search(part):
        yield which, autoruns.expanded(part)
