"""What signs of removed traces take from the checklist's "no", and answers of several collections of one host."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from forensics.case import merge_verdicts
from forensics.locales import say
from forensics.locales.japanese import japanese
from forensics.model import (
    AdvisoryAnswer,
    AdvisorySource,
    AntiForensic,
    Coverage,
    LogSpan,
    Said,
    SandboxCapability,
    Verdicts,
)
from forensics.onehost import shared_names
from forensics.rules import load
from testdata import collections
from testdata.host import scenario
from testdata.triage import taken
from tests.running import Run, timeline
from tests.sessions.factory import Scene, at
from tests.test_advisory import ENTRY, QUESTIONS, asked, everything, let_in, said, seen

PREFETCH = "25 files of C:\\Windows\\Prefetch were deleted within 0 seconds (prefetch files)"
PAST = [ident for ident, item in QUESTIONS.items() if not item.get("now") and ident != "rdp.enabled"]


def signs(kind: str, level: str = "medium", detail: str = "it is so") -> Verdicts:
    return Verdicts(anti_forensics=(AntiForensic(at(1), kind, detail, (), ("e1",), "WS-1", level),))


# -- a host that was wiped -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ident", PAST)
def test_a_strong_sign_leaves_no_denial_of_the_past(ident: str) -> None:
    assert asked(ident, Scene(), *everything()).answer == "no"
    found = asked(ident, Scene(), *everything(), verdicts=signs("file_shredded", "strong"))
    assert found.answer == "cannot_tell"
    assert found.why[0].en.startswith("traces were removed on this host (strong signs: 1; show wiping)")
    assert found.why[0].ja.startswith("このホストでは痕跡が消去されている(強い兆候 1 件")
    assert "no, " not in said(found)


@pytest.mark.parametrize(("kind", "level"), [("time_changed", "strong"), ("exclusion_set", "strong")])
def test_what_is_no_removal_takes_nothing(kind: str, level: str) -> None:
    found = asked("office.macros", Scene(), *everything(), verdicts=signs(kind, level))
    assert found.answer == "no"
    assert "traces were removed" not in said(found)


@pytest.mark.parametrize("kind", ["tunnel_removed", "config_removed", "history_emptied", "folder_emptied"])
def test_every_sign_of_removal_takes_weight_from_a_no(kind: str) -> None:
    found = asked("office.macros", Scene(), *everything(), verdicts=signs(kind))
    assert found.answer == "no"
    assert "signs that traces were removed (1; show wiping): a no says less" in found.why[-1].en


def test_what_is_set_now_is_still_told() -> None:
    wiped = signs("log_cleared", "strong")
    off = replace(wiped, sandbox_capability=SandboxCapability(False, None, ("the program is absent",), ("e2",)))
    assert asked("sandbox.enabled", Scene(), *everything(), verdicts=off).answer == "no"
    assert asked("autostart.suspicious", Scene(), *everything(), verdicts=wiped).answer == "no"


def test_remote_desktop_that_is_off_now_is_not_denied_for_the_past() -> None:
    scene = Scene()
    let_in(scene, allowed=False)
    assert asked("rdp.enabled", scene, *everything()).answer == "no"
    found = asked("rdp.enabled", scene, *everything(), verdicts=signs("log_cleared", "strong"))
    assert found.answer == "cannot_tell"
    assert "not now; whether it was cannot be told" in said(found)
    assert "traces were removed on this host" in said(found)


# -- sources that were emptied -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sign", "artifact", "question"),
    [
        (signs("folder_emptied", detail=PREFETCH), "prefetch", "vscode.present"),
        (signs("prefetch_gone"), "prefetch", "vscode.present"),
        (signs("prefetch_off", "weak"), "prefetch", "vscode.present"),
        (signs("service_switched_off", detail="the service SysMain, which keeps prefetch files, is to start no more"),
         "prefetch", "vscode.present"),
        (signs("journal_recreated"), "usn_journal", "sandbox.used"),
        (signs("recorder_stopped"), "event_sysmon", "web.scripts"),
        (signs("recorder_missing"), "event_sysmon", "web.scripts"),
    ],
)  # fmt: skip
def test_an_emptied_source_does_not_tell(sign: Verdicts, artifact: str, question: str) -> None:
    scene = Scene()
    for moment in (-31_536_000, 900):
        scene.add("usn.journal", moment)
    before = {item.artifact: item for item in asked(question, scene, *everything()).sources}
    found = asked(question, scene, *everything(), verdicts=sign)
    after = {item.artifact: item for item in found.sources}
    assert before[artifact].tells
    assert not after[artifact].tells
    assert sum(one.tells != after[name].tells for name, one in before.items()) == 1, "no other is touched"
    words = next(item for item in found.why if item.en.startswith(f"{artifact}: nothing found, but it was emptied"))
    assert sign.anti_forensics[0].kind in words.en
    assert "兆候があり" in words.ja


@pytest.mark.parametrize(
    "sign",
    [
        signs("folder_emptied", detail=PREFETCH.replace("Prefetch", "Temp").replace("prefetch", "other")),
        signs("folder_emptied", "weak", PREFETCH.replace("Windows", "Windows.old\\Windows")),
        signs("service_switched_off", detail="the service WinDefend, which protects, is to start no more"),
    ],
)
def test_another_folder_or_service_leaves_prefetch_its_word(sign: Verdicts) -> None:
    found = asked("vscode.present", Scene(), *everything(), verdicts=sign)
    assert next(item for item in found.sources if item.artifact == "prefetch").tells
    assert "a renamed copy was looked for by prefetch" in said(found)


def test_a_renamed_copy_is_not_looked_for_by_what_was_emptied() -> None:
    found = asked("vscode.present", Scene(), *everything(), seen("amcache", "not_collected"),
                  seen("event_process_audit"), verdicts=signs("prefetch_gone"))  # fmt: skip
    text = said(found)
    assert "prefetch: read, but of a renamed copy no witness here" in text
    assert "not by amcache, which cannot be asked here" in text


# -- web servers, logs that are not there, the feature's files -----------------------------------------------------


@pytest.mark.parametrize("server", [False, True])
def test_scripts_are_denied_by_logs_or_where_no_web_server_is(server: bool) -> None:
    base = [item for item in everything() if item.artifact not in ("usn_journal", "event_sysmon", "services")]
    scene = Scene()
    if server:
        scene.file("service.configured", "C:/Windows/System32/config/SYSTEM", {"Content Modification Time": 5}, "s",
                   service_name="W3SVC")  # fmt: skip
    whole, part = seen("services", facts=300), seen("services", facts=5)
    assert asked("web.scripts", scene, *base, whole).answer == ("cannot_tell" if server else "no")
    unknown = asked("web.scripts", scene, *base, part)
    assert unknown.answer == "cannot_tell"
    assert "do not reach back here" in said(unknown)
    assert asked("web.scripts", scene, *base, part, seen("event_sysmon")).answer == "no"


def test_a_log_that_is_not_there_may_have_been_deleted() -> None:
    absent = replace(seen("event_defender"), spans=(), found=0)
    text = said(asked("antivirus.detected", Scene(), absent))
    assert "no such log is there (event_defender.evtx): never made, or deleted" in text
    assert "so nothing was recorded" not in text


def table(place: str, missing: int) -> Scene:
    scene = Scene()
    scene.file("mft.table", f"{place}/$MFT", {}, "file", record_count=90, file_count=75, missing_parts=missing)
    return scene


def test_the_features_absence_is_an_inference_of_the_whole_file_table() -> None:
    found = asked("sandbox.enabled", table("C:", 0), *everything(), seen("mft_entries"))
    assert found.answer == "cannot_tell"
    assert "by absence probably off (inference)" in said(found)
    assert "none of the 75 files of the $MFT of C:" in said(found)
    assert "nothing in this evidence says" not in said(found)
    assert "おそらく無効" in said(found, "ja")


@pytest.mark.parametrize(
    ("scene", "state"),
    [(table("D:", 0), "complete"), (table("C:", 3), "complete"), (table("C:", 0), "partial"), (Scene(), "complete")],
)
def test_no_absence_without_the_whole_table_of_windows(scene: Scene, state: str) -> None:
    text = said(asked("sandbox.enabled", scene, seen("mft_entries", state)))
    assert "by absence" not in text
    assert "nothing in this evidence says whether it is on" in text


@pytest.mark.parametrize(("records", "later", "told"), [(1, 86_400, True), (5, 86_400, True), (6, 86_400, False),
                                                       (1, 60, False)])  # fmt: skip
def test_a_log_of_few_records_beside_one_that_runs_on(records: int, later: int, told: bool) -> None:
    spans = (
        LogSpan("C:/x/Security.evtx", at(0), at(10), 1, records),
        LogSpan("C:/x/System.evtx", at(0), at(10 + later), 1, 900),
        LogSpan("C:/x/Setup.evtx", at(0), at(10), 1, 1),  # which is seldom written to
    )
    coverage = Coverage("event_log_cleared", ("Security.evtx",), 3, 1, 1, 0, 0, "complete", "", spans)
    found = asked("logs.erased", Scene(), coverage)
    assert (f"Security.evtx: its records are only {records}" in said(found)) == told
    assert ("弱い指摘" in said(found, "ja")) == told
    assert "Setup.evtx" not in said(found)
    assert "while System.evtx runs on" in said(found) or not told


# -- autostart entries ---------------------------------------------------------------------------------------------


def test_at_most_so_many_entries_with_so_many_reasons() -> None:
    reasons = tuple(f"PER-0{n} (+20): reason number {n}" for n in range(1, 6))
    many = tuple(replace(ENTRY, id=f"pe-{n}", name=f"n{n}", reasons=reasons) for n in range(95))
    low = replace(ENTRY, id="low", score=10, inert="nothing loads it since Windows 10")
    found = asked("autostart.suspicious", Scene(), *everything(), verdicts=Verdicts(persistence=(*many, low)))
    most = load("advisory")["most_entries"]
    assert len([item for item in found.why if "run_key n" in item.en]) == most == 20
    assert "PER-02 (+20): reason number 2; and 3 more reasons" in found.why[0].en
    assert "reason number 3" not in said(found)
    assert f"and {95 - most} more that score 40 or more; show persistence has them" in said(found)
    assert "which a person has to judge: 1" in said(found)
    assert "ほか 3 件の理由" in said(found, "ja")


def test_an_entry_without_effect_says_so() -> None:
    low = replace(ENTRY, score=10, inert="nothing loads it since Windows 10")
    found = asked("autostart.suspicious", Scene(), *everything(), verdicts=Verdicts(persistence=(low,)))
    assert "has no effect on this Windows: nothing loads it since Windows 10" in said(found)
    assert "この Windows では効果がない" in said(found, "ja")


# -- several collections of one host -------------------------------------------------------------------------------


def one(answer: str, word: str, ident: str = "vscode.present", *, tells: bool = True, level: str = "") -> Verdicts:
    source = AdvisorySource(word, "complete", tells=tells)
    entry = AdvisoryAnswer(ident, say(ident), answer, (Said(word, word),), (word,), "PC", sources=(source,))
    sign = AntiForensic(at(1), "log_cleared", "it was cleared", (), (), "PC", level)
    return Verdicts(advisory=(entry,), anti_forensics=(sign,) if level else ())


def test_only_the_best_answers_reasons_each_with_its_collection() -> None:
    kept = [one("no", "nothing"), one("yes", "there"), one("cannot_tell", "lost", tells=False), one("yes", "there")]
    (merged,) = merge_verdicts(kept, ["a", "b", "c", "d"]).advisory
    assert merged.answer == "yes"
    assert [item.en for item in merged.why] == ["in b, d: there"]
    assert [item.ja for item in merged.why] == ["b, d では: there"]
    assert [item.artifact for item in merged.sources] == ["lost", "nothing", "there"], "what the others asked is kept"
    assert set(merged.events) == {"nothing", "there", "lost"}


@pytest.mark.parametrize(
    ("ident", "level", "answer"),
    [
        ("vscode.present", "strong", "cannot_tell"),
        ("vscode.present", "medium", "no"),
        ("sandbox.enabled", "strong", "no"),
    ],
)
def test_one_wiped_collection_takes_the_denial_of_the_others(ident: str, level: str, answer: str) -> None:
    both = [one("no", "nothing", ident), one("cannot_tell", "lost", ident, level=level)]
    (merged,) = merge_verdicts(both, ["a", "b"]).advisory
    assert merged.answer == answer


def test_hosts_of_other_names_stay_apart() -> None:
    other = one("yes", "there")
    other = replace(other, advisory=tuple(replace(item, host="PC-2") for item in other.advisory))
    merged = merge_verdicts([one("no", "nothing"), other], ["a", "b"]).advisory
    assert [(item.host, item.answer, item.why[0].en) for item in merged] == [
        ("PC", "no", "nothing"),
        ("PC-2", "yes", "there"),
    ]
    assert shared_names([("a", "PC"), ("b", "PC-2"), ("c", None), ("d", None)]) == []


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A host that was wiped, and another collection of one with its name."""
    top = tmp_path_factory.mktemp("both")
    places = []
    for name in ("wiped-host", "tunnel-service-two-days"):
        host = scenario(name)
        places.append(collections.kape(host, taken(host), top / name))
    return timeline(places[0], top / "case", str(places[1]))


