"""Which files are wanted, who wants them, and what was sought without being there.

The declarations of the artifacts are turned into globs before the evidence is searched, so "sought but absent" is
known as surely as "found". One file becomes one job, whatever number of artifacts reads it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from forensics.artifacts.base import Artifact, EventArtifact, FileArtifact, RegistryArtifact
from forensics.evidence.base import SNAPSHOT, Found, guest_of, live_path
from forensics.evidence.globs import GlobSet
from forensics.formats.hive_replay import STATES
from forensics.intake import Count, HiveNote, JobResult
from forensics.jobs import Job
from forensics.logs import is_named_log, log_name
from forensics.model import Coverage, Host, Problem
from forensics.rules.collection import hint
from forensics.silence import NOTHING, log_words
from forensics.views import twins

LOGS = "Windows/System32/winevt/Logs"
HIVES = {
    "SYSTEM": ("Windows/System32/config/SYSTEM",),
    "SOFTWARE": ("Windows/System32/config/SOFTWARE",),
    "NTUSER": (
        "Users/*/NTUSER.DAT",
        "Windows/ServiceProfiles/*/NTUSER.DAT",
        "Windows/System32/config/DEFAULT",
        "Windows/System32/config/systemprofile/NTUSER.DAT",
    ),
    "USRCLASS": ("Users/*/AppData/Local/Microsoft/Windows/UsrClass.dat",),
    "AMCACHE": ("Windows/AppCompat/Programs/Amcache.hve",),
}
_NAMED = 3  # file names that a row of coverage gives as examples
PART_SIZE = 8 * 1024 * 1024  # below, sharing a log out costs more than it gains
_MOST_BESIDE = 50  # companions by glob of one file
_UNREAD = frozenset({"locked", "unreadable"})  # of a whole volume, where no path is said
# Faults after which a file gives nothing more.
FATAL = frozenset({"unreadable", "killed_timeout", "killed_memory", "crashed", "parser_failed"})
# Logs that Windows and its parts are known to write under these names: not opened to see whether they are something
# else. Any other name in the log folder is (a renamed Sysmon or Security log is worth the look).
_OTHER_LOGS = re.compile(
    r"(?:archive-)?(?:microsoft-|openssh|intel|application|hardwareevents|internet explorer|key management|oalerts|"
    r"parameters|state|media center|smsapi|active directory|dns server|directory service|dfs |file replication|"
    r"forwardedevents|networkprofile|thinprint|vmware|nvidia|windows networking|visual studio|scheduled)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs of one evidence, largest first, and the hive files that the host facts come from."""

    jobs: tuple[Job, ...]
    hives: dict[str, str]

    def ordered(self) -> list[Job]:
        """The jobs by file and part."""
        return sorted(self.jobs, key=lambda job: (job.path, job.part))

    def host(self) -> Plan:
        """The part that is about the host itself."""
        return Plan(tuple(job for job in self.jobs if not guest_of(job.path)), self.hives)

    def guests(self) -> Plan:
        """The part that is about the guests of its sandboxes."""
        return Plan(tuple(job for job in self.jobs if guest_of(job.path)), {})

    def with_results(self, results: Mapping[str, JobResult]) -> Plan:
        """The same plan with what the first reading found out about the files: hashes, and damage."""
        return Plan(tuple(_informed(job, results.get(job.path)) for job in self.jobs), self.hives)


def _informed(job: Job, result: JobResult | None) -> Job:
    return replace(job, sha256=result.sha256, damaged=result.damaged) if result else job


def sought(artifact: Artifact) -> tuple[str, ...]:
    """The globs that an artifact's declaration means."""
    if isinstance(artifact, FileArtifact):
        return artifact.paths
    if isinstance(artifact, EventArtifact):
        return tuple(f"{LOGS}/{channel.replace('/', '%4')}.evtx" for channel in artifact.wants)
    return tuple(glob for hive in sorted(artifact.hives) for glob in HIVES[hive])


