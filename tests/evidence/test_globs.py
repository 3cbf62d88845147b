from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.evidence.globs import GlobSet, normal

CASES = [
    ("Users/*/NTUSER.DAT", "users/田中/ntuser.dat", True),
    ("Users/*/NTUSER.DAT", "Users/a/b/NTUSER.DAT", False),
    ("Users/**/*.wsb", "Users/a/lab.WSB", True),
    ("Users/**/*.wsb", "Users/lab.wsb", True),
    ("Users/**/*.wsb", "ProgramData/lab.wsb", False),
    ("Windows/System32/Tasks/**", "Windows\\System32\\Tasks\\Microsoft\\Windows\\X", True),
    ("Windows/System32/Tasks/**", "Windows/System32/Tasks", False),
    ("*.wsb", "a.wsb", True),
    ("*.wsb", "b/a.wsb", False),
    ("Windows/Prefetch/*.pf", "Windows/Prefetch/A[1].EXE-0.pf", True),
    ("a/?.txt", "a/x.txt", True),
    ("a/?.txt", "a/xy.txt", False),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), CASES)
def test_matches(pattern: str, path: str, expected: bool) -> None:
    assert bool(GlobSet([pattern]).matches(path)) is expected


def test_all_matching_patterns_are_named() -> None:
    globs = GlobSet(["Users/**/*.wsb", "Users/*/*.wsb", "x"])
    assert globs.matches("Users/a/b.wsb") == ("Users/**/*.wsb", "Users/*/*.wsb")


NAMES = st.text(alphabet="abAB.*?[]-", min_size=1, max_size=5)


@given(st.lists(NAMES, min_size=1, max_size=5), st.lists(NAMES, min_size=1, max_size=5))
def test_a_matching_file_is_never_in_a_skipped_folder(pattern: list[str], path: list[str]) -> None:
    globs = GlobSet(["/".join(pattern)])
    joined = "/".join(path)
    if globs.matches(joined):
        parts = tuple(part.casefold() for part in path)
        assert all(globs.may_contain(parts[:depth]) for depth in range(len(parts)))


def test_literal_names_are_looked_up_and_wild_ones_listed() -> None:
    globs = GlobSet(["Windows/System32/config/SYSTEM", "Windows/Prefetch/*.pf", "Users/*/NTUSER.DAT"])
    assert globs.literal_next(()) == {"windows", "users"}
    assert globs.literal_next(("windows",)) == {"system32", "prefetch"}
    assert globs.literal_next(("users",)) is None
    assert not globs.may_contain(("program files",))


@given(st.lists(NAMES, min_size=1, max_size=4), st.lists(NAMES, min_size=1, max_size=4))
def test_a_pattern_finds_the_same_alone_and_among_others(pattern: list[str], path: list[str]) -> None:
    chosen, joined = "/".join(pattern), "/".join(path)
    among = GlobSet([chosen, "Users/**/*.wsb", "a/*", "**/b", "*.a"])
    assert (chosen in among.matches(joined)) == bool(GlobSet([chosen]).matches(joined))
    assert (chosen in among.matches(joined)) == _slowly(normal(chosen).split("/"), normal(joined).split("/"))


def _slowly(pattern: list[str], path: list[str]) -> bool:
    """Matching by definition, for comparison."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        if len(pattern) == 1:
            return bool(path)
        return any(_slowly(pattern[1:], path[at:]) for at in range(len(path)))
    return bool(path) and _part(pattern[0], path[0]) and _slowly(pattern[1:], path[1:])


def _part(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(_part(pattern[1:], name[at:]) for at in range(len(name) + 1))
    return bool(name) and pattern[0] in ("?", name[0]) and _part(pattern[1:], name[1:])


@given(st.lists(st.sampled_from(["a", "b.x", "*", "*.x", "**"]), min_size=1, max_size=4),
       st.lists(st.sampled_from(["a", "A", "b.x", "c"]), min_size=1, max_size=4))  # fmt: skip
def test_a_name_that_matches_is_never_passed_over(pattern: list[str], path: list[str]) -> None:
    globs = GlobSet(["/".join(pattern)])
    if globs.matches("/".join(path)):
        assert globs.may_name(path[-1])


@pytest.mark.parametrize(
    ("pattern", "tail", "fits"),
    [
        ("Windows/System32/config/SYSTEM", "system", True),
        ("Windows/System32/config/SYSTEM", "RegBack/SYSTEM", False),
        ("Windows/System32/winevt/Logs/*.evtx", "Logs/Security.evtx", True),
        ("Users/**/*.wsb", "anything/lab.wsb", True),
        ("Windows/System32/Tasks/**", "Defrag/ScheduledDefrag", False),  # `**` alone says nothing of a file
        ("SYSTEM", "config/SYSTEM", False),
    ],
)
def test_the_end_of_a_path_may_fit(pattern: str, tail: str, fits: bool) -> None:
    assert GlobSet([pattern]).matches_tail(tail) == ((pattern,) if fits else ())
