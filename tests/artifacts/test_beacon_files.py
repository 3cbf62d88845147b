"""Configurations of Beacon in files: sought here, read by dissect.cobaltstrike, whose own search must find the same."""

from __future__ import annotations

import hashlib
import random
import struct
import time
from typing import Any

import pytest
from dissect.cobaltstrike.beacon import BeaconConfig

from forensics.artifacts.beacon_files import ARTIFACT
from forensics.formats import beaconconfig
from testdata.writers.beacon import PUBLIC_KEY, SETTINGS, encoded, in_a_file, masked, packed
from tests.artifacts.file_inputs import run

PATH = "C:/ProgramData/a.dll"
LONG_KEY = bytes.fromhex("a1b2c3d4e5")
OTHER_TYPES = (5, 7, 9)
READ = {
    "beacon_protocol": "https",
    "beacon_port": 443,
    "beacon_servers": ("192.0.2.1/ca", "c2.example/load"),
    "beacon_sleep_ms": 60000,
    "beacon_jitter": 37,
    "beacon_user_agent": "Mozilla/5.0 (Windows NT 10.0)",
    "beacon_submit_uri": "/submit.php",
    "beacon_pipe": "\\\\.\\pipe\\msagent_a1",
    "beacon_spawn": "%windir%\\syswow64\\rundll32.exe",
    "beacon_spawn_x64": "%windir%\\sysnative\\dllhost.exe",
    "beacon_watermark": 305419896,
    "beacon_key_sha256": hashlib.sha256(PUBLIC_KEY).hexdigest(),
    "beacon_encoded": False,
    "file_path": "C:\\ProgramData\\a.dll",
    "file_sha256": "0" * 64,
}


@pytest.mark.parametrize("types", [(1, 2, 3), OTHER_TYPES], ids=["usual types", "other types"])
@pytest.mark.parametrize("key", [b"\x2e", b"\x69", b"\x00", b"\x9c", LONG_KEY, bytes(range(1, 17))])
def test_a_configuration(key: bytes, types: tuple[int, int, int]) -> None:
    data = in_a_file(key=key, types=types)
    (fact,), problems = run(ARTIFACT, PATH, data)
    assert problems == []
    assert fact.source.locator == "offset 0xbc6"
    assert fact.fields == {**READ, "xor_key": f"0x{key.hex()}", "file_size": len(data)}


@pytest.mark.parametrize("outer", [b"\x00", b"\x13\x57\x9b\xdf"], ids=["bare", "in a program with a key of four"])
def test_what_a_stager_decodes(outer: bytes) -> None:
    data = masked(encoded(in_a_file()), outer)
    (fact,), problems = run(ARTIFACT, PATH, data)
    assert problems == []
    assert fact.source.locator == f"offset 0x{0xBC6 + 10:x}"
    assert fact.fields == {**READ, "beacon_encoded": True, "xor_key": "0x2e", "file_size": len(data)}


def _program() -> bytes:
    """As much of a program's head as the library wants to see in what a stager decodes: x64, no sections."""
    head = b"MZ".ljust(0x3C, b"\x00") + struct.pack("<I", 0x80)
    coff = struct.pack("<4sHHIIIHH", b"PE", 0x8664, 0, 0, 0, 0, 0xF0, 0x2022)
    optional = bytearray(struct.pack("<H", 0x20B).ljust(0xF0, b"\x00"))
    struct.pack_into("<II", optional, 32, 0x1000, 0x200)
    struct.pack_into("<II", optional, 56, 0x4000, 0x400)
    return (head.ljust(0x80, b"\x00") + coff + bytes(optional)).ljust(3000, b"\x00")


def _by_the_library(data: bytes) -> tuple[dict[int, Any], bytes | None, bool]:
    """What the library's own search finds in the bytes, whatever we think of them."""
    config = BeaconConfig.from_bytes(data, all_xor_keys=True)
    return dict(config.raw_settings_by_index), config.xorkey, config.xorencoded


@pytest.mark.parametrize(
    ("data", "is_encoded"),
    [
        (in_a_file(), False),
        (in_a_file(key=0x69), False),
        (in_a_file(key=0x9C), False),
        (in_a_file(types=OTHER_TYPES), False),
        (in_a_file(key=b"\x01\x02\x03\x04"), False),
        (encoded(_program() + packed()), True),
    ],
)
def test_the_library_finds_the_same_in_the_same_place(data: bytes, is_encoded: bool) -> None:
    (place,), every = beaconconfig.find(data)
    settings, key, xorencoded = _by_the_library(data)
    assert every
    assert (settings, key, xorencoded) == (beaconconfig.read(place).settings, place.key, is_encoded)


