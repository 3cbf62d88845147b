"""Decoded JSON becomes a flat record, whatever shape or type its values have."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.formats.evtx_record import load, text_of, to_record
from forensics.times import NoTime

FILETIME = 132_000_000_000_000_000


def record(event):
    system = {"EventID": 7, "TimeCreated": {"#attributes": {"SystemTime": "2024-12-04T10:02:11.5Z"}}}
    return to_record({"Event": {"System": system, **event}}, 3, FILETIME, 0x1200)


def test_system():
    found = to_record(
        load(
            '{"Event":{"System":{"Provider":{"#attributes":{"Name":"P","Guid":"{G}"}},"EventID":{"#attributes":'
            '{"Qualifiers":16384},"#text":7045},"TimeCreated":{"#attributes":{"SystemTime":"2024-12-04T10:02:11.5Z"}},'
            '"EventRecordID":812,"Execution":{"#attributes":{"ProcessID":668,"ThreadID":1}},"Channel":"System",'
            '"Computer":"WS-TANAKA","Security":{"#attributes":{"UserID":"S-1-5-18"}}}}}'
        ), 9, FILETIME, 0x1200,
    )  # fmt: skip
    assert found is not None
    assert (found.event_id, found.provider, found.channel, found.computer) == (7045, "P", "System", "WS-TANAKA")
    assert (found.user_sid, found.process_id, found.record_id, found.event_record_id) == ("S-1-5-18", 668, 9, 812)
    assert found.time == datetime(2024, 12, 4, 10, 2, 11, 500_000, tzinfo=UTC)
    assert found.written == datetime(2019, 4, 17, 18, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ({"EventData": {"A": "x", "B": 5, "C": True, "D": None}}, {"A": "x", "B": "5", "C": "true", "D": ""}),
        ({"EventData": {"Data": {"#text": ["a", "", 3]}, "Binary": "00FF"}},
         {"Data1": "a", "Data2": "", "Data3": "3", "Binary": "00FF"}),
        ({"EventData": {"Data": {"#text": "one"}}}, {"Data1": "one"}),
        ({"EventData": {"Data": "one"}}, {"Data1": "one"}),
        ({"EventData": None}, {}),
        ({"EventData": {"#attributes": {"Name": "TaskStartEvent"}, "TaskName": "\\T"}}, {"TaskName": "\\T"}),
        ({"UserData": {"LogFileCleared": {"#attributes": {"xmlns": "u"}, "Channel": "System", "BackupPath": None}}},
         {"Channel": "System", "BackupPath": ""}),
        ({"UserData": {"VmlEventLog": {"VmId": "A", "More": {"Inner": {"Deep": "x"}}}}}, {"VmId": "A", "Deep": "x"}),
        ({"UserData": {"ns:E": {"ns:VmId": "A", "Flags": {"#attributes": {"value": "4"}}}}},
         {"VmId": "A", "Flags@value": "4"}),
        ({"ProcessingErrorData": {"ErrorCode": 15003, "EventPayload": "AA"}},
         {"ErrorCode": "15003", "EventPayload": "AA"}),
    ],
)  # fmt: skip
def test_shapes(event, data):
    assert record(event).data == data


def test_names_that_come_twice_lose_nothing():
    text = '{"Event":{"System":{"EventID":1},"EventData":{"G":"a","N":1,"G":"b","G":"c"}}}'
    assert to_record(load(text), 1, FILETIME, 0).data == {"G": "a", "N": "1", "G_1": "b", "G_2": "c"}


def test_thousands_of_one_name_are_quick():
    text = '{"Event":{"System":{"EventID":1},"EventData":{' + ",".join(['"G":"a"'] * 60_000) + "}}}"
    assert len(to_record(load(text), 1, FILETIME, 0).data) == 4096


def test_no_time():
    assert to_record({"Event": {"System": {"EventID": 1}}}, 1, 0, 0).time == NoTime("record has no SystemTime", "")
    assert isinstance(to_record({"Event": {"System": {"EventID": 1}}}, 1, 0, 0).written, NoTime)


@pytest.mark.parametrize(
    "document", [None, 5, [], {}, {"Event": None}, {"Event": {"System": None}}, {"Event": {"System": {"EventID": "x"}}}]
)
def test_no_event(document):
    assert to_record(document, 1, FILETIME, 0) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["#text", "#attributes", "Data", "a", "b:c", "Name", ""]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(system=st.dictionaries(st.sampled_from(["Provider", "TimeCreated", "Security", "Execution", "Channel"]), JSON),
       data=JSON, user=JSON)  # fmt: skip
def test_any_shape_gives_texts(system, data, user):
    event = {"System": {**system, "EventID": 4}, "EventData": data, "UserData": user}
    found = to_record({"Event": event}, 1, FILETIME, 0)
    assert found is not None
    assert found.event_id == 4
    assert all(type(name) is str and type(text) is str for name, text in found.data.items())
    assert type(found.channel) is type(found.provider) is type(found.user_sid) is str


@given(JSON)
def test_any_value_is_a_text(value):
    assert isinstance(text_of(value), str)


def test_control_characters_are_let_pass_where_asked():
    with pytest.raises(ValueError, match="control character"):
        load('{"a\x01": {"b": 1, "b": 2}}')
    assert load('{"a\x01": {"b": 1, "b": 2}}', strict=False) == {"a\x01": {"b": 1, "b_1": 2}}
