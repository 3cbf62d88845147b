from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from forensics.artifacts.accessibility_replaced import ARTIFACT, version_text
from forensics.model import Fact
from tests.artifacts.autostarts import scores
from tests.artifacts.file_inputs import MODIFIED, given, survives_truncation
from tests.artifacts.registry_inputs import sorted_out

MADE = {MODIFIED: datetime(2024, 12, 2, 3, 4, 5, tzinfo=UTC)}
SYSTEM = "C:/Windows/System32"


def text(name: str, value: str) -> bytes:
    """A String of a version resource: its key, padded to four bytes, and its value ([MS] VS_VERSIONINFO)."""
    key = bytes(6) + f"{name}\0".encode("utf-16-le")
    return key + bytes(-len(key) % 4) + f"{value}\0".encode("utf-16-le")


def program(name: str, company: str = "Microsoft Corporation") -> bytes:
    return b"MZ" + bytes(510) + text("CompanyName", company) + text("OriginalFilename", name) + bytes(64)


CMD = program("Cmd.Exe.MUI")


def one(name: str, data: bytes, shell: bytes = CMD) -> Fact:
    file = replace(given(f"{SYSTEM}/{name}", data, MADE), companions={"Windows/System32/cmd.exe": io.BytesIO(shell)})
    (fact,), problems = sorted_out(ARTIFACT, list(ARTIFACT.parse(file)))
    assert problems == []
    return fact


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("sethc.exe", CMD, "the same file as cmd.exe"),
        ("utilman.exe", program("CMD.EXE.MUI"), "is really cmd.exe by its version resource"),
        ("osk.exe", program("a.exe", "Nobody"), "holds no program of Microsoft but of Nobody"),
        ("Magnify.exe", b"MZ" + bytes(700), "holds no program of Microsoft"),
        ("Narrator.exe", b"@echo off", "holds no program"),
    ],
)
def test_replaced_programs(name: str, data: bytes, reason: str) -> None:
    fact = one(name, data)
    assert fact.fields["reason"] == reason
    assert not fact.context
    assert scores([fact])[name] > 40


def test_windows_own_program_is_quiet() -> None:
    for name, original in (("sethc.exe", "sethc.exe.mui"), ("utilman.exe", "utilman2.exe")):
        fact = one(name, program(original))
        assert fact.context
        assert scores([fact]) == {name: 0}


def test_texts_of_the_resource() -> None:
    assert version_text(CMD, "OriginalFilename") == "Cmd.Exe.MUI"
    assert version_text(CMD[:560], "OriginalFilename") is None


def test_truncation() -> None:
    survives_truncation(ARTIFACT, f"{SYSTEM}/sethc.exe", CMD, step=9)
