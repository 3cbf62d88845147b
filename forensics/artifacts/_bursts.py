"""Many files of one folder that are deleted at once, out of a change journal (rules/filesystem.yml, `emptied`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache

from forensics.formats.ntfspaths import Place
from forensics.formats.usn import Record
from forensics.rules import load
from forensics.rules.filesystem import names_of

_MOST = 1_000  # bursts that are told of one journal


@dataclass(frozen=True, slots=True)
class Watched:
    """A kind of folder of which it is told when it is emptied."""

    what: str
    folder: str
    names: re.Pattern[str]
    least: int


@dataclass(slots=True)
class Burst:
    """Deletions in one folder that follow each other without a pause."""

    about: Watched
    place: Place
    first: Record
    last: Record
    count: int = 1

    @property
    def seconds(self) -> int:
        """How long it took."""
        start, end = self.first.time, self.last.time
        return int((end - start).total_seconds()) if isinstance(start, datetime) and isinstance(end, datetime) else 0


@cache
def _all() -> tuple[Watched, ...]:
    items = load("filesystem")["emptied"]["folders"]
    return tuple(Watched(item["what"], item["folder"], names_of(item["names"]), item["least"]) for item in items)


@lru_cache(maxsize=65536)
def _in(folder: str) -> tuple[Watched, ...]:
    text = "\\" + folder.casefold().strip("\\") + "\\"
    return tuple(item for item in _all() if _lies(text, item.folder))


def _lies(text: str, folder: str) -> bool:
    return text.endswith(folder[:-1]) if folder.endswith("\\$") else folder in text


class Bursts:
    """Takes deletions in the order of the journal and gives those bursts that are large enough."""

    def __init__(self) -> None:
        self._open: dict[str, Burst] = {}
        self._done: list[Burst] = []
        self._pause = timedelta(seconds=load("filesystem")["emptied"]["seconds"])

    def take(self, record: Record, place: Place) -> None:
        """One deletion (its first record)."""
        name = (record.name or "").casefold()
        about = next((item for item in _in(place.path) if item.names.fullmatch(name)), None)
        if about is None:
            return
        key = place.path.casefold()
        known = self._open.get(key)
        if known is not None and self._goes_on(known, record):
            known.last, known.count = record, known.count + 1
            return
        if known is not None:
            self._close(known)
        self._open[key] = Burst(about, place, record, record)

    def _goes_on(self, known: Burst, record: Record) -> bool:
        before, now = known.last.time, record.time
        return isinstance(before, datetime) and isinstance(now, datetime) and abs(now - before) <= self._pause

    def _close(self, burst: Burst) -> None:
        if burst.count >= burst.about.least and len(self._done) < _MOST:
            self._done.append(burst)

    def all(self) -> Iterator[Burst]:
        """The bursts, in the order in which they ended."""
        for burst in self._open.values():
            self._close(burst)
        self._open.clear()
        yield from self._done
