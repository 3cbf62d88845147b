"""The logs that the project builds are read by three parsers that know nothing of the writer."""

from __future__ import annotations

import dataclasses
import io
import struct
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from Evtx.Evtx import FileHeader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forensics.times import to_filetime
from testdata.writers.binxml import name_hash
from testdata.writers.evtx import EventSpec, Layout, LogWriter
from testdata.writers.providers import event, layouts
from tests.testdata import evtx_tokens
from tests.testdata.evtx_readers import READERS, Read, any_reader, canonical, moment

TIME = datetime(2024, 12, 4, 1, 2, 3, 456789, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SID = "S-1-5-21-3623811015-3361044348-30300820-1001"
SAMPLE: dict[str, Any] = {
    "string": "C:\\Users\\田中\\デスクトップ\\lab.wsb <&> \"'",
    "sid": SID,
    "guid": "{5f3a9c21-74b3-674f-0000-00106a020000}",
    "bool": True,
    "binary": bytes(range(256)),
    "filetime": TIME,
    "i32": -5,
    "u16": 65535,
    "u32": 0xFFFFFFFF,
    "u64": 0xFFFFFFFFFFFFFFFF,
    "hex32": 0xC0370103,
    "hex64": 0xFFFFFFFF_00000001,
    "pointer": 0xFFFFA70C5B1D3A30,
}


def write(channel: str, specs: list[EventSpec], **options: Any) -> bytes:
    held = io.BytesIO()
    with LogWriter(held, channel, **options) as log:
        for spec in specs:
            log.write(spec)
    return held.getvalue()


def filled(channel: str, event_id: int, number: int = 0) -> EventSpec:
    layout = layouts()[channel, event_id]
    data = {name: SAMPLE[kind] for name, kind in layout.fields}
    if layout.shape == "Classic":
        data = {"param1": "Available", "param2": "", "param3": "\tNewEngineState=Available\n\n\tHostApplication=表.exe"}
    return event(
        channel, event_id, TIME + timedelta(microseconds=number * 1000003), computer="WS-TANAKA", user_sid=SID,
        pid=4 + number, tid=0xFFFFFFFF, data=data,
    )  # fmt: skip


def expected_data(spec: EventSpec) -> dict[str, Any]:
    layout = spec.layout
    if layout.shape == "Classic":
        texts = [item for item in spec.values if isinstance(item, str)]
        binary = next((item for item in spec.values if isinstance(item, bytes)), b"")
        return {"Data": texts, "Binary": binary}
    same = {name: value for (name, _), value in zip(layout.fields, spec.values, strict=True)}
    guids = {name: uuid.UUID(str(same[name])) for name, kind in layout.fields if kind == "guid"}
    return {**same, **guids}


def check(reader: str, read: Read, spec: EventSpec, channel: str, record_id: int) -> None:
    layout = spec.layout
    assert read[:5] == (record_id, layout.event_id, layout.provider, channel, spec.computer)
    assert moment(reader, read.time, spec.time) == spec.time
    assert read[6:9] == (spec.user_sid, spec.pid, spec.tid)
    kinds = dict(layout.fields) or {"Data": "strings", "Binary": "binary"}
    got = {name: canonical(reader, kinds[name], value) for name, value in read.data.items()}
    expected = expected_data(spec)
    for name, kind in layout.fields:
        if kind == "filetime":
            got[name] = moment(reader, got[name], expected[name])
    assert got == expected


@any_reader
@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize("channel", sorted({channel for channel, _ in layouts()}))
def test_every_parser_reads_every_known_event(reader: str, channel: str, exported: bool) -> None:
    specs = [filled(channel, event_id, number) for number, (own, event_id) in enumerate(layouts()) if own == channel]
    log = write(channel, [*specs, *specs], first_record=2841696, exported=exported)
    found = list(READERS[reader](log))
    assert len(found) == 2 * len(specs)
    for record_id, (read, spec) in enumerate(zip(found, [*specs, *specs], strict=True), 2841696):
        check(reader, read, spec, channel, record_id)


@any_reader
def test_many_chunks_with_many_templates_are_read_in_order(reader: str) -> None:
    ids = [event_id for channel, event_id in layouts() if channel == "Security"]
    specs = [filled("Security", ids[number % len(ids)], number) for number in range(190)]
    log = write("Security", specs, first_record=7)
    assert len(log) > 0x1000 + 2 * 0x10000
    for record_id, (read, spec) in enumerate(zip(READERS[reader](log), specs, strict=True), 7):
        check(reader, read, spec, "Security", record_id)


@any_reader
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_value_comes_back(reader: str, data: st.DataObject) -> None:
    kinds = ("string", "sid", "guid", "bool", "filetime", "i32", "u16", "u32", "u64", "hex32", "hex64")
    chosen = data.draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=6))
    fields = tuple((f"Field{number}", kind) for number, kind in enumerate(chosen))
    layout = Layout("Example-Provider", "5770385f-c22a-43e0-bf4c-06f5698ffbd9", 1, fields)
    specs = [
        EventSpec(layout, TIME, "WS", tuple(data.draw(_VALUES[kind]) for kind in chosen), SID, 4, 8)
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    log = write("Example", specs, exported=data.draw(st.booleans()))
    for record_id, (read, spec) in enumerate(zip(READERS[reader](log), specs, strict=True), 1):
        check(reader, read, spec, "Example", record_id)


# What an XML text can hold and no parser strips: two of the parsers go through XML, and a trailing NUL is cut.
_TEXT = st.text(
    st.characters(codec="utf-16", exclude_categories=["Cc", "Cs", "Cn", "Zs", "Zl", "Zp"]) | st.sampled_from(" \t日本"),
    max_size=300,
)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": _TEXT,
    "sid": st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=15).map(
        lambda subs: "S-1-5-" + "-".join(map(str, subs))
    ),
    "guid": st.uuids().map(str),
    "bool": st.booleans(),
    "filetime": st.integers(0, 1 << 52).map(lambda number: EPOCH + timedelta(microseconds=number)),
    "i32": st.integers(-(1 << 31), (1 << 31) - 1),
    "u16": st.integers(0, 0xFFFF),
    "u32": st.integers(0, 0xFFFFFFFF),
    "u64": st.integers(0, 0xFFFFFFFFFFFFFFFF),
    "hex32": st.integers(0, 0xFFFFFFFF),
    "hex64": st.integers(0, 0xFFFFFFFFFFFFFFFF),
}


