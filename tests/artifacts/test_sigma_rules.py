"""The user's Sigma rules in a whole run: findings, rows, what waits and what does not, and what is not evaluated."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from forensics import collect, jobs
from forensics.artifacts import sigma_rules
from forensics.artifacts.base import asked_for
from forensics.evidence import open_evidence
from forensics.formats.evtx import LogReader, Record
from forensics.intake import CONTEXT, KEPT
from forensics.model import Fact, Host, Problem, Source
from forensics.rulefolder import read_rules
from forensics.sigma.ruleset import Matcher, Rules
from forensics.spool import SpoolReader, decode_fact
from testdata.writers.evtx import LogWriter
from testdata.writers.providers import event
from tests.running import LAYOUTS, timeline, tool

TIME = datetime(2024, 12, 4, 10, 2, 11, 123456, tzinfo=UTC)
LOGS = "C/Windows/System32/winevt/Logs"
CMD = {
    "title": "Cmd started",
    "id": "11111111-2222-3333-4444-555555555555",
    "level": "high",
    "tags": ["attack.t1059.003"],
    "logsource": {"product": "windows", "category": "process_creation"},
    "detection": {"sel": {"Image|endswith": "\\odd.exe"}, "condition": "sel"},
}
STARTS = {**CMD, "title": "Any start", "id": "any", "level": "low",
          "detection": {"sel": {"Image|contains": ":\\"}, "condition": "sel"}}  # fmt: skip
ALL = {"title": "Every logon", "id": "logon", "logsource": {"product": "windows", "service": "security"},
       "detection": {"words": ["NTLM", "Kerberos", "Negotiate"], "condition": "words"}}  # fmt: skip
LINUX = {**CMD, "title": "Elsewhere", "id": "linux", "logsource": {"product": "linux"}}


def folder_of(place: Path, *rules: dict[str, object]) -> Path:
    place.mkdir()
    for number, rule in enumerate(rules):
        (place / f"{number}.yml").write_text(yaml.safe_dump(rule), encoding="utf-8")
    return place


def started(index: int, image: str) -> object:
    data = {"NewProcessName": image, "CommandLine": image, "NewProcessId": hex(index + 1), "ProcessId": "0x4",
            "SubjectUserName": "me", "ParentProcessName": r"C:\Windows\explorer.exe"}  # fmt: skip
    return event("Security", 4688, TIME + timedelta(seconds=index), computer="WS-TANAKA", data=data)


def evidence(place: Path, odd: int, plain: int) -> Path:
    path = place / LOGS / "Security.evtx"
    path.parent.mkdir(parents=True)
    with path.open("wb") as handle, LogWriter(handle, "Security", first_record=100) as writer:
        for index in range(plain):
            writer.write(started(index, r"C:\Windows\System32\svchost.exe"))
        for index in range(odd):
            writer.write(started(plain + index, r"C:\Users\Public\odd.exe"))
    return place


def test_a_match_is_a_finding_and_a_row(tmp_path: Path) -> None:
    rules = folder_of(tmp_path / "rules", CMD, LINUX)
    run = timeline(evidence(tmp_path / "ev", 2, 300), tmp_path / "case", "--rules", rules)
    assert run.code == 0, run.err
    (finding,) = [item for item in run.document()["findings"] if item["rule"] == CMD["id"]]
    assert (finding["level"], len(finding["events"])) == ("high", 2)
    assert "Cmd started (T1059.003)" in finding["why"]
    assert "2 records" in finding["why"]
    assert finding["first"] == "2024-12-04T10:07:11.123456+00:00"
    rows = [row for row in run.lines("timeline.jsonl") if row["kind"] == "sigma.matched"]
    assert {row["event_uid"] for row in rows} == set(finding["events"])
    assert [row["record_number"] for row in rows] == ["400", "401"]
    assert rows[0]["sigma_fields"] == r"Image=C:\Users\Public\odd.exe"
    assert rows[0]["sigma_attack"] == ["T1059.003"]
    assert "Sigma rule matched (high): Cmd started" in rows[0]["message"]
    starts = [row for row in run.lines("timeline.jsonl") if row["kind"] == "process.created"]
    assert {row["record_number"] for row in rows} <= {row["record_number"] for row in starts}, "the record's own row"


def test_a_rule_that_is_not_evaluated_is_named_everywhere(tmp_path: Path) -> None:
    rules = folder_of(tmp_path / "rules", CMD, LINUX)
    run = timeline(evidence(tmp_path / "ev", 0, 3), tmp_path / "case", "--rules", rules)
    about = json.loads((run.case / "run.json").read_text(encoding="utf-8"))
    told = about["options"]["rules"]
    assert (told["evaluated"], told["reasons"]) == (1, {"another product than Windows": 1})
    assert told["not_evaluated"] == [
        {"file": "1.yml", "rule": "linux", "title": "Elsewhere", "reason": "another product than Windows",
         "why": "logsource: product linux"},
    ]  # fmt: skip
    assert any("1 of 2 Sigma rules" in item["text"] for item in about["notices"])
    shown = tool("show", run.case, "findings").stdout
    assert "Rules not evaluated: 1" in shown
    assert "Elsewhere" in shown
    assert "1 of 2 Sigma rules" in tool("show", run.case).stdout


def test_coverage_says_which_logs_the_rules_wanted(tmp_path: Path) -> None:
    run = timeline(evidence(tmp_path / "ev", 1, 3), tmp_path / "case", "--rules", folder_of(tmp_path / "rules", CMD))
    (row,) = [row for row in run.document()["coverage"] if row["artifact"] == sigma_rules.NAME]
    assert (row["found"], row["facts"], row["state"]) == (1, 1, "partial")
    assert "sysmon" in row["detail"]
    without = timeline(tmp_path / "ev", tmp_path / "plain")
    assert sigma_rules.NAME not in {row["artifact"] for row in without.document()["coverage"]}


def test_a_folder_without_rules_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    done = tool("timeline", evidence(tmp_path / "ev", 0, 1), "-o", tmp_path / "case", "--rules", tmp_path / "rules")
    assert done.returncode == 2
    assert "no .yml file" in done.stderr
    assert not (tmp_path / "case").exists()


def _facts(spool: Path, rules: Rules, *, defer: bool) -> list[Fact]:
    """The matches of the shipped host, by the jobs of a run."""
    spool.mkdir()
    jobs._evidence, jobs._rules = open_evidence(LAYOUTS["kape"]), rules
    artifacts = asked_for(carve=False, events=rules.wants())
    found = jobs._evidence.find(collect.patterns(artifacts))
    plan = [job for job in collect.make_plan(found, artifacts, spool, Host(), defer=defer).jobs
            if sigma_rules.NAME in job.artifacts]  # fmt: skip
    assert plan
    facts: list[Fact] = []
    for job in plan:
        assert jobs.run_job(job).problems == []
        for path in (Path(job.spool + kind) for kind in (KEPT, CONTEXT)):
            lines = SpoolReader(path).lines() if path.exists() else ()
            facts += [decode_fact(line) for line in lines if '"sigma.matched"' in line]
    jobs._rules = Rules("")
    return facts


def test_records_that_wait_are_matched_all_the_same(tmp_path: Path) -> None:
    rules = read_rules(folder_of(tmp_path / "rules", STARTS, ALL))
    at_once, later = (_facts(tmp_path / name, rules, defer=defer) for name, defer in (("a", False), ("b", True)))
    assert [fact.fields for fact in later] == [fact.fields for fact in at_once]
    matcher = Matcher(rules.rules)
    expected = 0
    for path in LAYOUTS["kape"].rglob("*.evtx"):
        with path.open("rb") as handle:
            records = [item for item in LogReader(handle, None) if isinstance(item, Record)]
        expected += sum(len(matcher.matches(record)) for record in records)
    assert len(at_once) == expected > 20


def test_a_rule_that_matches_everything_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sigma_rules, "MOST_KEPT", 3)
    target = io.BytesIO()
    with LogWriter(target, "Security", first_record=1) as writer:
        for index in range(5):
            writer.write(started(index, r"C:\x.exe"))
    rules = Rules("", tuple(item for item in read_all(STARTS)))
    (artifact,) = [item for item in sigma_rules.with_rules(rules) if "Security" in item.wants]
    found = [
        item
        for record in LogReader(io.BytesIO(target.getvalue()), None)
        if isinstance(record, Record)
        for item in artifact.parse(record, Source("e", "p", None, f"record {record.record_id}"))
    ]
    problems = [item for item in found if isinstance(item, Problem)]
    facts = [item for item in found if isinstance(item, Fact)]
    assert [fact.context for fact in facts] == [False, False, False, True, True]
    assert [(item.fault, item.source.locator) for item in problems] == [("budget", "record 4")]
    declared = sigma_rules.EMITS["sigma.matched"].fields
    assert all(type(value) is declared[name] for name, value in facts[0].fields.items() if name != "sigma_attack")


def read_all(*documents: dict[str, object]) -> list[object]:
    from forensics.sigma.ruleset import make

    return [make("f.yml", document) for document in documents]