def patterns(artifacts: Iterable[Artifact]) -> tuple[str, ...]:
    """Every glob that must be searched for these artifacts."""
    wanted: set[str] = {f"{LOGS}/*.evtx"}
    for artifact in artifacts:
        if not isinstance(artifact, EventArtifact):
            wanted.update(sought(artifact))
        if isinstance(artifact, FileArtifact):
            wanted.update(name for name in artifact.companions if "*" in name)
    for globs in HIVES.values():
        wanted.update(globs)  # SYSTEM and SOFTWARE are needed for the host facts in any case
    return tuple(sorted(wanted))


def make_plan(
    found: Sequence[Found], artifacts: tuple[Artifact, ...], spool: Path, host: Host, processes: int = 1, *,
    defer: bool = True, guests: Mapping[str, Host] | None = None,
) -> Plan:  # fmt: skip
    """One job for each found file that some artifact reads; a large log is shared out among the processes.

    What has a twin in a shadow copy is read whole at once: its rows are to be compared. `guests` are the machines of
    surviving sandbox disks by their drive, whose files are theirs and not the host's.
    """
    jobs: list[Job] = []
    compared = twins(found)
    for number, item in enumerate(found):
        names, hive = _wanted_by(item, artifacts)
        if names:
            whose = (guests or {}).get(drive, Host()) if (drive := guest_of(item.path)) else host
            waits = defer and item.same_as not in compared
            parts = min(processes, max(1, item.size // PART_SIZE)) if item.path.casefold().endswith(".evtx") else 1
            jobs += [
                Job(
                    item.path,
                    item.size,
                    names,
                    str(spool / f"{number:06d}-{part}"),
                    whose,
                    hive,
                    (part, parts),
                    waits,
                    beside=_beside(item, found, [artifact for artifact in artifacts if artifact.name in names]),
                )
                for part in range(parts)
            ]
    jobs.sort(key=lambda job: (-job.work, job.path, job.part))
    return Plan(tuple(jobs), host_hives(found))


def _beside(item: Found, found: Sequence[Found], artifacts: Iterable[Artifact]) -> tuple[str, ...]:
    """The found files of the same drive that an artifact of this file names as companions by a glob."""
    files = [artifact for artifact in artifacts if isinstance(artifact, FileArtifact)]
    globs = {name for artifact in files for name in artifact.companions if "*" in name}
    if not globs:
        return ()
    drive = item.path.partition("/")[0]
    mine = (other.path for other in found if globs & set(other.patterns) and other.path.partition("/")[0] == drive)
    return tuple(sorted(mine)[:_MOST_BESIDE])


def host_hives(found: Iterable[Found], drive: str = "C:") -> dict[str, str]:
    """The SYSTEM and SOFTWARE hives among the found files: the host's, or those of a guest by its drive."""
    return {
        hive: item.path
        for item in found
        for hive in ("SYSTEM", "SOFTWARE")
        if HIVES[hive][0] in item.patterns and ((item.loose and drive == "C:") or item.path.startswith(f"{drive}/"))
    }


def _hive_of(item: Found) -> str:
    return next((kind for kind, globs in HIVES.items() if set(globs) & set(item.patterns)), "")


def _wanted_by(item: Found, artifacts: tuple[Artifact, ...]) -> tuple[tuple[str, ...], str]:
    names: list[str] = []
    hive = _hive_of(item)
    is_log = f"{LOGS}/*.evtx" in item.patterns
    events = [artifact for artifact in artifacts if isinstance(artifact, EventArtifact)] if is_log else []
    named = [artifact for artifact in events if is_named_log(item.path, [artifact])]
    if is_log and not named and (item.loose or not _OTHER_LOGS.match(item.path.rpartition("/")[2])):
        named = events
    names.extend(artifact.name for artifact in named)
    for artifact in artifacts:
        reads = isinstance(artifact, FileArtifact) and bool(set(artifact.paths) & set(item.patterns))
        if reads or (isinstance(artifact, RegistryArtifact) and hive in artifact.hives):
            names.append(artifact.name)
    return tuple(names), hive


def coverage(
    artifacts: tuple[Artifact, ...], jobs: Sequence[Job], results: dict[str, JobResult], problems: Sequence[Problem],
    *, blocked: Sequence[Found] = (), folders: Sequence[tuple[str, str]] = (), whole: bool, hurt: str = "",
) -> list[Coverage]:  # fmt: skip
    """How far each artifact could be looked at; `blocked` are sought files that are there and cannot be opened.

    `folders` are those (path, reason) that may hold more than could be listed: nobody knows what was in them.

    `whole` says that the evidence is a whole file system: then an absent file means that there is nothing, where in a
    collection it means that it was not collected. `hurt` says why it may have been there all the same.
    """
    rows = []
    unread = [item.detail for item in problems if item.fault in _UNREAD and not item.source.path]
    sizes = {job.path: job.size for job in jobs}
    clearings = [clearing for path in sizes for clearing in results[path].clearings]
    paths: dict[str, dict[str, None]] = {artifact.name: {} for artifact in artifacts}
    for job in jobs:
        for wanting in job.artifacts:
            paths.setdefault(wanting, {})[job.path] = None
    closed: dict[str, list[Found]] = {}
    for item in blocked:
        for wanting in _wanted_by(item, artifacts)[0]:
            closed.setdefault(wanting, []).append(item)
    for artifact in artifacts:
        mine = list(paths[artifact.name])
        about = [told for told in problems if told.artifact in (artifact.name, "evidence")]
        read = [path for path in mine if artifact.name in results[path].counts]
        bad = {told.source.path for told in about} & set(mine)
        dead = {told.source.path for told in about if told.fault in FATAL} & set(mine)
        # What was read in spite of a refusal (a file that only its MFT record leads to) has its job, and counts once.
        shut = [item for item in closed.get(artifact.name, []) if item.path not in paths[artifact.name]]
        counts = [results[path].counts[artifact.name] for path in read]
        faulty = (len(bad) + len(shut), len(dead) + len(shut))
        row = _row(artifact, len(counts) + len(shut), counts, faulty, whole=whole, hurt=hurt)
        row = _with_empty(row, [path for path in read if not sizes[path]])
        if shut:
            row = _detailed(row, f"{shut[0].path}: {shut[0].why}")
        if isinstance(artifact, EventArtifact):
            row = log_words(
                row, artifact, [path for path in read if sizes[path] and path not in dead], results, clearings
            )
            row = replace(row, spans=tuple(span for path in sorted(read) if (span := results[path].span)))
        if hives := [note for path in mine if (note := results[path].hive)]:
            row = _detailed(row, _about_hives(hives))
        row = _with_missing(row, _missing(artifact, jobs, shut), whole=whole, hurt=hurt)
        row = _with_shadows(row, artifact, mine, whole=whole)
        row = _with_hurt(row, _on_the_way(artifact, folders), whole=whole)
        rows.append(_with_unread(row, unread) if unread and _on_any_drive(artifact) else row)
    return rows


def unseen(artifacts: tuple[Artifact, ...], why: str) -> list[Coverage]:
    """The coverage of evidence that could not be opened."""
    return [Coverage(item.name, sought(item), 0, 0, 0, 0, 0, "unreadable", why) for item in artifacts]


def _detailed(row: Coverage, detail: str) -> Coverage:
    return replace(row, detail=f"{row.detail}; {detail}".lstrip("; "))


def _with_empty(row: Coverage, empty: list[str]) -> Coverage:
    """Empty files are said: an emptied log was read to its end, and that is all that can be said of it."""
    if not empty:
        return row
    more = f" and {len(empty) - 2} more" if len(empty) > 2 else ""
    said = f"{len(empty)} of {row.found} files empty: {', '.join(empty[:2])}{more}"
    return replace(row, detail=said) if row.detail == NOTHING else _detailed(row, said)


def _with_shadows(row: Coverage, artifact: Artifact, paths: Sequence[str], *, whole: bool) -> Coverage:
    """A file that only a shadow copy has is the past of a file, and no word of what came after."""
    views: dict[str, list[str]] = {}
    for path in sorted(paths):
        views.setdefault(live_path(path).casefold(), []).append(path.partition("/")[0].partition(SNAPSHOT)[2])
    only = {path: names for path, names in views.items() if "" not in names}
    if not only:
        return row
    shadows = ", ".join(sorted({name for names in only.values() for name in names}))
    shown = ", ".join(path.rpartition("/")[2] for path in list(only)[:_NAMED]) + (", ..." if len(only) > _NAMED else "")
    live = "no such file" if whole else "not collected"
    # Of files that come and go (prefetch, tasks) some are always gone; one log or hive should be there.
    lacks = not isinstance(artifact, FileArtifact) or len(only) == len(views)
    state = "partial" if row.state == "complete" and lacks and not whole else row.state
    detail = f"{row.detail}; live: {live}; read from {shadows} only: {shown}".lstrip("; ")
    return replace(row, state=state, detail=detail)


def _on_the_way(artifact: Artifact, folders: Sequence[tuple[str, str]]) -> list[str]:
    """What the folders that could not be listed say, as far as a file of the artifact may lie in or below them."""
    return [f"{path}: {why}" for path, why in folders if _may_lie_below(path, sought(artifact))]


def _may_lie_below(path: str, globs: tuple[str, ...]) -> bool:
    """A path on a drive (`C:@vss1/Users`), or one inside a collection: there it counts from what Windows names."""
    drive, _, rest = path.partition("/")
    parts = tuple(part for part in rest.casefold().split("/") if part)
    if ":" not in drive:
        every = tuple(part for part in path.casefold().split("/") if part)
        parts = next((every[at:] for at, part in enumerate(every) if part in ("windows", "users")), ())
    if parts == ("$mft",):  # a record without a path: only what no folder's index was asked for may be it
        return any("**" in glob for glob in globs)
    return _globs(globs, anywhere=":" in drive and drive[:2] != "C:").may_contain(parts)


@lru_cache(maxsize=256)
def _globs(globs: tuple[str, ...], *, anywhere: bool) -> GlobSet:
    return GlobSet(globs, anywhere=anywhere)


def _with_hurt(row: Coverage, hurt: list[str], *, whole: bool) -> Coverage:
    """What may lie in a folder that was not listed is not known to be absent (in an image the file table was asked)."""
    if not hurt:
        return row
    state = {"complete": "partial", "nothing_found": "partial", "not_collected": "partial" if whole else "unreadable"}
    more = f" and {len(hurt) - 1} more" if len(hurt) > 1 else ""
    detail = f"{row.detail}; {hurt[0]}{more}".lstrip("; ")
    return replace(row, state=state.get(row.state, row.state), detail=detail)


def _on_any_drive(artifact: Artifact) -> bool:
    """Whether it may lie on another volume than the one that Windows runs from (a moved profile, a person's folder)."""
    return any(not pattern.casefold().startswith("windows/") for pattern in sought(artifact))


def _with_unread(row: Coverage, unread: list[str]) -> Coverage:
    """What may lie on a volume that was not read was not looked at completely."""
    state = "partial" if row.state in ("complete", "nothing_found") else row.state
    return replace(row, state=state, detail=f"{row.detail}; not looked at: {'; '.join(unread)}".lstrip("; "))


def _about_hives(notes: Sequence[HiveNote]) -> str:
    """Whether the hives' logs were replayed, and what was deleted from them: `hives: 2 clean, 1 replayed; ...`."""
    states = Counter(note.state for note in notes)
    text = f"hives: {', '.join(f'{states[state]} {state}' for state in STATES if states[state])}"
    keys, values = sum(note.keys for note in notes), sum(note.values for note in notes)
    refused = sum(note.refused for note in notes)
    if keys or values or refused:
        text += f"; in their free cells {keys} deleted keys, {values} values, {refused} refused"
    return f"{text}; cut" if any(note.cut for note in notes) else text


def _missing(artifact: Artifact, jobs: Sequence[Job], shut: Sequence[Found]) -> list[str]:
    """The sources that an artifact needs besides the ones that were found: each of its logs, each kind of hive.

    What was found and is `shut` was collected.
    """
    mine = [job for job in jobs if artifact.name in job.artifacts]
    if isinstance(artifact, EventArtifact):
        there = {path.rpartition("/")[2].casefold() for path in (*(job.path for job in mine), *(x.path for x in shut))}
        return [log_name(channel) for channel in artifact.wants if log_name(channel) not in there]
    if isinstance(artifact, RegistryArtifact):
        return sorted(artifact.hives - {job.hive for job in mine} - {_hive_of(item) for item in shut})
    return []


def _with_missing(row: Coverage, missing: list[str], *, whole: bool, hurt: str) -> Coverage:
    """A source that was not collected makes an artifact partial; in a whole file system it is just not there."""
    if not missing or not row.found:
        return row
    if hurt:
        state = "partial" if row.state == "complete" else row.state
        lost = f"not found: {', '.join(missing)}, which may be lost: {hurt}"
        return replace(row, state=state, detail=f"{row.detail}; {lost}".lstrip("; "))
    if whole:
        return _detailed(row, f"no such file: {', '.join(missing)}")
    state = "partial" if row.state == "complete" else row.state
    return _detailed(replace(row, state=state), f"not collected: {', '.join(missing)}")


def _row(
    artifact: Artifact, found: int, counts: list[Count], faulty: tuple[int, int], *, whole: bool, hurt: str
) -> Coverage:
    bad, dead = faulty
    claimed, parsed = sum(count.claimed for count in counts), sum(count.parsed for count in counts)
    facts, context = sum(count.facts for count in counts), sum(count.context for count in counts)
    if not found and hurt:
        state, detail = "unreadable", f"not found, but it may have been lost: {hurt}"
    elif not found:
        state, detail = ("nothing_found", "no such file") if whole else ("not_collected", hint(sought(artifact)))
    elif dead == found and not facts:
        state, detail = "unreadable", f"{dead} of {found} files gave nothing"
    elif bad or parsed < claimed:
        state, detail = "partial", f"{bad} of {found} files with problems"
    else:
        state, detail = "complete", "" if facts else NOTHING
    detail = "; ".join(filter(None, (detail, *_slack(counts))))
    return Coverage(artifact.name, sought(artifact), found, claimed, parsed, facts, context, state, detail)


def _slack(counts: list[Count]) -> Iterator[str]:
    """What was found of records that their logs no longer count, and which records nothing seals."""
    whole = Count()
    for count in counts:
        whole.add(count)
    if whole.recovered:
        yield f"{whole.recovered} of the facts recovered from records in slack"
    if whole.gone:
        yield f"slack holds {whole.gone} more records without their content, of {whole.gone_from} to {whole.gone_to}"
    if whole.unkept:
        yield f"{whole.unkept} chunks keep no checksums"
    if whole.old:
        yield f"{whole.old} chunks of logs in use have records that no checksum covers yet"


__all__ = ["HIVES", "LOGS", "Plan", "coverage", "host_hives", "log_name", "make_plan", "patterns", "sought", "unseen"]


def prefetch_files(plan: Plan) -> frozenset[str]:
    """The names of the prefetch files: a name alone says that its program ran, whatever is in the file."""
    return frozenset(name for job in plan.jobs if (name := job.path.rpartition("/")[2]).casefold().endswith(".pf"))
