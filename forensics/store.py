"""Sorted collections on disk: what grows with the evidence must not grow in memory.

A `Store` is a JSON-lines file that can be sized and walked again and again. It is built by an external merge sort:
runs of at most `RUN_LINES` lines are sorted in memory, written, and merged while duplicates fall together.
"""

from __future__ import annotations

import contextlib
import heapq
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

from forensics import leftovers
from forensics.plainjson import dumps
from forensics.plainjson import quick as loads  # integers beyond 64 bits were moved to text (timeline.fit)
from forensics.spool import open_spool

RUN_LINES = 50_000
_MAX_RUNS = 200  # open files at once; beyond, runs are merged into one first

Row = list[Any]
Key = tuple[int, str, str, str, str, str, str, str]
Pair = tuple[Key, str]
# The members every row begins with. The first six are the order (and, as far as HOST, what makes a duplicate).
TIME, KIND, PATH, LOCATOR, ID, HOST, EVIDENCE, SHA256, TAGS, SEEN_IN = range(10)

_NUMBER = re.compile(r"0x([0-9a-fA-F]{1,16})|([0-9]{1,18})")


class Identified(Protocol):
    """What a store holds: anything with the stable id."""

    @property
    def id(self) -> str:
        """The stable id."""


T = TypeVar("T", bound=Identified)


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """How items become rows of JSON material and back; every row begins with the ten common members."""

    to_row: Callable[[T], Row]
    from_row: Callable[[Row], T]


def natural(locator: str) -> str:
    """A locator whose numbers compare as numbers: `line 9` before `line 10`, `offset 0xff` before `offset 0x100`."""
    return _NUMBER.sub(lambda match: (match.group(1) or match.group(2)).rjust(18, "0"), locator)


def row_key(row: Row) -> Key:
    """The total order: time, kind, path, locator, id; host and evidence follow so that equal ids never tie."""
    return (
        row[TIME],
        row[KIND],
        row[PATH],
        natural(row[LOCATOR]),
        row[ID],
        row[HOST],
        row[EVIDENCE],
        row[SHA256] or "",
    )


class Sorter:
    """Takes rows in any order and gives them back as JSON lines in the total order, duplicates merged.

    At most `run_lines` are in memory at once; the rest are sorted runs in `scratch`, which must be empty.
    """

    def __init__(self, scratch: Path, run_lines: int = RUN_LINES) -> None:
        self._scratch = scratch
        self._run_lines = run_lines
        self._runs: list[Path] = []
        self._files: list[Path] = []
        self._batch: list[Pair] = []

    def add(self, row: Row) -> None:
        """Take one row."""
        if len(self._batch) >= self._run_lines:
            self._flush()
        self._batch.append((row_key(row), dumps(row)))

    def add_file(self, path: Path) -> None:
        """Take a file of lines that another sorter wrote (`lines`); it must stay until this one is walked."""
        self._files.append(path)

    def _flush(self) -> None:
        """Write one more run; when there are too many to keep open, all become one."""
        self._batch.sort()
        self._runs.append(_write_run(self._batch, self._scratch / f"run-{len(self._runs)}.jsonl"))
        self._batch = []
        if len(self._runs) >= _MAX_RUNS:
            with contextlib.ExitStack() as stack:
                merged = heapq.merge(*(_read_run(run, stack) for run in self._runs))
                joined = _write_run(merged, self._scratch / "joined.jsonl")
            for run in self._runs:
                run.unlink()
            self._runs = [joined.rename(self._scratch / "run-0.jsonl")]

    def lines(self) -> Iterator[str]:
        """Everything that was added, in order; to be walked once."""
        self._batch.sort()
        with contextlib.ExitStack() as stack:
            streams = [_read_run(path, stack) for path in (*self._runs, *self._files)]
            yield from _merged(heapq.merge(*streams, self._batch) if streams else self._batch)


def _write_run(lines: Iterable[Pair], path: Path) -> Path:
    with open_spool(path, "w") as handle:
        handle.writelines(line + "\n" for _, line in lines)
    return path


def _read_run(path: Path, stack: contextlib.ExitStack) -> Iterator[Pair]:
    handle = stack.enter_context(open_spool(path))
    return ((row_key(loads(line)), line.rstrip("\n")) for line in handle)


