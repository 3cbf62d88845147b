"""The scoring rules: named conditions over a flat dict, written as data with an example each way.

A rule in YAML:

    - id: WSB-07
      weight: 20                      # points; a sum is capped at 100
      why: "lies in {path}"           # str.format over the facts; {x_path}: the path that `x|re` met in the text x
      attack: [T1564.006]             # ATT&CK ids that a match adds
      when: {path|contains: [...]}    # a mapping: all must hold; a list of mappings: one of them must
      unless: {...}                   # as `when`; a match switches the rule off
      example: {...}                  # facts that match
      counterexample: {...}           # facts that do not

A condition is `field` or `field|modifier`; the words are Sigma's: `contains`, `startswith`, `endswith`, `re`, `gte`,
`exists`; ours is `resembles`: one sign apart from one of the names, of the same ending. Texts compare case-
insensitively, a list of wanted values means any of them, a tuple among the facts matches when one of its members does.
An absent fact matches nothing but `exists: false`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from forensics.rules import load
from forensics.rules.resembling import one_sign_apart

Facts = Mapping[str, Any]
_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True)
class Condition:
    """One `field|modifier` with what is wanted, ready to be asked."""

    name: str
    holds: Callable[[Any], bool]
    pattern: re.Pattern[str] | None = None  # of `re`


@dataclass(frozen=True, slots=True)
class Rule:
    """One scoring rule; see the module's text for what its parts mean."""

    id: str
    weight: int
    why: str
    attack: tuple[str, ...]
    when: tuple[tuple[Condition, ...], ...]
    unless: tuple[tuple[Condition, ...], ...]
    example: Facts
    counterexample: Facts

    def matches(self, facts: Facts) -> bool:
        """Whether the facts fulfil the rule."""
        return _any_of(self.when, facts) and not _any_of(self.unless, facts)

    def may_match(self, name: str, value: object) -> bool:
        """Whether the rule can be fulfilled by facts of which only this one is known."""
        return any(all(part.holds(value) for part in parts if part.name == name) for parts in self.when)


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that matched, with its sentence filled in."""

    rule: str
    weight: int
    why: str
    attack: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.rule} (+{self.weight}): {self.why}"


def make_rule(item: Mapping[str, Any]) -> Rule:
    """A rule out of its YAML mapping. Raises KeyError for a missing part or an unknown modifier."""
    return Rule(
        item["id"],
        item["weight"],
        item["why"],
        tuple(item.get("attack", ())),
        _alternatives(item["when"]),
        _alternatives(item.get("unless")),
        item["example"],
        item["counterexample"],
    )


@cache
def rules_of(name: str, section: str = "rules") -> tuple[Rule, ...]:
    """The rules in one section of `rules/<name>.yml`, in file order."""
    return tuple(make_rule(item) for item in load(name)[section])


def hits(rules: Iterable[Rule], facts: Facts, told: Facts | None = None) -> list[Hit]:
    """The rules that the facts fulfil, in the order of the rules; `told` is how facts stand in their sentences."""
    found = [rule for rule in rules if rule.matches(facts)]
    told = told or {}
    return [Hit(rule.id, rule.weight, rule.why.format_map(_words(rule, facts, told)), rule.attack) for rule in found]


def _words(rule: Rule, facts: Facts, told: Facts) -> _Known:
    """The facts as text; of a list that a condition is about, only the items that fulfil it are named."""
    words = _Known({name: _shown(value) for name, value in {**facts, **told}.items()})
    for condition in (item for group in rule.when for item in group):
        value = facts.get(condition.name)
        if isinstance(value, tuple | list):
            fitting = [item for item in value if condition.holds(item)]
            if fitting:
                words[condition.name] = _shown(fitting)
        if isinstance(value, str) and condition.pattern and (place := _path_at(value, condition.pattern)):
            words[f"{condition.name}_path"] = place
    return words


def _path_at(text: str, pattern: re.Pattern[str]) -> str:
    """The path in a command line that a pattern met: from the quote or the space before it to the next one."""
    met = pattern.search(text[:_LIMIT])
    if met is None:
        return ""
    at = next((place for place in range(met.start(), met.end()) if text[place] not in ' \t"='), met.start())
    quoted = text.count('"', 0, at) % 2 == 1
    ends = '"' if quoted else ' \t"'
    first = max(text.rfind(mark, 0, at) for mark in (ends if quoted else ends + "="))
    last = min((place for mark in ends if (place := text.find(mark, at)) >= 0), default=len(text))
    return text[first + 1 : last].strip()


def capped(found: Iterable[Hit]) -> str | None:
    """The sentence for a sum beyond 100, which the score is cut to; None when it is not."""
    points = sum(hit.weight for hit in found)
    return f"the reasons add up to {points}; the score is cut to 100" if points > 100 else None


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


def _alternatives(value: Facts | list[Facts] | None) -> tuple[tuple[Condition, ...], ...]:
    """`when` or `unless`: a mapping, or a list of which one must hold."""
    if value is None:
        return ()
    items = value if isinstance(value, list) else [value]
    return tuple(tuple(_condition(key, wanted) for key, wanted in item.items()) for item in items)


def _condition(key: str, wanted: object) -> Condition:
    name, _, modifier = key.partition("|")
    if modifier == "exists":
        return Condition(name, lambda value: (value not in (None, "", ())) is bool(wanted))
    values = wanted if isinstance(wanted, list) else [wanted]
    return Condition(name, _any_value(_MODIFIERS[modifier](values)), _pattern(values) if modifier == "re" else None)


def _any_value(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """The test over each member of a tuple; an absent value passes none."""

    def holds(value: object) -> bool:
        if value is None:
            return False
        return any(map(test, value)) if isinstance(value, tuple | list) else test(value)

    return holds


def _any_of(alternatives: tuple[tuple[Condition, ...], ...], facts: Facts) -> bool:
    return any(all(part.holds(facts.get(part.name)) for part in parts) for parts in alternatives)


def _fold(value: object) -> str:
    return str(value)[:_LIMIT].casefold()


def _same(wanted: list[Any]) -> Callable[[Any], bool]:
    truths = [item for item in wanted if isinstance(item, bool)]
    texts = {_fold(item) for item in wanted if not isinstance(item, bool)}
    return lambda value: value in truths if isinstance(value, bool) else _fold(value) in texts


def _contains(wanted: list[Any]) -> Callable[[Any], bool]:
    texts = [_fold(item) for item in wanted]

    def test(value: object) -> bool:
        text = _fold(value)
        return any(part in text for part in texts)

    return test


def _at_end(method: str) -> Callable[[list[Any]], Callable[[Any], bool]]:
    def made(wanted: list[Any]) -> Callable[[Any], bool]:
        texts = tuple(_fold(item) for item in wanted)
        return lambda value: bool(getattr(_fold(value), method)(texts))

    return made


def _pattern(wanted: list[Any]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{item})" for item in wanted), re.IGNORECASE)


def _search(wanted: list[Any]) -> Callable[[Any], bool]:
    pattern = _pattern(wanted)
    return lambda value: pattern.search(str(value)[:_LIMIT]) is not None


def _resembles(wanted: list[Any]) -> Callable[[Any], bool]:
    names = {_fold(item) for item in wanted}
    stems = [name.rpartition(".")[::2] for name in names]

    def test(value: object) -> bool:
        name = _fold(value)
        stem, _, ending = name.rpartition(".")
        return name not in names and any(ending == last and one_sign_apart(stem, first) for first, last in stems)

    return test


def _at_least(wanted: list[Any]) -> Callable[[Any], bool]:
    least = min(wanted)
    return lambda value: isinstance(value, int) and value >= least


_MODIFIERS: dict[str, Callable[[list[Any]], Callable[[Any], bool]]] = {
    "": _same,
    "contains": _contains,
    "startswith": _at_end("startswith"),
    "endswith": _at_end("endswith"),
    "re": _search,
    "gte": _at_least,
    "resembles": _resembles,
}
