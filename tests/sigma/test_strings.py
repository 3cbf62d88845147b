"""Values of Sigma: wildcards, escapes and encodings, held against Python's own matchers."""

from __future__ import annotations

import base64
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.sigma import strings
from forensics.sigma.errors import UnsupportedError


def holds(value: str, text: str, *, modifier: str = "", cased: bool = False, dashes: bool = False) -> bool:
    found = strings.around(strings.tokens(value), modifier)
    return strings.any_of([found], cased=cased, dashes=dashes)(text if cased else text.lower())


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("abc", "ABC", True),
        ("a*c", "abbbc", True),
        ("a*c", "abbbcd", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        (r"C:\Windows\x.exe", r"c:\windows\X.EXE", True),  # a backslash before anything else is itself
        (r"a\*c", "a*c", True),
        (r"a\*c", "abc", False),
        (r"a\?", "a?", True),
        (r"a\?", "ab", False),
        (r"dir\\*", r"dir\file", True),  # a backslash, then any text
        (r"dir\\*", "dir*", False),
        (r"dir\\\*", r"dir\*", True),  # a backslash, then a star
        (r"\\\\host\share", r"\\host\share", True),
        ("", "", True),
        ("", "x", False),
        ("*", "anything", True),
        ("*ab*ab*", "ab-ab", True),
        ("*ab*ab*", "aba", False),
        ("ab*ba", "aba", False),  # the ends must not overlap
        ("{0197231e-61ef-693a-c812-000000000800}", "0197231E-61EF-693A-C812-000000000800", True),
    ],
)
def test_wildcards_and_escapes(value: str, text: str, expected: bool) -> None:
    assert holds(value, text) is expected


def test_case_counts_only_when_asked_for() -> None:
    assert holds("AbC", "abc")
    assert not holds("AbC", "abc", cased=True)
    assert holds("AbC", "AbC", cased=True)


@given(
    st.lists(st.sampled_from(["a", "b", "*", "?", "ab", "\\*", "\\?"]), max_size=8).map("".join),
    st.text("ab*?", max_size=12),
    st.sampled_from(["", "contains", "startswith", "endswith"]),
)
def test_any_value_means_what_its_regular_expression_means(value: str, text: str, modifier: str) -> None:
    expression = "".join(
        re.escape(part) if isinstance(part, str) else "." if part.one else ".*"
        for part in strings.around(strings.tokens(value), modifier)
    )
    assert holds(value, text, modifier=modifier) == bool(re.fullmatch(expression, text, re.DOTALL))


def test_many_stars_over_a_long_text_take_no_time() -> None:
    began = time.monotonic()
    assert not holds("*a?b" * 40 + "x", "a" * 60_000)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("dash", list("-/\u2013\u2014\u2015"))
def test_windash_takes_every_dash_before_a_flag(dash: str) -> None:
    assert holds("-encode", f"certutil {dash}encode a-b", modifier="contains", dashes=True)
    assert not holds("-encode x-y", f"{dash}encode x/y", modifier="contains", dashes=True)  # inside a word it stays


@given(st.text("abc XYZ-", min_size=4, max_size=20), st.text("pq", max_size=5), st.text("rs", max_size=5))
def test_base64offset_finds_the_value_wherever_it_stands(value: str, before: str, after: str) -> None:
    inside = base64.b64encode((before + value + after).encode()).decode()
    found = strings.encoded([value], ["base64offset"])
    assert any(part in inside for part in found)


def test_wide_before_base64_is_utf_16() -> None:
    (found,) = strings.encoded(["IEX"], ["wide", "base64"])
    assert base64.b64decode(found) == "IEX".encode("utf-16-le")


@pytest.mark.parametrize("modifiers", [["wide"], ["utf16"]])
def test_wide_alone_is_refused(modifiers: list[str]) -> None:
    with pytest.raises(UnsupportedError):
        strings.encoded(["x"], modifiers)


def test_a_wildcard_cannot_be_encoded() -> None:
    with pytest.raises(UnsupportedError):
        strings.encoded(["a*b"], ["base64"])
