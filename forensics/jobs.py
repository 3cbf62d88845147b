"""What runs inside a worker: open the evidence, list its files, read the host facts, parse one file into a spool.

Every fact passes here on its way out of an artifact: strings are made safe, tokens are masked, the declared types are
held. Facts go to two files beside each other, `<spool>.kept` and `<spool>.context`, flushed often, so that a killed job
leaves what it had.
"""

from __future__ import annotations

import io
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path
from typing import TextIO

from forensics.artifacts.base import (
    Artifact,
    EventArtifact,
    FileArtifact,
    FileInput,
    RegistryArtifact,
    all_artifacts,
)
from forensics.evidence import EvidenceError, Found, OpenedEvidence, open_evidence
from forensics.evidence.base import DAMAGE
from forensics.formats import FormatError
from forensics.model import Fact, Host, Problem, Source
from forensics.safety import safe_fact
from forensics.spool import encode_fact, open_spool
from forensics.text import clean
from forensics.times import windows_zone

_IN_MEMORY = 32 * 1024 * 1024
_HIVE_LIMIT = 1024 * 1024 * 1024
_FLUSH_EVERY = 256
_MOST_PROBLEMS = 1_000
KEPT, CONTEXT = ".kept", ".context"

_evidence: OpenedEvidence | None = None
_failure: EvidenceError | None = None
_shown_name = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to parse: its path, the names of the artifacts that want it, where to spool, and the host's facts.

    `part` (index, count) is one of several jobs over a large event log, which is shared out by its chunks.
    """

    path: str
    size: int
    artifacts: tuple[str, ...]
    spool: str
    host: Host
    hive: str = ""
    part: tuple[int, int] = (0, 1)

    @property
    def work(self) -> int:
        """The bytes of the file that this job is about (`size` is the whole file's)."""
        return self.size // self.part[1]


@dataclass(slots=True)
class Count:
    """What one artifact made of one file."""

    claimed: int = 0
    parsed: int = 0
    facts: int = 0
    context: int = 0

    def add(self, other: Count) -> None:
        """Count another part of the same file in."""
        self.claimed += other.claimed
        self.parsed += other.parsed
        self.facts += other.facts
        self.context += other.context


@dataclass(slots=True)
class JobResult:
    """The outcome of a job: counts by artifact and what could not be read."""

    path: str
    sha256: str | None = None
    counts: dict[str, Count] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    dropped_problems: int = 0

    def add(self, other: JobResult) -> None:
        """Take in the outcome of another part of the same file."""
        for name, count in other.counts.items():
            self.counts.setdefault(name, Count()).add(count)
        self.problems.extend(other.problems)
        self.dropped_problems += other.dropped_problems


@dataclass(frozen=True, slots=True)
class Survey:
    """What the evidence is and holds."""

    name: str
    kind: str
    found: tuple[Found, ...]
    problems: tuple[Problem, ...]


def start_worker(path: str, name: str) -> None:
    """Open the evidence in this process; a failure is kept and said by the first job."""
    global _evidence, _failure, _shown_name  # noqa: PLW0603  # one worker process, one evidence
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    logging.disable(logging.CRITICAL)  # libraries log what our own problems already say
    _shown_name = name
    try:
        _evidence = open_evidence(path)
    except EvidenceError as error:
        _failure = error
    except DAMAGE as error:
        _failure = EvidenceError(f"{path} cannot be opened: {type(error).__name__}: {error}", integrity=True)


def opened() -> OpenedEvidence:
    """The evidence of this worker; raises EvidenceError when it could not be opened."""
    if _evidence is None:
        raise _failure or EvidenceError("the evidence was not opened")
    return _evidence


def survey(patterns: tuple[str, ...]) -> Survey | EvidenceError:
    """Find every file that some artifact wants."""
    try:
        evidence = opened()
    except EvidenceError as error:
        return error
    found = tuple(evidence.find(patterns))
    problems = tuple(
        Problem(refusal.fault, "evidence", Source(_shown_name, f"{drive}/{refusal.path}", None, ""), refusal.why)
        for drive, refusal in evidence.refusals
    )
    return Survey(evidence.name, evidence.kind, found, problems)


def host_facts(paths: dict[str, str]) -> Host:
    """The host's name, build, zone and users from the hives at `paths` (SYSTEM, SOFTWARE)."""
    from forensics.formats.hive import Hive
    from forensics.formats.hostinfo import read_host

    hives: dict[str, Hive | None] = {"SYSTEM": None, "SOFTWARE": None}
    for kind, path in paths.items():
        try:
            hives[kind] = Hive.open(_bytes(path, _HIVE_LIMIT), _logs(path))
        except (FormatError, OSError):
            continue  # the hive's own job reports it; here it only means "unknown"
    return read_host(hives["SYSTEM"], hives["SOFTWARE"])


def run_job(job: Job) -> JobResult:
    """Parse one file with every artifact that wants it."""
    result = JobResult(job.path)
    with ExitStack() as stack:
        writer = _Writer(job, result, stack)
        try:
            _dispatch(job, writer, stack)
        except MemoryError:
            writer.problem("killed_memory", "the memory limit was reached")
        except Exception as error:  # noqa: BLE001  # the one broad except of the project: a parser may die, a run not
            writer.problem("parser_failed", f"{type(error).__name__}: {error}")
    return result


class _Writer:
    """Takes facts and problems of one job, makes them safe and spools them."""

    def __init__(self, job: Job, result: JobResult, stack: ExitStack) -> None:
        self._job = job
        self.result = result
        self._artifact = "evidence"
        self._stack = stack
        self._files: dict[bool, TextIO] = {}
        self._since_flush = 0

    def _file(self, context: bool) -> TextIO:
        if context not in self._files:
            path = Path(self._job.spool + (CONTEXT if context else KEPT))
            self._files[context] = self._stack.enter_context(open_spool(path, "w"))
        return self._files[context]

    def take(self, artifact: Artifact, items: Iterator[Fact | Problem]) -> None:
        """Drain a parser."""
        self._artifact = artifact.name
        count = self.result.counts.setdefault(artifact.name, Count())
        for item in items:
            if isinstance(item, Problem):
                self._add(replace(item, detail=clean(item.detail).text))
                continue
            self._write(item, count)

    def _write(self, fact: Fact, count: Count) -> None:
        self._file(fact.context).write(encode_fact(safe_fact(fact)) + "\n")
        count.facts += 1
        count.context += fact.context
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
        source = Source(_shown_name, self._job.path, self.result.sha256, locator)
        self._add(Problem(fault, self._artifact, source, clean(detail).text))

    def _add(self, problem: Problem) -> None:
        if len(self.result.problems) < _MOST_PROBLEMS:
            self.result.problems.append(problem)
        else:
            self.result.dropped_problems += 1


def _said(error: FormatError) -> tuple[str, str]:
    """The sentence of an error and its locator; the place is not said twice."""
    if error.offset is None:
        return str(error), ""
    place = f"offset 0x{error.offset:x}"
    return str(error).removesuffix(f" at {place}"), place


def _bytes(path: str, limit: int) -> bytes:
    with opened().open(path) as handle:
        return handle.read(limit)


def _logs(path: str) -> list[bytes]:
    """The hive's transaction logs, where collected."""
    logs = []
    for suffix in (".LOG1", ".LOG2"):
        try:
            logs.append(_bytes(path + suffix, _HIVE_LIMIT))
        except (FileNotFoundError, OSError):
            continue
    return logs


def _dispatch(job: Job, writer: _Writer, stack: ExitStack) -> None:
    by_name = {artifact.name: artifact for artifact in all_artifacts()}
    wanted = [by_name[name] for name in job.artifacts]
    for artifact in wanted:
        writer.result.counts[artifact.name] = Count()
    try:
        evidence = opened()
        handle = stack.enter_context(evidence.open(job.path))
        if job.size <= _IN_MEMORY:
            handle = io.BytesIO(handle.read(_IN_MEMORY + 1))
        writer.result.sha256 = evidence.sha256(handle)
        times = evidence.times(job.path)
    except (OSError, EvidenceError, EOFError, ValueError, zlib.error, struct.error) as error:
        writer.problem("unreadable", f"the file cannot be read: {error}")
        return
    host = job.host
    zone, _ = _zone(host)
    given = FileInput(job.path, handle, job.size, writer.result.sha256, _shown_name, host, zone, times)
    events = [artifact for artifact in wanted if isinstance(artifact, EventArtifact)]
    keys = [artifact for artifact in wanted if isinstance(artifact, RegistryArtifact)]
    if events:
        _read_log(given, events, writer, job.part)
    if keys:
        _read_hive(given, keys, writer, job.hive)
    for artifact in wanted:
        if isinstance(artifact, FileArtifact):
            handle.seek(0)
            writer.take(artifact, artifact.parse(given))
            count = writer.result.counts[artifact.name]
            count.claimed, count.parsed = 1, int(not any(p.artifact == artifact.name for p in writer.result.problems))


def _zone(host: Host) -> tuple[tzinfo | None, str]:
    return windows_zone(host.timezone or "", host.bias_minutes) if host.timezone or host.bias_minutes else (None, "")


def _read_log(given: FileInput, artifacts: list[EventArtifact], writer: _Writer, part: tuple[int, int]) -> None:
    """One pass over a log for all artifacts: only the ids they want are decoded."""
    from forensics.formats.evtx import LogReader, channel_of

    if not is_named_log(given.path, artifacts):
        channel = channel_of(given.fh)
        if channel is None and not _is_empty_log(given):
            writer.problem("unreadable", "not a log of a known name, and no record in it names its channel")
        artifacts = [
            item for item in artifacts if (channel or "").casefold() in {name.casefold() for name in item.wants}
        ]
        kept = {item.name for item in artifacts}
        writer.result.counts = {name: count for name, count in writer.result.counts.items() if name in kept}
        if not artifacts:
            return
    table: dict[tuple[str, int], list[EventArtifact]] = {}
    for artifact in artifacts:
        for channel, ids in artifact.wants.items():
            for event in ids:
                table.setdefault((channel.casefold(), event), []).append(artifact)
    given.fh.seek(0)
    reader = LogReader(given.fh, frozenset(event for _, event in table), part=part)
    for record in reader:
        if isinstance(record, FormatError):
            writer.damaged(record, "bad_record")
            continue
        source = given.source(f"record {record.record_id}")
        for artifact in table.get((record.channel.casefold(), record.event_id), ()):
            if not artifact.providers or record.provider in artifact.providers:
                writer.take(artifact, artifact.parse(record, source))
    for artifact in artifacts:
        count = writer.result.counts.setdefault(artifact.name, Count())
        count.claimed, count.parsed = reader.tally.claimed, reader.tally.parsed
    if writer.result.problems and not reader.tally.parsed:
        writer.damaged(FormatError("nothing could be read of this log"), "unreadable")
    if reader.tally.parsed < reader.tally.claimed and not writer.result.problems:
        missing = reader.tally.claimed - reader.tally.parsed
        why = f"{missing} of {reader.tally.claimed} records that the log claims were not read"
        writer.damaged(FormatError(why), "partial")


def _is_empty_log(given: FileInput) -> bool:
    """Whether the log claims no record and shows no damage: a fresh log, not a lost one."""
    from forensics.formats.evtx import LogReader

    given.fh.seek(0)
    reader = LogReader(given.fh, frozenset())
    return not any(isinstance(item, FormatError) for item in reader) and not reader.tally.claimed


def is_named_log(path: str, artifacts: list[EventArtifact]) -> bool:
    """Whether the file is named after a channel that one of the artifacts wants (`Archive-<name>-<date>` too)."""
    name = path.rpartition("/")[2].casefold()
    channels = {log_name(channel).removesuffix(".evtx") for artifact in artifacts for channel in artifact.wants}
    stem = name.removesuffix(".evtx")
    return stem in channels or any(stem.startswith(f"archive-{channel}-") for channel in channels)


def log_name(channel: str) -> str:
    """The file name of a channel's log, lower case: `/` is written `%4`."""
    return channel.replace("/", "%4").casefold() + ".evtx"


def _read_hive(given: FileInput, artifacts: list[RegistryArtifact], writer: _Writer, expected: str) -> None:
    """One opening of a hive for all artifacts that want keys of its kind."""
    from forensics.formats.hive import Hive

    try:
        hive = Hive.open(given.read(_HIVE_LIMIT), _logs(given.path))
    except FormatError as error:
        for artifact in artifacts:
            writer.lost(artifact, error)
        return
    kind = expected if hive.kind == "UNKNOWN" else hive.kind
    for artifact in artifacts:
        if kind in artifact.hives:
            writer.take(artifact, artifact.parse(hive, given))
            writer.result.counts[artifact.name].claimed = 1
            writer.result.counts[artifact.name].parsed = 1
    for problem in hive.problems:  # complete only now: the hive notes damage while it is read
        writer.damaged(problem, "dirty_not_replayed" if hive.state == "dirty_not_replayed" else "bad_record")
