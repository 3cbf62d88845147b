"""Known products: each by its own example alone, and nothing that an attacker puts around it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from forensics.locales.japanese import japanese
from forensics.rules import load
from forensics.rules.engine import Hit, rules_of, total
from forensics.rules.products import product, quieted

ITEMS: list[dict[str, Any]] = load("products")["products"]
COMMANDED = [item for item in ITEMS if item["command"]]
BEHIND = (
    " & C:\\a.exe", "&calc", " | cmd", "\ncalc.exe", "\niex $x", " C:\\Users\\Public\\a.exe", " \\\\192.0.2.7\\a\\a",
    ";calc", " > C:\\a", "\x00", " %TEMP%\\a.exe", " /i:http://192.0.2.7/a", ",C:\\a.dll", ' "C:\\ProgramData\\a.exe"',
)  # fmt: skip
_FOLDER = re.compile(
    r"(?:C:\\Program Files(?: \(x86\))?|C:\\ProgramData|C:\\Windows\\system32|C:\\Users\\dev|%windir%\\system32)\\",
    re.IGNORECASE,
)
_LAST = re.compile(r"\\(?=[\w.+-]+\.(?:exe|dll|sys|bat|scr|cmd|ps1|ini|yml)\b)", re.IGNORECASE)


def named(item: dict[str, Any]) -> Any:
    return pytest.param(item, id=f"{item['mechanism']}-{item['example']['name']}")


@pytest.mark.parametrize("item", [*map(named, ITEMS)])
def test_example_and_counterexample(item: dict[str, Any]) -> None:
    assert product(item["example"]) == {"product": item["what"], "product_kind": item["kind"]}
    assert product(item["counterexample"]) is None


def test_each_kind_has_one_rule_that_stays_below_what_counts() -> None:
    rules = rules_of("products")
    for rule in rules:
        assert rule.matches(rule.example)
        assert not rule.matches(rule.counterexample)
        assert 0 < rule.weight <= 25
    kinds = {item["kind"] for item in ITEMS}
    assert sorted(str(rule.example["product_kind"]) for rule in rules) == sorted(kinds)


@pytest.mark.parametrize("what", sorted({item["what"] for item in ITEMS}))
def test_every_product_has_its_words_in_japanese(what: str) -> None:
    assert japanese(what) != what
    hit = Hit("PRD-01", 5, f"known product by place and name, not by signature: {what}", ())
    assert japanese(what) in japanese(str(hit))


def elsewhere(command: str) -> Iterator[str]:
    """The command with one of its folders changed for another, or left by `..`."""
    for place in _FOLDER.finditer(command):
        for folder in ("C:\\Users\\Public\\", "C:\\ProgramData\\Kit\\", "C:\\Windows\\Temp\\", "\\\\192.0.2.7\\c\\"):
            yield command[: place.start()] + folder + command[place.end() :]
    for place in _LAST.finditer(command):
        for way in ("\\..\\", "\\..\\..\\Users\\Public\\", "/../"):
            yield command[: place.start()] + way + command[place.end() :]


@pytest.mark.parametrize("item", [*map(named, COMMANDED)])
def test_an_attackers_variations_are_none(item: dict[str, Any]) -> None:
    facts, command = item["example"], item["example"]["command"]
    for changed in (*(command + more for more in BEHIND), *elsewhere(command)):
        assert product({**facts, "command": changed}) is None, changed
    for mechanism in {"wmi", "startup_folder", "bits_job", "com", "cor_profiler", "app_cert"} - {item["mechanism"]}:
        assert product({**facts, "mechanism": mechanism}) is None
    assert product({**facts, "name": f"{facts['name']}\x00"}) is None
    assert product({**facts, "library": "C:\\ProgramData\\Kit\\a.dll"}) is None


@pytest.mark.parametrize("item", [*map(named, ITEMS)])
def test_what_the_command_cannot_show_is_not_excused(item: dict[str, Any]) -> None:
    facts = item["example"]
    command, found = facts.get("command", ""), [Hit("PER-00", 45, "x", ())]
    (hit,) = quieted(command, facts, found)
    assert hit.rule.startswith("PRD-")
    assert total([hit]) <= 25
    assert item["what"] in hit.why
    for more in ({"hidden": True}, {"inline_task": "A (cs)"}, {"table_note": "no hard link of it below WinSxS"}):
        assert quieted(command, {**facts, **more}, found) == found


def test_a_known_product_never_weighs_more_than_it_would() -> None:
    facts = ITEMS[0]["example"]
    assert quieted(facts["command"], facts, []) == []
    low = [Hit("PER-06", 5, "x", ())]
    assert quieted(facts["command"], facts, low) == low


@pytest.mark.parametrize("item", [*map(named, COMMANDED)])
def test_nothing_of_any_length_is_left_open(item: dict[str, Any]) -> None:
    """Patterns say what may stand at each place: no `.*`, nothing that runs over quotes or separators."""
    bare = re.sub(r"\(\?[!=][^)]*\)", "", item["command"])
    assert not re.search(r"(?<!\\)\.[*+{]|\[\^|\\S|\\s[*+]", bare)


def test_no_command_takes_long() -> None:
    begin = time.monotonic()
    for item in COMMANDED:
        facts, command = item["example"], item["example"]["command"]
        for piece in (" a", "a\\", "a.", "-a ", "\\a b", " --a b", "a a.exe", "\n"):
            for cut in (0, len(command) // 2, len(command)):
                product({**facts, "command": (command[:cut] + piece * 500)[:1020] + "!", "name": (piece * 300)[:900]})
                product({**facts, "command": (command[:cut] + piece * 500)[:1020] + "!"})
    assert time.monotonic() - begin < 10
