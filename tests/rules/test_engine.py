"""The rule engine, and every scoring rule's own examples."""

from __future__ import annotations

import pytest

from forensics.rules import load
from forensics.rules.engine import Hit, Rule, hits, make_rule, rules_of, total
from forensics.sessions.persistence_scored import known_entry

SECTIONS = [
    ("sandbox", "config_rules"),
    ("sandbox", "session_rules"),
    ("tunnel", "rules"),
    ("persistence", "rules"),
    ("autoruns", "rules"),
    ("targets", "rules"),
    ("antiforensics", "rules"),
    ("group", "findings"),
    ("tools", "findings"),
    ("attacks", "findings"),
]
RULES = [rule for name, section in SECTIONS for rule in rules_of(name, section)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
class TestEachRule:
    def test_example_matches(self, rule: Rule) -> None:
        assert rule.matches(rule.example)

    def test_counterexample_does_not(self, rule: Rule) -> None:
        assert not rule.matches(rule.counterexample)

    def test_sentence_fills_in(self, rule: Rule) -> None:
        (hit,) = hits([rule], rule.example)
        assert "{" not in hit.why
        assert hit.weight == rule.weight > 0

    def test_attack_ids(self, rule: Rule) -> None:
        assert all(item[0] == "T" and item[1:].replace(".", "").isdecimal() for item in rule.attack)


def test_rule_ids_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("item", load("persistence")["known"], ids=lambda item: item["name"])
def test_known_entries(item: dict[str, dict[str, str]]) -> None:
    assert known_entry(item["example"]) == item["name"]
    assert known_entry(item["counterexample"]) is None


def _rule(when: object, unless: object = None) -> Rule:
    return make_rule(
        {
            "id": "X",
            "weight": 1,
            "why": "x {a} {gone}",
            "when": when,
            "unless": unless,
            "example": {},
            "counterexample": {},
        }
    )


@pytest.mark.parametrize(
    ("when", "facts", "expected"),
    [
        ({"a": "X"}, {"a": "x"}, True),
        ({"a": "x"}, {}, False),
        ({"a": "x"}, {"a": None}, False),
        ({"a": True}, {"a": True}, True),
        ({"a": True}, {"a": "true"}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": ["x", "y"]}, {"a": "Y"}, True),
        ({"a|contains": "ell"}, {"a": ("no", "HELLO")}, True),
        ({"a|startswith": "c:"}, {"a": "C:\\x"}, True),
        ({"a|endswith": ".bat"}, {"a": "x.BAT"}, True),
        ({"a|re": "^b"}, {"a": "ab"}, False),
        ({"a|gte": 2}, {"a": 2}, True),
        ({"a|gte": 2}, {"a": 1}, False),
        ({"a|exists": True}, {"a": ""}, False),
        ({"a|exists": False}, {"a": ()}, True),
        ({"a|exists": True}, {"a": False}, True),
        ([{"a": "x", "b": "y"}, {"c": "z"}], {"c": "z"}, True),
        ([{"a": "x", "b": "y"}, {"c": "z"}], {"a": "x"}, False),
    ],
)
def test_conditions(when: object, facts: dict[str, object], expected: bool) -> None:
    assert _rule(when).matches(facts) is expected


def test_unless_switches_off() -> None:
    rule = _rule({"a": "x"}, [{"b": "y"}])
    assert rule.matches({"a": "x"})
    assert not rule.matches({"a": "x", "b": "y"})


def test_an_unknown_modifier_is_an_error() -> None:
    with pytest.raises(KeyError):
        _rule({"a|nothing": "x"}).matches({"a": "x"})


def test_total_is_capped() -> None:
    assert total([Hit("a", 70, "", ()), Hit("b", 60, "", ())]) == 100
    assert total([]) == 0


def test_sentence_names_what_is_not_known() -> None:
    (hit,) = hits([_rule({"a": "1"})], {"a": "1"})
    assert str(hit) == "X (+1): x 1 unknown"


def test_the_sentence_tells_what_was_found_where_facts_are_in_another_form() -> None:
    (hit,) = hits([_rule({"a": "c:\\x"})], {"a": "C:\\X"}, {"a": "C:/x"})
    assert hit.why == "x C:/x unknown"


@pytest.mark.parametrize(
    ("when", "fits"),
    [({"a": "x", "b": "y"}, True), ({"a": "z"}, False), ({"b": "y"}, True), ([{"a": "z"}, {"a": "x"}], True),
     ({"a": "x", "a|re": "^z"}, False)],
)  # fmt: skip
def test_rules_that_one_fact_rules_out(when: object, fits: bool) -> None:
    assert _rule(when).may_match("a", "x") is fits


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("C:\\Windows\\System32\\python.exe -i C:\\Users\\Public\\x.py --fast", "C:\\Users\\Public\\x.py"),
        ('"C:\\Program Files\\p.exe" "C:\\ProgramData\\a b\\x.dat" -v', "C:\\ProgramData\\a b\\x.dat"),
        ("rundll32.exe /in=C:\\ProgramData\\x.dll", "C:\\ProgramData\\x.dll"),
        ("C:\\Users\\Public\\a.exe", "C:\\Users\\Public\\a.exe"),
        ("cmd /c %public%\\a.bat", "%public%\\a.bat"),
    ],
)
def test_a_reason_names_the_path_that_its_pattern_met(command: str, path: str) -> None:
    (hit,) = [hit for hit in hits(rules_of("persistence"), {"command": command}) if hit.rule == "PER-04"]
    assert hit.why == f"what it runs or hands over lies where everybody can write: {path}"
