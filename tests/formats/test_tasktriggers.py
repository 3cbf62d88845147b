"""Triggers of the task cache, byte for byte as the published layout has them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.formats.tasktriggers import read_triggers
from tests.formats.crafted_tasks import (
    ANYBODY,
    boundary,
    expanded,
    person,
    schedule,
    settings,
    sid,
    subscription,
    trigger,
    triggers,
)

TICKS = 133_777_404_610_000_000
USER = "S-1-5-21-1-2-3-1001"
SID = sid(21, 1, 2, 3, 1001)
QUERY = '<QueryList><Query Id="0">\n<Select>*</Select></Query></QueryList>'
WHOLE = b"".join([
    trigger(0xFFFF), trigger(0xAAAA, person(SID)), schedule(0, start=boundary(TICKS, local=True)),
    trigger(0xCCCC, subscription(QUERY, "a", "b")), trigger(0x7777, struct.pack("<Q", 6) + ANYBODY),
])  # fmt: skip


def value(*parts: bytes, version: int = 0x17, size: int = 0x2C) -> bytes:
    return triggers(sid(18), version=version) + settings(size) + b"".join(parts)


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (trigger(0xFFFF), "BootTrigger"),
        (trigger(0xFFFF, delay=90), "BootTrigger Delay=PT1M30S"),
        (trigger(0xFFFF, enabled=False, name="x"), "BootTrigger Enabled=false"),
        (trigger(0xAAAA, ANYBODY), "LogonTrigger"),
        (trigger(0xAAAA, person(SID)), f"LogonTrigger UserId={USER}"),
        (trigger(0xEEEE), "IdleTrigger"),
        (trigger(0x8888, start=boundary(TICKS)), "RegistrationTrigger StartBoundary=2024-12-03T23:01:01Z"),
        (trigger(0x7777, struct.pack("<Q", 3) + ANYBODY), "SessionStateChangeTrigger StateChange=RemoteConnect"),
        (trigger(0x7777, struct.pack("<Q", 99) + ANYBODY), "SessionStateChangeTrigger StateChange=99"),
        (trigger(0x6666, b"\x75\x18\xbc\xa3\x2b\x18\x83\x41" + struct.pack("<Q", 1) + b"\x01"),
         "WnfStateChangeTrigger StateName=7518BCA32B188341"),
        (trigger(0xCCCC, subscription(QUERY, "a", "b")),
         'EventTrigger Subscription=<QueryList><Query Id="0"> <Select>*</Select></Query></QueryList>'),
        (schedule(0, start=boundary(TICKS, local=True)), "TimeTrigger StartBoundary=2024-12-03T23:01:01"),
        (schedule(1, (3, 0, 0), interval=3600), "CalendarTrigger Interval=PT1H ScheduleByDay DaysInterval=3"),
        (schedule(2, (1, 0b1000010, 0)), "CalendarTrigger ScheduleByWeek WeeksInterval=1 Monday Saturday"),
        (schedule(3, (0b1000001, 0x8000, 0b100)), "CalendarTrigger ScheduleByMonth Day=1 Day=7 Day=Last March"),
        (schedule(4, (1, 0b10, 0x800)), "CalendarTrigger ScheduleByMonthDayOfWeek Week=2 Sunday December"),
        (schedule(7, enabled=False), "CalendarTrigger Enabled=false Mode=7"),
    ],
)  # fmt: skip
def test_one(raw: bytes, line: str) -> None:
    found = read_triggers(value(raw, trigger(0xEEEE)))
    assert (found.lines, found.error) == ((line, "IdleTrigger"), None)


@pytest.mark.parametrize("version", [0x15, 0x16, 0x17])
@pytest.mark.parametrize("size", [0, 0x2C, 0x30, 0x38, 0x58])
def test_versions(version: int, size: int) -> None:
    parts = trigger(0xFFFF, version=version), schedule(0, version=version)
    assert read_triggers(value(*parts, version=version, size=size)).lines == ("BootTrigger", "TimeTrigger")


def test_a_task_without_triggers() -> None:
    found = read_triggers(value())
    assert (found.lines, found.error) == ((), None)


@pytest.mark.parametrize(
    ("raw", "lines", "why"),
    [
        (value(version=0x44), (), "unknown version 0x44"),
        (value(trigger(0xFFFF), trigger(0x1234)), ("BootTrigger",), "unknown trigger 0x1234"),
        (value(trigger(0xFFFF), trigger(0xAAAA)), ("BootTrigger",), "are claimed"),
        (value(trigger(0xCCCC, expanded("x") + bytes(16) + struct.pack("<Q", 0xFFFFFFFF))), (), "4294967295 values"),
        (value(trigger(0xCCCC, struct.pack("<Q", 0xFFFFFFFF))), (), "are claimed"),
        (value(*[trigger(0xFFFF)] * 97), ("BootTrigger",) * 96, "more than 96"),
        (b"", (), "are claimed"),
    ],
)
def test_what_was_read_before_the_damage_stays(raw: bytes, lines: tuple[str, ...], why: str) -> None:
    found = read_triggers(raw)
    assert found.lines == lines
    assert why in str(found.error)


def test_every_cut() -> None:
    whole = value(WHOLE)
    lines = read_triggers(whole).lines
    assert len(lines) == 5
    for length in range(len(whole)):
        found = read_triggers(whole[:length])
        assert found.lines == lines[: len(found.lines)]


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_no_damage_escapes(place: int, patch: bytes) -> None:
    whole = value(WHOLE)
    at = place % len(whole)
    read_triggers(whole[:at] + patch + whole[at + len(patch) :])


@given(st.binary(max_size=300))
def test_no_bytes_escape(raw: bytes) -> None:
    read_triggers(raw)
