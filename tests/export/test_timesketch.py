"""The exports as Timesketch's own importer reads them: every row arrives, with its values and types."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from timesketch.lib.utils import read_and_validate_csv, read_and_validate_jsonl

from forensics import analyse
from forensics.artifacts.base import Kind, all_kinds
from forensics.case import Case
from forensics.export import parquet, timesketch_csv, timesketch_jsonl
from forensics.export._folding import core, listed, own_columns
from forensics.export._rows import row_fields
from forensics.model import Fact, Source
from forensics.pipeline import Options
from forensics.timeline import event_store, events_of
from forensics.times import iso, microseconds
from forensics.workers import Limits
from tests.cases import KINDS, NASTY, SESSION_ROWS, T0, fact, made_case, nasty_facts
from tests.folding import unfolded
from tests.running import LAYOUTS

READERS = {"jsonl": (timesketch_jsonl, read_and_validate_jsonl), "csv": (timesketch_csv, read_and_validate_csv)}
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


@pytest.fixture(scope="module")
def nasty() -> Case:
    return made_case(nasty_facts())


@pytest.fixture
def imported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Any:
    """Write and read a case as the server does; a warning of the importer is a lost row and fails the test."""

    def read(case: Case, form: str) -> list[dict[str, Any]]:
        module, reader = READERS[form]
        path = tmp_path / f"timeline.{form}"
        module.write(case, path, KINDS)
        with caplog.at_level(logging.WARNING, "timesketch.utils"), path.open(encoding="utf-8", errors="replace") as fh:
            rows = list(reader(fh))
        assert [record.getMessage() for record in caplog.records if record.name == "timesketch.utils"] == []
        return rows

    return read


@pytest.mark.parametrize("form", READERS)
def test_every_row_of_a_hostile_case_arrives(nasty: Case, imported: Any, form: str) -> None:
    rows = imported(nasty, form)
    assert len(rows) == len(nasty.events) + SESSION_ROWS
    assert len(nasty.events) == 5 * len(NASTY)
    by_id = {row["event_uid"]: row for row in rows}
    for event in nasty.events:
        row = by_id[event.id]
        assert row["message"] == event.message
        assert row["timestamp"] == microseconds(event.time)
        assert row["timestamp_desc"] == event.meaning
        assert row["tag"] == (list(event.tags) or [event.kind.split(".")[0]])
        assert not UNSAFE.search(json.dumps(row, ensure_ascii=False))
    assert [row["timestamp"] for row in rows] == sorted(row["timestamp"] for row in rows)


@pytest.mark.parametrize("form", READERS)
def test_an_empty_case_imports_as_nothing(imported: Any, form: str) -> None:
    assert imported(Case(), form) == []


def test_jsonl_keeps_every_field_with_its_type(nasty: Case, imported: Any) -> None:
    rows = {row["event_uid"]: row for row in imported(nasty, "jsonl")}
    for event in nasty.events:
        row = rows[event.id]
        fields = {name: value for name, value in unfolded(row, KINDS).items() if name not in core()}
        wanted = {k: list(v) if isinstance(v, tuple) else v for k, v in event.fields.items() if v not in ("", ())}
        assert fields == wanted
        assert row["datetime"] == iso(event.time)
        assert row.get("username", "") == event.user


def test_csv_keeps_every_field_in_details(nasty: Case, imported: Any) -> None:
    rows = {row["event_uid"]: row for row in imported(nasty, "csv")}
    for event in nasty.events:
        details = json.loads(rows[event.id]["details"])
        details.pop("source_name", None)
        wanted = {k: list(v) if isinstance(v, tuple) else v for k, v in event.fields.items() if v not in ("", ())}
        assert details == wanted


def test_csv_texts_stay_texts_even_when_all_look_like_numbers(imported: Any) -> None:
    """`0012345` in every row would arrive as the number 12345, and in one chunk only: OpenSearch then drops rows."""
    for name in ("0012345", "1E5", "None", "NA", "true", "１２３", " 12 ", "#N/A N/A", "-"):
        facts = [Fact(**_with_user(name, index)) for index in range(3)]
        case = Case(events=event_store(event for item in facts for event in events_of(item, name, KINDS)))
        for row in imported(case, "csv"):
            assert isinstance(row["username"], str)
            assert isinstance(row["hostname"], str)
            assert row["username"].strip('"') == name
            assert row["hostname"].strip('"') == name
        for row in imported(case, "jsonl"):
            assert (row["username"], row["hostname"]) == (name, name)


def _with_user(name: str, index: int) -> dict[str, Any]:
    made = fact(user_name=name, executable="a.exe", pid=str(index))
    return {item: getattr(made, item) for item in ("kind", "source", "times", "fields")}


def test_one_type_for_each_field_over_more_rows_than_a_chunk(imported: Any) -> None:
    """The importer guesses a column's type again for every 10,000 rows; every guess must be the same."""
    place = [f"line {index}" for index in range(10_050)]
    events = []
    for index, locator in enumerate(place):
        item = fact(executable="a.exe", pid=str(index) if index < 10_000 else "0x1", user_name=str(index))
        changed = Fact(item.kind, type(item.source)("e", "p", None, locator), item.times, item.fields)
        events.extend(events_of(changed, "WS", KINDS))
    case = Case(events=event_store(events))
    for form in READERS:
        rows = imported(case, form)
        types: dict[str, set[type]] = {}
        for row in rows:
            for name, value in row.items():
                types.setdefault(name, set()).add(type(value))
        assert len(rows) == len(place)
        assert {name for name, found in types.items() if len(found) > 1} == set()


