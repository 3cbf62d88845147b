"""Recorded sentences in Japanese: every rule and sign has a template, nothing English is left in the checklist."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.persistence import TEXTS
from forensics import locales
from forensics.artifacts.office_trust_records import _MEANINGS, _ORIGINS
from forensics.locales import joined, quoted
from forensics.locales.japanese import (
    CATALOGUES,
    RULES,
    _with_why,
    in_language,
    japanese,
    pieces,
    raw,
    rule_texts,
)
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
    for name in RULES
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


def test_an_id_is_that_of_one_rule() -> None:
    """The sentence of a rule is found by its id, here and by whoever reads a reason."""
    ids = [item["id"] for name in RULES for item in _with_why(load(name))]
    assert [ident for ident, count in Counter(ids).items() if count > 1] == []


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
    begin = (
        "recording was switched off: ",
        "Defender: ",
        "Sysmon 13: the value was set",
        "the times of x were set by a program: ",
    )
    for part in (
        " is (is for ",
        " by a with b (a bound: it held ",
        ", written by x was set",
        ": the ( to (",
        "; near that time ran ",
    ):
        for text in begin:
            japanese((text + part * 900)[:4096])


@pytest.mark.parametrize("text", sorted({item["remark"] for item in load("autostart_values")["values"]} - {""}))
def test_the_remarks_of_places(text: str) -> None:
    assert JAPANESE.search(japanese(text))


def test_every_kind_of_autostart_has_a_word() -> None:
    kinds = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))["mechanisms"]
    assert [kind for kind in kinds if kind not in raw()["words"]] == []


def test_what_is_switched_off_or_emptied() -> None:
    data = load("recording")
    for item in (*data["switches"], *data["histories"]):
        assert JAPANESE.search(japanese(item["what"])), item["what"]
    for what in (item["what"] for item in data["switches"]):
        shown = japanese(f"recording was switched off: {what} for 田中 (Start is 0) by x")
        assert shown == f"記録が無効化された: {japanese(what)}(田中)(Start = 0)(x による)"


SEEN = [
    ("Security 4697: the service was installed by 佐藤", "Security 4697: 佐藤 によりサービスがインストールされた"),
    (
        "Sysmon 13: the value was set by x with C:\\a by b.exe (a bound: it held 0 before)",
        "Sysmon 13: x により値が設定された(プログラム: C:\\a by b.exe)(時刻は遅い側の限界: 以前の値は 0)",
    ),
    (
        "Security 4688: a command that makes it was run by x (inferred: how it ended is not recorded) with cmd.exe",
        "Security 4688: x によりこれを作成するコマンドが実行された(推定: 結果は記録されていない)(プログラム: cmd.exe)",
    ),
    (
        "the $MFT (C:/$MFT) lists it in record 44, created 2025-01-01 00:00:00.000 UTC",
        "$MFT(C:/$MFT)のレコード 44 に記載がある、作成 2025-01-01 00:00:00.000 UTC",
    ),
    (
        "Amcache entry written 2025-01-01 00:00:00.000 UTC called its signature Valid (by nobody)",
        "Amcache の項目の書き込み 2025-01-01 00:00:00.000 UTC では署名は Valid(署名者 なし)",
    ),
    ("signature changed by Example (a (b))", "署名: 無効(署名後に変更)(Example による)(a (b))"),
    ("signature not checked (not a program (PE))", "署名: 未検証(プログラム(PE)ではない)"),
    ("signature none (none of 3 catalogues at hand lists it (1 could not be read))",
     "署名: ファイル内になし(手元のカタログ 3 個のいずれにも記載がない(うち 1 個は読み取り不可))"),
]  # fmt: skip


@pytest.mark.parametrize(("english", "shown"), SEEN)
def test_what_dates_an_entry_and_what_is_said_of_its_file(english: str, shown: str) -> None:
    assert japanese(english) == shown


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
    "wiped-host",
    "persistence-planted",
)
_OF_ENTRIES = ("first_seen_source", "target_signature_note")


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
    for entry in document["persistence"]:
        recorded += [entry[name] for name in _OF_ENTRIES if entry.get(name)]
        recorded += (entry.get("target_note") or "").split("; ") if entry.get("target_note") else []
    said = {text: japanese(EVENT_IDS.sub("", text)) for text in recorded}
    assert [text for text, shown in said.items() if not JAPANESE.search(shown)] == []
    shown = tool("show", told.run.case, "--lang", "ja").stdout
    assert [word for word in ("Persistence:", "Code tunnels:", "Coverage:", "Findings:") if word in shown] == []
    assert "永続化(自動起動):" in shown
    assert "カバレッジ" in shown


def test_the_stories_are_there() -> None:
    assert set(_STORIES) <= set(stories("*"))
