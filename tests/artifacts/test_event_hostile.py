"""Whatever texts a record holds, the event artifacts make facts of the declared types and raise nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.artifacts import _evtx
from forensics.artifacts.base import EventArtifact, all_artifacts
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.times import NoTime

ARTIFACTS = [artifact for artifact in all_artifacts() if isinstance(artifact, EventArtifact)]
TIME = datetime(2024, 12, 4, 10, 2, 11, tzinfo=UTC)
NAMES = [
    "SubjectUserSid", "SubjectUserName", "SubjectLogonId", "TargetUserSid", "TargetUserName", "TargetLogonId",
    "NewProcessId", "ProcessId", "CommandLine", "NewProcessName", "MandatoryLabel", "LogonType", "PreviousTime",
    "NewTime", "PreviousDate", "Binary", "param1", "param2", "param7", "TaskName", "TaskContent", "TaskContentNew",
    "ClientProcessId", "InstanceId", "UserContext", "Data1", "Data2", "Data3", "BugcheckCode", "NicName", "Operation",
    "SwitchName", "SystemId", "Parameter0", "Result", "VmId", "VhdFile", "VhdType", "ReadOnly", "UtcTime",
    "ProcessGuid", "TargetObject", "User", "Details", "Image", "Initiated", "QueryName", "ScriptBlockText",
    "ScriptBlockId", "UpdateName", "ErrorCode", "PID", "Id", "ErrorMessage", "TraceData", "Reason", "PipeName",
    "InternalSrcAddr", "InternalDstAddr", "ExternalSrcAddr", "TransportProtocol", "AddressPrefix", "PrefixLength",
    "NTStatus", "PackageFullName", "UserSid", "Path", "PackageName", "ImageName", "ContainerId", "ProcessID",
    "updateTitle", "updateGuid", "Value", "TraceMessage", "SessionId", "SchedulerType", "RuleName", "LocalPorts",
    "ApplicationPath", "Direction", "Protocol", "Action", "Active", "ModifyingUser", "ModifyingApplication",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from([
        "", "-", "0x", "0xzz", "9" * 5000, "0x" + "f" * 5000, "-1", "²", "S-1-0-0", "%%1936", "{", '{"', '{"a":1}',
        "[x",
        "[{6B3C1A52-7F04-4D2E-9C11-0A5D3E8F7B21}]", "<Task><Actions><Exec>", "\\", "\\\\", "\x00", "\ud800", "D" * 64,
        "MicrosoftWindows.WindowsSandbox_0.8_x64__a", "47000-", "1-47000", "0200", "02000050ac", "1700" + "0" * 60,
        "S-1-5-83-1-1-2-3-4", "S-1-5-83-1-1-2-3-99999999999", "S-1-5-83-1-", "\\wsandbox\\", "[::1]:80", "1.2.3.4:",
        "2024-12-04 10:02:11.123", "9999-99-99 99:99:99", "HostApplication=", "--", "true",
    ]),
)  # fmt: skip


def record(number, data, time=TIME, provider="P"):
    return Record(7, number, provider, "C", "H", time, TIME, "", None, data, 0x1200)


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=[artifact.name for artifact in ARTIFACTS])
@settings(max_examples=40, deadline=None)
@given(data=st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=12))
def test_any_data(artifact, data):
    for ids in artifact.wants.values():
        for number, provider in product(ids, artifact.providers or {"P"}):
            given_record = record(number, data, provider=provider)
            for fact in artifact.parse(given_record, Source("e", "p", None, "record 7")):
                assert isinstance(fact, Fact)
                declared = artifact.emits[fact.kind].fields
                assert {name: type(value) for name, value in fact.fields.items()} == {
                    name: declared[name] for name in fact.fields
                }


@given(TEXTS)
def test_values(text):
    for read in (_evtx.known, _evtx.decimal, _evtx.guid, _evtx.nonzero, _evtx.file_name, _evtx.utc_text):
        assert type(read(text)) in (str, type(None))
    assert type(_evtx.number(text)) in (int, type(None))
    assert _evtx.flag(text) in (True, False, None)


@pytest.mark.parametrize(
    ("text", "expected"), [("0x1fc", "508"), ("508", "508"), ("0X1FC", "508"), ("", None), ("-", None), ("abc", "abc")]
)
def test_decimal(text, expected):
    assert _evtx.decimal(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{6b3c1a52-7f04-4d2e-9c11-0a5d3e8f7b21}", "6B3C1A52-7F04-4D2E-9C11-0A5D3E8F7B21"),
        ("6b3c1a52-7f04-4d2e-9c11-0a5d3e8f7b21", "6B3C1A52-7F04-4D2E-9C11-0A5D3E8F7B21"),
        ("0123456789abcdef" * 4, "0123456789ABCDEF" * 4),
        ("", None),
    ],
)
def test_guid(text, expected):
    assert _evtx.guid(text) == expected


def test_the_header_time_stands_in():
    source = Source("e", "p", None, "record 7")
    fact = _evtx.fact("x.y", record(1, {}, NoTime("record has no SystemTime", "")), source, {})
    assert fact.times == {"Creation Time": TIME}
    undated = Record(7, 1, "P", "C", "H", NoTime("none", ""), NoTime("zero", "0x0"), "", None, {}, 0)
    assert _evtx.fact("x.y", undated, source, {}).no_times == {"Creation Time": "none"}
