"""Rules as a whole: which of them are evaluated, which records they want, and which of them match a record.

The examiner's process reads the files and finds out what is supported (`make`); what it gives is plain data that
travels to the workers, which make the tests of it once each (`Matcher`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from forensics.formats.evtx_record import Record
from forensics.sigma import conditions, detection, needles
from forensics.sigma.conditions import Expression, Join, Name
from forensics.sigma.detection import Check, View
from forensics.sigma.errors import UnsupportedError
from forensics.sigma.sources import LogSource, sources_of

_ANY = -1  # the shelf of rules about every id
EVERY_ID = frozenset(range(0x10000))  # an event id is a 16-bit number
LEVELS = ("informational", "low", "medium", "high", "critical")
_NO_LEVEL = "informational"
_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.IGNORECASE)
_MOST_TEXT, _MOST_SHOWN, _MOST_TAGS, _MOST_DETECTIONS = 200, 500, 50, 100
_COUNTING = ("correlation", "action")


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One supported rule as plain data. `file` is its place in the folder, `level` one of Sigma's."""

    file: str
    id: str
    title: str
    level: str
    attack: tuple[str, ...]
    logsource: Mapping[str, Any]
    detection: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What the rule is called by: its id, else its file."""
        return self.id or self.file


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule, or a file, that is not evaluated: `group` is the short reason, `why` the whole one."""

    file: str
    rule: str
    title: str
    group: str
    why: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a folder: those that are evaluated, and those that are not."""

    folder: str
    rules: tuple[Rule, ...] = ()
    refused: tuple[Refused, ...] = ()

    def wants(self) -> dict[str, frozenset[int]]:
        """The event ids wanted of each channel."""
        return {channel: frozenset(ids) for channel, ids in matcher(self.rules).wants.items()}


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that a record fulfils, and what the fields say that it asks for."""

    rule: Rule
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A rule made ready for one source."""

    rule: Rule
    check: Check
    shown: tuple[tuple[str, detection.Get], ...]
    words: needles.Words


def make(file: str, document: Any, position: int = 0) -> Rule | Refused:  # noqa: ANN401  # whatever a file holds
    """The rule that a document is, or why it is not evaluated. `position`: its number among several of a file."""
    place = f"{file}#{position + 1}" if position else file
    if not isinstance(document, dict):
        return Refused(place, "", "", "no rule", "the document is no mapping")
    ident, title = _words(document.get("id")), _words(document.get("title"))
    try:
        rule = _rule(place, ident, title, document)
        for source in sources_of(rule.logsource):
            _ready(rule, source)
    except UnsupportedError as error:
        return Refused(place, ident, title, error.group, error.why)
    except RecursionError:
        return Refused(place, ident, title, "nested too deeply", "nested too deeply")
    return rule


def _rule(place: str, ident: str, title: str, document: Mapping[str, Any]) -> Rule:
    for word in _COUNTING:
        if word in document:
            raise UnsupportedError(word, f"{word}: only rules about single events are evaluated")
    detections = document.get("detection")
    if not isinstance(detections, dict) or "condition" not in detections:
        raise UnsupportedError("no rule", "the document has no detection with a condition")
    if "timeframe" in detections:
        raise UnsupportedError("aggregation", "timeframe: only rules about single events are evaluated")
    if len(detections) > _MOST_DETECTIONS:
        raise UnsupportedError("too many detections")
    level = str(document.get("level") or "").casefold()
    tags = document.get("tags") if isinstance(document.get("tags"), list) else []
    found = [met.group(1).upper() for tag in (tags or [])[:_MOST_TAGS] if (met := _TECHNIQUE.fullmatch(str(tag)))]
    logsource = document.get("logsource")
    rule = Rule(place, ident, title or place, level if level in LEVELS else _NO_LEVEL, tuple(dict.fromkeys(found)),
                logsource if isinstance(logsource, dict) else {}, detections)  # fmt: skip
    _check_fields(rule)
    return rule


def _words(value: object) -> str:
    return " ".join(str(value or "").split())[:_MOST_TEXT]


def _check_fields(rule: Rule) -> None:
    """A field that no source of the rule has would never match: the rule is about another version of the log."""
    sources = sources_of(rule.logsource)
    for name in sorted({name for item in _detections(rule).values() for name in detection.fields_of(item)}):
        if not any(source.has(name) for source in sources):
            raise UnsupportedError("unknown field", f"records of its logsource have no field {name[:60]!r}")


def _detections(rule: Rule) -> dict[str, Any]:
    return {name: item for name, item in rule.detection.items() if name != "condition"}


def _expression(rule: Rule) -> Expression:
    condition = rule.detection["condition"]
    texts = condition if isinstance(condition, list) else [condition]
    names = list(_detections(rule))
    found = tuple(conditions.parse(str(text), names) for text in texts)
    if not found:
        raise UnsupportedError("condition not understood", "the rule has no condition")
    return found[0] if len(found) == 1 else Join("or", found)


def _ready(rule: Rule, source: LogSource) -> tuple[_Ready, frozenset[int]]:
    """The rule's test for a source, and the event ids that can fulfil it."""
    expression, detections = _expression(rule), _detections(rule)
    checks = {name: detection.check_of(item, source) for name, item in detections.items()}
    check = detection.both([*detection.when_of(source), _compiled(expression, checks)])
    asked = list(dict.fromkeys(name for item in detections.values() for name in sorted(detection.fields_of(item))))
    shown = tuple((name, detection.getter(name, source)) for name in asked if source.has(name))
    said = _ids(expression, detections)
    ids = EVERY_ID if said is None else said
    return _Ready(
        rule, check, shown, needles.needed(expression, detections)
    ), ids if source.ids is None else ids & source.ids