def _merged(pairs: Iterable[Pair]) -> Iterator[str]:
    """Sorted lines; the same id of the same host becomes one line that says where else it was seen."""
    previous: Key | None = None
    current = ""
    for key, line in pairs:
        if previous is not None and key[ID] == previous[ID] and key[HOST] == previous[HOST]:
            current = dumps(_join(loads(current), loads(line)))
            continue
        if previous is not None:
            yield current
        previous, current = key, line
    if previous is not None:
        yield current


def _join(first: Row, second: Row) -> Row:
    seen = {*first[SEEN_IN], *second[SEEN_IN]}
    if first[EVIDENCE] != second[EVIDENCE]:
        seen |= {first[EVIDENCE], second[EVIDENCE]}
    first[SEEN_IN] = sorted(seen) if len(seen) > 1 else first[SEEN_IN]
    first[TAGS] = first[TAGS] + [tag for tag in second[TAGS] if tag not in first[TAGS]]
    return first


class Store(Generic[T]):
    """A sized, sorted collection on disk that can be walked again and again, one item in memory at a time."""

    def __init__(self, path: Path, count: int, codec: Codec[T], keep: TemporaryDirectory[str] | None = None) -> None:
        self.path = path
        self._count = count
        self._codec = codec
        self._keep = keep  # the scratch folder lives as long as the store

    @classmethod
    def create(cls, items: Iterable[T], codec: Codec[T], path: Path | None, run_lines: int = RUN_LINES) -> Store[T]:
        """Sort `items` into the file `path`; None puts it into a scratch folder that goes away with the store."""
        keep = TemporaryDirectory(prefix=leftovers.prefix()) if path is None else None
        place = path or Path(keep.name if keep else "") / "store.jsonl"
        with TemporaryDirectory(prefix="sort-", dir=place.parent) as scratch:
            sorter = Sorter(Path(scratch), run_lines)
            for item in items:
                sorter.add(codec.to_row(item))
            return cls.of_lines(sorter.lines(), codec, place, keep)

    @classmethod
    def of_lines(
        cls, lines: Iterable[str], codec: Codec[T], path: Path, keep: TemporaryDirectory[str] | None = None
    ) -> Store[T]:
        """Write sorted lines (of `Sorter.lines`) to `path`; `keep` is a scratch folder that lives with the store."""
        count = 0
        with open_spool(path, "w") as handle:
            for line in lines:
                handle.write(line + "\n")
                count += 1
        return Store(path, count, codec, keep)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        from_row = self._codec.from_row
        with open_spool(self.path) as handle:
            for line in handle:
                yield from_row(loads(line))

    def parts(self, rows: int) -> Iterator[StorePart[T]]:
        """The store in parts of `rows` items (the last one smaller), for other processes to walk."""
        begin, count = 0, 0
        with self.path.open("rb") as handle:
            for end, number in _ends(handle):
                count = number
                if number % rows == 0:
                    yield StorePart(self.path, begin, end, self._codec)
                    begin = end
        if count % rows:
            yield StorePart(self.path, begin, self.path.stat().st_size, self._codec)

    def find(self, ids: Collection[str]) -> dict[str, T]:
        """The items with these ids, by one walk over the store."""
        return find(self, ids)


def _ends(handle: BinaryIO) -> Iterator[tuple[int, int]]:
    """Where each line ends, with its number from 1."""
    end = 0
    for number, line in enumerate(handle, 1):
        end += len(line)
        yield end, number


@dataclass(frozen=True, slots=True)
class StorePart(Generic[T]):
    """A stretch of a store's file, from byte `begin` to byte `end`; can be sent to another process."""

    path: Path
    begin: int
    end: int
    codec: Codec[T]

    def __iter__(self) -> Iterator[T]:
        with self.path.open("rb") as handle:
            handle.seek(self.begin)
            data = handle.read(self.end - self.begin)
        for line in data.splitlines():
            yield self.codec.from_row(loads(line.decode("utf-8", "surrogatepass")))


def find(items: Iterable[T], ids: Collection[str]) -> dict[str, T]:
    """The items with these ids, by one walk."""
    wanted = frozenset(ids)
    return {item.id: item for item in items if item.id in wanted}
