"""The condition of a rule: `selection and not 1 of filter_*` as an expression over the named detections."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from itertools import islice

from forensics.sigma.errors import UnsupportedError

_WORD = re.compile(r"\s*([()|]|[^\s()|]+)")
_QUANTIFIERS = {"1": "or", "any": "or", "all": "and"}
_MOST_LENGTH, _MOST_WORDS, _MOST_DEPTH = 8_192, 1_000, 40


@dataclass(frozen=True, slots=True)
class Name:
    """One detection by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Join:
    """Expressions of which all (`and`), one (`or`) or none (`not`, of a single one) must hold."""

    word: str
    parts: tuple[Expression, ...]


Expression = Name | Join


def parse(text: str, names: Iterable[str]) -> Expression:
    """The expression of a condition; raises UnsupportedError for what it cannot say of a single event."""
    if len(text) > _MOST_LENGTH:
        raise UnsupportedError("condition too long")
    words = list(islice(_WORD.findall(text), _MOST_WORDS + 1))
    if len(words) > _MOST_WORDS:
        raise UnsupportedError("condition too long")
    if "|" in words:
        near = any(word.casefold() == "near" for word in words)
        raise UnsupportedError("near" if near else "aggregation", f"it counts over many events: {text[:120]}")
    parser = _Parser(words, list(names))
    found = parser.either(0)
    if parser.rest:
        raise UnsupportedError("condition not understood", f"the condition is not understood at {parser.rest[0]!r}")
    return found


class _Parser:
    """`not` binds closest, then `and`, then `or`."""

    def __init__(self, words: list[str], names: list[str]) -> None:
        self.rest = words
        self._names = names

    def either(self, depth: int) -> Expression:
        """Parts between `or`."""
        if depth > _MOST_DEPTH:
            raise UnsupportedError("condition nested too deeply")
        return self._several("or", depth)

    def _several(self, word: str, depth: int) -> Expression:
        def one() -> Expression:
            return self._several("and", depth) if word == "or" else self._single(depth)

        parts = [one()]
        while self._next() == word:
            self.rest = self.rest[1:]
            parts.append(one())
        return parts[0] if len(parts) == 1 else Join(word, tuple(parts))

    def _next(self) -> str:
        return self.rest[0].casefold() if self.rest else ""

    def _take(self) -> str:
        if not self.rest:
            raise UnsupportedError("condition not understood", "the condition ends too early")
        word, self.rest = self.rest[0], self.rest[1:]
        return word

    def _single(self, depth: int) -> Expression:
        turned = False
        while self._next() == "not":
            self.rest, turned = self.rest[1:], not turned
        found = self._operand(depth)
        return Join("not", (found,)) if turned else found

    def _operand(self, depth: int) -> Expression:
        word = self._take()
        if word == "(":
            found = self.either(depth + 1)
            if self._take() != ")":
                raise UnsupportedError("condition not understood", "a parenthesis of the condition is not closed")
            return found
        if self._next() == "of":
            return self._of(word)
        if word in self._names:
            return Name(word)
        raise UnsupportedError("condition not understood", f"the condition names {word!r}, which is no detection")

    def _of(self, quantifier: str) -> Expression:
        self._take()
        wanted = self._take()
        joined = _QUANTIFIERS.get(quantifier.casefold())
        if joined is None:
            raise UnsupportedError("condition not understood", f"the condition counts: {quantifier!r} of {wanted!r}")
        if wanted.casefold() == "them" and "them" not in self._names:
            found = [name for name in self._names if not name.startswith("_")]
        else:
            fits = re.compile(translate(wanted.replace("[", "[[]")))
            found = [name for name in self._names if fits.match(name)]
        if not found:
            raise UnsupportedError("condition not understood", f"no detection is named as {wanted!r}")
        return Join(joined, tuple(Name(name) for name in found))
