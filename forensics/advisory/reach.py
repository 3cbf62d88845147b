"""Whether the sources that would tell were looked at, and how far back they go: what a `no` has to rest on.

"Nothing found" answers a question only if the source was read, records such things at all, and covers the time that
matters: from the first trace of a session on, or the days of `rules/advisory.yml` before the newest record. Otherwise
the answer is "cannot tell", and why is said for each source, with what is to be collected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from forensics.locales import joined, quoted, say
from forensics.model import AdvisorySource, Coverage, LogSpan, Said, Verdicts
from forensics.rules import load
from forensics.sessions.rows import Rows, short, stamp
from forensics.sessions.texts import basename

_DETAIL = 160
_PLACES = 2
_YOUNG = timedelta(days=1)
_HIVES = "office_trust_records"  # which reads the hives of users and nothing else
_JOURNAL = "usn_journal"  # the one source beside the logs that has a period


@dataclass(slots=True)
class Told:
    """What the sources of a question say: whether "no" is theirs to say, in words, each source, and for what time."""

    tells: bool = False
    words: list[Said] = field(default_factory=list)
    sources: tuple[AdvisorySource, ...] = ()
    first: datetime | None = None
    last: datetime | None = None


class Reach:
    """The coverage of one host's evidence, asked about one artifact at a time."""

    def __init__(self, coverage: Sequence[Coverage], rows: Rows, verdicts: Verdicts, people: int = 0) -> None:
        self._rows = {row.artifact: row for row in coverage}
        self._people = people  # whose profiles the host knows
        self.spans = _longest(span for row in coverage for span in row.spans)
        self.cleared = {_log(row.get("cleared_channel")): row.time for row in rows.of("log.cleared") if row.time}
        self._journal = _span_of(row.time for row in rows.of("usn.journal") if row.time)
        self._needed = self._wanted(verdicts)

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
        groups, also = question.get("tells", ()), question.get("also", ())
        told = [[self._of(name, question) for name in group] for group in (*groups, also)]
        asked = told[:-1]
        tells = bool(asked) and all(any(source.tells for source, _ in group) for group in asked)
        first, last = _period([[source for source, _ in group] for group in asked])
        every = {source.artifact: source for group in told for source, _ in group}
        words = [word for group in told for _, word in group]
        return Told(tells, list(dict.fromkeys(words)), tuple(every.values()), first, last)

    def _of(self, artifact: str, question: Mapping[str, Any]) -> tuple[AdvisorySource, Said]:
        row = self._rows.get(artifact)
        if row is None:
            return AdvisorySource(artifact, "unknown", tells=False), say("source.unknown", artifact=artifact)
        is_log = any(path.casefold().endswith(".evtx") for path in row.sought)
        spans = _longest(row.spans)
        first, last = _common(spans) if is_log else (self._journal if artifact == _JOURNAL else (None, None))
        silent = artifact in question.get("records", ()) and not row.facts
        tells, word = self._judged(row, spans, is_log=is_log, silent=silent)
        if artifact == _JOURNAL and tells:
            tells, word = self._of_journal()
        hives = self._rows[_HIVES].found if _HIVES in self._rows else 0
        if tells and artifact in question.get("of_each_user", ()) and hives < self._people:
            tells = False
            word = say("source.some_users", artifact=artifact, found=hives, count=self._people)
        return AdvisorySource(artifact, row.state, tells, first, last), word

    def _judged(
        self, row: Coverage, spans: dict[str, LogSpan], *, is_log: bool, silent: bool
    ) -> tuple[bool, Said]:  # fmt: skip
        artifact = row.artifact
        if row.state in ("unreadable", "partial"):
            detail = quoted(row.detail, parts=True)
            shown = Said(short(detail.en, _DETAIL), short(detail.ja, _DETAIL))
            return False, say(f"source.{row.state}", artifact=artifact, detail=shown)
        if row.state == "not_collected":
            more = " …" if len(row.sought) > _PLACES else ""
            places = ", ".join(row.sought[:_PLACES]) + more
            hint = joined([quoted(places), *(quoted(part) for part in row.detail.split("; ") if part)])
            return False, say("source.not_collected", artifact=artifact, places=hint)
        if is_log and not row.spans:
            names = ", ".join(path.rpartition("/")[2] for path in row.sought[:_PLACES])
            return False, say("source.absent", artifact=artifact, names=names)
        if silent:
            return False, say("source.silent", artifact=artifact)
        return self._of_log(row, spans) if is_log else (True, say("source.nothing", artifact=artifact))

    def _of_log(self, row: Coverage, spans: dict[str, LogSpan]) -> tuple[bool, Said]:
        """A log tells for the time that it covers; one that was cleared, or is too young, does not tell of before."""
        short = next((span for name, span in spans.items() if not self._covers(name, span)), None)
        if short is not None:
            if short.first is None or short.until is None:
                return False, say("source.empty", artifact=row.artifact)
            parts = {"log": short.path.rpartition("/")[2], "first": stamp(short.first), "last": stamp(short.until)}
            return False, say("source.short", artifact=row.artifact, **parts)
        first, last = _common(spans)
        if first is None or last is None:
            return False, say("source.empty", artifact=row.artifact)
        return True, say("source.nothing_since", artifact=row.artifact, first=stamp(first), last=stamp(last))

    def _of_journal(self) -> tuple[bool, Said]:
        """The change journal, which holds days or weeks; without its own period it tells of none."""
        first, last = self._journal
        if first is None or last is None:
            return False, say("source.empty", artifact=_JOURNAL)
        if self._needed is not None and first > self._needed:
            return False, say(
                "source.short", artifact=_JOURNAL, log="$UsnJrnl:$J", first=stamp(first), last=stamp(last)
            )
        return True, say("source.nothing_since", artifact=_JOURNAL, first=stamp(first), last=stamp(last))

    def _covers(self, name: str, span: LogSpan) -> bool:
        if span.first is None or span.last is None:
            return False
        if self._needed is not None and span.first <= self._needed:
            return True
        oldest = self.oldest()  # of a young host no log goes back farther; a recorder that came later is another matter
        whole = span.first_record == 1 and name not in self.cleared
        return whole and oldest is not None and span.first - oldest <= _YOUNG


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
