"""SRUM: the public SRUDB.dat held against another tool's rows; what is kept, shown near sessions, and counted."""

from __future__ import annotations

import io
import json
import struct
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from forensics.artifacts import srum
from forensics.artifacts.base import FileInput
from forensics.model import Fact, Host, Problem, User
from tests.artifacts.registry_inputs import sorted_out

SID = "S-1-5-21-2212929841-2730996645-2649195864-1000"
HOST = Host(users=(User(SID, "TestUser", "C:\\Users\\TestUser"),))
PROGRAM = "\\device\\harddiskvolume3\\program files (x86)\\microsoft\\edgeupdate\\microsoftedgeupdate.exe"


def run(data: bytes) -> tuple[list[Fact], list[Problem]]:
    given = FileInput("C:/Windows/System32/sru/SRUDB.dat", io.BytesIO(data), len(data), None, "test", HOST, None)
    return sorted_out(srum.ARTIFACT, list(srum.parse(given)))


@pytest.fixture
def database(samples: Path) -> bytes:
    return (samples / "srum/SRUDB.dat").read_bytes()


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule that chooses programs, widened to all of them."""
    monkeypatch.setattr(srum, "_weight", lambda _name: "kept")


@pytest.mark.samples
@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("kind", ["srum.network_usage", "srum.application_usage"])
def test_rows_are_as_another_tool_has_them(samples: Path, database: bytes, kind: str) -> None:
    table = {value: name for name, value in srum._KINDS.items()}[kind]
    theirs = [
        row
        for row in json.loads((samples / "srum/analysis_srum_database_json.txt").read_text())
        if row["Table"] == table
    ]
    facts, problems = run(database)
    ours = [fact for fact in facts if fact.kind == kind]
    assert problems == []
    assert len(ours) == len(theirs) > 0
    for fact, row in zip(ours, theirs, strict=True):
        assert fact.source.locator == f"{table} AutoIncId {row['AutoIncId']}"
        assert fact.fields.get("application") == row["AppName"] or str(row["AppName"]) in str(
            fact.fields["application"]
        )
        assert fact.fields.get("user_sid") == row.get("UserSID")
        assert 0 <= (fact.times["Recorded Time"] - datetime.fromisoformat(row["TimeStamp"])).total_seconds() <= 1
        for column, name in srum._NUMBERS.items():
            assert fact.fields.get(name) == row.get(column), name
    assert {fact.fields.get("user_name") for fact in ours if fact.fields.get("user_sid") == SID} == {"TestUser"}


@pytest.mark.samples
def test_other_programs_are_counted_not_told(database: bytes) -> None:
    facts, problems = run(database)
    assert problems == []
    tables = [fact for fact in facts if fact.kind == "srum.table"]
    told = Counter(fact.source.locator.partition(" ")[0] for fact in facts if fact.kind != "srum.table")
    assert [fact.fields["record_count"] for fact in tables] == [96, 562]
    for fact in tables:
        assert fact.fields["records_told"] == told[str(fact.fields["table_name"])] < fact.fields["record_count"]
        assert fact.fields["records_without_name"] == 0
    assert tables[0].fields["first_record_time"] == "2022-03-10T16:35:00.000000+00:00"
    assert tables[0].fields["last_record_time"] == "2022-03-10T21:10:00.000000+00:00"
    assert all(fact.context for fact in facts), "nothing of a sandbox or a tunnel ran there"


@pytest.mark.samples
def test_the_bytes_of_a_tunnel_are_kept(database: bytes) -> None:
    """The sample with the name of one of its programs made that of the tunnel's CLI, of the same length."""
    tunnel = PROGRAM.replace("microsoftedgeupdate.exe", "temporary\\code-tunnel.exe")[: len(PROGRAM)].encode(
        "utf-16-le"
    )
    name = PROGRAM.encode("utf-16-le")
    assert len(tunnel) == len(name)
    changed = database.replace(name, tunnel)
    assert changed != database
    kept = [fact for fact in run(changed)[0] if not fact.context]
    assert kept
    first = next(fact for fact in kept if fact.kind == "srum.network_usage")
    assert (first.fields["bytes_sent"], first.fields["bytes_received"]) == (1883, 4244)
    assert (first.fields["user_sid"], first.fields["user_name"]) == (SID, "TestUser")
    assert str(first.fields["application"]).startswith("\\device\\harddiskvolume3")


@pytest.mark.samples
def test_a_running_hosts_copy_says_that_logs_were_not_replayed(database: bytes) -> None:
    dirty = bytearray(database)
    struct.pack_into("<I", dirty, 52, 2)
    total = 0x89ABCDEF
    for (word,) in struct.iter_unpack("<I", bytes(dirty[4:4096])):
        total ^= word
    struct.pack_into("<I", dirty, 0, total)
    facts, (problem,) = run(bytes(dirty))
    assert problem.fault == "dirty_not_replayed"
    assert "not replayed" in problem.detail
    assert [fact.fields["database_state"] for fact in facts if fact.kind == "srum.table"] == ["dirty", "dirty"]


@pytest.mark.parametrize("data", [b"", b"junk" * 400])
def test_what_is_no_database_is_said(data: bytes) -> None:
    facts, (problem,) = run(data)
    assert facts == []
    assert problem.fault == "unreadable"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("010100000000000512000000", "S-1-5-18"),
        ("010500000000000515000000f1a4e783b5a5c7a258c3e69de8030000", "S-1-5-21-2212996337-2730993077-2649146200-1000"),
        ("0102000000000005120000", None),
        ("", None),
    ],
)
def test_sids(raw: str, text: str | None) -> None:
    assert srum.sid_of(bytes.fromhex(raw)) == text


def test_names_of_programs() -> None:
    assert srum._program("!!winlogon.exe!2003/06/28:14:48:59!e9386!")["executable_name"] == "winlogon.exe"
    assert srum._program(PROGRAM)["executable_name"] == "microsoftedgeupdate.exe"
    assert srum._program("Microsoft.WindowsStore_1_x64__8wekyb3d8bbwe")["executable_name"] is None
    assert srum._weight("\\Device\\HarddiskVolume3\\Windows\\System32\\vmwp.exe") == "kept"
    assert srum._weight("\\Device\\HarddiskVolume3\\x\\node.exe") == "context"
    assert srum._weight("\\Device\\HarddiskVolume3\\Windows\\System32\\svchost.exe [netsvcs]") == ""
