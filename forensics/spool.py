"""Facts on disk between the worker processes and the timeline: one JSON line each, no pickle.

A line is what a worker writes and the parent trusts, so reading checks its shape. The times stand first, as whole
microseconds, so that `select_lines` can pass over a million unrelated lines without decoding them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from forensics.model import Fact, Fields, Source, Value
from forensics.plainjson import dumps, loads, quick
from forensics.times import UNIX_EPOCH, microseconds

Window = tuple[datetime, datetime]
_MEMBERS = 12


class SpoolError(ValueError):
    """A line that is not a fact."""


def open_spool(path: Path, mode: str = "r") -> TextIO:
    """Open a spool so that every string survives: UTF-8 with lone surrogates, LF only."""
    handle: TextIO = path.open(mode, encoding="utf-8", errors="surrogatepass", newline="\n")  # type: ignore[assignment]
    return handle


def encode_fact(fact: Fact) -> str:
    """The fact as one line without its line end; `decode_fact` gives it back exactly."""
    source = fact.source
    return dumps(
        [
            [microseconds(moment) for moment in fact.times.values()],
            list(fact.times),
            fact.kind,
            source.evidence,
            source.path,
            source.sha256,
            source.locator,
            fact.fields,
            fact.no_times,
            fact.context,
            fact.tags,
            fact.seen_in,
        ]
    )


def decode_fact(line: str) -> Fact:
    """The fact of a line.

    Raises:
        SpoolError: the line is cut, no JSON, or not of the shape that `encode_fact` writes.
    """
    try:
        row = quick(line)
        if isinstance(row, list) and len(row) == _MEMBERS and _has_float(row[7]):
            row = loads(line)  # no field is a float: it was an integer beyond 64 bits
    except (ValueError, RecursionError) as error:
        raise SpoolError(f"no JSON: {error}") from None
    if not isinstance(row, list) or len(row) != _MEMBERS:
        raise SpoolError(f"not a list of {_MEMBERS} members")
    ticks, meanings, kind, evidence, path, sha256, locator, fields, reasons, context, tags, seen = row
    if not _all_strings([kind, evidence, path, locator]) or not isinstance(sha256, str | None):
        raise SpoolError("the kind or source is not text")
    if not isinstance(context, bool) or not _all_strings(tags) or not _all_strings(seen):
        raise SpoolError("context, tags or views have the wrong type")
    source = Source(evidence, path, sha256, locator)
    times, values = _times(ticks, meanings), decode_fields(fields)
    return Fact(kind, source, times, values, _reasons(reasons), context, tuple(tags), tuple(seen))


def _has_float(fields: object) -> bool:
    return isinstance(fields, dict) and any(type(value) is float for value in fields.values())


def _all_strings(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is str for value in values)


def from_microseconds(ticks: int) -> datetime:
    """The aware UTC datetime of whole microseconds since 1970 (the inverse of `times.microseconds`)."""
    return UNIX_EPOCH + timedelta(microseconds=ticks)


def _times(ticks: object, meanings: object) -> dict[str, datetime]:
    if not isinstance(ticks, list) or not isinstance(meanings, list) or len(ticks) != len(meanings):
        raise SpoolError("times and meanings do not match")
    if not _all_strings(meanings) or not all(type(tick) is int for tick in ticks):
        raise SpoolError("a time or its meaning has the wrong type")
    try:
        return {meaning: from_microseconds(tick) for meaning, tick in zip(meanings, ticks, strict=True)}
    except OverflowError:
        raise SpoolError("a time is out of range") from None


def _reasons(plain: object) -> dict[str, str]:
    if not isinstance(plain, dict) or not _all_strings(list(plain.values())):
        raise SpoolError("a reason for no time is not text")
    return plain


def decode_fields(plain: object) -> Fields:
    """The fields of a JSON object; lists of strings become tuples again.

    Raises:
        SpoolError: no object, or a value that is no string, int, bool or list of strings.
    """
    if not isinstance(plain, dict):
        raise SpoolError("fields are not an object")
    return {name: value if type(value) is str else _value(name, value) for name, value in plain.items()}


def _value(name: str, value: Any) -> Value:  # noqa: ANN401  # whatever stood in the JSON
    if type(value) in (str, int, bool):
        return value  # type: ignore[no-any-return]
    if _all_strings(value):
        return tuple(value)
    raise SpoolError(f"the field {name} has the wrong type")


class SpoolReader:
    """The facts of one spool file, in file order; may be iterated again.

    A worker that was killed leaves a last line without its end: that line is passed over and `cut` set. Any other
    undecodable line is passed over and named in `lost`, for the caller to report.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut = False
        self.lost: list[str] = []

    def __iter__(self) -> Iterator[Fact]:
        self.lost = []
        for number, line in enumerate(self.lines(), 1):
            try:
                yield decode_fact(line)
            except SpoolError as error:
                self.lost.append(f"line {number}: {error}")

    def lines(self) -> Iterator[str]:
        """The complete lines, undecoded (what `select_lines` takes)."""
        self.cut = False
        with self.path.open("rb") as handle:  # a cut may fall inside a character: decode complete lines only
            for raw in handle:
                if raw.endswith(b"\n"):
                    yield raw.decode("utf-8", "surrogatepass")
                else:
                    self.cut = True


def select_lines(lines: Iterable[str], windows: Sequence[Window], lost: list[str]) -> Iterator[str]:
    """The lines with at least one time inside a window (both ends included); undated facts are never selected.

    Lines that do not begin with their times are named in `lost`, for the caller to report.
    """
    starts, ends = _disjoint(windows)
    for number, line in enumerate(lines if starts else (), 1):
        try:
            if any((slot := bisect_right(starts, tick)) and tick <= ends[slot - 1] for tick in _ticks(line)):
                yield line
        except SpoolError as error:
            lost.append(f"line {number}: {error}")


def _ticks(line: str) -> list[int]:
    end = line.find("]")
    if not line.startswith("[[") or end < 0:
        raise SpoolError("the line does not begin with its times")
    try:
        return [int(tick) for tick in line[2:end].split(",") if tick]
    except ValueError:
        raise SpoolError("the line does not begin with its times") from None


def _disjoint(windows: Sequence[Window]) -> tuple[list[int], list[int]]:
    """Windows in microseconds, sorted, overlapping ones joined; an inverted window holds nothing."""
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted((microseconds(first), microseconds(last)) for first, last in windows):
        if end < start:
            continue
        if starts and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends
