from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.bam import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.registry_inputs import merged, nested, run
from tests.formats.crafted_hives import Value

SYSTEM = "C:/Windows/System32/config/SYSTEM"
TICKS = 133_777_404_610_000_000
SANDBOX = "\\Device\\HarddiskVolume3\\Windows\\System32\\WindowsSandbox.exe"
BASE = {"Select": {"": [("Current", 4, b"\1\0\0\0")]}}


def entry(name: str, ticks: int = TICKS) -> Value:
    return (name, 3, struct.pack("<QQQ", ticks, 0, 0x2_0000_0000))


def counters() -> list[Value]:
    return [("Version", 4, b"\1\0\0\0"), ("SequenceNumber", 4, b"\5\0\0\0")]


def test_both_services_and_both_places() -> None:
    places = ["bam\\State\\UserSettings", "bam\\UserSettings", "dam\\State\\UserSettings", "dam\\UserSettings"]
    trees = [
        nested(f"ControlSet001\\Services\\{where}\\S-1-5-18", {"": [*counters(), entry(f"{SANDBOX}{number}")]})
        for number, where in enumerate(places)
    ]
    facts, problems = run(ARTIFACT, merged(BASE, *trees), SYSTEM)
    assert problems == []
    assert [fact.fields["executable"] for fact in facts] == [f"{SANDBOX}{number}" for number in range(4)]
    assert facts[0].fields["user_sid"] == "S-1-5-18"
    assert facts[0].fields["executable_name"] == "WindowsSandbox.exe0"
    assert facts[0].times == {"Last Time Executed": datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)}
    assert not facts[0].context


def test_other_programs_are_context_and_a_copy_is_told_once() -> None:
    where = "Services\\bam\\State\\UserSettings\\S-1-5-21-1-2-3-1001"
    one = nested(f"ControlSet001\\{where}", {"": [entry("Microsoft.Cortana_cw5n1h2txyewy"), entry("\\x\\a.exe")]})
    two = nested(f"ControlSet002\\{where}", {"": [entry("\\x\\a.exe"), entry("\\x\\b.exe", 0)]})
    facts, problems = run(ARTIFACT, merged(BASE, one, two), SYSTEM)
    assert problems == []
    assert [fact.fields["executable"] for fact in facts] == [
        "Microsoft.Cortana_cw5n1h2txyewy",
        "\\x\\a.exe",
        "\\x\\b.exe",
    ]
    assert all(fact.context for fact in facts)
    assert facts[2].no_times["Last Time Executed"].startswith("zero")


def test_a_short_entry_is_a_problem() -> None:
    where = "ControlSet001\\Services\\bam\\State\\UserSettings\\S-1-5-18"
    facts, (problem,) = run(ARTIFACT, merged(BASE, nested(where, {"": [("\\a.exe", 3, b"\0" * 5)]})), SYSTEM)
    assert facts == []
    assert problem.source.locator == f"{where}\\\\a.exe"


@pytest.mark.samples
def test_a_real_system(samples: Path) -> None:
    facts, problems = run(ARTIFACT, Hive.open((samples / "hives" / "SYSTEM_B").read_bytes()), SYSTEM)
    assert problems == []
    assert len(facts) == 28
    assert {str(fact.fields["user_sid"])[-5:] for fact in facts} == {"-1000", "-1001"}
    assert "notepad.exe" in {fact.fields["executable_name"] for fact in facts}
    assert {moment.year for fact in facts for moment in fact.times.values()} == {2018}
