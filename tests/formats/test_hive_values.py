from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.formats import hive_values
from tests.formats.crafted_hives import utf16

TEXT = st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=()), max_size=40)


@given(TEXT, st.sampled_from([hive_values.REG_SZ, hive_values.REG_EXPAND_SZ, hive_values.REG_LINK]))
def test_every_terminated_text_comes_back(text: str, kind: int) -> None:
    pure = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    assert hive_values.decode(kind, utf16(text)) == pure


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\x00"), min_size=1, max_size=10), max_size=6))
def test_every_list_comes_back(texts: list[str]) -> None:
    raw = b"".join(utf16(text) for text in texts) + b"\x00\x00"
    assert hive_values.decode(hive_values.REG_MULTI_SZ, raw) == tuple(texts)


@given(st.integers(0, 0xFFFFFFFF), st.binary(max_size=80))
def test_no_bytes_raise_and_every_value_has_a_text(kind: int, raw: bytes) -> None:
    assert isinstance(hive_values.as_text(hive_values.decode(kind, raw)), str)
    assert hive_values.type_name(kind)


@given(st.integers(0, 2**64 - 1))
def test_numbers(number: int) -> None:
    assert hive_values.decode(hive_values.REG_QWORD, struct.pack("<Q", number)) == number
    low = number & 0xFFFFFFFF
    assert hive_values.decode(hive_values.REG_DWORD, struct.pack("<I", low)) == low
    assert hive_values.decode(hive_values.REG_DWORD_BE, struct.pack(">I", low)) == low


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        (1, b"channelId\x00", "channelId"),  # ASCII bytes under a string type
        (1, b"C:\\a.exe", "C:\\a.exe"),
        (1, "日本語.exe".encode("utf-16-le"), "日本語.exe"),  # no terminator
        (1, utf16("慢慢慢慢"), "慢慢慢慢"),  # every byte of it is printable ASCII, the terminator decides
        (1, utf16("seen") + utf16("hidden"), "seen"),
        (1, b"", ""),
        (1, b"a\x00b", "a"),  # odd length
        (7, b"a\x00\x00", ("a",)),  # a short list stored inside its record
        (7, utf16("a") + utf16("") + utf16("b") + b"\x00\x00", ("a", "", "b")),
        (4, b"\x01\x02", b"\x01\x02"),  # cut: not a number
        (0xFFFF0012, utf16("USB"), "USB"),
        (0xFFFF2012, utf16("a") + utf16("b") + b"\x00\x00", ("a", "b")),
        (0xFFFF0007, b"\x07\x00\x00\x00", 7),  # a number, not REG_MULTI_SZ
        (0xFFFF0011, b"\xff", -1),
        (0xFFFF0010, struct.pack("<Q", 5), 5),
        (0xFFFF000D, bytes(range(16)), "{03020100-0504-0706-0809-0a0b0c0d0e0f}"),
        (3, b"\x00\xff", b"\x00\xff"),
        (0x1234, b"x", b"x"),
    ],
)
def test_known_values(kind: int, raw: bytes, expected: object) -> None:
    assert hive_values.decode(kind, raw) == expected


def test_type_names() -> None:
    assert hive_values.type_name(1) == "REG_SZ"
    assert hive_values.type_name(0xFFFF0012) == "DEVPROP_0x0012"
    assert hive_values.type_name(0x1234) == "0x00001234"
    assert hive_values.as_text(("a", "b")) == "a\nb"
    assert hive_values.as_text(b"\x01") == "01"
