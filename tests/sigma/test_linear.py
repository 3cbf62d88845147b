"""Regular expressions in linear time: the same answers as Python's matcher, in bounded time."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from forensics.sigma.errors import UnsupportedError
from forensics.sigma.linear import Linear

_ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", r"\W", r"\d", r"\s", r"\b", "^", "$", "-", r"\.", "A"])
_FLAGS = st.sampled_from([re.NOFLAG, re.IGNORECASE, re.MULTILINE, re.DOTALL])
_PATTERNS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}?", "*?"])).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        ),
    ),
    max_leaves=10,
)


@settings(max_examples=600)
@given(
    _PATTERNS, st.text("abAB-. 1_\n", max_size=10), st.sampled_from([re.NOFLAG, re.IGNORECASE, re.MULTILINE, re.DOTALL])
)
@example("a$", "a\n", re.NOFLAG)
@example(r"\bfoo\b", "foo bar", re.NOFLAG)
def test_the_answer_is_that_of_python(pattern: str, text: str, flags: re.RegexFlag) -> None:
    assert Linear(pattern, flags).search(text) == bool(re.compile(pattern, flags).search(text))


@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(a|a)*b", r".*.*.*.*x", r"(?:a*)*c", r"a{0,200}a{0,200}b", r"(\w+\s?)+!"]
)
def test_patterns_that_stall_other_matchers_do_not(pattern: str) -> None:
    began = time.monotonic()
    assert not Linear(pattern).search("a" * 30_000 + "#")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a)\1",
        r"(?=a)b",
        r"(?<!a)b",
        r"a(?!b)",
        "(",
        "a{5000}",
        "(?:a{900}){900}",
        "x" * 3_000,
        r"(?>a)b",
        "(" * 90_000,
    ],
)
def test_what_is_not_linear_or_not_a_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedError):
        Linear(pattern)


def test_flags_in_the_pattern_count() -> None:
    assert Linear(r"(?i)WerFault").search("werfault")
    assert not Linear("WerFault").search("werfault")
    assert Linear("(?i:w)erF").search("WerF")
