from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.terminal_server_programs import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.autorun_inputs import (
    NTUSER,
    SOFTWARE,
    SYSTEM,
    entries,
    found,
    key,
    quiet,
    run,
    software,
    survives,
    system,
    user,
)

PLACE = "Control\\Terminal Server"
POLICY = "Policies\\Microsoft\\Windows NT\\Terminal Services"
CLIENT = "Microsoft\\Terminal Server Client\\Default\\AddIns\\x"
STOCK = (
    key(f"{PLACE}\\Wds\\rdpwd", StartupPrograms="rdpclip", BaudRate=57600),
    key(f"{PLACE}\\WinStations\\RDP-Tcp", InitialProgram="", PortNumber=3389),
    key(f"{PLACE}\\AddIns\\Clip Redirector", Name="RDPClip", Type=3),
)


def test_stock_entries_score_nothing() -> None:
    quiet(ARTIFACT, system(*STOCK), SYSTEM, 2)


def test_planted_entries() -> None:
    content = system(
        key(f"{PLACE}\\Wds\\rdpwd", StartupPrograms="rdpclip,evil.exe"),
        key(f"{PLACE}\\WinStations\\RDP-Tcp", InitialProgram="C:\\sh.exe"),
    )
    rows = found(ARTIFACT, content, SYSTEM)
    assert {place for place, entry in rows.items() if entry.score > 40} == {
        ("StartupPrograms", "evil.exe"), ("InitialProgram", "RDP-Tcp"),
    }  # fmt: skip
    assert rows["StartupPrograms", "rdpclip"].score == 0
    survives(ARTIFACT, content, SYSTEM)


def test_policy_and_the_clients_libraries() -> None:
    (entry,) = found(ARTIFACT, software(key(POLICY, InitialProgram="C:\\a.exe")), SOFTWARE).values()
    assert entry.score > 40
    (entry,) = found(ARTIFACT, user(key(CLIENT, Name="C:\\Users\\Public\\a.dll")), NTUSER).values()
    assert (entry.mechanism, entry.user, entry.score > 40) == ("rdp_addin", "田中", True)


@pytest.mark.samples
def test_a_real_machine(samples: Path) -> None:
    facts, _ = run(ARTIFACT, Hive.open((samples / "hives" / "SYSTEM_B").read_bytes()), SYSTEM)
    rows = entries(facts)
    assert [name for _, name in rows] != []
    assert {entry.score for entry in rows.values()} == {0}
