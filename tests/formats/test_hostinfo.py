from __future__ import annotations

import struct
from pathlib import Path

import pytest

from forensics.formats.hive import Hive
from forensics.formats.hostinfo import folder_name, read_host
from forensics.model import Host, User
from tests.formats.crafted_hives import Tree, Value, hive, utf16


def dword(number: int) -> bytes:
    return struct.pack("<I", number & 0xFFFFFFFF)


def system(zone: str = "Tokyo Standard Time", bias: int = -540, name: str = "WS-TANAKA") -> Hive:
    content: Tree = {
        "Select": {"": [("Current", 4, dword(1))]},
        "ControlSet001": {
            "Control": {
                "ComputerName": {"ComputerName": {"": [("ComputerName", 1, utf16(name))]}},
                "TimeZoneInformation": {
                    "": [("TimeZoneKeyName", 1, utf16(zone) + b"\xaa\x55junk"), ("Bias", 4, dword(bias))]
                },
            }
        },
    }
    return Hive.open(hive(content))


def software(*values: Value, profiles: Tree | None = None) -> Hive:
    version: Tree = {"": list(values)}
    if profiles is not None:
        version["ProfileList"] = profiles
    content: Tree = {"Microsoft": {"Windows NT": {"CurrentVersion": version}}, "Classes": {}}
    return Hive.open(hive(content))


def profile(path: str) -> Tree:
    return {"": [("ProfileImagePath", 2, utf16(path))]}


def version(product: str, build: str, revision: int = 3803, release: str = "22H2") -> tuple[Value, ...]:
    return (
        ("ProductName", 1, utf16(product)),
        ("CurrentBuild", 1, utf16(build)),
        ("UBR", 4, dword(revision)),
        ("DisplayVersion", 1, utf16(release)),
    )


def test_the_whole_host() -> None:
    sid = "S-1-5-21-1111111111-2222222222-3333333333-1001"
    listing: Tree = {
        "S-1-5-18": profile("%systemroot%\\system32\\config\\systemprofile"),
        "S-1-5-19": profile("%systemroot%\\ServiceProfiles\\LocalService"),
        f"{sid}.bak": profile("C:\\Users\\TEMP"),
        sid: profile("C:\\Users\\田中"),
        "not a SID": profile("C:\\Users\\x"),
    }
    found = read_host(system(), software(*version("Windows 10 Pro", "19045"), profiles=listing))
    assert found == Host(
        "WS-TANAKA",
        "Windows 10 Pro 22H2",
        "19045.3803",
        "Tokyo Standard Time",
        -540,
        (
            User("S-1-5-18", "SYSTEM", "%systemroot%\\system32\\config\\systemprofile"),
            User("S-1-5-19", "LOCAL SERVICE", "%systemroot%\\ServiceProfiles\\LocalService"),
            User(sid, "田中", "C:\\Users\\田中"),
        ),
        {},
    )


@pytest.mark.parametrize(
    ("product", "build", "expected"),
    [
        ("Windows 10 Pro", "22631", "Windows 11 Pro 22H2 (by its build; ProductName says Windows 10)"),
        ("Windows Server 2025 Standard", "26100", "Windows Server 2025 Standard 22H2"),
        ("Windows 10 Pro", "19045", "Windows 10 Pro 22H2"),
        ("Windows 10 Pro", "odd", "Windows 10 Pro 22H2"),
    ],
)
def test_the_build_decides_between_10_and_11(product: str, build: str, expected: str) -> None:
    assert read_host(None, software(*version(product, build))).os == expected


def test_what_is_missing_is_null_with_a_reason() -> None:
    nothing = read_host(None, None)
    assert nothing == Host(unknown=nothing.unknown)
    assert nothing.unknown["name"] == "SYSTEM hive not collected or not readable"
    assert nothing.unknown["users"] == "SOFTWARE hive not collected or not readable"
    bare = Hive.open(hive({"Select": {}, "ControlSet001": {}}))
    assert read_host(bare, software()).unknown == {
        "name": "not in the SYSTEM hive",
        "timezone": "not in the SYSTEM hive",
        "bias_minutes": "not in the SYSTEM hive",
        "os": "not in the SOFTWARE hive",
        "build": "not in the SOFTWARE hive",
        "users": "not in the SOFTWARE hive",
    }
    assert read_host(software(), system()).name is None  # the wrong way round


def test_west_of_greenwich_and_folder_names() -> None:
    assert read_host(system("Eastern Standard Time", 300), None).bias_minutes == 300
    assert folder_name("C:\\Users\\a\\") == "a"
    assert folder_name(None) is None


@pytest.mark.samples
def test_a_real_system_hive(samples: Path) -> None:
    folder = samples / "hives"
    found = read_host(Hive.open((folder / "SYSTEM_B").read_bytes()), None)
    assert (found.name, found.timezone, found.bias_minutes) == ("DESKTOP-PM6C56D", "Eastern Standard Time", 300)
    assert set(found.unknown) == {"os", "build", "users"}
