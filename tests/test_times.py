from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics import times
from forensics.times import NoTime

MOMENTS = st.datetimes(datetime(1990, 1, 2), datetime(2099, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS)
def test_filetime_round_trip(moment: datetime) -> None:
    assert times.from_filetime(times.to_filetime(moment)) == moment


@given(MOMENTS)
def test_iso_round_trip(moment: datetime) -> None:
    assert times.from_iso(times.iso(moment)) == moment


@given(st.integers(0, 2**64 - 1))
def test_any_filetime_gives_a_sane_time_or_a_reason(ticks: int) -> None:
    answer = times.from_filetime(ticks)
    if isinstance(answer, NoTime):
        assert answer.reason
        assert answer.raw == f"0x{ticks:016x}"
    else:
        assert times.EARLIEST <= answer < times.LATEST
        assert answer.tzinfo is UTC


@pytest.mark.parametrize("ticks", [0, 0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 1])
def test_sentinels_are_no_times(ticks: int) -> None:
    assert isinstance(times.from_filetime(ticks), NoTime)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    answer = times.from_iso(text)
    assert isinstance(answer, NoTime | datetime)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-12-04T10:02:11+09:00", "2024-12-04T01:02:11+00:00"),
        ("2024-12-04 10:02:11", "2024-12-04T10:02:11+00:00"),
        ("2020-01-02 03:04:05.123456700 UTC", "2020-01-02T03:04:05.123456+00:00"),
        ("2022-02-28T09:10:14Z", "2022-02-28T09:10:14+00:00"),
    ],
)
def test_iso_texts(text: str, utc: str) -> None:
    assert times.from_iso(text) == datetime.fromisoformat(utc)


@given(st.one_of(st.integers(-(2**70), 2**70), st.floats()), st.sampled_from(["s", "ms", "us", "ns"]))
def test_any_epoch_gives_a_sane_time_or_a_reason(value: float, unit: str) -> None:
    answer = times.from_unix(value, unit)
    assert isinstance(answer, NoTime) or times.EARLIEST <= answer < times.LATEST


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_any_dos_time_gives_a_time_or_a_reason(date: int, clock: int) -> None:
    assert isinstance(times.from_dos(date, clock, UTC), NoTime | datetime)


def test_windows_zone_by_name_and_by_bias() -> None:
    zone, how = times.windows_zone("Tokyo Standard Time")
    assert zone is not None
    assert "Asia/Tokyo" in how
    assert datetime(2024, 1, 1, tzinfo=zone).utcoffset() == timedelta(hours=9)
    fixed, how = times.windows_zone("@tzres.dll,-632", -540)
    assert fixed is not None
    assert fixed.utcoffset(None) == timedelta(hours=9)
    assert "daylight saving unknown" in how
    assert times.windows_zone("nonsense", None)[0] is None
