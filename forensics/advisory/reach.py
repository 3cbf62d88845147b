"""Whether the sources that would tell were looked at, and how far back they go: what a `no` has to rest on.

"Nothing found" answers a question only if the source was read, records such things at all, and covers the time that
matters: from the first trace of a session on, or the days of `rules/advisory.yml` before the newest record. Otherwise
the answer is "cannot tell", and why is said for each source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from forensics.locales import say
from forensics.model import Coverage, LogSpan, Said, Verdicts
from forensics.rules import load
from forensics.sessions.rows import Rows, stamp
from forensics.sessions.texts import basename

_DETAIL = 160
_YOUNG = timedelta(days=1)


class Reach:
    """The coverage of one host's evidence, asked about one artifact at a time."""

    def __init__(self, coverage: Sequence[Coverage], rows: Rows, verdicts: Verdicts) -> None:
        self._rows = {row.artifact: row for row in coverage}
        self.spans = _longest(span for row in coverage for span in row.spans)
        self.cleared = {_log(row.get("cleared_channel")): row.time for row in rows.of("log.cleared") if row.time}
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

    def ask(self, groups: Sequence[Sequence[str]], records: Collection[str] = ()) -> tuple[bool, list[Said]]:
        """Whether of each group one source tells, and what is to be said of all of them."""
        told = [[self._of(name, needs_facts=name in records) for name in group] for group in groups]
        words = [word for group in told for _, found in group for word in found]
        return bool(told) and all(any(tells for tells, _ in group) for group in told), list(dict.fromkeys(words))

    def _of(self, artifact: str, *, needs_facts: bool) -> tuple[bool, list[Said]]:
        row = self._rows.get(artifact)
        if row is None:
            return False, [say("source.unknown", artifact=artifact)]
        is_log = any(path.casefold().endswith(".evtx") for path in row.sought)
        if row.state in ("unreadable", "partial"):
            return False, [say(f"source.{row.state}", artifact=artifact, detail=row.detail[:_DETAIL])]
        if row.state == "not_collected":
            return False, [say("source.not_collected", artifact=artifact)]
        if is_log and not row.spans:
            return False, [say("source.absent", artifact=artifact)]
        if needs_facts and not row.facts:
            return False, [say("source.silent", artifact=artifact)]
        return self._of_log(row) if is_log else (True, [say("source.nothing", artifact=artifact)])

    def _of_log(self, row: Coverage) -> tuple[bool, list[Said]]:
        """A log tells for the time that it covers; one that was cleared, or is too young, does not tell of before."""
        spans = _longest(row.spans)
        short = next((span for name, span in spans.items() if not self._covers(name, span)), None)
        if short is not None:
            if short.first is None:
                return False, [say("source.empty", artifact=row.artifact)]
            parts = {"log": short.path.rpartition("/")[2], "first": stamp(short.first)}
            return False, [say("source.short", artifact=row.artifact, **parts)]
        first = max(span.first for span in spans.values() if span.first)
        last = min(span.last for span in spans.values() if span.last)
        return True, [say("source.nothing_since", artifact=row.artifact, first=stamp(first), last=stamp(last))]

    def _covers(self, name: str, span: LogSpan) -> bool:
        if span.first is None or span.last is None:
            return False
        if self._needed is not None and span.first <= self._needed:
            return True
        oldest = self.oldest()  # of a young host no log goes back farther; a recorder that came later is another matter
        whole = span.first_record == 1 and name not in self.cleared
        return whole and oldest is not None and span.first - oldest <= _YOUNG


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
