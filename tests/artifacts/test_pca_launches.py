from __future__ import annotations

import inspect
import io
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from dissect.target.filesystem import VirtualFilesystem
from dissect.target.plugins.os.windows.amcache import AmcachePlugin, PcaGeneralDbType

from forensics.artifacts.pca_launches import ARTIFACT
from forensics.model import Fact, Problem
from forensics.timeline import render
from tests.artifacts.registry_inputs import given, sorted_out

LAUNCHES = "C:/Windows/appcompat/pca/PcaAppLaunchDic.txt"
GENERAL = "C:/Windows/appcompat/pca/PcaGeneralDb0.txt"
DIC = (
    b"C:\\Windows\\System32\\WindowsSandbox.exe|2024-12-03 23:01:01.884\r\n"
    b"\\\\NAS01\\tools\\accesschk.exe|2023-05-03 01:55:27.000\r\n"
    b"C:\\Users\\tanaka\\Downloads\\code-tunnel.exe|2024-12-04 01:02:11.123\r\n"
)
EVENTS = (
    "2024-12-03 23:05:00.001|2|%programfiles%\\x\\code-tunnel.exe|Code|Contoso \u00a9|1.2.3.4|0006e56d|"
    "Abnormal process exit with code 0xC0000005\r\n"
    "2024-12-03 23:06:00.000|3|C:\\田中\\b.exe|||||PCA resolve is called, resolver name: X, result: 0\r\n"
)


def read(data: bytes, path: str = LAUNCHES) -> tuple[list[Fact], list[Problem]]:
    return sorted_out(ARTIFACT, list(ARTIFACT.parse(given(path, data))))


def test_the_time_is_a_run() -> None:
    facts, problems = read(DIC)
    assert problems == []
    assert [fact.fields["executable_name"] for fact in facts] == [
        "WindowsSandbox.exe",
        "accesschk.exe",
        "code-tunnel.exe",
    ]
    assert facts[0].times == {"Last Time Executed": datetime(2024, 12, 3, 23, 1, 1, 884000, tzinfo=UTC)}
    assert [fact.context for fact in facts] == [False, True, False]
    assert facts[1].source.locator == "line 2"
    assert "was last started" in render("pca.launch", ARTIFACT.emits["pca.launch"].message, facts[0].fields)
    assert all("assumed_encoding" not in fact.fields for fact in facts)


def second_reader(what: str) -> list[Any]:
    """The records of dissect.target's own reader; only the machine around it is a stand-in."""
    files = VirtualFilesystem(case_sensitive=False, alt_separator="\\")
    files.map_file_fh("windows/appcompat/pca/PcaAppLaunchDic.txt", io.BytesIO(DIC))
    files.map_file_fh("windows/appcompat/pca/PcaGeneralDb0.txt", io.BytesIO(EVENTS.encode("utf-16-le")))
    plugin = AmcachePlugin.__new__(AmcachePlugin)
    plugin.target = SimpleNamespace(
        fs=files,
        resolve=lambda path: files.path(path.replace("%windir%", "windows")),
        hostname=None,
        domain=None,
        name="x",
        path="x",
    )
    return list(inspect.unwrap(getattr(AmcachePlugin, what))(plugin))


def test_another_reader_says_the_same() -> None:
    launches, _ = read(DIC)
    assert [(fact.times["Last Time Executed"], str(fact.fields["executable"])[-12:]) for fact in launches] == [
        (row.ts, str(row.path)[-12:]) for row in second_reader("applaunches")
    ]
    events, _ = read(EVENTS.encode("utf-16-le"), GENERAL)
    assert [
        (
            fact.times["Recorded Time"],
            fact.fields["executable"],
            fact.fields["pca_result"],
            fact.fields["pca_event_number"],
        )
        for fact in events
    ] == [
        (row.ts, str(row.path), row.exit_message, PcaGeneralDbType[row.type].value) for row in second_reader("general")
    ]