def test_a_run_over_two_collections_of_one_name(both: Run) -> None:
    found = {item["id"]: item for item in both.document()["advisory"]}
    assert len(found) == len(both.document()["advisory"]) == len(QUESTIONS)
    assert found["vscode.present"]["answer"] == found["sandbox.enabled"]["answer"] == "yes"
    for ident in ("vscode.present", "sandbox.enabled"):
        words = [item["en"] for item in found[ident]["why"]]
        assert all(text.startswith("in ") for text in words)
        assert not [text for text in words if "nothing found" in text or "nothing in this evidence says" in text]
    assert found["office.macros"]["answer"] == "cannot_tell"
    notices = [
        item["text"]
        for item in json.loads((both.case / "run.json").read_text(encoding="utf-8"))["notices"]
        if "same name" in item["text"]
    ]
    assert len(notices) == 2
    assert all(japanese(text).startswith("ホスト名が") for text in notices)
    assert " ".join(both.out.split()).count("its host has the same name as that of") == 2


def test_the_wiped_hosts_programs_are_not_denied(tmp_path: Path) -> None:
    host = scenario("wiped-host")
    run = timeline(collections.kape(host, taken(host), tmp_path / "evidence"), tmp_path / "case")
    found = {item["id"]: item for item in run.document()["advisory"]}
    assert {ident for ident in QUESTIONS if found[ident]["answer"] == "no"} <= {
        "sandbox.enabled",
        "autostart.suspicious",
    }
    text = "\n".join(item["en"] for item in found["vscode.present"]["why"])
    assert "prefetch: nothing found, but it was emptied, switched off or set otherwise" in text
    assert "looked for by prefetch" not in text
    assert "not by amcache, event_process_audit, event_sysmon" not in text
