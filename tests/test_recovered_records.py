"""Event records out of slack, from the log's bytes to the case: marked everywhere, used once, in nobody's way."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from forensics import collect, jobs
from forensics.artifacts.base import EventArtifact, FileArtifact, all_artifacts
from forensics.descendants import family
from forensics.evidence.members import Member, MemberTree
from forensics.evidence.opened import OpenedEvidence
from forensics.formats.evtx import LogReader, Record
from forensics.intake import CONTEXT, KEPT, Count, JobResult
from forensics.model import Fact, Host, Source
from forensics.sessions.rows import Rows, because
from forensics.spool import SpoolReader, encode_fact
from forensics.timeline import events_of
from tests.formats.crafted_logs import forgotten, rows, seal
from tests.running import KAPE_FOLDER, LAYOUTS, Run, timeline
from tests.sessions.factory import DEV, Scene, at

SECURITY = "Windows/System32/winevt/Logs/Security.evtx"
ABOUT: dict[str, Any] = {"recovered": True, "recovered_from": "slack", "recovery_grade": "strong"}
PREFIX = "[recovered from slack, strong] "


def _log() -> bytes:
    return (LAYOUTS["kape"] / "C" / SECURITY).read_bytes()


def _launch() -> Record:
    """The record of the first start of the Sandbox."""
    for item in LogReader(io.BytesIO(_log()), frozenset({4688})):
        if isinstance(item, Record) and item.data.get("NewProcessName", "").endswith("\\WindowsSandbox.exe"):
            return item
    raise AssertionError("the shipped host starts no Sandbox")


def _job(
    data: bytes, spool: Path, parts: int = 1, *, defer: bool = False, kinds: type = EventArtifact
) -> tuple[list[Fact], JobResult]:  # fmt: skip
    """The facts and the result of the jobs over a Security log, of the artifacts that read records, or of others."""
    tree = MemberTree("C:")
    tree.add(SECURITY, Member(tuple(SECURITY.split("/")), len(data), lambda: io.BytesIO(data), {}))
    jobs._evidence = OpenedEvidence("slack", "folder", [tree])
    found = jobs._evidence.find(collect.patterns(all_artifacts()))
    records = tuple(item for item in all_artifacts() if isinstance(item, kinds))
    (job,) = collect.make_plan(found, records, spool, Host(), defer=defer).jobs
    result, facts = JobResult(job.path), []
    for index in range(parts):
        part = replace(job, spool=str(spool / str(index)), part=(index, parts))
        result.add(jobs.run_job(part))
        for suffix in (KEPT, CONTEXT):
            if (path := Path(part.spool + suffix)).exists():
                facts += list(SpoolReader(path)) if not defer else []
    return facts, result


def _plain(fact: Fact) -> tuple[Any, ...]:
    """A fact without what says that it was recovered, and without the hash of its file."""
    fields = {name: value for name, value in fact.fields.items() if name not in ABOUT}
    locator = re.match(r"record \d+", fact.source.locator)
    return fact.kind, str(fact.times), str(fields), fact.context, locator.group() if locator else ""


@pytest.mark.parametrize("parts", [1, 3])
def test_facts_are_those_of_the_live_records_but_marked(tmp_path: Path, parts: int) -> None:
    wiped = _launch().record_id - 1
    data = bytes(forgotten(_log(), wiped))
    whole, before = _job(_log(), tmp_path)
    facts, result = _job(data, tmp_path, parts)
    recovered = [fact for fact in facts if "recovered" in fact.tags]
    lost = {_plain(fact) for fact in whole} - {_plain(fact) for fact in facts}
    assert {item[-1] for item in lost} <= {f"record {wiped}"}
    assert {_plain(fact) for fact in facts} <= {_plain(fact) for fact in whole}
    assert len(facts) == len(whole) - len(lost)
    places = {number: at for at, _, number in rows(_log())}
    assert len(recovered) > 50
    for fact in recovered:
        assert fact.fields.items() >= ABOUT.items()
        number = int(str(fact.fields["record_number"]))
        assert fact.source.locator == f"record {number} (slack, offset 0x{places[number]:x})"
        assert fact.source.sha256 == hashlib.sha256(data).hexdigest()
    assert not any("recovered" in fact.fields for fact in facts if fact not in recovered)
    assert result.problems == []
    for name, count in result.counts.items():
        mine = [fact for fact in recovered if fact.kind in _artifact(name).emits]
        assert (count.recovered, count.gone) == (len(mine), 0)
        assert count.claimed == count.parsed < before.counts[name].claimed
        assert count.facts == before.counts[name].facts - sum(item[0] in _artifact(name).emits for item in lost)


def _artifact(name: str) -> Any:
    return next(artifact for artifact in all_artifacts() if artifact.name == name)


def test_records_that_are_put_off_are_live_ones(tmp_path: Path) -> None:
    """A note of a record leads to its place in the log, where the second reading does not look behind the end."""
    data = bytes(forgotten(_log(), _launch().record_id - 1))
    at_once, later = _job(data, tmp_path)[1], _job(data, tmp_path, defer=True)[1]
    assert at_once.counts == later.counts


def test_what_is_left_without_content_is_counted_by_artifact(tmp_path: Path) -> None:
    """Templates that were overwritten: the coverage says how much there was, and of when."""
    data = forgotten(_log(), _launch().record_id - 1)
    for at_, _, _ in rows(data)[:40]:
        token = at_ + 28
        if (
            data[token] == 0x0C
            and int.from_bytes(data[token + 6 : token + 10], "little") == (token + 10 - 0x1000) % 65536
        ):
            data[token + 14 : token + 18] = b"\xde\xad\xbe\xef"
    facts, result = _job(bytes(seal(data)), tmp_path)
    assert not any("recovered" in fact.tags for fact in facts)
    gone = {name: count.gone for name, count in result.counts.items()}
    assert gone["event_process_audit"] > 20
    assert gone["event_log_cleared"] == 0
    whole = collect.coverage(all_artifacts(), [_planned(tmp_path)], {result.path: result}, result.problems, whole=False)
    (row,) = [row for row in whole if row.artifact == "event_process_audit"]
    said = re.match(r"slack holds (\d+) more records without their content, of (\S+) to ([^\s;]+)", row.detail)
    assert said is not None
    assert int(said.group(1)) == gone["event_process_audit"]
    first, last = map(datetime.fromisoformat, said.groups()[1:])
    assert first < last
    assert row.state == "complete"


def _planned(spool: Path) -> jobs.Job:
    found = jobs.opened().find(collect.patterns(all_artifacts()))
    (job,) = collect.make_plan(found, all_artifacts(), spool, Host()).jobs
    return job


def test_counts_of_parts_add_up() -> None:
    count = Count(recovered=1)
    count.add(Count(gone=2, gone_from="2024-01-02", gone_to="2024-01-03"))
    count.add(Count(recovered=3, gone=1, gone_from="2024-01-01", gone_to="2024-01-02"))
    assert (count.recovered, count.gone, count.gone_from, count.gone_to) == (4, 3, "2024-01-01", "2024-01-03")
    count.add(Count())
    assert (count.gone_from, count.gone_to) == ("2024-01-01", "2024-01-03")


def test_the_sentence_says_so() -> None:
    fact = Fact("log.cleared", Source("e", "C:/x", None, "record 5 (slack, offset 0x1a0)"), {"Creation Time": at(0)},
                {"cleared_channel": "Security", **ABOUT}, tags=("recovered",))  # fmt: skip
    (event,) = events_of(fact, "WS-1")
    assert event.message == f"{PREFIX}Event log Security cleared"
    assert event.fields.items() >= ABOUT.items()
    (old,) = events_of(replace(fact, seen_in=("vss1",)), "WS-1")
    assert old.message == f"[only in vss1] {PREFIX}Event log Security cleared"


def test_a_record_that_another_log_still_counts_is_used_once() -> None:
    scene = Scene()
    live = scene.add("log.cleared", 0, cleared_channel="Security", record_number="7")
    again = scene.add("log.cleared", 0, cleared_channel="Security", record_number="7", **ABOUT)
    other = scene.add("log.cleared", 0, cleared_channel="Security", record_number="8", **ABOUT)
    later = scene.add("log.cleared", 5, cleared_channel="Security", record_number="7", **ABOUT)
    kept = {row.id for row in Rows(scene.events).of("log.cleared")}
    assert kept == {live.id, other.id, later.id}
    assert again.id not in kept


def test_reasons_and_signs_say_so() -> None:
    scene = Scene()
    scene.add("log.cleared", 0, cleared_channel="Security", record_number="7", user_sid=DEV, **ABOUT)
    (sign,) = scene.build().anti_forensics
    assert sign.detail == "the Security log was cleared by 田中 (the record was recovered from slack)"
    slack = Rows(scene.events).of("log.cleared")
    assert because("x", slack).startswith("x (only in records recovered from slack) [")
    copy = [replace(row, id="b", snapshot="vss1") for row in slack]
    plain = [replace(row, id="c", fields={}) for row in slack]
    assert because("x", [replace(copy[0], fields={})]).startswith("x (only in a shadow copy) [")
    assert because("x", [*slack, *copy]).startswith("x (only in a shadow copy and records recovered from slack) [")
    assert because("x", [*slack, *plain]).startswith("x [")


def test_old_records_between_two_parts_of_a_log_do_not_end_what_is_followed(tmp_path: Path) -> None:
    def started(seconds: float, pid: str, parent: str, **more: Any) -> str:
        fields = {"pid": pid, "parent_pid": parent, **more}
        source = Source("e", "C:/Security.evtx", None, f"record {seconds}")
        return encode_fact(Fact("process.created", source, {"Creation Time": at(seconds)}, fields, context=True))

    scene = Scene()
    seed = scene.add("process.created", 0, pid="10", parent_pid="1")
    old = scene.add("process.created", -90_000, pid="77", parent_pid="1")
    first, second = tmp_path / "0.context", tmp_path / "1.context"
    lines = [started(1, "20", "10"), started(-80_000, "78", "77", **ABOUT), started(-89_000, "79", "78", **ABOUT)]
    first.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    second.write_text(started(2, "30", "20") + "\n", encoding="utf-8")
    kin = family([first, second], [old, seed])
    assert [fact.fields["pid"] for fact in kin.facts] == ["20", "30", "78"]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The shipped host, and the same with the Sandbox's start and what follows it no longer counted by the log."""
    top = tmp_path_factory.mktemp("slack")
    made = []
    for name in ("whole", "slack"):
        host = top / name / "WS-TANAKA"
        # Without its list of hashes, which would notice the change.
        shutil.copytree(KAPE_FOLDER, host, ignore=shutil.ignore_patterns("*_copylog.csv"))
        if name == "slack":
            (host / "C" / SECURITY).write_bytes(forgotten(_log(), _launch().record_id - 1))
        made.append(timeline(host, top / f"case-{name}"))
    return made[0], made[1]


