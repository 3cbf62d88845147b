from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forensics.artifacts.run_mru import ARTIFACT
from forensics.formats.hive import Hive
from testdata.writers import registry_blobs as blobs
from testdata.writers.hive import REG_BINARY, REG_SZ
from tests.artifacts.mru_inputs import EXPLORER, WHEN, cuts, survives_cuts, written
from tests.artifacts.registry_inputs import NTUSER, SID, run
from tests.testdata.hive_readers import PARSERS

COMMANDS = ['wsb start --config "<Configuration></Configuration>"', "cmd", "WindowsSandbox.exe C:\\x.wsb"]
HIVE = written(
    {
        f"{EXPLORER}\\RunMRU": blobs.run_commands(COMMANDS),
        f"{EXPLORER}\\TypedPaths": blobs.typed_paths(["C:\\ProgramData\\田中.wsb", "C:\\Users"]),
        f"{EXPLORER}\\WordWheelQuery": blobs.searches(["*.wsb", "報告書"]),
    }
)


def test_commands_paths_and_searches() -> None:
    facts, problems = run(ARTIFACT, Hive.open(HIVE), NTUSER)
    assert problems == []
    said = [
        (fact.kind, next(iter(fact.fields.values())), fact.fields.get("order"), bool(fact.times), fact.context)
        for fact in sorted(facts, key=lambda fact: (fact.kind, fact.fields.get("order", 0)))
    ]
    assert said == [
        ("typed.command", COMMANDS[0], 1, True, False),
        ("typed.command", "cmd", 2, False, True),
        ("typed.command", COMMANDS[2], 3, False, False),
        ("typed.path", "C:\\ProgramData\\田中.wsb", 1, True, False),
        ("typed.path", "C:\\Users", 2, False, True),
        ("typed.search", "*.wsb", 1, True, False),
        ("typed.search", "報告書", 2, False, True),
    ]


def test_the_newest_is_dated_and_the_others_bounded() -> None:
    facts, _ = run(ARTIFACT, Hive.open(HIVE), NTUSER)
    first, _, last = sorted((fact for fact in facts if fact.kind == "typed.command"), key=lambda f: f.fields["order"])
    assert first.times == {"Content Modification Time": WHEN}
    assert first.source.locator == f"{EXPLORER}\\RunMRU\\c"
    assert first.fields["user_sid"] == SID
    assert "key_written" not in first.fields
    assert last.no_times == {"Content Modification Time": "only the newest entry of the list has a time"}
    assert last.fields["key_written"] == WHEN.isoformat()


def test_entries_that_the_order_does_not_name_and_damage() -> None:
    values: blobs.Values = [
        ("MRUList", REG_SZ, "bb\u0000"),
        ("a", REG_SZ, "x.wsb\\1"),
        ("b", REG_SZ, "notepad"),
        ("c", REG_BINARY, b""),
        ("long", REG_SZ, "no entry"),
    ]
    search: blobs.Values = [
        ("MRUListEx", REG_BINARY, b"\1\0\0"),
        ("0", REG_BINARY, b"\x3d\xd8x"),
        ("²", REG_BINARY, b""),
    ]
    paths: blobs.Values = [("url0001", REG_SZ, "C:\\a"), ("url", REG_SZ, "C:\\b"), ("url" + "9" * 12, REG_SZ, "C:\\c")]
    keys = {
        f"{EXPLORER}\\RunMRU": values,
        f"{EXPLORER}\\WordWheelQuery": search,
        f"{EXPLORER}\\TypedPaths": paths,
    }
    facts, problems = run(ARTIFACT, Hive.open(written(keys)), NTUSER)
    assert [(fact.source.locator.rpartition("\\")[2], fact.fields.get("order")) for fact in facts] == [
        ("a", None),
        ("b", 1),
        ("url0001", 1),
        ("0", None),
    ]
    assert [problem.fault for problem in problems] == ["bad_record"]


@pytest.mark.parametrize("parser", PARSERS, ids=[parser.__name__ for parser in PARSERS])
def test_other_readers_see_the_same_values(parser: Callable[[bytes], Any]) -> None:
    _, values = parser(HIVE)[f"{EXPLORER}\\RunMRU"]
    texts = {name: raw.decode("utf-16-le") for name, (_, raw) in values.items()}
    assert texts == {"a": COMMANDS[2] + "\\1\0", "b": "cmd\\1\0", "c": COMMANDS[0] + "\\1\0", "MRUList": "cba\0"}


def test_a_cut_hive() -> None:
    survives_cuts(ARTIFACT, HIVE, NTUSER, cuts(HIVE))


@pytest.mark.samples
def test_a_real_user(samples: Path) -> None:
    opened = Hive.open((samples / "hives" / "NTUSER_with_winscp.DAT").read_bytes())
    facts, problems = run(ARTIFACT, opened, "C:/Users/tony/NTUSER.DAT")
    assert problems == []
    assert all(fact.context for fact in facts)
    commands = [fact for fact in facts if fact.kind == "typed.command"]
    ordered = sorted(commands, key=lambda fact: fact.fields["order"])
    assert [fact.fields["value_name"] for fact in ordered] == list("ladhcimrqponkjegfb")
    assert ordered[0].fields["command_line"] == "C:\\Users\\tony"
    assert [bool(fact.times) for fact in ordered] == [True] + [False] * 17
    searches = {fact.fields["search_text"]: fact for fact in facts if fact.kind == "typed.search"}
    assert len(searches) == 22
    assert "EXT01" in searches
