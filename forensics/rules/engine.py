"""The scoring rules: named conditions over a flat dict, written as data with an example each way.

A rule in YAML:

    - id: WSB-07
      weight: 20                      # points; a sum is capped at 100
      why: "lies in {path}"           # str.format over the facts
      attack: [T1564.006]             # ATT&CK ids that a match adds
      when: {path|contains: [...]}    # a mapping: all must hold; a list of mappings: one of them must
      unless: {...}                   # as `when`; a match switches the rule off
      example: {...}                  # facts that match
      counterexample: {...}           # facts that do not

A condition is `field` or `field|modifier`; the words are Sigma's: `contains`, `startswith`, `endswith`, `re`, `gte`,
`exists`. Texts compare case-insensitively, a list of wanted values means any of them, a tuple among the facts matches
when one of its members does. An absent fact matches nothing but `exists: false`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from forensics.rules import load

Facts = Mapping[str, Any]
_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """One scoring rule; see the module's text for what its parts mean."""

    id: str
    weight: int
    why: str
    attack: tuple[str, ...]
    when: tuple[Facts, ...]
    unless: tuple[Facts, ...]
    example: Facts
    counterexample: Facts

    def matches(self, facts: Facts) -> bool:
        """Whether the facts fulfil the rule."""
        return _any_of(self.when, facts) and not _any_of(self.unless, facts)


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that matched, with its sentence filled in."""

    rule: str
    weight: int
    why: str
    attack: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.rule} (+{self.weight}): {self.why}"


def _mappings(value: object) -> tuple[Facts, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)  # type: ignore[return-value]


@cache
def rules_of(name: str, section: str = "rules") -> tuple[Rule, ...]:
    """The rules in one section of `rules/<name>.yml`, in file order."""
    return tuple(
        Rule(
            item["id"],
            item["weight"],
            item["why"],
            tuple(item.get("attack", ())),
            _mappings(item["when"]),
            _mappings(item.get("unless")),
            item["example"],
            item["counterexample"],
        )
        for item in load(name)[section]
    )


def hits(rules: Iterable[Rule], facts: Facts) -> list[Hit]:
    """The rules that the facts fulfil, in the order of the rules."""
    shown = {name: _shown(value) for name, value in facts.items()}
    return [
        Hit(rule.id, rule.weight, rule.why.format_map(_Known(shown)), rule.attack)
        for rule in rules
        if rule.matches(facts)
    ]


def total(found: Iterable[Hit]) -> int:
    """The sum of the weights, between 0 and 100."""
    return max(0, min(100, sum(hit.weight for hit in found)))


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "unknown"


def _shown(value: object) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(str(item) for item in value)
    return str(value)


def _any_of(alternatives: tuple[Facts, ...], facts: Facts) -> bool:
    return any(all(_holds(key, wanted, facts) for key, wanted in item.items()) for item in alternatives)


def _holds(key: str, wanted: object, facts: Facts) -> bool:
    name, _, modifier = key.partition("|")
    value = facts.get(name)
    if modifier == "exists":
        return (value not in (None, "", ())) is bool(wanted)
    if value is None:
        return False
    test = _TESTS[modifier]
    values = value if isinstance(value, tuple | list) else (value,)
    options = wanted if isinstance(wanted, list) else [wanted]
    return any(test(item, option) for item in values for option in options)


def _fold(value: object) -> str:
    return str(value)[:_LIMIT].casefold()


def _same(value: object, wanted: object) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return _fold(value) == _fold(wanted)


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "": _same,
    "contains": lambda value, wanted: _fold(wanted) in _fold(value),
    "startswith": lambda value, wanted: _fold(value).startswith(_fold(wanted)),
    "endswith": lambda value, wanted: _fold(value).endswith(_fold(wanted)),
    "re": lambda value, wanted: re.search(wanted, str(value)[:_LIMIT], re.IGNORECASE) is not None,
    "gte": lambda value, wanted: isinstance(value, int) and value >= wanted,
}
