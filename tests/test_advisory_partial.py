"""The checklist of partial evidence: what was not there never says no."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testdata.writers.evtx import LogWriter
from testdata.writers.providers import event
from tests.artifacts.registry_inputs import merged, nested
from tests.artifacts.test_rdp_settings import system
from tests.formats.crafted_hives import hive
from tests.running import KAPE_FOLDER, Run, timeline, tool

BEGIN = datetime(2024, 10, 1, 1, 0, tzinfo=UTC)
LOGS = "Windows/System32/winevt/Logs"


def by_id(run: Run, host: str = "") -> dict[str, Any]:
    return {item["id"]: item for item in run.document()["advisory"] if not host or item["host"] == host}


def security(path: Path, computer: str, *, first: int = 1, days: int = 60, source: str = "-") -> Path:
    """A Security log of `days` logons, one a day."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target, LogWriter(target, "Security", first_record=first) as writer:
        for day in range(days):
            data = {"IpAddress": source, "LogonType": 3 if source != "-" else 5, "TargetUserName": "suzuki",
                    "TargetUserSid": "S-1-5-21-1-1-1-1104", "ProcessId": 700}  # fmt: skip
            writer.write(event("Security", 4624, BEGIN + timedelta(days=day), computer=computer, data=data))
    return path


def sources(answer: Any) -> dict[str, tuple[str, bool]]:
    return {item["artifact"]: (item["state"], item["tells"]) for item in answer["sources"]}


def test_a_security_log_alone_answers_only_what_it_records(tmp_path: Path) -> None:
    top = tmp_path / "evidence"
    security(top / LOGS / "Security.evtx", "PC-1")
    found = by_id(timeline(top, tmp_path / "case"))
    told = {ident: item["answer"] for ident, item in found.items()}
    assert {ident for ident, answer in told.items() if answer != "cannot_tell"} == {"logon.remote"}
    answer = found["logon.remote"]
    assert answer["answer"] == "no"
    assert sources(answer)["event_logon"] == ("complete", True)
    assert sources(answer)["event_rdp_sessions"] == ("not_collected", False)
    assert (answer["first"], answer["last"]) == ("2024-10-01T01:00:00.000000+00:00", "2024-11-29T01:00:00.000000+00:00")
    assert answer["why"][0]["en"].startswith("no, within 2024-10-01 01:00:00.000 UTC to 2024-11-29 01:00:00.000 UTC")
    assert answer["why"][0]["ja"].startswith("2024-10-01 01:00:00.000 UTC から")
    # The System log, which has the clearings of all other logs (104), is not there.
    assert sources(found["logs.erased"])["event_log_cleared"] == ("partial", False)


def test_a_log_that_begins_late_tells_its_period_and_does_not_deny(tmp_path: Path) -> None:
    top = tmp_path / "evidence"
    security(top / LOGS / "Security.evtx", "PC-1", first=5000, days=10)
    answer = by_id(timeline(top, tmp_path / "case"))["logon.remote"]
    assert answer["answer"] == "cannot_tell"
    assert answer["first"] == "2024-10-01T01:00:00.000000+00:00"
    assert "begins only at 2024-10-01 01:00:00.000 UTC (to 2024-10-10" in answer["why"][0]["en"]


def test_a_log_that_was_cut_says_nothing_of_what_it_lost(tmp_path: Path) -> None:
    top = tmp_path / "evidence"
    path = security(top / LOGS / "Security.evtx", "PC-1", days=400)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    answer = by_id(timeline(top, tmp_path / "case"))["logon.remote"]
    assert answer["answer"] == "cannot_tell"
    assert sources(answer)["event_logon"] == ("partial", False)
    assert "一部しか読み取れなかった" in answer["why"][0]["ja"]
    assert "問題あり" in answer["why"][0]["ja"]


