r"""Regular expressions in linear time: a text that an attacker wrote must not stall a worker.

Python's own matcher tries one way after another; `(a+)+$` or a few `.*` in a row take it hours over a long line. Here
a pattern is taken apart by Python's parser, made into a machine of states, and all ways are followed at once: each
character of the text is looked at once, and what a character does to a set of states is remembered.

What such a machine cannot do is refused: looking around, and going back to what a group met. Patterns are held to a
size, since a counted repetition stands for as many copies of what it repeats.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from re import _constants as code  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from forensics.sigma.errors import UnsupportedError

Chars = Callable[[str], bool]
_MOST_PATTERN, _MOST_STATES, _MOST_REPEATS, _MOST_KNOWN = 2_048, 1_000, 1_000, 4_000
_REFUSED = "regular expression"
_START, _WORD, _OTHER, _LINE = range(4)  # what is before: nothing, a word's character, another, a line's end

_LAST_LINE = "\n\n"  # a line's end that ends the text: `$` stands before it, too


@dataclass(slots=True)
class _State:
    """Goes on with `after` when a character fulfils `takes`, or (without one) at once when `holds` allows it."""

    after: list[int] = field(default_factory=list)
    takes: Chars | None = None
    holds: str = ""


@dataclass(slots=True)
class _Known:
    """A set of states behind one sort of character, and where characters led from it; None is a match."""

    states: frozenset[int]
    before: int
    on: dict[str, _Known | None] = field(default_factory=dict)
    at_end: bool | None = None


class Linear:
    """One pattern, ready to be searched for."""

    def __init__(self, pattern: str, flags: re.RegexFlag = re.NOFLAG) -> None:
        if len(pattern) > _MOST_PATTERN:
            raise UnsupportedError(_REFUSED, f"a regular expression is longer than {_MOST_PATTERN} characters")
        try:
            with warnings.catch_warnings():  # of what a later Python may read otherwise: not for the examiner
                warnings.simplefilter("ignore")
                tree = parser.parse(pattern, flags)
        except (re.error, RecursionError, OverflowError) as error:
            raise UnsupportedError(_REFUSED, f"a regular expression is not understood: {error}") from None
        self._states: list[_State] = []
        self._final = self._new()
        try:
            self._first = self._sequence(list(tree), self._final, re.RegexFlag(tree.state.flags))
        except RecursionError:
            raise UnsupportedError(_REFUSED, "a regular expression is nested too deeply") from None
        self._forget()

    def search(self, text: str) -> bool:
        """Whether the pattern is met anywhere in the text."""
        known = self._begin
        signs: Iterable[str] = [*text[:-1], _LAST_LINE] if text.endswith("\n") else text
        for sign in signs:
            try:
                following = known.on[sign]
            except KeyError:
                following = self._step(known, sign)
            if following is None:
                return True
            known = following
        if known.at_end is None:
            known.at_end = self._final in self._reached(known, "")
        return known.at_end

    def _forget(self) -> None:
        self._sets: dict[tuple[frozenset[int], int], _Known] = {}
        self._count = 0
        self._begin = self._known(frozenset({self._first}), _START)

    def _known(self, states: frozenset[int], before: int) -> _Known:
        return self._sets.setdefault((states, before), _Known(states, before))

    def _step(self, known: _Known, sign: str) -> _Known | None:
        """Where `sign` leads; the search begins anew at every place, so the first state is always in."""
        reached = self._reached(known, sign)
        following: _Known | None = None
        if self._final not in reached:
            onward = {self._first}
            for index in reached:
                state = self._states[index]
                if state.takes is not None and state.takes(sign[0]):
                    onward.update(state.after)
            if self._count > _MOST_KNOWN:  # what is remembered is bounded; it is then learnt anew
                self._forget()
            following = self._known(frozenset(onward), _sort(sign[0]))
        self._count += 1
        known.on[sign] = following
        return following

    def _reached(self, known: _Known, sign: str) -> set[int]:
        """All states that are reached without taking a character, between what was before and `sign`."""
        found: set[int] = set()
        left = list(known.states)
        while left:
            index = left.pop()
            if index in found:
                continue
            found.add(index)
            state = self._states[index]
            if state.takes is None and (not state.holds or _holds(state.holds, known.before, sign)):
                left.extend(state.after)
        return found

    def _new(self, after: Iterable[int] = (), takes: Chars | None = None, holds: str = "") -> int:
        if len(self._states) >= _MOST_STATES:
            raise UnsupportedError(_REFUSED, "a regular expression stands for too many states")
        self._states.append(_State(list(after), takes, holds))
        return len(self._states) - 1

    def _sequence(self, items: list[Any], after: int, flags: re.RegexFlag) -> int:
        """The states of items one after the other, from the last to the first."""
        for operation, value in reversed(items):
            after = self._item(operation, value, after, flags)
        return after

    def _item(self, operation: Any, value: Any, after: int, flags: re.RegexFlag) -> int:  # noqa: ANN401  # the parser's
        if operation in (code.LITERAL, code.NOT_LITERAL, code.ANY, code.IN):
            return self._new([after], _chars(operation, value, flags))
        if operation is code.AT:
            return self._new([after], holds=_anchor(value, flags))
        if operation is code.SUBPATTERN:
            _, added, taken, inner = value
            return self._sequence(list(inner), after, (flags | re.RegexFlag(added)) & ~re.RegexFlag(taken))
        if operation is code.BRANCH:
            return self._new([self._sequence(list(branch), after, flags) for branch in value[1]])
        if operation in (code.MAX_REPEAT, code.MIN_REPEAT):
            least, most, inner = value
            return self._repeat((least, most), list(inner), after, flags)
        name = str(operation).casefold()
        raise UnsupportedError(_REFUSED, f"a regular expression uses {name}, which is not matched in linear time")

    def _repeat(self, times: tuple[int, int], items: list[Any], after: int, flags: re.RegexFlag) -> int:
        least, most = times
        endless = most == code.MAXREPEAT
        if least > _MOST_REPEATS or (not endless and most > _MOST_REPEATS):
            raise UnsupportedError(_REFUSED, f"a regular expression repeats more than {_MOST_REPEATS} times")
        if endless:
            loop = self._new([after])
            self._states[loop].after.append(self._sequence(items, loop, flags))
            after = loop
        else:
            end = after
            for _ in range(most - least):
                after = self._new([self._sequence(items, after, flags), end])
        for _ in range(least):
            after = self._sequence(items, after, flags)
        return after


def _sort(sign: str) -> int:
    if sign == "\n":
        return _LINE
    return _WORD if sign.isalnum() or sign == "_" else _OTHER


def _holds(what: str, before: int, sign: str) -> bool:
    """Whether an anchor holds between what was before and `sign` ("" at the end)."""
    if what in ("start", "line"):
        return before == _START or (what == "line" and before == _LINE)
    if what in ("very_end", "end", "line_end"):
        return not sign or (what != "very_end" and sign == _LAST_LINE) or (what == "line_end" and sign == "\n")
    border = (before == _WORD) != (bool(sign) and _sort(sign[0]) == _WORD)
    return border == (what == "border")


def _anchor(value: Any, flags: re.RegexFlag) -> str:  # noqa: ANN401  # the parser's
    lines = bool(flags & re.MULTILINE)
    names = {
        code.AT_BEGINNING: "line" if lines else "start",
        code.AT_BEGINNING_STRING: "start",
        code.AT_END: "line_end" if lines else "end",
        code.AT_END_STRING: "very_end",
        code.AT_BOUNDARY: "border",
        code.AT_NON_BOUNDARY: "inside",
    }
    return names[value]


def _chars(operation: Any, value: Any, flags: re.RegexFlag) -> Chars:  # noqa: ANN401  # the parser's
    """Which characters one place of the pattern takes: asked of Python's own matcher, one character at a time."""
    if operation is code.ANY:
        return (lambda _: True) if flags & re.DOTALL else (lambda sign: sign != "\n")
    fold = re.IGNORECASE if flags & re.IGNORECASE else re.NOFLAG
    flag = (re.ASCII if flags & re.ASCII else re.NOFLAG) | fold
    if operation is code.IN:
        pattern = re.compile(_class(value), flag)
    else:
        sign = re.escape(chr(value))
        pattern = re.compile(f"[^{sign}]" if operation is code.NOT_LITERAL else sign, flag)
    return lambda sign: pattern.fullmatch(sign) is not None


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W",
}  # fmt: skip


def _class(items: list[tuple[Any, Any]]) -> str:
    """A set of characters, written again."""
    parts = []
    for operation, value in items:
        if operation is code.NEGATE:
            parts.append("^")
        elif operation is code.LITERAL:
            parts.append(re.escape(chr(value)))
        elif operation is code.RANGE:
            parts.append(f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}")
        else:
            parts.append(_CATEGORIES[str(value)])
    return f"[{''.join(parts)}]"
