"""The lists of `show`: what was wiped, where entries stand, what comes first, in both languages and in a pipe."""

from __future__ import annotations

import io
import json
import os
import re
import time
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from forensics import leftovers
from forensics.case import merge_verdicts
from forensics.export._signs import signs
from forensics.export.sessions_json import document
from forensics.locales.japanese import japanese
from forensics.model import AntiForensic, Finding, Host, PersistenceEntry, Verdicts
from forensics.rules import load
from forensics.rules.engine import hits, rules_of
from forensics.rules.ranking import worst_first
from forensics.sessions.persistence_inert import with_inertness
from forensics.show.findings import print_findings, print_unasked
from forensics.show.persistence import print_persistence
from forensics.show.saved import piece_of
from forensics.show.terminal import in_zone, speaking
from forensics.show.wiping import print_strongest, print_wiping
from forensics.text import worded
from tests.cases import HOST, made_case
from tests.running import tool
from tests.stories import Teller, teller

JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")
DAY = "2025-02-03T06:{:02}:00.000000+00:00"


@pytest.fixture
def case() -> Any:
    return deepcopy(document(made_case([])))


@pytest.fixture(scope="module")
def tell(tmp_path_factory: pytest.TempPathFactory) -> Teller:
    return teller(tmp_path_factory)


def shown(print_it: Any, *given: Any, **how: Any) -> str:
    out = Console(file=io.StringIO(), width=4000, markup=False, highlight=False, emoji=False)
    print_it(*given, out, **how)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def sign(kind: str, level: str, minute: int, host: str = HOST, **more: Any) -> dict[str, Any]:
    made = {"time": DAY.format(minute), "kind": kind, "level": level, "detail": f"{kind} of {minute}", "host": host}
    return {"innocent_causes": [], "events": [f"{minute:016x}"], "user": None, **made, **more}


# -- wiping --------------------------------------------------------------------------------------------------------


def test_a_cleared_log_is_not_hidden_by_what_came_before(case: Any) -> None:
    weak = [sign("file_removed", "weak", minute) for minute in range(20)]
    commands = [sign("clearing_command", "strong", 20 + minute) for minute in range(9)]
    case["anti_forensics"] = [*weak, *commands, sign("log_cleared", "strong", 50), sign("clock_back", "medium", 0)]
    text = shown(print_strongest, case, UTC)
    assert "Traces removed: 31  (10 strong, 1 medium, 20 weak)" in text
    assert "log_cleared (strong)" in text
    assert text.count("clearing_command (strong)") == 6
    assert "clock_back (medium)" in text, "one of medium strength has its place"
    assert "… 23 more (3 strong, 20 weak): show wiping" in text
    lines = [line.split()[:3] for line in shown(print_wiping, case, UTC).splitlines() if line.startswith("  ")]
    levels = [words[0] for words in lines if words[0] in ("strong", "medium", "weak")]
    assert levels == ["strong"] * 10 + ["medium"] + ["weak"] * 20


def test_every_sign_has_its_person_its_innocent_causes_and_its_events(case: Any) -> None:
    causes = ["group policy"]
    case["anti_forensics"] = [sign("log_cleared", "strong", 1, user="鈴木", innocent_causes=causes, events=["e"] * 9)]
    text = shown(print_wiping, case, UTC)
    assert "  strong  2025-02-03 06:01:00Z  log_cleared  by whom: 鈴木" in text
    assert "      · innocent cause: group policy" in text
    assert "      events: e, e, e, e, e, e +3" in text
    with speaking("ja"):
        assert "無害な原因の例: グループ ポリシー" in shown(print_wiping, case, UTC)
    del case["anti_forensics"][0]["level"], case["anti_forensics"][0]["user"]  # of an older version
    assert "  weak  2025-02-03" in shown(print_wiping, case, UTC)
    case["anti_forensics"] = []
    assert "Traces removed: 0  (that there is none proves nothing: show coverage)" in shown(print_wiping, case, UTC)


