"""The checklist through the whole tool: a host with the group's traces, a host that kept logons, a hive alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testdata.writers.evtx import LogWriter
from testdata.writers.providers import event
from tests.artifacts.registry_inputs import merged, nested
from tests.artifacts.test_office_trust_records import PUBLISHED, WORD, binary
from tests.artifacts.test_rdp_settings import system
from tests.contradictions import contradictions
from tests.formats.crafted_hives import hive
from tests.running import Run, timeline, tool

BEGIN = datetime(2024, 12, 4, 1, 0, tzinfo=UTC)
LOGONS = [
    *[("10.0.0.7", 3, "suzuki")] * 40,
    ("127.0.0.1", 10, "admin"),
    ("10.0.0.7", 10, "suzuki"),
    *[("-", 5, "SYSTEM")] * 20,
    ("10.0.0.7", 7, "suzuki"),  # an unlocked screen
]


def by_id(run: Run) -> dict[str, Any]:
    return {item["id"]: item for item in run.document()["advisory"]}


def english(answer: Any) -> str:
    return "\n".join(item["en"] for item in answer["why"])


@pytest.fixture(scope="module")
def tanaka(shipped: Callable[[str], Run]) -> Run:
    return shipped("kape")


def test_the_shipped_host(tanaka: Run) -> None:
    found = by_id(tanaka)
    assert {ident: item["answer"] for ident, item in found.items()} == {
        "logs.erased": "yes",
        "sandbox.enabled": "yes",
        "sandbox.used": "yes",
        "vscode.present": "yes",
        "tunnel.traffic": "yes",
        "antivirus.detected": "cannot_tell",
        "antivirus.weakened": "cannot_tell",
        "office.macros": "cannot_tell",  # not denied, as web.scripts: a log was cleared, which is a strong sign
        "office.outside": "cannot_tell",
        "logon.remote": "cannot_tell",
        "firewall.opened": "cannot_tell",
        "rdp.enabled": "cannot_tell",
        "web.scripts": "cannot_tell",
        "autostart.suspicious": "yes",
    }
    assert "traces were removed on this host (strong signs: " in english(found["office.macros"])
    assert "event_defender: not collected" in english(found["antivirus.detected"])
    assert "Security.evtx begins only at 2024-12-02 03:20:45.318 UTC" in english(found["logon.remote"])
    assert "Security.evtx: cleared at 2024-12-02 03:20:45.318 UTC" in english(found["logs.erased"])
    assert "switched on at 2024-12-02 03:06:55.402 UTC" in english(found["sandbox.enabled"])
    assert "jpe1-data.rel.tunnels.api.visualstudio.com" in english(found["tunnel.traffic"])
    assert "佐藤, 田中" in english(found["vscode.present"])


def test_answers_rest_on_rows_of_the_case(tanaka: Run) -> None:
    rows = {row["event_uid"] for name in ("timeline.jsonl", "undated.jsonl") for row in tanaka.lines(name)}
    for item in by_id(tanaka).values():
        assert set(item["events"]) <= rows, item["id"]
        assert bool(item["events"]) == (item["answer"] == "yes")


def test_what_speaks_against_a_no_is_looked_for(tanaka: Run) -> None:
    """Each yes of this host, taken for a no, is contradicted: that the contract is broken would be noticed."""
    assert contradictions(tanaka) == []
    yes = {ident for ident, item in by_id(tanaka).items() if item["answer"] == "yes"}
    found = {text.partition(": ")[0] for text in contradictions(tanaka, denied=yes)}
    assert found == yes


def test_show_tells_it_in_both_languages(tanaka: Run) -> None:
    shown = tool("show", tanaka.case, "advisory")
    assert shown.returncode == 0
    assert "[yes] Was Windows Sandbox used?" in shown.stdout
    shown = tool("show", tanaka.case, "advisory", "--lang", "ja")
    assert "[該当あり] Windows サンドボックスは使われたか" in shown.stdout
    assert "[判定不能] ウイルス対策ソフトの検知はあったか" in shown.stdout
    assert "event_defender: 収集されていない" in shown.stdout
    printed = json.loads(tool("show", tanaka.case, "advisory", "--json").stdout)
    assert printed == {"advisory": tanaka.document()["advisory"]}


def test_the_summary_has_it_in_short(tanaka: Run) -> None:
    text = tool("show", tanaka.case).stdout
    assert "yes: logs.erased, sandbox.enabled, sandbox.used, vscode.present, tunnel.traffic" in text
    assert "該当あり: logs.erased" in tool("show", tanaka.case, "summary", "--lang", "ja").stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host with a Security log of logons, a SYSTEM hive that lets remote desktop in, and a trusted document."""
    top = tmp_path_factory.mktemp("server")
    logs = top / "Windows/System32/winevt/Logs"
    logs.mkdir(parents=True)
    with (logs / "Security.evtx").open("wb") as target, LogWriter(target, "Security", first_record=1) as writer:
        for index, (address, kind, user) in enumerate(LOGONS):
            data = {
                "IpAddress": address, "LogonType": kind, "TargetUserName": user, "TargetUserSid": "S-1-5-21-1-1-1-1104",
                "ProcessId": 700,
            }  # fmt: skip
            moment = BEGIN + timedelta(seconds=index)
            writer.write(event("Security", 4624, moment, computer="SRV-1", data=data))
    config = top / "Windows/System32/config"
    config.mkdir()
    name = nested("ControlSet001\\Control\\ComputerName\\ComputerName", {"": []})
    (config / "SYSTEM").write_bytes(hive(merged(system(fDenyTSConnections=0), name)))
    profile = top / "Users/suzuki"
    profile.mkdir(parents=True)
    trusted = nested(WORD, {"": [binary("%USERPROFILE%/Downloads/a.docm", PUBLISHED)]})
    (profile / "NTUSER.DAT").write_bytes(hive(trusted))
    return top


