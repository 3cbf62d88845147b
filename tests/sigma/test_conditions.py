"""Conditions: how their words bind, and what they cannot say of a single event."""

from __future__ import annotations

import pytest

from forensics.sigma.conditions import Expression, Join, Name, parse
from forensics.sigma.errors import UnsupportedError

NAMES = ["sel_a", "sel_b", "filter", "_hidden"]


def value(found: Expression, true: set[str]) -> bool:
    if isinstance(found, Name):
        return found.name in true
    if found.word == "not":
        return not value(found.parts[0], true)
    assert isinstance(found, Join)
    return (all if found.word == "and" else any)(value(part, true) for part in found.parts)


@pytest.mark.parametrize(
    ("text", "true", "expected"),
    [
        ("sel_a", {"sel_a"}, True),
        ("sel_a and not filter", {"sel_a", "filter"}, False),
        ("sel_a or sel_b and filter", {"sel_a"}, True),  # and before or
        ("(sel_a or sel_b) and filter", {"sel_a"}, False),
        ("not sel_a and sel_b", {"sel_b"}, True),  # not before and
        ("not not sel_a", {"sel_a"}, True),
        ("1 of sel_*", {"sel_b"}, True),
        ("all of sel_*", {"sel_b"}, False),
        ("all of sel_* and not 1 of filter*", {"sel_a", "sel_b"}, True),
        ("1 of them", {"_hidden"}, False),  # an underscore keeps it out of `them`
        ("all of them", {"sel_a", "sel_b", "filter"}, True),
        ("NOT sel_a OR sel_b", set(), True),
        ("any of sel_*", {"sel_a"}, True),
    ],
)
def test_meaning(text: str, true: set[str], expected: bool) -> None:
    assert value(parse(text, NAMES), true) is expected


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("sel_a | count() > 5", "aggregation"),
        ("sel_a | near sel_b", "near"),
        ("unknown", "condition not understood"),
        ("2 of sel_*", "condition not understood"),
        ("1 of nothing*", "condition not understood"),
        ("sel_a and", "condition not understood"),
        ("(sel_a", "condition not understood"),
        ("sel_a)", "condition not understood"),
        ("sel_a sel_b", "condition not understood"),
        ("", "condition not understood"),
        ("(" * 60 + "sel_a" + ")" * 60, "condition nested too deeply"),
        ("sel_a or " * 2_000 + "sel_a", "condition too long"),
    ],
)
def test_what_is_refused_says_why(text: str, group: str) -> None:
    with pytest.raises(UnsupportedError) as told:
        parse(text, NAMES)
    assert told.value.group == group
