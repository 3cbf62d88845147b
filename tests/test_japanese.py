"""Recorded sentences in Japanese: every rule and sign has a template, nothing English is left in the checklist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from forensics import locales
from forensics.artifacts.office_trust_records import _MEANINGS, _ORIGINS
from forensics.locales import joined, quoted
from forensics.locales.japanese import CATALOGUES, in_language, japanese, pieces, raw, rule_texts
from forensics.rules import load
from forensics.rules.collection import hint
from forensics.rules.engine import hits, make_rule
from forensics.show.entries import EVENT_IDS
from tests.running import tool
from tests.stories import Teller, stories, teller

JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")
ROOT = Path(locales.__file__).parent
SIGNS = {kind: item for kind, item in load("antiforensics").items() if isinstance(item, dict) and "detail" in item}
SCORING = [
    item
    for name in ("antiforensics", "group", "tools", "persistence", "autoruns", "products", "sandbox", "tunnel")
    for section in load(name).values()
    if isinstance(section, list)
    for item in section
    if isinstance(item, dict) and {"id", "why", "when"} <= item.keys()
]


def names(template: str) -> set[str]:
    return {name for _, name, _ in pieces(template) if name}


def test_the_catalogues_say_nothing_twice() -> None:
    seen: dict[tuple[str, str], str] = {}
    for file in CATALOGUES:
        for part, entries in yaml.safe_load((ROOT / f"{file}.yml").read_text(encoding="utf-8")).items():
            for key in entries if isinstance(entries, dict) else ():
                assert (part, key) not in seen, f"{file} and {seen[part, key]}: {key}"
                seen[part, key] = file


@pytest.mark.parametrize("ident", sorted(rule_texts()))
def test_every_rule_has_a_template_with_the_same_parts(ident: str) -> None:
    text = raw()["rules"][ident]
    assert names(text) == names(rule_texts()[ident])
    assert JAPANESE.search(text.replace("{remark:parts}", "の"))


@pytest.mark.parametrize("item", SCORING, ids=lambda item: item["id"])
def test_the_sentence_of_a_rules_example_becomes_japanese(item: dict[str, Any]) -> None:
    (hit,) = hits([make_rule(item)], item["example"])
    shown = japanese(f"{hit} [0123456789abcdef, fedcba9876543210 and 3 more]")
    assert shown.startswith(f"{hit.rule}(+{hit.weight}): ")
    assert shown.endswith("[0123456789abcdef, fedcba9876543210 ほか 3 件]")
    assert JAPANESE.search(shown.partition(": ")[2].partition(" [")[0])
    as_they_are = {name for _, name, manner in pieces(raw()["rules"][item["id"]]) if name and not manner}
    for name in as_they_are & item["example"].keys():
        value = item["example"][name]
        assert isinstance(value, list | tuple) or str(value) in shown


@pytest.mark.parametrize("kind", SIGNS)
def test_every_sign_and_each_of_its_innocent_causes(kind: str) -> None:
    assert names(raw()["signs"][kind]) == names(SIGNS[kind]["detail"])
    assert [text for text in SIGNS[kind]["innocent_causes"] if not JAPANESE.search(japanese(text))] == []


def test_every_sentence_has_the_parts_of_its_english() -> None:
    for part in (raw()["sentences"], *raw()["phrases"].values()):
        for english, text in part.items():
            assert names(english) >= names(text), english
            assert names(english) == names(text) or not JAPANESE.search(text), english


@pytest.mark.parametrize(
    ("english", "shown"),
    [
        (
            "the Security log was cleared by 田中 (the record was recovered from slack)",
            "Security ログが 田中 により消去された(イベントログ消去)(復元された記録: slack)",
        ),
        ("the Security log was cleared", "Security ログが消去された(イベントログ消去)"),
        (
            "a command that clears an event log and deletes the change journal was started by x: wevtutil cl a by b: c",
            "イベントログを消去する、変更ジャーナルを削除するコマンドが x により実行された: wevtutil cl a by b: c",
        ),
        (
            "an event log was renamed to C:\\a b.evtx: C:\\Windows\\System32\\winevt\\Logs\\Security.evtx",
            "イベントログがC:\\a b.evtx に改名された: C:\\Windows\\System32\\winevt\\Logs\\Security.evtx",
        ),
        (
            "contradiction: it is judged off, but registry: 2 keys of the feature's classes were there and are not now",
            "矛盾: 無効と判断したが、レジストリ: この機能のクラスのキーが過去に 2 個あったが、現在はない",
        ),
        (
            "2024-12-02 03:06:55.402 UTC: the feature was switched on by DISM (only in a shadow copy)",
            "2024-12-02 03:06:55.402 UTC: 機能が有効化された(DISM による)(シャドウコピーにのみ残る)",
        ),
        ("25 more of the same kind", "同種のもの、ほか 25 件  "),
        ("confirmed", "確実"),
    ],
)
def test_sentences_with_what_stands_around_them(english: str, shown: str) -> None:
    assert japanese(english) == shown
    assert in_language(english, "en") == english


@pytest.mark.parametrize("text", ["", "C:\\Users\\x\\was deleted.txt", "nobody wrote a template for this", "x" * 9999])
def test_what_no_template_fits_stays_as_it_is(text: str) -> None:
    assert quoted(text).ja == quoted(text).en == text


def test_hostile_values_do_not_hold_the_matcher_up() -> None:
    """Every text between two values again and again, so that a search that goes back would not end."""
    hostile = " of session was by after that sandbox began; when is not recorded: " * 55
    for text in (f"the sandbox configuration {hostile} of session s was deleted", hostile, f"PER-24 (+5): {hostile}"):
        japanese(text[:4096])


@pytest.mark.parametrize("text", sorted({item["remark"] for item in load("autostart_values")["values"]} - {""}))
def test_the_remarks_of_places(text: str) -> None:
    assert JAPANESE.search(japanese(text))


def test_words_of_artifacts_and_of_the_coverage() -> None:
    for text in (*_MEANINGS.values(), *_ORIGINS, *(item["role"] for item in load("programs")["roles"])):
        assert JAPANESE.search(japanese(text)) or text in ("devtunnel", "node"), text
    for globs in (("Windows/System32/winevt/Logs/Security.evtx",), ("nowhere",), ("Users/*/NTUSER.DAT",)):
        assert [part for part in hint(globs).split("; ") if not JAPANESE.search(japanese(part))] == []
    assert joined([quoted("low"), quoted("high")]).ja == "低、高"


# -- whole hosts ---------------------------------------------------------------------------------------------------

# Of English only what is a name, a path or a command may be left: three small words in a row are a sentence.
_ENGLISH = re.compile(r"(?<![\w\\/.-])(?:[a-z]{2,} ){3,}[a-z]{2,}(?![\w\\/.-])")
_REASONED = ("sandbox_sessions", "sandbox_configs", "tunnel_sessions", "persistence")
_STORIES = (
    "sandbox-cli-24h2",
    "sandbox-crash",
    "sandbox-logs-cleared",
    "sandbox-no-auditing",
    "tunnel-desktop",
    "tunnel-developer",
    "tunnel-unregistered-wiped",
)


@pytest.fixture(scope="module")
def tell(tmp_path_factory: pytest.TempPathFactory) -> Teller:
    return teller(tmp_path_factory)


@pytest.mark.parametrize("name", _STORIES)
def test_the_checklist_of_a_host_has_no_english_sentence(name: str, tell: Teller) -> None:
    told = tell(name)
    document = told.run.document()
    quotes = {row["command_line"] for row in told.run.lines("timeline.jsonl") if row.get("command_line")}
    for answer in document["advisory"]:
        for sentence in answer["why"]:
            text = sentence["ja"]
            for quote in quotes:
                text = text.replace(quote, "")
            assert not _ENGLISH.search(text), text
    parts = [item for name in _REASONED for item in document[name]]
    recorded = [reason for item in parts for reason in item["reasons"]]
    recorded += [item["why"] for item in document["findings"]] + [item["detail"] for item in document["anti_forensics"]]
    assert [text for text in recorded if not JAPANESE.search(japanese(EVENT_IDS.sub("", text)))] == []
    shown = tool("show", told.run.case, "--lang", "ja").stdout
    assert [word for word in ("Persistence:", "Code tunnels:", "Coverage:", "Findings:") if word in shown] == []
    assert "永続化(自動起動):" in shown
    assert "カバレッジ" in shown


def test_the_stories_are_there() -> None:
    assert set(_STORIES) <= set(stories("*"))
