from __future__ import annotations

import io
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dissect.target.plugins.os.windows.regf.shimcache import ShimCache

from forensics.artifacts.shimcache import ARTIFACT
from forensics.formats import FormatError
from forensics.formats.appcompatcache import read_cache
from forensics.formats.hive import Hive
from forensics.timeline import render
from forensics.times import from_filetime
from testdata.writers.appcompatcache import Program, windows_7, windows_8, windows_10
from tests.artifacts.registry_inputs import merged, nested, run

SYSTEM = "C:/Windows/System32/config/SYSTEM"
KEY = "Control\\Session Manager\\AppCompatCache"
BASE = {"Select": {"": [("Current", 4, b"\1\0\0\0")]}}
WHEN = datetime(2024, 11, 5, 3, 4, 5, tzinfo=UTC)
SANDBOX = "C:\\Windows\\System32\\WindowsSandbox.exe"
TUNNEL = "C:\\Users\\田中\\AppData\\Local\\Temp\\code-tunnel.exe"
PACKAGE = "00000009\t000000050002003a\t000a000065f40000\t8664\tMicrosoftWindows.WindowsSandbox\tcw5n1h2txyewy\t"
PROGRAMS = (Program(SANDBOX, WHEN, executed=True), Program("C:\\a\\b.exe", WHEN), Program(TUNNEL, WHEN, executed=True))
LAYOUTS = {
    "Windows 7 (64 bit)": (windows_7(PROGRAMS), "6.1"),
    "Windows 7 (32 bit)": (windows_7(PROGRAMS, wide=False), "6.1"),
    "Windows 8": (windows_8(PROGRAMS, b"00ts"), "6.2"),
    "Windows 8.1": (windows_8(PROGRAMS), "6.3"),
    "Windows 10 or 11": (windows_10(PROGRAMS), "10.0"),
    "Windows 10 of 1507": (windows_10(PROGRAMS, 0x30), "10.0"),
}


def hive_of(data: bytes, control_set: str = "ControlSet001") -> dict[str, object]:
    return merged(BASE, nested(f"{control_set}\\{KEY}", {"": [("AppCompatCache", 3, data)]}))


def second_reader(data: bytes, version: str) -> list[tuple[str, datetime]]:
    return [(path, moment.replace(tzinfo=UTC)) for moment, path in ShimCache(io.BytesIO(data), version)]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout(name: str) -> None:
    data, _ = LAYOUTS[name]
    facts, problems = run(ARTIFACT, hive_of(data), SYSTEM)
    assert problems == []
    written, *entries = facts
    assert written.kind == "shimcache.written"
    assert written.fields["record_count"] == 3
    assert str(written.fields["cache_layout"]).startswith(name[:9])
    assert [fact.fields["executable"] for fact in entries] == [SANDBOX, "C:\\a\\b.exe", TUNNEL]
    assert [fact.fields["order"] for fact in entries] == [1, 2, 3]
    assert [fact.times for fact in entries] == [{"Content Modification Time": WHEN}] * 3
    assert [fact.context for fact in entries] == [False, True, False]
    flag = "last_value_is_one" if "10" in name else "executed"
    assert [fact.fields.get(flag) for fact in entries] == [True, False, True]
    assert ({"executed", "last_value_is_one"} - {flag}).isdisjoint(entries[0].fields)


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in ("Windows 8", "Windows 7 (32 bit)")])
def test_another_reader_says_the_same(name: str) -> None:
    """dissect.target takes Windows 7 for 64 bit in any case, and does not know the signature of 8.0."""
    data, version = LAYOUTS[name]
    found = [(entry.path, from_filetime(entry.ticks)) for entry in read_cache(data).entries]
    assert found == second_reader(data, version)


def test_the_message_does_not_take_the_time_for_a_run() -> None:
    _, fact, *_ = run(ARTIFACT, hive_of(windows_10(PROGRAMS)), SYSTEM)[0]
    said = render(fact.kind, ARTIFACT.emits[fact.kind].message, fact.fields)
    assert "not a run" in said
    assert "others read as executed" in said
    _, fact, *_ = run(ARTIFACT, hive_of(windows_7(PROGRAMS)), SYSTEM)[0]
    assert "its flag says that it was executed" in render(fact.kind, ARTIFACT.emits[fact.kind].message, fact.fields)


def test_packages_media_and_unknown_times() -> None:
    programs = (Program(PACKAGE, None), Program("SIGN.MEDIA=19f1470 tools\\wsb.exe", WHEN), Program("x\ty", WHEN))
    facts, problems = run(ARTIFACT, hive_of(windows_10(programs)), SYSTEM)
    assert problems == []
    package, medium, odd = (fact for fact in facts if fact.kind == "shimcache.entry")
    assert package.fields["package_family"] == "MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy"
    assert package.fields["package_version"] == "0.5.2.58"
    assert package.no_times["Content Modification Time"].startswith("zero")
    assert not package.context
    assert medium.fields["media_signature"] == "19F1470"
    assert (medium.fields["executable"], medium.fields["executable_name"]) == ("tools\\wsb.exe", "wsb.exe")
    assert odd.fields["executable"] == "x\ty"


