"""What runs inside a worker: open the evidence, list its files, read the host facts, parse one file into a spool.

What artifacts give goes through `intake`, which makes it safe and writes it to disk.
"""

from __future__ import annotations

import io
import logging
import os
import struct
import tempfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path
from typing import BinaryIO

from forensics.artifacts import sigma_rules
from forensics.artifacts.base import (
    Artifact,
    EventArtifact,
    FileArtifact,
    FileInput,
    OpenFolder,
    RegistryArtifact,
    all_artifacts,
)
from forensics.evidence import EvidenceError, Found, OpenedEvidence, Opening, open_evidence
from forensics.evidence.base import DAMAGE, MODIFIED, live_path, reason
from forensics.evidence.globs import GlobSet
from forensics.evidence.opened import Digests
from forensics.formats import FormatError
from forensics.formats.hostinfo import zone_is_stated
from forensics.hives import LIMIT as _HIVE_LIMIT
from forensics.hives import read_hive
from forensics.intake import Count, Intake, JobResult
from forensics.logs import read_again, read_log
from forensics.model import Fact, Host, Problem, Source
from forensics.sigma.ruleset import Rules
from forensics.times import iso, windows_zone

_IN_MEMORY = 32 * 1024 * 1024
# A hive's offsets are 32 bits wide; a log or journal of 64 GiB would be the largest ever seen. A sparse file of
# terabytes costs nothing to plant and a day to hash.
_HIVE_MOST, _FILE_MOST = 4 * 1024**3, 64 * 1024**3

_evidence: OpenedEvidence | None = None
_failure: EvidenceError | None = None
_shown_name = ""
_rules = Rules("")


