from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts import host, profile_list
from forensics.formats.hive import Hive
from tests.artifacts.registry_inputs import SID, merged, nested, run
from tests.formats.crafted_hives import Value, utf16

CONFIG = "C:/Windows/System32/config"
TICKS = 133_777_404_610_000_000
WHEN = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
VERSION = "Microsoft\\Windows NT\\CurrentVersion"


def dword(name: str, number: int) -> Value:
    return (name, 4, struct.pack("<I", number))


def test_the_system_hive() -> None:
    control = "ControlSet001\\Control"
    content = merged(
        {"Select": {"": [dword("Current", 1)]}},
        nested(f"{control}\\ComputerName\\ComputerName", {"": [("ComputerName", 1, utf16("WS-TANAKA"))]}),
        nested(f"{control}\\TimeZoneInformation", {"": [("TimeZoneKeyName", 1, utf16("Tokyo Standard Time"))]}),
        nested(f"{control}\\Windows", {"": [("ShutdownTime", 3, struct.pack("<Q", TICKS))]}),
    )
    (fact,), problems = run(host.ARTIFACT, content, f"{CONFIG}/SYSTEM")
    assert problems == []
    assert fact.fields == {
        "computer_name": "WS-TANAKA",
        "time_zone": "Tokyo Standard Time",
        "control_set": "ControlSet001",
        "hive_state": "clean",
        "registry_kind": "SYSTEM",
    }
    assert fact.times == {"Last Shutdown Time": WHEN}


@pytest.mark.parametrize(
    ("value", "times"),
    [
        (("InstallTime", 11, struct.pack("<Q", TICKS)), {"Installation Time": WHEN}),
        (dword("InstallDate", int(WHEN.timestamp())), {"Installation Time": WHEN}),
        (dword("Other", 1), {}),
    ],
)
def test_the_software_hive(value: Value, times: dict[str, datetime]) -> None:
    values = [value, ("ProductName", 1, utf16("Windows 10 Pro")), ("CurrentBuild", 1, utf16("22631"))]
    content = merged({"Classes": {}}, nested(VERSION, {"": values}))
    (fact,), problems = run(host.ARTIFACT, content, f"{CONFIG}/SOFTWARE")
    assert problems == []
    assert str(fact.fields["os_name"]).startswith("Windows 11 Pro")
    assert fact.fields["os_build"] == "22631"
    assert fact.times == times


def test_a_hive_whose_content_does_not_tell_its_kind_has_that_of_its_name() -> None:
    (fact,), _ = run(host.ARTIFACT, nested(VERSION, {"": [dword("Other", 1)]}), f"{CONFIG}/SOFTWARE")
    assert fact.fields["registry_kind"] == "SOFTWARE"


def test_profiles() -> None:
    loaded = [dword("LocalProfileLoadTimeHigh", TICKS >> 32), dword("LocalProfileLoadTimeLow", TICKS & 0xFFFFFFFF)]
    listing = f"{VERSION}\\ProfileList"
    content = merged(
        {"Classes": {}},
        nested(f"{listing}\\{SID}", {"": [*loaded, ("ProfileImagePath", 2, utf16("C:\\Users\\田中"))]}),
        nested(f"{listing}\\{SID}.bak", {"": [("ProfileImagePath", 2, utf16("C:\\Users\\TEMP"))]}),
        nested(f"{listing}\\S-1-5-18", {}),
        nested(f"{listing}\\odd", {}),
    )
    facts, problems = run(profile_list.ARTIFACT, content, f"{CONFIG}/SOFTWARE")
    assert problems == []
    assert [(fact.fields["sid"], fact.fields.get("profile_user")) for fact in facts] == [
        (SID, "田中"),
        ("S-1-5-18", None),
        (SID, "TEMP"),
    ]
    assert facts[0].times == {"Content Modification Time": WHEN, "Start Time": WHEN}
    assert facts[0].no_times == {"End Time": "not in the hive"}


@pytest.mark.samples
def test_a_real_system(samples: Path) -> None:
    (fact,), _ = run(host.ARTIFACT, Hive.open((samples / "hives" / "SYSTEM_B").read_bytes()), f"{CONFIG}/SYSTEM")
    assert fact.fields["computer_name"] == "DESKTOP-PM6C56D"
    assert fact.fields["hive_state"] == "dirty_not_replayed"
    assert fact.times["Last Shutdown Time"].year == 2018
