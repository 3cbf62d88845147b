"""The hives that the project builds are read by parsers that know nothing of the writer."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from dissect.regf import RegistryHive
from hypothesis import given, settings
from hypothesis import strategies as st
from Registry import Registry

from forensics.formats.hive import Hive
from forensics.formats.hive_carve import REACHABLE, carve
from forensics.times import to_filetime
from testdata.writers import hive as hive_writer
from testdata.writers.hive import (
    REG_BINARY,
    REG_DWORD,
    REG_EXPAND_SZ,
    REG_NONE,
    REG_QWORD,
    REG_SZ,
    HiveWriter,
    build_dirty,
)
from tests.testdata.hive_readers import PARSERS, ROOT_TIME, TIME, Tree, any_parser, check_layout, readable, software


@any_parser
def test_every_parser_reads_what_was_written(parse: Callable[[bytes], Tree]) -> None:
    writer, expected = software()
    assert parse(writer.build()) == readable(parse, expected)


@any_parser
def test_a_removed_value_is_left_in_free_cells_alone(parse: Callable[[bytes], Tree]) -> None:
    writer = HiveWriter("ROOT", ROOT_TIME)
    writer.key("Run", TIME)
    writer.value("Run", "kept", REG_SZ, "a.exe")
    writer.value("Run", "gone", REG_SZ, "C:\\Users\\田中\\b.exe", deleted=True)
    data = writer.build()
    assert parse(data)["Run"][1] == {"kept": (REG_SZ, hive_writer.encode(REG_SZ, "a.exe"))}
    check_layout(data)
    (value,) = carve(Hive.open(data)).loose
    assert (value.key_path, value.value.name, value.value.data) == ("Run", "gone", "C:\\Users\\田中\\b.exe")
    assert value.grade == REACHABLE


def test_the_reader_of_the_tool_decodes_the_values() -> None:
    hive = Hive.open(software()[0].build())
    assert hive.state == "clean"
    key = hive.key("microsoft\\WINDOWS")
    assert key is not None
    assert key.last_write == TIME + timedelta(minutes=2)
    found = {value.name: value.data for value in key.values()}
    assert found["利用者"] == "C:\\Users\\田中"
    assert found["list"] == ("first", "二番目")
    assert found["number"] == 0xFFFFFDE4
    assert not hive.problems


@any_parser
@pytest.mark.parametrize("size", [16_343, 16_344, 16_345, 32_688, 32_689, 100_000])
def test_data_around_the_big_data_limit(parse: Callable[[bytes], Tree], size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    writer = HiveWriter("ROOT", ROOT_TIME)
    writer.value("", "big", REG_BINARY, data[:size])
    assert parse(writer.build())[""][1] == {"big": (REG_BINARY, data[:size])}


@any_parser
@pytest.mark.parametrize("count", [1, 2, 1012, 1013, 2500])
def test_many_subkeys_and_values(parse: Callable[[bytes], Tree], count: int) -> None:
    writer = HiveWriter("ROOT", ROOT_TIME)
    for number in range(count):
        writer.key(f"Key {number}", TIME + timedelta(seconds=number))
        writer.value("", f"Value {number}", REG_DWORD, number)
    tree = parse(writer.build())
    assert set(tree) == {"", *(f"Key {number}" for number in range(count))}
    assert tree["Key 0"][0] == to_filetime(TIME)
    assert tree[""][1] == {f"Value {n}": (REG_DWORD, struct.pack("<I", n)) for n in range(count)}


def test_subkeys_are_found_by_their_hash() -> None:
    writer = HiveWriter("ROOT", ROOT_TIME)
    names = [f"{word}{number}" for word in ("key", "Grün", "ключ", "鍵", "ÿ") for number in range(300)]
    for name in names:
        writer.key(name, TIME)
    root = RegistryHive(io.BytesIO(writer.build())).root()  # compares hashes before it looks at names
    assert [root.subkey(name.upper()).name for name in names] == names


def test_subkeys_are_sorted_as_windows_looks_for_them() -> None:
    writer = HiveWriter("ROOT", ROOT_TIME)
    for name in ("b", "_", "A", "a1", "Z", "é", "ß", "日", "\N{GRINNING FACE}", "\ufffd"):
        writer.key(name, TIME)
    stored = [key.name() for key in Registry.Registry(io.BytesIO(writer.build())).root().subkeys()]
    # upper case is compared, so "_" stands behind all letters; code units, so surrogates come before U+FFFD
    assert stored == ["A", "a1", "b", "Z", "_", "é", "ß", "日", "\N{GRINNING FACE}", "\ufffd"]


def _is_misread_by_dissect(name: str) -> bool:
    """dissect takes a compressed (Latin-1) name for UTF-8 when it happens to be valid."""
    if not name or max(name) < "\x80" or max(name) > "\xff":
        return False
    try:
        name.encode("latin-1").decode()
    except UnicodeDecodeError:
        return False
    return True


# Assigned characters of all planes; a backslash would be a path, NUL ends a name in some parsers.
names = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\\"), min_size=1, max_size=40
).filter(lambda name: not _is_misread_by_dissect(name))
texts = st.characters(exclude_categories=["Cs"], exclude_characters="\0")  # libregf cuts at a second terminator
datas = st.one_of(
    st.tuples(st.sampled_from([REG_NONE, REG_BINARY]), st.binary(max_size=200)),
    st.tuples(st.sampled_from([REG_SZ, REG_EXPAND_SZ]), st.text(texts, max_size=60)),
    st.tuples(st.just(REG_DWORD), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(REG_QWORD), st.integers(0, 2**64 - 1)),
)
times = st.datetimes(datetime(1990, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
keys = st.tuples(times, st.dictionaries(names, datas, max_size=6))
trees = st.dictionaries(names, st.tuples(keys, st.dictionaries(names, keys, max_size=4)), max_size=8)


def _unique(entries: dict) -> dict:
    """Without names that differ only in case."""
    return dict({key.upper(): (key, value) for key, value in entries.items()}.values())


@settings(max_examples=30, deadline=None)
@given(trees)
def test_any_tree_is_read_back_by_every_parser(tree: dict) -> None:
    writer = HiveWriter("ROOT", ROOT_TIME)
    expected: Tree = {"": (to_filetime(ROOT_TIME), {})}

    def put(path: str, time: datetime, values: dict) -> None:
        writer.key(path, time)
        for name, (kind, data) in values.items():
            writer.value(path, name, kind, data)
        expected[path] = (to_filetime(time), {n: (k, hive_writer.encode(k, d)) for n, (k, d) in values.items()})

    for name, ((time, values), below) in _unique(tree).items():
        put(name, time, _unique(values))
        for child, (child_time, child_values) in _unique(below).items():
            put(f"{name}\\{child}", child_time, _unique(child_values))
    data = writer.build()
    check_layout(data)
    for parse in PARSERS:
        assert parse(data) == readable(parse, expected)


def test_what_cannot_be_written_is_refused() -> None:
    writer = HiveWriter("ROOT", ROOT_TIME)
    with pytest.raises(KeyError, match="no such key yet"):
        writer.value("Missing", "x", REG_DWORD, 1)
    with pytest.raises(ValueError, match="255 characters"):
        writer.key("a" * 256, TIME)
    with pytest.raises(ValueError, match="number"):
        writer.value("", "x", REG_SZ, 1)
    with pytest.raises(ValueError, match="text"):
        writer.value("", "x", REG_DWORD, "1")
    with pytest.raises(ValueError, match="later state"):
        build_dirty(writer)
