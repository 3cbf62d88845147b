"""Counts logons from other machines by address, manner and account, of records that are not read one by one.

A server's Security log has a hundred thousand of them. Each is noted with its place, address and account when the log
is read (`deferred`); here they are counted, and the first and last of each source are read, so that the count has rows
that stand for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from forensics.deferred import about_of, is_note, kind_of, offset_of, ticks_of
from forensics.jobs import Job
from forensics.model import Fact, Problem, Source
from forensics.spool import SpoolReader, decode_fact
from forensics.text import clean
from forensics.workers import Dead, Workers

ARTIFACT = "event_logon"
_KINDS = frozenset({"logon.succeeded", "logon.explicit"})
_MARKS = tuple(f'"{kind}"' for kind in sorted(_KINDS))
REMOTE_TYPES = frozenset({"3", "8", "10"})  # network, network with a clear text password, remote desktop
_NOWHERE = frozenset({"", "-", "local"})
_MOST_SOURCES = 2_000  # of one log
_MOST_READ = 400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MANNER = {"logon.succeeded": "4624", "logon.explicit": "4648"}


@dataclass(slots=True)
class LogonSource:
    """The logons of one account from one address in one manner (`4624 type 3`, `4648`)."""

    address: str
    manner: str
    user: str
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, count: int, first: datetime | None, last: datetime | None) -> None:
        """Count more of them in."""
        self.count += count
        self.first = min((moment for moment in (self.first, first) if moment), default=None)
        self.last = max((moment for moment in (self.last, last) if moment), default=None)


@dataclass(slots=True)
class Tally:
    """What one log says: sources by what makes them one, the places of records to read, facts that were read anyway.

    `left` logons are of more sources than are told apart.
    """

    sources: dict[tuple[str, str, str], LogonSource] = field(default_factory=dict)
    places: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)
    facts: dict[tuple[str, str, str], Fact] = field(default_factory=dict)
    left: int = 0

    def offsets(self) -> tuple[int, ...]:
        """The places of the first and last record of each source, the busiest sources first."""
        ranked = sorted(self.places, key=lambda key: (-self.sources[key].count, key))[: _MOST_READ // 2]
        return tuple(sorted({place for key in ranked for place in self.places[key]}))


def tally(path: Path) -> Tally:
    """Count the remote logons in one context spool; the workers do it."""
    found = Tally()
    for line in SpoolReader(path).lines():
        if not any(mark in line for mark in _MARKS):
            continue
        try:
            _count(line, found)
        except ValueError:  # a damaged line, which choosing context reports
            continue
    return found


def _count(line: str, found: Tally) -> None:
    if is_note(line):
        kind, about = kind_of(line), about_of(line)
        moment = _EPOCH + timedelta(microseconds=ticks_of(line))
        if key := _key(kind, about):
            source = _source(found, key, moment)
            if source is not None:
                place = offset_of(line)
                found.places[key] = (found.places.get(key, (place, place))[0], place)
        return
    fact = decode_fact(line)
    fields = fact.fields
    about = [str(fields.get(name, "")) for name in ("source_ip", "logon_type", "target_user_name")]
    key = _key(fact.kind, about)
    if key and _source(found, key, next(iter(fact.times.values()), None)) is not None:
        found.facts.setdefault(key, fact)


def _key(kind: str, about: list[str]) -> tuple[str, str, str] | None:
    """Address, manner and account of a logon from elsewhere; None for one at the machine itself."""
    if kind not in _KINDS or len(about) != 3:
        return None
    address, logon_type, user = (clean(text)[0][:200].strip() for text in about)
    if address.casefold() in _NOWHERE or (kind == "logon.succeeded" and logon_type not in REMOTE_TYPES):
        return None
    manner = _MANNER[kind] + (f" type {logon_type}" if kind == "logon.succeeded" else "")
    return address, manner, user


def _source(found: Tally, key: tuple[str, str, str], moment: datetime | None) -> LogonSource | None:
    source = found.sources.get(key)
    if source is None:
        if len(found.sources) >= _MOST_SOURCES:
            found.left += 1
            return None
        source = found.sources.setdefault(key, LogonSource(*key))
    source.add(1, moment, moment)
    return source


def merged(tallies: Iterable[Tally]) -> list[LogonSource]:
    """The sources of several logs, or parts of one, together."""
    whole: dict[tuple[str, str, str], LogonSource] = {}
    for one in tallies:
        for key, source in one.sources.items():
            held = whole.setdefault(key, LogonSource(*key))
            held.add(source.count, source.first, source.last)
    return [whole[key] for key in sorted(whole)]


def counted(
    workers: Workers, contexts: Iterable[tuple[Path, Job]], problems: list[Problem], name: str
) -> tuple[list[LogonSource], dict[Path, tuple[int, ...]], list[Fact]]:
    """The sources of a host's logs, the places of the records that stand for them, and facts that were read at once."""
    logs = [(path, job) for path, job in contexts if ARTIFACT in job.artifacts]
    tallies: dict[Path, Tally] = {}
    for done in workers.run(tally, [(path, job.work) for path, job in logs]):
        path, job = logs[done.index]
        source = Source(name, job.path, job.sha256, "")
        if isinstance(done.result, Dead):
            problems.append(Problem(done.result.fault, "evidence", source, f"counting logons: {done.result.detail}"))
            continue
        tallies[path] = done.result
        if left := done.result.left:
            why = f"{left} logons of more than {_MOST_SOURCES} addresses and accounts are not counted"
            problems.append(Problem("budget", "evidence", source, why))
    places = {path: found for path, one in tallies.items() if (found := one.offsets())}
    facts = [fact for one in tallies.values() for fact in one.facts.values()]
    return merged(tallies[path] for path in sorted(tallies)), places, facts
