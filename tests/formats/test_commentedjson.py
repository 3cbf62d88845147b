from __future__ import annotations

import time

import pytest

from forensics.formats import FormatError
from forensics.formats.commentedjson import loads


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, // said "so"\n "b": [1, 2,], /* and, so } */ }', {"a": 1, "b": [1, 2]}),
        ('{"a": "http://x/*y*/,}", }', {"a": "http://x/*y*/,}"}),
        ('{"a": "\\"// no\\\\", "b": ",]"}', {"a": '"// no\\', "b": ",]"}),
        ("\ufeff// only\nnull", None),
        ('{"a": 1 } // cut', {"a": 1}),
        ('{"a": 1 } /* cut', {"a": 1}),
    ],
)
def test_values(text: str, value: object) -> None:
    assert loads(text.encode()) == value
    assert loads(text.encode("utf-16")) == value


@pytest.mark.parametrize("text", ['{"a": 1,, }', '{"a"', "", "//", '{"a": "b\n"}', "{'a': 1}", "[" * 100_000])
def test_what_is_none(text: str) -> None:
    with pytest.raises(FormatError):
        loads(text.encode())


@pytest.mark.parametrize("piece", ["/*", '"', '"\\', ", ", "//", "/", "*/", ",\n"])
def test_hostile_texts_take_no_longer(piece: str) -> None:
    start = time.perf_counter()
    with pytest.raises(FormatError):
        loads((piece * (2_000_000 // len(piece))).encode())
    assert time.perf_counter() - start < 5