def _raw_rows(case: Case, path: Path) -> Iterator[dict[str, Any]]:
    timesketch_jsonl.write(case, path, KINDS)
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield json.loads(line)


def test_jsonl_form(nasty: Case, tmp_path: Path) -> None:
    rows = list(_raw_rows(nasty, tmp_path / "t.jsonl"))
    raw = (tmp_path / "t.jsonl").read_bytes()
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw
    assert b"\n\n" not in raw
    assert raw.endswith(b"}\n")
    for row in rows:
        assert {"message", "datetime", "timestamp", "timestamp_desc", "data_type", "kind", "tag"} <= set(row)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", row["datetime"])
        assert type(row["timestamp"]) is int
        assert row["tag"]
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in row)
        assert None not in row.values()
        assert not any(value in ("", [], {}) for value in row.values())
        for value in row.values():
            items = value if isinstance(value, list) else [value]
            assert all(type(item) in (str, int, bool) for item in items)
            assert not isinstance(value, list) or all(type(item) is str for item in items)


def test_an_event_log_row_looks_like_plasos(tmp_path: Path) -> None:
    item = fact(executable="a.exe", event_identifier=4688, provider="Microsoft-Windows-Security-Auditing", pid="12")
    (row,) = _raw_rows(Case(events=event_store(events_of(item, "WS", KINDS))), tmp_path / "t.jsonl")
    assert row["data_type"] == "windows:evtx:record"
    assert row["event_identifier"] == 4688
    assert row["source_name"] == "Microsoft-Windows-Security-Auditing"
    assert row["pid"] == "12"
    assert row["source_locator"] == "record 812"


def test_what_a_session_looks_like(nasty: Case, tmp_path: Path) -> None:
    rows = [row for row in _raw_rows(nasty, tmp_path / "t.jsonl") if row["data_type"].startswith("mirrortrace:session")]
    by_id = {row["event_uid"]: row for row in rows}
    assert set(by_id) == {
        "sb-1-start", "sb-1-end", "sb-2-start", "sb-2-end-earliest", "sb-2-end-latest", "tn-1-host0-start",
        "tn-1-host0-end", "tn-1-client0-start", "tn-1-client0-end",
    }  # fmt: skip
    start = by_id["sb-1-start"]
    assert start["message"].startswith("Windows Sandbox session started by SYSTEM (confirmed, score 90); launch: task")
    assert start["tag"] == ["bad", "wsb", "attack.t1564.006"]
    assert start["datetime"] == iso(T0)
    assert (start["session_uid"], start["session_score"], start["username"]) == (["sb-1"], 90, "SYSTEM")
    bounded = by_id["sb-2-start"]
    assert bounded["timestamp_desc"] == "Start Time (earliest)"
    assert "not before this time" in bounded["message"]
    assert bounded["tag"] == ["suspicious", "wsb"]
    assert "mytunnel of 田中" in by_id["tn-1-host0-start"]["message"]
    assert "left: disconnected" in by_id["tn-1-client0-end"]["message"]


