"""Whether the sources that would tell were looked at, and how far back they go: what a `no` has to rest on.

"Nothing found" answers a question only if the source was read, records such things at all, and covers the time that
matters: from the first trace of a session on, or the days of `rules/advisory.yml` before the newest record. Otherwise
the answer is "cannot tell", and why is said for each source, with what is to be collected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from forensics.advisory.removed import emptied
from forensics.artifacts.base import RegistryArtifact, all_artifacts
from forensics.locales import joined, quoted, say
from forensics.model import AdvisorySource, Coverage, LogSpan, Said, Verdicts
from forensics.rules import load
from forensics.rules.collection import hint
from forensics.rules.removals import strong
from forensics.sessions.rows import Rows, short, stamp
from forensics.sessions.texts import basename

_DETAIL = 160
_PLACES = 2
_NAMED = 10
_YOUNG = timedelta(days=1)
_HIVES = "office_trust_records"  # which reads the hives of users and nothing else
_CLASSES = "mui_cache"  # which reads these and the hives of users' classes
_JOURNAL = "usn_journal"  # the one source beside the logs that has a period


@dataclass(slots=True)
class Told:
    """What the sources of a question say: whether "no" is theirs to say, in words, each source, and for what time."""

    tells: bool = False
    words: list[Said] = field(default_factory=list)
    sources: tuple[AdvisorySource, ...] = ()
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A sentence about an artifact before its name is put in."""

    key: str
    parts: tuple[tuple[str, object], ...]


def _word(key: str, **parts: object) -> Word:
    return Word(key, tuple(parts.items()))


def _together(told: Iterable[tuple[str, Word]]) -> list[Said]:
    """Each sentence once, for all artifacts of which it is said."""
    found: dict[Word, list[str]] = {}
    for artifact, word in told:
        found.setdefault(word, []).append(artifact)
    return [say(word.key, artifact=_names(names), **dict(word.parts)) for word, names in found.items()]


def _names(artifacts: Iterable[str]) -> str:
    """The first of them and how many more; the answer's `sources` have each."""
    named = list(dict.fromkeys(artifacts))
    more = f", … (+{len(named) - _NAMED})" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more


def _counted(signs: Mapping[str, int]) -> Said:
    """The kinds of signs, with how many there are of one that is there more than once."""
    return joined(
        Said(f"{kind}{more}", f"{quoted(kind).ja}{more}")
        for kind, count in signs.items()
        for more in [f" ({count})" if count > 1 else ""]
    )


