"""Background and Desktop Activity Moderator: the last run of each program, by the SID that ran it.

Says *as whom* a program ran: an entry for WindowsSandbox under S-1-5-18 is a launch that no user saw. Windows 10 1709
and later; entries older than about a week are dropped at boot (and may be recovered from free cells). Until 1803 the
entries stand under `UserSettings`, later under `State\\UserSettings`. Paths are device paths or package family names.
Version and SequenceNumber are counters. That the time is the end rather than the start of the last run is reported
differently; take it as activity.
https://dfir.ru/2020/04/08/bam-internals/
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from forensics.artifacts._registry import file_name, lost, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Problem, make_fact
from forensics.rules.watch import is_watched
from forensics.times import from_filetime

_NAME = "bam"
_COUNTERS = frozenset({"version", "sequencenumber"})
_SID = re.compile(r"S-1-\d+(?:-\d+)+", re.IGNORECASE)
_PLACES = tuple(
    f"Services\\{service}\\{settings}\\S-1-*"
    for service in ("bam", "dam")
    for settings in ("State\\UserSettings", "UserSettings")
)


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every program and SID; the same row of another control set is not repeated."""
    seen = {_entry(key, value) for key in _keys(hive.live) for value in key.values()} if hive.deleted else set()
    for key in _keys(hive):
        yield from _rows(given, key, seen)
    for key in hive.unplaced():
        if _SID.fullmatch(key.name):
            yield from _rows(given, key, seen)


def _keys(hive: Hive) -> Iterator[Key]:
    for control_set in hive.control_sets():
        for where in _PLACES:
            yield from hive.glob(f"{control_set}\\{where}")


def _entry(key: Key, value: RegValue) -> tuple[str, str, bytes]:
    return key.name.upper(), value.name, value.raw


def _rows(given: FileInput, key: Key, seen: set[tuple[str, str, bytes]]) -> Output:
    for value in key.values():
        entry = _entry(key, value)
        if value.name.lower() in _COUNTERS or entry in seen:
            continue
        seen.add(entry)
        yield from _row(given, key, value)


def _row(given: FileInput, key: Key, value: RegValue) -> Iterator[Fact | Problem]:
    source = place(given, key, value.name)
    if len(value.raw) < 8:
        yield lost(_NAME, source, FormatError(f"an entry takes 8 bytes or more, there are {len(value.raw)}"))
        return
    yield make_fact(
        "bam.run",
        source,
        {"Last Time Executed": from_filetime(struct.unpack_from("<Q", value.raw)[0])},
        {
            "executable": value.name,
            "executable_name": file_name(value.name),
            "user_sid": key.name.upper(),
            "key_path": key.path,
            "value_name": value.name,
        },
        context=not is_watched(value.name),
    )


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"SYSTEM"}),
    parse=parse,
    emits={
        "bam.run": Kind(
            "{executable} last ran as {user_sid}",
            {"executable": str, "executable_name": str, "user_sid": str, "key_path": str, "value_name": str},
            context=True,
            data_type="windows:registry:bam",
        )
    },
    deleted=True,
)