@dataclass(frozen=True, slots=True)
class Job:
    """One file to parse: its path, the names of the artifacts that want it, where to spool, and the host's facts.

    `part` (index, count) is one of several jobs over a large event log, which is shared out by its chunks. `defer` lets
    artifacts put records off (see `deferred`); `only` are the offsets of such records, to be read after all, and
    `open_folders` those that a $MFT or change journal is asked for a second time; then with the file's `sha256` as the
    first reading had it, and whether it lies on `damaged` parts of the image. `beside` are the files that its
    artifacts name as companions by a glob.
    """

    path: str
    size: int
    artifacts: tuple[str, ...]
    spool: str
    host: Host
    hive: str = ""
    part: tuple[int, int] = (0, 1)
    defer: bool = True
    only: frozenset[int] | None = None
    sha256: str | None = None
    damaged: bool = False
    open_folders: tuple[OpenFolder, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def again(self) -> bool:
        """Whether the file was read before, and only more of it is wanted."""
        return self.only is not None or bool(self.open_folders)

    @property
    def work(self) -> int:
        """The bytes of the file that this job is about (`size` is the whole file's)."""
        return self.size // self.part[1]


@dataclass(frozen=True, slots=True)
class Survey:
    """What the evidence is and holds; `blocked` is what is sought and there, but cannot be opened.

    `whole`, `hurt` and `notices` are as `OpenedEvidence` has them; `files` are those that an image consists of,
    `stored` the hashes of the media that its acquisition stored; `folders` are those (path, reason) that may hold more
    than could be listed.
    """

    name: str
    kind: str
    found: tuple[Found, ...]
    problems: tuple[Problem, ...]
    blocked: tuple[Found, ...] = ()
    whole: bool = False
    hurt: str = ""
    notices: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    stored: dict[str, str] = field(default_factory=dict)
    folders: tuple[tuple[str, str], ...] = ()


def start_worker(path: str, name: str, opening: Opening, rules: Rules | None = None) -> None:
    """Open the evidence in this process; a failure is kept and said by the first job. `rules` are the user's."""
    global _evidence, _failure, _shown_name, _rules  # noqa: PLW0603  # one worker process, one evidence
    _rules = rules or Rules("")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    logging.disable(logging.CRITICAL)  # libraries log what our own problems already say
    _shown_name = name
    try:
        if opening.scratch:  # what a killed worker leaves is then removed with the run's own folder
            Path(opening.scratch).mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.tempdir = opening.scratch
        _evidence = open_evidence(path, opening)
    except EvidenceError as error:
        _failure = error
    except MemoryError:
        _failure = EvidenceError(f"{path} cannot be opened: it needs more memory than a worker may have (--job-memory)")
    except DAMAGE as error:
        _failure = EvidenceError(f"{path} cannot be opened: {reason(error)}", integrity=True)


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
    blocked = tuple(evidence.blocked(patterns))
    problems = tuple(
        Problem(refusal.fault, "evidence", Source(_shown_name, refusal.path, None, ""), refusal.why)
        for refusal in evidence.refusals
    )
    damage = [f"the file system was read from damaged parts of the image: {why}" for why in evidence.touched()]
    cut = [why for media in evidence.media for why in media.check()]
    more = [*(("media_damage", why) for why in damage), *(("truncated_media", why) for why in cut)]
    problems += tuple(Problem(fault, "evidence", Source(_shown_name, "", None, ""), why) for fault, why in more)
    folders = tuple((refusal.path, refusal.why) for refusal in evidence.refusals if refusal.folder)
    return Survey(
        evidence.name, evidence.kind, found, problems, blocked, evidence.whole, evidence.hurt([*cut, *damage]),
        tuple(evidence.notices), tuple(str(path) for path in evidence.files), evidence.stored(), folders,
    )  # fmt: skip


def host_facts(paths: dict[str, str]) -> Host:
    """The host's name, build, zone and users from the hives at `paths` (SYSTEM, SOFTWARE)."""
    from forensics.formats.hive import Hive
    from forensics.formats.hostinfo import read_host

    hives: dict[str, Hive | None] = {"SYSTEM": None, "SOFTWARE": None}
    for kind, path in paths.items():
        try:
            if _bytes(path, 4) == b"regf":
                hives[kind] = Hive.open(_bytes(path, _HIVE_LIMIT), _logs(path))
        except (FormatError, OSError):
            continue  # the hive's own job reports it; here it only means "unknown"
    return read_host(hives["SYSTEM"], hives["SOFTWARE"])


def run_job(job: Job, sink: Callable[[Fact], None] | None = None) -> JobResult:
    """Parse one file with every artifact that wants it; facts go to the spool, or to `sink`."""
    result = JobResult(job.path)
    with ExitStack() as stack:
        writer = Intake(_shown_name, job.spool, result, stack, sink)
        try:
            _dispatch(job, writer, stack)
        except MemoryError:
            writer.problem("killed_memory", "the memory limit was reached")
        except OSError as error:
            writer.everyone("unreadable", f"reading stopped on the way: {error}")
        except Exception as error:  # noqa: BLE001  # a parser may die, a run not
            writer.problem("parser_failed", f"{type(error).__name__}: {error}")
    return result


def run_jobs(several: tuple[Job, ...]) -> list[JobResult]:
    """Parse some files one after the other."""
    return [run_job(job) for job in several]


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


def _dispatch(job: Job, writer: Intake, stack: ExitStack) -> None:
    wanted = _wanted(job.artifacts)
    for artifact in wanted:
        writer.result.counts[artifact.name] = Count()
    try:
        evidence = opened()
        evidence.touched()  # what earlier jobs met is theirs
        head_only = all(isinstance(artifact, FileArtifact) and artifact.head_only for artifact in wanted)
        if job.size > (most := _HIVE_MOST if job.hive else _FILE_MOST) and not head_only:
            writer.everyone("unreadable", f"{job.size} bytes: more than the {most} that such a file can have")
            return
        handle = stack.enter_context(evidence.open(job.path))
        if job.size <= _IN_MEMORY:
            handle = io.BytesIO(handle.read(_IN_MEMORY + 1))
        if not head_only:
            _check(job, evidence, handle, writer)
        times = evidence.times(job.path)
        writer.result.times = {meaning: iso(moment) for meaning, moment in times.items()}
    except (OSError, EvidenceError, EOFError, ValueError, zlib.error, struct.error) as error:
        writer.problem("unreadable", f"the file cannot be read: {error}")
        return
    host = job.host
    zone, _ = _zone(host)
    if zone_is_stated(host):
        writer.zone_note = f"the host's zone, {host.timezone}, is stated by the examiner"
    given = FileInput(
        live_path(job.path), handle, job.size, writer.result.sha256, _shown_name, host, zone, times,
        read_from=job.path if job.path != live_path(job.path) else "", open_folders=job.open_folders,
        copy_written=None if MODIFIED in times else evidence.written(job.path),
    )  # fmt: skip
    events = [artifact for artifact in wanted if isinstance(artifact, EventArtifact)]
    keys = [artifact for artifact in wanted if isinstance(artifact, RegistryArtifact)]
    if events and job.only is not None:
        read_again(given, events, writer, job.part, job.only)
        return
    if events:
        read_log(given, events, writer, job.part, defer=job.defer)
    if keys:
        beside = {name: handle for key in keys for name, handle in _companions(evidence, job, key, stack).items()}
        read_hive(replace(given, companions=beside), keys, writer, job.hive, _logs(job.path))
    for artifact in wanted:
        if isinstance(artifact, FileArtifact) and not job.part[0]:  # of a shared log it is given the whole, once
            handle.seek(0)
            beside = _companions(evidence, job, artifact, stack)
            siblings = _siblings(evidence, job.path, artifact, writer, stack)
            writer.take(artifact, artifact.parse(replace(given, companions=beside, siblings=siblings)))
            count = writer.result.counts[artifact.name]
            count.claimed, count.parsed = 1, int(not any(p.artifact == artifact.name for p in writer.result.problems))


def _wanted(names: tuple[str, ...]) -> list[Artifact]:
    """The artifacts by name; the one for the user's rules is made of the rules."""
    by_name = {artifact.name: artifact for artifact in all_artifacts()}
    wanted: list[Artifact] = [by_name[name] for name in names if name != sigma_rules.NAME]
    return [*wanted, *(sigma_rules.with_rules(_rules) if sigma_rules.NAME in names else ())]


def _check(job: Job, evidence: OpenedEvidence, handle: BinaryIO, writer: Intake) -> None:
    """Hash the file, hold it against what the collector noted, and see whether all of its media was sound."""
    if job.again:
        writer.result.sha256 = job.sha256
        writer.mark_damaged(job.damaged)
        return
    noted = {name: text for name, text in evidence.noted(job.path).hashes.items() if evidence.is_whole(job.path)}
    digests = evidence.digests(handle, noted.keys() - {"sha256"})
    writer.result.sha256 = digests.sha256
    if wrong := wrong_hashes(digests, noted):
        writer.everyone("hash_mismatch", f"the file is not what was collected: its {wrong}")
    writer.result.noted = evidence.noted(job.path).hashes
    if damage := evidence.touched():
        writer.everyone("media_damage", f"read from damaged parts of the image: {'; '.join(damage)}")
        writer.mark_damaged(damaged=True)


def _companions(
    evidence: OpenedEvidence, job: Job, artifact: FileArtifact | RegistryArtifact, stack: ExitStack
) -> dict[str, BinaryIO]:
    """The files beside the job's that the artifact wants to look into; one that is not there is not missed."""
    found: dict[str, BinaryIO] = {}
    exact = [name for name in artifact.companions if "*" not in name]
    globs = GlobSet(name for name in artifact.companions if "*" in name)
    others = [path.partition("/")[2] for path in job.beside]
    for name in (*exact, *(other for other in others if globs.matches(other))):
        try:
            found[name] = stack.enter_context(evidence.open(f"{job.path.partition('/')[0]}/{name}"))
        except (OSError, EvidenceError, EOFError, ValueError, zlib.error, struct.error):
            continue  # its own job says what is wrong with it
    return found


def _siblings(
    evidence: OpenedEvidence, path: str, artifact: FileArtifact, writer: Intake, stack: ExitStack
) -> dict[str, BinaryIO]:  # fmt: skip
    """The files that belong to `path`, by their suffix; one that is there and cannot be read is said."""
    found: dict[str, BinaryIO] = {}
    for suffix in artifact.siblings:
        try:
            handle = stack.enter_context(evidence.open(path + suffix))
            noted = evidence.noted(path + suffix).hashes if evidence.is_whole(path + suffix) else {}
            digests = evidence.digests(handle, noted.keys() - {"sha256"})
        except FileNotFoundError:
            continue
        except (OSError, EvidenceError, EOFError, ValueError, zlib.error, struct.error) as error:
            writer.everyone("unreadable", f"{path.rpartition('/')[2]}{suffix}, which belongs to it, fails: {error}")
            continue
        writer.result.beside[suffix] = digests.sha256
        if wrong := wrong_hashes(digests, noted):
            writer.everyone("hash_mismatch", f"its {suffix} is not what was collected: {wrong}")
        found[suffix] = handle
    return found


def wrong_hashes(digests: Digests, noted: dict[str, str]) -> str:
    """What the collector noted that the file does not fulfil, in words; "" when all fits."""
    computed = {**digests.others, "sha256": digests.sha256}
    return ", ".join(
        f"{name} is {computed[name]}, the collector noted {text}"
        for name, text in noted.items()
        if computed[name] != text
    )


def _zone(host: Host) -> tuple[tzinfo | None, str]:
    return windows_zone(host.timezone or "", host.bias_minutes) if host.timezone or host.bias_minutes else (None, "")
