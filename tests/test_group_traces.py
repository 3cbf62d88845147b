"""The group's traces through the whole tool: a task that builds a project with code, a sealed payload, a Beacon."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testdata.writers.beacon import in_a_file
from testdata.writers.hive import REG_BINARY, REG_SZ, HiveWriter
from testdata.writers.noopdoor import HARMLESS, seal
from tests.artifacts.test_msbuild_projects import CODE, XML
from tests.running import Run, timeline

MACHINE, NAME = "{0A1B2C3D-1111-2222-3333-444455556666}", "{5F3A9C01-7B1E-4C35-9E0C-2B0D8C4F7A11}"
WHEN = datetime(2024, 12, 3, 4, 5, 6, tzinfo=UTC)
COMMAND = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\MSBuild.exe"
TASK = f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><URI>\\Hello</URI></RegistrationInfo>
  <Principals><Principal id="Author"><UserId>S-1-5-18</UserId></Principal></Principals>
  <Actions Context="Author"><Exec><Command>{COMMAND}</Command><Arguments>C:\\ProgramData\\hello.xml</Arguments></Exec>
  </Actions>
</Task>
"""


def tree(root: Path, *, planted: bool) -> Path:
    """A collected host; without `planted` the same places hold what belongs there."""
    software, user = HiveWriter("CMI-CreateHive{x}", WHEN), HiveWriter("CMI-CreateHive{y}", WHEN)
    for path in ("Microsoft\\SQMClient", "Classes", "Microsoft\\COM3"):
        software.key(path, WHEN)
    software.value("Microsoft\\SQMClient", "MachineId", REG_SZ, MACHINE)
    software.value("Microsoft\\COM3", "REGDBVersion", REG_BINARY, b"\x0a\0\0\0\0\0\0\0")
    user.key("Software\\Microsoft\\COM3", WHEN)
    files: dict[str, bytes] = {
        "Windows/System32/config/SYSTEM": b"regf",
        "ProgramData/settings.xml": b"<settings><a/></settings>",
        "ProgramData/Vendor/a.dll": b"MZ" + bytes(5000),
    }
    if planted:
        user.value("Software\\Microsoft\\COM3", NAME, REG_BINARY, seal(HARMLESS, MACHINE, NAME))
        files |= {
            "ProgramData/hello.xml": XML.encode(),
            "Windows/System32/Tasks/Hello": TASK.encode("utf-16"),
            "ProgramData/Vendor/a.dll": in_a_file(),
        }
    files["Windows/System32/config/SOFTWARE"] = software.build()
    files["Users/x/NTUSER.DAT"] = user.build()
    for name, data in files.items():
        path = root / "C" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


@pytest.fixture
def planted(tmp_path: Path) -> Run:
    return timeline(tree(tmp_path / "evidence", planted=True), tmp_path / "case")


def test_planted_traces_are_told(planted: Run) -> None:
    document = planted.document()
    assert document["host"]["machine_id"] == MACHINE
    (entry,) = document["persistence"]
    code = hashlib.sha256(CODE.strip().encode()).hexdigest()
    (reason,) = (item for item in entry["reasons"] if item.startswith("PER-60"))
    assert code in reason
    assert entry["score"] > 40
    assert "T1127.001" in entry["attack"]
    found = {item["rule"]: item for item in document["findings"]}
    assert {name: item["level"] for name, item in found.items()} == {
        "group.registry_payload": "critical",
        "group.msbuild_project": "medium",
        "cobaltstrike.beacon": "critical",
    }
    known = {row["event_uid"] for name in ("timeline.jsonl", "undated.jsonl") for row in planted.lines(name)}
    assert all(set(item["events"]) <= known and item["events"] for item in (*found.values(), entry))


def test_the_same_host_without_them_is_quiet(tmp_path: Path) -> None:
    document = timeline(tree(tmp_path / "evidence", planted=False), tmp_path / "case").document()
    assert (document["persistence"], document["findings"]) == ([], [])