def test_each_of_several_hosts_has_its_share(case: Any) -> None:
    many = [sign(f"kind{minute}", "strong", minute, "PC-1") for minute in range(12)]
    case["anti_forensics"] = [*many, sign("log_cleared", "medium", 55, "PC-2")]
    short = shown(print_strongest, case, UTC)
    assert "log_cleared (medium): log_cleared of 55  on PC-2" in short
    assert short.count("  on PC-1") == 7
    full = shown(print_wiping, case, UTC)
    assert full.index("Host PC-1: 12") < full.index("kind11") < full.index("Host PC-2: 1") < full.index("log_cleared")


def test_weak_signs_of_one_host_stand_behind_graver_ones_of_another(case: Any) -> None:
    weak = [sign("file_removed", "weak", minute, "PC-1") for minute in range(3)]
    grave = [sign(f"kind{minute}", "strong", minute, "PC-2") for minute in range(9)]
    case["anti_forensics"] = [*weak, *grave, sign("log_service_crashed", "medium", 55, "PC-2")]
    short = shown(print_strongest, case, UTC)
    assert short.count(" (strong): ") == 7
    assert "log_service_crashed (medium)" in short
    assert " (weak): " not in short


def test_signs_of_two_collections_are_put_among_each_other_in_the_order_of_each() -> None:
    def told(kind: str, hour: int) -> AntiForensic:
        return AntiForensic(datetime(2025, 1, 1, hour, tzinfo=UTC), kind, kind, (), (), "PC-1")

    first = Verdicts(anti_forensics=(told("a", 1), told("b", 7), told("time_changed", 6)))
    second = Verdicts(anti_forensics=(told("c", 3),))
    assert [item.kind for item in merge_verdicts([first, second]).anti_forensics] == ["a", "c", "b", "time_changed"]


def test_ids_of_signs_rest_on_their_content() -> None:
    sign_of = AntiForensic(datetime(2025, 1, 1, tzinfo=UTC), "log_silent", "d", (), ("e", "f"), "PC-1", user="x")
    before = replace(sign_of, kind="log_cleared", time=datetime(2024, 1, 1, tzinfo=UTC))
    (alone,) = signs([sign_of])
    assert [item[1] for item in signs([before, sign_of])][1] == alone[1], "no ordinal"
    assert len({item[1] for item in signs([sign_of, replace(sign_of, detail="another part")])}) == 2
    assert alone[3]["username"] == "x"


def test_findings_say_that_signs_stand_elsewhere(case: Any) -> None:
    case["anti_forensics"] = [sign("log_cleared", "strong", 1)]
    assert "Traces removed: 1  (1 strong; they are no findings: show wiping)" in shown(print_findings, case, UTC)


def test_json_has_what_matters_first(case: Any) -> None:
    case["anti_forensics"] = [sign("a", "weak", 1), sign("b", "strong", 9), sign("c", "strong", 2)]
    wiping = piece_of(case, "wiping")["anti_forensics"]
    assert [item["kind"] for item in wiping] == ["b", "c", "a"], "of one strength as the file has them: by records"
    low, high = ({**case["findings"][0], "level": level} for level in ("low", "high"))
    case["findings"] = [low, high]
    assert [item["level"] for item in piece_of(case, "findings")["findings"]] == ["high", "low"]


def test_who_did_it_stands_in_the_document(tell: Teller) -> None:
    told = tell("wiped-host")
    signs = told.document["anti_forensics"]
    cleared = [item for item in signs if item["kind"] == "log_cleared"]
    assert {item["user"] for item in cleared} == {"鈴木"}
    assert all(item["user"] is None or item["user"] in item["detail"] for item in signs)
    page = tool("show", told.run.case, "wiping").stdout
    assert page.count("innocent cause: ") == sum(len(item["innocent_causes"]) for item in signs)
    assert all(item["kind"] in page for item in signs)
    assert "show wiping" in told.run.out
    (answer,) = [item for item in told.document["advisory"] if item["id"] == "logs.erased"]
    said = [item["en"] for item in answer["why"] if "innocent causes" in item["en"]]
    details = [next(one for one in signs if one["detail"] in text)["level"] for text in said]
    assert details == sorted(details, key=("strong", "medium", "weak").index)
    assert "strong" in details
    given = json.loads(tool("show", told.run.case, "wiping", "--json").stdout)["anti_forensics"]
    assert sorted(map(json.dumps, given)) == sorted(map(json.dumps, signs))
    assert [item["level"] for item in given] == sorted(
        (item["level"] for item in signs), key=("strong", "medium", "weak").index
    )