@any_reader
def test_a_long_text_comes_back_and_a_longer_one_is_refused(reader: str) -> None:
    longest = "スクリプト" * 6000
    spec = event(
        "Microsoft-Windows-PowerShell/Operational", 4104, TIME, computer="WS", ScriptBlockText=longest, MessageTotal=1
    )
    log = write("Microsoft-Windows-PowerShell/Operational", [filled("Security", 4634), spec, filled("Security", 4634)])
    assert [read.data.get("ScriptBlockText") for read in READERS[reader](log)] == [None, longest, None]
    with pytest.raises(ValueError, match="longer than 65535"):
        write("Security", [event("Security", 4688, TIME, computer="WS", CommandLine="x" * 32768)])
    with pytest.raises(ValueError, match="does not fit"):
        write("Security", [event("Security", 4698, TIME, computer="WS", TaskName="x" * 20000, TaskContent="y" * 20000)])


def test_a_refused_record_leaves_the_log_whole() -> None:
    held = io.BytesIO()
    with LogWriter(held, "Security") as log:
        log.write(filled("Security", 4624))
        with pytest.raises(ValueError, match="does not fit"):
            log.write(event("Security", 4698, TIME, computer="WS", TaskName="x" * 20000, TaskContent="y" * 20000))
        log.write(filled("Security", 4698))
    assert [read.event_id for read in READERS["python"](held.getvalue())] == [4624, 4698]


def test_the_event_id_is_value_three_of_every_record() -> None:
    for channel in sorted({channel for channel, _ in layouts()}):
        specs = [filled(own, event_id) for own, event_id in layouts() if own == channel]
        for record, spec in zip(evtx_tokens.records(write(channel, specs)), specs, strict=True):
            values = evtx_tokens.outer(record).values
            assert [kind for kind, _ in values[:4]] == [4, 4, 6, 6]
            assert struct.unpack("<H", values[3][1]) == (spec.layout.event_id,)
            assert values[6] == (17, struct.pack("<Q", to_filetime(spec.time)))


def test_texts_end_with_nul_in_live_logs_but_for_counted_ones() -> None:
    spec = event("System", 232, TIME, computer="WS", NicNameLen=2, NicName="表A", SwitchFNameLen=1, SwitchFName="B")
    process = event("Security", 4688, TIME, computer="WS", CommandLine="表A")
    for exported, ending in ((False, b"\0\0"), (True, b"")):
        (nic,) = evtx_tokens.records(write("System", [spec], exported=exported))
        assert evtx_tokens.inner(nic).values[1] == (1, "表A".encode("utf-16-le"))
        (started,) = evtx_tokens.records(write("Security", [process], exported=exported))
        assert evtx_tokens.inner(started).values[8] == (1, "表A".encode("utf-16-le") + ending)


def test_hash_tables_hold_every_name_and_template_where_windows_looks() -> None:
    specs = [filled("System", event_id) for channel, event_id in layouts() if channel == "System"]
    log = write("System", specs)
    chunk = log[0x1000:0x11000]
    names = list(evtx_tokens.stored_names(chunk))
    texts = {name for _, _, name in names}
    assert {"Event", "System", "EventData", "BackupPath", "LogFileCleared", "EventSourceName"} <= texts
    assert len(names) == len(texts)
    for bucket, hashed, name in names:
        assert hashed == name_hash(name.encode("utf-16-le")[::2])
        assert bucket == hashed % 64
    templates = list(evtx_tokens.stored_templates(chunk))
    used = {struct.unpack_from("<I", record.chunk, record.offset + 34)[0] for record in evtx_tokens.records(log)}
    assert used < {offset for _, offset in templates}
    for bucket, offset in templates:
        assert chunk[offset - 10] == 0x0C
        assert struct.unpack_from("<I", chunk, offset - 4) == (offset,)
        assert bucket == name_hash(struct.unpack_from("<8H", chunk, offset + 4)) % 32


