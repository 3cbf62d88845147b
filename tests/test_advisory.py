"""The checklist of the police advisory: yes, no and cannot tell for each question, in both languages."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC
from string import Formatter
from typing import Any

import pytest
from rich.console import Console

from forensics.advisory import Logons, answers
from forensics.advisory.reach import feeds
from forensics.artifacts.base import all_artifacts, all_kinds
from forensics.case import merge_verdicts
from forensics.export.sessions_json import document
from forensics.locales import LANGUAGES, say, texts
from forensics.logontally import LogonSource
from forensics.model import (
    AdvisoryAnswer,
    AntiForensic,
    Coverage,
    Finding,
    LogSpan,
    PersistenceEntry,
    SandboxCapability,
    Verdicts,
)
from forensics.rules import load
from forensics.rules.watch import is_watched, is_web_script
from forensics.sessions.rows import Rows
from forensics.show.advisory import print_advisory, print_short
from tests.cases import made_case
from tests.sessions.factory import Scene, at

QUESTIONS = {item["id"]: item for item in load("advisory")["questions"]}
YEAR = 365 * 86_400.0
EVENT_LOGS = {artifact.name for artifact in all_artifacts() if artifact.name.startswith("event_")}


def seen(artifact: str, state: str = "complete", *, first: float = -YEAR, record: int = 5, facts: int = 3) -> Coverage:
    """How far an artifact could be looked at; a log has a period."""
    if artifact not in EVENT_LOGS:
        return Coverage(artifact, ("x",), 1, 1, 1, facts, 0, state)
    span = LogSpan(f"C:/{artifact}.evtx", at(first), at(900), record, record + 10)
    spans = (span,) if state in ("complete", "partial") else ()
    return Coverage(artifact, (f"{artifact}.evtx",), len(spans), 1, 1, facts, 0, state, "why", spans)


def asked(ident: str, scene: Scene, *coverage: Coverage, verdicts: Verdicts | None = None,
          logons: tuple[LogonSource, ...] = ()) -> AdvisoryAnswer:  # fmt: skip
    rows = Rows(scene.events, scene.undated)
    found = answers(rows, verdicts or Verdicts(), coverage, "WS-1", Logons((), logons))
    assert [item.id for item in found] == list(QUESTIONS), "every question has its answer"
    return next(item for item in found if item.id == ident)


def said(answer: AdvisoryAnswer, language: str = "en") -> str:
    return "\n".join(getattr(item, language) for item in answer.why)


def everything(state: str = "complete", **how: Any) -> list[Coverage]:
    """Every source that a question asks for."""
    return [seen(name, state, **how) for name in SOURCES]


FEEDING = feeds(tuple(QUESTIONS["autostart.suspicious"]["feeds"]))
SOURCES = sorted(
    {*FEEDING, *(name for item in QUESTIONS.values() for group in item.get("tells", ()) for name in group)}
)


def _defender(scene: Scene) -> None:
    path = "C:\\Windows\\System32\\x.dll"
    scene.add("antivirus.detected", 5, detected_path=path, threat_name="Backdoor:Win64/Noopdoor", action="quarantine")


def _trusted(scene: Scene, *, macros: bool = True) -> None:
    scene.file(
        "office.document_trusted", "C:/Users/x/NTUSER.DAT", {"Creation Time": 5}, "TrustRecords",
        file_path="C:\\Users\\x\\Downloads\\取材.docm", macros_enabled=macros, trust_meaning="content enabled",
        application="Word", profile_user="田中", trust_origin="download folder",
    )  # fmt: skip


def let_in(scene: Scene, *, allowed: bool, control_set: str = "ControlSet001") -> None:
    scene.file(
        "rdp.setting", "C:/Windows/System32/config/SYSTEM", {"Content Modification Time": 5}, control_set,
        value_name="fDenyTSConnections", value_data=str(int(not allowed)), rdp_allowed=allowed,
        policy_origin="setting", key_path=f"{control_set}\\Control\\Terminal Server", control_set=control_set,
    )  # fmt: skip


HOST_TOLD: dict[str, Any] = {
    "vscode.present": lambda scene: scene.process(5, "C:\\ProgramData\\code.exe"),
    "tunnel.traffic": lambda scene: scene.add("dns.queried", 5, query_name="jpe1.rel.tunnels.api.visualstudio.com"),
    "antivirus.detected": _defender,
    "antivirus.weakened": lambda scene: scene.process(
        5, "powershell.exe", "powershell Add-MpPreference -ExclusionPath C:\\ProgramData"
    ),
    "office.macros": _trusted,
    "office.outside": lambda scene: _trusted(scene, macros=False),
    "logon.remote": lambda scene: scene.add("rdp.session", 5, source_ip="10.0.0.7", action="logged on"),
    "firewall.opened": lambda scene: scene.add(
        "firewall.rule_added", 5, direction="in", action="allow", rule_name="Cortana", local_ports="47000"
    ),
    "rdp.enabled": lambda scene: let_in(scene, allowed=True),
    "web.scripts": lambda scene: scene.add("file.created", 5, file_path="C:\\inetpub\\wwwroot\\a\\shell.aspx"),
}
ENTRY = PersistenceEntry("pe-1", "run_key", "HKCU", "x", "a.exe", None, at(1), None, 65, (), (), ("e1",), "WS-1")
SIGN = AntiForensic(at(1), "record_gap", "records 5 to 9 are missing", ("a crash",), ("e1",), "WS-1")
CONCLUDED = {
    "logs.erased": Verdicts(anti_forensics=(SIGN,)),
    "sandbox.enabled": Verdicts(sandbox_capability=SandboxCapability(True, at(1), ("feature on",), ("e1",))),
    "sandbox.used": Verdicts(findings=(Finding("sandbox.unattributed_vm", "medium", "a machine", ("e1",)),)),
    "antivirus.weakened": Verdicts(anti_forensics=(replace(SIGN, kind="protection_off"),)),
    "web.scripts": Verdicts(findings=(Finding("web.shell", "high", "a script", ("e1",)),)),
    "autostart.suspicious": Verdicts(persistence=(ENTRY, replace(ENTRY, id="pe-2", score=0))),
}


@pytest.mark.parametrize("ident", HOST_TOLD)
def test_yes_by_what_the_host_kept(ident: str) -> None:
    scene = Scene()
    HOST_TOLD[ident](scene)
    answer = asked(ident, scene, *everything())
    assert (answer.answer, answer.host) == ("yes", "WS-1")
    assert set(answer.events) & {event.id for event in scene.events}
    assert said(answer)
    assert said(answer, "ja")


@pytest.mark.parametrize("ident", CONCLUDED)
def test_yes_by_what_the_joins_concluded(ident: str) -> None:
    answer = asked(ident, Scene(), *everything(), verdicts=CONCLUDED[ident])
    assert (answer.answer, answer.events) == ("yes", ("e1",))


# What is on or off is denied by what says that it is off, not by silence.
@pytest.mark.parametrize("ident", [ident for ident in QUESTIONS if ident not in ("sandbox.enabled", "rdp.enabled")])
def test_no_where_all_was_read_and_nothing_found(ident: str) -> None:
    answer = asked(ident, Scene(), *everything())
    assert answer.answer == "no"
    assert answer.events == ()
    assert re.search("read(?:, nothing found|; no entry)", said(answer))
    assert "該当なし" in said(answer, "ja")


def test_hives_of_some_users_do_not_deny_for_all() -> None:
    coverage = [seen("office_trust_records"), seen("event_firewall")]  # one hive
    for people, expected in ((1, "no"), (2, "cannot_tell")):
        found = answers(Rows([], []), Verdicts(), coverage, "WS-1", None, people)
        answer = next(item for item in found if item.id == "office.macros")
        assert answer.answer == expected
    assert "of 1 of 2 users are in the evidence" in said(answer)
    assert "2 人のうち 1 人分" in said(answer, "ja")


def test_the_feature_is_off_or_nothing_says_so() -> None:
    off = Verdicts(sandbox_capability=SandboxCapability(False, None, ("the program is absent",), ("e2",)))
    assert asked("sandbox.enabled", Scene(), *everything(), verdicts=off).answer == "no"
    assert asked("sandbox.enabled", Scene(), *everything()).answer == "cannot_tell"


@pytest.mark.parametrize("ident", QUESTIONS)
@pytest.mark.parametrize(
    ("state", "english", "japanese"),
    [
        ("not_collected", "not collected", "収集されていない"),
        ("unreadable", "could not be read", "読み取れなかった"),
        ("partial", "only partly read", "一部しか読み取れなかった"),
    ],
)
def test_cannot_tell_what_was_not_read(ident: str, state: str, english: str, japanese: str) -> None:
    answer = asked(ident, Scene(), *everything(state))
    assert answer.answer == "cannot_tell"
    if QUESTIONS[ident].get("tells"):
        assert english in said(answer)
        assert japanese in said(answer, "ja")


@pytest.mark.parametrize("ident", QUESTIONS)
def test_cannot_tell_without_any_coverage(ident: str) -> None:
    assert asked(ident, Scene()).answer == "cannot_tell"


def test_a_log_that_begins_too_late_does_not_deny() -> None:
    young = seen("event_defender", first=0)
    answer = asked("antivirus.detected", Scene(), young, seen("event_firewall"))
    assert answer.answer == "cannot_tell"
    assert "event_defender.evtx begins only at 2024-12-02 03:30:00.000 UTC" in said(answer)


def test_a_young_hosts_whole_log_denies_unless_it_was_cleared() -> None:
    whole = seen("event_defender", first=0, record=1)
    assert asked("antivirus.detected", Scene(), whole).answer == "no"
    cleared = Scene()
    cleared.add("log.cleared", 0, cleared_channel="event_defender")
    assert asked("antivirus.detected", cleared, whole).answer == "cannot_tell"
    # A recorder that was installed later than the host's other logs begin is no whole record of the host.
    assert asked("antivirus.detected", Scene(), whole, seen("event_firewall")).answer == "cannot_tell"


def test_a_log_that_never_records_such_things_does_not_deny() -> None:
    quiet = [item for item in everything() if item.artifact != "event_dns_client"]
    answer = asked("tunnel.traffic", Scene(), *quiet, seen("event_dns_client", facts=0))
    assert answer.answer == "cannot_tell"
    assert "recorded nothing of the kind" in said(answer)


@pytest.mark.parametrize("name", ["github.com", "login.microsoftonline.com", "code.visualstudio.com", "api.github.com"])
def test_names_that_any_host_asks_for_are_no_tunnel(name: str) -> None:
    scene = Scene()
    scene.add("dns.queried", 5, query_name=name)
    assert asked("tunnel.traffic", scene, *everything()).answer == "no"


def test_how_far_back_the_logs_speak() -> None:
    span = LogSpan("C:/Security.evtx", at(0), at(900), 812, 900)
    coverage = Coverage("event_log_cleared", ("Security.evtx",), 1, 1, 1, 0, 0, "complete", spans=(span,))
    scene = Scene()
    scene.add("log.cleared", 0, cleared_channel="Security")
    text = said(asked("logs.erased", scene, coverage))
    assert "Security.evtx: from 2024-12-02 03:30:00.000 UTC to 2024-12-02 03:45:00.000 UTC" in text
    assert "Security.evtx: cleared at 2024-12-02 03:30:00.000 UTC" in text
    assert "System.evtx: not collected, or without a record" in text


@pytest.mark.parametrize(
    ("fields", "english", "japanese"),
    [
        ({}, "Security: kept up to 20971520 bytes; the oldest records are overwritten", "上書き"),
        ({"keeps_oldest": True}, "nothing more is recorded", "以後記録しない"),
        ({"is_switched_off": True}, "switched off", "無効化"),
    ],
)
def test_how_logs_are_kept(fields: dict[str, Any], english: str, japanese: str) -> None:
    scene = Scene()
    place, written = "C:/Windows/System32/config/SYSTEM", {"Content Modification Time": 1.0}
    scene.file("log.configured", place, written, "x", log_channel="Security", maximum_bytes=20_971_520, **fields)
    answer = asked("logs.erased", scene, *everything())
    assert answer.answer == "no", "a setting alone is no erasure"
    assert english in said(answer)
    assert japanese in said(answer, "ja")


def test_detections_in_windows_folders_come_first_and_the_groups_names_are_marked() -> None:
    scene = Scene()
    scene.add("antivirus.detected", 1, detected_path="C:\\Users\\x\\a.exe", threat_name="Adware", action="remove")
    _defender(scene)
    answer = asked("antivirus.detected", scene, *everything())
    assert "System32\\x.dll, Backdoor:Win64/Noopdoor, quarantine (below Windows" in answer.why[0].en
    assert "a name that public reports tie to the group" in answer.why[0].en
    assert answer.why[1].en.endswith("C:\\Users\\x\\a.exe, Adware, remove")


class TestLogons:
    def test_sources_are_grouped_and_marked(self) -> None:
        counted = (
            LogonSource("10.0.0.7", "4624 type 3", "suzuki", 40, at(0), at(90)),
            LogonSource("10.0.0.7", "4624 type 10", "suzuki", 2, at(5), at(6)),
            LogonSource("127.0.0.1", "4624 type 10", "admin", 1, at(7), at(7)),
            *(LogonSource("10.0.0.9", "4624 type 3", name, 1, at(1), at(1)) for name in ("a", "b", "c")),
            LogonSource("192.168.0.254", "4648", "x", 1, at(1), at(1)),
        )
        answer = asked("logon.remote", Scene(), logons=counted)
        assert answer.answer == "yes"
        first, *rest = [item.en for item in answer.why]
        assert first == (
            "10.0.0.7: 42 (4624 type 10: 2, 4624 type 3: 40), 2024-12-02 03:30:00.000 UTC to "
            "2024-12-02 03:31:30.000 UTC, as suzuki (42)"
        )
        marked = {text.partition(":")[0]: text for text in rest}
        assert "a forwarded port or a tunnel" in marked["127.0.0.1"]
        assert "many users may stand behind it" in marked["10.0.0.9"]
        assert "many users may stand behind it" in marked["192.168.0.254"]

    def test_rows_that_were_counted_do_not_count_again(self) -> None:
        scene = Scene()
        event = scene.add("logon.succeeded", 5, source_ip="10.0.0.7", logon_type=3, target_user_name="suzuki")
        counted = (LogonSource("10.0.0.7", "4624 type 3", "suzuki", 40, at(0), at(90)),)
        answer = asked("logon.remote", scene, logons=counted)
        assert "10.0.0.7: 40 (4624 type 3: 40)" in said(answer)
        assert answer.events == (event.id,)

    @pytest.mark.parametrize(("kind", "address"), [(2, "127.0.0.1"), (5, "-"), (7, "10.0.0.1"), (3, "-")])
    def test_logons_at_the_machine_are_none(self, kind: int, address: str) -> None:
        scene = Scene()
        scene.add("logon.succeeded", 5, source_ip=address, logon_type=kind)
        assert asked("logon.remote", scene, *everything()).answer == "no"


def test_two_collections_of_one_host_give_the_answer_that_knows_more() -> None:
    both = []
    for answer, event in (("cannot_tell", "e1"), ("yes", "e2")):
        entry = AdvisoryAnswer("x", say("sandbox.used"), answer, (say("undated"),), (event,), "WS-1")
        both.append(Verdicts(advisory=(entry,)))
    (merged,) = merge_verdicts(both).advisory
    assert (merged.answer, merged.events, len(merged.why)) == ("yes", ("e1", "e2"), 1)


# -- the words -----------------------------------------------------------------------------------------------------


def test_both_languages_have_the_same_keys_and_parts() -> None:
    english, japanese = (texts(language) for language in LANGUAGES)
    assert english.keys() == japanese.keys()
    for key in english:
        parts = [
            sorted(name for _, name, _, _ in Formatter().parse(words[key]) if name) for words in (english, japanese)
        ]
        assert parts[0] == parts[1], key
    signs = {"hit", "finding", "sandbox.evidence"}  # of parts alone
    assert {key for key, text in japanese.items() if not re.search(r"[ぁ-んァ-ヶ一-龠]", text)} == signs


def test_the_questions_name_artifacts_kinds_and_fields_that_exist() -> None:
    kinds, names = all_kinds(), {artifact.name for artifact in all_artifacts()}
    for item in QUESTIONS.values():
        wanted = {name for group in item.get("tells", ()) for name in group} | set(item.get("records", ()))
        assert wanted <= names, item["id"]
        for hit in item.get("hits", ()):
            for kind in hit["kinds"]:
                found = [name for name in kinds if name == kind or (kind[-1] == "*" and name.startswith(kind[:-1]))]
                assert found, kind
            fields = {name for kind in kinds.values() for name in kind.fields}
            assert {*hit.get("has", {}), *hit.get("lacks", {}), *hit["says"]} - {"*"} <= fields, item["id"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_terminal_shows_every_answer(language: str) -> None:
    shown = document(made_case([]))
    scene = Scene()
    _defender(scene)
    found = answers(Rows(scene.events), Verdicts(), everything("not_collected"), "WS-1")
    case = replace(made_case([]), verdicts=replace(made_case([]).verdicts, advisory=found))
    shown = document(case)
    out = Console(file=io.StringIO(), width=300, markup=False, highlight=False, emoji=False)
    print_advisory(shown, UTC, out, language)
    print_short(shown, out, language)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    words = texts(language)
    assert [ident for ident in QUESTIONS if words[ident] not in text] == []
    assert {words["answer.yes"], words["answer.cannot_tell"]} <= set(re.findall(r"\[([^\]]+)\]", text))
    assert "Backdoor:Win64/Noopdoor" in text


def test_a_case_of_an_older_version_says_so() -> None:
    shown = document(made_case([]))
    del shown["advisory"]
    out = Console(file=io.StringIO(), width=300)
    print_advisory(shown, UTC, out, "ja")
    assert texts("ja")["none"] in out.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("reg add HKLM\\x /v fDenyTSConnections /d 0", True),
        ("Set-MpPreference -DisableRealtimeMonitoring $true", True),
        ("Get-MpPreference", False),
        ("netsh advfirewall firewall add rule name=x dir=in action=allow", True),
        ("netsh advfirewall show allprofiles", False),
        ("HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\Real-Time Protection\\DisableRealtimeMonitoring = 0x1", True),
        ("HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\Signature Updates\\EngineVersion = 1", False),
    ],
)
def test_what_the_questions_ask_for_is_kept(text: str, kept: bool) -> None:
    assert is_watched(text) is kept


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("C:\\inetpub\\wwwroot\\aspnet_client\\shell.aspx", True),
        ("D:\\xampp\\htdocs\\up\\a.php", True),
        ("C:\\Tomcat\\webapps\\ROOT\\cmd.jsp", True),
        ("C:\\inetpub\\wwwroot\\logo.png", False),
        ("C:\\Users\\x\\a.aspx", False),
    ],
)
def test_scripts_of_web_servers(path: str, told: bool) -> None:
    assert is_web_script(path) is told
