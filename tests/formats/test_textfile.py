from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.formats import FormatError, guardedjson, recyclebin
from forensics.formats.textfile import LINE_LIMIT, decode, holes, lines, tail
from tests.artifacts.file_inputs import utc

TEXT = "eins\r\nzwei 田中\n\ndrei"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_and_their_places(encoding: str) -> None:
    data = TEXT.encode(encoding)
    found = list(lines(io.BytesIO(data)))
    assert [line.text for line in found] == ["eins", "zwei 田中", "", "drei"]
    assert [line.number for line in found] == [1, 2, 3, 4]
    plain = encoding.replace("-sig", "").replace("16", "16-le")
    assert all(data[line.offset :].decode(plain, "replace").lstrip("\ufeff").startswith(line.text) for line in found)
    assert decode(data).text == TEXT


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(alphabet="ab田\t ", max_size=12), min_size=1, max_size=20), st.sampled_from(["utf-8", "utf-16"])
)
def test_joined_lines_are_the_text(parts: list[str], encoding: str) -> None:
    data = "\n".join(parts).encode(encoding)
    expected = parts if parts[-1] else parts[:-1]
    assert [line.text for line in lines(io.BytesIO(data))] in (expected, [*expected, ""])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=12), st.integers(1, 17))
def test_every_zeroed_stretch_is_found(parts: list[tuple[bool, int]], block: int) -> None:
    class Slow(io.BytesIO):
        """Gives a few bytes at a time, so that stretches lie across reads."""

        def read(self, _: int | None = -1) -> bytes:
            return super().read(block)

    data = b"".join((b"\0" if zero else b"a") * length for zero, length in parts)
    expected = [(found.start(), found.end() - found.start()) for found in re.finditer(rb"\x00{8,}", data)]
    assert [tuple(hole) for hole in holes(Slow(data))] == expected


def test_wide_text_has_no_holes() -> None:
    assert list(holes(io.BytesIO("eins\n\nzwei".encode("utf-16-le")))) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("length", [LINE_LIMIT + 1, 1024 * 1024 - 3, 1024 * 1024, 3 * 1024 * 1024 + 1])
def test_a_long_line_is_cut_and_the_next_is_whole(encoding: str, length: int) -> None:
    data = ("A" * length + "\nB\nC").encode(encoding)
    first, second, third = lines(io.BytesIO(data))
    assert (first.cut, second.cut, second.text, third.text) == (True, False, "B", "C")
    assert len(first.text) <= LINE_LIMIT + 1
    assert data[second.offset :].decode(encoding.replace("16", "16-le")).startswith("B")


def test_damage_is_said() -> None:
    assert decode(b"abc\xff") == ("abc\ufffd", "utf-8", True)
    assert decode("a田b".encode("utf-16")[:-1]).damaged


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    decode(data)
    assert [line.number for line in lines(io.BytesIO(data))] == list(range(1, len(list(lines(io.BytesIO(data)))) + 1))
    tail(io.BytesIO(data), len(data))


def test_the_tail_has_whole_lines_only() -> None:
    data = "".join(f"line {number}\n" for number in range(100)).encode()
    found = tail(io.BytesIO(data), len(data), window=100)
    assert found[-1] == "line 99"
    assert all(text.startswith("line ") for text in found)


class TestJson:
    def test_what_is_read(self) -> None:
        assert guardedjson.loads(b"null") is None
        assert guardedjson.loads('\ufeff{"a": ["田"]}'.encode()) == {"a": ["田"]}
        assert guardedjson.loads('{"a": 1}'.encode("utf-16")) == {"a": 1}
        assert guardedjson.loads(b'{"\\ud800": "x\\udfff"}') == {"\ufffd": "x\ufffd"}
        assert guardedjson.loads(b"[1]\x00\x00\x00") == [1]

    @pytest.mark.parametrize(
        "data",
        [b"", b"   ", b"\x00" * 64, b'{"a"', b"NaN", b"[Infinity]", b"1" * 10_000, b"[" * 100_000, b'{"a":' * 50_000],
    )
    def test_what_is_refused(self, data: bytes) -> None:
        with pytest.raises(FormatError):
            guardedjson.loads(data)

    def test_too_large(self) -> None:
        with pytest.raises(FormatError, match="larger than 10 bytes"):
            guardedjson.loads(b"[" + b" " * 20 + b"]", 10)


class TestRecycleBin:
    V2 = (2).to_bytes(8, "little") + (315).to_bytes(8, "little") + (133_777_404_610_000_000).to_bytes(8, "little")
    PATH = "C:\\Users\\田中\\lab.wsb\0"

    def test_both_versions(self) -> None:
        counted = self.V2 + len(self.PATH).to_bytes(4, "little") + self.PATH.encode("utf-16-le")
        fixed = (1).to_bytes(8, "little") + self.V2[8:] + self.PATH.encode("utf-16-le").ljust(520, b"\0")
        for data in (counted, fixed):
            assert recyclebin.read(data) == ("C:\\Users\\田中\\lab.wsb", 315, utc(2024, 12, 3, 23, 1, 1))

    def test_cut_at_every_byte(self) -> None:
        data = self.V2 + len(self.PATH).to_bytes(4, "little") + self.PATH.encode("utf-16-le")
        for length in range(len(data)):
            with pytest.raises(FormatError):
                recyclebin.read(data[:length])
