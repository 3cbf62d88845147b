"""Defender's text log: published line shapes, UTF-16 as the scanner writes it, and cuts."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest

from forensics.artifacts.base import FileInput
from forensics.artifacts.defender_mplog import ARTIFACT
from forensics.model import Fact, Problem
from tests.artifacts.registry_inputs import HOST, sorted_out

WSB = "\\Device\\HarddiskVolume3\\Users\\田中\\Downloads\\lab, final.wsb"
LOG = f"""2024-12-04T01:00:00.472Z ProcessImageName: svchost.exe, Pid: 7836, TotalTime: 6070, Count: 24, MaxTime: 828, MaxTimeFile: \\Device\\HarddiskVolume1\\Downloads\\binary.exe, EstimatedImpact: 100%
2024-12-04T01:02:11.123Z ProcessImageName: WindowsSandbox.exe, Pid: 4711, TotalTime: 60, Count: 3, MaxTime: 28, MaxTimeFile: {WSB}, EstimatedImpact: 1%
2024-12-04T01:05:00Z DETECTION_ADD Trojan:Win32/X file:C:\\Users\\Public\\AppData\\sandboxcommon.dll
ProcessImageName: cmproxyd.exe, Pid: 12, TotalTime: 1, Count: 1, MaxTime: 1
Scanned C:\\Windows\\notepad.exe
"""  # noqa: E501  # lines of a log are as long as they are


def parse(data: bytes) -> tuple[list[Fact], list[Problem]]:
    path = "C:/ProgramData/Microsoft/Windows Defender/Support/MPLog-20241204-100000.log"
    given = FileInput(path, io.BytesIO(data), len(data), None, "test", HOST, None)
    return sorted_out(ARTIFACT, list(ARTIFACT.parse(given)))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8"])
def test_lines_that_matter(encoding: str) -> None:
    (ran, found, proxy), problems = parse(LOG.encode(encoding))
    assert problems == []
    assert ran.kind == "antivirus.process_seen"
    assert ran.times == {"Recorded Time": datetime(2024, 12, 4, 1, 2, 11, 123_000, tzinfo=UTC)}
    message = ran.fields["log_message"]
    assert ran.fields == {
        "executable_name": "WindowsSandbox.exe", "pid": "4711", "files_accessed": 3, "file_path": WSB,
        "line_number": 2, "log_message": message,
    }  # fmt: skip
    assert (found.kind, found.times["Recorded Time"].minute) == ("antivirus.log_line", 5)
    assert (proxy.fields["executable_name"], "file_path" in proxy.fields) == ("cmproxyd.exe", False)
    assert proxy.no_times == {"Recorded Time": "the line has no time of its own"}


def test_cut_anywhere() -> None:
    data = LOG.encode("utf-16")
    for length in range(0, len(data), 11):
        facts, problems = parse(data[:length])
        assert problems == []
        assert len(facts) <= 3
    assert len(parse(data[: data.index("DETECTION".encode("utf-16-le"))])[0]) == 1


def test_holes_and_endless_lines_are_said() -> None:
    facts, problems = parse(LOG.encode() + b"\0" * 64 + b"\nwsb.exe " + b"A" * 200_000)
    assert len(facts) == 4
    assert len(problems) == 2
