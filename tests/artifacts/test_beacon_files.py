"""Configurations of Beacon in files, read here and, where it is installed, by dissect.cobaltstrike."""

from __future__ import annotations

import random

import pytest

from forensics.artifacts.beacon_files import ARTIFACT
from testdata.writers.beacon import SETTINGS, in_a_file, packed
from tests.artifacts.file_inputs import run

PATH = "C:/ProgramData/a.dll"


@pytest.mark.parametrize("key", [0x2E, 0x69, 0x00])
def test_a_configuration(key: int) -> None:
    data = in_a_file(key=key)
    (fact,), problems = run(ARTIFACT, PATH, data)
    assert problems == []
    assert fact.source.locator == "offset 0xbc6"
    assert fact.fields == {
        "beacon_protocol": "https",
        "beacon_port": 443,
        "beacon_servers": ("192.0.2.1/ca", "c2.example/load"),
        "beacon_user_agent": "Mozilla/5.0 (Windows NT 10.0)",
        "beacon_submit_uri": "/submit.php",
        "beacon_pipe": "\\\\.\\pipe\\msagent_a1",
        "beacon_spawn": "%windir%\\syswow64\\rundll32.exe",
        "beacon_watermark": 305419896,
        "xor_key": f"0x{key:02x}",
        "file_path": "C:\\ProgramData\\a.dll",
        "file_sha256": "0" * 64,
        "file_size": len(data),
    }


def test_the_builders_list_is_read_alike_by_another_parser() -> None:
    other = pytest.importorskip("dissect.cobaltstrike.beacon", reason="dissect.cobaltstrike is not installed")
    config = other.BeaconConfig.from_bytes(in_a_file())
    (fact,), _ = run(ARTIFACT, PATH, in_a_file())
    assert config.port == fact.fields["beacon_port"]
    assert config.watermark == fact.fields["beacon_watermark"]
    assert [host + path for host, path in config.domain_uri_pairs] == list(fact.fields["beacon_servers"])


def test_other_files_are_none() -> None:
    short = {index: SETTINGS[index] for index in (1, 2, 3, 4)}
    for data in (
        b"", b"MZ", random.Random(3).randbytes(200_000), bytes(100_000), b"\x2e" * 100_000, packed(short),
        bytes.fromhex("2e2f2e2f2e2c") * 2_000, bytes.fromhex("000100010002") * 2_000,
    ):  # fmt: skip
        assert run(ARTIFACT, PATH, data) == ([], [])


def test_a_cut_file() -> None:
    data, told = packed(), 0
    end = len(data.rstrip(b"\x2e"))
    for length in range(0, 1200, 7):
        facts, problems = run(ARTIFACT, PATH, data[:length])
        told += len(facts)
        assert len(problems) == len(facts) or length > end
    assert told > 50
    assert run(ARTIFACT, PATH, data)[1] == []
