"""Tasks of the old format: a crafted one in full, a published one, and every cut of it."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from forensics.artifacts.base import FileInput
from forensics.artifacts.task_jobs import ARTIFACT
from forensics.formats import FormatError, taskjob
from forensics.model import Fact, Problem
from tests.artifacts.registry_inputs import HOST, sorted_out

RAN = (2024, 12, 3, 4, 10, 2, 11, 500)  # a Wednesday


def counted(text: str) -> bytes:
    units = (text + "\0").encode("utf-16-le") if text else b""
    return struct.pack("<H", len(units) // 2) + units


def trigger(kind: int, flags: int = 0) -> bytes:
    return struct.pack("<10H4I6H", 48, 0, 2024, 12, 1, 0, 0, 0, 8, 5, 0, 0, flags, kind, 0, 0, 0, 0, 0, 0)


def job(command: str, arguments: str, *triggers: bytes, ran: tuple[int, ...] = RAN, flags: int = 0) -> bytes:
    """A file as [MS-TSCH] 2.4 has it."""
    status = 0 if any(ran) else 0x00041303
    fixed = struct.pack(
        "<HH16sHHHHHHIIIII8H", 0x0A00, 1, b"\x11" * 16, 70, 0, 0, 0, 60, 10, 32, 0, 5, status, flags, *ran
    )
    texts = b"".join(counted(text) for text in (command, arguments, "C:\\work", "WS-TANAKA\\田中", "a comment"))
    reserved = struct.pack("<H", 8) + bytes(8)
    return fixed + bytes(2) + texts + bytes(2) + reserved + struct.pack("<H", len(triggers)) + b"".join(triggers)


SANDBOX = job("c:\\windows\\system32\\windowssandbox.exe", "c:\\default.wsb", trigger(1), trigger(6, 4), flags=0x204)


def parse(data: bytes, zone: str | None = "Asia/Tokyo") -> tuple[list[Fact], list[Problem]]:
    path = "C:/Windows/Tasks/Hello.job"
    given = FileInput(path, io.BytesIO(data), len(data), None, "test", HOST, ZoneInfo(zone) if zone else None)
    return sorted_out(ARTIFACT, list(ARTIFACT.parse(given)))


def test_a_task_that_starts_a_sandbox() -> None:
    (fact,), problems = parse(SANDBOX)
    assert problems == []
    assert fact.times == {"Launch Time": datetime(2024, 12, 4, 1, 2, 11, 500_000, tzinfo=UTC)}
    assert fact.fields == {
        "task_name": "\\Hello",
        "task_author": "WS-TANAKA\\田中",
        "task_trigger": "daily, 08:05 from 2024-12-01; at start of the system, 08:05 from 2024-12-01, off",
        "task_hidden": True,
        "enabled": False,
        "task_notes": ("comment: a comment",),
        "task_malformed": False,
        "mechanism": "scheduled_task",
        "action_kind": "Exec",
        "executable": "c:\\windows\\system32\\windowssandbox.exe",
        "command_line": "c:\\windows\\system32\\windowssandbox.exe c:\\default.wsb",
        "working_directory": "C:\\work",
        "result_code": "0x00000005",
    }


def test_without_a_zone_and_without_a_run() -> None:
    (fact,), _ = parse(SANDBOX, None)
    assert fact.times == {}
    assert fact.no_times["Launch Time"].startswith("local time")
    (fact,), _ = parse(job("a.exe", "", ran=(0,) * 8))
    assert (fact.times, fact.fields["command_line"], "result_code" in fact.fields) == ({}, "a.exe", False)
    (fact,), problems = parse(job("a.exe", "", ran=(2024, 13, 0, 45, 99, 0, 0, 0)))
    assert fact.times == {}
    assert "its last run is no time" in problems[0].detail


def test_cut_at_every_byte() -> None:
    """Whatever was read before the cut stays, and the cut is said."""
    for length in range(len(SANDBOX)):
        facts, problems = parse(SANDBOX[:length])
        assert problems, length
        assert len(facts) == (length >= 70)
    (fact,), _ = parse(SANDBOX[:200])
    assert fact.fields["executable"] == "c:\\windows\\system32\\windowssandbox.exe"


@pytest.mark.parametrize("data", [b"", b"\0" * 68, b"<Task/>" * 20, SANDBOX[:20] + b"\xff\xff" + SANDBOX[22:]])
def test_what_is_no_task(data: bytes) -> None:
    facts, (problem,) = parse(data)
    assert (facts, problem.fault) == ([], "bad_record")
    with pytest.raises(FormatError):
        taskjob.read(data)


def test_more_triggers_than_there_are() -> None:
    data = job("a.exe", "", trigger(0))
    (fact,), (problem,) = parse(data[:-50] + struct.pack("<H", 60_000) + data[-48:])
    assert fact.fields["task_trigger"] == "once, 08:05 from 2024-12-01"
    assert "trigger 2 of 60000" in problem.detail


@pytest.mark.samples
def test_a_published_task(samples: Path) -> None:
    (fact,), problems = parse((samples / "tasks" / "At1.job").read_bytes())
    assert problems == []
    assert (fact.fields["command_line"], fact.fields["task_author"]) == (
        "cmd.exe", "WORKGROUP\\DESKTOP-EIS938N$",
    )  # fmt: skip
    assert fact.fields["task_notes"] == ("comment: Created by NetScheduleJobAdd.",)
    assert fact.fields["task_trigger"] == "once, 00:00 from 2023-08-01"
