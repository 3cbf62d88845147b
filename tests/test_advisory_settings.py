"""What the checklist says by settings and autostart entries: a "no" needs every place where they may stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from forensics.advisory import answers
from forensics.advisory.reach import sparse
from forensics.logontally import LogonSource
from forensics.model import Verdicts
from forensics.rules import load
from forensics.sessions.persistence_entries import _DEFINITIONS
from forensics.sessions.rows import Rows
from tests.sessions.factory import Scene, at
from tests.test_advisory import ENTRY, FEEDING, QUESTIONS, SIGN, asked, everything, let_in, said, seen

LOGGED = [seen(name) for name in ("rdp_settings", "event_rdp_sessions", "event_sysmon", "event_registry_audit")]


def test_remote_desktop_is_denied_only_where_all_that_could_let_it_in_was_read() -> None:
    scene = Scene()
    let_in(scene, allowed=False)
    answer = asked("rdp.enabled", scene, *LOGGED)
    assert answer.answer == "no"
    assert "fDenyTSConnections = 1" in said(answer)
    assert "no, within" in said(answer), "the logs have a beginning"
    assert "a change that was not recorded is not seen" in said(answer)
    for coverage in ((), (seen("rdp_settings", "partial"),)):
        answer = asked("rdp.enabled", scene, *coverage)
        assert answer.answer == "cannot_tell", "a policy that was not read may let it in"
        assert "the setting refuses remote desktop" in said(answer)
    scene.process(9, "reg.exe", "reg add HKLM\\x /v fDenyTSConnections /t REG_DWORD /d 0 /f")
    assert asked("rdp.enabled", scene, seen("rdp_settings")).answer == "yes"


@pytest.mark.parametrize("lost", [("event_rdp_sessions",), ("event_sysmon", "event_registry_audit")])
def test_what_is_refused_now_may_have_been_let_in_before(lost: tuple[str, ...]) -> None:
    """The setting speaks of now; "was" is for logs that record such things and go back."""
    scene = Scene()
    let_in(scene, allowed=False)
    kept = [item for item in LOGGED if item.artifact not in lost]
    ways: list[dict[str, Any]] = [{"state": "not_collected"}, {"first": 0}]
    if "event_sysmon" in lost:
        ways.append({"facts": 0})  # it records no registry values; that nobody came is an answer of the other log
    for how in ways:
        answer = asked("rdp.enabled", scene, *kept, *(seen(name, **how) for name in lost))
        assert answer.answer == "cannot_tell", how
        assert "not now; whether it was cannot be told" in said(answer)
        assert "現在は許可されていない" in said(answer, "ja")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("rdp.client_reached", {"source_ip": "10.0.0.7"}),
        ("rdp.session", {"source_ip": "10.0.0.7", "action": "reconnected"}),
        ("logon.succeeded", {"source_ip": "10.0.0.7", "logon_type": 10, "target_user_name": "suzuki"}),
        ("registry.value_set", {"key_path": "HKLM\\x", "value_name": "fDenyTSConnections", "value_data": "0"}),
    ],
)
def test_whoever_came_in_was_let_in(kind: str, fields: dict[str, object]) -> None:
    scene = Scene()
    let_in(scene, allowed=False)
    scene.add(kind, 5, **fields)
    assert asked("rdp.enabled", scene, *LOGGED).answer == "yes"


def test_logons_that_were_only_counted_say_so_too() -> None:
    scene = Scene()
    let_in(scene, allowed=False)
    for manner, answer in (("4624 type 10", "yes"), ("4624 type 3", "no")):
        counted = (LogonSource("10.0.0.7", manner, "suzuki", 4, at(0), at(90)),)
        found = asked("rdp.enabled", scene, *LOGGED, logons=counted)
        assert found.answer == answer
        assert ("10.0.0.7: 4 logons by remote desktop" in said(found)) == (answer == "yes")


def test_the_keyboard_is_no_remote_desktop() -> None:
    scene = Scene()
    let_in(scene, allowed=False)
    scene.add("rdp.session", 5, source_ip="LOCAL", action="logged on")
    assert asked("rdp.enabled", scene, *LOGGED).answer == "no"


def test_remote_desktop_without_its_switch_is_not_denied() -> None:
    scene = Scene()
    system = "C:/Windows/System32/config/SYSTEM"
    scene.file("rdp.setting", system, {"Content Modification Time": 5}, "x", value_name="PortNumber", value_data="3389")
    answer = asked("rdp.enabled", scene, seen("rdp_settings"))
    assert answer.answer == "cannot_tell"
    assert "no setting in use says whether" in said(answer)
    assert "fDenyTSConnections)がない" in said(answer, "ja")


class TestWiped:
    def test_what_weighs_most_is_told_first(self) -> None:
        """Fifteen weak signs before a cleared log do not push it out of what is told one by one."""
        weak = [replace(SIGN, time=at(n), detail=f"records {n} to 99 are missing") for n in range(15)]
        cleared = replace(SIGN, time=at(500), kind="log_cleared", detail="the Security log was cleared", level="strong")
        verdicts = Verdicts(anti_forensics=(*weak, cleared))
        answer = asked("logs.erased", Scene(), *everything(), verdicts=verdicts)
        told = [item for item in answer.why if "innocent causes" in item.en]
        assert "the Security log was cleared (strong sign; innocent causes: a crash)" in told[0].en
        assert "Security ログが消去された(イベントログ消去)(強い兆候、無害な原因" in told[0].ja
        assert "weak sign" in told[1].en
        assert len(told) == load("advisory")["most_hits"]

    def test_a_no_says_less_where_traces_were_wiped(self) -> None:
        words = "there are signs that traces were removed"
        for signs in ((SIGN,), ()):
            found = asked("office.macros", Scene(), *everything(), verdicts=Verdicts(anti_forensics=signs))
            assert found.answer == "no"
            assert (words in said(found)) == bool(signs)
        wiped = Verdicts(anti_forensics=(SIGN,))
        assert words not in said(asked("office.macros", Scene(), verdicts=wiped)), "it is no no"


@pytest.mark.parametrize(("current", "answer"), [("ControlSet001", "no"), ("ControlSet002", "yes"), ("", "yes")])
def test_only_the_control_set_in_use_lets_remote_desktop_in(current: str, answer: str) -> None:
    """Where the hive does not say which one that is, each may be."""
    scene = Scene()
    let_in(scene, allowed=False)
    let_in(scene, allowed=True, control_set="ControlSet002")
    if current:
        system = "C:/Windows/System32/config/SYSTEM"
        scene.file("host.described", system, {"Content Modification Time": 5}, "Select", control_set=current)
    found = asked("rdp.enabled", scene, *LOGGED)
    assert found.answer == answer
    assert ("a control set that is not in use lets it in" in said(found)) == (answer == "no")


def test_a_deleted_entry_beside_one_in_effect_is_marked_alone() -> None:
    both = (replace(ENTRY, deleted=True), replace(ENTRY, id="pe-2", name="y"))
    found = asked("autostart.suspicious", Scene(), *everything(), verdicts=Verdicts(persistence=both))
    assert "nothing that scores so" not in said(found)
    assert "was there, deleted: run_key x" in said(found)
    assert ": run_key y (score 65)" in said(found)


def test_a_hive_without_services_is_no_whole_windows() -> None:
    """An installed Windows has hundreds; a hive that was emptied or replaced is not believed when it is silent."""
    coverage = [item for item in everything() if item.artifact != "services"]
    for count, answer in ((49, "cannot_tell"), (50, "no")):
        found = asked("autostart.suspicious", Scene(), *coverage, seen("services", facts=count))
        assert found.answer == answer
        assert ("services: read, but 49 rows are too few for a whole Windows" in said(found)) == (count == 49)
    few, enough = seen("services", facts=49), replace(seen("services", facts=1), context=300)
    assert [text.partition(":")[0] for text in sparse([few])] == ["services"]
    assert sparse([enough, seen("services", "not_collected", facts=0)]) == []


class TestAutostarts:
    def test_every_artifact_that_gives_entries_has_to_be_read(self) -> None:
        """The list is that of the declarations, and its kinds are those that the join takes for what is there."""
        assert set(QUESTIONS["autostart.suspicious"]["feeds"]) == _DEFINITIONS
        assert {"services", "run_keys", "task_cache", "startup_folders", "wmi_consumers", "bits_jobs", "com_hijacks",
                "powershell_profiles", "policy_scripts", "winlogon", "ifeo", "lsa_packages",
        } <= set(FEEDING)  # fmt: skip
        assert asked("autostart.suspicious", Scene(), *everything()).answer == "no"
        for lost in FEEDING:
            coverage = [item for item in everything() if item.artifact != lost]
            answer = asked("autostart.suspicious", Scene(), *coverage, seen(lost, "not_collected"))
            assert answer.answer == "cannot_tell", lost
            assert said(answer).startswith(f"{lost}: not collected"), lost
            assert f"… (+{len(FEEDING) - 11}): read; no entry there scores 40 or more" in said(answer)

    @pytest.mark.parametrize(
        ("score", "answer"), [(0, "no"), (1, "no"), (20, "no"), (21, "cannot_tell"), (39, "cannot_tell"), (40, "yes")]
    )
    def test_entries_below_the_mark_are_named_and_not_denied(self, score: int, answer: str) -> None:
        entry = replace(ENTRY, score=score, deleted=True)
        found = asked("autostart.suspicious", Scene(), *everything(), verdicts=Verdicts(persistence=(entry,)))
        assert found.answer == answer
        assert (f"was there, deleted: run_key x (score {score};" in said(found)) == (score > 0)
        assert f"過去に存在、削除済み: Run キー x(スコア {score}、" in said(found, "ja") or not score
        assert (said(found).startswith("deleted: nothing that scores so is known to be in effect")) == (score == 40)
        assert ("which a person has to judge: 1" in said(found)) == (0 < score < 40)

    def test_many_lesser_entries_are_counted(self) -> None:
        many = tuple(replace(ENTRY, id=f"pe-{n}", name=f"n{n}", score=10) for n in range(100))
        found = asked("autostart.suspicious", Scene(), *everything(), verdicts=Verdicts(persistence=many))
        assert found.answer == "no"
        assert "and 80 more; show persistence has them" in said(found)

    def test_a_command_without_end_is_cut(self) -> None:
        long = "a" * 20_000
        entry = replace(ENTRY, command=long, reasons=(f"PER-02 (+20): it opens a tunnel: {long}",))
        found = asked("autostart.suspicious", Scene(), verdicts=Verdicts(persistence=(entry,)))
        assert all(len(item.en) < 1_500 and len(item.ja) < 1_500 for item in found.why)

    @pytest.mark.parametrize("hive", ["NTUSER.DAT", "UsrClass.dat"])
    def test_each_persons_hives_are_needed(self, hive: str) -> None:
        """Of two people both have a hive of settings and one of classes, or nothing is denied for both."""
        counts = {"NTUSER.DAT": {"office_trust_records": 1, "mui_cache": 3}, "UsrClass.dat": {"mui_cache": 3}}[hive]
        counts = {"office_trust_records": 2, "mui_cache": 4} | counts
        coverage = [replace(item, found=counts.get(item.artifact, item.found)) for item in everything()]
        coverage.append(replace(seen("mui_cache"), found=counts["mui_cache"]))
        rows = Rows(Scene().events, ())
        found = {item.id: item for item in answers(rows, Verdicts(), coverage, "WS-1", None, 2)}
        answer = found["autostart.suspicious"]
        assert answer.answer == "cannot_tell"
        assert f"the hives ({hive}) of 1 of 2 users are in the evidence" in said(answer)
