"""Facts to events and back: sentences, ids, order, spools, frames."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.artifacts.base import Kind, all_kinds
from forensics.case import Case
from forensics.columns import BASE_COLUMNS, DERIVED_COLUMNS, record_id
from forensics.model import Event, Fact, Source, event_id
from forensics.spool import SpoolError, SpoolReader, decode_fact, encode_fact, open_spool, select_lines
from forensics.store import natural
from forensics.timeline import (
    Undated,
    declared_fields,
    event_store,
    events_of,
    frame,
    merge_sorted,
    order_key,
    render,
    template_fields,
    undated_of,
    undated_store,
)
from tests.cases import HOST, KINDS, NASTY, T0, fact, made_case, nasty_facts, source

TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)  # surrogates too
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis wants them naive
VALUES = st.one_of(TEXTS, st.integers(-(2**70), 2**70), st.booleans(), st.lists(TEXTS, max_size=3).map(tuple))
SOURCES = st.builds(Source, TEXTS, TEXTS, st.none() | TEXTS, TEXTS)
FACTS = st.builds(
    Fact,
    kind=TEXTS,
    source=SOURCES,
    times=st.dictionaries(TEXTS, TIMES, max_size=3),
    fields=st.dictionaries(TEXTS, VALUES, max_size=4),
    no_times=st.dictionaries(TEXTS, TEXTS, max_size=2),
    context=st.booleans(),
    tags=st.lists(TEXTS, max_size=2).map(tuple),
)
EVENTS = st.builds(
    Event,
    id=st.just(""),
    time=st.sampled_from([T0, T0 + timedelta(microseconds=1)]),
    meaning=st.just("Creation Time"),
    kind=st.sampled_from(["a.b", "c.d"]),
    message=st.just("one message"),
    host=st.sampled_from(["A", "B"]),
    user=st.just("u"),
    source=st.builds(
        Source, st.sampled_from(["e1", "e2"]), st.just("p"), st.none(), st.sampled_from(["line 9", "line 10"])
    ),
    fields=st.sampled_from([{"pid": "1"}, {"pid": "2"}]),
    tags=st.lists(st.sampled_from(["x", "y"]), max_size=1).map(tuple),
).map(lambda item: replace(item, id=event_id(item.kind, item.time, item.meaning, item.source, item.fields)))


# --- sentences --------------------------------------------------------------------------------------------------------


def test_optional_parts_disappear_and_braces_are_only_text() -> None:
    template = "Started: {executable}[ ({command_line})][ by {user_name}]"
    assert render("k", template, {"executable": "a.exe"}) == "Started: a.exe"
    full = {"executable": "{x}", "command_line": "[{0}]", "user_name": "{{}}"}
    assert render("k", template, full) == "Started: {x} ([{0}]) by {{}}"
    assert render("k", "Started: {executable} [sic]", {}) == "Started: ? [sic]"
    assert template_fields(template) == {"executable", "command_line", "user_name"}


def test_values_are_shown_as_a_person_writes_them() -> None:
    assert render("k", "n {a} {b} {c} {d}", {"a": True, "b": False, "c": 7, "d": ("x", "y")}) == "n yes no 7 x, y"
    many = render("k", "n {a}", {"a": tuple("z" * 60)})
    assert many.endswith("z, …")


@pytest.mark.parametrize("template", ["{a.b}", "{0}", "{a!r}{1}", "{}"])
def test_templates_name_plain_fields_only(template: str) -> None:
    with pytest.raises(ValueError, match="names no field"):
        template_fields(template)


@given(TEXTS)
def test_a_message_is_one_safe_line_and_no_bare_word(text: str) -> None:
    message = render("a.kind", "{text}", {"text": text})
    assert message.encode("utf-8")
    assert len(message.splitlines()) == 1
    assert len(message) <= 400
    assert " " in message
    assert message != "#N/A N/A"


def test_a_long_message_is_cut_with_a_sign() -> None:
    message = render("a.kind", "long {text}", {"text": "x" * 10_000})
    assert len(message) == 400
    assert message.endswith("…")


# --- events -----------------------------------------------------------------------------------------------------------


def test_one_event_for_each_time_and_the_reason_for_the_missing_one() -> None:
    times = {"Creation Time": T0, "End Time": T0 + timedelta(seconds=1)}
    missing = {"Last Access Time": "zero: never set (0x0)", "Start Time": "absent"}
    item = replace(fact(executable="a.exe", user_name="田中"), times=times, no_times=missing)
    events = events_of(item, HOST, KINDS)
    assert [(event.meaning, event.time) for event in events] == list(times.items())
    assert len({event.id for event in events}) == 2
    assert events[0].user == "田中"
    assert events[0].message == "Process started: a.exe by 田中"
    assert events[0].fields["no_times"] == ("Last Access Time: zero: never set (0x0)",)
    assert undated_of(item, HOST, KINDS) is None


def test_the_user_is_the_best_known() -> None:
    both = replace(fact("sandbox.config", file_name="a.wsb", profile_user="p"), source=source())
    assert events_of(both, HOST, KINDS)[0].user == "p"
    assert (
        events_of(fact("shell.history_line", history_line="l", user_sid="S-1-5-18"), HOST, KINDS)[0].user == "S-1-5-18"
    )


def test_undeclared_and_misfitting_fields_stay_readable() -> None:
    item = fact(executable=5, pid="1", strange=("a", "b"), event_identifier=2**80, provider="p")
    fields = events_of(item, HOST, KINDS)[0].fields
    assert fields == {
        "pid": "1",
        "provider": "p",
        "extra": ("event_identifier=" + str(2**80), "executable=5", "strange=a; b"),
    }


def test_an_undated_fact_keeps_its_reason() -> None:
    item = replace(fact(when=None, executable="a.exe"), no_times={"Creation Time": "before 1990"})
    row = undated_of(item, HOST, KINDS)
    assert isinstance(row, Undated)
    assert row.no_times == {"Creation Time": "before 1990"}
    assert events_of(item, HOST, KINDS) == []
    store = undated_store([row, row])
    assert list(store) == [row]


@given(FACTS)
def test_events_of_any_fact_are_utf8_and_their_ids_stable(item: Fact) -> None:
    for event in events_of(item, "h", {}):
        for text in (event.message, event.user, event.source.path, *map(str, event.fields.values())):
            text.encode("utf-8")
        assert event in events_of(item, "h", {})


# --- spool ------------------------------------------------------------------------------------------------------------


@given(FACTS)
def test_a_spooled_fact_comes_back_exactly(item: Fact) -> None:
    line = encode_fact(item)
    assert "\n" not in line
    assert decode_fact(line) == item


@given(FACTS, st.data())
def test_a_damaged_line_is_refused_not_misread(item: Fact, data: Any) -> None:
    line = encode_fact(item)
    with pytest.raises(SpoolError):
        decode_fact(line[: data.draw(st.integers(0, len(line) - 1))])


@pytest.mark.parametrize(
    "line",
    [
        "", "{}", "[]", "1", "[" * 5000, '[[1.5],["m"],"k","e","p",null,"l",{},{},false,[]]',
        '[[1],[],"k","e","p",null,"l",{},{},false,[]]', '[[],[],1,"e","p",null,"l",{},{},false,[]]',
        '[[],[],"k","e","p",5,"l",{},{},false,[]]', '[[],[],"k","e","p",null,"l",{"a":null},{},false,[]]',
        '[[],[],"k","e","p",null,"l",{"a":[1]},{},false,[]]', '[[],[],"k","e","p",null,"l",{"a":{}},{},false,[]]',
        '[[],[],"k","e","p",null,"l",[],{},false,[]]', '[[],[],"k","e","p",null,"l",{},{"a":1},false,[]]',
        '[[],[],"k","e","p",null,"l",{},{},0,[]]', '[[],[],"k","e","p",null,"l",{},{},false,"x"]',
        '[[99999999999999999999],["m"],"k","e","p",null,"l",{},{},false,[]]',
    ],
)  # fmt: skip
def test_lines_of_another_shape_are_refused(line: str) -> None:
    with pytest.raises(SpoolError):
        decode_fact(line)


def test_a_cut_last_line_is_told_and_the_rest_read(tmp_path: Path) -> None:
    items = nasty_facts()[:20]
    path = tmp_path / "spool"
    with open_spool(path, "w") as handle:
        handle.writelines(encode_fact(item) + "\n" for item in items)
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for size in (len(whole) - 1, len(whole) - 2, last + 1, last + 40):
        path.write_bytes(whole[:size])
        reader = SpoolReader(path)
        assert list(reader) == items[:-1]
        assert reader.cut
        assert reader.lost == []
    path.write_bytes(b"rubbish\n" + whole)
    reader = SpoolReader(path)
    assert list(reader) == items
    assert not reader.cut
    assert [text.split(":")[0] for text in reader.lost] == ["line 1"]


@given(st.lists(FACTS, max_size=12), st.lists(st.tuples(TIMES, TIMES), max_size=4))
def test_context_is_what_lies_in_a_window(items: list[Fact], windows: list[tuple[datetime, datetime]]) -> None:
    lost: list[str] = []
    found = [decode_fact(line) for line in select_lines([encode_fact(item) for item in items], windows, lost)]
    wanted = [
        item for item in items if any(start <= time <= end for time in item.times.values() for start, end in windows)
    ]
    assert found == wanted
    assert lost == []


def test_context_lines_that_are_no_facts_are_told() -> None:
    lost: list[str] = []
    good = encode_fact(fact(pid="1"))
    assert list(select_lines(["x", "[[a]", good], [(T0, T0)], lost)) == [good]
    assert [text.split(":")[0] for text in lost] == ["line 1", "line 2"]


# --- order ------------------------------------------------------------------------------------------------------------


@given(st.lists(EVENTS, max_size=40), st.randoms(use_true_random=False), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_the_order_is_total_and_does_not_depend_on_arrival_or_on_runs(
    events: list[Event], shuffler: random.Random, run_lines: int
) -> None:
    expected = list(merge_sorted(events))
    shuffled = list(events)
    shuffler.shuffle(shuffled)
    assert list(merge_sorted(shuffled, run_lines)) == expected
    store = event_store(shuffled, run_lines=run_lines)
    assert (list(store), list(store), len(store)) == (expected, expected, len(expected))
    assert expected == sorted(expected, key=order_key)
    keys = [order_key(event) for event in expected]
    assert len(set(keys)) == len(keys)
    assert set(keys) == {order_key(event) for event in events}


def test_a_merge_of_more_runs_than_files_may_be_open() -> None:
    moments = random.Random(5).sample(range(10**9), 450)
    events = [
        replace(events_of(fact(pid=str(tick)), HOST, KINDS)[0], time=T0 + timedelta(microseconds=tick))
        for tick in moments
    ]
    assert list(merge_sorted(events, run_lines=2)) == sorted(events, key=order_key)


def test_duplicates_of_one_host_say_where_they_were_seen() -> None:
    live = replace(fact(pid="1"), tags=("a",))
    shadow = replace(live, source=replace(live.source, evidence="VSS1", sha256=None), tags=("b",))
    events = [*events_of(shadow, "A", KINDS), *events_of(live, "A", KINDS), *events_of(live, "B", KINDS)]
    first, second = event_store(events)
    assert (first.host, first.seen_in, first.tags) == ("A", ("VSS1", "ws-tanaka.E01"), ("b", "a"))
    assert (second.host, second.seen_in) == ("B", ())
    assert set(event_store(events).find([first.id, "nothing"])) == {first.id}


@pytest.mark.parametrize(
    ("low", "high"),
    [("line 9", "line 10"), ("record 99", "record 100"), ("offset 0xff", "offset 0x100"), ("Run\\A2", "Run\\A10")],
)
def test_numbers_in_locators_order_as_numbers(low: str, high: str) -> None:
    assert natural(low) < natural(high)


# --- the frame --------------------------------------------------------------------------------------------------------


def test_a_frame_has_the_same_columns_and_types_whatever_the_content() -> None:
    full, empty = frame(made_case(nasty_facts()), KINDS), frame(Case(), KINDS)
    assert list(full.columns) == list(empty.columns) == [*BASE_COLUMNS, *DERIVED_COLUMNS, *declared_fields(KINDS)]
    assert full.dtypes.to_dict() == empty.dtypes.to_dict()
    assert str(full["datetime"].dtype) == "datetime64[us, UTC]"
    assert full["event_identifier"].dtype == pd.Int64Dtype()
    assert full["wsb_networking"].dtype == pd.BooleanDtype()
    assert full["command_line"].dtype == "string"
    assert len(full) == 5 * len(NASTY)


def test_a_frame_holds_the_values() -> None:
    folders = fact("sandbox.config", file_name="a.wsb", wsb_networking=False, wsb_mapped_folders=("C:\\ -> D:\\", "é"))
    table = Case(events=event_store(events_of(folders, HOST, KINDS))).to_frame(KINDS)
    row = table.iloc[0]
    assert row["datetime"] == pd.Timestamp(T0)
    assert row["wsb_networking"] == False  # noqa: E712  # numpy's own truth value
    assert row["wsb_mapped_folders"] == '["C:\\\\ -> D:\\\\", "é"]'
    assert row["hostname"] == HOST
    assert pd.isna(row["command_line"])


@pytest.mark.parametrize(
    ("text", "number"),
    [("9", 9), ("10", 10), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None), ("9" * 5000, None),
     ("", None), ("0x10", None), ("١٢", None), ("-1", None), (None, None)],
)  # fmt: skip
def test_a_record_number_is_a_number_where_it_fits(text: str | None, number: int | None) -> None:
    assert record_id({} if text is None else {"record_number": text}) == number


def test_every_declared_kind_has_a_template_over_its_own_fields() -> None:
    for name, kind in all_kinds().items():
        assert template_fields(kind.message) <= set(kind.fields), name
    declared_fields(all_kinds())


def test_kinds_that_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match="another type"):
        declared_fields({"a.b": Kind("", {"x": str}), "c.d": Kind("", {"x": int})})
