"""Public logs of attacks: each gives what its name says, or is listed with the reason why nothing is told.

One run over all of them (the logs name their computers, and a row its file) is held against the table; a few are run
alone, as somebody would who has only that file.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.running import Run, timeline

_LEAST = 40
_TABLE = yaml.safe_load(Path(__file__).with_name("attack_samples.yml").read_text(encoding="utf-8"))
EXPECTED = {f"{folder}/{name}": set(told) for folder, files in _TABLE["found"].items() for name, told in files.items()}
NOTHING = {f"{folder}/{name}": why for folder, files in _TABLE["nothing"].items() for name, why in files.items()}
PARTLY = _TABLE["partly"]
TASK = "Execution/exec_persist_rundll32_mshta_scheduledtask_sysmon_1_3_11.evtx"
# File -> (mechanism, part of name or command, least score): the persistence of files that are run alone.
ALONE = {
    "Persistence/evasion_persis_hidden_run_keyvalue_sysmon_13.evtx": ("run_key", "taskhost.exe", 41),
    "Persistence/persist_bitsadmin_Microsoft-Windows-Bits-Client-Operational.evtx": ("bits_job", "backdoor", 41),
    "Persistence/Persistence_Winsock_Catalog Change EventId_1.evtx": ("winsock", "PROXYCAP LSP", 41),
    TASK: ("scheduled_task", "mshta.exe https://hotelesms.com/Injection.txt", 40),
}


def _folder(samples: Path) -> Path:
    return samples / "evtx" / "attack-samples"


@pytest.mark.samples
def test_the_table_is_complete(samples: Path) -> None:
    there = {path.relative_to(_folder(samples)).as_posix() for path in _folder(samples).rglob("*.evtx")}
    assert there == set(EXPECTED) | set(NOTHING)
    assert not set(EXPECTED) & set(NOTHING)
    assert set(PARTLY) <= set(EXPECTED)


@pytest.mark.samples
def test_every_log_gives_what_the_table_says(samples: Path, tmp_path: Path) -> None:
    run = timeline(_folder(samples), tmp_path / "case", "-q")
    told = _told(run)
    named = [entry for entry in run.document()["persistence"] if entry["target"]]
    assert named
    assert [entry["name"] for entry in named if entry["target_exists"] is None and not entry["target_note"]] == []
    assert {name: hits - told[name] for name, hits in EXPECTED.items() if hits - told[name]} == {}
    assert {name: told[name] for name in NOTHING if told[name]} == {}, "one that is found some day leaves the list"
    only = {name for name, hits in EXPECTED.items() if hits == {"~log_cleared"} and "log_cleared" not in name}
    assert {name for name in only if told[name] == EXPECTED[name]} == set(PARTLY)


def _told(run: Run) -> dict[str, set[str]]:
    """What is told of each file: which file an event is of, its row says."""
    files = {row["event_uid"]: row["source_path"] for row in run.lines("timeline.jsonl") if "source_path" in row}
    found: dict[str, set[str]] = defaultdict(set)
    for name, item in _named(run.document()):
        for event in item["events"]:
            found[files[event].removeprefix("loose:/")].add(name)
    return found


def _named(document: Any) -> list[tuple[str, Any]]:
    entries = [item for item in document["persistence"] if item["score"] >= _LEAST]
    own = {"machine.other", "tool.plink"}  # of no attack by themselves
    findings = [item for item in document["findings"] if item["level"] != "informational" or item["rule"] not in own]
    signs = [item for item in document["anti_forensics"] if item["kind"] != "events_lost"]
    return [
        *((f"{item['mechanism']}:{item['name']}", item) for item in entries),
        *((item["rule"], item) for item in findings),
        *((f"~{item['kind']}", item) for item in signs),
    ]


@pytest.mark.samples
@pytest.mark.parametrize("name", ALONE)
def test_the_persistence_is_found_in_a_file_alone(samples: Path, tmp_path: Path, name: str) -> None:
    mechanism, part, least = ALONE[name]
    entries = timeline(_folder(samples) / name, tmp_path / "case", "-q").document()["persistence"]
    found = [
        entry
        for entry in entries
        if entry["mechanism"] == mechanism and part.casefold() in f"{entry['name']} {entry['command']}".casefold()
    ]
    assert found, entries
    assert max(entry["score"] for entry in found) >= least, found
    if name == TASK:
        assert any("whether it succeeded is not known" in reason for reason in found[0]["reasons"])
        assert found[0]["first_seen"].startswith("2019-05-21T15:32:59")


@pytest.mark.samples
def test_what_is_told_of_a_few_reads_as_it_should(samples: Path, tmp_path: Path) -> None:
    """A job by BITS says what its log does not know, a provider who put it there."""
    found = {}
    for name in list(ALONE)[1:3]:
        document = timeline(_folder(samples) / name, tmp_path / name[:20], "-q").document()
        found |= {entry["name"]: " ".join(entry["reasons"]) for entry in document["persistence"]}
    assert "C:\\Windows\\system32\\cmd.exe" in found["backdoor"]
    assert "which command it starts is not in this log" in found["backdoor"]
    assert "MsiExec.exe put into the network stack" in found["PROXYCAP LSP"]