def _compiled(expression: Expression, checks: Mapping[str, Check]) -> Check:
    if isinstance(expression, Name):
        return checks[expression.name]
    parts = [_compiled(part, checks) for part in expression.parts]
    if expression.word == "not":
        only = parts[0]
        return lambda view: not only(view)
    return detection.both(parts) if expression.word == "and" else detection.either(parts)


def _ids(expression: Expression, detections: Mapping[str, Any]) -> frozenset[int] | None:
    """The event ids that the expression can hold of; None where it does not restrict them."""
    if isinstance(expression, Name):
        return detection.ids_in(detections[expression.name])
    if expression.word == "not":
        return None
    each = [_ids(part, detections) for part in expression.parts]
    known = [found for found in each if found is not None]
    if expression.word == "or":
        return frozenset().union(*known) if len(known) == len(each) else None
    return frozenset.intersection(*known) if known else None


class _Shelf:
    """The rules about records of one channel and id, by the words that a record must have one of."""

    def __init__(self, ready: Sequence[_Ready]) -> None:
        self._ready = ready
        self._always = [place for place, item in enumerate(ready) if item.words is None]
        self._by_word: dict[str, list[int]] = {}
        for place, item in enumerate(ready):
            for word in item.words or ():
                self._by_word.setdefault(word, []).append(place)

    def candidates(self, record: Record) -> list[_Ready]:
        """The rules that the record may match, in their order."""
        if not self._by_word:
            return list(self._ready)
        found = set(self._always)
        for word in needles.words_in(record.data.values()) & self._by_word.keys():
            found.update(self._by_word[word])
        return [self._ready[place] for place in sorted(found)]


class Matcher:
    """All rules, by the channel and id of the records that they are about."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.wants: dict[str, set[int]] = {}
        by_channel: dict[str, dict[int, list[_Ready]]] = {}
        for rule in rules:
            for source in sources_of(rule.logsource):
                ready, ids = _ready(rule, source)
                self.wants.setdefault(source.channel, set()).update(ids)
                by_id = by_channel.setdefault(source.channel.casefold(), {})
                for event in ids if ids != EVERY_ID else (_ANY,):
                    by_id.setdefault(event, []).append(ready)
        self.wants = {channel: ids for channel, ids in self.wants.items() if ids}
        self._shelves: dict[str, dict[int, _Shelf]] = {
            channel: {event: _Shelf([*ready, *(by_id.get(_ANY, ()) if event != _ANY else ())])
                      for event, ready in by_id.items()}
            for channel, by_id in by_channel.items()
        }  # fmt: skip

    def matches(self, record: Record) -> list[Match]:
        """The rules that the record fulfils, in the order of the rules."""
        view = View(record)
        return [Match(item.rule, _shown(item, view)) for item in self._candidates(record) if item.check(view)]

    def hits(self, record: Record) -> bool:
        """Whether some rule matches."""
        view = View(record)
        return any(item.check(view) for item in self._candidates(record))

    def _candidates(self, record: Record) -> Sequence[_Ready]:
        shelves = self._shelves.get(record.channel.casefold(), {})
        shelf = shelves.get(record.event_id) or shelves.get(_ANY)
        return shelf.candidates(record) if shelf else ()


def _shown(item: _Ready, view: View) -> tuple[tuple[str, str], ...]:
    pairs: Iterable[tuple[str, str | None]] = ((name, get(view)) for name, get in item.shown)
    return tuple((name, text[:_MOST_SHOWN]) for name, text in pairs if text)


@lru_cache(maxsize=2)
def matcher(rules: tuple[Rule, ...]) -> Matcher:
    """The matcher of these rules, made once in a process."""
    return Matcher(rules)