# -- persistence ---------------------------------------------------------------------------------------------------


def test_where_an_entry_stands_and_by_what_can_be_checked_by_hand(tell: Teller) -> None:
    told = tell("persistence-planted")
    blocks = _blocks(tool("show", told.run.case, "persistence").stdout)
    files = {
        item["path"]: item["sha256"] for item in json.loads((told.run.case / "run.json").read_text())["files_read"]
    }
    (update,) = [block for block in blocks if " KitUpdate  " in block[0]]
    assert "      location: HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run" in update
    (source,) = [line for line in update if "source: C:/Windows/System32/config/SOFTWARE  " in line]
    assert "Microsoft\\Windows\\CurrentVersion\\Run\\KitUpdate" in source
    assert source.endswith(f"  SHA-256 {files['C:/Windows/System32/config/SOFTWARE']}")
    (attack,) = [line for line in update if "ATT&CK" in line]
    assert "T1547.001" in attack
    causes = load("mechanisms")["mechanisms"]["run_key"]["innocent"]
    assert f"      innocent causes: {causes}" in update
    bits = next(block for block in blocks if " KitJob  " in block[0])  # its row has no time
    assert any("source: C:/ProgramData/Microsoft/Network/Downloader/qmgr.db  offset 0x" in line for line in bits)
    assert not any("not in the files of the case" in line for block in blocks for line in block)
    every = _blocks(tool("show", told.run.case, "persistence", "--all").stdout)
    assert len(every) > len(blocks)
    assert all(any("      source: " in line for line in block) for block in every)


def _blocks(text: str) -> list[list[str]]:
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if re.match(r"  score +\d", line):
            blocks.append([line])
        else:
            blocks[-1].append(line)
    return blocks


def test_the_groups_own_tool_stands_before_what_this_windows_ignores(tell: Teller) -> None:
    entries = tell("persistence-planted").document["persistence"]
    places = {entry["name"]: place for place, entry in enumerate(entries)}
    assert places["mrsastealer"] < 15
    assert places["mimilib"] < 15
    inert = {entry["name"]: entry for entry in entries if entry["inert"]}
    assert set(inert) == {"Kit.gadget", "1", "kitgina.dll", "kitwl"}
    assert {entry["score"] for entry in inert.values()} == {45}
    assert min(places[name] for name in inert) > places["KitUpdate"]
    assert any("Windows Vista and later ignore" in reason for reason in inert["kitgina.dll"]["reasons"])
    (library,) = [entry for entry in entries if entry["name"] == "kitinit.dll"]
    assert library["inert"] is None
    assert any(reason.startswith("perhaps inert: ") for reason in library["reasons"])


def entry(**given: Any) -> PersistenceEntry:
    texts = {"id": "p", "mechanism": "run_key", "location": "L", "name": "N", "command": "c", "user": None}
    rest = {"first_seen": None, "last_write": None, "score": 50, "reasons": ("r",), "attack": (), "events": ()}
    return PersistenceEntry(**{**texts, **rest, **given})


@pytest.mark.parametrize("rule", rules_of("inert"), ids=lambda rule: rule.id)
def test_each_rule_of_inert_entries(rule: Any) -> None:
    (hit,) = hits([rule], rule.example)
    assert not rule.matches(rule.counterexample)
    assert JAPANESE.search(japanese(hit.why))
    assert JAPANESE.search(japanese(f"inert on this Windows: {hit.why}; the score counts up to 45"))


@pytest.mark.parametrize(("build", "score"), [("7601.1", 70), ("22631.4", 45), (None, 70), ("?", 70)])
def test_what_is_inert_depends_on_the_host(build: str | None, score: int) -> None:
    gadget = with_inertness(entry(mechanism="sidebar_gadget", score=70), Host(build=build))
    (one,) = worst_first([gadget])
    assert (one.score, one.inert is None) == (score, score == 70)


