"""Takes the facts and problems of one job: every string is made safe here, on its way out of an artifact.

Facts go to two files beside each other, `<spool>.kept` and `<spool>.context`, flushed often, so that a killed job
leaves what it had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, TextIO

from forensics.artifacts.base import Artifact
from forensics.formats import FormatError
from forensics.model import GUEST, GUEST_DRIVE, ClockStep, Fact, LogSpan, Problem, Source
from forensics.safety import safe_fact
from forensics.spool import encode_fact, open_spool
from forensics.text import clean, mask_secrets

_FLUSH_EVERY = 256
_MOST_PROBLEMS = 1_000
_MOST_COMPUTERS = 1_000
_BACK = timedelta(minutes=5)  # that a stamp lies before that of the record before it, as in formats/evtx_period.py
_MOST_CLEARINGS = 100  # distinct ones of one log
KEPT, CONTEXT = ".kept", ".context"


@dataclass(slots=True)
class Count:
    """What one artifact made of one file.

    `recovered` facts (among `facts`) are of records that the log does not count, `gone` are such records of which only
    number and time are left, written between `gone_from` and `gone_to` (ISO 8601, "" when there are none).
    """

    claimed: int = 0
    parsed: int = 0
    facts: int = 0
    context: int = 0
    recovered: int = 0
    gone: int = 0
    gone_from: str = ""
    gone_to: str = ""
    unkept: int = 0
    old: int = 0

    def add(self, other: Count) -> None:
        """Count another part of the same file in."""
        self.claimed += other.claimed
        self.parsed += other.parsed
        self.facts += other.facts
        self.context += other.context
        self.recovered += other.recovered
        self.gone += other.gone
        self.unkept += other.unkept
        self.old += other.old
        self.gone_from = min(filter(None, (self.gone_from, other.gone_from)), default="")
        self.gone_to = max(self.gone_to, other.gone_to)


class Clearing(NamedTuple):
    """An event log was cleared: which, when, and the record that tells it."""

    channel: str
    time: datetime
    told_by: str


@dataclass(slots=True)
class HiveNote:
    """What kind of hive a file is, whether its logs were replayed, and what its free cells hold.

    `state`: clean | replayed | dirty_not_replayed. Of the deleted `keys` and `values`, `rows` became facts, `repeated`
    say what a live key or another deleted one says, `unread` made no sense to a parser; no artifact asks for the rest.
    `refused` only looked like records, `alive` is in use once the logs are replayed, `broken` bins could not be
    followed to their end, `cut` says that there was more than is looked at.
    """

    kind: str
    state: str
    keys: int = 0
    values: int = 0
    refused: int = 0
    alive: int = 0
    broken: int = 0
    rows: int = 0
    repeated: int = 0
    unread: int = 0
    cut: bool = False


@dataclass(slots=True)
class JobResult:
    """The outcome of a job: counts by artifact and what could not be read.

    `noted` are the hashes that the collector wrote down (one that the file does not fulfil is a problem), `times` the
    file's own times as far as the evidence kept them, `beside` the SHA-256 of files that were read with it (its `-wal`)
    by suffix; `damaged` says that it was read from parts of an image that fail their checksum; `hive` is there when the
    file was opened as a hive. Of an event log, `computers` counts the names in the records that were read, `span` is
    its period, `clearings` are those of logs that it tells of.
    """

    path: str
    sha256: str | None = None
    counts: dict[str, Count] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    dropped_problems: int = 0
    noted: dict[str, str] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)
    damaged: bool = False
    hive: HiveNote | None = None
    computers: dict[str, int] = field(default_factory=dict)
    span: LogSpan | None = None
    clearings: list[Clearing] = field(default_factory=list)

    def add(self, other: JobResult) -> None:
        """Take in the outcome of another part of the same file."""
        self.sha256 = self.sha256 or other.sha256
        self.noted.update(other.noted)
        self.times.update(other.times)
        self.beside.update(other.beside)
        self.damaged = self.damaged or other.damaged
        self.hive = self.hive or other.hive
        for name, count in other.counts.items():
            self.counts.setdefault(name, Count()).add(count)
        for name, records in other.computers.items():
            self.name_computer(name, records)
        self.span = _joined(self.span, other.span) if self.span and other.span else self.span or other.span
        for clearing in other.clearings:
            self.note_clearing(clearing)
        self.problems.extend(other.problems)
        self.dropped_problems += other.dropped_problems

    def name_computer(self, name: str, records: int = 1) -> None:
        """Count a computer's name in; a log full of made-up ones costs no memory."""
        if name and (name in self.computers or len(self.computers) < _MOST_COMPUTERS):
            self.computers[name] = self.computers.get(name, 0) + records

    def note_clearing(self, clearing: Clearing) -> None:
        """Note that a log was cleared; a log that tells of it a million times costs no memory."""
        if len(self.clearings) < _MOST_CLEARINGS and clearing not in self.clearings:
            self.clearings.append(clearing)


