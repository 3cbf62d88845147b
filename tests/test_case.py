"""A case saved, loaded and saved again is the same, byte for byte; nothing is overwritten or left half done."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from forensics.case import CASE_FILES, Case, CaseError, CaseExistsError, merge_verdicts
from forensics.columns import DERIVED_COLUMNS
from forensics.export import parquet
from forensics.model import SandboxCapability, Verdicts
from forensics.timeline import event_store
from tests.cases import HOST, KINDS, SESSION_ROWS, T0, made_case, nasty_facts, verdicts
from tests.conftest import ROOT

STABLE = [name for name in CASE_FILES if name != "run.json"]


@pytest.fixture(scope="module")
def nasty() -> Case:
    return made_case(nasty_facts())


def content(folder: Path, names: list[str] = STABLE) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


def test_save_load_save_is_identical(nasty: Case, tmp_path: Path) -> None:
    first = nasty.save(tmp_path / "new" / "first", kinds=KINDS)
    loaded = Case.load(first)
    loaded.save(tmp_path / "second", kinds=KINDS)
    assert content(tmp_path / "second") == content(first)
    assert list(loaded.events) == list(nasty.events)
    assert len(loaded.events) == len(nasty.events)
    assert list(loaded.undated) == list(nasty.undated)
    assert len(loaded.undated) > 0
    assert [item.name for item in loaded.evidence] == [item.name for item in nasty.evidence]
    assert loaded.evidence[1] == nasty.evidence[1]
    assert loaded.coverage["ws-tanaka.E01"] == nasty.coverage["ws-tanaka.E01"]
    assert loaded.run == {
        **nasty.run,
        "counts": {
            "context_in_timeline": 7,
            "events": 160,
            "undated": 32,
            "problems": 2,
            "timeline_rows": 160 + SESSION_ROWS,
            "session_rows": SESSION_ROWS,
            "session_rows_outside": 0,
        },
    }
    assert len(loaded.problems) == 2
    assert sorted(path.name for path in first.iterdir()) == sorted(CASE_FILES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "second"]


def test_loaded_verdicts_are_the_saved_ones(nasty: Case, tmp_path: Path) -> None:
    clean = replace(nasty, verdicts=verdicts(list(nasty.events)))
    text_safe = Case.load(clean.save(tmp_path / "c", kinds=KINDS)).verdicts
    session = clean.verdicts.sandbox_sessions[0]
    escaped = replace(session, reasons=("mapped folder is writable: \\u202e 田中", "network on"))
    assert text_safe.sandbox_sessions == (escaped, clean.verdicts.sandbox_sessions[1])
    assert text_safe.sandbox_capability == clean.verdicts.sandbox_capability
    assert text_safe.sandbox_configs[0].settings == clean.verdicts.sandbox_configs[0].settings
    assert text_safe.tunnel_sessions[0].hosting == clean.verdicts.tunnel_sessions[0].hosting
    assert text_safe.anti_forensics == clean.verdicts.anti_forensics
    assert text_safe.findings == clean.verdicts.findings


def test_the_order_of_arrival_does_not_show(nasty: Case, tmp_path: Path) -> None:
    other = replace(
        nasty, events=event_store(reversed(list(nasty.events))), problems=nasty.problems[::-1], run={"other": 1}
    )
    nasty.save(tmp_path / "a", kinds=KINDS)
    other.save(tmp_path / "b", kinds=KINDS)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_an_existing_case_is_refused_and_replaced_only_on_demand(nasty: Case, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    nasty.save(folder, kinds=KINDS)
    before = content(folder, list(CASE_FILES))
    with pytest.raises(CaseExistsError):
        Case().save(folder, kinds=KINDS)
    assert content(folder, list(CASE_FILES)) == before
    Case.load(folder).save(folder, force=True, kinds=KINDS)
    assert content(folder) == content(folder, STABLE) == {name: before[name] for name in STABLE}
    assert (folder / "notes.txt").read_text() == "mine"
    (folder / "run.json").unlink()
    with pytest.raises(CaseExistsError):
        nasty.save(folder, kinds=KINDS)
    with pytest.raises(CaseError, match=r"run\.json"):
        Case.load(folder)


def test_a_failed_save_leaves_nothing(nasty: Case, tmp_path: Path) -> None:
    broken = replace(nasty, run={"not json": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        broken.save(tmp_path / "case", kinds=KINDS)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CaseExistsError, match="not a folder"):
        Case().save(tmp_path / "file", force=True)
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize("name", [name for name in CASE_FILES if not name.startswith("timeline")])
def test_a_damaged_file_is_named(nasty: Case, tmp_path: Path, name: str) -> None:
    folder = nasty.save(tmp_path / "case", kinds=KINDS)
    for rubbish in (b"{", b"[]\n", b'{"schema": 2}\n', b"\xff\xfe\n"):
        (folder / name).write_bytes(rubbish)
        with pytest.raises(CaseError, match=name.replace(".", r"\.")):
            Case.load(folder)


def test_parquet_gives_back_every_value(nasty: Case, tmp_path: Path) -> None:
    parquet.write(nasty, tmp_path / "e.parquet", KINDS)
    back = parquet.read(tmp_path / "e.parquet")
    assert list(back) == list(nasty.events)
    assert [event.time.tzinfo for event in back] == [event.time.tzinfo for event in nasty.events]
    some = next(iter(nasty.events))
    assert back.find([some.id]) == {some.id: some}


def test_parquet_names_the_sessions_of_a_row(nasty: Case, tmp_path: Path) -> None:
    from pyarrow.parquet import read_table

    folder = nasty.save(tmp_path / "case", kinds=KINDS)
    table = read_table(folder / "events.parquet", columns=["event_uid", "session_ids"]).to_pylist()
    told = {row["event_uid"]: row["session_ids"] for row in table}
    lines = (folder / "timeline.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [
        row
        for line in lines
        if (row := json.loads(line))["kind"] not in ("session", "persistence", "anti_forensics", "finding")
    ]
    named = {row["event_uid"]: row.get("session_uid", []) for row in rows}
    assert {uid: told[uid] for uid in named} == named
    assert any(named.values())
    owned = {identity for entry in nasty.verdicts.sandbox_sessions for identity in entry.events}
    assert owned & set(told) == {
        uid for uid, ids in told.items() if set(ids) & {s.id for s in nasty.verdicts.sandbox_sessions}
    }
    frame = nasty.to_frame(KINDS).set_index("event_uid")["session_ids"]
    assert {uid: json.loads(text) for uid, text in frame.items()} == told


def test_a_parquet_file_from_before_these_columns_is_still_read(nasty: Case, tmp_path: Path) -> None:
    from pyarrow.parquet import read_table, write_table

    parquet.write(nasty, tmp_path / "e.parquet", KINDS)
    write_table(read_table(tmp_path / "e.parquet").drop_columns(list(DERIVED_COLUMNS)), tmp_path / "old.parquet")
    assert list(parquet.read(tmp_path / "old.parquet")) == list(nasty.events)


def test_parquet_keeps_fields_that_no_kind_declares_any_more(nasty: Case, tmp_path: Path) -> None:
    parquet.write(nasty, tmp_path / "e.parquet", {})
    fields = next(event.fields for event in parquet.read(tmp_path / "e.parquet") if event.kind == "process.created")
    assert "executable=a.exe" in fields["extra"]


@pytest.mark.parametrize("case", ["nasty", "empty"])
def test_sessions_json_follows_its_schema(nasty: Case, tmp_path: Path, case: str) -> None:
    folder = (nasty if case == "nasty" else Case()).save(tmp_path / "case", kinds=KINDS)
    schema = json.loads((ROOT / "docs" / "sessions.schema.json").read_text(encoding="utf-8"))
    document = json.loads((folder / "sessions.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    if case == "nasty":
        assert document["host"]["name"] == HOST
        assert [host["name"] for host in document["hosts"]] == [HOST, None]
        assert document["sandbox_configs"][0]["memory_mb"] == 1024
        assert "settings" not in document["sandbox_configs"][0]
        assert document["problems"][0]["detail"] in ("cut", "lost \\x1b[2J here")
        del document["tunnel_sessions"][0]["clients"]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(document)


def test_schema_names_every_key_that_is_written(nasty: Case, tmp_path: Path) -> None:
    """A key that is written but not in the schema would be a silent promise."""
    folder = nasty.save(tmp_path / "case", kinds=KINDS)
    schema = json.loads((ROOT / "docs" / "sessions.schema.json").read_text(encoding="utf-8"))

    def closed(node: object) -> object:
        if isinstance(node, dict):
            extra = {"additionalProperties": False} if "required" in node else {}
            return {**{key: closed(value) for key, value in node.items()}, **extra}
        return [closed(item) for item in node] if isinstance(node, list) else node

    document = json.loads((folder / "sessions.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(closed(schema)).validate(document)


def test_undated_rows_say_why(nasty: Case, tmp_path: Path) -> None:
    folder = nasty.save(tmp_path / "case", kinds=KINDS)
    rows = [json.loads(line) for line in (folder / "undated.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(nasty.undated)
    assert all(row["no_times"]["Creation Time"].startswith("zero: never set") for row in rows)
    assert not any("datetime" in row for row in rows)


def test_capabilities_of_several_hosts_become_one() -> None:
    on = Verdicts(sandbox_capability=SandboxCapability(True, T0, ("on",), ("1",), "A"))
    off = Verdicts(sandbox_capability=SandboxCapability(False, None, ("off",), (), "B"))
    unknown = Verdicts(sandbox_capability=SandboxCapability(None, None, (), (), "C"))
    merged = merge_verdicts([off, on, unknown]).sandbox_capability
    assert merged == SandboxCapability(True, T0, ("B: off", "A: on"), ("1",), "A")
    assert merge_verdicts([off, unknown]).sandbox_capability.enabled is None
    assert merge_verdicts([off, off]).sandbox_capability.enabled is False
    assert merge_verdicts([on]) is on
    assert merge_verdicts([]).sandbox_capability.enabled is None


def test_neither_pandas_nor_pyarrow_is_loaded_before_it_is_needed(tmp_path: Path) -> None:
    code = (
        "import sys; from forensics.case import Case; assert not {'pandas', 'pyarrow'} & set(sys.modules);"
        f"Case().save({str(tmp_path / 'c')!r}, kinds={{}}); Case.load({str(tmp_path / 'c')!r});"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
