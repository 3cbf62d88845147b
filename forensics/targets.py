"""A second look at the files that autostart entries start: whether they are there, their hashes, who signed them.

Which files these are is known only once the entries are. Each is looked at in a job of its own, so that one that kills
its worker costs no other. Where a file is not at hand, the $MFT of its volume says whether its name is in use, and the
records of Amcache and Sysmon what its hash was. Entries that score come first; what Windows itself brings is context
and no entry here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from forensics.evidence.base import SNAPSHOT
from forensics.formats import authenticode
from forensics.jobs import Job
from forensics.model import Event, Fact, PersistenceEntry, Verdicts
from forensics.naming import Naming
from forensics.rules.engine import hits, rules_of, total
from forensics.sessions.rows import stamp
from forensics.showing import Recall, recall
from forensics.spool import SpoolReader
from forensics.targetplaces import (
    RECORDS,
    Listed,
    Looked,
    Place,
    Table,
    examine,
    hashed,
    listed,
    locate,
    may_be_missed,
    mentioned,
)
from forensics.timeline import events_of
from forensics.workers import Dead, Workers

MOST_FILES, MOST_BYTES = 500, 1024 * 1024 * 1024
_MOST_EVENTS = 8  # of one file
_TABLES, _HASHED = "mft_entries", frozenset({
    "amcache", "event_sysmon", "event_sysmon_images", "mft_entries",
})  # fmt: skip
_HASHES = re.compile(r"\b(SHA1|SHA256)=([0-9A-F]{40,64})\b", re.IGNORECASE)
_LENGTHS = {"SHA1": 40, "SHA256": 64}
_FILE = "the file"


@dataclass(frozen=True, slots=True)
class Ground:
    """What is there to look into: the host's name, its jobs with their spools, and tables that are damaged.

    `whole`: the evidence is all of a disk, so that a file that is not found is not there.
    """

    naming: Naming
    jobs: Sequence[Job] = ()
    spools: Sequence[tuple[Path, Job]] = ()
    damaged: frozenset[str] = frozenset()
    whole: bool = False


@dataclass(slots=True)
class _Seen:
    """What was found of one path."""

    place: Place | None = None
    looked: Looked | None = None
    listed: Listed | None = None
    table: str = ""
    gaps: str = ""
    facts: list[Fact] = field(default_factory=list)
    lost: str = ""


def with_targets(
    workers: Workers, verdicts: Verdicts, ground: Ground, keep: Callable[[Iterable[Fact]], object]
) -> Verdicts:
    """The verdicts with what is known of the files that entries start; `keep` is given the context that says so.

    Only entries of the host itself are looked up: of another computer, whose logs lie in the evidence, its files do
    not.
    """
    host = ground.naming.label
    entries = [entry for entry in verdicts.persistence if entry.target and entry.host == host]
    paths = list(dict.fromkeys(entry.target for entry in entries if entry.target))
    if not paths:
        return verdicts
    seen = {path: _Seen() for path in paths[:MOST_FILES]}
    _find(workers, seen)
    _examine(workers, seen)
    _ask_tables(workers, seen, ground)
    _ask_records(workers, seen, ground)
    keep(replace(fact, context=False) for fact in _context(seen))
    over = _Seen(place=Place(why=f"more than {MOST_FILES} files"))
    told = [
        _told(entry, seen.get(entry.target, over), ground) if entry.target and entry.host == host else entry
        for entry in verdicts.persistence
    ]
    told.sort(key=lambda item: (-item.score, item.mechanism, item.name.casefold(), item.id))
    return replace(verdicts, persistence=tuple(told))


def _find(workers: Workers, seen: dict[str, _Seen]) -> None:
    """Where the files lie; one search for all, and where that dies one for each."""
    answer = workers.one(locate, tuple(seen))
    if not isinstance(answer, Dead):
        for path, place in answer.items():
            seen[path].place = place
        return
    paths = list(seen)
    for done in workers.run(locate, [((path,), 0) for path in paths]):
        path, result = paths[done.index], done.result
        seen[path].place = Place(why=result.detail) if isinstance(result, Dead) else result.get(path)


def _examine(workers: Workers, seen: dict[str, _Seen]) -> None:
    """Hash the files that are at hand, in the order of the entries as far as the budget goes."""
    left, chosen = MOST_BYTES, []
    for found in seen.values():
        if found.place is None or found.place.why:
            continue
        if found.place.size > left or found.place.size > authenticode.MOST_FILE:
            found.looked = Looked(why="not hashed: too large")
            continue
        left -= found.place.size
        chosen.append((found, found.place))
    for done in workers.run(examine, [(place, place.size) for _, place in chosen]):
        result = done.result
        found = chosen[done.index][0]
        found.looked = Looked(why=f"not hashed: {result.detail}") if isinstance(result, Dead) else result


def _ask_tables(workers: Workers, seen: dict[str, _Seen], ground: Ground) -> None:
    """What the $MFT of the same drive says of files that are not at hand."""
    tables: dict[str, Job] = {}
    for job in ground.jobs:
        drive = job.path.partition("/")[0]
        if _TABLES in job.artifacts and SNAPSHOT not in drive and job.path.casefold().endswith("$mft"):
            tables.setdefault(drive.casefold(), job)
    orders: list[tuple[Job, dict[str, str]]] = []
    for drive, job in tables.items():
        sought = {
            path.partition("\\")[2].casefold(): path
            for path, found in seen.items()
            if found.place is None and path.partition("\\")[0].casefold() == drive
        }
        if sought:
            orders.append((job, {f"\\{rest}": path for rest, path in sought.items()}))
    for done in workers.run(listed, [((job.path, tuple(sought)), job.size) for job, sought in orders]):
        job, sought = orders[done.index]
        table = Table({}, f"the $MFT: {done.result.detail}") if isinstance(done.result, Dead) else done.result
        gaps = table.gaps or ("the $MFT is damaged" if job.damaged or job.path in ground.damaged else "")
        for rest, path in sought.items():
            found = seen[path]
            found.table, found.gaps = job.path, gaps or may_be_missed(rest)
            found.listed = table.found.get(rest, Listed(None))


def _ask_records(workers: Workers, seen: dict[str, _Seen], ground: Ground) -> None:
    """The rows of other artifacts that have a hash of a file."""
    wanted: dict[str, list[_Seen]] = {}
    for path, found in seen.items():
        wanted.setdefault(path.casefold(), []).append(found)
    spools = [(path, job) for path, job in ground.spools if _HASHED & set(job.artifacts)]
    outcomes = workers.run(mentioned, [((path, frozenset(wanted)), job.work) for path, job in spools])
    orders: list[Recall] = []
    for done in sorted(outcomes, key=lambda item: item.index):
        job = spools[done.index][1]
        if isinstance(done.result, Dead):
            _miss(seen, job, done.result)
            continue
        _add(done.result.facts, wanted, ground.naming)
        orders += [Recall(job, offsets)] if (offsets := done.result.offsets()) else []
    for again in sorted(
        workers.run(recall, [(order, order.job.work) for order in orders]), key=lambda item: item.index
    ):
        if isinstance(again.result, Dead):
            _miss(seen, orders[again.index].job, again.result)
            continue
        for spool in sorted(again.result[0]):
            _add(hashed(SpoolReader(spool), wanted), wanted, ground.naming)
    for item in seen.values():
        item.facts.sort(key=lambda fact: min(fact.times.values()))


def _miss(seen: dict[str, _Seen], job: Job, why: Dead) -> None:
    for item in seen.values():
        item.lost = f"the rows of {job.path} were not asked: {why.detail}"


def _add(facts: Iterable[tuple[str, Fact]], wanted: dict[str, list[_Seen]], naming: Naming) -> None:
    for path, fact in facts:
        if naming.of(fact) == naming.label and fact.times:
            for item in wanted[path]:
                item.facts.append(fact)


def _context(seen: dict[str, _Seen]) -> list[Fact]:
    """The rows that speak of a target and would not be told otherwise, each once."""
    facts = {id(fact): fact for item in seen.values() for fact in _shown(item) if fact.context}
    return list(facts.values())


def _shown(seen: _Seen) -> list[Fact]:
    """The youngest of the rows about a file."""
    return seen.facts[-_MOST_EVENTS:]


# -- what is said -----------------------------------------------------------------------------------------------------


def _told(entry: PersistenceEntry, seen: _Seen, ground: Ground) -> PersistenceEntry:
    exists, note = _existence(seen, whole=ground.whole)
    looked = seen.looked or Looked()
    sums, source, more = _sums(seen, looked)
    signature = looked.signature
    entry = replace(
        entry,
        target_exists=exists,
        target_note="; ".join(text for text in (note, more, seen.lost) if text) or None,
        target_sha256=sums.get("SHA256"),
        target_sha1=sums.get("SHA1"),
        target_hash_source=source,
        target_publisher=_publisher(seen),
        events=tuple(dict.fromkeys((*entry.events, *_events(seen, ground.naming)))),
    )
    if signature is None:
        return entry
    return _judged(replace(
        entry,
        target_signature=signature.state,
        target_signature_note=signature.detail,
        target_signer=signature.signer,
        target_signer_issuer=signature.issuer,
        target_signer_serial=signature.serial,
        target_signer_thumbprint=signature.thumbprint,
        target_signed_at=signature.signed_at,
    ))  # fmt: skip


def _existence(seen: _Seen, *, whole: bool) -> tuple[bool | None, str]:
    """Whether the file is there, and by what, or why that cannot be told."""
    place = seen.place
    if place is not None:
        if place.why:
            return None, f"not looked at: {place.why}"
        return (True, seen.looked.why) if seen.looked else (True, "")
    if seen.listed is None:
        return (False, "not in the evidence") if whole else (None, "not collected")
    table, told = f"the $MFT ({seen.table})", seen.listed
    if told.there is None:
        return (None, f"no such name in {table}, but {seen.gaps}") if seen.gaps else (False, f"no such name in {table}")
    born = f", created {stamp(told.born)}" if told.born else ""
    if told.there:
        return True, f"not at hand; {table} lists it in record {told.record}{born}"
    return False, f"deleted: its record {told.record} in {table} is free{born}"


def _sums(seen: _Seen, looked: Looked) -> tuple[dict[str, str], str | None, str]:
    """The hashes, where they are from, and what records say that differs."""
    own = {name: text for name, text in (("SHA256", looked.sha256), ("SHA1", looked.sha1)) if text}
    recorded = [(fact, sums) for fact in seen.facts if (sums := _recorded(fact))]
    if own:
        other = [fact for fact, sums in recorded if any(own.get(name, text) != text for name, text in sums.items())]
        note = f"another hash of a file at this path: {_record(other[-1])}" if other else ""
        return own, _FILE, note
    if not recorded:
        return {}, None, ""
    sums = recorded[-1][1]
    same = [one for one, others in recorded if all(sums.get(name, text) == text for name, text in others.items())]
    for one in same:
        sums = _recorded(one) | sums
    differs = len(recorded) - len(same)
    note = f"{differs} older records have another hash" if differs else ""
    return sums, ", ".join(dict.fromkeys(_record(one) for one in same[-3:])), note


def _recorded(fact: Fact) -> dict[str, str]:
    """The whole-file hashes that a row has."""
    if fact.fields.get("hash_is_partial"):
        return {}
    found = {
        name.upper(): text.lower()
        for name, text in _HASHES.findall(str(fact.fields.get("hashes", "")))
        if len(text) == _LENGTHS[name.upper()]
    }
    for name, where in (("SHA1", "file_sha1"), ("SHA256", "file_sha256")):
        if text := fact.fields.get(where):
            found[name] = str(text).lower()
    return found


def _record(fact: Fact) -> str:
    """A row that has a hash, in a few words."""
    moment = min(fact.times.values())
    what = {"amcache.file": "Amcache entry written", "mft.resident_content": "content in the $MFT, changed"}
    number = fact.fields.get("event_identifier")
    return f"{what.get(fact.kind, f'Sysmon {number}')} {stamp(moment)}"


def _publisher(seen: _Seen) -> str | None:
    """Whom the file itself names as its maker, as Amcache noted it: anybody may write that into a file."""
    told = [text for fact in seen.facts if fact.kind == "amcache.file" and (text := fact.fields.get("publisher"))]
    return str(told[-1]) if told else None


def _events(seen: _Seen, naming: Naming) -> list[str]:
    events: list[Event] = [event for fact in _shown(seen) for event in events_of(fact, naming.of(fact))]
    return [event.id for event in events]


def _judged(entry: PersistenceEntry) -> PersistenceEntry:
    """The entry with what its file's signature adds: to the score by rules/targets.yml, else to the reasons."""
    facts = {
        "mechanism": entry.mechanism, "target": entry.target, "exists": entry.target_exists, "score": entry.score,
        "signature": entry.target_signature, "note": entry.target_signature_note, "signer": entry.target_signer,
    }  # fmt: skip
    found = hits(rules_of("targets"), facts)
    reasons = [str(hit) for hit in found] or ([remark] if (remark := _remark(entry)) else [])
    points = sum(hit.weight for hit in found)
    return replace(
        entry,
        score=total(found) if not entry.score else min(100, entry.score + points),
        reasons=(*entry.reasons, *reasons),
        attack=tuple(sorted({*entry.attack, *(item for hit in found for item in hit.attack)})),
    )


def _remark(entry: PersistenceEntry) -> str:
    """A sentence about a signature that adds nothing to the score."""
    by, state = f"its file is signed by {entry.target_signer}", entry.target_signature
    if state == authenticode.VALID and entry.target_signed_at:
        return f"{by} at {stamp(entry.target_signed_at)}, and unchanged (that says nothing of what it loads)"
    if state == authenticode.UNTIMED:
        return f"{by} and unchanged; {entry.target_signature_note}"
    if state == authenticode.UNTRUSTED:
        return f"{by}, whom no root of Microsoft's program stands behind"
    if state == authenticode.NONE:
        return "its file has no signature inside (Windows' own are signed in catalogues, which were not asked)"
    return ""


__all__ = ["MOST_BYTES", "MOST_FILES", "RECORDS", "Ground", "with_targets"]
