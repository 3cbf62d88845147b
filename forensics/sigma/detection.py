"""Detections of a rule as tests of one record: `CommandLine|contains|all: [...]` ready to be asked.

A detection is a mapping (every item must hold), a list of mappings (one must), or words (one must stand somewhere in
the record). A field that a source cannot have fulfils nothing there, not even that it is absent: of an audited process
start nobody knows its original file name.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from forensics.formats.evtx_record import Record
from forensics.sigma import strings
from forensics.sigma.errors import UnsupportedError
from forensics.sigma.linear import Linear
from forensics.sigma.sources import LogSource

Get = Callable[["View"], str | None]
Check = Callable[["View"], bool]
_PLACES = ("contains", "startswith", "endswith")
_NUMBERS = ("gt", "gte", "lt", "lte")
_ENCODINGS = ("wide", "utf16", "utf16le", "utf16be", "base64", "base64offset")
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
_KNOWN = frozenset({*_PLACES, *_NUMBERS, *_ENCODINGS, *_FLAGS, "all", "cased", "windash", "re", "cidr", "exists",
                    "fieldref", "neq"})  # fmt: skip
_NEGATED = frozenset({"neq"})
# What may stand beside a modifier that does not go with every other.
_ALONE = {
    "exists": _NEGATED,
    "re": frozenset({*_FLAGS, "all", "contains"}) | _NEGATED,  # it is searched for anywhere as it is
    "cidr": frozenset({"all"}) | _NEGATED,
    **{word: frozenset({"all"}) | _NEGATED for word in _NUMBERS},
}
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_MOST_VALUES = 5_000
_DATA = re.compile(r"Data(?:_?\d+)?")


class View:
    """One record, with each text in lower case when it was asked for once."""

    __slots__ = ("_low", "data", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.data = record.data
        self._low: dict[str, str] = {}

    def low(self, text: str) -> str:
        """The text in lower case."""
        found = self._low.get(text)
        if found is None:
            found = self._low[text] = text.lower()
        return found


def getter(name: str, source: LogSource) -> Get:
    """What takes the field out of a record; None where it has none."""
    if name in ("EventID", "EventId"):
        return lambda view: str(view.record.event_id)
    if name == "Channel":
        return lambda view: view.record.channel
    if name in ("Provider_Name", "ProviderName"):
        return lambda view: view.record.provider
    if name in ("Computer", "ComputerName"):
        return lambda view: view.record.computer
    if algorithm := source.hash_in(name):
        wanted = re.compile(rf"(?:^|,)\s*{algorithm}=([0-9A-Fa-f]+)")
        return lambda view: met.group(1) if (met := wanted.search(view.data.get("Hashes", ""))) else None
    known = source.names.get(name, name)
    return (
        (lambda view: view.data.get(known)) if source.fields is not None else (lambda view: _spaced(view.data, known))
    )


def _spaced(data: Mapping[str, str], name: str) -> str | None:
    """The field; Defender writes spaces into names (`New Value`), which Sigma leaves out."""
    if name in data:
        return data[name]
    return next((text for own, text in data.items() if " " in own and own.replace(" ", "") == name), None)


def check_of(detection: Any, source: LogSource) -> Check:  # noqa: ANN401  # whatever the rule has there
    """The test of one named detection; raises UnsupportedError for what is not evaluated."""
    if isinstance(detection, dict) and detection:
        return both([_item(str(key), value, source) for key, value in detection.items()])
    if isinstance(detection, list) and detection:
        if len(detection) > _MOST_VALUES:
            raise UnsupportedError("too many values")
        groups = [item for item in detection if isinstance(item, dict | list)]
        words = [item for item in detection if not isinstance(item, dict | list)]
        return either([check_of(item, source) for item in groups] + ([_keywords(words, [])] if words else []))
    if isinstance(detection, str | int | float) and not isinstance(detection, bool):
        return _keywords([detection], [])
    raise UnsupportedError("detection not understood", "a detection is neither a mapping, a list nor words")


def fields_of(detection: Any) -> set[str]:  # noqa: ANN401
    """The names of the fields that a detection asks for."""
    if isinstance(detection, dict):
        return {str(key).partition("|")[0] for key in detection} - {""}
    return {name for item in detection for name in fields_of(item)} if isinstance(detection, list) else set()


def both(checks: Sequence[Check]) -> Check:
    """A test that all of the tests hold."""
    if len(checks) == 1:
        return checks[0]
    several = tuple(checks)

    def test(view: View) -> bool:
        for check in several:  # noqa: SIM110  # `all` over a generator takes twice as long
            if not check(view):
                return False
        return True

    return test


def either(checks: Sequence[Check]) -> Check:
    """A test that one of the tests holds."""
    if len(checks) == 1:
        return checks[0]
    several = tuple(checks)

    def test(view: View) -> bool:
        for check in several:  # noqa: SIM110
            if check(view):
                return True
        return False

    return test


def _item(key: str, value: Any, source: LogSource) -> Check:  # noqa: ANN401
    """One `field|modifiers: values`."""
    name, *modifiers = key.split("|")
    values = value if isinstance(value, list) else [value]
    if unknown := [word for word in modifiers if word not in _KNOWN]:
        raise UnsupportedError("unknown modifier", f"the modifier {unknown[0][:40]!r} of {name[:60]!r}")
    if len(values) > _MOST_VALUES:
        raise UnsupportedError("too many values")
    if any(isinstance(item, dict | list) for item in values):
        raise UnsupportedError("detection not understood", f"the value of {name[:60]!r} is no text, number or list")
    if not name:
        return _keywords(values, modifiers)
    if not source.has(name):
        return lambda _: False
    if not values:
        raise UnsupportedError("detection not understood", f"{name[:60]!r} has no value")
    _check_together(modifiers)
    if "neq" in modifiers:
        check = _values(name, values, [word for word in modifiers if word != "neq"], source)
        return lambda view: not check(view)
    return _values(name, values, modifiers, source)


def _check_together(modifiers: Sequence[str]) -> None:
    """Modifiers that say nothing beside each other: taken alone, one of them would be dropped unsaid."""
    asked = set(modifiers)
    for word, others in _ALONE.items():
        if word in asked and (beside := asked - {word} - others):
            raise UnsupportedError("unknown modifier", f"the modifier {min(beside)!r} beside {word!r}")
    if not {"re"} & asked and (flags := asked & _FLAGS.keys()):
        raise UnsupportedError("unknown modifier", f"the modifier {min(flags)!r} without 're'")


def _values(name: str, values: list[Any], modifiers: list[str], source: LogSource) -> Check:
    get = getter(name, source)
    if "exists" in modifiers:
        wanted = _YES_NO.get(str(values[0]).casefold()) if len(values) == 1 else None
        if wanted is None:
            raise UnsupportedError("detection not understood", "exists needs a single true or false")
        return lambda view: (get(view) is not None) == wanted
    if "fieldref" in modifiers:
        return either([_reference(get, str(item), modifiers, source) for item in values])
    absent = either([lambda view: not get(view)]) if None in values else None
    values = [item for item in values if item is not None]
    if "all" in modifiers:
        rest = [word for word in modifiers if word != "all"]
        checks = [_asked(get, _test([item], rest), name, rest, source) for item in values]
        return both([*checks, *([absent] if absent else [])])
    checks = [_asked(get, _test(values, modifiers), name, modifiers, source)] if values else []
    return either([*checks, *([absent] if absent else [])])


def _asked(get: Get, test: strings.Test, name: str, modifiers: Sequence[str], source: LogSource) -> Check:
    """The test of the field's text, in lower case where case does not count. `Data` is any element without a name."""
    cased = _is_cased(modifiers)

    def check(view: View) -> bool:
        text = get(view)
        return text is not None and test(text if cased else view.low(text))

    if name == "Data":
        return _any_of(test, cased, lambda view: [text for label, text in view.data.items() if _DATA.fullmatch(label)])
    if words := source.also.get(name):
        return _any_of(test, cased, lambda view: [] if (text := get(view)) is None else [text, words.get(text, text)])
    return check