def test_the_worst_of_all_hosts_comes_first() -> None:
    hosts = [Verdicts(persistence=(entry(id=name, score=score, host=name),), findings=(
        Finding(name, level, "w", (), name, datetime(2025, 1, 1, tzinfo=UTC)),
    )) for name, score, level in (("A", 45, "low"), ("B", 100, "critical"))]  # fmt: skip
    merged = merge_verdicts(hosts)
    assert [item.host for item in merged.persistence] == ["B", "A"]
    assert [item.level for item in merged.findings] == ["critical", "low"]


def test_heads_tell_entries_of_one_name_apart_and_say_what_is_gone(case: Any) -> None:
    base = case["persistence"][0] | {"mechanism": "application_shim", "name": "DatabasePath"}
    one, two = base | {"location": "HKLM\\A\\{1}"}, base | {"location": "HKLM\\A\\{2}", "deleted": True}
    text = shown_entries(case, [one, two])
    assert "DatabasePath  [HKLM\\A\\{1}]" in text
    assert re.search(r"DatabasePath  \[HKLM\\A\\\{2\}\].*  deleted  ", text)
    assert "[HKLM" not in shown_entries(case, [one])


def test_one_time_to_the_second_is_told_once(case: Any) -> None:
    base = case["persistence"][0] | {"mechanism": "run_key", "first_seen_bound": True}
    base |= {"first_seen": "2024-12-04T03:02:11.100000+00:00", "last_write": "2024-12-04T03:02:11.900000+00:00"}
    assert "  there by and key last written 2024-12-04 03:02:11Z" in shown_entries(case, [base])
    made = base | {"first_seen_bound": False}
    assert "  first seen and key last written 2024-12-04 03:02:11Z" in shown_entries(case, [made])
    assert "  undated" in shown_entries(case, [base | {"first_seen": None, "last_write": None}])
    logged = base | {"last_write_kind": "log", "last_write": "2024-12-04T05:00:00.000000+00:00"}
    assert "there by 2024-12-04 03:02:11Z  logged 2024-12-04 05:00:00Z" in shown_entries(case, [logged])


def test_what_is_unknown_or_long_does_not_fill_the_headline(case: Any) -> None:
    base = case["persistence"][0] | {"mechanism": "run_key", "last_write": "2024-12-04T03:02:11.900000+00:00"}
    assert "first seen" not in shown_entries(case, [base | {"first_seen": None, "deleted": True}])
    assert "  ?" not in shown_entries(case, [base | {"first_seen": base["last_write"], "last_write": None}])
    long = [base | {"name": "K" * 250, "location": "HKLM\\" + "x" * 200 + end} for end in ("\\one", "\\two")]
    heads = [line for line in shown_entries(case, long).splitlines() if "KKK" in line]
    assert all("K" * 79 + "…" in head and "K" * 80 not in head for head in heads)
    assert "\\one]" in heads[0]
    assert "\\two]" in heads[1]
    assert "name: " + "K" * 250 in shown(print_persistence, case, long, UTC, full=True)


def shown_entries(case: Any, entries: list[Any]) -> str:
    out = Console(file=io.StringIO(), width=4000, markup=False, highlight=False, emoji=False)
    print_persistence(case, entries, UTC, out, full=False)
    return str(out.file.getvalue())  # type: ignore[attr-defined]


def test_every_mechanism_has_its_innocent_causes_in_japanese() -> None:
    texts = [item["innocent"] for item in load("mechanisms")["mechanisms"].values()]
    assert [text for text in texts if not JAPANESE.search(japanese(text)) and text != "Novell and Citrix"] == []


def test_the_japanese_list_has_no_english_words_of_ours(tell: Teller) -> None:
    told = tell("persistence-planted")
    text = tool("show", told.run.case, "persistence", "--lang", "ja").stdout
    words = ("score", "location:", "source:", "innocent causes:", "as sato", "beside Windows")
    assert [word for word in words if word in text] == []
    wiped = tell("wiped-host").run.case
    text = tool("show", wiped, "--lang", "ja").stdout
    words = ("by file", "no network", "more reasons", "more (", " as 鈴木", "network off", "hosted")
    assert [word for word in words if word in text] == []


# -- findings of rules of others -----------------------------------------------------------------------------------


