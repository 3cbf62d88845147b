from __future__ import annotations

import struct
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from dissect.regf import RegistryHive

from forensics.artifacts.amcache import ARTIFACT
from forensics.collect import HIVES
from forensics.evidence.globs import GlobSet
from forensics.formats import FormatError
from forensics.formats.hive import Hive
from forensics.rules.collection import kape_targets
from forensics.spool import encode_fact
from forensics.timeline import render
from testdata.writers.hive import REG_DWORD, REG_QWORD, REG_SZ, HiveWriter
from tests.artifacts.registry_inputs import run

PATH = "C:/Windows/AppCompat/Programs/Amcache.hve"
WHEN = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
SHA1 = "186fef64c415af7d11986c7254db81ef65549ebc"
VOLUME = "ccbe4c57-0000-0000-0000-100000000000"
MODERN = {
    "windowssandbox.exe|40f275349895ac70": {
        "ProgramId": "0000df892556c2f7a6b7fa69f7009b5c08cb00000904",
        "FileId": "0000" + SHA1,
        "LowerCaseLongPath": "c:\\windows\\system32\\windowssandbox.exe",
        "OriginalFileName": "windowssandbox.exe",
        "Publisher": "microsoft corporation",
        "Version": "10.0.22621.1 (winbuild.160101.0800)",
        "BinFileVersion": "10.0.22621.1",
        "BinaryType": "pe64_amd64",
        "ProductName": "microsoft® windows® operating system",
        "ProductVersion": "10.0.22621.1",
        "LinkDate": "05/04/2021 17:43:39",
        "Size": 0x2000000,
        "IsOsComponent": 1,
    },
    "notepad.exe|1": {"FileId": "", "LowerCaseLongPath": "c:\\windows\\notepad.exe", "Size": "0x7fac0", "LinkDate": ""},
    "renamed.exe|2": {
        "FileId": "0000" + SHA1,
        "LowerCaseLongPath": "c:\\users\\田中\\renamed.exe",
        "OriginalFileName": "WindowsSandboxClient.exe",
        "LinkDate": "31/31/2021 17:43:39",
        "Size": "many",
    },
}
OLDER = {
    "0": "Code Tunnel",
    "1": "Contoso",
    "5": "1.2.3",
    "6": 4096,
    "c": "a tool",
    "f": 1733289512,
    "11": 133_777_404_610_000_000,
    "12": 133_777_404_610_000_000,
    "15": "C:\\Temp\\code-tunnel.exe",
    "100": "0000ffff",
    "101": "0000" + SHA1,
}
APPLICATION = {
    "ProgramId": "00001",
    "ProgramInstanceId": "00002",
    "Name": "MicrosoftWindows.WindowsSandbox",
    "Version": "0.5.2.0",
    "Publisher": "CN=Microsoft Windows",
    "Source": "AppxPackage",
    "InstallDate": "11/20/2024 08:00:00",
    "PackageFullName": "MicrosoftWindows.WindowsSandbox_0.5.2.0_x64__cw5n1h2txyewy",
    "RootDirPath": "%programfiles%\\windowsapps\\microsoftwindows.windowssandbox_0.5.2.0_x64__cw5n1h2txyewy",
}


def built(keys: dict[str, dict[str, str | int]]) -> bytes:
    writer = HiveWriter("{11517B7C-E79D-4e20-961B-75A811715ADD}", WHEN, "Amcache.hve")
    for path, values in keys.items():
        writer.key(path, WHEN)
        for name, data in values.items():
            kind = REG_SZ if isinstance(data, str) else REG_QWORD if data > 0xFFFFFFFF else REG_DWORD
            writer.value(path, name, kind, data)
    return writer.build()


def everything() -> bytes:
    keys: dict[str, dict[str, str | int]] = {
        f"Root\\InventoryApplicationFile\\{name}": values for name, values in MODERN.items()
    }
    keys[f"Root\\File\\{VOLUME}\\b00001b71a"] = OLDER
    keys["Root\\InventoryApplication\\00001"] = dict(APPLICATION)
    keys["Root\\Programs\\00003"] = {
        "0": "7-Zip",
        "1": "16.04",
        "2": "Igor Pavlov",
        "6": "AddRemoveProgram",
        "a": 1501593268,
    }
    return built(keys)


@pytest.mark.parametrize("size", ["0x" + "f" * 5000, "9" * 5000])
def test_a_number_of_thousands_of_digits_is_none(size: str) -> None:
    entry = {"LowerCaseLongPath": "c:\\a.exe", "Size": size}
    facts, problems = run(ARTIFACT, Hive.open(built({"Root\\InventoryApplicationFile\\a|1": entry})), PATH)
    assert problems == []
    assert [fact.fields.get("file_size") for fact in facts] == [None]
    assert all(encode_fact(fact) for fact in facts)


def test_both_generations() -> None:
    hive = Hive.open(everything())
    assert hive.kind == "AMCACHE"
    facts, problems = run(ARTIFACT, hive, PATH)
    assert problems == []
    by_name = {str(fact.fields.get("executable_name") or fact.fields["product_name"]): fact for fact in facts}
    sandbox = by_name["windowssandbox.exe"]
    assert sandbox.fields["file_sha1"] == SHA1
    assert sandbox.fields["hash_is_partial"] is True
    assert sandbox.fields["linked_at"] == "2021-05-04T17:43:39.000000+00:00"
    assert sandbox.fields["file_size"] == 0x2000000
    assert sandbox.fields["os_component"] is True
    assert sandbox.times == {"Content Modification Time": WHEN}
    assert sandbox.source.locator == "Root\\InventoryApplicationFile\\windowssandbox.exe|40f275349895ac70"
    older = by_name["code-tunnel.exe"]
    assert older.fields["file_reference"] == "112410-11"
    assert older.fields["linked_at"] == "2024-12-04T05:18:32.000000+00:00"
    assert older.fields["file_modified_at"] == older.fields["file_created_at"] == "2024-12-03T23:01:01.000000+00:00"
    assert older.fields["file_sha1"] == SHA1
    assert by_name["MicrosoftWindows.WindowsSandbox"].fields["installed_at"] == "11/20/2024 08:00:00"
    assert by_name["7-Zip"].fields["installed_at"] == "2017-08-01T13:14:28.000000+00:00"