def _any_of(test: strings.Test, cased: bool, texts: Callable[[View], list[str]]) -> Check:
    return lambda view: any(test(text if cased else view.low(text)) for text in texts(view))


def _is_cased(modifiers: Sequence[str]) -> bool:
    return not {"cased", "re", "cidr", "base64", "base64offset", *_NUMBERS}.isdisjoint(modifiers)


def _test(values: Sequence[Any], modifiers: Sequence[str]) -> strings.Test:
    """A test of a text that one of the values fulfils."""
    if "re" in modifiers:
        return _expressions([str(item) for item in values], modifiers)
    if "cidr" in modifiers:
        return _networks([str(item) for item in values])
    if numbers := [word for word in modifiers if word in _NUMBERS]:
        return _compared(values, numbers[0])
    texts = [_text(item) for item in values]
    if encodings := [word for word in modifiers if word in _ENCODINGS]:
        found: list[tuple[strings.Token, ...]] = [(text,) for text in strings.encoded(texts, encodings)]
    else:
        found = [strings.tokens(text) for text in texts]
    places = [word for word in modifiers if word in _PLACES]
    for place in places:
        found = [strings.around(item, place) for item in found]
    return strings.any_of(found, cased=_is_cased(modifiers), dashes="windash" in modifiers)


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _expressions(values: Sequence[str], modifiers: Sequence[str]) -> strings.Test:
    flags = re.NOFLAG
    for word in modifiers:
        flags |= _FLAGS.get(word, re.NOFLAG)
    searches = [Linear(value, flags).search for value in values]
    return searches[0] if len(searches) == 1 else lambda text: any(search(text) for search in searches)


