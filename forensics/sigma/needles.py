"""Words without which a rule cannot match: of a thousand rules a record then has to be held against a few.

A record's words are the runs of letters, digits and underscores in its values. A value that a rule looks for has words,
too; one that stands in it between two other signs is a whole word of any text that holds the value (`powershell` of
`\\powershell.exe`, not the `whoami` that a text must only contain). Where such a word can be named for each way in
which a rule may be fulfilled, a record without any of them is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from forensics.sigma import strings
from forensics.sigma.conditions import Expression, Name
from forensics.sigma.sources import RENAMED, SYSTEM

Words = frozenset[str] | None  # None: no word can be named
_WORD = re.compile(r"\w+")
_PLACES = frozenset({"contains", "startswith", "endswith"})
_PLAIN = _PLACES | {"all", "cased", "windash"}
# Words that most records have: correct, and of no use.
_COMMON = frozenset({
    "appdata", "currentversion", "dll", "exe", "files", "hkcu", "hklm", "microsoft", "program", "software", "system",
    "system32", "users", "windows",
})  # fmt: skip


def words_in(values: Iterable[str]) -> set[str]:
    """The words of a record's values, in lower case."""
    return set(_WORD.findall("\n".join(values).lower()))


def needed(expression: Expression, detections: Mapping[str, Any]) -> Words:
    """Words of which a record must have one for the expression to hold."""
    if isinstance(expression, Name):
        return _of_detection(detections[expression.name])
    if expression.word == "not":
        return None
    each = [needed(part, detections) for part in expression.parts]
    return _best(each) if expression.word == "and" else _either(each)


def _either(each: Sequence[Words]) -> Words:
    """The words of all ways together, none when one of them names none."""
    known = [words for words in each if words is not None]
    return frozenset().union(*known) if known and len(known) == len(each) else None


def _best(each: Sequence[Words]) -> Words:
    """Of what must all hold, the words that fewest records have."""
    known = [words for words in each if words is not None]
    return min(known, key=lambda words: (len(words & _COMMON), len(words)), default=None)


def _of_detection(detection: Any) -> Words:  # noqa: ANN401  # whatever the rule has there
    if isinstance(detection, list):
        return _either([_of_detection(item) for item in detection])
    if not isinstance(detection, dict):
        return None  # words of a rule stand anywhere, also in the provider's name
    return _best([_of_item(str(key), value) for key, value in detection.items()])


def _of_item(key: str, value: Any) -> Words:  # noqa: ANN401
    name, *modifiers = key.split("|")
    values = value if isinstance(value, list) else [value]
    if not name or name in SYSTEM | RENAMED or not _PLAIN.issuperset(modifiers) or not values:
        return None
    if any(item is None or isinstance(item, float) for item in values):
        return None
    each = [_of_value(str(item), [word for word in modifiers if word in _PLACES]) for item in values]
    return _best(each) if "all" in modifiers else _either(each)


def _of_value(value: str, places: Sequence[str]) -> Words:
    """The longest word that is a whole one in every text that holds the value."""
    parts = strings.tokens(value.lower())
    for place in places:
        parts = strings.around(parts, place)
    found = [word for index, part in enumerate(parts) if isinstance(part, str) for word in _whole(parts, index, part)]
    best = max(found, key=lambda word: (word not in _COMMON, len(word)), default=None)
    return None if best is None else frozenset({best})


def _whole(parts: Sequence[strings.Token], index: int, part: str) -> Iterable[str]:
    """The words of a plain part with a sign, or the text's own end, on both sides."""
    for met in _WORD.finditer(part):
        before = met.start() > 0 or index == 0
        after = met.end() < len(part) or index == len(parts) - 1
        if before and after:
            yield met.group()
