"""Sysmon's word on files that were loaded or written: hashes, and what Windows thought of their signatures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.artifacts.event_logs import facts_of, one, own

SYSMON = "Microsoft-Windows-Sysmon/Operational"
SHA = "SHA1=" + "AB" * 20


def test_a_driver():
    fact = one(SYSMON, 6, data={
        "UtcTime": "2024-12-04 10:02:11.123", "ImageLoaded": "C:\\ProgramData\\d.sys", "Hashes": SHA, "Signed": "false",
        "Signature": "", "SignatureStatus": "Unavailable",
    })  # fmt: skip
    assert (fact.kind, fact.context) == ("driver.loaded", True)
    assert own(fact) == {
        "file_path": "C:\\ProgramData\\d.sys", "file_name": "d.sys", "hashes": SHA, "is_signed": False,
        "signature_status": "Unavailable",
    }  # fmt: skip


def test_a_library_is_context_whoever_loads_it():
    fact = one(SYSMON, 7, data={
        "UtcTime": "2024-12-04 10:02:11.123", "ProcessId": 8, "Image": "C:\\Windows\\System32\\WindowsSandbox.exe",
        "ImageLoaded": "C:\\Apps\\a.dll", "Company": "Example", "Product": "-", "OriginalFileName": "b.dll",
        "Hashes": SHA, "Signed": "true", "Signature": "Example Ltd", "SignatureStatus": "Valid", "User": "PC\\x",
    })  # fmt: skip
    assert (fact.kind, fact.context) == ("image.loaded", True)
    told = own(fact)
    assert (told["file_path"], told["executable_name"]) == ("C:\\Apps\\a.dll", "WindowsSandbox.exe")
    assert (told["is_signed"], told["signature_name"], told["signature_status"]) == (True, "Example Ltd", "Valid")
    assert (told["publisher"], told["original_file_name"], told["user_name"]) == ("Example", "b.dll", "x")
    assert "product_name" not in told
    assert "pid" not in told, "all that a watched program loads is not what it did"


@pytest.mark.parametrize(("name", "context"), [("a.exe", True), ("WindowsSandbox.exe", False)])
def test_a_program_that_was_written(name, context):
    path = f"C:\\Users\\Public\\{name}"
    fact = one(SYSMON, 29, data={
        "UtcTime": "2024-12-04 10:02:11.123", "ProcessId": 8, "Image": "C:\\x.exe", "TargetFilename": path,
        "Hashes": SHA,
    })  # fmt: skip
    assert (fact.kind, fact.context) == ("file.executable_written", context)
    assert (own(fact)["file_path"], own(fact)["hashes"], own(fact)["pid"]) == (path, SHA, "8")


def test_real_records(samples: Path):
    found = [
        fact
        for path in sorted((samples / "evtx" / "attack-samples").rglob("*.evtx"))
        for fact in facts_of(path.read_bytes(), tolerant=True)
        if fact.kind in ("driver.loaded", "image.loaded")
    ]
    assert len(found) == 99
    assert all(fact.context and fact.fields["file_path"] for fact in found)
    assert sum(bool(fact.fields.get("hashes")) for fact in found) > 90
    assert {fact.fields.get("signature_status") for fact in found} >= {"Valid"}
