"""A second look at the files that autostart entries start: whether they are there, their hashes, who signed them.

Which files these are is known only once the entries are. Each is looked at in a job of its own, so that one that kills
its worker costs no other. Where a file is not at hand, the $MFT of its volume says whether its name is in use, and the
records of Amcache and Sysmon what its hash was. Entries that score come first; what Windows itself brings is context
and no entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
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
    MOST_LISTINGS,
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
# Of the answers of several catalogues which counts: what speaks for the file, then what may have done so.
_BETTER = (
    authenticode.VALID, authenticode.UNTIMED, authenticode.UNTRUSTED, authenticode.CHANGED, authenticode.INVALID,
    authenticode.NOT_CHECKED, authenticode.UNREADABLE, authenticode.NONE,
)  # fmt: skip
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
    where: dict[bytes, list[str]] = {}
    unread = 0
    for done in sorted(workers.run(listing, orders), key=lambda item: item.index):
        digests, lost = ({}, len(shares[done.index])) if isinstance(done.result, Dead) else done.result
        unread += lost
        for digest, paths in digests.items():
            where.setdefault(digest, []).extend(paths)
    failed = f" ({unread} could not be read)" if unread else ""
    none = Signature(authenticode.NONE, f"none of {len(lists)} catalogues at hand lists it{failed}")
    asked = []
    for found, looked, place in asking:
        found.looked = replace(looked, signature=none)
        having = dict.fromkeys(path for digest in looked.digests for path in where.get(digest, ()))
        asked += [_Asked(found, place, list(having))] if place and having else []
    _ask_each(workers, asked)


@dataclass(slots=True)
class _Asked:
    """A program, the catalogues that have its digest in them, and the best answer of them so far."""

    found: Seen
    place: Place
    paths: list[str]
    best: Signature = field(default_factory=lambda: Signature(authenticode.NONE))


def _ask_each(workers: Workers, asked: Sequence[_Asked]) -> None:
    """Ask the catalogues of each program in turn until one speaks for it: one that merely has its digest does not.

    Each in a job of its own, so that one that kills its worker does not silence the others.
    """
    for turn in range(MOST_LISTINGS):
        due = [item for item in asked if turn < len(item.paths) and item.best.state != authenticode.VALID]
        for end in workers.run(catalogued, [((item.place, item.paths[turn]), item.place.size) for item in due]):
            _take(due[end.index], due[end.index].paths[turn], end.result)
    for item in asked:
        looked = item.found.looked
        signature = item.best if item.best.state != authenticode.NONE or not looked else looked.signature
        if signature and signature.state != authenticode.VALID and len(item.paths) > MOST_LISTINGS:
            more = f"more than {MOST_LISTINGS} catalogues have its digest"
            signature = replace(signature, detail=f"{signature.detail}; {more}")
        item.found.looked = replace(looked, signature=signature) if looked else None


def _take(item: _Asked, path: str, answer: Signature | Dead) -> None:
    """Keep the answer of a catalogue where it is better than those before."""
    signature = Signature(authenticode.NOT_CHECKED, answer.detail) if isinstance(answer, Dead) else answer
    if _BETTER.index(signature.state) < _BETTER.index(item.best.state):
        by = "; ".join(text for text in (f"by the catalogue {path}", signature.detail) if text)
        item.best = replace(signature, detail=by)


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
