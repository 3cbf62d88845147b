"""What the checklist makes of tunnels: no "no" beside anything that speaks of one, and what is gone is said to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from forensics.advisory import Logons, answers
from forensics.model import AdvisoryAnswer, Finding, HostingPeriod, RelayPeriod, TunnelSession, Verdicts
from forensics.sessions.rows import Rows
from tests.sessions.factory import Scene, at
from tests.test_advisory import ENTRY, SIGN, asked, everything, said, seen

HOSTING = HostingPeriod(at(5), None, None, None, None, None)
TUNNEL = TunnelSession(
    "t-1", "vscode", "sato", None, None, None, None, None, False, (), (), (), (), (), (), "possible", 35, (), (),
    ("e7",),
)  # fmt: skip
RUN = "C:\\Users\\Public\\x.exe tunnel service internal-run --log-to-file C:\\Users\\Public\\t.log"


@pytest.mark.parametrize(
    ("verdicts", "answer"),
    [
        (Verdicts(), "no"),
        (Verdicts(tunnel_sessions=(TUNNEL,)), "cannot_tell"),
        (Verdicts(tunnel_sessions=(replace(TUNNEL, certainty="probable"),)), "yes"),
        (Verdicts(persistence=(replace(ENTRY, command=RUN),)), "cannot_tell"),
        (Verdicts(persistence=(replace(ENTRY, command=RUN, target_exists=True),)), "yes"),
        (Verdicts(persistence=(replace(ENTRY, command=RUN, deleted=True),)), "cannot_tell"),
        (Verdicts(persistence=(replace(ENTRY, name="Visual Studio Code Tunnel"),)), "cannot_tell"),
        (Verdicts(persistence=(replace(ENTRY, reasons=("PER-02 (+20): opens a tunnel",)),)), "cannot_tell"),
        (Verdicts(persistence=(replace(ENTRY, command="qrcode.exe"),)), "no"),
        (Verdicts(findings=(Finding("x.y", "high", "devtunnel host was run", ("e1",)),)), "cannot_tell"),
    ],
)
def test_a_program_that_something_speaks_of_is_not_denied(verdicts: Verdicts, answer: str) -> None:
    found = asked("vscode.present", Scene(), *everything(), verdicts=verdicts)
    assert found.answer == answer
    assert bool(found.events) == (verdicts != Verdicts() and answer != "no")


def test_a_deleted_entry_says_so_first() -> None:
    verdicts = Verdicts(persistence=(replace(ENTRY, command=RUN, deleted=True, target_exists=False),))
    text = said(asked("vscode.present", Scene(), *everything(), verdicts=verdicts))
    assert "UTC: deleted: run_key x names the program of a tunnel: C:\\Users\\Public\\x.exe" in text
    assert "its file is not there now" in text


@pytest.mark.parametrize("how", [{"executable": "C:\\ProgramData\\svc.exe", "original_file_name": "code-tunnel.exe"},
                                 {"executable": "C:\\ProgramData\\svc.exe", "file_description": "Visual Studio Code"},
                                 {"executable": "C:\\ProgramData\\svc.exe", "command_line": RUN}])  # fmt: skip
def test_a_renamed_copy_is_told_by_what_it_calls_itself(how: dict[str, str]) -> None:
    scene = Scene()
    scene.add("process.created", 5, **how)
    assert asked("vscode.present", scene, *everything()).answer == "yes"


def test_the_no_says_by_what_a_renamed_copy_was_looked_for() -> None:
    asked_for = ("prefetch", "amcache", "event_process_audit", "event_sysmon")
    base = [item for item in everything() if item.artifact not in asked_for]
    for told in range(len(asked_for) + 1):
        coverage = [seen(name, "complete" if n < told else "not_collected") for n, name in enumerate(asked_for)]
        found = asked("vscode.present", Scene(), *base, *coverage)
        assert found.answer == "no", "the $MFT has every file by its name"
        assert ("by the usual names only" in said(found)) == (told == 0)
        assert ("a renamed copy was looked for by prefetch" in said(found)) == (told > 0)
        assert ("which cannot be asked here" in said(found)) == (0 < told < len(asked_for))


class TestGone:
    def test_a_program_that_was_deleted_is_told_as_such(self) -> None:
        found = self.answer("usn.file_deleted")
        assert found.answer == "yes"
        assert said(found).startswith("was there, deleted (last at 2024-12-02 03:30:50.000 UTC)")
        assert "code.exe (was there, deleted at 2024-12-02 03:30:50.000 UTC)" in said(found)
        assert "CODE.EXE (was there, deleted at 2024-12-02 03:30:50.000 UTC)" in said(found), "by its run, too"
        assert "過去に存在、2024-12-02 03:30:50.000 UTC に削除" in said(found, "ja")

    def test_what_was_made_anew_is_there(self) -> None:
        found = self.answer("usn.file_deleted", again=80)
        assert "deleted" not in said(found)
        assert found.answer == "yes"

    def test_another_copy_is_there(self) -> None:
        found = self.answer("file.deleted", other="C:\\Tools\\code.exe")
        assert not said(found).startswith("was there")
        assert "code.exe (was there, deleted at 2024-12-02 03:30:50.000 UTC)" in said(found)

    @pytest.mark.parametrize("deleted", [True, False])
    def test_the_file_table_has_no_time_of_deletion(self, deleted: bool) -> None:
        scene = Scene()
        path = "C:\\Users\\Public\\code.exe"
        scene.file("mft.entry", "C:/$MFT", {"Creation Time": 5}, "x", file_path=path, file_deleted=deleted)
        text = said(asked("vscode.present", scene, *everything()))
        assert ("was there, deleted; when is not recorded" in text) == deleted
        assert text.startswith("was there, deleted (last at ?)") == deleted

    def answer(self, kind: str, *, again: float = 0, other: str = "") -> AdvisoryAnswer:
        scene = Scene()
        path = "C:\\Users\\Public\\code.exe"
        scene.add("usn.file_created", 5, file_path=path)
        scene.add("prefetch.run", 9, executable="\\VOLUME{01da104cdf412b80-5c71a2d4}\\USERS\\PUBLIC\\CODE.EXE")
        scene.add(kind, 50, file_path=path)
        if again:
            scene.add("usn.file_created", again, file_path=path)
        if other:
            scene.add("usn.file_created", 60, file_path=other)
        return asked("vscode.present", scene, *everything())


@pytest.mark.parametrize(
    ("change", "answer", "words"),
    [
        ({}, "cannot_tell", "set up, or was; no hosting is seen, no network trace"),
        ({"hosting": (HOSTING,)}, "cannot_tell", "a tunnel was hosted, by inference; no network trace"),
        ({"hosting": (HOSTING,), "relay": (RelayPeriod(at(6), None, None),)}, "yes", "vscode tunnel ? of sato"),
        ({"hosting": (HOSTING,), "bytes_sent": 7}, "yes", "vscode tunnel ? of sato"),
    ],
)
def test_only_the_network_says_that_there_was_traffic(change: dict[str, Any], answer: str, words: str) -> None:
    verdicts = Verdicts(tunnel_sessions=(replace(TUNNEL, certainty="confirmed", **change),))
    found = asked("tunnel.traffic", Scene(), *everything(), verdicts=verdicts)
    assert found.answer == answer
    assert words in said(found)


@pytest.mark.parametrize("kind", ["log_silent", "recorder_missing", "log_young"])
def test_what_is_only_missing_is_no_cleared_log(kind: str) -> None:
    verdicts = Verdicts(anti_forensics=(replace(SIGN, kind=kind),))
    found = answers(Rows([], []), verdicts, everything(), "WS-1", Logons())
    answer = next(item for item in found if item.id == "logs.erased")
    assert answer.answer == "cannot_tell"
    assert "no clearing is recorded; what follows is only inferred" in said(answer)
    (macros,) = (item for item in found if item.id == "office.macros")
    assert "there are signs that traces were removed" in said(macros)
    sure = Verdicts(anti_forensics=(replace(SIGN, kind=kind), SIGN))
    assert asked("logs.erased", Scene(), *everything(), verdicts=sure).answer == "yes"


def test_the_hint_names_the_places_of_the_question() -> None:
    """The marks of documents, not those of sandbox configurations that the same artifact reads."""
    sought = ("**/*.wsb*Zone.Identifier", "Users/**/vscode_cli_*.zip", "Users/*/Downloads/**/*.doc*Zone.Identifier")
    row = replace(seen("mark_of_the_web", "not_collected"), sought=sought, detail="KAPE target X takes it")
    text = said(asked("office.outside", Scene(), seen("office_trust_records"), row))
    assert "to collect: Users/*/Downloads/**/*.doc*Zone.Identifier; not known which KAPE target" in text
    assert "wsb" not in text
