"""Rows that answer a question with yes, chosen by the data of `rules/advisory.yml`, and how they are told."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from forensics.locales import quoted, say
from forensics.model import Said
from forensics.rules import load
from forensics.sessions.rows import Row, Rows, short, stamp

_TEXT = 16 * 1024
_SHOWN = 160
_OURS = frozenset({"trust_meaning", "trust_origin", "program_role", "policy_origin"})  # fields with words of ours


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _text(row: Row, name: str) -> str:
    text = row.text() if name == "*" else row.get(name).casefold()
    return text[:_TEXT]


def _fits(row: Row, hit: Mapping[str, Any]) -> bool:
    if not all(_pattern(pattern).search(_text(row, name)) for name, pattern in hit.get("has", {}).items()):
        return False
    return not any(_pattern(pattern).search(_text(row, name)) for name, pattern in hit.get("lacks", {}).items())


def _of(rows: Rows, kinds: Iterable[str]) -> list[Row]:
    found: list[Row] = []
    for kind in kinds:
        found += rows.under(kind[:-1]) if kind.endswith("*") else rows.of(kind)
    return found


class Hits:
    """What was found for one question: rows with what is told of each; `aside` are ids of rows that do not count."""

    def __init__(self, question: Mapping[str, Any], rows: Rows, aside: Collection[str] = ()) -> None:
        self._question = question
        self._told: dict[str, tuple[Row, Said]] = {}
        for hit in question.get("hits", ()):
            for row in _of(rows, hit["kinds"]):
                if row.id not in self._told and row.id not in aside and _fits(row, hit):
                    self._told[row.id] = (row, _words(row, hit["says"]))

    def __bool__(self) -> bool:
        return bool(self._told)

    @property
    def rows(self) -> list[Row]:
        """The rows, in order."""
        return sorted((row for row, _ in self._told.values()), key=lambda row: row.order)

    def said(self) -> list[Said]:
        """One sentence for each thing found, by its first time; what matters most first."""
        once: dict[Said, Row] = {}
        for row, words in sorted(self._told.values(), key=lambda item: item[0].order):
            once.setdefault(words, row)
        front = self._question.get("first")
        if front:
            first = _pattern(front)
            ranked = sorted(once.items(), key=lambda item: not first.search(item[0].en.casefold()))
        else:
            ranked = list(once.items())
        most = load("advisory")["most_hits"]
        told = [say("hit", time=when(row), what=words, marks=self._marks(words.en)) for words, row in ranked[:most]]
        return [*told, say("hit.more", count=len(ranked) - most)] if len(ranked) > most else told

    def _marks(self, words: str) -> Said:
        folded = words.casefold()
        named = [name for name, text in self._question.get("marks", {}).items() if _pattern(text).search(folded)]
        return marks(named)


def marks(names: Sequence[str]) -> Said:
    """Remarks in brackets, by their key in the locales; nothing when there are none."""
    said = [say(f"mark.{name}") for name in names]
    if not said:
        return Said("", "")
    return Said(f" ({'; '.join(item.en for item in said)})", f"({'、'.join(item.ja for item in said)})")


def when(row: Row) -> Said:
    """The time of a row, or that it has none."""
    return moment(row.time) if row.time else say("undated")


def moment(time: Any) -> Said:  # noqa: ANN401  # a time or None
    """A time in the form of the reasons, the same in both languages."""
    return Said(stamp(time), stamp(time)) if time else say("undated")


def _value(row: Row, name: str) -> str:
    value = row.fields.get(name)
    return " ".join(value) if isinstance(value, tuple) else row.get(name)


def _words(row: Row, fields: Iterable[str]) -> Said:
    """The fields that the question shows, each once; a row that has none of them is told by its place."""
    values = [(name, short(text, _SHOWN)) for name in fields if (text := _value(row, name))]
    said = list(dict.fromkeys(quoted(text) if name in _OURS else Said(text, text) for name, text in values))
    if not said:
        place = short(f"{row.kind}: {row.source.path} {row.source.locator}", _SHOWN)
        return Said(place, place)
    return Said(", ".join(item.en for item in said), "、".join(item.ja for item in said))


__all__ = ["Hits", "marks", "moment", "when"]