def _networks(values: Sequence[str]) -> strings.Test:
    try:
        networks = [ipaddress.ip_network(value, strict=False) for value in values]
    except ValueError as error:
        raise UnsupportedError("detection not understood", f"cidr: {str(error)[:100]}") from None

    def test(text: str) -> bool:
        try:
            address = ipaddress.ip_address(text.strip())
        except ValueError:
            return False
        return any(address in network for network in networks)

    return test


def _compared(values: Sequence[Any], word: str) -> strings.Test:
    limits = [_number(str(value)) for value in values]
    known = [limit for limit in limits if limit is not None]
    if len(known) < len(limits):
        raise UnsupportedError("detection not understood", f"{word} needs a number")

    def test(text: str) -> bool:
        number = _number(text)
        if number is None:
            return False
        return any(
            number > item if word == "gt" else number >= item if word == "gte" else number < item if word == "lt"
            else number <= item
            for item in known
        )  # fmt: skip

    return test


def _number(text: str) -> float | None:
    """The number that a text is; None for one without end, or `nan`, too: nothing is more or less than these."""
    value = text.strip()
    try:
        number = float(int(value, 16)) if value.lower().startswith("0x") else float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _reference(get: Get, other: str, modifiers: Sequence[str], source: LogSource) -> Check:
    """Two fields of the same record held against each other."""
    places = [word for word in modifiers if word in _PLACES]
    if len(modifiers) > 1 + len(places) or len(places) > 1:
        raise UnsupportedError("unknown modifier", "fieldref is only understood alone or with a place in the text")
    if other == "None":
        raise UnsupportedError("detection not understood", "fieldref names no field")
    if not source.has(other):
        return lambda _: False
    second, place = getter(other, source), places[0] if places else ""

    def check(view: View) -> bool:
        one, two = get(view), second(view)
        if one is None or two is None:
            return False
        one, two = view.low(one), view.low(two)
        if place == "contains":
            return two in one
        return one.startswith(two) if place == "startswith" else one.endswith(two) if place else one == two

    return check


def _keywords(values: Sequence[Any], modifiers: Sequence[str]) -> Check:
    """Words that stand somewhere in what the record says: in one of its values, or in its provider's name."""
    rest = [word for word in modifiers if word != "all"]
    if set(rest) - {"contains", "cased", "re", "i", "m", "s"}:
        raise UnsupportedError("unknown modifier", f"the modifier {rest[0]!r} of words")
    wanted = [item for item in values if item is not None]
    if not wanted:
        raise UnsupportedError("detection not understood", "words that are empty")
    words = rest if "re" in rest else [*(word for word in rest if word != "contains"), "contains"]
    tests = [_test([item], words) for item in wanted] if "all" in modifiers else [_test(wanted, words)]
    cased = _is_cased(words)

    def check(view: View) -> bool:
        texts = [view.record.provider, *view.data.values()]
        shown = texts if cased else [view.low(text) for text in texts]
        return all(any(test(text) for text in shown) for test in tests)

    return check


def when_of(source: LogSource) -> list[Check]:
    """What must hold of every record of the source."""

    def one(get: Get, wanted: tuple[str, ...]) -> Check:
        return lambda view: (text := get(view)) is not None and view.low(text) in wanted

    return [one(getter(name, source), wanted) for name, wanted in source.when.items()]


def ids_in(detection: Any) -> frozenset[int] | None:  # noqa: ANN401
    """The event ids that a detection can hold of; None when it names none."""
    if isinstance(detection, list):
        each = [ids_in(item) for item in detection]
        return None if not each or None in each else frozenset().union(*(found for found in each if found is not None))
    if not isinstance(detection, Mapping):
        return None
    for key, value in detection.items():
        name, *modifiers = str(key).split("|")
        values = value if isinstance(value, list) else [value]
        if name in ("EventID", "EventId") and not modifiers:
            found = [int(item) for item in map(str, values) if item.isascii() and item.isdecimal() and len(item) < 6]
            return frozenset(found) if len(found) == len(values) else None
    return None