def test_a_system_hive_alone(tmp_path: Path) -> None:
    config = tmp_path / "evidence/Windows/System32/config"
    config.mkdir(parents=True)
    name = nested("ControlSet001\\Control\\ComputerName\\ComputerName", {"": []})
    (config / "SYSTEM").write_bytes(hive(merged(system(fDenyTSConnections=1), name)))
    found = by_id(timeline(tmp_path / "evidence", tmp_path / "case"))
    assert {item["answer"] for item in found.values()} == {"cannot_tell"}
    told = [item["en"] for item in found["rdp.enabled"]["why"]]
    assert told[0].startswith("the setting refuses remote desktop")
    assert "not collected: SOFTWARE" in told[1], "where the policy is that overrides it"
    assert sources(found["autostart.suspicious"])["run_keys"] == ("not_collected", False)
    web = [item["en"] for item in found["web.scripts"]["why"]]
    assert web[0].startswith("no service of a web server")


def test_a_tree_without_a_file_denies_nothing(tmp_path: Path) -> None:
    place = tmp_path / "evidence/Windows/System32/drivers/etc"
    place.mkdir(parents=True)
    (place / "hosts").write_bytes(b"127.0.0.1 localhost\r\n")
    run = timeline(tmp_path / "evidence", tmp_path / "case")
    assert {item["answer"] for item in run.document()["advisory"]} == {"cannot_tell"}
    shown = tool("show", run.case, "advisory", "--lang", "ja").stdout
    assert "[該当なし]" not in shown
    assert shown.count("[判定不能]") == len(run.document()["advisory"])


def test_an_empty_tree_is_no_evidence(tmp_path: Path) -> None:
    (tmp_path / "evidence/Windows/System32/config").mkdir(parents=True)
    run = timeline(tmp_path / "evidence", tmp_path / "case")
    assert run.code == 4
    assert not run.case.exists()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Loose Security logs of two computers: one far back and quiet, one short and with logons from elsewhere."""
    top = tmp_path_factory.mktemp("mixed")
    security(top / "evidence/a/Security.evtx", "PC-A")
    security(top / "evidence/b/Security.evtx", "PC-B", first=900, days=3, source="10.0.0.7")
    return timeline(top / "evidence", top / "case")


def test_loose_logs_of_several_computers_answer_computer_by_computer(mixed: Run) -> None:
    one, two = by_id(mixed, "PC-A")["logon.remote"], by_id(mixed, "PC-B")["logon.remote"]
    assert (one["answer"], two["answer"]) == ("no", "yes")
    assert one["last"] == "2024-11-29T01:00:00.000000+00:00"
    assert two["last"] == "2024-10-03T01:00:00.000000+00:00"
    assert two["events"]
    assert "the numbers count only what the timeline shows" in two["why"][-1]["en"]
    assert by_id(mixed, "PC-A")["antivirus.detected"]["answer"] == "cannot_tell"


def test_what_was_left_out_of_a_collection_turns_no_into_cannot_tell(tmp_path: Path) -> None:
    """The shipped host without the master file table that its collector noted: nobody can deny scripts any more."""
    shutil.copytree(KAPE_FOLDER, tmp_path / "kape")
    tables = [path for path in (tmp_path / "kape").rglob("*") if path.name in ("$MFT", "Amcache.hve")]
    for path in tables:
        path.unlink()
    assert tables
    found = by_id(timeline(tmp_path / "kape", tmp_path / "case"))
    assert found["web.scripts"]["answer"] == "cannot_tell"
    assert sources(found["web.scripts"])["mft_entries"] == ("unreadable", False)
    assert any(item["en"].startswith("mft_entries: could not be read") for item in found["web.scripts"]["why"])


def test_the_hive_of_one_of_two_users_does_not_deny_for_both(tmp_path: Path) -> None:
    shutil.copytree(KAPE_FOLDER, tmp_path / "kape")
    (hive_of_one,) = [path for path in (tmp_path / "kape").rglob("NTUSER.DAT") if path.parent.name == "佐藤"]
    for path in hive_of_one.parent.glob("NTUSER.DAT*"):
        path.unlink()
    answer = by_id(timeline(tmp_path / "kape", tmp_path / "case"))["office.macros"]
    assert answer["answer"] == "cannot_tell"
