from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.print_monitors import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.autorun_inputs import (
    SOFTWARE,
    SYSTEM,
    VERSION,
    at,
    entries,
    found,
    key,
    quiet,
    run,
    software,
    survives,
    system,
)

PRINT = "Control\\Print"
PLANTED = system(
    key(f"{PRINT}\\Monitors\\Local Port", Driver="localspl.dll"),
    key(f"{PRINT}\\Monitors\\Updater", Driver="evil.dll"),
    key(f"{PRINT}\\Environments\\Windows x64\\Print Processors\\winprint", Driver="winprint.dll"),
    key(f"{PRINT}\\Environments\\Windows x64\\Print Processors\\x", Driver="..\\..\\x.dll"),
    key(f"{PRINT}\\Providers\\Evil", Name="C:\\Windows\\evilprov.dll", DisplayName="Evil"),
)


def test_planted_entries() -> None:
    rows = found(ARTIFACT, PLANTED, SYSTEM)
    assert {name: entry.command for (_, name), entry in rows.items()} == {
        "Local Port": "localspl.dll", "Updater": "evil.dll", "winprint": "winprint.dll", "x": "..\\..\\x.dll",
        "Evil": "C:\\Windows\\evilprov.dll",
    }  # fmt: skip
    assert {name for (_, name), entry in rows.items() if entry.score > 40} == {"Updater", "Evil"}
    assert rows["x", "x"].score > 0
    assert rows["Local Port", "Local Port"].score == 0
    assert rows["Updater", "Updater"].attack == ("T1547.010",)
    survives(ARTIFACT, PLANTED, SYSTEM)


def test_ports() -> None:
    ports = f"{VERSION}\\Ports"
    stock = {
        "COM1:": "9600,n,8,1",
        "LPT1:": "",
        "FILE:": "",
        "nul:": "",
        "XPSPort:": "",
        "PORTPROMPT:": "",
        "Ne00:": "",
    }
    quiet(ARTIFACT, software(at(ports, dict(stock))), SOFTWARE, 7)
    rows = found(ARTIFACT, software(at(ports, {"C:\\Windows\\System32\\ualapi.dll": ""})), SOFTWARE)
    assert [entry.score > 40 for entry in rows.values()] == [True]


@pytest.mark.samples
def test_a_real_machine(samples: Path) -> None:
    facts, _ = run(ARTIFACT, Hive.open((samples / "hives" / "SYSTEM_B").read_bytes()), SYSTEM)
    rows = entries(facts)
    assert len(rows) == 10
    assert {entry.score for entry in rows.values()} == {0}