def test_a_session_whose_start_lies_in_slack(both: tuple[Run, Run]) -> None:
    whole, slack = both
    assert (whole.code, slack.code) == (0, 0)
    assert whole.lines("problems.jsonl") == slack.lines("problems.jsonl") == []
    for name in ("sandbox_sessions", "tunnel_sessions"):
        assert [
            {key: value for key, value in item.items() if key not in ("reasons", "events", "events_by_role")}
            for item in slack.document()[name]
        ] == [
            {key: value for key, value in item.items() if key not in ("reasons", "events", "events_by_role")}
            for item in whole.document()[name]
        ]


def test_rows_of_the_timeline(both: tuple[Run, Run]) -> None:
    whole, slack = (run.lines("timeline.jsonl") for run in both)
    marked = [row for row in slack if "recovered" in row["tag"]]
    assert len(marked) > 50
    assert all(row["message"].startswith(PREFIX) for row in marked)
    assert all(re.fullmatch(r"record \d+ \(slack, offset 0x[0-9a-f]+\)", row["source_locator"]) for row in marked)
    assert all({name: row[name] for name in ABOUT} == ABOUT for row in marked)
    assert not any(row["message"].startswith("[recovered") for row in slack if row not in marked)
    wiped = str(_launch().record_id - 1)

    def said(rows_: list[Any]) -> list[tuple[str, ...]]:
        return sorted((row["datetime"], row["kind"], row["message"].removeprefix(PREFIX), row["record_number"])
                      for row in rows_ if row.get("record_number", wiped) != wiped)  # fmt: skip

    assert said(slack) == said(whole)


def test_the_coverage_says_so(both: tuple[Run, Run]) -> None:
    whole, slack = ({row["artifact"]: row for row in run.document()["coverage"]} for run in both)
    row = slack["event_process_audit"]
    assert re.match(
        r"\d+ of the facts recovered from records in slack; Security\.evtx: cleared at 2024-12-02T03:20:45",
        row["detail"],
    )
    assert row["state"] == "complete"
    assert row["claimed"] == row["parsed"] < whole["event_process_audit"]["claimed"]
    assert slack["event_system_power"] == whole["event_system_power"]


@pytest.mark.parametrize("parts", [1, 3])
def test_a_log_that_is_shared_out_is_described_once(tmp_path: Path, parts: int) -> None:
    facts, result = _job(_log(), tmp_path, parts, kinds=FileArtifact)
    (fact,) = [fact for fact in facts if fact.kind == "log.described"]
    assert fact.fields["missing_records"] == 0
    assert (result.counts["event_log_order"].facts, result.counts["event_log_order"].claimed) == (1, 1)