def test_a_session_row_tells_configuration_calls_writes_and_bounds(nasty: Case, tmp_path: Path) -> None:
    rows = {row["event_uid"]: unfolded(row, KINDS) for row in _raw_rows(nasty, tmp_path / "t.jsonl")}
    start, late = rows["sb-1-start"], rows["sb-2-end-latest"]
    assert start["wsb_mapped_folders"] == ["C:\\Users (rw)"]
    assert (start["wsb_networking"], start["wsb_memory_mb"]) == (True, 1024)
    assert "wsb_vgpu" not in start  # the default depends on the version: unknown is absent
    assert start["wsb_cli_calls"] == [f"{iso(T0)} wsb start"]
    assert start["wsb_host_writes"] == [f"{iso(T0)} created C:/Users/x"]
    assert "maps C:\\Users (rw)" in start["message"]
    assert "1 host write: C:/Users/x" in start["message"]
    assert "configuration not known" in rows["sb-2-start"]["message"]
    assert (late["wsb_end_earliest"], late["wsb_end_latest"]) == (iso(T0), late["datetime"])
    assert late["timestamp_desc"] == "End Time (latest)"


def test_an_entry_of_score_0_has_no_row_of_its_own(nasty: Case, tmp_path: Path) -> None:
    """What Windows or a known product brings would be a third of the rows about autostarts."""
    (entry,) = nasty.verdicts.persistence
    harmless = replace(entry, id="pe-0", score=0)
    case = replace(nasty, verdicts=replace(nasty.verdicts, persistence=(entry, harmless)))
    rows = list(_raw_rows(case, tmp_path / "t.jsonl"))
    assert [row["session_uid"] for row in rows if row["kind"] == "persistence"] == [["pe-1"], ["pe-1"]]
    assert any("pe-0" in row.get("session_uid", ()) for row in rows), "the events that it was made from"


@pytest.mark.parametrize(
    ("mechanism", "wanted"),
    [("run_key", "windows:registry:run"), ("startup_folder", "mirrortrace:autorun:configured"),
     ("accessibility_replaced", "mirrortrace:autorun:configured")],
)  # fmt: skip
def test_only_a_run_key_is_of_plasos_type_for_it(mechanism: str, wanted: str, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"mechanism": mechanism, "location": "x", "entry_name": "a", "command_line": "a.exe"}
    item = Fact("autorun.configured", Source("ev", "C:/x", None, "y"), {"Content Modification Time": T0}, fields)
    kinds = all_kinds()
    case = Case(events=event_store(events_of(item, "PC", kinds)))
    path = tmp_path / "t.jsonl"
    timesketch_jsonl.write(case, path, kinds)
    assert [json.loads(line)["data_type"] for line in path.read_text("utf-8").splitlines()] == [wanted]


def test_a_finding_is_a_row(nasty: Case, tmp_path: Path) -> None:
    (row,) = [row for row in _raw_rows(nasty, tmp_path / "t.jsonl") if row["kind"] == "finding"]
    assert row["message"] == "Finding wsb.template (high): matches"
    assert (row["finding_rule"], row["vm_id"], row["datetime"]) == ("wsb.template", "VM", iso(T0))
    assert row["tag"] == ["bad", "finding"]
    assert row["session_events"] == list(nasty.verdicts.findings[0].events)


def test_persistence_and_removal_are_rows_and_events_name_their_sessions(nasty: Case, tmp_path: Path) -> None:
    rows = list(_raw_rows(nasty, tmp_path / "t.jsonl"))
    kinds = Counter(row["data_type"] for row in rows)
    assert (kinds["mirrortrace:persistence"], kinds["mirrortrace:anti_forensics"]) == (2, 1)
    harmless = next(row for row in rows if row["event_uid"] == "pe-1-seen")
    assert harmless["tag"] == ["persistence", "attack.t1547.001"]
    owned = {row["event_uid"]: row["session_uid"] for row in rows if "session_uid" in row and "evidence" in row}
    first, second, third = nasty.verdicts.sandbox_sessions[0].events
    assert owned == {first: ["sb-1", "tn-1", "pe-1"], second: ["sb-1", "pe-1"], third: ["sb-1"]}