def test_known_name_hashes() -> None:
    # Read off real logs.
    hashes = {"Event": 0x0CBA, "System": 0x546F, "EventData": 0x8244, "Data": 0x6F8A, "LogFileCleared": 0x41AC}
    assert {name: name_hash(name.encode("utf-16-le")[::2]) for name in hashes} == hashes


def test_writing_alike_gives_the_same_bytes_as_writing() -> None:
    specs = [filled("Security", event_id) for event_id in (4688, 4624, 1102)]
    specs.append(EventSpec(specs[0].layout, TIME, "WS", specs[0].values, "", 4, 8, str(uuid.UUID(int=7))))
    times = [TIME + timedelta(seconds=number) for number in range(400)]
    plain, alike = io.BytesIO(), io.BytesIO()
    with LogWriter(plain, "Security") as log, LogWriter(alike, "Security") as fast:
        for number, time in enumerate(times):
            spec = specs[number % len(specs)]
            log.write(dataclasses.replace(spec, time=time))
            fast.write_like(spec, time)
    assert len(plain.getvalue()) > 0x1000 + 3 * 0x10000
    assert [tuple(read) for read in READERS["rust"](alike.getvalue())] == [
        tuple(read) for read in READERS["rust"](plain.getvalue())
    ]
    assert FileHeader(alike.getvalue(), 0).verify()
    assert all(chunk.verify() for chunk in FileHeader(alike.getvalue(), 0).chunks())


def test_a_dirty_log_claims_less_than_it_holds() -> None:
    specs = [filled("Security", 4688, number) for number in range(300)]
    log = write("Security", specs, dirty=True, claimed_chunks=1, spare_chunks=2)
    header = FileHeader(log, 0)
    assert header.verify()
    assert header.is_dirty()
    assert header.chunk_count() == 1
    chunks = [chunk for chunk in header.chunks(include_inactive=True) if chunk.check_magic()]
    assert len(chunks) > 2
    assert len(log) == 0x1000 + (len(chunks) + 2) * 0x10000
    assert header.next_record_number() == chunks[0].log_last_record_number() + 1
    assert len(list(READERS["rust"](log))) == 300
    assert struct.unpack_from("<I", log, 0x1000 + (len(chunks) - 1) * 0x10000 + 120) == (1,)


def test_chunk_headers_name_their_records() -> None:
    held = io.BytesIO()
    with LogWriter(held, "Security", first_record=100) as log:
        for number in range(200):
            if number == 50:
                log.next_id += 1000
            log.write(filled("Security", 4688, number))
    records = [(record.chunk[:8], record.id) for record in evtx_tokens.records(held.getvalue())]
    chunks = list(FileHeader(held.getvalue(), 0).chunks())
    assert chunks[0].file_first_record_number() == 1
    assert chunks[-1].file_last_record_number() == 200 == len(records)
    assert chunks[0].log_first_record_number() == 100
    assert chunks[-1].log_last_record_number() == records[-1][1] == 100 + 199 + 1000
    for chunk in chunks:
        own = [record.record_num() for record in chunk.records()]
        assert (own[0], own[-1]) == (chunk.log_first_record_number(), chunk.log_last_record_number())
        last = chunk.offset() + chunk.last_record_offset()
        assert struct.unpack_from("<Q", held.getvalue(), last + 8) == (own[-1],)


@any_reader
def test_an_empty_log_is_valid_and_has_no_records(reader: str, tmp_path: Path) -> None:
    path = tmp_path / "Setup.evtx"
    LogWriter(path, "Setup").close()
    log = path.read_bytes()
    assert len(log) == 0x1000 + 0x10000
    assert list(READERS[reader](log)) == []


def test_event_refuses_what_the_provider_does_not_log() -> None:
    with pytest.raises(KeyError):
        event("Security", 9999, TIME, computer="WS")
    with pytest.raises(ValueError, match="CommandLnie"):
        event("Security", 4688, TIME, computer="WS", CommandLnie="x")
    with pytest.raises(ValueError, match="logged by"):
        event("Security", 4688, TIME, computer="WS", provider="Microsoft-Windows-Sysmon")


def test_fields_not_given_are_empty_and_texts_are_read_as_numbers() -> None:
    spec = event("Security", 4688, TIME, computer="WS", data={"NewProcessId": "0x1f4"}, ProcessId="4")
    (read,) = READERS["rust"](write("Security", [spec]))
    assert (read.data["NewProcessId"], read.data["ProcessId"]) == ("0x1f4", "0x4")
    assert (read.data["CommandLine"], read.data["TargetUserSid"], read.user_sid) == ("", "S-1-0-0", "")
