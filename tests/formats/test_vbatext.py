"""Compressed VBA source: the examples that the format's own description prints, and damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.formats import FormatError
from forensics.formats.vbatext import sources, unpacked
from testdata.writers.jumplists import compound

PLAIN = bytes.fromhex("0119b000 6162636465666768 00 696a6b6c6d6e6f70 00 717273747576 2e")


def test_the_published_examples() -> None:
    assert unpacked(PLAIN) == b"abcdefghijklmnopqrstuv."
    # [MS-OVBA] 3.2.2
    whole = bytes.fromhex(
        "01 2f b0 00 23 61 61 61 62 63 64 65 82 66 00 70 61 67 68 69 6a 01 38 08 61 6b 6c 00 30 6d 6e 6f 70 06 71 02 70"
        " 04 10 72 73 74 75 76 10 77 78 79 7a 00 3c"
    )
    assert unpacked(whole) == b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"
    # 3.2.3: one letter, and a copy that is longer than what it copies
    assert unpacked(bytes.fromhex("01 03 b0 02 61 45 00")) == b"a" * 73


def test_no_container() -> None:
    with pytest.raises(FormatError):
        unpacked(b"\x02")
    with pytest.raises(FormatError):
        list(sources(b"no compound file"))


def test_a_chunk_that_is_not_compressed() -> None:
    assert unpacked(b"\x01\xff\x3f" + b"x" * 4096) == b"x" * 4096


def test_a_copy_of_what_is_not_there_ends_the_chunk() -> None:
    assert unpacked(bytes.fromhex("01 04 b0 02 61 00 f0 62")) == b"a"


def test_every_cut_gives_a_beginning() -> None:
    whole = unpacked(PLAIN)
    for length in range(1, len(PLAIN)):
        assert whole.startswith(unpacked(PLAIN[:length]))


def test_modules() -> None:
    text = b"\x01" + bytes([0x09, 0xB0]) + b"\0Attribut" + b"e"
    assert list(sources(compound({"A": b"p" + text, "B": b"nothing"}))) == ["Attribut"]


@given(st.binary(max_size=300))
def test_no_bytes_escape(raw: bytes) -> None:
    assert len(unpacked(b"\x01" + raw)) <= 4096 * 300
