"""Records that are put off: the same facts as when they are read at once, nothing that matters among them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from forensics import collect, jobs
from forensics.artifacts.base import EventArtifact, all_artifacts
from forensics.deferred import Putter, is_note, kind_of, offset_of
from forensics.evidence import open_evidence
from forensics.formats.evtx import LogReader, Record
from forensics.intake import CONTEXT, KEPT, JobResult
from forensics.model import Fact, Host, Source
from forensics.spool import SpoolReader, decode_fact
from testdata.writers.evtx import LogWriter
from testdata.writers.providers import event
from tests.running import LAYOUTS

LOGS = ["Security.evtx", "System.evtx", "Microsoft-Windows-TaskScheduler%4Operational.evtx",
        "Microsoft-Windows-Sysmon%4Operational.evtx"]  # fmt: skip


def _jobs(spool: Path, *, defer: bool) -> list[jobs.Job]:
    jobs._evidence = open_evidence(LAYOUTS["kape"])
    found = jobs._evidence.find(collect.patterns(all_artifacts()))
    plan = collect.make_plan(found, all_artifacts(), spool, Host(), defer=defer)
    return [job for job in plan.jobs if job.path.rpartition("/")[2] in LOGS]


def _lines(job: jobs.Job, suffix: str) -> list[str]:
    path = Path(job.spool + suffix)
    return list(SpoolReader(path).lines()) if path.exists() else []


def _facts(job: jobs.Job, suffix: str) -> list[Fact]:
    return [decode_fact(line) for line in _lines(job, suffix) if not is_note(line)]


def _again(job: jobs.Job, result: JobResult, notes: list[str]) -> list[Fact]:
    found: list[Fact] = []
    only = frozenset(offset_of(line) for line in notes)
    again = jobs.Job(job.path, job.size, job.artifacts, job.spool, job.host, only=only, sha256=result.sha256)
    assert jobs.run_job(again, found.append).problems == []
    return found


@pytest.mark.parametrize("name", LOGS)
def test_what_is_put_off_comes_out_as_if_it_was_not(name: str, tmp_path: Path) -> None:
    (at_once,) = [job for job in _jobs(tmp_path / "a", defer=False) if job.path.endswith(name)] or [None]
    if at_once is None:
        pytest.skip(f"the shipped host has no {name}")
    (later,) = [job for job in _jobs(tmp_path / "b", defer=True) if job.path.endswith(name)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole, noted = jobs.run_job(at_once), jobs.run_job(later)
    assert whole.counts == noted.counts
    assert _facts(at_once, KEPT) == _facts(later, KEPT)
    notes = [line for line in _lines(later, CONTEXT) if is_note(line)]
    assert notes
    read = _again(later, noted, notes)
    key = repr
    assert sorted(map(key, [*_facts(later, CONTEXT), *read])) == sorted(map(key, _facts(at_once, CONTEXT)))
    by_kind = sorted(kind_of(line) for line in notes)
    assert by_kind == sorted(fact.kind for fact in read)


FIREWALL = "Microsoft-Windows-Windows Firewall With Advanced Security/Firewall"
RUNTIME = "Microsoft-Windows-AppModel-Runtime/Admin"
SYSMON = "Microsoft-Windows-Sysmon/Operational"
RULE = {"ModifyingUser": "S-1-5-18", "ModifyingApplication": "C:\\a.exe", "RuleId": "{A}"}
GUID = "6b3c1a52-7f04-4d2e-9c11-0a5d3e8f7b21"
# What stands alone, and what waits for a session: (artifact, channel, id, fields).
ALONE = [
    ("event_firewall", FIREWALL, 2004, {**RULE, "RuleName": "x", "LocalPorts": "46000-48000"}),
    ("event_firewall", FIREWALL, 2097, {**RULE, "RuleName": "HNS Container Networking - DNS"}),
    ("event_firewall", FIREWALL, 2006, {**RULE, "RuleName": "hns container networking"}),
    ("event_app_model", RUNTIME, 201, {"PackageName": "MicrosoftWindows.WindowsSandbox_1_x64__a", "ProcessID": 9}),
    ("event_app_model", RUNTIME, 217, {"PackageName": "MicrosoftWindows.WindowsSandbox_1_x64__a"}),
    ("event_sysmon", SYSMON, 17, {"PipeName": f"\\wsandbox\\{GUID}", "Image": "C:\\x.exe", "ProcessId": 9}),
    ("event_sysmon", SYSMON, 18, {"PipeName": f"\\code-{GUID}", "Image": "C:\\x.exe", "ProcessId": 9}),
    ("event_logon", "Security", 4624, {"TargetUserSid": "S-1-5-83-1-1-2-3-4", "TargetUserName": GUID}),
    (
        "event_sysmon_images",
        SYSMON,
        29,
        {"TargetFilename": "C:\\WindowsSandbox.exe", "ProcessId": 9},
    ),
]
WAITING = [
    ("event_firewall", FIREWALL, 2004, {**RULE, "RuleName": "x", "LocalPorts": "443"}),
    ("event_firewall", FIREWALL, 2097, {**RULE, "RuleName": "x"}),
    ("event_firewall", FIREWALL, 2006, {**RULE, "RuleName": "x"}),
    ("event_app_model", RUNTIME, 201, {"PackageName": "Calculator_1_x64__a", "ProcessID": 9}),
    ("event_app_model", RUNTIME, 217, {"PackageName": "Calculator_1_x64__a"}),
    ("event_sysmon", SYSMON, 17, {"PipeName": f"\\{GUID}", "Image": "C:\\x.exe", "ProcessId": 9}),
    ("event_sysmon", SYSMON, 18, {"PipeName": "\\lsass", "Image": "C:\\x.exe", "ProcessId": 9}),
    ("event_sysmon_images", SYSMON, 6, {"ImageLoaded": "C:\\x.sys"}),
    ("event_sysmon_images", SYSMON, 7, {"ImageLoaded": "C:\\WindowsSandbox.exe"}),
    ("event_sysmon_images", SYSMON, 29, {"TargetFilename": "C:\\x.exe", "Image": "C:\\y.exe", "ProcessId": 9}),
    ("event_logon", "Security", 4624, {"TargetUserSid": "S-1-5-18", "TargetUserName": "SYSTEM"}),
    ("event_winnat", "Microsoft-Windows-WinNat/Oper", 1017, {"TransportProtocol": 6}),
]


@pytest.mark.parametrize(("name", "channel", "number", "data"), [*ALONE, *WAITING])
def test_it_waits_just_when_its_fact_is_context(name: str, channel: str, number: int, data: dict[str, Any]) -> None:
    artifact = _artifact(name)
    held = io.BytesIO()
    with LogWriter(held, channel) as log:
        log.write(event(channel, number, datetime(2024, 12, 4, 10, 2, 11, tzinfo=UTC), computer="X", data=data))
    putter, notes = Putter(artifact, channel, number), []

    def put_off(_event: int, text: str, _offset: int) -> bool:
        notes.append(putter.note(text))
        return False

    (record,) = LogReader(held, frozenset({number}), defer=put_off)
    assert isinstance(record, Record)
    (fact,) = artifact.parse(record, Source("e", "p", None, "r"))
    assert isinstance(fact, Fact)
    (note,) = notes
    assert (note is not None) == fact.context == ((name, channel, number, data) in WAITING)
    assert note is None or (note.kind, note.pid) == (fact.kind, fact.fields.get("pid", ""))


def _artifact(name: str) -> EventArtifact:
    (found,) = [item for item in all_artifacts() if item.name == name and isinstance(item, EventArtifact)]
    return found


def _text(command: str, more: str = "", event_id: int = 4688) -> str:
    return (
        '{"Event":{"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Security-Auditing"}},'
        f'"EventID":{event_id},"TimeCreated":{{"#attributes":{{"SystemTime":"2024-12-02T03:21:03.922357Z"}}}},'
        '"Channel":"Security","Computer":"X"},"EventData":{"NewProcessId":"0xde68","ProcessId":"0x29c",'
        f'"NewProcessName":"C:\\\\x.exe","ParentProcessName":"C:\\\\y.exe","CommandLine":"{command}"{more}}}}}}}'
    )


def test_only_what_surely_does_not_matter_is_put_off() -> None:
    putter = Putter(_artifact("event_process_audit"), "Security", 4688)
    note = putter.note(_text('x.exe \\"a\\" b'))
    assert note is not None
    assert (note.pid, note.parent_pid, note.kind) == ("56936", "668", "process.created")
    watched = "windowssandbox.exe c:\\\\windows\\\\system32\\\\default.wsb"
    assert putter.note(_text(watched)) is None
    assert putter.note(_text("\\u0077indowssandbox.exe x.wsb")) is None, "escaped letters are letters"
    assert putter.note(_text("x.exe", f',"CommandLine":"{watched}"')) is None, "a name said twice"
    assert putter.note(_text("x.exe").replace("CommandLine", "Commandline")) is None, "a watched element is missing"
    assert putter.note(_text("x.exe", event_id=4689)) is None, "another id"
    assert putter.note(_text("x.exe").replace('"Security"', '"Other"')) is None, "another channel"
    assert putter.note(_text("x.exe").replace("Security-Auditing", "Other")) is None, "another provider"
    assert putter.note(_text("x.exe").replace("2024-12-02T03", "9999-12-02T03")) is None, "no usable time"
    assert putter.note(_text("x.exe").replace("0xde68", '\\",\\"a')) is None, "no number where an id should be"


@pytest.mark.parametrize("name", [item.name for item in all_artifacts() if isinstance(item, EventArtifact)])
def test_deferrals_name_kinds_and_ids_of_their_artifact(name: str) -> None:
    artifact = _artifact(name)
    for event_id, rule in artifact.defers.items():
        assert any(event_id in ids for ids in artifact.wants.values())
        assert rule.kind in artifact.emits


def test_half_of_a_surrogate_pair_is_read_now() -> None:
    artifact = next(item for item in all_artifacts() if item.name == "event_logon")
    assert isinstance(artifact, EventArtifact)
    text = (
        '{"Event":{"System":{"Provider":{"Name":"Microsoft-Windows-Security-Auditing"},"EventID":4624,'
        '"TimeCreated":{"SystemTime":"2024-12-04T01:02:11.123456Z"},"Channel":"Security"},"EventData":{'
        '"TargetUserSid":"S-1-5-21-1","TargetUserName":"%s","LogonType":3,"ProcessId":"0x2bc","IpAddress":"10.0.0.7"}}}'
    )
    putter = Putter(artifact, "Security", 4624)
    note = putter.note(text % "suzuki")
    assert note is not None
    assert note.about == ("10.0.0.7", "3", "suzuki")
    assert putter.note(text % "\\ud800") is None
