"""A second look at the files that autostart entries start: whether they are there, their hashes, who signed them.

Which files these are is known only once the entries are. Each is looked at in a job of its own, so that one that kills
its worker costs no other. Where a file is not at hand, the $MFT of its volume says whether its name is in use, and the
records of Amcache and Sysmon what its hash was. Entries that score come first; what Windows itself brings is context
and no entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forensics.evidence.base import SNAPSHOT
from forensics.formats import authenticode
from forensics.formats.authenticode import Signature
from forensics.jobs import Job
from forensics.model import Fact, PersistenceEntry, Verdicts
from forensics.naming import Naming
from forensics.rules.ranking import worst_first
from forensics.sessions.persistence_files import is_folder
from forensics.showing import Recall, recall
from forensics.spool import SpoolReader
from forensics.targetplaces import (
    RECORDS,
    Listed,
    Looked,
    Place,
    Table,
    catalogued,
    catalogues,
    examine,
    hashed,
    listed,
    listing,
    locate,
    may_be_missed,
    mentioned,
    twin,
)
from forensics.targetwords import UNCOLLECTED, Seen, shown, told
from forensics.workers import Dead, Workers

MOST_FILES, MOST_BYTES, MOST_CATALOGUES = 500, 1024 * 1024 * 1024, 1024 * 1024 * 1024
_SHARE = 200  # catalogues that one job reads
_TABLES, _HASHED = "mft_entries", frozenset({
    "amcache", "event_sysmon", "event_sysmon_images", "mft_entries", "usn_journal",
})  # fmt: skip


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


def with_targets(
    workers: Workers, verdicts: Verdicts, ground: Ground, keep: Callable[[Iterable[Fact]], object]
) -> Verdicts:
    """The verdicts with what is known of the files that entries start; `keep` is given the context that says so.

    Only entries of the host itself are looked up: of another computer, whose logs lie in the evidence, its files do
    not, and its entries say so.
    """
    host = ground.naming.label
    named = [(entry.target, is_folder(entry)) for entry in verdicts.persistence if entry.target and entry.host == host]
    files = {path for path, folder in named if not folder}
    paths = list(dict.fromkeys(path for path, _ in named))
    seen = {path: Seen(folder=path not in files) for path in paths[:MOST_FILES]}
    if seen:
        _look(workers, seen, ground)
        keep(replace(fact, context=False) for fact in _context(seen))
    over = Seen(place=Place(why=f"more than {MOST_FILES} files"))
    judged = [
        _told(entry, seen.get(entry.target, over), ground) if entry.target else entry for entry in verdicts.persistence
    ]
    return replace(verdicts, persistence=worst_first(judged)) if judged else verdicts


def _told(entry: PersistenceEntry, seen: Seen, ground: Ground) -> PersistenceEntry:
    if entry.host == ground.naming.label:
        return told(entry, seen, ground.naming, whole=ground.whole)
    return replace(entry, target_note=entry.target_note or UNCOLLECTED)


def _look(workers: Workers, seen: dict[str, Seen], ground: Ground) -> None:
    """Fill in what the evidence has of each path."""
    _find(workers, seen)
    lists = _catalogues(workers, seen)
    _examine(workers, seen)
    _ask_catalogues(workers, seen, lists)
    _ask_tables(workers, seen, ground)
    _ask_records(workers, seen, ground)


def _find(workers: Workers, seen: dict[str, Seen]) -> None:
    """Where the files lie; one search for all, and where that dies one for each."""
    orders = [(path, found.folder) for path, found in seen.items()]
    answer = workers.one(locate, tuple(orders))
    if not isinstance(answer, Dead):
        for path, place in answer.items():
            seen[path].place = place
        return
    for done in workers.run(locate, [((order,), 0) for order in orders]):
        path, result = orders[done.index][0], done.result
        seen[path].place = Place(why=result.detail) if isinstance(result, Dead) else result.get(path)


def _examine(workers: Workers, seen: dict[str, Seen]) -> None:
    """Hash the files that are at hand, in the order of the entries as far as the budget goes."""
    left, chosen = MOST_BYTES, []
    for found in seen.values():
        if found.place is None or found.place.why or found.folder:
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


def _catalogues(workers: Workers, seen: dict[str, Seen]) -> list[Place]:
    """The catalogues at hand, as far as they are read; each place is told whether there are any."""
    at_hand = [found for found in seen.values() if found.place and not found.place.why]
    answer = workers.one(catalogues, None) if at_hand else []
    left, chosen = MOST_CATALOGUES, list[Place]()
    for place in answer if not isinstance(answer, Dead) else ():
        left -= place.size
        chosen += [place] if left > 0 else []
    for found in at_hand:
        found.place = replace(found.place, catalogues=bool(chosen)) if found.place else None
    return chosen


def _ask_catalogues(workers: Workers, seen: dict[str, Seen], lists: list[Place]) -> None:
    """Who signed the catalogue that lists a program which bears no signature."""
    asking = [(found, found.looked, found.place) for found in seen.values() if found.looked and found.looked.digests]
    wanted = frozenset(digest for _, looked, _ in asking for digest in looked.digests)
    shares = [lists[at : at + _SHARE] for at in range(0, len(lists), _SHARE)] if wanted else []
    orders = [((tuple(item.path for item in share), wanted), sum(item.size for item in share)) for share in shares]
    where: dict[bytes, str] = {}
    unread = 0
    for done in sorted(workers.run(listing, orders), key=lambda item: item.index):
        digests, lost = ({}, len(shares[done.index])) if isinstance(done.result, Dead) else done.result
        where, unread = where | digests, unread + lost
    named = [
        (found, looked, place, path)
        for found, looked, place in asking
        if place and (path := next((where[digest] for digest in looked.digests if digest in where), ""))
    ]
    failed = f" ({unread} could not be read)" if unread else ""
    for found, looked, _ in asking:
        none = Signature(authenticode.NONE, f"none of {len(lists)} catalogues at hand lists it{failed}")
        found.looked = replace(looked, signature=none)
    for end in workers.run(catalogued, [((place, path), place.size) for _, _, place, path in named]):
        found, looked, _, path = named[end.index]
        signature = (
            Signature(authenticode.NOT_CHECKED, end.result.detail) if isinstance(end.result, Dead) else end.result
        )
        by = "; ".join(text for text in (f"by the catalogue {path}", signature.detail) if text)
        found.looked = replace(looked, signature=replace(signature, detail=by))


def _ask_tables(workers: Workers, seen: dict[str, Seen], ground: Ground) -> None:
    """What the $MFT of the same drive says of files that are not at hand."""
    tables: dict[str, Job] = {}
    for job in ground.jobs:
        drive = job.path.partition("/")[0]
        if _TABLES in job.artifacts and SNAPSHOT not in drive and job.path.casefold().endswith("$mft"):
            tables.setdefault(drive.casefold(), job)
    orders: list[tuple[Job, dict[str, str]]] = []
    for drive, job in tables.items():
        sought = {
            path: _below_drive(path, folder=found.folder)
            for path, found in seen.items()
            if found.place is None and path.partition("\\")[0].casefold() == drive
        }
        if sought:
            orders.append((job, sought))
    asked = [((job.path, _with_twins(sought.values())), job.size) for job, sought in orders]
    for done in workers.run(listed, asked):
        job, sought = orders[done.index]
        table = Table({}, f"the $MFT: {done.result.detail}") if isinstance(done.result, Dead) else done.result
        gaps = table.gaps or ("the $MFT is damaged" if job.damaged or job.path in ground.damaged else "")
        for path, rest in sought.items():
            found = seen[path]
            found.table, found.gaps = job.path, gaps or may_be_missed(rest)
            if not found.gaps and (other := table.found.get(twin(rest))) and other.there:
                found.gaps = "a 32-bit program gets the file of that name in SysWOW64"
            found.listed = table.found.get(rest, Listed(None))


def _below_drive(path: str, *, folder: bool) -> str:
    """A path as a $MFT is asked for it."""
    rest = "\\" + path.partition("\\")[2].casefold()
    return rest.rstrip("\\") + "\\" if folder else rest


def _with_twins(sought: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for path in sought for name in (path, twin(path)) if name))


def _ask_records(workers: Workers, seen: dict[str, Seen], ground: Ground) -> None:
    """The rows of other artifacts that have a hash of a file."""
    wanted: dict[str, list[Seen]] = {}
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


def _miss(seen: dict[str, Seen], job: Job, why: Dead) -> None:
    for item in seen.values():
        item.lost = f"the rows of {job.path} were not asked: {why.detail}"


def _add(facts: Iterable[tuple[str, Fact]], wanted: dict[str, list[Seen]], naming: Naming) -> None:
    for path, fact in facts:
        if naming.of(fact) == naming.label and fact.times:
            for item in wanted[path]:
                item.facts.append(fact)


def _context(seen: dict[str, Seen]) -> list[Fact]:
    """The rows that speak of a target and would not be told otherwise, each once."""
    facts = {id(fact): fact for item in seen.values() for fact in shown(item) if fact.context}
    return list(facts.values())


__all__ = ["MOST_BYTES", "MOST_FILES", "RECORDS", "Ground", "with_targets"]