@pytest.mark.parametrize("every", [(), ("--all-events",)], ids=["near sessions", "all events"])
def test_logons_are_counted_though_they_are_context(server: Path, tmp_path: Path, every: tuple[str, ...]) -> None:
    run = timeline(server, tmp_path / "case", *every)
    found = by_id(run)
    told = found["logon.remote"]
    assert told["answer"] == "yes"
    lines = [item["en"] for item in told["why"]]
    assert lines == [
        "10.0.0.7: 41 (4624 type 10: 1, 4624 type 3: 40), 2024-12-04 01:00:00.000 UTC to "
        "2024-12-04 01:00:41.000 UTC, as suzuki (41)",
        "127.0.0.1: 1 (4624 type 10: 1), 2024-12-04 01:00:40.000 UTC to 2024-12-04 01:00:40.000 UTC, as admin (1) "
        "(the host's own address: a forwarded port or a tunnel may stand behind it)",
    ]
    rows = {row["event_uid"]: row for row in run.lines("timeline.jsonl")}
    assert told["events"]
    assert {rows[ident]["source_ip"] for ident in told["events"]} == {"10.0.0.7", "127.0.0.1"}
    assert found["rdp.enabled"]["answer"] == "yes"
    assert found["office.macros"]["answer"] == "yes"
    assert "Downloads\\a.docm, Word, suzuki, download folder" in english(found["office.macros"])
    assert found["office.outside"]["answer"] == "yes"


def test_a_hive_alone_says_what_was_not_collected(server: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone/Users/suzuki"
    alone.mkdir(parents=True)
    (alone / "NTUSER.DAT").write_bytes((server / "Users/suzuki/NTUSER.DAT").read_bytes())
    found = by_id(timeline(tmp_path / "alone", tmp_path / "case"))
    assert found["office.macros"]["answer"] == "yes"
    told = {ident: item["answer"] for ident, item in found.items() if not ident.startswith("office")}
    assert set(told.values()) == {"cannot_tell"}
    assert "event_logon: not collected" in english(found["logon.remote"])