def test_what_is_watched_is_kept() -> None:
    facts, _ = run(ARTIFACT, Hive.open(everything()), PATH)
    kept = {
        str(fact.fields.get("executable_name") or fact.fields["product_name"]) for fact in facts if not fact.context
    }
    assert kept == {"windowssandbox.exe", "renamed.exe", "code-tunnel.exe", "MicrosoftWindows.WindowsSandbox"}


def test_odd_values_are_left_out() -> None:
    facts, problems = run(ARTIFACT, Hive.open(everything()), PATH)
    assert problems == []
    renamed = next(fact for fact in facts if fact.fields.get("executable_name") == "renamed.exe")
    assert {"linked_at", "file_size", "hash_is_partial"}.isdisjoint(renamed.fields)
    notepad = next(fact for fact in facts if fact.fields.get("executable_name") == "notepad.exe")
    assert notepad.fields["file_size"] == 0x7FAC0
    assert "file_sha1" not in notepad.fields


def test_the_message_does_not_claim_a_run() -> None:
    facts, _ = run(ARTIFACT, Hive.open(everything()), PATH)
    fact = next(fact for fact in facts if fact.fields.get("hash_is_partial"))
    said = render("amcache.file", ARTIFACT.emits["amcache.file"].message, fact.fields)
    assert "no run" in said
    assert "first 30 MiB" in said


def test_an_entry_without_its_path_is_a_problem() -> None:
    data = built(
        {"Root\\InventoryApplicationFile\\x|1": {"Size": "1"}, "Root\\InventoryApplication\\y": {"Source": "File"}}
    )
    facts, problems = run(ARTIFACT, Hive.open(data), PATH)
    assert facts == []
    assert [problem.source.locator.rpartition("\\")[2] for problem in problems] == ["x|1", "y"]


def test_another_reader_sees_the_same() -> None:
    hive = RegistryHive(BytesIO(everything()))
    for name, values in MODERN.items():
        key = hive.open(f"Root\\InventoryApplicationFile\\{name}")
        assert {value.name: value.value for value in key.values()} == values
        assert key.timestamp == WHEN


def test_where_it_is_sought() -> None:
    assert GlobSet(HIVES["AMCACHE"]).matches("Windows/appcompat/programs/AMCACHE.HVE")
    assert kape_targets(HIVES["AMCACHE"])[0] == "Amcache"


def test_truncation() -> None:
    data = everything()
    whole = len(run(ARTIFACT, Hive.open(data), PATH)[0])
    counts = set()
    for length in range(4096, len(data), 61):
        try:
            hive = Hive.open(data[:length])
        except FormatError:
            continue
        facts, problems = run(ARTIFACT, hive, PATH)
        assert len(facts) == whole or hive.problems or problems, length
        counts.add(len(facts))
    assert counts


@pytest.mark.samples
def test_a_real_amcache(samples: Path) -> None:
    data = (samples / "hives" / "amcache.hve").read_bytes()
    facts, problems = run(ARTIFACT, Hive.open(data), PATH)
    assert problems == []
    other = RegistryHive(BytesIO(data))
    modern = {
        str(fact.fields["executable"]): fact for fact in facts if "InventoryApplicationFile" in fact.source.locator
    }
    keys = list(other.open("Root\\InventoryApplicationFile").subkeys())
    assert len(modern) == len(keys) == 247
    for key in keys:
        fact = modern[key.value("LowerCaseLongPath").value]
        assert fact.fields["file_sha1"] == key.value("FileId").value[4:]
        assert fact.fields["file_size"] == int(key.value("Size").value, 16)
        assert abs((fact.times["Content Modification Time"] - key.timestamp).total_seconds()) < 0.001
    older = {fact.source.locator: fact for fact in facts if fact.source.locator.startswith("Root\\File\\")}
    found = [(volume, key) for volume in other.open("Root\\File").subkeys() for key in volume.subkeys()]
    assert len(older) == len(found) == 1120
    for volume, key in found:
        fact = older[f"Root\\File\\{volume.name}\\{key.name}"]
        assert fact.fields["executable"] == key.value("15").value
        assert fact.fields["file_sha1"] == key.value("101").value[4:]
        assert "file_reference" in fact.fields
    assert sum(fact.kind == "amcache.program" for fact in facts) == 74 + 26


def test_numbers_of_the_wrong_size_do_no_harm() -> None:
    writer = HiveWriter("x", WHEN)
    path = f"Root\\File\\{VOLUME}\\nonsense"
    writer.key(path, WHEN)
    writer.value(path, "15", REG_SZ, "C:\\wsb.exe")
    writer.value(path, "11", REG_QWORD, struct.pack("<Q", 0xFFFFFFFFFFFFFFFF))
    writer.value(path, "f", REG_DWORD, b"\1")
    (fact,), problems = run(ARTIFACT, Hive.open(writer.build()), PATH)
    assert problems == []
    assert {"file_modified_at", "linked_at", "file_reference"}.isdisjoint(fact.fields)