def test_our_reading_of_the_list_is_the_librarys() -> None:
    (place,), _ = beaconconfig.find(in_a_file())
    beacon = beaconconfig.read(place)
    assert beacon.fault == ""
    assert place.stock == beacon.settings
    config = BeaconConfig.from_bytes(in_a_file())
    assert [host + path for host, path in config.domain_uri_pairs] == list(beacon.servers)
    assert (config.protocol, config.port, config.watermark) == (beacon.protocol, beacon.number(2), beacon.number(37))
    assert (config.sleeptime, config.jitter, config.public_key) == (60000, 37, beacon.public_key)


def test_a_user_agent_longer_than_its_room() -> None:
    """Seen in the wild: the library goes on to the text's end, where the list by itself would break off."""
    text = b"Mozilla/5.0 " + b"x" * 140
    before, behind = ({n: SETTINGS[n] for n in SETTINGS if n != 9 and (n < 9) is first} for first in (True, False))
    start = packed({**before, 100: b"end"}, 0)
    overlong = start[: start.index(b"\x00\x64\x00\x03")] + bytes.fromhex("000900030080") + text
    data = masked((overlong + packed(behind, 0)).ljust(beaconconfig.SIZE, b"\x00"), b"\x2e")
    (fact,), problems = run(ARTIFACT, PATH, data)
    assert problems == []
    assert fact.fields["beacon_user_agent"] == text.decode()
    assert fact.fields["beacon_watermark"] == SETTINGS[37]


def test_a_text_without_an_end_does_not_stall_the_library() -> None:
    """It looks for the NUL behind such a text; where the bytes end without one, it would look for ever."""
    list_of_settings = packed({**{n: SETTINGS[n] for n in range(1, 6)}, 7: PUBLIC_KEY, 9: b"x" * 128}, 0)
    at = list_of_settings.index(b"x" * 128)
    data = list_of_settings[: at - 2] + bytes.fromhex("0080") + b"x" * 8000
    (fact,), problems = run(ARTIFACT, PATH, data)
    assert (fact.fields["beacon_port"], [item.fault for item in problems]) == (443, ["truncated"])


def test_what_stands_behind_a_break_changes_nothing() -> None:
    no_setting = bytes.fromhex("0064000900021111")
    others = bytes.fromhex("0002000100021a2b" + "0025000200040000ffff" * 300)
    data = (packed(key=0).rstrip(b"\x00") + no_setting + others).ljust(beaconconfig.SIZE, b"\x00")
    (fact,), problems = run(ARTIFACT, PATH, data)
    assert (fact.fields["beacon_port"], fact.fields["beacon_watermark"]) == (443, SETTINGS[37])
    assert [item.fault for item in problems] == ["truncated"]


def test_other_files_are_none() -> None:
    short = {index: SETTINGS[index] for index in (1, 2, 3, 4)}
    for data in (
        b"", b"MZ", random.Random(3).randbytes(200_000), bytes(100_000), b"\x2e" * 100_000, packed(short),
        bytes.fromhex("2e2f2e2f2e2c") * 2_000, bytes.fromhex("000100010002") * 2_000, PUBLIC_KEY * 20,
        b"\x07" + PUBLIC_KEY, masked(PUBLIC_KEY * 20, LONG_KEY),
    ):  # fmt: skip
        assert run(ARTIFACT, PATH, data) == ([], [])


@pytest.mark.parametrize(
    "unit", [PUBLIC_KEY[:29], bytes.fromhex("000100010002"), packed()[:400], masked(PUBLIC_KEY, LONG_KEY)]
)
def test_a_hostile_file_takes_no_time_and_is_told_of(unit: bytes) -> None:
    began = time.monotonic()
    facts, problems = run(ARTIFACT, PATH, unit * (2 * 1024 * 1024 // len(unit)))
    assert time.monotonic() - began < 20
    assert len(facts) <= 16
    assert {problem.fault for problem in problems} <= {"budget", "truncated"}
    assert problems or len(unit) > 100


def test_a_cut_file() -> None:
    data, told = packed(), 0
    end = len(data.rstrip(b"\x2e"))
    for length in range(0, 1800, 7):
        facts, problems = run(ARTIFACT, PATH, data[:length])
        told += len(facts)
        assert len(problems) == len(facts) or length > end
        assert all(
            fact.fields[name] in (READ[name], None, ())
            for fact in facts
            for name in ("beacon_user_agent", "beacon_pipe")
            if name in fact.fields
        )
    assert told > 50
    assert run(ARTIFACT, PATH, data)[1] == []
