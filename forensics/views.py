"""The same file as several views of its volume have it: live, and each volume shadow copy.

Rows that all say the same become one, with `seen_in: [live, vss1, ...]`; a row that only an older view has stays, so
marked: what was deleted, truncated or cleared since. Rows are the same when kind, times, fields and place in the file
are; lines of a text log are compared without their number, since a log that was begun anew counts from one again. What
a row says of the whole file (how its journal was applied, why its clock is taken for local) may differ.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forensics.evidence.base import Found
from forensics.intake import CONTEXT, KEPT
from forensics.jobs import Job
from forensics.model import Fact
from forensics.plainjson import dumps
from forensics.spool import SpoolReader, encode_fact, open_spool
from forensics.times import microseconds

_LINE = re.compile(r"line \d+")
_OF_THE_FILE = frozenset({"database_state", "log_zone_reason"})
_OF_A_LINE = _OF_THE_FILE | {"line_number", "file_offset"}


@dataclass(frozen=True, slots=True)
class View:
    """One view of a file: its name and the spools of its jobs."""

    name: str
    spools: tuple[str, ...]


def twins(found: Iterable[Found]) -> frozenset[str]:
    """All files that some snapshot holds, as `Found.same_as` names them."""
    return frozenset(item.same_as for item in found if item.view != "live")


def groups(found: Sequence[Found], jobs: Iterable[Job]) -> list[tuple[View, ...]]:
    """The views of each file that is in a snapshot: live first, then the newest snapshot to the oldest."""
    wanted = twins(found)
    spools: dict[str, list[str]] = {}
    for job in sorted(jobs, key=lambda item: (item.path, item.part)):
        spools.setdefault(job.path, []).append(job.spool)
    by_path: dict[str, list[Found]] = {}
    for item in found:
        if item.same_as in wanted and item.path in spools:
            by_path.setdefault(item.same_as, []).append(item)
    return [
        tuple(View(item.view, tuple(spools[item.path])) for item in sorted(items, key=_newest_first))
        for _, items in sorted(by_path.items())
    ]


def _newest_first(item: Found) -> int:
    return -1_000_000 if item.view == "live" else -int(item.view[3:])


def merge_views(views: tuple[View, ...]) -> list[str]:
    """Rewrite the spools of a file's views so that each row stands once; gives the lines that were lost."""
    lost: list[str] = []
    seen: dict[bytes, int] = {}
    for bit, view in enumerate(views):
        for key, _ in _keyed(view, lost):
            seen[key] = seen.get(key, 0) | 1 << bit
    names = [view.name for view in views]
    for bit, view in enumerate(views):
        _rewrite(view, bit, seen, names)
    return lost


def _files(view: View) -> Iterator[Path]:
    for spool in view.spools:
        for suffix in (KEPT, CONTEXT):
            if (path := Path(spool + suffix)).exists():
                yield path


def _keyed(view: View, lost: list[str]) -> Iterator[tuple[bytes, Fact]]:
    counts: Counter[bytes] = Counter()
    for path in _files(view):
        yield from _facts(path, counts, lost)


def _facts(path: Path, counts: Counter[bytes], lost: list[str]) -> Iterator[tuple[bytes, Fact]]:
    reader = SpoolReader(path)
    for fact in reader:
        yield _key(fact, counts), fact
    lost += reader.lost


def _key(fact: Fact, counts: Counter[bytes]) -> bytes:
    """What makes a row the same; equal lines of one log are told apart by their order."""
    is_line = _LINE.fullmatch(fact.source.locator) is not None
    times = {meaning: microseconds(moment) for meaning, moment in fact.times.items()}
    apart = _OF_A_LINE if is_line else _OF_THE_FILE
    fields = {name: value for name, value in fact.fields.items() if name not in apart}
    content = [fact.kind, times, fields, fact.no_times, "" if is_line else fact.source.locator]
    packed = dumps(content).encode("utf-8", "surrogatepass")
    key = hashlib.blake2b(packed, digest_size=16).digest()
    if not is_line:
        return key
    counts[key] += 1
    return hashlib.blake2b(key + counts[key].to_bytes(8, "little"), digest_size=16).digest()


def _rewrite(view: View, bit: int, seen: dict[bytes, int], names: list[str]) -> None:
    counts: Counter[bytes] = Counter()
    for path in list(_files(view)):
        target = path.with_suffix(path.suffix + ".merged")
        with open_spool(target, "w") as handle:
            for key, fact in _facts(path, counts, []):
                bits = seen[key]
                if bits & -bits == 1 << bit:
                    where = tuple(name for index, name in enumerate(names) if bits & 1 << index)
                    handle.write(encode_fact(replace(fact, seen_in=where)) + "\n")
        target.replace(path)