def test_columns_stay_far_below_what_an_index_takes() -> None:
    """Three mapped fields a text, 1000 in an index, which other uploads share."""
    assert len(own_columns()) == len(core()) + len(listed())
    assert len(own_columns()) < 300
    assert [name for name in own_columns() if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []


def test_every_listed_column_is_declared_by_a_kind() -> None:
    assert [name for name in listed() if name not in row_fields()] == []
    assert set(timesketch_csv.COLUMNS) <= core()


def test_what_is_not_listed_is_folded(tmp_path: Path) -> None:
    """A kind that no export file knows: `made_up` and the rest come back out of `details`, by name, type and order."""
    kinds = {
        "made.up": Kind(
            "{made_up}",
            {"made_up": str, "made_number": int, "made_switch": bool, "made_list": tuple[str, ...], "pid": str},
        )
    }
    hostile = 'C:\\new: made_number: 7\nsecond "line"'
    fields = {
        "made_up": hostile, "made_number": 0, "made_switch": False, "made_list": ("b: c", "", "a"), "pid": "12",
    }  # fmt: skip
    case = Case(events=event_store(events_of(fact("made.up", **fields), "WS", kinds)))
    timesketch_jsonl.write(case, tmp_path / "t.jsonl", kinds)
    (row,) = map(json.loads, (tmp_path / "t.jsonl").read_text(encoding="utf-8").splitlines())
    assert row["details"] == [
        "made_list: b: c", "made_list: ", "made_list: a", "made_number: 0", "made_switch: false",
        f"made_up: {case.events.find([row['event_uid']])[row['event_uid']].fields['made_up']}",
    ]  # fmt: skip
    assert row["details"][-1].startswith("made_up: C:\\new: made_number: 7")
    assert set(row) <= own_columns()
    back = unfolded(row, kinds)
    assert (back["made_number"], back["made_switch"], back["made_list"]) == (0, False, ["b: c", "", "a"])
    assert back["pid"] == "12"


def test_nothing_of_the_shipped_host_is_lost_between_parquet_and_timesketch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every value of every event, as the server reads the row."""
    case = analyse(LAYOUTS["kape"], options=Options(all_events=True, limits=Limits(jobs=1))).save(tmp_path / "case")
    kinds = all_kinds()
    read: dict[str, dict[str, dict[str, Any]]] = {}
    for form, (_, reader) in READERS.items():
        with (case / f"timeline.{form}").open(encoding="utf-8", errors="replace") as fh:
            read[form] = {row["event_uid"]: row for row in reader(fh)}
    assert [record for record in caplog.records if record.name == "timesketch.utils"] == []
    names = set().union(*read["jsonl"].values())
    assert names <= own_columns()
    folded = 0
    for event in parquet.read(case / "events.parquet"):
        wanted = {k: list(v) if isinstance(v, tuple) else v for k, v in event.fields.items() if v not in ("", ())}
        row = read["jsonl"][event.id]
        folded += len(row.get("details", ()))
        assert {k: v for k, v in unfolded(row, kinds).items() if k not in core()} == wanted
        details = json.loads(read["csv"][event.id]["details"])
        assert {k: v for k, v in details.items() if k != "source_name"} == wanted
    assert folded > 1000


def test_a_field_with_two_types_is_refused() -> None:
    text, number = Kind("{pid}", {"pid": str}), Kind("{pid}", {"pid": int})
    with pytest.raises(ValueError, match="another type"):
        row_fields({"a.b": text, "c.d": number})
    with pytest.raises(ValueError, match="session rows"):
        row_fields({"a.b": Kind("{vm_id}", {"vm_id": int})})
    with pytest.raises(ValueError, match="core columns"):
        row_fields({"a.b": Kind("{message}", {"message": str})})
