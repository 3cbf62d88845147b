"""Case-insensitive globs over evidence paths: `*` and `?` stay inside a folder, `**` crosses folders.

A `GlobSet` is compiled once and answers two questions: which patterns does this path match, and which folders can be
skipped while walking.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from functools import lru_cache

_PEOPLE = "Users/"


def normal(path: str) -> str:
    """The comparison form of a path: forward slashes, no case."""
    return path.replace("\\", "/").strip("/").casefold()


@lru_cache(maxsize=4096)
def _component(pattern: str) -> re.Pattern[str]:
    text = "".join("[^/]*" if char == "*" else "[^/]" if char == "?" else re.escape(char) for char in pattern)
    return re.compile(text, re.DOTALL)


def _regex(pattern: str) -> str:
    split = normal(pattern).split("/")
    parts = ["(?:[^/]+/)*" if part == "**" else _component(part).pattern + "/" for part in split]
    body = "".join(parts)
    # A trailing `**` means every file below.
    return body + "[^/]+" if split[-1] == "**" else body.removesuffix("/")


@lru_cache(maxsize=8192)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Kept here: all artifacts together have more globs than the cache of `re` holds, and sets of them are many."""
    return re.compile(_regex(pattern), re.DOTALL)


def _widened(pattern: str) -> str:
    return pattern.removeprefix(_PEOPLE) if pattern.startswith(f"{_PEOPLE}**/") else pattern


def _ends(parts: list[str], known: list[str]) -> bool:
    """Whether known components fit a pattern's, both given from the end, at least one of them by more than `*`."""
    telling = False
    for at, name in enumerate(known):
        if at >= len(parts):
            return False
        if parts[at] == "**":
            return telling
        if not _component(parts[at]).fullmatch(name):
            return False
        telling = telling or bool(parts[at].strip("*?"))
    return telling


class GlobSet:
    """Some globs, compiled together.

    `anywhere`: on a drive without Windows people keep their files where they like, so what is sought anywhere below
    `Users` is sought on the whole drive.
    """

    def __init__(self, patterns: Iterable[str], *, anywhere: bool = False) -> None:
        self.patterns = tuple(sorted(set(patterns)))
        self.anywhere = anywhere
        meant = [_widened(pattern) if anywhere else pattern for pattern in self.patterns]
        self._meant = meant  # compiled where a name leads to it: most never are
        self._split = [normal(form).split("/") for form in meant]
        # A million MFT entries pass here: most are refused by their last component alone.
        self._by_name: dict[str, list[int]] = {}
        self._by_suffix: dict[str, list[int]] = {}
        self._others: list[int] = []
        for index, parts in enumerate(self._split):
            self._bucket(index, parts[-1])
        lasts = sorted({_component(self._split[index][-1]).pattern for index in self._others})
        self._other = re.compile("|".join(f"(?:{last})" for last in lasts) if lasts else "(?!)", re.DOTALL)

    def _bucket(self, index: int, last: str) -> None:
        stem, dot, suffix = last.rpartition(".")
        if "*" not in last and "?" not in last:
            self._by_name.setdefault(last, []).append(index)
        elif stem == "*" and dot and "*" not in suffix and "?" not in suffix:
            self._by_suffix.setdefault(suffix, []).append(index)
        else:
            self._others.append(index)

    def matches(self, path: str) -> tuple[str, ...]:
        """The patterns that `path` (relative, any case, any separator) matches."""
        name = normal(path)
        last = name.rpartition("/")[2]
        _, dot, suffix = last.rpartition(".")
        found = [*self._by_name.get(last, ()), *(self._by_suffix.get(suffix, ()) if dot else ())]
        if self._other.fullmatch(last):
            found += self._others
        return tuple(self.patterns[index] for index in sorted(found) if _compiled(self._meant[index]).fullmatch(name))

    def may_name(self, name: str) -> bool:
        """Whether a file of this name could match a pattern, wherever it lies."""
        last = name.casefold()
        if last in self._by_name or self._other.fullmatch(last):
            return True
        _, dot, suffix = last.rpartition(".")
        return bool(dot) and suffix in self._by_suffix

    def matches_tail(self, tail: str) -> tuple[str, ...]:
        """The patterns that a path of which only the end is known may match; a mere `*` says nothing of it."""
        known = normal(tail).split("/")[::-1]
        return tuple(
            pattern for pattern, parts in zip(self.patterns, self._split, strict=True) if _ends(parts[::-1], known)
        )

    def deep(self) -> GlobSet:
        """The patterns with `**` in them: they need an index, not a walk."""
        return self._only("**" in pattern for pattern in self.patterns)

    def shallow(self) -> GlobSet:
        """The patterns without `**`: a walk visits only folders they name."""
        return self._only("**" not in pattern for pattern in self.patterns)

    def named(self) -> GlobSet:
        """The patterns whose last component says something of the name."""
        return self._only(pattern.rpartition("/")[2].strip("*?") for pattern in self.patterns)

    def _only(self, keep: Iterable[object]) -> GlobSet:
        return GlobSet(itertools.compress(self.patterns, keep), anywhere=self.anywhere)

    def may_contain(self, folder: tuple[str, ...]) -> bool:
        """Whether a file below this folder (lower-case components from the root) could match a pattern."""
        return any(self._leads(parts, folder) for parts in self._split)

    @staticmethod
    def _leads(parts: list[str], folder: tuple[str, ...]) -> bool:
        for index, name in enumerate(folder):
            if index >= len(parts):
                return False
            if parts[index] == "**":
                return True
            if not _component(parts[index]).fullmatch(name):
                return False
        return len(parts) > len(folder)

    def literal_next(self, folder: tuple[str, ...]) -> set[str] | None:
        """The exact names wanted in this folder when all are literal, else None: then the folder must be listed."""
        names: set[str] = set()
        for parts in self._split:
            if len(parts) > len(folder) and self._leads(parts, folder):
                part = parts[len(folder)]
                if "*" in part or "?" in part or "**" in parts[: len(folder)]:
                    return None
                names.add(part)
        return names