def _joined(one: LogSpan, two: LogSpan) -> LogSpan:
    """The period of two parts of a log: that of the part with the lowest number to that of the one with the highest.

    Where one part follows the other, its stamps may run back between them.
    """
    parts = [span for span in (one, two) if span.first_record is not None and span.last_record is not None]
    if len(parts) < 2:
        return parts[0] if parts else one
    low = min(parts, key=lambda span: (span.first_record or 0, span.first is None))
    high = max(parts, key=lambda span: (span.last_record or 0, span.last is not None))
    steps = {*one.steps, *two.steps}
    last, first, number = low.last, high.first, high.first_record
    if low is not high and last and first and number and (low.last_record or 0) < number and last - first >= _BACK:
        steps.add(ClockStep(number, last, first))
    return LogSpan(
        one.path, low.first, high.last, low.first_record, high.last_record,
        min((span.earliest for span in parts if span.earliest), default=None),
        max((span.latest for span in parts if span.latest), default=None),
        tuple(sorted(steps, key=lambda step: step.record)),
    )  # fmt: skip


class Intake:
    """Takes facts and problems of one job, makes them safe and spools them, or gives them to `sink`."""

    def __init__(
        self,
        evidence: str,
        spool: str,
        result: JobResult,
        stack: ExitStack,
        sink: Callable[[Fact], None] | None = None,
    ) -> None:
        self._evidence = evidence
        self._spool = spool
        self.result = result
        self._artifact = "evidence"
        self._stack = stack
        self._sink = sink
        self._files: dict[bool, TextIO] = {}
        self._since_flush = 0
        self.zone_note = ""  # what is said of the host's zone in the reason of every log that is read by it
        self._tags = (GUEST,) if result.path.startswith(GUEST_DRIVE) else ()

    def _file(self, context: bool) -> TextIO:
        if context not in self._files:
            path = Path(self._spool + (CONTEXT if context else KEPT))
            self._files[context] = self._stack.enter_context(open_spool(path, "w"))
        return self._files[context]

    def take(self, artifact: Artifact, items: Iterator[Fact | Problem]) -> None:
        """Drain a parser."""
        self._artifact = artifact.name
        count = self.result.counts.setdefault(artifact.name, Count())
        for item in items:
            if isinstance(item, Problem):
                self._add(replace(item, detail=_told(item.detail)))
                continue
            self._write(item, count)

    def mark_damaged(self, damaged: bool) -> None:
        """Say that every fact from here on was read from damaged media."""
        self.result.damaged = damaged

    def everyone(self, fault: str, detail: str) -> None:
        """Report something that concerns every artifact reading this file."""
        self._artifact = "evidence"
        self.problem(fault, detail)

    def _write(self, fact: Fact, count: Count) -> None:
        if self.result.damaged:
            fact = replace(fact, tags=(*fact.tags, "media_damage"))
        if self.zone_note and fact.fields.get("log_zone") in ("local", "undecided"):
            told = f"{fact.fields.get('log_zone_reason') or ''}; {self.zone_note}".removeprefix("; ")
            fact = replace(fact, fields={**fact.fields, "log_zone_reason": told})
        if self._tags:
            fact = replace(fact, tags=(*fact.tags, *self._tags))
        if self._sink is None:
            self._put(encode_fact(safe_fact(fact)), count, context=fact.context)
        else:
            self._sink(safe_fact(fact))

    def note(self, artifact: Artifact, line: str) -> None:
        """Take the note of a deferred record: a context fact that is made when it is wanted."""
        self._put(line, self.result.counts[artifact.name], context=True)

    def _put(self, line: str, count: Count, *, context: bool) -> None:
        self._file(context).write(line + "\n")
        count.facts += 1
        count.context += context
        self._since_flush += 1
        if self._since_flush >= _FLUSH_EVERY:
            for handle in self._files.values():
                handle.flush()
            self._since_flush = 0

    def lost(self, artifact: Artifact, error: FormatError) -> None:
        """Report what a decoder could not read; the file goes on."""
        self._artifact = artifact.name
        fault = "bad_record" if error.offset is not None else "unreadable"
        self.problem(fault, *_said(error))

    def damaged(self, error: FormatError, fault: str) -> None:
        """Report damage that concerns every artifact reading this file."""
        self._artifact = "evidence"
        self.problem(fault, *_said(error))

    def problem(self, fault: str, detail: str, locator: str = "") -> None:
        """Report something about this file."""
        source = Source(self._evidence, self.result.path, self.result.sha256, locator)
        self._add(Problem(fault, self._artifact, source, _told(detail)))

    def _add(self, problem: Problem) -> None:
        if len(self.result.problems) < _MOST_PROBLEMS:
            self.result.problems.append(problem)
        else:
            self.result.dropped_problems += 1


def _told(detail: str) -> str:
    """The sentence of a problem, which may quote evidence."""
    return clean(mask_secrets(detail)).text


def _said(error: FormatError) -> tuple[str, str]:
    """The sentence of an error and its locator; the place is not said twice."""
    if error.offset is None:
        return str(error), ""
    place = f"offset 0x{error.offset:x}"
    return str(error).removesuffix(f" at {place}"), place
