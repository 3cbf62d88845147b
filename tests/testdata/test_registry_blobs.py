"""The binary values of built hosts are byte for byte those of real hives, or what their readers and references say."""

from __future__ import annotations

import codecs
import io
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dissect.target.plugins.os.windows.regf.bam import c_bam
from dissect.target.plugins.os.windows.regf.userassist import c_userassist
from hypothesis import given
from hypothesis import strategies as st
from Registry import Registry

from forensics.formats import taskcache
from forensics.formats.hive import Hive
from forensics.times import from_filetime, to_filetime
from testdata.writers import registry_blobs as blobs
from testdata.writers.hive import HiveWriter

TIME = datetime(2024, 12, 4, 1, 2, 3, 456789, tzinfo=UTC)
EXPLORER = "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Explorer"


def raw_values(path: Path, key: str) -> dict[str, bytes]:
    return {value.name(): value.raw_data() for value in Registry.Registry(str(path)).open(key).values()}


def moment(ticks: int) -> datetime | None:
    found = from_filetime(ticks)
    return found if isinstance(found, datetime) else None


@pytest.mark.samples
def test_userassist_entries_are_those_of_a_real_hive(samples: Path) -> None:
    key = f"{EXPLORER}\\UserAssist\\{blobs.USERASSIST_PROGRAMS}\\Count"
    values = raw_values(samples / "hives/NTUSER_with_winscp.DAT", key)
    sandbox = values[blobs.userassist_name("{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsSandbox.exe")]
    same = total = 0
    for name, raw in values.items():
        if len(raw) != 72 or codecs.decode(name, "rot13").startswith("UEME_"):
            continue
        _, runs, focus_count, focus_ms = struct.unpack_from("<IIII", raw)
        ticks = struct.unpack_from("<Q", raw, 60)[0]
        again = blobs.userassist(moment(ticks), runs, focus_count, focus_ms)
        assert again[60:68] == struct.pack("<Q", ticks // 10 * 10)  # a datetime has microseconds only
        same += again[:60] + again[68:] == raw[:60] + raw[68:]
        total += 1
    assert total > 20
    assert same == total
    last_run = datetime(2022, 2, 28, 9, 10, 14, 265000, tzinfo=UTC)
    assert abs(moment(struct.unpack_from("<Q", sandbox, 60)[0]) - last_run) < timedelta(seconds=1)


@pytest.mark.samples
def test_bam_entries_are_those_of_a_real_hive(samples: Path) -> None:
    root = Registry.Registry(str(samples / "hives/SYSTEM_B")).open("ControlSet001\\Services\\bam\\UserSettings")
    entries = [
        (value.name(), value.raw_data()) for key in root.subkeys() for value in key.values() if value.value_type() == 3
    ]
    assert len(entries) > 20
    for name, raw in entries:
        ticks = struct.unpack_from("<Q", raw)[0]
        [(_, _, again)] = blobs.bam_values({name: moment(ticks)})[2:]
        assert again == struct.pack("<Q", ticks // 10 * 10) + raw[8:]


@pytest.mark.samples
def test_recent_documents_are_those_of_a_real_hive(samples: Path) -> None:
    values = raw_values(samples / "hives/NTUSER_with_winscp.DAT", f"{EXPLORER}\\RecentDocs")
    recorded = values["MRUListEx"]
    assert blobs.mru_list_ex(struct.unpack_from(f"<{len(recorded) // 4 - 1}i", recorded)) == recorded
    documents = {name: raw for name, raw in values.items() if name.isdecimal()}
    same = [raw for raw in documents.values() if blobs.recent_document(_name(raw)) == raw]
    # The rest are folders, drives and links whose shortcut Explorer named otherwise.
    assert len(same) == 115
    assert any(not _name(raw).isascii() for raw in same)


def _name(raw: bytes) -> str:
    return raw.decode("utf-16-le", "replace").partition("\x00")[0]


def test_recent_documents_are_numbered_from_the_oldest() -> None:
    values = {name: data for name, _, data in blobs.recent_documents(["new.wsb", "old.wsb"])}
    assert values["MRUListEx"] == struct.pack("<iii", 1, 0, -1)
    assert _name(values["1"]) == "new.wsb"


def test_dissect_reads_the_same() -> None:
    entry = c_userassist.VERSION5_ENTRY(blobs.userassist(TIME, 3, 5, 61_000))
    assert (entry.number_of_executions, entry.application_focus_count) == (3, 5)
    assert (entry.application_focus_duration, entry.timestamp) == (61_000, to_filetime(TIME))
    assert len(blobs.userassist(None, 0)) == 72
    assert c_bam.entry(blobs.bam(TIME)).ts == to_filetime(TIME)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)


@given(texts.filter(bool), texts, texts, texts)
def test_actions_are_read_back(command: str, arguments: str, directory: str, context: str) -> None:
    found = taskcache.read_actions(blobs.task_actions(command, arguments, directory, context))
    assert found.context == context
    [action] = found.actions
    assert (action.executable, action.arguments or "", action.working_directory or "") == (
        command,
        arguments,
        directory,
    )


def test_actions_by_hand() -> None:
    # version, "A", exec, no id, "b.exe", "-c", no directory, flags
    wanted = "0300 02000000 4100 6666 00000000 0a000000 62002e00650078006500 04000000 2d006300 00000000 0000"
    assert blobs.task_actions("b.exe", "-c", context="A") == bytes.fromhex(wanted)


def test_com_actions_are_read_back() -> None:
    clsid = "{0358B920-0AC7-461F-98F4-58E32CD89148}"
    [action] = taskcache.read_actions(blobs.task_com_action(clsid)).actions
    assert action.executable is None
    assert clsid in str(action.other)


def test_run_information_is_read_back() -> None:
    raw = blobs.task_dynamic_info(TIME, TIME + timedelta(hours=1), TIME + timedelta(hours=2), 0x41301)
    assert len(raw) == 36
    runs = taskcache.read_runs(raw)
    assert (runs.registered, runs.started) == (TIME, TIME + timedelta(hours=1))
    assert (runs.completed, runs.result) == (TIME + timedelta(hours=2), 0x41301)
    assert not isinstance(taskcache.read_runs(blobs.task_dynamic_info(TIME)).started, datetime)


@pytest.mark.parametrize("sid", ["S-1-5-18", "S-1-5-21-1004336348-1177238915-682003330-1001"])
@pytest.mark.parametrize("start", [None, TIME])
def test_triggers_name_the_account(sid: str, start: datetime | None) -> None:
    raw = blobs.task_triggers(sid, "LocalSystem", start)
    assert taskcache.read_account(raw) == sid
    assert len(raw) % 8 == 0
    assert (struct.pack("<I4sQQ", 0xDDDD, b"HHHH", 0, to_filetime(TIME)) in raw) == (start is not None)


@pytest.mark.samples
def test_time_zone_values_are_those_of_a_real_hive(samples: Path) -> None:
    path, key = samples / "hives/SYSTEM_B", "ControlSet001\\Control\\TimeZoneInformation"
    real = Registry.Registry(str(path)).open(key)
    built = blobs.time_zone_values("Tokyo Standard Time", -540, "@tzres.dll,-632", "@tzres.dll,-631")
    assert [(value.name(), value.value_type()) for value in real.values()] == [(name, kind) for name, kind, _ in built]


def test_values_go_into_a_hive() -> None:
    writer = HiveWriter("ROOT", TIME)
    writer.key("Zone", TIME)
    writer.key("Profile", TIME)
    for name, kind, data in blobs.time_zone_values("Tokyo Standard Time", -540, "@tzres.dll,-632", "@tzres.dll,-631"):
        writer.value("Zone", name, kind, data)
    for name, kind, data in blobs.profile_values("S-1-5-21-1-2-3-1001", "C:\\Users\\田中", TIME, TIME):
        writer.value("Profile", name, kind, data)
    hive = Hive.open(writer.build())
    zone = {value.name: value.data for value in hive.key("Zone").values()}
    profile = {value.name: value.data for value in hive.key("Profile").values()}
    assert (zone["Bias"], zone["TimeZoneKeyName"]) == (2**32 - 540, "Tokyo Standard Time")
    assert profile["ProfileImagePath"] == "C:\\Users\\田中"
    assert profile["LocalProfileLoadTimeHigh"] << 32 | profile["LocalProfileLoadTimeLow"] == to_filetime(TIME)
    assert taskcache.sid_text(profile["Sid"]) == "S-1-5-21-1-2-3-1001"


def test_zone_record_of_tokyo() -> None:
    assert blobs.tzi(-540) == struct.pack("<iii", -540, 0, -60) + bytes(32)


def test_lock_file_of_the_tunnel() -> None:
    raw = blobs.tunnel_lock("\\\\.\\pipe\\code-3b9d6f10-52c7-4e0a-9d11-0c6f7a1e2b34", 9604)
    assert (len(raw), raw[:4], raw[-3:]) == (57, bytes.fromhex("0092d932"), bytes.fromhex("cd2584"))
    short = blobs.tunnel_lock("\\\\.\\pipe\\x", 7, leftover=raw)
    assert (len(short), short[-20:]) == (57, raw[-20:])
    assert io.BytesIO(short).read(3) == bytes.fromhex("0092aa")