def test_a_package_in_place_of_the_path() -> None:
    """Windows 8.1 names a package behind an empty path."""
    (entry,) = read_cache(windows_8([Program("", WHEN, executed=True, package="Contoso.App_1.0")])).entries
    assert (entry.path, entry.package, entry.executed) == ("", "Contoso.App_1.0", True)


@pytest.mark.parametrize("behind_flags", [False, True])
def test_the_other_order_of_windows_8(behind_flags: bool) -> None:
    """winreg-kb has no package length in 8.0, and one behind the flags in 8.1."""
    text = SANDBOX.encode("utf-16-le")
    body = struct.pack("<H", len(text)) + text + struct.pack("<II", 2, 0) + b"\0\0" * behind_flags
    body += struct.pack("<QI", 133_777_404_610_000_000, 0)
    data = struct.pack("<I", 0x80).ljust(0x80, b"\0") + struct.pack("<4sII", b"10ts", 0, len(body)) + body
    (entry,) = read_cache(data).entries
    assert (entry.path, entry.executed, entry.ticks) == (SANDBOX, True, 133_777_404_610_000_000)
    assert not entry.intact


def test_the_same_entry_of_another_control_set_is_told_once() -> None:
    older = (PROGRAMS[0], Program("C:\\gone.exe", WHEN))
    tree = merged(hive_of(windows_10(older), "ControlSet002"), hive_of(windows_10(PROGRAMS)))
    facts, problems = run(ARTIFACT, tree, SYSTEM)
    assert problems == []
    told = [(fact.fields["control_set"], fact.fields.get("executable")) for fact in facts]
    assert told[0] == ("ControlSet001", None)
    assert told[4:] == [("ControlSet002", None), ("ControlSet002", "C:\\gone.exe")]


def test_a_damaged_entry_costs_that_entry() -> None:
    data = bytearray(windows_10(PROGRAMS))
    second = data.find(b"10ts", data.find(b"10ts") + 1)
    struct.pack_into("<I", data, second + 8, 0xFFFFFF)
    facts, problems = run(ARTIFACT, hive_of(bytes(data)), SYSTEM)
    assert [fact.fields["executable"] for fact in facts[1:]] == [SANDBOX, TUNNEL]
    assert any("leaves the value" in problem.detail for problem in problems)
    assert problems[0].source.locator == f"ControlSet001\\{KEY}\\AppCompatCache"


def test_a_changed_entry_is_told_and_said() -> None:
    data = windows_10(PROGRAMS).replace("b.exe".encode("utf-16-le"), "c.exe".encode("utf-16-le"))
    facts, (problem,) = run(ARTIFACT, hive_of(data), SYSTEM)
    assert len(facts) == 4
    assert "does not have its checksum" in problem.detail
    assert "c.exe" in problem.detail


@pytest.mark.parametrize("name", LAYOUTS)
def test_truncation_at_any_byte(name: str) -> None:
    data, _ = LAYOUTS[name]
    for length in range(len(data)):
        facts, problems = run(ARTIFACT, hive_of(data[:length]), SYSTEM)
        told = [fact for fact in facts if fact.kind == "shimcache.entry"]
        assert [fact.fields["executable"] for fact in told] == [program.path for program in PROGRAMS][: len(told)]
        # Unseen are a cut between two entries where nothing counts them, and one before the NUL behind the last path.
        assert problems or data[length : length + 4] in (b"00ts", b"10ts", b"\0\0", b"\0"), length


def test_hostile_counts_and_old_layouts() -> None:
    data = bytearray(windows_7(PROGRAMS))
    struct.pack_into("<I", data, 4, 0xFFFFFFFF)
    cache = read_cache(bytes(data))
    assert [entry.path for entry in cache.entries[:3]] == [program.path for program in PROGRAMS]
    assert cache.problems
    for magic in (0xDEADBEEF, 0xBADC0FFE):
        with pytest.raises(FormatError, match="layout is not read"):
            read_cache(struct.pack("<II", magic, 1))
    with pytest.raises(FormatError, match="known layout"):
        read_cache(b"\x99" * 500)
    assert read_cache(struct.pack("<I", 0x34).ljust(0x34, b"\0")).entries == []


@pytest.mark.samples
def test_a_real_system(samples: Path) -> None:
    hive = Hive.open((samples / "hives" / "SYSTEM_B").read_bytes())
    facts, problems = run(ARTIFACT, hive, SYSTEM)
    assert problems == []
    value = hive.key(f"ControlSet001\\{KEY}")
    assert value is not None
    raw = value.value("AppCompatCache")
    assert raw is not None
    cache = read_cache(raw.raw)
    other = second_reader(raw.raw, "10.0")
    assert [entry.path for entry in cache.entries] == [path for path, _ in other]
    for entry, (_, moment) in zip(cache.entries, other, strict=True):
        mine = from_filetime(entry.ticks)
        assert abs(mine - moment) < timedelta(milliseconds=1) if isinstance(mine, datetime) else moment.year == 1601
    assert len(facts) == 1 + len(cache.entries) == 407
    assert all(entry.intact for entry in cache.entries)
    assert sum(entry.last_value == 1 for entry in cache.entries) == 53
    photos = next(fact for fact in facts if "Photos" in str(fact.fields.get("package_family")))
    assert photos.fields["package_version"] == "2018.18021.12420.0"
