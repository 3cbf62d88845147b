r"""Values of Sigma as tests of a text: wildcards and escapes, without backtracking.

`*` is any text, `?` any one character; a backslash takes the meaning of the `*`, `?` or backslash behind it and is
itself before anything else, so that paths are written plainly. Texts compare without regard to case unless `cased`.
A value is cut at its `*` into segments that are looked for from left to right: leftmost is always right, so a value of
many stars costs no more than its length times the text's.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from forensics.sigma.errors import UnsupportedError

Test = Callable[[str], bool]
_DASHES = "-/\u2013\u2014\u2015"
_DASH = re.compile(r"\B[-/]\b")
_BRACED = re.compile(r"\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}", re.IGNORECASE)
_MOST_LENGTH = 8_192
_OFFSETS = ((0, 2, 3), (None, -3, -2))  # what of a base64 text depends on neighbours, by the value's place in it
_WIDE = {"wide": "utf-16-le", "utf16le": "utf-16-le", "utf16be": "utf-16-be", "utf16": "utf-16"}


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A wildcard: any text (`*`), or any one character (`?`)."""

    one: bool


Token = str | Wildcard
STAR, ONE = Wildcard(one=False), Wildcard(one=True)


def tokens(value: str) -> tuple[Token, ...]:
    """The value as plain texts and wildcards."""
    if len(value) > _MOST_LENGTH:
        raise UnsupportedError("value too long")
    found: list[Token] = []
    plain: list[str] = []
    at = 0
    while at < len(value):
        sign = value[at]
        if sign == "\\" and value[at + 1 : at + 2] in ("*", "?", "\\"):
            plain.append(value[at + 1])
            at += 1
        elif sign in "*?":
            found += ["".join(plain)] if plain else []
            found.append(STAR if sign == "*" else ONE)
            plain = []
        else:
            plain.append(sign)
        at += 1
    return tuple(found + (["".join(plain)] if plain else []))


def around(value: Sequence[Token], modifier: str) -> tuple[Token, ...]:
    """The value with the wildcards that `contains`, `startswith` or `endswith` put around it."""
    before = (STAR,) if modifier in ("contains", "endswith") else ()
    after = (STAR,) if modifier in ("contains", "startswith") else ()
    return (*before, *value, *after)


def encoded(values: Iterable[str], modifiers: Sequence[str]) -> list[str]:
    """Plain values after `wide`, `base64` and `base64offset`, in the order that they stand in."""
    raw = [(value, _plain(value).encode()) for value in values]
    texts: list[str] = []
    for modifier in modifiers:
        if modifier in _WIDE:
            raw = [(value, _plain(value).encode(_WIDE[modifier])) for value, _ in raw]
        elif modifier == "base64":
            texts = [base64.b64encode(data).decode() for _, data in raw]
        else:
            texts = [_at_offset(data, place) for _, data in raw for place in range(3)]
            if "" in texts:
                raise UnsupportedError("value too short", "of a single byte, one place in base64 says nothing")
    if not texts:
        raise UnsupportedError("unknown modifier", "wide and utf16 are only understood before base64")
    return texts


def _plain(value: str) -> str:
    """The text of a value without wildcards."""
    parts = tokens(value)
    if any(isinstance(part, Wildcard) for part in parts):
        raise UnsupportedError("unknown modifier", "a value with wildcards cannot be encoded as base64")
    return "".join(part for part in parts if isinstance(part, str))


def _at_offset(data: bytes, place: int) -> str:
    text = base64.b64encode(b" " * place + data).decode()
    return text[_OFFSETS[0][place] : _OFFSETS[1][(len(data) + place) % 3]]


def any_of(values: Sequence[tuple[Token, ...]], *, cased: bool, dashes: bool = False) -> Test:
    """A test that one of the values is the whole text (which is given in lower case unless `cased`)."""
    values = values if cased else [tuple(_lower(part) for part in value) for value in values]
    exact: set[str] = set()
    starts: list[str] = []
    ends: list[str] = []
    inside: list[str] = []
    rest: list[Test] = []
    for value in values:
        shape = _shape(value) if not dashes else ""
        text = next((part for part in value if isinstance(part, str)), "")
        if shape == "exact":
            exact.update({text, text[1:-1]} if _BRACED.fullmatch(text) else {text})
        elif shape:
            {"startswith": starts, "endswith": ends, "contains": inside}[shape].append(text)
        else:
            rest.append(_glob(value, dashes=dashes))
    return _joined(exact, tuple(starts), tuple(ends), tuple(inside), tuple(rest))


def _lower(part: Token) -> Token:
    return part.lower() if isinstance(part, str) else part


def _shape(value: Sequence[Token]) -> str:
    """Which plain test of a text does for the value; "" when none does."""
    texts = [part for part in value if isinstance(part, str)]
    if not value or (len(value) == 1 and texts):
        return "exact"
    if len(texts) != 1 or any(part is ONE or part == ONE for part in value):
        return ""
    before, after = value[0] == STAR, value[-1] == STAR
    if len(value) - before - after != 1:
        return ""
    return "contains" if before and after else "endswith" if before else "startswith"


def _joined(
    exact: set[str], starts: tuple[str, ...], ends: tuple[str, ...], inside: tuple[str, ...], rest: tuple[Test, ...]
) -> Test:
    """One test of all; the usual cases of a single sort without detours."""
    kinds = [bool(exact), bool(starts), bool(ends), bool(inside), bool(rest)]
    if sum(kinds) == 1:
        if exact:
            return exact.__contains__
        if starts:
            return lambda text: text.startswith(starts)
        if ends:
            return lambda text: text.endswith(ends)
        if len(inside) == 1:
            only = inside[0]
            return lambda text: only in text
    return lambda text: (
        text in exact
        or text.startswith(starts)
        or text.endswith(ends)
        or any(part in text for part in inside)
        or any(test(text) for test in rest)
    )


def _glob(value: Sequence[Token], *, dashes: bool) -> Test:
    """The value's segments between stars, the first and last of them at the text's ends."""
    segments: list[list[Token]] = [[]]
    for part in value:
        if part == STAR:
            segments.append([])
        else:
            segments[-1].append(part)
    patterns = [_segment(segment, dashes=dashes) for segment in segments]
    if len(patterns) == 1:
        return lambda text: patterns[0].fullmatch(text) is not None
    first, *middle, last = patterns
    final = re.compile(last.pattern + r"\Z", re.DOTALL)

    def test(text: str) -> bool:
        met = first.match(text)
        for pattern in middle:
            if met is None:
                return False
            met = pattern.search(text, met.end())
        if met is None:
            return False
        size = _length(segments[-1])
        return len(text) - size >= met.end() and final.match(text, len(text) - size) is not None

    return test


def _length(segment: Sequence[Token]) -> int:
    return sum(len(part) if isinstance(part, str) else 1 for part in segment)


def _segment(segment: Sequence[Token], *, dashes: bool) -> re.Pattern[str]:
    """A pattern of a fixed length: every part stands for as many characters as it has."""
    parts = []
    for part in segment:
        if isinstance(part, Wildcard):
            parts.append(".")
        elif dashes:
            marks = {met.start() for met in _DASH.finditer(part)}
            parts += [f"[{_DASHES}]" if at in marks else re.escape(sign) for at, sign in enumerate(part)]
        else:
            parts.append(re.escape(part))
    return re.compile("".join(parts), re.DOTALL)