@pytest.mark.parametrize(
    ("raw", "path", "encoding"),
    [
        ("C:\\Users\\田中\\a.exe".encode(), "C:\\Users\\田中\\a.exe", None),
        ("C:\\Users\\田中\\表.exe".encode("cp932"), "C:\\Users\\田中\\表.exe", "cp932"),
        ("C:\\Users\\田中\\a.exe".encode("cp936"), "C:\\Users\\田中\\a.exe", "cp936"),
        ("C:\\Users\\Renée\\a.exe".encode("cp1252"), "C:\\Users\\Renée\\a.exe", "cp1252"),
    ],
)
def test_the_code_page_is_told_by_a_known_profile(raw: bytes, path: str, encoding: str | None) -> None:
    (fact,), problems = read(raw + b"|2024-12-03 23:01:01.884\r\n")
    assert problems == []
    assert (fact.fields["executable"], fact.fields.get("assumed_encoding")) == (path, encoding)


@pytest.mark.parametrize(("mark", "encoding"), [("", "utf-16-le"), ("\ufeff", "utf-16-le"), ("", "utf-8")])
def test_events_are_not_runs(mark: str, encoding: str) -> None:
    facts, problems = read((mark + EVENTS).encode(encoding), GENERAL)
    assert problems == []
    first, second = facts
    assert first.times == {"Recorded Time": datetime(2024, 12, 3, 23, 5, 0, 1000, tzinfo=UTC)}
    assert first.fields["pca_event"] == "abnormal process exit"
    assert first.fields["result_code"] == "0xc0000005"
    assert first.fields["publisher"] == "Contoso \u00a9"
    assert first.fields["program_id"] == "0006e56d"
    assert (first.context, second.context) == (False, True)
    assert second.fields["executable"] == "C:\\田中\\b.exe"
    assert "result_code" not in second.fields


@pytest.mark.parametrize(
    "line",
    [b"no time at all", b"|2024-12-03 23:01:01.884", b"C:\\a.exe|2024-12-03 23:01", b"C:\\a|2024-13-03 23:01:01.884"],
)
def test_a_bad_line_costs_that_line(line: bytes) -> None:
    facts, (problem,) = read(line + b"\r\n" + DIC)
    assert len(facts) == 3
    assert problem.source.locator == "line 1"


@pytest.mark.parametrize("number", ["9" * 5000, "\u0663", "-2", "0x2"])
def test_a_kind_that_is_no_number_costs_that_line(number: str) -> None:
    damaged = EVENTS.replace("|2|", f"|{number}|", 1)
    assert damaged != EVENTS
    (whole, _), (facts, problems) = (
        read(EVENTS.encode("utf-16-le"), GENERAL),
        read(damaged.encode("utf-16-le"), GENERAL),
    )
    assert (len(facts), [problem.fault for problem in problems]) == (len(whole) - 1, ["bad_record"])


def test_zeros_do_not_make_8_bit_text_of_events_utf_16() -> None:
    facts, problems = read(EVENTS.encode() + bytes(64) + b"\r\n" + EVENTS.encode(), GENERAL)
    assert [fact.fields["executable"] for fact in facts[:2]] == [fact.fields["executable"] for fact in facts[2:]]
    assert (len(facts), {problem.fault for problem in problems}) == (4, {"zeroed"})


def test_zeros_and_long_lines() -> None:
    facts, problems = read(DIC[:64] + bytes(600) + DIC[64:] + b"x" * 70_000 + b"\r\n" + DIC)
    assert {problem.fault for problem in problems} == {"zeroed", "bad_record"}
    assert len(facts) >= 5


def test_truncation_at_any_byte() -> None:
    lines = DIC.split(b"\r\n")
    for length in range(len(DIC)):
        facts, problems = read(DIC[:length])
        whole = DIC[:length].split(b"\r\n")
        assert len(facts) == sum(line.rstrip(b"\r") in lines[:3] for line in whole)
        assert len(problems) == (whole[-1].strip() not in (b"", *lines[:3])), length


def test_truncated_events_never_escape() -> None:
    data = EVENTS.encode("utf-16-le")
    for length in range(2, len(data)):
        facts, problems = read(data[:length], GENERAL)
        assert facts or problems, length