def test_a_sigma_finding_goes_by_its_title(case: Any) -> None:
    rule = "11111111-1111-4111-8111-111111111111"
    why = "Sigma rule a b/r1.yml#2, Run value, by reg (T1070.001, T1547), matches 2 records: CommandLine=x"
    case["findings"] = [{**case["findings"][0], "rule": rule, "why": why}]
    assert f"  Run value, by reg  (Sigma {rule})  " in shown(print_findings, case, UTC)


def test_logs_that_the_rules_ask_and_that_are_missing(case: Any) -> None:
    row = {**case["coverage"][0], "artifact": "sigma_rules", "state": "partial", "detail": "not collected: a.evtx"}
    case["coverage"] = [row]
    assert "Logs that the rules ask" in shown(print_unasked, case)
    assert "not collected: a.evtx" in shown(print_unasked, case)
    case["coverage"] = [{**row, "state": "complete"}]
    assert shown(print_unasked, case) == ""


# -- lines, times, numbers -----------------------------------------------------------------------------------------


def test_lines_are_whole_in_a_pipe(tell: Teller) -> None:
    case = tell("wiped-host").run.case
    env = {"COLUMNS": ""}
    lines = tool("show", case, "wiping", env=env).stdout.splitlines()
    signs = tell("wiped-host").document["anti_forensics"]
    longest = max((item["detail"] for item in signs if not re.search(r"\dT\d", item["detail"])), key=len)
    assert len(longest) > 132
    assert any(longest in line for line in lines)
    assert "\x1b[" not in "".join(lines)
    narrow = tool("show", case, "wiping", env={"COLUMNS": "90"}).stdout.splitlines()
    assert max(map(len, narrow)) <= 90


def test_times_in_a_sentence_have_one_form() -> None:
    text = "set from 2025-02-03T07:40:00.018204+00:00 to 2025-02-03 06:40:00.118 UTC"
    assert in_zone(text, UTC) == "set from 2025-02-03 07:40:00.018 UTC to 2025-02-03 06:40:00.118 UTC"
    tokyo = in_zone(text, ZoneInfo("Asia/Tokyo"))
    assert tokyo == "set from 2025-02-03 16:40:00.018+09:00 to 2025-02-03 15:40:00.118+09:00"


def test_one_is_singular_and_values_are_not_looked_into() -> None:
    template = "Sysmon wrote {count} records, the last of {path} files"
    assert worded(template, {"count": "1", "path": "1 records"}) == "Sysmon wrote 1 record, the last of 1 records files"
    assert worded(template, {"count": 2, "path": "{x}"}) == "Sysmon wrote 2 records, the last of {x} files"
    one = "times in the System log run back 1 time while the record numbers go on, the largest from a to b"
    assert JAPANESE.search(japanese(one))
    assert JAPANESE.search(japanese("registry: 1 key of the feature's classes was there and is not now"))
    assert japanese(one.replace("1 time", "2 times")).replace("2", "1") == japanese(one)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / "mirrortrace-999999999-x"
    folder.mkdir()
    (folder / "part").write_bytes(b"")
    return folder


def test_the_folder_of_a_run_that_may_go_on_is_not_named(scratch: Path) -> None:
    """A process in another container is not seen here; its folder changes all the time."""
    assert leftovers.left_behind() == []
    old = time.time() - 2 * 24 * 3600
    os.utime(scratch / "part", (old, old))
    assert leftovers.left_behind() == []
    os.utime(scratch, (old, old))
    assert leftovers.left_behind() == [scratch]
    mine = scratch.with_name(f"{leftovers.prefix()}x")
    mine.mkdir()
    os.utime(mine, (old, old))
    assert leftovers.left_behind() == [scratch]


def test_timeline_speaks_japanese(tmp_path: Path) -> None:
    (tmp_path / "C/Users/a/AppData").mkdir(parents=True)
    (tmp_path / "C/Users/a/x.wsb").write_text("<Configuration><Networking>Disable</Networking></Configuration>")
    done = tool("timeline", tmp_path / "C", "-o", tmp_path / "case", "--lang", "ja")
    assert "永続化(自動起動):" in done.stdout
    assert "警察庁の注意喚起" in done.stdout
    assert tool("timeline", tmp_path / "C", "-o", tmp_path / "b", "--lang", "fr").returncode == 2