@cache
def feeds(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The artifacts that give rows of these kinds, by their own declarations."""
    return tuple(item.name for item in all_artifacts() if not item.emits.keys().isdisjoint(kinds))


@cache
def hives_of(artifact: str) -> frozenset[str]:
    """The kinds of hives that an artifact reads, by its declaration."""
    named = (item for item in all_artifacts() if item.name == artifact and isinstance(item, RegistryArtifact))
    return next((item.hives for item in named), frozenset())


class Reach:
    """The coverage of one host's evidence, asked about one artifact at a time."""

    def __init__(self, coverage: Sequence[Coverage], rows: Rows, verdicts: Verdicts, people: int = 0) -> None:
        self._rows = {row.artifact: row for row in coverage}
        self._people = people  # whose profiles the host knows
        self.spans = _longest(span for row in coverage for span in row.spans)
        self.cleared = {_log(row.get("cleared_channel")): row.time for row in rows.of("log.cleared") if row.time}
        self._journal = _span_of(row.time for row in rows.of("usn.journal") if row.time)
        self._needed = self._wanted(verdicts)
        self._emptied = emptied(verdicts.anti_forensics)
        self.strong = len(strong(verdicts.anti_forensics))  # signs that traces were removed

    def _wanted(self, verdicts: Verdicts) -> datetime | None:
        """The moment from which on a source has to tell; None where no log has a record."""
        newest = max((span.last for span in self.spans.values() if span.last), default=None)
        if newest is None:
            return None
        days = timedelta(days=load("advisory")["reach_days"])
        return min([newest - days, *_traces(verdicts)])

    def oldest(self) -> datetime | None:
        """The time of the oldest record of any log."""
        return min((span.first for span in self.spans.values() if span.first), default=None)

    def state(self, artifact: str) -> str:
        """The state of an artifact's coverage, "unknown" where nobody gave it."""
        row = self._rows.get(artifact)
        return row.state if row else "unknown"

    def ask(self, question: Mapping[str, Any]) -> Told:
        """Whether of each group of `tells` one source tells, and what is to be said of all that it names."""
        feeding = [[name] for name in feeds(tuple(question.get("feeds", ())))]
        groups, also = [*question.get("tells", ()), *feeding], question.get("also", ())
        told = [[self._of(name, question) for name in group] for group in (*groups, also)]
        asked = told[:-1]
        tells = bool(asked) and all(any(source.tells for source, _ in group) for group in asked)
        first, last = _period([[source for source, _ in group] for group in asked])
        every = {source.artifact: source for group in told for source, _ in group}
        listed = sorted((one for group in told for one in group), key=lambda one: one[0].tells)
        words = _together((source.artifact, word) for source, word in listed)
        return Told(tells, words, tuple(every.values()), first, last)

    def _of(self, artifact: str, question: Mapping[str, Any]) -> tuple[AdvisorySource, Word]:
        row = self._rows.get(artifact)
        if row is None:
            return AdvisorySource(artifact, "unknown", tells=False), _word("source.unknown")
        is_log = any(path.casefold().endswith(".evtx") for path in row.sought)
        spans = _longest(row.spans)
        first, last = _common(spans) if is_log else (self._journal if artifact == _JOURNAL else (None, None))
        silent = artifact in question.get("records", ()) and not row.facts
        tells, word = self._judged(_places(row, question), spans, is_log=is_log, silent=silent)
        if artifact == _JOURNAL and tells:
            tells, word = self._of_journal()
        if tells and (signs := self._emptied.get(artifact)):
            tells, word = False, _word("source.emptied", signs=_counted(signs))
        if tells and (lack := self._lacks_users(artifact, question)):
            tells, word = False, lack
        if tells and word.key == "source.nothing" and question.get("feeds"):
            word = _word("source.no_entry", score=load("advisory")["suspicious"])
        return AdvisorySource(artifact, row.state, tells, first, last), word

    def _lacks_users(self, artifact: str, question: Mapping[str, Any]) -> Word | None:
        """What is to be said where not every person's hive was there for an artifact that reads those."""
        if artifact in question.get("of_each_user", ()):
            hives = frozenset({"NTUSER"})
        else:
            hives = hives_of(artifact) if question.get("feeds") else frozenset()
        own = self._found(_HIVES)
        found = {"NTUSER": ("NTUSER.DAT", own), "USRCLASS": ("UsrClass.dat", max(self._found(_CLASSES) - own, 0))}
        for hive, (name, count) in found.items():
            if hive in hives and count < self._people:
                return _word("source.some_users", hive=name, found=count, count=self._people)
        return None

    def _found(self, artifact: str) -> int:
        return self._rows[artifact].found if artifact in self._rows else 0

    def _judged(
        self, row: Coverage, spans: dict[str, LogSpan], *, is_log: bool, silent: bool
    ) -> tuple[bool, Word]:  # fmt: skip
        if row.state in ("unreadable", "partial"):
            detail = quoted(row.detail, parts=True)
            shown = Said(short(detail.en, _DETAIL), short(detail.ja, _DETAIL))
            return False, _word(f"source.{row.state}", detail=shown)
        if row.state == "not_collected":
            more = " …" if len(row.sought) > _PLACES else ""
            places = ", ".join(row.sought[:_PLACES]) + more
            hint = joined([quoted(places), *(quoted(part) for part in row.detail.split("; ") if part)])
            return False, _word("source.not_collected", places=hint)
        if is_log and not row.spans:
            names = ", ".join(path.rpartition("/")[2] for path in row.sought[:_PLACES])
            return False, _word("source.absent", names=names)
        if silent:
            return False, _word("source.silent" if is_log else "source.lacking")
        if (count := row.facts + row.context) < load("advisory")["sparse"].get(row.artifact, 0):
            return False, _word("source.sparse", count=count)
        return self._of_log(spans) if is_log else (True, _word("source.nothing"))

    def _of_log(self, spans: dict[str, LogSpan]) -> tuple[bool, Word]:
        """A log tells for the time that it covers; one that was cleared, or is too young, does not tell of before."""
        short = next((span for name, span in spans.items() if not self._covers(name, span)), None)
        if short is not None:
            if short.first is None or short.until is None:
                return False, _word("source.empty")
            parts = {"log": short.path.rpartition("/")[2], "first": stamp(short.first), "last": stamp(short.until)}
            return False, _word("source.short", **parts)
        first, last = _common(spans)
        if first is None or last is None:
            return False, _word("source.empty")
        return True, _word("source.nothing_since", first=stamp(first), last=stamp(last))

    def _of_journal(self) -> tuple[bool, Word]:
        """The change journal, which holds days or weeks; without its own period it tells of none."""
        first, last = self._journal
        if first is None or last is None:
            return False, _word("source.empty")
        if self._needed is not None and first > self._needed:
            return False, _word("source.short", log="$UsnJrnl:$J", first=stamp(first), last=stamp(last))
        return True, _word("source.nothing_since", first=stamp(first), last=stamp(last))

    def _covers(self, name: str, span: LogSpan) -> bool:
        if span.first is None or span.last is None:
            return False
        if self._needed is not None and span.first <= self._needed:
            return True
        oldest = self.oldest()  # of a young host no log goes back farther; a recorder that came later is another matter
        whole = span.first_record == 1 and name not in self.cleared
        return whole and oldest is not None and span.first - oldest <= _YOUNG


def _places(row: Coverage, question: Mapping[str, Any]) -> Coverage:
    """The coverage with the places alone that the question is about, where an artifact seeks others, too."""
    pattern = question.get("places", {}).get(row.artifact)
    fitting = tuple(path for path in row.sought if pattern and re.search(pattern, path.casefold()))
    if not fitting:
        return row
    return replace(row, sought=fitting, detail=hint(fitting) if row.state == "not_collected" else row.detail)


def sparse(coverage: Sequence[Coverage]) -> list[str]:
    """What is to be said of hives that were read and hold less than any Windows has."""
    least = load("advisory")["sparse"]
    return [
        f"{row.artifact}: only {row.facts + row.context} rows: the hive is not that of a whole Windows, "
        "or it was emptied or replaced; its silence is no answer"
        for row in coverage
        if row.state == "complete" and row.facts + row.context < least.get(row.artifact, 0)
    ]


def _period(groups: list[list[AdvisorySource]]) -> tuple[datetime | None, datetime | None]:
    """The time that sources of all groups tell for: of each group the one that goes back farthest."""
    found = []
    for group in groups:
        dated = [source for source in group if source.first and source.last]
        best = [source for source in dated if source.tells] or dated
        timeless = any(source.tells and not source.first for source in group)
        if best and not timeless:
            found.append(min(best, key=lambda source: (source.first is None, source.first)))
    first = max((source.first for source in found if source.first), default=None)
    last = min((source.last for source in found if source.last), default=None)
    return (first, last) if first and last and first <= last else (None, None)


def _common(spans: dict[str, LogSpan]) -> tuple[datetime | None, datetime | None]:
    """The time that all logs of one source cover."""
    first = max((span.first for span in spans.values() if span.first), default=None)
    return first, min((span.until for span in spans.values() if span.until), default=None)


def _span_of(moments: Iterable[datetime]) -> tuple[datetime | None, datetime | None]:
    known = sorted(moments)
    return (known[0], known[-1]) if known else (None, None)


def _log(channel: str) -> str:
    return channel.replace("/", "%4").casefold() + ".evtx"


def _longest(spans: Iterator[LogSpan] | Sequence[LogSpan]) -> dict[str, LogSpan]:
    """The period of each log by its folded file name; of several views the one that goes back farthest."""
    found: dict[str, LogSpan] = {}
    for span in spans:
        name = basename(span.path).casefold()
        held = found.get(name)
        if held is None or (span.first and (held.first is None or span.first < held.first)):
            found[name] = span
    return found


def _traces(verdicts: Verdicts) -> Iterator[datetime]:
    """When what the tool found begins: before that nothing is asked for."""
    for session in verdicts.sandbox_sessions:
        if moment := session.start or session.start_earliest or session.start_latest:
            yield moment
    for tunnel in verdicts.tunnel_sessions:
        yield from (period.start for period in tunnel.hosting if period.start)
